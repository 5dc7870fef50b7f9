"""
The file beside a store that says that there is one: its id, and how many events it has accepted at least.

    gadus.db   gadus.db-wal   gadus.db-id: one line, its id and the number of the last event

A store that is gone, empty, older than the mark, or without the end of its write-ahead log is then not taken for a new or
whole one. Whoever uses the store holds a shared lock on the mark; whoever replaces it, the exclusive one.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from gadus.core.errors import Conflict

from .failures import corrupt, unavailable

_ID_LENGTH = 32
_NUMBER_AT = _ID_LENGTH + 1
_NUMBER_LENGTH = 20
_LENGTH = _NUMBER_AT + _NUMBER_LENGTH + 1


@dataclass(frozen=True, slots=True)
class Told:
    """What a mark says; of no store when `store_id` is empty."""

    store_id: str = ""
    seq: int = 0


class Mark:
    """The mark of the store at `path`, open and locked."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    @classmethod
    def shared(cls, store: Path) -> Self:
        """For somebody who uses the store, with others. Raises StorageUnavailable while somebody replaces it."""
        return cls._opened(store, fcntl.LOCK_SH)

    @classmethod
    def exclusive(cls, store: Path) -> Self:
        """For somebody who replaces the store. Raises Conflict while somebody uses it."""
        return cls._opened(store, fcntl.LOCK_EX)

    @classmethod
    def _opened(cls, store: Path, lock: int) -> Self:
        path = mark_of(store)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise unavailable(str(store), exc) from exc
        try:
            fcntl.flock(descriptor, lock | fcntl.LOCK_NB)
        except OSError as exc:
            os.close(descriptor)
            if lock == fcntl.LOCK_SH:
                raise unavailable(str(store), "it is being replaced right now") from exc
            raise Conflict(
                f"the job store {store} is in use", hint="stop the server and every job that runs, then try again"
            ) from exc
        return cls(path, descriptor)

    def told(self) -> Told:
        """What it says. Raises StoreCorrupt."""
        text = os.pread(self._descriptor, _LENGTH + 1, 0)
        if not text:
            return Told()
        store_id, _, number = text[:-1].partition(b" ")
        if len(text) != _LENGTH or len(store_id) != _ID_LENGTH or not (number.isdigit() and store_id.isalnum()):
            raise corrupt(
                str(self.path), "it is not what was written", hint=f"if the store beside it is whole, remove {self.path}"
            )
        return Told(store_id.decode(), int(number))

    def write(self, told: Told) -> None:
        """Say this from now on; on the disk when this returns."""
        os.pwrite(self._descriptor, f"{told.store_id} {told.seq:0{_NUMBER_LENGTH}}\n".encode(), 0)
        os.fsync(self._descriptor)
        sync_directory(self.path.parent)

    def reached(self, seq: int) -> None:
        """
        Say that so many events were accepted.

        Not waited for: this guards against files that are taken away or put back, not against a loss of power.
        """
        with suppress(OSError):
            os.pwrite(self._descriptor, f"{seq:0{_NUMBER_LENGTH}}".encode(), _NUMBER_AT)

    def close(self) -> None:
        """Give the lock back."""
        os.close(self._descriptor)


def mark_of(store: Path) -> Path:
    """Where the mark of the store at `store` is."""
    return store.with_name(store.name + "-id")


def sync_directory(path: Path) -> None:
    """What the directory lists is on the disk when this returns."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
