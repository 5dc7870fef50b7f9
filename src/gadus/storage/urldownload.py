"""A file from a web server: the type `urlDownload`. It becomes ``<target>/<file name>``."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from pydantic import Field, field_validator
from yarl import URL

from gadus.config import Settings
from gadus.contracts import Found, Slot
from gadus.core.errors import ChecksumMismatch, InputChanged, InputUnreadable, StorageUnavailable
from gadus.core.manifest import Item
from gadus.core.partition import InputParams, Partition
from gadus.core.spec import Sha256
from gadus.threads import finished

from ._web import Answer, Tries, Web, shown, url_of
from ._writing import write_at

NAME_OF_THE_NAMELESS = "download"
_CHUNK_BYTES = 1 << 20
_LONGEST_NAME_BYTES = 255
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)")


class UrlParams(InputParams):
    """What the author of a job says of an input from the web."""

    url: str = Field("", alias="URL", validate_default=True)
    sha256: Sha256 = Field("", alias="ChecksumSHA256")

    @field_validator("url")
    @classmethod
    def _url_can_be_asked(cls, text: str) -> str:
        text = text.strip(" \t\r\n\"'")
        if not text:
            raise ValueError("invalid url storage params: url cannot be empty")
        scheme = text.partition(":")[0].lower() if "://" in text else text[:20]
        if scheme not in ("http", "https"):
            raise ValueError(f"URLs must begin with 'http' or 'https'. The submitted one began with {scheme}")
        rest = text.partition("://")[2]
        if "/" not in rest.partition("?")[0].partition("#")[0]:
            raise ValueError("URL must end with a file name")
        if not url_of(text).host:
            raise ValueError("the URL names no host")
        return text

    @field_validator("partition")
    @classmethod
    def _one_file_is_not_shared_out(cls, partition: Partition) -> Partition:
        if partition.shares_out:
            raise ValueError(f"Type {partition.type}: a URL names a single file, which every execution sees: leave it out")
        return partition

    @property
    def address(self) -> URL:
        """Where to ask; what follows # is the reader's own."""
        return url_of(self.url.partition("#")[0])


class Source:
    """The contract `Source` for web servers."""

    Params = UrlParams

    def __init__(self, settings: Settings) -> None:
        del settings  # everything is in the params

    async def resolve(self, params: UrlParams) -> AsyncGenerator[Found]:
        """One file; its size is -1 when the server does not tell it before it sends the file."""
        async with Web() as web:
            item = await _found(web, params)
        # The URL itself may hold a secret, e.g. a signature.
        yield Found(f"url:{hashlib.sha256(params.url.encode()).hexdigest()}", (item,))

    async def check_access(self, params: UrlParams) -> None:
        """One HEAD; where the server does not answer it with a file, the head of a GET."""
        async with Web() as web:
            await _found(web, params)

    async def fetch(self, params: UrlParams, slots: AsyncIterator[Slot]) -> None:
        """Goes on where it was when a connection breaks, if the server can and the file has an ETag; else from the start."""
        async with Web() as web:
            async for slot in slots:
                if await finished(slot.claim):
                    await _fill(web, params.address, slot)


class _Incoming:
    """A file on its way: everything before `offset` is in the slot and in the digest, what is missing next ends at `end`."""

    def __init__(self, slot: Slot) -> None:
        self.item = slot.item
        self._slot = slot
        self._begin(slot.missing)

    @property
    def whole(self) -> bool:
        return not self._missing

    @property
    def end(self) -> int:
        """-1 while nobody knows it."""
        return self._missing[0][1]

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    async def add(self, chunk: bytes) -> None:
        """The next bytes."""
        await finished(self._add, chunk)

    async def pass_over(self) -> None:
        """Go to where something is missing: what an earlier run brought is only digested."""
        until = self._missing[0][0] if self._missing else self.item.size_bytes
        while self.offset < until:
            await finished(self._digest_next, min(_CHUNK_BYTES, until - self.offset))

    def stretch_is_here(self) -> None:
        """What was missing up to `end` has come."""
        self._missing.pop(0)

    def start_over(self) -> None:
        """Begin from the start. Bytes of a known length are written over: nobody may find a hole where some were."""
        if self.item.size_bytes < 0:
            os.ftruncate(self._slot.handle, 0)
        self._begin([(0, self.item.size_bytes)])

    def _begin(self, missing: Sequence[tuple[int, int]]) -> None:
        self._missing = [(offset, end) for offset, end in missing if offset != end]
        self._digest = hashlib.sha256()
        self.offset = 0

    def _add(self, chunk: bytes) -> None:
        write_at(self._slot, self.offset, chunk)
        self._digest.update(chunk)
        self.offset += len(chunk)

    def _digest_next(self, size_bytes: int) -> None:
        data = os.pread(self._slot.handle, size_bytes, self.offset)
        if not data:
            raise OSError(f"the file of {self.item.key!r} is shorter than {self.offset + size_bytes} bytes")
        self._digest.update(data)
        self.offset += len(data)


async def _found(web: Web, params: UrlParams) -> Item:
    """The item that the URL names now."""
    tries = Tries()
    while True:
        try:
            return await _asked(web, params)
        except StorageUnavailable as error:
            await tries.pause_after(error)


