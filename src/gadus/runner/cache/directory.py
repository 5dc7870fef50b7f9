"""A directory that is being filled: every name goes through its own handle, and no symlink can lead out of it."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path

# Beyond this many it is asked again whether they are there: memory stays bounded for trees of any size.
_REMEMBERED = 10_000


class Directory:
    """The new directory `path` with subdirectories and links in it. Safe for use by several threads."""

    def __init__(self, path: Path) -> None:
        path.mkdir(mode=0o755)
        self._handle = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        self._made = {""}

    def close(self) -> None:
        """Let go of the handle; what is in the directory stays."""
        os.close(self._handle)

    def add(self, directory: str) -> None:
        """Make the subdirectory and all above it, where they are not there yet."""
        missing = []
        while directory not in self._made:
            missing.append(directory)
            directory = directory.rpartition("/")[0]
        if len(self._made) > _REMEMBERED:
            self._made = {""}
        for new in reversed(missing):
            with suppress(FileExistsError):
                os.mkdir(new, 0o755, dir_fd=self._handle)
            self._made.add(new)

    def link(self, source: str, path: str) -> bool:
        """Give the file `source` the further name `path`; False when there is no such file, but then its directory is there."""
        parent = path.rpartition("/")[0]
        if parent not in self._made:
            self.add(parent)
        try:
            os.link(source, path, dst_dir_fd=self._handle, follow_symlinks=False)
        except FileNotFoundError:
            return False
        except OSError as exc:
            # A file has a largest number of names: 65,000 in ext4.
            if exc.errno != errno.EMLINK:
                raise
            return self._copy(source, path)
        return True

    def size_of(self, path: str) -> int:
        """The bytes of a file in it."""
        return os.stat(path, dir_fd=self._handle, follow_symlinks=False).st_size

    def _copy(self, source: str, path: str) -> bool:
        try:
            origin = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(origin, "rb") as whole, os.fdopen(os.open(path, flags, 0o444, dir_fd=self._handle), "wb") as copy:
            shutil.copyfileobj(whole, copy)
        return True
