"""Clients that submit jobs and stay with each to its end, whatever happens to the server meanwhile."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from installation import API, Installation
from programs import Asked

from gadus.core.lifecycle.retries import TRIES_LOST

FINAL = ("Completed", "Failed", "Stopped")
END_SECONDS = 300.0
"""No job here takes longer, however often it is interrupted."""
_LOOK_SECONDS = 0.3
_AGAIN = 0.2
"""So large a part of the submissions is repeated though they were answered."""
COMPLETED = 7


@dataclass
class Accepted:
    """What a client knows of one job."""

    asked: Asked
    key: str
    job_id: str
    state: str = ""
    stopped: bool = False


@dataclass
class Clients:
    """Threads that each submit one job after the other until told to `finish`; what they find wrong is in `wrong`."""

    installation: Installation
    choose: Callable[[random.Random], Asked]
    dice: random.Random
    accepted: list[Accepted] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    def start(self, count: int) -> None:
        for number in range(count):
            own = random.Random(self.dice.random())
            thread = threading.Thread(target=self._live, args=(number, own), daemon=True)
            self.threads.append(thread)
            thread.start()

    def finish(self) -> None:
        """Every client is at the end of its last job, or has said what is wrong with it."""
        self.over.set()
        for thread in self.threads:
            thread.join()

    def submit(self, asked: Asked, key: str) -> Accepted:
        job_id = self.installation.submit(asked.document, key)
        accepted = Accepted(asked, key, job_id)
        self.accepted.append(accepted)
        return accepted

    def stop(self, accepted: Accepted) -> None:
        """As a user does: what was stopped already is no mistake, what ended before is."""
        answer = self.installation.insist("DELETE", f"{API}/jobs/{accepted.job_id}")
        accepted.stopped = answer.status == 200
        if answer.status not in (200, 409):
            self.wrong.append(f"{accepted.job_id}: stop was answered with {answer}")

    def see_to_its_end(self, accepted: Accepted) -> None:
        deadline = time.monotonic() + END_SECONDS
        while (state := self.installation.state(accepted.job_id)) not in FINAL:
            if time.monotonic() > deadline:
                self.wrong.append(f"{accepted.job_id}: still {state} after {END_SECONDS} s")
                return
            time.sleep(_LOOK_SECONDS)
        accepted.state = state

    def _live(self, number: int, own: random.Random) -> None:
        try:
            turn = 0
            while not self.over.is_set():
                turn += 1
                self._one_job(f"client-{number}-{turn}", own)
        except Exception as error:  # noqa: BLE001 - told by whoever started it
            self.wrong.append(f"client {number}: {type(error).__name__}: {error}")

    def _one_job(self, key: str, own: random.Random) -> None:
        asked = self.choose(own)
        accepted = self.submit(asked, key)
        if own.random() < _AGAIN and (again := self.installation.submit(asked.document, key)) != accepted.job_id:
            self.wrong.append(f"{key} gave {accepted.job_id} and then {again}")
        if asked.stop_after_seconds is not None:
            time.sleep(asked.stop_after_seconds)
            self.stop(accepted)
        self.see_to_its_end(accepted)


def judge(installation: Installation, clients: Clients) -> list[str]:
    """What is wrong with the jobs at their end: one that is lost, changed, incomplete, or that nobody asked for."""
    wrong = list(clients.wrong)
    for one in clients.accepted:
        wrong += [f"{one.job_id} ({one.key}): {problem}" for problem in problems_of(installation, one)]
    known = {one.job_id for one in clients.accepted}
    if len(known) != len(clients.accepted):
        wrong.append("two submissions gave one job")
    wrong += [f"{job_id}: nobody asked for it" for job_id in all_jobs(installation) - known]
    return wrong


def problems_of(installation: Installation, one: Accepted) -> list[str]:
    problems = []
    answer = installation.insist("GET", f"{API}/jobs/{one.job_id}")
    if answer.status != 200:
        return [f"is lost: {answer}"]
    told = answer.document["Job"]["State"]
    state = told["StateType"]
    if state != one.state:
        problems.append(f"was {one.state or 'not at its end'} and is {state}")
    if (again := installation.submit(one.asked.document, one.key)) != one.job_id:
        problems.append(f"its key now gives {again}")
    executions = installation.executions(one.job_id)
    excused = state == "Failed" and _given_up(told.get("Message", ""), executions)
    if state != ("Stopped" if one.stopped else one.asked.state) and not excused:
        problems.append(f"ended as {told}")
    completed = [execution for execution in executions if execution["ComputeState"]["StateType"] == COMPLETED]
    alive = [execution["ID"] for execution in executions if execution["ComputeState"]["StateType"] < COMPLETED]
    if alive:
        problems.append(f"these of its executions did not end: {alive}")
    if state == "Completed":
        indexes = Counter(execution["PartitionIndex"] for execution in completed)
        if indexes != Counter(range(one.asked.parts)):
            problems.append(f"its completed executions are {dict(indexes)}")
    for execution in completed:
        problems += _torn(installation.data_dir / "results" / one.job_id / execution["ID"], one.asked)
    return problems


def _given_up(message: str, executions: Sequence[Mapping[str, Any]]) -> bool:
    """Whether one of its parts was interrupted as often as it is tried: then the job may fail."""
    tries = Counter(execution["PartitionIndex"] for execution in executions)
    return "given up after" in message and max(tries.values()) >= TRIES_LOST


def _torn(results: Path, asked: Asked) -> list[str]:
    try:
        stdout, code = (results / "stdout").read_bytes(), (results / "exitCode").read_text()
        (results / "receipt.json").stat()
    except FileNotFoundError as error:
        return [f"a completed execution has no {error.filename}"]
    if (stdout, code) == (asked.stdout, str(asked.exit_code)):
        return []
    return [f"{results}: has {stdout[:100]!r} and exit code {code}"]


def all_jobs(installation: Installation) -> set[str]:
    found: set[str] = set()
    token = ""
    while True:
        page = installation.get(f"/jobs?limit=500&next_token={token}")
        found |= {job["ID"] for job in page["Items"]}
        token = page["NextToken"]
        if not token:
            return found
