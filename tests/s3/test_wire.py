"""HTTP as services speak it, and as they should not: real sockets, raw bytes."""

from __future__ import annotations

import os
import ssl
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_server import HOLD, RawServer, answer, certificate, raw_server

from gadus.s3.response import Broken, Response
from gadus.s3.wire import Connection, Origin

AT_ONCE_SECONDS = 5


def connected(server: RawServer, trust: ssl.SSLContext | None = None) -> Connection:
    return Connection(Origin(server.host, server.port, tls=trust is not None), trust)


def ask(connection: Connection, method: str = "GET") -> Response:
    return connection.ask(method, "/bucket/key", {"host": connection.origin.name})


def whole(raw: bytes, *, method: str = "GET", most_bytes: int = 1 << 20) -> tuple[Response, bytes]:
    with raw_server([raw]) as server:
        connection = connected(server)
        try:
            response = ask(connection, method)
            return response, response.read(most_bytes)
        finally:
            connection.close()


def chunked(*chunks: str, trailers: str = "") -> bytes:
    return f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{''.join(chunks)}0\r\n{trailers}\r\n".encode()


def test_a_body_of_told_length_is_read_whole_and_the_connection_serves_again() -> None:
    with raw_server([answer(b"one"), answer(b"second")]) as server:
        connection = connected(server)
        first = ask(connection)
        assert (first.status, first.length, first.read(10)) == (200, 3, b"one")
        assert first.over
        assert first.keeps
        assert ask(connection).read(10) == b"second"
        assert server.connections == 1
        assert server.requests[0] == f"GET /bucket/key HTTP/1.1\r\nhost: {server.authority}\r\n\r\n"
        connection.close()


def test_header_names_are_in_lower_case_and_values_are_bare() -> None:
    response, _ = whole(answer(headers='ETag:  "abc" \r\nX-Amz-Meta-Colon: a:b\r\n'))
    assert response.headers["etag"] == '"abc"'
    assert response.headers["x-amz-meta-colon"] == "a:b"


def test_a_chunked_body_with_extensions_and_trailers() -> None:
    raw = chunked("3;name=value\r\none\r\n", "A \r\n0123456789\r\n", trailers="x-amz-checksum-crc32: AAAA\r\nother: 1\r\n")
    response, body = whole(raw)
    assert (body, response.length) == (b"one0123456789", -1)
    assert response.over
    assert response.keeps


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 40_000), max_size=5), st.integers(1, 20_000))
def test_a_body_is_the_same_in_any_chunks_and_into_any_buffer(sizes: list[int], buffer_bytes: int) -> None:
    body = os.urandom(sum(sizes))
    ends = [0]
    for size in sizes:
        ends.append(ends[-1] + size)
    raw = b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n"
    raw += b"".join(b"%x\r\n%s\r\n" % (end - begin, body[begin:end]) for begin, end in pairwise(ends)) + b"0\r\n\r\n"
    with raw_server([raw, answer(body)]) as server:
        connection = connected(server)
        for _ in range(2):
            response, got = ask(connection), bytearray()
            buffer = memoryview(bytearray(buffer_bytes))
            while size := response.read_into(buffer):
                got += buffer[:size]
            assert got == body
            assert response.over
        connection.close()


def test_a_body_that_the_end_of_the_connection_ends() -> None:
    response, body = whole(b"HTTP/1.1 200 OK\r\n\r\nall of it")
    assert (body, response.length) == (b"all of it", -1)
    assert not response.keeps


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_an_answer_without_a_body_leaves_the_connection_free(method: str) -> None:
    status = "200 OK" if method == "HEAD" else "304 Not Modified"
    silent = f"HTTP/1.1 {status}\r\nContent-Length: 1000\r\n\r\n".encode()
    with raw_server([silent, answer(b"next")]) as server:
        connection = connected(server)
        response = ask(connection, method)
        assert (response.headers["content-length"], response.read(10)) == ("1000", b"")
        assert response.over
        assert ask(connection).read(10) == b"next"
        connection.close()


def test_announcements_before_the_answer_are_passed_over() -> None:
    raw = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\nContent-Length: 7\r\n\r\n" + answer(b"body")
    response, body = whole(raw)
    assert (response.status, body) == (200, b"body")


@pytest.mark.parametrize(
    ("head", "keeps"),
    [
        ("HTTP/1.1 200 OK\r\n", True),
        ("HTTP/1.1 200 OK\r\nConnection: Close\r\n", False),
        ("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n", True),
        ("HTTP/1.0 200 OK\r\n", False),
        ("HTTP/1.0 200 OK\r\nConnection: close\r\n", False),
        ("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n", True),
    ],
)
def test_whether_the_connection_stays_is_what_the_service_says(head: str, keeps: bool) -> None:
    response, _ = whole(f"{head}Content-Length: 2\r\n\r\nok".encode())
    assert response.keeps is keeps


