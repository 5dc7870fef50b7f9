"""What each input of a job is, told by the process that finds out to the processes of the job's other executions."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path

from gadus.claim import held
from gadus.core.job import Job, Pin

_LOOK_SECONDS = 0.02


class SharedPins:
    """A file for each input of a job that has several executions, below a directory of the machine."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @asynccontextmanager
    async def turn(self, job: Job, target: str) -> AsyncIterator[tuple[Pin | None, Callable[[Pin], None]]]:
        """
        The pin, once somebody has found it out; or None, and it is up to the caller, who tells the function given.

        Who has to find out keeps the others waiting until then, or until the block ends.
        """
        name = hashlib.sha256(f"{job.edition} {target}".encode()).hexdigest()[:32]
        path = self._directory / job.id / name
        async with AsyncExitStack() as stack:
            turn = stack.enter_context(ExitStack())
            while not turn.enter_context(held(path)):  # noqa: ASYNC110 - the others are processes
                await asyncio.sleep(_LOOK_SECONDS)

            def tell(pin: Pin) -> None:
                growing = path.with_suffix(".growing")
                growing.write_text(pin.model_dump_json())
                growing.rename(path)
                turn.close()

            yield _read(path), tell

    def jobs(self) -> list[str]:
        """Every job of which something is kept here."""
        return sorted(path.name for path in self._directory.iterdir()) if self._directory.is_dir() else []

    def forget(self, job_id: str) -> None:
        """No execution of the job runs any more, or will."""
        shutil.rmtree(self._directory / job_id, ignore_errors=True)


def _read(path: Path) -> Pin | None:
    try:
        return Pin.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
