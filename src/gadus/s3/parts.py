"""One stretch of an object: asked for, checked against what was listed, written, and asked again for what is missing."""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from gadus.core.errors import Bug, GadusError, InputUnreadable, StorageUnavailable

from .diagnose import changed
from .digest import Digest, expected_of
from .exchange import Exchange, Handle
from .listing import quoted
from .patience import THROTTLED, TRANSIENT, Tries
from .requests import Answer

if TYPE_CHECKING:
    from .incoming import Incoming
    from .response import Response

SMALL_BYTES = 512 << 10
"""Up to here an answer fits into the kernel's buffers while it waits to be read."""
PART_BYTES = 8 << 20
"""Objects up to this size are fetched by one request."""
_LARGEST_REFUSAL_BYTES = 64 << 10
_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)")


class Refused(Exception):
    """The service will not give this part as it was asked for, at the moment `asked_at` of the monotonic clock."""

    def __init__(self, part: Part, answer: Answer, asked_at: float) -> None:
        super().__init__(f"status {answer.status}")
        self.part = part
        self.answer = answer
        self.asked_at = asked_at


class _Passing(Exception):
    """The service could not answer now. `wish` is its ``Retry-After``."""

    def __init__(self, status: int, wish: str) -> None:
        super().__init__(f"it answers {status}")
        self.status = status
        self.wish = wish


class _Later(Exception):
    """To be tried again, but not at once."""


