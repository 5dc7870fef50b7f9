"""Requests on connections that are used again, through TLS and proxies: real sockets, raw bytes."""

from __future__ import annotations

import asyncio
import base64
import errno
import os
from pathlib import Path

import pytest
from raw_server import HOLD, answer, certificate, raw_server

from gadus.core.errors import InputUnreadable, StorageUnavailable
from gadus.s3.credentials import Chain
from gadus.s3.location import Location, locate
from gadus.s3.patience import Patience
from gadus.s3.requests import Requests

OK = answer(b"body")
TUNNEL = b"HTTP/1.1 200 Connection established\r\n\r\n"
SECRET = "the-proxy-password"


@pytest.fixture
def requests() -> Requests:
    return Requests(Chain())


def at(authority: str, *, scheme: str = "http") -> Location:
    return locate("bucket", endpoint=f"{scheme}://{authority}")


def read(requests: Requests, location: Location, most_bytes: int = 1000) -> bytes:
    with requests.exchange(location, "GET", "key", headers={}) as response:
        return response.read(most_bytes)


def test_requests_one_after_the_other_share_a_connection(requests: Requests) -> None:
    with raw_server([OK, OK, OK]) as server:
        assert [read(requests, at(server.authority)) for _ in range(3)] == [b"body"] * 3
        assert server.connections == 1


def test_a_connection_closed_while_it_was_idle_is_replaced_and_asked_exactly_once_more(requests: Requests) -> None:
    with raw_server([OK], [OK], [OK]) as server:
        assert read(requests, at(server.authority)) == b"body"
        assert read(requests, at(server.authority)) == b"body"
        assert (len(server.requests), server.connections) == (2, 2)


def test_a_new_connection_that_breaks_is_not_asked_again_here(requests: Requests) -> None:
    """
    1. The connection of the first request is closed by the service while it is idle.
    2. The second request finds it so, and asks on a new one, which breaks: the caller decides what is to be done.
    """
    with raw_server([OK], [b""], [OK]) as server:
        read(requests, at(server.authority))
        with pytest.raises(StorageUnavailable, match="breaks off"):
            read(requests, at(server.authority))
        assert server.connections == 2


def test_a_service_that_says_nothing_is_not_taken_for_a_connection_that_died(requests: Requests) -> None:
    """Else it would be waited for twice as long."""
    requests.patience = Patience(stall_seconds=0.2)
    with raw_server([OK, HOLD], [OK]) as server:
        read(requests, at(server.authority))
        with pytest.raises(StorageUnavailable, match=r"nothing came for 0\.2 seconds"):
            read(requests, at(server.authority))
        assert server.connections == 1


def test_a_connection_with_half_an_answer_is_not_used_again(requests: Requests) -> None:
    with raw_server([answer(b"a long body"), OK], [OK]) as server:
        with requests.exchange(at(server.authority), "GET", "key", headers={}) as response:
            assert response.status == 200
        assert read(requests, at(server.authority)) == b"body"
        assert server.connections == 2


