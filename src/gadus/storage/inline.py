"""
Data that is written into the job itself as a ``data:`` URL (RFC 2397): the type `inline`.

    data:text/plain,hello                      that file, at Target itself
    data:application/gzip;base64,H4sI…         the tree of a tar archive, below Target
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import tarfile
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from gzip import BadGzipFile, GzipFile
from io import BytesIO, RawIOBase
from typing import Self
from urllib.parse import unquote_to_bytes

from pydantic import Field, field_validator, model_validator

from gadus.config import Settings
from gadus.contracts import Found, Slot
from gadus.core.errors import InputChanged, InputUnreadable, InputUnsafe
from gadus.core.manifest import Item
from gadus.core.partition import InputParams
from gadus.core.tree import check_paths, parents
from gadus.core.units import format_bytes
from gadus.threads import finished

from ._writing import write_at

LARGEST_DATA_BYTES = 64 << 20
LARGEST_TREE_BYTES = 256 << 20
MOST_MEMBERS = 10_000

_LOCATION = "inline"
_DATA_URL = re.compile(r"data:(?P<media>[^,]{0,1000}),", re.IGNORECASE)
_ARCHIVES = ("application/gzip", "application/x-gzip")
_MAKE_ANEW = "make the archive anew, of regular files and directories only"


class InlineParams(InputParams):
    """What the author of a job says of an inline input."""

    url: str = Field("", alias="URL", validate_default=True)

    @field_validator("url")
    @classmethod
    def _url_holds_data(cls, url: str) -> str:
        _decoded(url.strip())
        return url.strip()

    @model_validator(mode="after")
    def _only_an_archive_is_shared_out(self) -> Self:
        if self.partition.shares_out and _decoded(self.url)[0] not in _ARCHIVES:
            raise ValueError("Partition shares out the files of an archive, and this is a single file: leave it out")
        return self


class Source:
    """The contract `Source` for data that is in the job."""

    Params = InlineParams

    def __init__(self, settings: Settings) -> None:
        del settings  # everything is in the params

    async def resolve(self, params: InlineParams) -> AsyncGenerator[Found]:
        """One nameless file, or the members of the archive."""
        yield await finished(_found, params)

    async def check_access(self, params: InlineParams) -> None:
        """Nobody is asked: whoever may read the job may read its data."""

    async def fetch(self, params: InlineParams, slots: AsyncIterator[Slot]) -> None:
        """Write the files; nothing is asked of anybody."""
        contents = _contents(params)
        async for slot in slots:
            if not await finished(slot.claim):
                continue
            # Slots usually come in the order of the archive, which then is read once.
            if not await finished(_fill_from, contents, slot):
                contents = _contents(params)
                if not await finished(_fill_from, contents, slot):
                    raise _changed()


def _fill_from(contents: Iterator[tuple[str, bytes | None]], slot: Slot) -> bool:
    """Whether the slot's file stood in what was left of `contents`, and is whole now."""
    for key, content in contents:
        if content is not None and key == slot.item.key:
            if hashlib.sha256(content).hexdigest() != slot.item.sha256:
                raise _changed()
            for offset, end in slot.missing:
                write_at(slot, offset, memoryview(content)[offset:end])
            slot.whole(f"sha256:{slot.item.sha256}", compared=True)
            return True
    return False


def _changed() -> InputChanged:
    return InputChanged("the inline data is not what it was when the job began", hint="run the job again")


def _found(params: InlineParams) -> Found:
    files: dict[str, Item] = {}
    directories: set[str] = set()
    repeated = []
    for key, content in _contents(params):
        path = _path_of(key)
        if content is None:
            directories.add(path)
        elif key in files:
            repeated.append(key)
        else:
            files[key] = Item(key, path, len(content), sha256=hashlib.sha256(content).hexdigest())
    if repeated:
        raise InputUnsafe(f"the archive has {', '.join(map(repr, repeated[:10]))} more than once", hint=_MAKE_ANEW)
    filled = {above for path in (*(item.path for item in files.values()), *directories) for above in parents(path)}
    empty = tuple(sorted(directories - filled - {""}))
    if [*files] != [""]:
        try:
            check_paths({key: item.path for key, item in files.items()}, empty)
        except InputUnsafe as exc:
            raise InputUnsafe(exc.message, hint=_MAKE_ANEW) from exc
    return Found(_LOCATION, tuple(files.values()), empty)


