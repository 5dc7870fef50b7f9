"""
The directory an execution lives in, from its first byte to its last.

    <data>/executions/<id>/              becomes  <data>/results/<job id>/<id>/
                      ├── stdout, stderr, exitCode, receipt.json
                      ├── receipt/       every object of every input
                      ├── <name of a result path>/
                      └── .inputs/       inputs that are the execution's own; gone by then
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gadus.claim import claimed
from gadus.config import Settings
from gadus.contracts import Mount
from gadus.core.errors import DiskFull
from gadus.core.spec import Task

# A container's program may run as any user; the directory above is closed to everybody else on the machine.
_OPEN_TO_THE_PROGRAM = 0o777


class Workplace:
    """Where one execution finds and leaves its files: its results, and what it alone is given of its inputs, until then."""

    def __init__(self, results: Path) -> None:
        self.results = results
        self.inputs = results / ".inputs"
        self.records = results / "receipt"

    def result_mounts(self, task: Task) -> tuple[Mount, ...]:
        """A new, writable directory for each result path of `task`."""
        mounts = []
        for result in task.result_paths:
            directory = self.results / result.name
            directory.mkdir()
            directory.chmod(_OPEN_TO_THE_PROGRAM)
            mounts.append(Mount(source=directory, target=result.path, writable=True))
        return tuple(mounts)

    def keep(self, into: Path, *, exit_code: int | None, receipt: Mapping[str, Any]) -> None:
        """Complete the results and show them, whole, as the directory `into`. Without an exit code there is no such file."""
        try:
            if exit_code is not None:
                (self.results / "exitCode").write_text(str(exit_code))
            (self.results / "receipt.json").write_text(json.dumps(receipt, indent=2) + "\n")
            into.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            shutil.rmtree(self.inputs, ignore_errors=True)
            # A second try of the same execution replaces what the first left.
            shutil.rmtree(into, ignore_errors=True)
            self.results.rename(into)
        except OSError as exc:
            raise DiskFull(
                f"the results cannot be kept in {into}: {exc}", hint="free disk space and run the job again"
            ) from exc


@contextmanager
def workplace(settings: Settings, execution_id: str) -> Iterator[Workplace]:
    """A new workplace that is gone, with everything in it, when the block ends."""
    with claimed(settings.growing_results_of(execution_id)) as root:
        yield Workplace(root)
