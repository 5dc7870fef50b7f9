"""The results of several executions in one directory."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import IO

from gadus.core.errors import Conflict, InputUnsafe

_APPENDED = ("stdout", "stderr", "exitCode")
_RECEIPT = "receipt.json"
_LARGEST_RECEIPT_BYTES = 64 << 20
_MOST_LEFT_OUT = 1000


class Merged:
    """
    Files below `root`, an empty directory: those of all executions together, or `apart`, each in a directory of its own.

    With `only`, of every execution this file or directory alone. Names are checked before anything is touched: raises
    InputUnsafe for one that leads elsewhere, and Conflict when two executions have the same file. Links are made at the very
    end, so that no file is ever written through one.
    """

    def __init__(self, root: Path, *, apart: bool, only: str = "") -> None:
        self.root = root
        self.left_out: list[str] = []
        self.files = 0
        self._apart = apart
        self._only = only.strip("/")
        self._receipts: dict[Path, list[object]] = {}
        self._links: list[tuple[Path, str]] = []

    def directory(self, name: str, execution: str) -> None:
        """A directory, which may be there already."""
        place = self._place(name, execution)
        if self._wanted(name):
            _make(place, name)

    def put(self, name: str, content: IO[bytes], execution: str, *, is_executable: bool) -> None:
        """A file. What programs print is appended to what was there of an earlier execution."""
        place = self._place(name, execution)
        if not self._wanted(name):
            return
        self.files += 1
        _make(place.parent, name)
        if name == _RECEIPT:
            self._receipt(place, content.read(_LARGEST_RECEIPT_BYTES))
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | (os.O_APPEND if name in _APPENDED else os.O_EXCL)
        try:
            descriptor = os.open(place, flags, 0o755 if is_executable else 0o644)
        except (FileExistsError, IsADirectoryError) as exc:
            raise _twice(name) from exc
        with os.fdopen(descriptor, "wb") as file:
            shutil.copyfileobj(content, file, 1 << 18)

    def link(self, name: str, target: str, execution: str) -> None:
        """A symbolic link; one that leads out of the results is left out."""
        place = self._place(name, execution)
        if not self._wanted(name):
            return
        self.files += 1
        if _stays_inside(name, target):
            self._links.append((place, target))
        else:
            self.leave_out(name)

    def leave_out(self, name: str) -> None:
        """Something that is no file."""
        if len(self.left_out) < _MOST_LEFT_OUT:
            self.left_out.append(name)

    def finish(self) -> None:
        """Nothing more comes: the receipts of several executions as one list, and the links."""
        for place, receipts in self._receipts.items():
            if len(receipts) > 1:
                place.write_text(json.dumps(receipts, indent=2) + "\n")
        for place, target in self._links:
            _make(place.parent, place.name)
            try:
                place.symlink_to(target)
            except FileExistsError as exc:
                raise _twice(place.name) from exc

    def _wanted(self, name: str) -> bool:
        return not self._only or name == self._only or name.startswith(f"{self._only}/")

    def _place(self, name: str, execution: str) -> Path:
        parts = name.split("/")
        if any(part in ("", ".", "..") or "\0" in part for part in parts):
            raise InputUnsafe(f"the results of {execution} have the name {name!r}, which leads out of their directory")
        return self.root.joinpath(*([execution] if self._apart else []), *parts)

    def _receipt(self, place: Path, text: bytes) -> None:
        try:
            self._receipts.setdefault(place, []).append(json.loads(text))
        except ValueError:
            self._receipts.setdefault(place, []).append(text.decode("utf-8", "replace"))
        place.write_bytes(text)


def _make(directory: Path, name: str) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as exc:
        raise _twice(name) from exc


def _twice(name: str) -> Conflict:
    return Conflict(
        f"cannot merge results as output already exists: {name.rpartition('/')[2]}", hint="Try --raw to keep them apart"
    )


def _stays_inside(name: str, target: str) -> bool:
    """Whether a link leads to the same results, whatever other links there are: all its steps up come first, and are few."""
    steps = target.split("/")
    ups = next((number for number, step in enumerate(steps) if step != ".."), len(steps))
    return not target.startswith("/") and ".." not in steps[ups:] and "\0" not in target and ups <= name.count("/")
