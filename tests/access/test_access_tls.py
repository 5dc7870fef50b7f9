"""On other interfaces a server shows a certificate and asks who is there; or says why it does not start."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
import shlex
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from running import Running, eventually, serving

import gadus.web.serving
from gadus.access.certificate import VALID_DAYS, self_signed
from gadus.access.file import AccessFile
from gadus.access.granting import create_token
from gadus.cli.main import main
from gadus.client.opening import remote_api
from gadus.config import client_settings
from gadus.core.errors import InvalidSpec, Unavailable
from gadus.threads import finished
from gadus.web.serving import listening, served

NAMES = frozenset({"localhost", "127.0.0.1"})


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, str]]:
    """A server on every interface, and a token of it."""
    data_dir = tmp_path_factory.mktemp("secure") / "data"
    text, _ = create_token(AccessFile.of(data_dir), "somebody", ["read:job"], ["*"], 3600)
    flags = ("--host", "0.0.0.0", "--self-signed", "--allowed-host", "jobs.example")
    with serving(data_dir, None, *flags) as server:
        yield server, text.reveal()


def handshake(server: Running, context: ssl.SSLContext, name: str) -> tuple[str, bytes]:
    """The protocol of a connection, and the answer to a request on it."""
    port = urlsplit(server.url).port
    plain = socket.create_connection(("127.0.0.1", port), timeout=20)
    with plain, context.wrap_socket(plain, server_hostname=name) as connection:
        connection.sendall(f"GET /api/v1/agent/alive HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        return str(connection.version()), connection.recv(4096)


def trusting(server: Running) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=server.data_dir / "tls" / "server.crt")


def test_a_client_that_knows_the_certificate_is_answered_over_tls(secure: tuple[Running, str]) -> None:
    server, _ = secure
    assert urlsplit(server.url).scheme == "https"
    for name in ("localhost", "127.0.0.1", "jobs.example", socket.gethostname()):
        version, answer = handshake(server, trusting(server), name)
        assert (version, answer.split()[1]) == ("TLSv1.3", b"200")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1")
async def test_what_a_server_prints_about_how_to_reach_it_is_all_that_a_client_needs(secure: tuple[Running, str]) -> None:
    server, token = secure
    assert server.process.stderr is not None
    lines = iter(server.process.stderr.readline, b"")
    exported = next(shlex.split(line.decode())[1:] for line in lines if b"export GADUS_API_HOST" in line)
    environment = dict(word.split("=", 1) for word in exported) | {"GADUS_API_TOKEN": token}
    async with remote_api(client_settings(environment)) as api:
        assert (await api.ask("GET", "/orchestrator/jobs"))["Items"] == []


async def test_who_asks_without_tls_is_told_of_it(secure: tuple[Running, str]) -> None:
    port = str(urlsplit(secure[0].url).port)
    async with remote_api(client_settings({"GADUS_API_PORT": port})) as api:
        with pytest.raises(Unavailable) as refused:
            await api.ask("GET", "/orchestrator/jobs")
    assert "add --tls" in refused.value.hint


def test_tls_1_2_is_the_oldest_that_is_spoken_and_strangers_are_noticed(secure: tuple[Running, str]) -> None:
    server, _ = secure
    old = trusting(server)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    assert handshake(server, old, "localhost")[0] == "TLSv1.2"
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, ssl.create_default_context(), "localhost")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, trusting(server), "other.example")
    older = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    older.load_verify_locations(server.data_dir / "tls" / "server.crt")
    older.set_ciphers("ALL:@SECLEVEL=0")
    older.minimum_version = older.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        handshake(server, older, "localhost")


def test_plain_http_is_not_answered_where_tls_is_spoken(secure: tuple[Running, str]) -> None:
    server, token = secure
    with socket.create_connection(("127.0.0.1", urlsplit(server.url).port), timeout=20) as plain:
        plain.sendall(f"GET /api/v1/agent/alive HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        try:
            assert b"HTTP/" not in plain.recv(4096)
        except ConnectionResetError:
            return


def test_the_certificate_of_our_own_is_kept_until_it_ends_soon_or_lacks_a_name(tmp_path: Path) -> None:
    now = dt.datetime.now(dt.UTC)
    first = self_signed(tmp_path / "tls" / "server.crt", NAMES, now=now).fingerprint
    assert (
        self_signed(tmp_path / "tls" / "server.crt", NAMES, now=now + dt.timedelta(days=VALID_DAYS - 31)).fingerprint == first
    )
    assert (tmp_path / "tls" / "server.key").stat().st_mode & 0o777 == 0o600
    more = self_signed(tmp_path / "tls" / "server.crt", NAMES | {"more.example"}, now=now).fingerprint
    later = self_signed(tmp_path / "tls" / "server.crt", NAMES, now=now + dt.timedelta(days=VALID_DAYS - 29)).fingerprint
    assert len({first, more, later}) == 3


def test_another_certificate_is_shown_without_a_new_start(tmp_path: Path) -> None:
    kept = self_signed(tmp_path / "tls" / "server.crt", NAMES)
    context = kept.context()
    (tmp_path / "tls" / "server.key").unlink()
    with pytest.raises(InvalidSpec, match="cannot be used as certificate and key"):
        kept.load_into(context)
    self_signed(tmp_path / "tls" / "server.crt", NAMES).load_into(context)


async def test_a_certificate_that_cannot_be_renewed_is_told_before_the_old_one_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(gadus.web.serving, "RENEW_SECONDS", 0.01)
    kept = self_signed(tmp_path / "tls" / "server.crt", NAMES)
    with listening("127.0.0.1", 0) as listener:
        async with served(None, listener, asyncio.Event(), lambda: kept), asyncio.timeout(8):  # type: ignore[arg-type]
            kept.key.write_text("no key")
            await finished(eventually, lambda: "certificate cannot be renewed" in caplog.messages)
    assert str(kept.key) in caplog.records[0].gadus_fields["message"]  # type: ignore[attr-defined]
    assert caplog.records[0].levelname == "WARNING"


async def test_a_handshake_that_does_not_go_on_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gadus.web.serving, "HANDSHAKE_SECONDS", 0.2)
    kept = self_signed(tmp_path / "tls" / "server.crt", NAMES)
    with listening("127.0.0.1", 0) as listener:
        async with served(None, listener, asyncio.Event(), lambda: kept):  # type: ignore[arg-type] # nothing is asked of it
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            async with asyncio.timeout(8):
                assert await reader.read() == b""
            writer.close()


REFUSED = {
    "--host 0.0.0.0 --self-signed": ("nobody was granted access", "gadus auth token create NAME"),
    "--host 0.0.0.0": ("nobody was granted access", "--insecure-open"),
    "--host :: --insecure-open": ("would travel in clear text", "--self-signed, or --tlscert and --tlskey"),
    "--host 0.0.0.0 --insecure-open --insecure-http --self-signed": ("--insecure-http", "leave one of them out"),
    "--insecure-open --auth": ("--insecure-open and --auth", "leave one of them out"),
    "--tlscert /nowhere.crt": ("one is of no use without the other", "give both"),
    "--tlscert /nowhere.crt --tlskey /nowhere.key": ("cannot be used as certificate and key", "--self-signed"),
    "--autocert jobs.example": ("asks no authority", "--tlscert and --tlskey"),
    "--host jobs.example": ("is not an address", "0.0.0.0"),
}


@pytest.mark.parametrize("flags", REFUSED)
def test_what_would_not_be_safe_does_not_start_and_says_what_would(
    flags: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve", "--port", "0", "--data-dir", str(tmp_path / "data"), *flags.split()])
    said = capsys.readouterr().err
    assert ended.value.code == 2
    for part in REFUSED[flags]:
        assert part in said
    assert "Traceback" not in said


def test_an_open_server_says_loudly_that_it_is(tmp_path: Path) -> None:
    flags = ("--host", "0.0.0.0", "--insecure-open", "--insecure-http")
    with serving(tmp_path / "data", dict(os.environ), *flags) as server:
        assert server("GET", "/api/v1/orchestrator/jobs").status == 200
        url = json.loads((tmp_path / "data" / "server.json").read_text())["url"]
        assert url.startswith("http://0.0.0.0:")
        assert server.process.stderr is not None
        said = [server.process.stderr.readline().decode() for _ in range(3)]
    assert said[1].startswith("WARNING: whoever reaches this address may run programs here")
    assert said[2].startswith("WARNING: what it is told and says can be read on the way")
