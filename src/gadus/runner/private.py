"""Inputs that are one execution's own: those that no cache may keep, and those that the program may write to."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from gadus.contracts import Found, Slot
from gadus.core.manifest import Item
from gadus.threads import finished_or_given_up

from .cache import Tree, check_of
from .cache.stretches import Stretches
from .reported import Reported

_NAMELESS = "file"
_FICLONE = 0x40049409
_COPIED_AT_ONCE = 8 << 20
# A container's program may run as any user; the directory above is closed to everybody else on the machine.
_OPEN_FILE, _OPEN_DIRECTORY = 0o666, 0o777


async def fetched_alone(
    batches: Iterable[Found], private: Path, fetch: Callable[[AsyncIterator[Slot]], Awaitable[None]], reported: Reported
) -> Tree:
    """
    Everything in `batches`, fetched for this execution alone into the new directory `private`.

    Nothing says which bytes these are: what the same names stand for tomorrow may be something else.
    """
    record = private.with_name(private.name + ".objects.jsonl")
    private.mkdir(parents=True)
    slots: list[_PrivateSlot] = []

    async def opened() -> AsyncIterator[Slot]:
        for found in batches:
            for directory in found.directories:
                (private / directory).mkdir(parents=True, exist_ok=True)
            for item in found.items:
                slots.append(_PrivateSlot(item, private / (item.path or _NAMELESS), reported))
                yield slots[-1]

    try:
        await fetch(opened())
        with record.open("x") as file:
            file.writelines(json.dumps(slot.told) + "\n" for slot in slots)
    finally:
        for slot in slots:
            slot.close()
    size_bytes = sum(slot.size_bytes for slot in slots)
    nameless = len(slots) == 1 and not slots[0].item.path
    path = private / _NAMELESS if nameless else private
    verified = Counter(slot.check for slot in slots)
    return Tree(path, len(slots), size_bytes, len(slots), size_bytes, record, verified)


class _PrivateSlot:
    """A `contracts.Slot` in a directory that nobody else sees."""

    def __init__(self, item: Item, path: Path, reported: Reported) -> None:
        self.item = item
        self.handle = -1
        self.missing = [(0, item.size_bytes)] if item.size_bytes else []
        self.size_bytes = 0
        self.told: dict[str, Any] = {}
        self.check = ""
        self._path = path
        self._began = time.monotonic()
        self._reported = reported
        self._here = Stretches()
        self._lock = threading.Lock()

    def claim(self) -> bool:
        """Make the file."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self.handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        return True

    def wrote(self, offset: int, end: int) -> None:
        """Counted for who watches: once, also when the download starts over."""
        with self._lock:
            new_bytes = self._here.add(offset, end)
        self._reported.arrived(new_bytes)

    def whole(self, digest: str = "", *, compared: bool = False) -> None:
        """Read-only from here on."""
        self.size_bytes = os.fstat(self.handle).st_size
        said = {"key": self.item.key, "path": self.item.path, "bytes": self.size_bytes, "digest": digest}
        self.told = {name: value for name, value in said.items() if value != ""}
        self.told |= {"came": "fetched", "seconds": round(time.monotonic() - self._began, 4)}
        self.check = check_of(self.item, digest if compared else "")
        os.fchmod(self.handle, 0o444)
        self.close()
        self._reported.whole(self.item)

    def spoil(self) -> None:
        """The whole directory goes with the execution."""
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            handle, self.handle = self.handle, -1
        if handle >= 0:
            os.close(handle)


async def writable_copy(tree: Path, private: Path) -> Path:
    """A copy of `tree` in the new directory `private`, for a program that writes into its input. Returns where it is."""
    private.mkdir(parents=True, exist_ok=True)
    copy = private.with_name(private.name + ".copy")
    # To its end in any case: what it copies into is removed next.
    await finished_or_given_up(partial(_copy, tree, copy))
    return copy


def _copy(source: Path, target: Path, given_up: threading.Event) -> None:
    if source.is_file():
        _copy_file(source, target, given_up)
        return
    for directory, _, names in os.walk(source):
        into = target / Path(directory).relative_to(source)
        into.mkdir()
        into.chmod(_OPEN_DIRECTORY)
        for name in names:
            if given_up.is_set():
                return
            _copy_file(Path(directory, name), into / name, given_up)


def _copy_file(source: Path, target: Path, given_up: threading.Event) -> None:
    with source.open("rb") as read, target.open("xb") as write:
        os.fchmod(write.fileno(), _OPEN_FILE)
        for _ in _steps(read.fileno(), write.fileno()):
            if given_up.is_set():
                return


def _steps(read: int, write: int) -> Iterator[int]:
    """Copy in steps; one step, that moves no bytes, where the file system can share them."""
    try:
        fcntl.ioctl(write, _FICLONE, read)
    except OSError as exc:
        if exc.errno not in (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS):
            raise
    else:
        return
    while copied := os.sendfile(write, read, None, _COPIED_AT_ONCE):
        yield copied
