"""A server that is asked over HTTP, and all that may stand in its place."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gadus.client.opening import remote_api
from gadus.client.paging import listed
from gadus.client.results import Results
from gadus.config import ClientSettings
from gadus.core.errors import Rejected, Unauthorized, Unavailable
from gadus.core.secret import Secret
from ports import held_port

Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def saying(text: str, status: str = "200 OK", *headers: str) -> Answering:
    """A server that answers every request with this, and closes the connection."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = "\r\n".join((f"HTTP/1.1 {status}", f"Content-Length: {len(text)}", "Connection: close", *headers))
        writer.write(f"{head}\r\n\r\n{text}".encode())
        await writer.drain()
        writer.close()

    return answer


@asynccontextmanager
async def listening(answer: Answering, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The port at which somebody answers."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def asked(endpoint: str, **settings: object) -> object:
    given = {"endpoint": endpoint, "origin": "--api-host", "timeout_seconds": 5.0} | settings
    async with remote_api(ClientSettings(**given)) as api:  # type: ignore[arg-type]
        return await api.ask("GET", "/orchestrator/jobs")


async def test_port_where_nobody_listens_is_named():
    with held_port() as port, pytest.raises(Unavailable) as told:
        await asked(f"http://127.0.0.1:{port}")
    assert told.value.message == f"the server http://127.0.0.1:{port} does not answer: Connection refused"
    assert "from --api-host" in told.value.hint


async def test_server_that_says_nothing_is_waited_for_only_so_long():
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with listening(silent) as port:
        with pytest.raises(Unavailable, match="time-out"):
            await asked(f"http://127.0.0.1:{port}", timeout_seconds=0.2)


async def test_answer_that_stops_in_the_middle_is_no_answer():
    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"Items"')
        writer.close()

    async with listening(half) as port:
        with pytest.raises(Unavailable, match="does not answer"):
            await asked(f"http://127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (saying("<html>welcome</html>"), Unavailable, "not JSON"),
        (saying("<html>no</html>", "404 Not Found"), Rejected, "status 404, and not in the form of this API"),
        (saying("", "302 Found", "Location: https://elsewhere/"), Rejected, "status 302"),
        (saying("", "502 Bad Gateway"), Unavailable, "status 502"),
    ],
)
async def test_something_else_at_the_address_is_told(answer, kind, words):
    async with listening(answer) as port:
        with pytest.raises(kind, match=words) as told:
            await asked(f"http://127.0.0.1:{port}")
    assert "address of a Gadus server" in told.value.hint


@pytest.mark.parametrize("text", ["{}", "[1, 2]", '{"NextToken": ""}', "[" * 100_000], ids=["empty", "list", "other", "deep"])
async def test_answer_of_something_else_is_told_as_that(text: str):
    async with listening(saying(text)) as port, remote_api(ClientSettings(f"http://127.0.0.1:{port}")) as api:
        with pytest.raises(Unavailable, match=r"the answer to GET /orchestrator/jobs (has no Items|is not JSON)") as told:
            await listed(api, "/orchestrator/jobs", {}, limit=10)
    assert "address of a Gadus server" in told.value.hint


async def test_list_of_nothing_is_empty_however_a_server_says_it():
    nothing = saying('{"Items": null, "NextToken": ""}')
    async with listening(nothing) as port, remote_api(ClientSettings(f"http://127.0.0.1:{port}")) as api:
        assert await listed(api, "/orchestrator/jobs", {}, limit=10) == ([], "")


@pytest.mark.parametrize("url", ["http://[::1/x.tar.gz?sig=s3cret", "https://u:s3cret@a..b/x", "http://h:99999/x?sig=s3cret"])
async def test_result_at_what_is_no_address_is_told_without_what_opens_it(url: str):
    one = {"ID": "e-1", "ComputeState": {"StateType": 9}, "Type": "urlDownload", "Params": {"URL": url}}
    answer = saying(json.dumps({"Items": [one]}))
    async with listening(answer) as port, remote_api(ClientSettings(f"http://127.0.0.1:{port}")) as api:
        with pytest.raises(Rejected, match="which is no address") as told:
            await Results(api).of({"ID": "j-1"}, {})
    assert "s3cret" not in told.value.message


async def test_token_and_password_go_into_the_header_that_is_theirs():
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    async with listening(answer) as port:
        await asked(f"http://127.0.0.1:{port}", token=Secret("secret"))
        await asked(f"http://127.0.0.1:{port}", user="ann", password=Secret("pass"))
        await asked(f"http://127.0.0.1:{port}")
    assert b"\r\nAuthorization: Bearer secret\r\n" in heads[0]
    assert b"\r\nAuthorization: Basic YW5uOnBhc3M=\r\n" in heads[1]
    assert b"Authorization" not in heads[2]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A certificate that its owner has signed, for this address, and the server's side of it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a server")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    directory = tmp_path_factory.mktemp("tls")
    (directory / "cert").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    (directory / "key").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(directory / "cert", directory / "key")
    return directory / "cert", context


async def test_certificate_is_trusted_only_by_those_who_know_it(certificate):
    file, context = certificate
    async with listening(saying("{}"), context) as port:
        with pytest.raises(Unauthorized, match="is not trusted") as told:
            await asked(f"https://127.0.0.1:{port}")
        assert "--cacert" in told.value.hint
        assert await asked(f"https://127.0.0.1:{port}", cacert=str(file)) == {}
        assert await asked(f"https://127.0.0.1:{port}", insecure=True) == {}


async def test_https_and_http_are_not_taken_for_each_other(certificate):
    _, context = certificate

    async def puzzled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with listening(puzzled) as port:
        with pytest.raises(Unavailable, match="no encrypted connection"):
            await asked(f"https://127.0.0.1:{port}")
    async with listening(saying("{}"), context) as port:
        with pytest.raises(Unavailable):
            await asked(f"http://127.0.0.1:{port}")


async def test_file_of_certificates_that_cannot_be_used_is_named(tmp_path: Path):
    with pytest.raises(Rejected, match="--cacert"):
        await asked("https://127.0.0.1:1", cacert=str(tmp_path / "none"))
