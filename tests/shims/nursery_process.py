"""
A real nursery whose shims do what their job's name says: ``python nursery_process.py <directory> <descriptor>``.

    end:<code>      write a line to <directory>/ran and end with the code
    sleep           write the line, then sleep; cancelled, write "tidied" first
    defect          raise something of ours
"""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path

from gadus.contracts import Reporter
from gadus.core.job import Execution, Job, Outcome, Phase
from gadus.shims import nursery
from gadus.shims.shim import live


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
            case ["defect"]:
                raise RuntimeError("broken on purpose")
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            say("tidied")
            raise
        return Outcome(exit_code=0)

    def become_shim(execution_id: str) -> None:
        live(directory / "shims", execution_id, execute, asyncio.new_event_loop)

    with socket.socket(fileno=descriptor) as asking:
        nursery.serve(asking, become_shim)


if __name__ == "__main__":
    main()
