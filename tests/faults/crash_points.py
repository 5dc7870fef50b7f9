"""
Kills the server before each of its system calls during a submission, and a shim before each of its own during an execution.

    python tests/faults/crash_points.py [--step 5] [--of server shim shim-alone] [--calls write fsync] [--inputs]

strace does it: at the n-th call of one kind, for n = 1, 2, … until a run passes untouched. After each it is looked whether what
was acknowledged is there and completes, what was not is there whole or not at all, and the same key gives the one job; whether
the end of an execution is its true one, or it was lost and is run again, and never two at once.
"""

from __future__ import annotations

import argparse
import itertools
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import TypeVar

import rooms  # noqa: F401 - finds the parts of other rooms
from clients import COMPLETED, FINAL, Accepted, all_jobs, problems_of
from installation import API, Installation, eventually
from programs import Asked, sleeper, wasm_job
from remains import files_left
from slow_s3 import SlowS3, slow_s3
from witness import LOOK_SECONDS, Process, Witness

CALLS = (
    *("write", "pwrite64", "writev", "sendto", "sendmsg"),
    *("fsync", "fdatasync", "ftruncate"),
    *("rename", "renameat2", "link", "linkat", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir"),
    *("openat", "flock", "close", "clone", "clone3"),
)
"""What changes something outside the process, or begins or ends doing so."""
_OF_A_KILL = ("ended without a word", "was ended by SIGKILL")
"""What is told of an execution whose shim was killed, or the process of its program."""

T = TypeVar("T")


@dataclass
class CrashPoints:
    """A server and what is done to it; `wrong` is what was found."""

    home: Path
    say: Callable[[str], None] = lambda _: None
    asked: Callable[[], Asked] = lambda: Asked(wasm_job(sleeper(0.2, 7)), exit_code=7)
    wrong: list[str] = field(default_factory=list)
    killed: Counter[str] = field(default_factory=Counter)
    accepted: list[Accepted] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.installation = Installation(self.home)
        self.witness = Witness(self.installation.data_dir)
        self._keys = (f"key-{number}" for number in itertools.count())

    def read_from(self, s3: SlowS3) -> None:
        """Every job has an input of its own."""
        self.installation.variables = s3.environment
        self.asked = partial(s3.reader, random.Random(0))

    @contextmanager
    def running(self) -> Iterator[None]:
        """As long as points are tried; at the end everything is judged once more."""
        self.installation.data_dir.mkdir(parents=True)
        self.installation.start()
        try:
            with self.witness:
                self._warm_up()
                yield
                self._judge()
        finally:
            self.installation.end(signal.SIGTERM)

    def of_the_server(self, call: str, number: int) -> bool:
        """One submission, with a kill before so many calls; whether there was one."""
        asked, key = self.asked(), next(self._keys)
        assert self.installation.process is not None
        job_id = ""
        with self._traced(self.installation.process.pid, call, number) as trace:
            with suppress(OSError, HTTPException):
                answer = self.installation.ask("PUT", f"{API}/jobs", {"Job": asked.document}, Idempotency_Key=key)
                job_id = answer.document["JobID"]
            # Not asked of the server: that would be further calls.
            self._wait(lambda: trace.poll() is not None or (job_id and self._is_over(job_id)))
        touched = self.installation.process.poll() is not None
        if touched:
            self.installation.gone()
            self.installation.start()
        where = f"server before {call} {number}"
        unknown = all_jobs(self.installation) - {one.job_id for one in self.accepted}
        if len(unknown) > 1 or (job_id and unknown != {job_id}):
            self.wrong.append(f"{where}: acknowledged was {job_id or 'nothing'}, and there are {unknown}")
        again = self.installation.submit(asked.document, key)
        if unknown and unknown != {again}:
            self.wrong.append(f"{where}: the key gives {again}, and there was {unknown}")
        self._see_to_its_end(where, Accepted(asked, key, again))
        if touched:
            self._warm_up()
        return self._told(where, touched)

    def of_a_shim(self, call: str, number: int, *, alone: bool) -> bool:
        """One execution, with a kill before so many calls, `alone` when its server is killed as well; whether there was one."""
        asked, key = self.asked(), next(self._keys)
        spare = self._wait(self._the_only_spare)
        with self._traced(spare.pid, call, number) as trace:
            accepted = Accepted(asked, key, self.installation.submit(asked.document, key))
            if alone:
                self._wait(lambda: trace.poll() is not None or self.witness.present("shim"))
                self.installation.end(signal.SIGKILL)
            # A shim without a server ends with its execution; another waits for the next.
            self._wait(lambda: trace.poll() is not None or (not alone and self._is_over(accepted.job_id)))
        if alone:
            self.installation.start()
        touched = "killed by SIGKILL" in self._trace.read_text()
        where = f"shim before {call} {number}{' without a server' if alone else ''}"
        self._see_to_its_end(where, accepted)
        for one in self.installation.executions(accepted.job_id):
            state = one["ComputeState"]
            if state["StateType"] != COMPLETED and not (touched and state["Message"].endswith(_OF_A_KILL)):
                self.wrong.append(f"{where}: an execution ended as {state}")
        if alone:
            self._warm_up()
        return self._told(where, touched)

    def _warm_up(self) -> None:
        """The server has a nursery, which is not its child any more when it is traced."""
        accepted = Accepted(self.asked(), next(self._keys), "")
        accepted.job_id = self.installation.submit(accepted.asked.document, accepted.key)
        self._see_to_its_end("before it all", accepted)

    def _see_to_its_end(self, where: str, accepted: Accepted) -> None:
        self.accepted.append(accepted)
        self._wait(lambda: self.installation.state(accepted.job_id) in FINAL)
        accepted.state = self.installation.state(accepted.job_id)
        self.wrong += [f"{where}: {problem}" for problem in problems_of(self.installation, accepted)]

    def _told(self, where: str, touched: bool) -> bool:
        if touched:
            self.killed[where.partition(" ")[0]] += 1
            self.say(where)
        return touched

    def _the_only_spare(self) -> Process | None:
        """Who will get the next execution."""
        looks = self.witness.looks
        while self.witness.looks < looks + 2:
            time.sleep(LOOK_SECONDS)
        nurseries, spares = self.witness.present("nursery"), self.witness.present("spare")
        return spares[0] if len(nurseries) == len(spares) == 1 else None

    def _judge(self) -> None:
        with suppress(AssertionError):
            eventually(lambda: not files_left(self.installation.data_dir))
        left = files_left(self.installation.data_dir)
        self.wrong += [f"left: {one}" for one in left]
        self.wrong += [f"at once: {one}" for one in self.witness.at_once]
        checked = self.installation.command("store", "check")
        if checked.returncode:
            self.wrong.append(f"the store: {checked.stdout}{checked.stderr}")

    def _is_over(self, job_id: str) -> bool:
        return (self.installation.data_dir / "results" / job_id).exists() and not files_left(self.installation.data_dir)

    @property
    def _trace(self) -> Path:
        return self.home / "trace"

    @contextmanager
    def _traced(self, pid: int, call: str, number: int) -> Iterator[subprocess.Popen[str]]:
        """The process and what it starts are killed before that call; at the end it is let go if it was not."""
        self._trace.unlink(missing_ok=True)
        words = ["strace", "-f", "-o", str(self._trace), "-e", f"trace={call}"]
        words += ["-e", f"inject={call}:signal=KILL:when={number}", "-p", str(pid)]
        with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as trace:
            try:
                assert trace.stderr is not None
                line = trace.stderr.readline()
                assert "attached" in line, line
                yield trace
            finally:
                trace.send_signal(signal.SIGINT)
                trace.wait()

    def _wait(self, look: Callable[[], T]) -> T:
        return eventually(look, lambda: (self.installation.last_words(), self.wrong))


def tried(point: Callable[[str, int], bool], calls: tuple[str, ...], step: int) -> None:
    """Every `step`-th point of each call, until a run passes untouched."""
    for call in calls:
        number = 1
        while point(call, number):
            number += step


def main() -> int:
    """The exit code: 0 when nothing was wrong."""
    parser = argparse.ArgumentParser(description="Kill a server and shims before each of their system calls.")
    parser.add_argument("--step", type=int, default=1, help="try every so many points only (default: all)")
    parser.add_argument("--calls", nargs="+", default=CALLS, help="the system calls (default: all that change something)")
    parser.add_argument("--of", choices=("server", "shim", "shim-alone"), nargs="+", default=("server", "shim", "shim-alone"))
    parser.add_argument("--inputs", action="store_true", help="jobs that are brought something, which has points of its own")
    given = parser.parse_args()
    # So that what was started is ended, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    home = Path(tempfile.mkdtemp(prefix="crash-points-"))
    with ExitStack() as parts:
        points = CrashPoints(home, say=partial(print, flush=True))
        if given.inputs:
            points.read_from(parts.enter_context(slow_s3()))
        _all_tried(points, given)
    for one in points.wrong:
        points.say(f"WRONG {one}")
    points.say(f"{dict(points.killed)} kills, {len(points.accepted)} jobs, {len(points.wrong)} wrong")
    if not points.wrong:
        shutil.rmtree(home)
    return 1 if points.wrong else 0


def _all_tried(points: CrashPoints, given: argparse.Namespace) -> None:
    kinds: dict[str, Callable[[str, int], bool]] = {
        "server": points.of_the_server,
        "shim": partial(points.of_a_shim, alone=False),
        "shim-alone": partial(points.of_a_shim, alone=True),
    }
    with points.running():
        for kind in given.of:
            tried(kinds[kind], tuple(given.calls), given.step)


if __name__ == "__main__":
    sys.exit(main())
