"""Which paths can be the files of one directory: decided before the first byte is fetched."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from .errors import InputUnsafe

_LONGEST_COMPONENT_BYTES = 255
_LONGEST_PATH_BYTES = 4096 - 256
_NAMED_IN_ERROR = 10
# What most paths look like, seen at a glance: nothing of it can be wrong.
_PLAIN = re.compile(r"(?!.{1000})[\w-][\w.-]{0,60}(?:/[\w-][\w.-]{0,60})*", re.ASCII)


def check_paths(paths: Mapping[str, str], directories: Sequence[str] = ()) -> None:
    """
    Raise InputUnsafe, naming every key at fault, unless all paths can be files of one tree.

    `paths` are relative paths by key, `directories` empty directories to be made. Refused: absolute paths, empty, ``.`` and
    ``..`` components, NUL, components over 255 bytes, two keys for one path, and a file where another key needs a directory.
    """
    faults = [f"{key!r}: {fault}" for key, path in paths.items() if (fault := _fault(path))]
    faults += [f"{path + '/'!r}: {fault}" for path in directories if (fault := _fault(path))]
    faults += _collisions(paths, directories)
    if faults:
        raise _unsafe(faults[:_NAMED_IN_ERROR], len(faults))


class Paths:
    """
    The same decision for paths that become known batch by batch, in little memory.

    It needs them in the order of their bytes from batch to batch, as listings have them. `in_order` is False when they were
    not: then a collision may have been missed, and `check_paths` has to see them all.
    """

    def __init__(self) -> None:
        self.in_order = True
        self._last = b""
        self._above: list[bytes] = []
        """The files whose path begins the last one: the only ones whose place a later path may need as a directory."""
        self._faults: list[str] = []
        self._faulty = 0

    @property
    def safe(self) -> bool:
        """Whether nothing was wrong so far."""
        return not self._faulty

    def add(self, paths: Iterable[tuple[str, str]], directories: Sequence[str] = ()) -> None:
        """Some more (key, path) pairs, and empty directories."""
        entries = [(path.encode("utf-8", "surrogateescape"), key, path) for key, path in paths]
        entries += [(f"{path}/".encode("utf-8", "surrogateescape"), f"{path}/", path) for path in directories]
        entries.sort()
        for encoded, key, path in entries:
            if fault := _fault(path) or self._collision(encoded):
                self._faulty += 1
                if len(self._faults) < _NAMED_IN_ERROR:
                    self._faults.append(f"{key!r}: {fault}")
            if encoded < self._last:
                self.in_order = False
            self._last = encoded

    def finish(self) -> None:
        """Raise InputUnsafe, naming the keys at fault, unless all were safe."""
        if self._faulty:
            raise _unsafe(self._faults, self._faulty)

    def _collision(self, encoded: bytes) -> str:
        while self._above and not encoded.startswith(self._above[-1]):
            self._above.pop()
        is_file = not encoded.endswith(b"/")
        for file in self._above:
            if encoded == file:
                return "another key would be the same file"
            if encoded[len(file) : len(file) + 1] == b"/":
                return f"needs a directory where {file.decode('utf-8', 'surrogateescape')!r} is a file"
        if is_file:
            self._above.append(encoded)
        return ""


def parents(path: str) -> Iterable[str]:
    """Every directory above `path`, nearest first, without the root."""
    while (path := path.rpartition("/")[0]) != "":
        yield path


def _unsafe(faults: Sequence[str], number: int) -> InputUnsafe:
    more = f"\n… and {number - len(faults)} more" if number > len(faults) else ""
    return InputUnsafe(
        "these keys cannot be files of one directory:\n  " + "\n  ".join(faults) + more,
        hint="leave them out with Filter, or name a longer prefix in Key",
    )


def _fault(path: str) -> str:
    """Why `path` is no safe relative path; "" when it is."""
    if _PLAIN.fullmatch(path):
        return ""
    if path.startswith("/"):
        return "the path is absolute"
    if "\0" in path:
        return "the path contains a null character"
    components = path.split("/")
    if ".." in components:
        return "the path leaves the directory with '..'"
    if "" in components or "." in components:
        return "the path has an empty component"
    if any(len(one.encode("utf-8", "surrogateescape")) > _LONGEST_COMPONENT_BYTES for one in components):
        return f"a part between slashes is over {_LONGEST_COMPONENT_BYTES} bytes"
    if len(path.encode("utf-8", "surrogateescape")) > _LONGEST_PATH_BYTES:
        return f"the path is over {_LONGEST_PATH_BYTES} bytes"
    return ""


def _collisions(paths: Mapping[str, str], directories: Sequence[str]) -> list[str]:
    faults = []
    owners: dict[str, str] = {}
    for key, path in paths.items():
        if path in owners:
            faults.append(f"{key!r}: would be the same file as {owners[path]!r}")
        owners.setdefault(path, key)
    needed = {above for path in (*paths.values(), *directories) for above in parents(path)} | set(directories)
    faults += [
        f"{owners[path]!r}: would be a file, and other keys need a directory of that name"
        for path in sorted(needed & owners.keys())
    ]
    return faults
