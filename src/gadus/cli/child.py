"""A server of our own as a process, which ends with this one."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from gadus.core.errors import Unavailable

START_SECONDS = 60.0
JOBS_SECONDS = 40.0
STOP_SECONDS = 15.0
_ASK_SECONDS = 10.0
_LARGEST_ANSWER = 2**26
_JOBS = "/api/v1/orchestrator/jobs"
_PAGE = 500
_MOST_PAGES = 10_000
_FINAL = ("Completed", "Failed", "Stopped")
# Run by a fresh interpreter that then becomes the server: asks the kernel to stop it when its parent is killed.
_LAUNCH = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that answers."""

    url: str
    pid: int
    process: subprocess.Popen[bytes]


@contextmanager
def serving(words: Sequence[str], environment: Mapping[str, str]) -> Iterator[Serving]:
    """
    ``gadus serve`` with these words; at the end its jobs are stopped, and then itself.

    What it has to say goes to our standard error. Raises Unavailable when it does not begin.
    """
    command = [sys.executable, "-P", "-m", "gadus", "serve", "--json", *words]
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid()), *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env=dict(environment),
        # A Ctrl-C is ours: its jobs are to be stopped first.
        start_new_session=True,
    )
    try:
        said = _first_line(process)
        try:
            yield Serving(said["url"], said["pid"], process)
        finally:
            if process.poll() is None:
                _stop_jobs(said["url"])
    finally:
        _end(process)


def _first_line(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], START_SECONDS)
    line = process.stdout.readline() if ready else b""
    try:
        said: dict[str, Any] = json.loads(line)
    except ValueError:
        said = {}
    if "url" not in said:
        raise Unavailable("the server did not begin", hint="what it said stands above")
    return said


def _stop_jobs(url: str) -> None:
    """Stop every job that has not ended, and wait a while until nothing of them runs."""
    deadline = time.monotonic() + JOBS_SECONDS
    with suppress(OSError, ValueError):
        while time.monotonic() < deadline:
            living = list(_living(url))
            for job_id in living:
                with suppress(urllib.error.HTTPError):  # it ended by itself
                    _ask(f"{url}{_JOBS}/{job_id}", method="DELETE")
            if not living and not _ask(f"{url}/healthz")["Running"]:
                return
            time.sleep(0.1)


def _living(url: str) -> Iterator[str]:
    """The ids of jobs that have not ended, page by page."""
    token = ""
    for _ in range(_MOST_PAGES):
        page = _ask(f"{url}{_JOBS}?limit={_PAGE}&next_token={quote(token)}")
        yield from (job["ID"] for job in page["Items"] if job["State"]["StateType"] not in _FINAL)
        token = page["NextToken"]
        if not token:
            return


def _ask(url: str, method: str = "GET") -> Any:
    # A proxy of the environment is for other machines: it would look for our server on its own.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(urllib.request.Request(url, method=method), timeout=_ASK_SECONDS) as answer:  # noqa: S310 - our own
        return json.loads(answer.read(_LARGEST_ANSWER))


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