class Part:
    """The bytes from `offset` to `end` of an object: one request, or more of them when connections break."""

    def __init__(self, file: Incoming, offset: int, end: int) -> None:
        self.file = file
        self.handle = Handle()
        self.refusals = 0
        self._start = offset
        self._offset = offset
        self._digest = file.new_part_digest()
        self._end = end
        self._tries = Tries(file.transfer.bucket.requests.patience)
        self._launched: tuple[Exchange, float] | None = None
        self._in_flight = False
        self._begun = False
        self._not_before = 0.0

    @property
    def small(self) -> bool:
        """Whether it may be one of many in flight: its answer then waits while others are read. Once it failed, it is alone."""
        return not self._not_before and self._end - self._start <= SMALL_BYTES

    def launch(self) -> int:
        """Send the request; the answer is read when this is run, and comes on the descriptor returned, unless that is -1."""
        if self._offset == self._end or not self.file.transfer.begins(self):
            return -1
        # From here on the transfer ends it, and waits for it.
        self._begun = self._in_flight = True
        # What keeps it from being sent is met again, and told, when it is run.
        with suppress(GadusError):
            exchange = self._exchange()
            self._launched = exchange, time.monotonic()
            return exchange.send()
        return -1

    @property
    def overdue(self) -> bool:
        """Whether the answer to what was launched has been waited for too long."""
        patience = self.file.transfer.bucket.requests.patience
        return self._launched is not None and time.monotonic() - self._launched[1] >= patience.stall_seconds

    def run(self, buffer: memoryview) -> None:
        """Bring the bytes into the file. How it ended is told to the transfer."""
        transfer = self.file.transfer
        if not (self._begun or transfer.begins(self)):
            return
        self._begun = False
        failure: Exception | None = Bug(f"the transfer of {self.file.slot.item.key!r} ended in a way that nobody foresaw")
        later = False
        try:
            self._bring(buffer)
            if not transfer.ended.is_set():
                self.file.part_is_done(self._start, self._end - self._start, self._digest)
            failure = None
        except _Later:
            later = True
        except (GadusError, Refused, OSError) as exc:
            failure = exc
        finally:
            if self._launched is not None:
                self._launched[0].drop()
                self._launched = None
            if later:
                transfer.puts_back(self)
            else:
                transfer.ends(self, failure)

    def stop(self) -> None:
        """End what is waited for."""
        self.handle.end()

    def _bring(self, buffer: memoryview) -> None:
        """Fetch the part; after a broken or stalled connection, what is missing of it."""
        transfer = self.file.transfer
        if self._not_before:
            transfer.ended.wait(max(0.0, self._not_before - time.monotonic()))
        while self._offset < self._end and not transfer.ended.is_set():
            before = self._offset
            try:
                self._fetch(buffer)
            except (_Passing, StorageUnavailable) as exc:
                if self._offset > before:
                    self._tries.succeeded()
                status, wish = (exc.status, exc.wish) if isinstance(exc, _Passing) else (0, "")
                transfer.bucket.requests.troubles.note(status)
                if status in THROTTLED:
                    transfer.pace.throttled()
                pause = self._tries.seconds_until_next(status, wish)
                if pause is None:
                    raise self._given_up(exc) from exc
                self._wait(pause)

    def _wait(self, seconds: float) -> None:
        if self._in_flight:
            # Others in flight wait for this lane to read their answers.
            self._in_flight = False
            self._not_before = time.monotonic() + seconds
            raise _Later
        self.file.transfer.ended.wait(seconds)

    def _fetch(self, buffer: memoryview) -> None:
        """One request for what is missing."""
        item = self.file.slot.item
        location = self.file.transfer.bucket.location
        exchange, asked_at = self._launched or (self._exchange(), time.monotonic())
        self._launched = None
        with exchange as response:
            self._check_status(response, asked_at)
            passed_over = self._offset - self._start_of(response)
            digest = self._digest_of(response)
            while got := response.read_into(buffer):
                skipped = min(passed_over, got)
                passed_over -= skipped
                self._write(buffer[skipped:got], digest, comes_whole=response.status == 200)
                # As it comes, and not when a part ends: with few large parts that is too seldom to tell what is faster.
                if self.file.transfer.pace.arrived(got):
                    self.file.transfer.widen()
        if self._offset < self._end:
            raise StorageUnavailable(f"{location.endpoint} sent {self._end - self._offset} bytes too few of {item.key!r}")

    def _exchange(self) -> Exchange:
        """The request for what is missing."""
        item = self.file.slot.item
        if self.file.in_one and not self.file.can_continue:
            self._offset = 0
        headers = {"if-match": self.file.etag} if self.file.etag else {}
        if self._end - self._offset < item.size_bytes:
            headers["range"] = f"bytes={self._offset}-{self._end - 1}"
        else:
            headers["x-amz-checksum-mode"] = "ENABLED"
        query = f"versionId={quoted(item.version_id)}" if item.version_id else ""
        bucket = self.file.transfer.bucket
        return bucket.requests.exchange(bucket.location, "GET", item.key, query=query, headers=headers, handle=self.handle)

    def _check_status(self, response: Response, asked_at: float) -> None:
        if response.status in (200, 206):
            return
        if response.status == 412:
            raise changed(self.file.transfer.bucket.location.bucket, self.file.slot.item.key, "replaced")
        body = response.read(_LARGEST_REFUSAL_BYTES)
        if response.status in TRANSIENT:
            raise _Passing(response.status, response.headers.get("retry-after", ""))
        self.refusals += 1
        raise Refused(self, Answer(response.status, response.headers, body), asked_at)

    def _start_of(self, response: Response) -> int:
        """
        Where in the object the answer begins.

        Not every service obeys If-Match: the answer itself must be of the object that was listed. Nor Range: a small object
        then comes whole, and what is here already is passed over.
        """
        item = self.file.slot.item
        location = self.file.transfer.bucket.location
        start, size_bytes = 0, response.length
        if response.status == 206:
            span = _RANGE.fullmatch(response.headers.get("content-range", ""))
            if span is None or int(span[1]) != self._offset:
                raise StorageUnavailable(f"{location.endpoint} sent other bytes of {item.key!r} than it was asked for")
            start, size_bytes = int(span[1]), int(span[2]) if span[2] != "*" else -1
        etag = response.headers.get("etag", "")
        same = self.file.is_told_by(response.headers)
        if same and etag and size_bytes not in (item.size_bytes, -1) and item.etag:
            # The same object cannot have another size: it is somebody on the way.
            raise StorageUnavailable(
                f"{location.endpoint} says that {item.key!r} has {size_bytes} bytes; it was listed with {item.size_bytes}"
            )
        if not same or size_bytes not in (item.size_bytes, -1):
            raise changed(location.bucket, item.key, "replaced")
        asked_for_all = self._end - self._offset == item.size_bytes
        if response.status == 200 and not asked_for_all and item.size_bytes > PART_BYTES:
            raise InputUnreadable(
                f"{location.endpoint} ignores ranges, so {item.key!r} cannot be fetched in parts",
                hint="use another endpoint of the service",
            )
        return start

    def _digest_of(self, response: Response) -> Digest | None:
        """What to add up while this answer is read, when it brings the whole object."""
        if not self.file.in_one:
            return self._digest
        if self._offset:
            return self.file.digest
        self.file.digest = Digest(expected_of(self.file.slot.item, response.headers))
        return self.file.digest

    def _write(self, data: memoryview, digest: Digest | None, *, comes_whole: bool) -> None:
        item = self.file.slot.item
        if comes_whole and self._end < item.size_bytes:
            data = data[: self._end - self._offset]
        if len(data) > self._end - self._offset:
            raise StorageUnavailable(f"the service sent more of {item.key!r} than was asked for")
        if not data:
            return
        if digest is not None:
            digest.update(data)
        written = 0
        while written < len(data):
            written += os.pwrite(self.file.slot.handle, data[written:], self._offset + written)
        self.file.wrote(self._offset, self._offset + len(data))
        self._offset += len(data)

    def _given_up(self, cause: Exception) -> Exception:
        if isinstance(cause, StorageUnavailable):
            return cause
        endpoint = self.file.transfer.bucket.location.endpoint
        return StorageUnavailable(f"{endpoint} cannot give {self.file.slot.item.key!r}: {cause}", hint="try again later")