async def _asked(web: Web, params: UrlParams) -> Item:
    """From a HEAD, or from the head of a GET where HEAD does not say enough."""
    url = params.address
    try:
        async with web.ask("HEAD", url) as answer:
            if answer.status == 200 and answer.size_bytes >= 0:
                return _item(params, answer)
    except StorageUnavailable:
        # Some servers break off at a HEAD; if it is worse than that, the GET will say so.
        pass
    async with web.ask("GET", url) as answer:
        if answer.status != 200:
            raise _refused(url, answer, f"received non-OK response code {answer.status} while fetching size of file download")
        return _item(params, answer)


def _item(params: UrlParams, answer: Answer) -> Item:
    return Item(
        key=shown(params.address),
        path=_file_name(answer),
        size_bytes=answer.size_bytes,
        etag=answer.etag,
        sha256=params.sha256,
    )


def _file_name(answer: Answer) -> str:
    """After a redirect the name that the server gives, else the last part of the final URL's path."""
    given = answer.response.content_disposition if answer.redirected else None
    for name in ((given.filename if given else None) or "", answer.url.name):
        length_bytes = len(name.encode("utf-8", "replace"))
        if name not in (".", "..") and not {"/", "\0"} & set(name) and 0 < length_bytes <= _LONGEST_NAME_BYTES:
            return name
    return NAME_OF_THE_NAMELESS


async def _fill(web: Web, url: URL, slot: Slot) -> None:
    coming = _Incoming(slot)
    await coming.pass_over()
    tries = Tries()
    while not coming.whole:
        try:
            await _receive(web, url, coming)
        except StorageUnavailable as error:
            await tries.pause_after(error, coming.offset)
        else:
            coming.stretch_is_here()
            await coming.pass_over()
    if slot.item.sha256 not in ("", coming.sha256):
        slot.spoil()
        raise ChecksumMismatch(
            f"the bytes of {shown(url)} have the SHA-256 {coming.sha256}, not the pinned {slot.item.sha256}",
            hint="look why the file changed; then give its new ChecksumSHA256",
        )
    slot.whole(f"sha256:{coming.sha256}", compared=bool(slot.item.sha256))


async def _receive(web: Web, url: URL, coming: _Incoming) -> None:
    """What is missing up to `coming.end`. Raises StorageUnavailable when another try may bring more."""
    item = coming.item
    headers = {}
    if item.etag and (coming.offset or coming.end != item.size_bytes):
        last = "" if coming.end == item.size_bytes else str(coming.end - 1)
        headers = {"Range": f"bytes={coming.offset}-{last}", "If-Range": item.etag}
    async with web.ask("GET", url, headers) as answer:
        _check(url, coming, answer)
        async for chunk in answer.response.content.iter_chunked(_CHUNK_BYTES):
            if 0 <= coming.end < coming.offset + len(chunk):
                raise _changed(url, f"it is larger than {item.size_bytes} bytes")
            await coming.add(chunk)
    if coming.offset < coming.end:
        raise StorageUnavailable(
            f"{shown(url)} sent {coming.offset} of {coming.end} bytes", hint="try again later; the server breaks off"
        )


def _check(url: URL, coming: _Incoming, answer: Answer) -> None:
    """The answer is of the file that was found; `coming` is set back if the answer begins at the start."""
    item = coming.item
    partial = answer.status == 206 and "Range" in answer.response.request_info.headers
    if answer.status == 416:
        coming.start_over()
        raise StorageUnavailable(f"{shown(url)} has no bytes from where it broke off", hint="try again later")
    if answer.status != 200 and not partial:
        raise _refused(url, answer, f"non-200 response from URL ({shown(url)}): {answer.status}")
    if item.etag and answer.etag != item.etag:
        raise _changed(url, f"its ETag is {answer.etag or 'gone'}, not {item.etag}")
    total_bytes = answer.size_bytes
    if partial:
        span = _CONTENT_RANGE.fullmatch(answer.response.headers.get("Content-Range", ""))
        if span is None or int(span[1]) != coming.offset:
            coming.start_over()
            raise StorageUnavailable(f"{shown(url)} sent other bytes than it was asked for", hint="try again later")
        total_bytes = int(span[2]) if span[2] != "*" else -1
    else:
        coming.start_over()
    if item.size_bytes >= 0 and total_bytes >= 0 and total_bytes != item.size_bytes:
        raise _changed(url, f"it has {total_bytes} bytes, not {item.size_bytes}")


def _changed(url: URL, how: str) -> InputChanged:
    return InputChanged(
        f"{shown(url)} was replaced while the job was being prepared: {how}", hint="run the job again when it stays as it is"
    )


def _refused(url: URL, answer: Answer, text: str) -> InputUnreadable | StorageUnavailable:
    reason = f"{text} {answer.response.reason or ''}".strip()
    if answer.status >= 500 or answer.status in (408, 425, 429):
        return StorageUnavailable(f"{reason}; the server of {shown(url)} cannot give it now", hint="try again later")
    hints = {
        401: "the server wants credentials; use an address that needs none, e.g. a signed one",
        403: "the server forbids it; a signed address may have expired",
        404: "the file is not there: look at the spelling of the address",
        410: "the file was removed for good",
    }
    hint = hints.get(answer.status, "open the address in a browser to see what the server says")
    return InputUnreadable(f"{reason}; asked was {shown(url)}", hint=hint)
