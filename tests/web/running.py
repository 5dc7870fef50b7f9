"""A real server as a process of its own, and a client that sees everything of an answer."""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PROBE = Path(__file__).parents[1] / "engines" / "wasm_programs" / "probe.wasm"
SECONDS = 60
API = "/api/v1/orchestrator"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@dataclass
class Running:
    """A server, by its address."""

    url: str
    process: subprocess.Popen[bytes]
    data_dir: Path

    def __call__(self, method: str, path: str, document: Any = None, **headers: str) -> Answer:
        """One request; `document` is sent as JSON, bytes as they are. ``X_Request_Id="…"`` gives a header."""
        data = document if isinstance(document, bytes | None) else json.dumps(document).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if data is not None:
            given.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=SECONDS)
        try:
            connection.request(method, path, data, given)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Any:
        """The document of a route below the jobs' prefix, which must be there."""
        answer = self("GET", f"{API}{path}", **headers)
        assert answer.status == 200, answer.body
        return answer.document

    def submit(self, job: dict[str, Any], **headers: str) -> str:
        """The id of the job."""
        answer = self("PUT", f"{API}/jobs", {"Job": job}, **headers)
        assert answer.status == 200, answer.body
        return str(answer.document["JobID"])

    def state(self, job_id: str) -> str:
        return str(self.get(f"/jobs/{job_id}")["Job"]["State"]["StateType"])

    def wait_for(self, job_id: str, *states: str) -> None:
        eventually(lambda: self.state(job_id) in states)


@contextmanager
def serving(
    data_dir: Path, environment: dict[str, str] | None = None, *flags: str, program: tuple[str, ...] = ("-m", "gadus")
) -> Iterator[Running]:
    """A server on a port of its own, `program` for Python; killed at the end, if it still runs, with all that it runs."""
    words = [sys.executable, *program, "serve", "--port", "0", "--json", "--data-dir", str(data_dir), *flags]
    process = subprocess.Popen(words, env=environment or dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, process.stderr.read().decode() if process.stderr else ""
        yield Running(json.loads(line)["url"], process, data_dir)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=SECONDS)


def wasm_job(*arguments: str, name: str = "", **fields: Any) -> dict[str, Any]:
    """A job that runs the probe, which comes along with it."""
    url = f"data:application/wasm;base64,{base64.b64encode(PROBE.read_bytes()).decode()}"
    module = {"Source": {"Type": "inline", "Params": {"URL": url}}, "Target": "/module.wasm"}
    engine = {"Type": "wasm", "Params": {"EntryModule": module, "Parameters": list(arguments)}}
    # A test that fails may leave it running: not for ever.
    task = {"Name": "main", "Engine": engine, "Timeouts": {"ExecutionTimeout": 60}} | fields.pop("task", {})
    return {"Name": name, "Type": "batch", "Count": 1, "Tasks": [task]} | fields


def eventually(look: Callable[[], Any]) -> Any:
    """Waits for a value that is true, and gives it."""
    deadline = time.monotonic() + SECONDS
    while not (seen := look()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)
    return seen