def test_an_error_of_the_local_disk_is_not_taken_for_one_of_the_service(requests: Requests) -> None:
    with (
        raw_server([OK]) as server,
        pytest.raises(OSError, match="No space left") as caught,
        requests.exchange(at(server.authority), "GET", "key", headers={}),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.errno == errno.ENOSPC


async def test_an_answer_larger_than_wanted_is_an_error_and_not_asked_for_again(requests: Requests) -> None:
    with raw_server([answer(b"x" * 5000), OK], [OK]) as server:
        with pytest.raises(InputUnreadable, match="over 1 KiB"):
            await requests.send(at(server.authority), "GET", "key", most_bytes=1 << 10)
        assert len(server.requests) == 1


async def test_a_cancelled_request_ends_its_connection_at_once(requests: Requests) -> None:
    with raw_server([HOLD]) as server:
        asking = asyncio.create_task(requests.send(at(server.authority), "GET", "key"))
        await asyncio.to_thread(server.until_asked)
        asking.cancel()
        async with asyncio.timeout(5):
            with pytest.raises(asyncio.CancelledError):
                await asking
            # The server's own end of the conversation: it saw the client hang up.
            await asyncio.to_thread(server.join)


def test_an_ipv6_address_as_endpoint(requests: Requests) -> None:
    with raw_server([OK], host="::1") as server:
        assert read(requests, at(server.authority)) == b"body"
        assert f"host: [::1]:{server.port}\r\n" in server.requests[0]


class TestTls:
    def test_an_authority_in_aws_ca_bundle_is_trusted(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        authority, context = certificate(tmp_path, "127.0.0.1")
        monkeypatch.setenv("AWS_CA_BUNDLE", str(authority))
        with raw_server([context, OK, OK]) as server:
            requests = Requests(Chain())
            assert [read(requests, at(server.authority, scheme="https")) for _ in range(2)] == [b"body"] * 2
            assert server.connections == 1

    def test_a_certificate_for_another_name_is_refused_and_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        authority, context = certificate(tmp_path, "elsewhere.test")
        monkeypatch.setenv("AWS_CA_BUNDLE", str(authority))
        with raw_server([context, OK]) as server, pytest.raises(InputUnreadable, match=r"\(TLS\).*127\.0\.0\.1") as caught:
            read(Requests(Chain()), at(server.authority, scheme="https"))
        assert "AWS_CA_BUNDLE" in caught.value.hint

    @pytest.mark.parametrize("content", [None, "no certificate"])
    def test_a_bundle_that_cannot_be_read_is_named(
        self, content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bundle = tmp_path / "bundle.pem"
        if content:
            bundle.write_text(content)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
        with pytest.raises(InputUnreadable, match=r"bundle\.pem cannot be read") as caught:
            read(Requests(Chain()), at("127.0.0.1:1", scheme="https"))
        assert "AWS_CA_BUNDLE" in caught.value.hint


class TestProxies:
    def test_http_goes_through_it_by_absolute_address_with_its_password(
        self, requests: Requests, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with raw_server([OK, OK]) as proxy:
            monkeypatch.setenv("HTTP_PROXY", f"http://me:{SECRET}%21@{proxy.authority}")
            assert [read(requests, at("s3.invalid:9000")) for _ in range(2)] == [b"body"] * 2
            assert proxy.connections == 1
        for request in proxy.requests:
            assert request.startswith("GET http://s3.invalid:9000/bucket/key HTTP/1.1\r\nhost: s3.invalid:9000\r\n")
            assert f"\r\nproxy-authorization: Basic {encoded(f'me:{SECRET}!')}\r\n" in request

    def test_https_goes_through_a_tunnel_and_the_password_stays_with_the_proxy(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        authority, context = certificate(tmp_path, "s3.invalid")
        monkeypatch.setenv("AWS_CA_BUNDLE", str(authority))
        with raw_server([TUNNEL, context, OK, OK]) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://me:{SECRET}@{proxy.authority}")
            requests = Requests(Chain())
            assert [read(requests, at("s3.invalid", scheme="https")) for _ in range(2)] == [b"body"] * 2
        tunnel, *inside = proxy.requests
        assert tunnel.startswith("CONNECT s3.invalid:443 HTTP/1.1\r\nHost: s3.invalid:443\r\n")
        assert f"\r\nproxy-authorization: Basic {encoded(f'me:{SECRET}')}\r\n" in tunnel
        assert len(inside) == 2
        for request in inside:
            assert request.startswith("GET /bucket/key HTTP/1.1\r\nhost: s3.invalid\r\n")
            assert "proxy-authorization" not in request

    def test_a_tunnel_to_an_ipv6_address_names_it_in_brackets(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        authority, context = certificate(tmp_path, "::1")
        monkeypatch.setenv("AWS_CA_BUNDLE", str(authority))
        with raw_server([TUNNEL, context, OK]) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.authority)
            assert read(Requests(Chain()), at("[::1]:9000", scheme="https")) == b"body"
        assert proxy.requests[0].startswith("CONNECT [::1]:9000 HTTP/1.1\r\n")

    def test_a_host_in_no_proxy_is_asked_directly(self, requests: Requests, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        monkeypatch.setenv("NO_PROXY", "example.test,127.0.0.1")
        with raw_server([OK]) as server:
            assert read(requests, at(server.authority)) == b"body"
            assert server.requests[0].startswith("GET /bucket/key HTTP/1.1\r\n")

    @pytest.mark.parametrize(
        ("status", "error", "hint"),
        [
            ("407 Proxy Authentication Required", InputUnreadable, "name and password"),
            ("403 Forbidden", InputUnreadable, "NO_PROXY"),
            ("502 Bad Gateway", StorageUnavailable, "try again"),
        ],
    )
    def test_a_proxy_that_refuses_is_named_without_its_password(
        self, status: str, error: type[Exception], hint: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with raw_server([answer(status=status)]) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://me:{SECRET}@{proxy.authority}")
            with pytest.raises(error, match=f"the proxy {proxy.authority} does not let through.*{status[:3]}") as caught:
                read(Requests(Chain()), at("s3.invalid", scheme="https"))
        assert hint in caught.value.hint
        assert SECRET not in f"{caught.value!r} {caught.value.hint} {caught.value.__cause__!r}"

    def test_a_proxy_that_does_not_run_is_named(self, requests: Requests, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTP_PROXY", f"http://me:{SECRET}@127.0.0.1:1")
        with pytest.raises(StorageUnavailable, match=r"through the proxy 127\.0\.0\.1:1: Connection refused") as caught:
            read(requests, at("s3.invalid"))
        assert "HTTP_PROXY" in caught.value.hint
        assert SECRET not in f"{caught.value!r} {caught.value.hint} {caught.value.__cause__!r}"

    def test_a_proxy_that_is_not_one_of_http_is_refused_by_name(
        self, requests: Requests, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTPS_PROXY", f"socks5://me:{SECRET}@127.0.0.1:1080")
        with pytest.raises(InputUnreadable, match="one of 'socks5'") as caught:
            read(requests, at("s3.invalid", scheme="https"))
        assert "HTTPS_PROXY" in caught.value.hint
        assert SECRET not in f"{caught.value!r} {caught.value.hint}"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
