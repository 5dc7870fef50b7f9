"""A small file or directory of this machine as an input: it goes along with the job, wherever that runs."""

from __future__ import annotations

import base64
import os
import stat
import tarfile
from gzip import GzipFile
from io import BytesIO
from pathlib import Path
from typing import Any

from gadus.core.errors import InvalidSpec
from gadus.core.problem import clipped
from gadus.core.units import format_bytes

LARGEST_BYTES = 512 << 10
"""A job goes to a server as one request, and data grows by a third in it."""
MOST_FILES = 1000
_WAY_OUT = "put it into S3, and write -i s3://bucket/key"


def carried(named: str, target: str, default_target: str) -> tuple[dict[str, Any], str]:
    """
    The source that holds what is at the path `named`, and its Target: a file without one goes into `default_target`.

    Raises InvalidSpec for what is not there, cannot be read, is too large, or is neither a file nor a directory of such.
    """
    if "\0" in named:
        raise _no_input(named, "is no path: it holds a NUL")
    try:
        path = Path(named.removeprefix("file://")).expanduser()
    except RuntimeError as exc:
        raise _no_input(named, "begins with the home of somebody who is not known here", hint="write the whole path") from exc
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return _inline("application/gzip", _archive(path, named)), target or default_target
        if not stat.S_ISREG(mode):
            raise _no_input(named, "is neither a file nor a directory")
        with path.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except OSError as exc:
        raise _no_input(named, f"cannot be read: {exc.strerror}", hint="look at the path: it is one of this machine") from exc
    _check_size(named, len(data))
    into = target if target and not target.endswith("/") else f"{(target or default_target).rstrip('/')}/{path.name}"
    return _inline("application/octet-stream", data), into


def _archive(directory: Path, named: str) -> bytes:
    """The same bytes for the same tree, whenever and wherever it is packed."""
    packed = BytesIO()
    size_bytes = files = 0
    with GzipFile(fileobj=packed, mode="wb", mtime=0) as stream, tarfile.open(fileobj=stream, mode="w") as archive:
        for path in _below(directory):
            member = tarfile.TarInfo(str(path.relative_to(directory)))
            kind = path.lstat()
            if stat.S_ISDIR(kind.st_mode):
                member.type = tarfile.DIRTYPE
                archive.addfile(member)
                continue
            if not stat.S_ISREG(kind.st_mode):
                raise _no_input(named, f"holds {clipped(member.name)}, which is no file", hint="copy what it stands for")
            files, size_bytes = files + 1, size_bytes + kind.st_size
            if files > MOST_FILES:
                raise _no_input(named, f"holds more than {MOST_FILES:,} files", hint=_WAY_OUT)
            _check_size(named, size_bytes)
            data = path.read_bytes()
            member.size = len(data)
            archive.addfile(member, BytesIO(data))
    _check_size(named, packed.tell())
    return packed.getvalue()


def _below(directory: Path) -> list[Path]:
    """Directories before what they hold, in the order of names."""
    found: list[Path] = []
    for where, directories, files in os.walk(directory):
        directories.sort()
        found += [Path(where, name) for name in (*directories, *sorted(files))]
        if len(found) > 2 * MOST_FILES:
            break
    return found


def _inline(media_type: str, data: bytes) -> dict[str, Any]:
    return {"Type": "inline", "Params": {"URL": f"data:{media_type};base64,{base64.b64encode(data).decode()}"}}


def _check_size(named: str, size_bytes: int) -> None:
    if size_bytes > LARGEST_BYTES:
        largest = format_bytes(LARGEST_BYTES)
        raise _no_input(named, f"has more than the {largest} that go along with a job", hint=_WAY_OUT)


def _no_input(named: str, what: str, hint: str = "") -> InvalidSpec:
    return InvalidSpec([f"{clipped(named)}: {what}"], hint=hint)
