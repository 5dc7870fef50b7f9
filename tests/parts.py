"""Parts of the machine that a test needs and that may be missing: skipped, but never silently."""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

REQUIRE_ALL_PARTS = "GADUS_REQUIRE_ALL_PARTS"
_WITHOUT = re.compile(r"\bwithout (?P<part>[^:]+): (?P<reason>.*) — (?P<how>.*)", re.DOTALL)


def skip_without(part: str, reason: str, how: str) -> NoReturn:
    """
    Leave this test out because `part`, e.g. "docker", is missing; `reason` says what was seen, `how` how to get it.

    The end of the run says so in one line. With GADUS_REQUIRE_ALL_PARTS=1 the test fails instead.
    """
    text = f"without {part}: {reason} — {how}"
    if os.environ.get(REQUIRE_ALL_PARTS, "") == "1":
        pytest.fail(f"{text} ({REQUIRE_ALL_PARTS} is set)", pytrace=False)
    pytest.skip(text)


def missing_parts(reports: list[pytest.TestReport]) -> list[str]:
    """
    One line for each missing part, with the number of tests among the skipped `reports` that it cost.

    Told by the reports alone: the tests may have run in other processes.
    """
    found = (_WITHOUT.search(report.longrepr[2]) for report in reports if isinstance(report.longrepr, tuple))
    counts = Counter((match["reason"], match["how"]) for match in found if match)
    return [
        f"SKIPPED: {reason} — {count} test{'s were' if count > 1 else ' was'} not run; {how}"
        for (reason, how), count in counts.items()
    ]


@contextmanager
def small_disk_at(path: Path, size: str) -> Iterator[Path]:
    """A real file system of so many bytes ("24m"), in memory."""
    path.mkdir()
    mounting = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], capture_output=True, check=False)
    if mounting.returncode:
        skip_without("a small disk", mounting.stderr.decode().strip() or "no mount", "run the tests as root")
    yield path
    subprocess.run(["umount", "-l", path], check=True)
