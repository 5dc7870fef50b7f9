"""One server for each data directory: the others are told who it is."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from gadus.claim import held
from gadus.config import Settings
from gadus.core.errors import Conflict, StorageUnavailable


@contextmanager
def occupied(settings: Settings) -> Iterator[Path]:
    """
    The data directory belongs to this process's server while the block lasts.

    Gives the file that says where the server listens, see `announce`. Raises Conflict that names the process of another server,
    StorageUnavailable for a directory that cannot be written.
    """
    where = settings.data_dir / "server.json"
    with ExitStack() as holding:
        with _translated(settings.data_dir):
            if not holding.enter_context(held(settings.data_dir / "server")):
                raise Conflict(
                    f"another server{_whose(where)} works on {settings.data_dir}",
                    hint="stop it first, or give this one another directory with --data-dir",
                )
            announce(where, "")
        try:
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


@contextmanager
def _translated(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise StorageUnavailable(
            f"the data directory {directory} cannot be used: {exc.strerror or exc}",
            hint="check that it is writable and has space, or choose another with --data-dir",
        ) from exc
