"""What a server that was killed left half removed is gone when the next one serves, and does not keep it busy."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import rooms  # noqa: F401 - finds the parts of other rooms
from installation import Installation, eventually
from remains import files_left

ID = "e-0b8f6a3e-1f0c-5d53-9a53-0d9b3b1c7f10"


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path)
    (made.data_dir / "shims").mkdir(parents=True)
    yield made
    made.end(signal.SIGTERM)


@pytest.mark.parametrize("left", [f"{ID}.lock", f"{ID}/order.json", f"{ID}/shim.growing", f"{ID}/trouble"])
def test_records_that_were_half_removed_are_removed(installation: Installation, left: str) -> None:
    """
    1. An execution has ended, and that is remembered; its records are being removed.
    2. The server is killed: some of them are left, also such as look as if it had yet to begin.
    """
    path = installation.data_dir / "shims" / left
    path.parent.mkdir(exist_ok=True)
    path.touch()
    installation.start()
    eventually(lambda: not files_left(installation.data_dir))
