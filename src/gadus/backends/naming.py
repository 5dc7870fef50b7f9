"""The id of this machine as a node."""

from __future__ import annotations

import platform
from contextlib import suppress
from uuid import uuid4

from gadus.config import Settings
from gadus.core.errors import StorageUnavailable

_LONGEST = 128


def node_id(settings: Settings) -> str:
    """
    The name that was set, else one by its provider.

    ``hostname`` is the machine's, ``puuid`` one that is made once for a data directory and kept there, ``uuid`` another one for
    every process. Raises StorageUnavailable when it cannot be kept.
    """
    if settings.name:
        return settings.name
    if settings.name_provider == "uuid":
        return _new()
    if settings.name_provider == "puuid":
        return _kept(settings)
    return platform.node() or "localhost"


def _kept(settings: Settings) -> str:
    path = settings.data_dir / "node-id"
    try:
        if not path.exists():
            settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            own = _new()
            new = path.with_name(own)
            new.write_text(f"{own}\n")
            # Whoever else made one at this moment has it first.
            with suppress(FileExistsError):
                path.hardlink_to(new)
            new.unlink()
        return path.read_text().strip()[:_LONGEST] or _new()
    except (OSError, ValueError) as exc:
        raise StorageUnavailable(
            f"the id of this node cannot be kept in {path}: {exc}", hint="check that the data directory is writable"
        ) from exc


def _new() -> str:
    return f"n-{uuid4()}"
