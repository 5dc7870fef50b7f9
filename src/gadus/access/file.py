"""The file that the grants of a server are kept in, ``access.json`` in its data directory: several processes change it."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from pydantic import ValidationError

from gadus.claim import held
from gadus.core.errors import Conflict, StorageUnavailable
from gadus.durable import write_durably

from .grants import Register

_WAIT_SECONDS = 5.0
_LOOK_SECONDS = 0.02
_LARGEST_BYTES = 16 << 20
_Mark = tuple[int, int, int, int]

_NOBODY = Register()


class AccessFile:
    """The grants, as they are at the moment of asking."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._where = str(self.path)
        self._read: tuple[_Mark, Register] | None = None

    @classmethod
    def of(cls, data_dir: Path) -> Self:
        """The grants of the server that works on this data directory."""
        return cls(data_dir / "access.json")

    def read(self) -> Register:
        """
        The grants as they are now; the file is read again only when it is another.

        Raises StorageUnavailable for one that is damaged, or that others on this machine may read.
        """
        try:
            found = os.stat(self._where)  # noqa: PTH116 - for every request: a path would cost more than the look
        except FileNotFoundError:
            return _NOBODY
        except OSError as exc:
            raise self._unreadable(exc.strerror or str(exc)) from exc
        mark = (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)
        if self._read is None or self._read[0] != mark:
            if found.st_mode & 0o077:
                raise StorageUnavailable(f"{self.path} is open to others on this machine", hint=f"chmod 600 {self.path}")
            self._read = (mark, self._parsed())
        return self._read[1]

    def change(self, step: Callable[[Register], Register]) -> Register:
        """
        Keep what `step` makes of the grants, durably, while nobody else changes them.

        Raises what `step` raises, Conflict when another process holds the file for long, StorageUnavailable.
        """
        end = time.monotonic() + _WAIT_SECONDS
        while True:
            with held(self.path) as free:
                if free:
                    before = self.read()
                    after = step(before)
                    if not after.sealing:
                        after = after.model_copy(update={"sealing": secrets.token_hex(32)})
                    self._write(after)
                    return after
            if time.monotonic() > end:
                raise Conflict(f"another process holds {self.path}", hint="try again; end that process if this goes on")
            time.sleep(_LOOK_SECONDS)

    def _parsed(self) -> Register:
        try:
            with self.path.open("rb") as stream:
                data = stream.read(_LARGEST_BYTES + 1)
            if len(data) > _LARGEST_BYTES:
                raise self._unreadable(f"it has more than {_LARGEST_BYTES} bytes")
            return Register.model_validate_json(data)
        except OSError as exc:
            raise self._unreadable(exc.strerror or str(exc)) from exc
        except ValidationError as exc:
            # Not what is in it: hashes of passwords may be.
            where = ".".join(str(part) for part in exc.errors()[0]["loc"]) or "the whole"
            raise self._unreadable(f"{where} is not as it was written") from None

    def _write(self, register: Register) -> None:
        try:
            write_durably(self.path, f"{register.model_dump_json(indent=1)}\n".encode())
        except OSError as exc:
            raise StorageUnavailable(
                f"{self.path} cannot be written: {exc.strerror or exc}",
                hint="check that the disk is writable and has space",
            ) from exc

    def _unreadable(self, why: str) -> StorageUnavailable:
        return StorageUnavailable(
            f"{self.path} cannot be read: {why}",
            hint="nobody is let in until it can: mend it, or remove it and grant access anew with gadus auth",
        )