def test_a_connection_on_which_more_came_than_was_said_does_not_serve_again() -> None:
    response, body = whole(answer(b"body") + answer(b"nobody asked for this"))
    assert body == b"body"
    assert not response.over


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "is not HTTP"),
        (b"HTTP/1.1 okay\r\n\r\n", "is not HTTP"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "speaks TLS"),
        (b"", "ended before the answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "ended before the answer"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, "never comes"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * (80 << 10) + b"\r\n\r\n", "head of the answer is over 64 KiB"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000 + b"\r\n", "head of the answer is over 64 KiB"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "'-5' is not a number"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello", "'5, 5' is not a number"),
        ("HTTP/1.1 200 OK\r\nContent-Length: ³\r\n\r\n".encode("latin-1"), "is not a number"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", "ends 5 bytes early"),
        (chunked("-5\r\nhello\r\n"), "'-5' is not the size of a chunk"),
        (chunked("0x5\r\nhello\r\n"), "not the size of a chunk"),
        (chunked("1_0\r\nhello\r\n"), "not the size of a chunk"),
        (chunked("\r\nhello\r\n"), "not the size of a chunk"),
        (chunked("3\r\nhello\r\n"), "longer than it says"),
        (chunked("5;" + "x" * 20_000 + "\r\nhello\r\n"), "has no end"),
        (chunked(trailers="x: y\r\n" * 1000), "lines follow the body"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFF\r\nhello", "ends within a chunk"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "ended"),
        (answer(b"x" * 2000), "over 1 KiB"),
    ],
)
def test_nonsense_is_refused_and_never_taken_for_a_body(raw: bytes, reason: str) -> None:
    with pytest.raises(Broken, match=reason) as caught:
        whole(raw, most_bytes=1 << 10)
    assert not caught.value.reused


def test_what_came_before_an_early_end_counts() -> None:
    with raw_server([b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"]) as server:
        connection = connected(server)
        response = ask(connection)
        buffer = memoryview(bytearray(100))
        assert bytes(buffer[: response.read_into(buffer)]) == b"hello"
        with pytest.raises(Broken, match="5 bytes early"):
            response.read_into(buffer)
        connection.close()


def test_a_connection_that_died_while_it_was_idle_says_that_it_had_served() -> None:
    with raw_server([answer(b"one")]) as server:
        connection = connected(server)
        ask(connection).read(10)
        with pytest.raises(Broken) as caught:
            ask(connection)
        assert caught.value.reused
        connection.close()


def test_an_answer_that_breaks_off_is_not_asked_for_again_though_the_connection_had_served() -> None:
    """Something was answered: whether asking twice is harmless is not this connection's to say."""
    with raw_server([answer(b"one"), b"HTTP/1.1 200"]) as server:
        connection = connected(server)
        ask(connection).read(10)
        with pytest.raises(Broken) as caught:
            ask(connection)
        assert not caught.value.reused
        connection.close()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome"
CHUNK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nsome"


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\n", HEAD, CHUNK], ids=["nothing", "in the head", "body", "chunk"])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_an_abort_from_another_thread_ends_the_wait_at_once(begun: bytes, tls: bool, tmp_path: Path) -> None:
    authority, context = certificate(tmp_path, "127.0.0.1")
    # A second answer that never comes keeps the connection open.
    script = [begun, HOLD] if begun else [HOLD]
    with raw_server([context, *script] if tls else script) as server:
        connection = connected(server, ssl.create_default_context(cafile=authority) if tls else None)
        ends_at_once(connection, lambda: bool(server.requests))


def test_an_abort_ends_a_tls_handshake_that_is_not_answered() -> None:
    with raw_server([HOLD]) as server:
        ends_at_once(connected(server, ssl.create_default_context()), lambda: server.connections == 1)


def test_an_aborted_connection_asks_nothing_any_more() -> None:
    with raw_server([answer()]) as server:
        connection = connected(server)
        connection.abort()
        with pytest.raises(Broken, match="given up"):
            ask(connection)
        assert server.requests == []
        connection.close()


def ends_at_once(connection: Connection, waits: Callable[[], bool]) -> None:
    """Ask in another thread; abort when it `waits`; it has to raise Broken, soon."""
    raised: list[BaseException] = []

    def wait() -> None:
        try:
            ask(connection).read(1000)
        except (Broken, OSError) as exc:
            raised.append(exc)

    waiting = threading.Thread(target=wait)
    waiting.start()
    while not waits():
        assert waiting.is_alive(), raised
    began = time.monotonic()
    connection.abort()
    waiting.join(AT_ONCE_SECONDS)
    assert not waiting.is_alive()
    assert time.monotonic() - began < AT_ONCE_SECONDS
    assert len(raised) == 1
    connection.close()


def test_tls_with_an_authority_of_one_s_own_moves_any_body(tmp_path: Path) -> None:
    authority, context = certificate(tmp_path, "127.0.0.1")
    body = os.urandom(3 << 20)
    with raw_server([context, answer(body), answer(b"again")]) as server:
        connection = connected(server, ssl.create_default_context(cafile=authority))
        assert ask(connection).read(4 << 20) == body
        assert ask(connection).read(10) == b"again"
        connection.close()


def test_a_host_that_is_an_ipv6_address_is_named_in_brackets() -> None:
    with raw_server([answer(b"six")], host="::1") as server:
        connection = connected(server)
        assert ask(connection).read(10) == b"six"
        assert f"host: [::1]:{server.port}\r\n" in server.requests[0]
        connection.close()
    assert Origin("::1", 443, tls=True).name == "[::1]"
    assert Origin("example.test", 80, tls=False).name == "example.test"
    assert Origin("example.test", 443, tls=False).name == "example.test:443"
