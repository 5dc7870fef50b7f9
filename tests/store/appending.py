"""
Run as a process of its own: appends jobs to the store at the first argument, and says on standard output what became of each.

`accepted <job> <version>` comes after the append returned, `refused <job> <version>` after it raised StorageUnavailable. With
a third argument the process kills itself after the first refusal.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from storing import ENDED_WELL, step, submission

from gadus.core.errors import StorageUnavailable
from gadus.core.job import Ended, Placed
from gadus.orchestrator.store import Change, Store, open_store


def say(what: str, change: Change) -> None:
    sys.stdout.write(f"{what} {change.after.id} {change.after.version}\n")
    sys.stdout.flush()


def append(store: Store, change: Change) -> bool:
    try:
        store.append(change.before, change.after, *change.events, key=change.key)
    except StorageUnavailable:
        say("refused", change)
        if len(sys.argv) > 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return False
    say("accepted", change)
    return True


def live(store: Store, job_id: str) -> None:
    """All steps of one job, as far as they are accepted."""
    change = submission(job_id, key=job_id)
    if not append(store, change):
        return
    placed = step(change.after, Placed(at=2.0, execution_id=change.after.vacancies[0].id, node="n"))
    if append(store, placed):
        append(store, step(placed.after, Ended(at=3.0, execution_id=placed.after.executions[0].id, outcome=ENDED_WELL)))


def main(where: str, count: int) -> None:
    with open_store(where if "://" in where else Path(where)) as store:
        for number in range(count):
            live(store, f"j-{number}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
