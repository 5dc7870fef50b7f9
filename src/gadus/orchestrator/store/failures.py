"""The errors of a store, with the way out of each."""

from __future__ import annotations

from gadus.core.errors import StorageUnavailable, StoreCorrupt


def unavailable(where: str, cause: object) -> StorageUnavailable:
    """The database does not do what it is asked now."""
    return StorageUnavailable(
        f"the job store {where} cannot be used: {cause}",
        hint="check that its disk is writable and has space, or choose another place with --data-dir",
        retry_after_seconds=5.0,
    )


def corrupt(where: str, what: object, *, hint: str = "") -> StoreCorrupt:
    """The database is damaged."""
    return StoreCorrupt(
        f"the job store {where} is damaged: {what}",
        hint=hint
        or "`gadus store check` lists what is damaged; `gadus store restore FILE --replace` puts a backup in its place",
    )