def _path_of(name: str) -> str:
    """A member's name as a path: archives say ``./a`` and ``a/`` for a."""
    path = name.rstrip("/")
    while path.startswith("./"):
        path = path[2:]
    return "" if path == "." else path


def _contents(params: InlineParams) -> Iterator[tuple[str, bytes | None]]:
    """Name and content of each file, "" for the only one of no archive; no content for a directory."""
    media_type, data = _decoded(params.url)
    if media_type not in _ARCHIVES:
        yield "", data
        return
    # As a stream: no member is looked at twice, and none can point back.
    try:
        with tarfile.open(mode="r|", fileobj=_Bounded(data)) as archive:
            for number, member in enumerate(archive):
                if number >= MOST_MEMBERS:
                    raise InputUnsafe(f"the archive has over {MOST_MEMBERS} members", hint="put large inputs in S3")
                yield member.name, None if member.isdir() else _file(archive, member)
    except (tarfile.TarError, BadGzipFile, EOFError, zlib.error, UnicodeError, ValueError) as exc:
        raise InputUnreadable(
            f"the inline data is said to be {media_type}, but it is no tar archive: {exc}",
            hint="give one made by tar -cz, or another media type for a single file",
        ) from exc


def _file(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    # Sparse files are regular ones, too, and may be as large as they like.
    regular = member.isfile() and not member.issparse()
    if not regular:
        raise InputUnsafe(f"{member.name!r} in the archive is neither a file nor a directory", hint=_MAKE_ANEW)
    if member.size > LARGEST_TREE_BYTES:
        raise _too_large()
    reader = archive.extractfile(member)
    content = reader.read() if reader else b""
    if len(content) != member.size:
        raise EOFError(f"{member.name!r} ends early")
    return content


class _Bounded(RawIOBase):
    """The unpacked bytes of a gzip file, and no more of them than anybody needs here."""

    def __init__(self, data: bytes) -> None:
        self._unpacked = GzipFile(fileobj=BytesIO(data))
        # Every member has a header and padding of its own.
        self._left_bytes = LARGEST_TREE_BYTES + MOST_MEMBERS * 2048

    def read(self, size: int = -1) -> bytes:
        wanted = self._left_bytes + 1 if size < 0 else min(size, self._left_bytes + 1)
        part = self._unpacked.read(wanted)
        self._left_bytes -= len(part)
        if self._left_bytes < 0:
            raise _too_large()
        return part


def _too_large() -> InputUnsafe:
    return InputUnsafe(f"the archive has over {format_bytes(LARGEST_TREE_BYTES)} of files", hint="put large inputs in S3")


def _decoded(url: str) -> tuple[str, bytes]:
    """Media type in lower case, and data. Raises ValueError, the words of a field's problem."""
    if not url:
        raise ValueError("invalid inline params: url cannot be empty")
    head = _DATA_URL.match(url)
    if head is None:
        raise ValueError(f"{url[:40]!r} is not a data URL: write data:text/plain,hello or data:application/gzip;base64,…")
    media_type, *parameters = (part.strip().lower() for part in head["media"].split(";"))
    data = unquote_to_bytes(url[head.end() :])
    if parameters and parameters[-1] == "base64":
        try:
            data = base64.b64decode(re.sub(rb"\s", b"", data), validate=True)
        except binascii.Error as exc:
            raise ValueError(f"the data URL is not base64 as it says: {exc}") from exc
    if len(data) > LARGEST_DATA_BYTES:
        raise ValueError(f"has {format_bytes(len(data))} of data; the limit is {format_bytes(LARGEST_DATA_BYTES)}")
    return media_type, data
