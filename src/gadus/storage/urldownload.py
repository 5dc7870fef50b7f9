"""A file from a web server: the type `urlDownload`. It becomes ``<target>/<file name>``."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Sequence
from typing import BinaryIO

from pydantic import Field, field_validator
from yarl import URL

from gadus.config import Settings
from gadus.contracts import Arrivals, Wanted
from gadus.core.errors import ChecksumMismatch, InputChanged, InputUnreadable, StorageUnavailable
from gadus.core.manifest import Item, Manifest, digest_of
from gadus.core.spec import Sha256, Wire

from ._web import Answer, Tries, Web, shown, url_of

NAME_OF_THE_NAMELESS = "download"
_CHUNK_BYTES = 1 << 20
_LONGEST_NAME_BYTES = 255
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)")


class UrlParams(Wire):
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

    @property
    def address(self) -> URL:
        """Where to ask; what follows # is the reader's own."""
        return url_of(self.url.partition("#")[0])


class Source:
    """The contract `Source` for web servers."""

    Params = UrlParams

    def __init__(self, settings: Settings) -> None:
        del settings  # everything is in the params

    async def resolve(self, params: UrlParams) -> Manifest:
        """One file; its size is -1 when the server does not tell it before it sends the file."""
        tries = Tries()
        async with Web() as web:
            while True:
                try:
                    item = await _found(web, params)
                    break
                except StorageUnavailable as error:
                    await tries.pause_after(error)
        # The URL itself may hold a secret, e.g. a signature.
        return Manifest(f"url:{digest_of([params.url])}", (item,))

    async def fetch(self, params: UrlParams, manifest: Manifest, wanted: Sequence[Wanted], arrivals: Arrivals) -> None:
        """Goes on where it was when a connection breaks, if the server can and the file has an ETag; else from the start."""
        del manifest  # what is wanted says all
        async with Web() as web:
            for one in wanted:
                with one.create() as file:
                    part = _Part(file, arrivals)
                    await _receive_patiently(web, params.address, one.item, part)
                sha256 = part.sha256
                if one.item.sha256 and sha256 != one.item.sha256:
                    raise ChecksumMismatch(
                        f"the bytes of {shown(params.address)} have the SHA-256 {sha256}, not the pinned {one.item.sha256}",
                        hint="look why the file changed; then give its new ChecksumSHA256",
                    )
                arrivals.whole(one, sha256)


class _Part:
    """What has arrived of a file, with its digest."""

    def __init__(self, file: BinaryIO, arrivals: Arrivals) -> None:
        self._file = file
        self._arrivals = arrivals
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    async def add(self, chunk: bytes) -> None:
        await asyncio.to_thread(self._write, chunk)
        self.size_bytes += len(chunk)
        self._arrivals.received(len(chunk))

    def give_up(self) -> None:
        """Begin from the start."""
        self._file.seek(0)
        self._file.truncate()
        self._digest = hashlib.sha256()
        self._arrivals.received(-self.size_bytes)
        self.size_bytes = 0

    def _write(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self._digest.update(chunk)


async def _found(web: Web, params: UrlParams) -> Item:
    """The item that the URL names now, from a HEAD, or from the head of a GET where HEAD does not say enough."""
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


async def _receive_patiently(web: Web, url: URL, item: Item, part: _Part) -> None:
    tries = Tries()
    while True:
        try:
            await _receive(web, url, item, part)
        except StorageUnavailable as error:
            await tries.pause_after(error, part.size_bytes)
        else:
            return


async def _receive(web: Web, url: URL, item: Item, part: _Part) -> None:
    """The rest of the file, or all of it. Raises StorageUnavailable when another try may bring more."""
    headers = {}
    if part.size_bytes and item.etag:
        headers = {"Range": f"bytes={part.size_bytes}-", "If-Range": item.etag}
    async with web.ask("GET", url, headers) as answer:
        _check(url, item, part, answer)
        async for chunk in answer.response.content.iter_chunked(_CHUNK_BYTES):
            if 0 <= item.size_bytes < part.size_bytes + len(chunk):
                raise _changed(url, f"it is larger than {item.size_bytes} bytes")
            await part.add(chunk)
    if part.size_bytes < item.size_bytes:
        raise StorageUnavailable(
            f"{shown(url)} sent {part.size_bytes} of {item.size_bytes} bytes", hint="try again later; the server breaks off"
        )


def _check(url: URL, item: Item, part: _Part, answer: Answer) -> None:
    """The answer is of the file that was found; `part` is set back if the answer begins at the start."""
    resumed = answer.status == 206 and part.size_bytes > 0
    if answer.status == 416:
        part.give_up()
        raise StorageUnavailable(f"{shown(url)} has no bytes from where it broke off", hint="try again later")
    if answer.status != 200 and not resumed:
        raise _refused(url, answer, f"non-200 response from URL ({shown(url)}): {answer.status}")
    if item.etag and answer.etag != item.etag:
        raise _changed(url, f"its ETag is {answer.etag or 'gone'}, not {item.etag}")
    total_bytes = answer.size_bytes
    if resumed:
        span = _CONTENT_RANGE.fullmatch(answer.response.headers.get("Content-Range", ""))
        if span is None or int(span[1]) != part.size_bytes:
            part.give_up()
            raise StorageUnavailable(f"{shown(url)} sent other bytes than it was asked for", hint="try again later")
        total_bytes = int(span[2]) if span[2] != "*" else -1
    elif part.size_bytes:
        part.give_up()
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
