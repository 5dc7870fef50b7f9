"""
A real nursery whose shims do what their job's name says: ``python nursery_process.py <directory> <descriptor>``.

    end:<code>      write a line to <directory>/ran and end with the code
    thread          use a thread of the loop, which stays for the next execution, and end with 0
    sleep           write the line, then sleep; cancelled, write "tidied" first
    defect          raise something of ours
    leave:<what>    end with 0 and leave a thread, a child or a task
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from gadus.contracts import Reporter
from gadus.core.job import Execution, Job, Outcome, Phase
from gadus.eventloop import new_event_loop
from gadus.shims import nursery
from gadus.shims.shim import live

left: list[object] = []


def leave(what: str) -> None:
    match what:
        case "thread":
            threading.Thread(target=threading.Event().wait, daemon=True).start()
        case "child":
            left.append(subprocess.Popen(["sleep", "60"]))
        case "task":
            left.append(asyncio.create_task(stubborn()))


async def stubborn() -> None:
    while True:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)


def main() -> None:
    directory, descriptor = Path(sys.argv[1]), int(sys.argv[2])

    async def execute(job: Job, execution: Execution, reporter: Reporter) -> Outcome:
        def say(word: str) -> None:
            with (directory / "ran").open("a") as file:
                file.write(f"{execution.id} {word}\n")

        say("began")
        reporter.phase(Phase.STAGING)
        reporter.phase(Phase.RUNNING)
        match job.spec.name.split(":"):
            case ["end", code]:
                return Outcome(exit_code=int(code))
            case ["thread"]:
                await asyncio.to_thread(threading.get_ident)
                return Outcome(exit_code=0)
            case ["leave", what]:
                leave(what)
                return Outcome(exit_code=0)
            case ["defect"]:
                raise RuntimeError("broken on purpose")
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            say("tidied")
            raise
        return Outcome(exit_code=0)

    def become_shim(executions: Iterator[str]) -> None:
        live(directory / "shims", executions, execute, new_event_loop, lambda: None)

    with socket.socket(fileno=descriptor) as asking:
        nursery.serve(asking, become_shim)


if __name__ == "__main__":
    main()
