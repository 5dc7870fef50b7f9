"""Clients that send too slowly or too much lose their connection, and only they."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

import gadus.web.deadlines
from gadus.web.serving import listening, served

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Application:
    """Reads the body, then answers with its length."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.release.set()

    async def __call__(self, scope, receive, send) -> None:
        size = 0
        while True:
            message = await receive()
            size += len(message.get("body", b""))
            if not message.get("more_body"):
                break
        await self.release.wait()
        text = str(size).encode()
        head = [(b"content-length", str(len(text)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": text})


@pytest.fixture
def application() -> Application:
    return Application()


@pytest.fixture
async def port(application: Application) -> AsyncIterator[int]:
    with listening("127.0.0.1", 0) as listener:
        async with served(application, listener, asyncio.Event()):
            yield listener.getsockname()[1]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gadus.web.deadlines, "HEAD_SECONDS", 0.2)
    monkeypatch.setattr(gadus.web.deadlines, "BODY_SECONDS", 0.2)


async def sent(port: int, data: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    return reader, writer


async def answer_to(port: int, data: bytes) -> bytes:
    """All that comes until the server closes the connection."""
    reader, writer = await sent(port, data)
    try:
        async with asyncio.timeout(30):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GET / HT",
        b"GET / HTTP/1.1\r\nHost: local",
        b"\r\n",
        b"PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf",
    ],
    ids=["silent", "first-line", "head", "empty-line", "body"],
)
async def test_client_that_does_not_finish_its_request_is_cut_off(port, impatient, data):
    assert b"200 OK" not in await answer_to(port, data)


async def test_half_of_a_next_request_is_cut_off_too(port, impatient):
    answer = await answer_to(port, GET + b"GET / HTTP/1.1\r\nHos")
    assert answer.count(b"200 OK") == 1


async def test_slow_clients_do_not_keep_others_out(port):
    slow = [await sent(port, b"GET / HT") for _ in range(100)]
    reader, writer = await sent(port, GET)
    async with asyncio.timeout(30):
        assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
    for _, one in [*slow, (reader, writer)]:
        one.close()


async def test_answer_may_take_longer_than_a_request(port, impatient, application):
    """1. a whole request comes; 2. nothing for longer than both limits; 3. then it is answered."""
    application.release.clear()
    reader, writer = await sent(port, GET)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.6):
            await reader.read(1)
    application.release.set()
    async with asyncio.timeout(30):
        assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
    writer.close()


async def test_empty_lines_do_not_hold_a_connection_that_was_answered(port, impatient):
    """An empty line ends the wait for the next request, and begins none."""
    reader, writer = await sent(port, GET)
    async with asyncio.timeout(30):
        await reader.readuntil(b"\r\n\r\n0")
        writer.write(b"\r\n")
        assert await reader.read() == b""
    writer.close()


async def test_endless_head_is_refused(port, monkeypatch):
    monkeypatch.setattr(gadus.web.deadlines, "HEAD_SECONDS", 3600.0)
    answer = await answer_to(port, b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * (200 << 10))
    assert answer.startswith(b"HTTP/1.1 431 ") or answer == b""


async def test_those_who_began_first_give_way_when_too_many_are_in_the_middle_of_a_request(port, monkeypatch):
    monkeypatch.setattr(gadus.web.deadlines, "MOST_UNHEARD", 3)
    monkeypatch.setattr(gadus.web.deadlines, "GRACE_SECONDS", -1.0)
    monkeypatch.setattr(gadus.web.deadlines, "HEAD_SECONDS", 3600.0)
    slow = [await sent(port, b"GET / HT") for _ in range(4)]
    async with asyncio.timeout(30):
        with suppress(ConnectionResetError):
            assert await slow[0][0].read() == b""
    reader, writer = await sent(port, GET)
    async with asyncio.timeout(30):
        assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
    for _, one in [*slow, (reader, writer)]:
        one.close()


async def test_many_at_once_are_all_heard(port, monkeypatch):
    """They are accepted together, before the first of them is read."""
    monkeypatch.setattr(gadus.web.deadlines, "MOST_UNHEARD", 3)
    answers = await asyncio.gather(
        *(answer_to(port, GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")) for _ in range(50))
    )
    assert all(b"200 OK" in one for one in answers)


async def test_more_connections_than_files_are_turned_away(port, monkeypatch):
    monkeypatch.setattr(gadus.web.deadlines, "MOST_CONNECTIONS", 3)
    held = [await sent(port, GET) for _ in range(3)]
    for reader, _ in held:
        async with asyncio.timeout(30):
            await reader.readuntil(b"\r\n\r\n")
    assert await answer_to(port, GET) == b""
    for _, writer in held:
        writer.close()


class Endless:
    """Sends for as long as it is let, over HTTP and over a WebSocket; `ended` when it is not let any more."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "http":
            begin, piece = "http.response.start", {"type": "http.response.body", "body": bytes(1 << 16), "more_body": True}
        else:
            begin, piece = "websocket.accept", {"type": "websocket.send", "bytes": bytes(1 << 16)}
        gone = asyncio.create_task(self._gone(receive))
        try:
            await send({"type": begin, "status": 200} if scope["type"] == "http" else {"type": begin})
            while not gone.done():
                await send(piece)
                await asyncio.sleep(0)
        except OSError:
            pass
        finally:
            gone.cancel()
            self.ended.set()

    async def _gone(self, receive) -> None:
        while not (await receive())["type"].endswith("disconnect"):
            pass


UPGRADE = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + b"x" * 22 + b"==\r\n"
)


@pytest.mark.parametrize("more", [b"", UPGRADE], ids=["http", "websocket"])
async def test_client_that_takes_nothing_is_cut_off_and_one_that_takes_is_not(monkeypatch, more):
    """1. two clients get an endless answer; 2. one reads it, the other does not; 3. only the other one is cut off."""
    monkeypatch.setattr(gadus.web.deadlines, "TAKING_SECONDS", 0.3)
    monkeypatch.setattr(gadus.web.deadlines, "BODY_SECONDS", 0.1)
    endless = Endless()
    with listening("127.0.0.1", 0) as listener:
        async with served(endless, listener, asyncio.Event()):
            port = listener.getsockname()[1]
            _, deaf_writer = await sent(port, GET[:-2] + more + b"\r\n")
            deaf_writer.transport.pause_reading()
            async with asyncio.timeout(30):
                await endless.ended.wait()
            endless.ended.clear()
            reader, writer = await sent(port, GET[:-2] + more + b"\r\n")
            until = asyncio.get_running_loop().time() + 1.0
            while asyncio.get_running_loop().time() < until:
                assert await reader.read(1 << 16)
            assert not endless.ended.is_set()
            for one in (deaf_writer, writer):
                one.transport.abort()
