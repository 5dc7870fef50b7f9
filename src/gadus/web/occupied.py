"""One server for each data directory: the others are told who it is."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gadus.claim import held
from gadus.config import Settings
from gadus.core.errors import Conflict


@contextmanager
def occupied(settings: Settings) -> Iterator[Path]:
    """
    The data directory belongs to this process's server while the block lasts.

    Gives the file that says where the server listens, see `announce`. Raises Conflict that names the process of another server.
    """
    where = settings.data_dir / "server.json"
    with held(settings.data_dir / "server") as free:
        if not free:
            raise Conflict(
                f"another server{_whose(where)} works on {settings.data_dir}",
                hint="stop it first, or give this one another directory with --data-dir",
            )
        try:
            announce(where, "")
            yield where
        finally:
            where.unlink(missing_ok=True)


def announce(where: Path, url: str) -> None:
    """Say which process the server is, and under which address it answers; nothing is ever seen half."""
    new = where.with_name(f"{where.name}.new")
    new.write_text(json.dumps({"pid": os.getpid(), "url": url}) + "\n")
    new.replace(where)


def _whose(where: Path) -> str:
    try:
        said = json.loads(where.read_text())
        return f" (process {int(said['pid'])})"
    except (OSError, ValueError, TypeError, KeyError):
        # It began, or ended, just now.
        return ""
