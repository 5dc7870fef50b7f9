"""Fixture: a container engine on this machine with a small image in it; and a cable to it that can be cut."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import tarfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path

import pytest
from aiodocker import Docker

from gadus.core.errors import EngineUnavailable
from gadus.engines._docker_client import connected
from parts import skip_without

DOCKER_HOST = os.environ.get("DOCKER_HOST", "")
ENGINE_SOCKET = DOCKER_HOST.removeprefix("unix://") or "/var/run/docker.sock"
IMAGE = "gadus-test-busybox:1"
BUSYBOX = Path("/bin/busybox")
APPLETS = (
    "cat",
    "dd",
    "echo",
    "env",
    "head",
    "id",
    "kill",
    "ls",
    "printf",
    "pwd",
    "sh",
    "sleep",
    "tail",
    "touch",
    "true",
    "yes",
)
_IMAGE_CONFIG = {
    "Env": ["PATH=/bin", "OF_THE_IMAGE=yes"],
    "Cmd": ["/bin/echo", "the image's own command"],
    "WorkingDir": "/tmp",
}


@pytest.fixture(scope="session")
def docker_image() -> str:
    """The name of an image with busybox in an engine that answers; it stays there for the next run."""
    try:
        asyncio.run(built(DOCKER_HOST))
    except EngineUnavailable as exc:
        skip_without("docker", exc.message, exc.hint)
    return IMAGE


def busybox_layer(more: Mapping[str, bytes] | None = None) -> bytes:
    """An uncompressed tar of a root file system: busybox, its applets, /tmp, and `more` files."""
    if not BUSYBOX.exists():
        skip_without("busybox", f"{BUSYBOX} is not there", "install it: sudo apt-get install busybox-static")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(BUSYBOX, "bin/busybox")
        for applet in APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        tmp = tarfile.TarInfo("tmp")
        tmp.type, tmp.mode = tarfile.DIRTYPE, 0o1777
        tar.addfile(tmp)
        for name, body in (more or {}).items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    return buffer.getvalue()


def connection() -> AbstractAsyncContextManager[Docker]:
    """A client of the engine that the tests use: DOCKER_HOST or the usual one."""
    return connected(DOCKER_HOST)


async def built(docker_host: str) -> None:
    """The engine at `docker_host` has the image."""
    async with connected(docker_host) as docker:
        await docker.images.import_image(_archive(IMAGE, [busybox_layer()]))


def _archive(name: str, layers: list[bytes]) -> bytes:
    """An image in the form of ``docker save``."""
    config = image_config(layers)
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    names = [f"layer{number}.tar" for number in range(len(layers))]
    manifest = json.dumps([{"Config": config_name, "RepoTags": [name], "Layers": names}]).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for file_name, body in [(config_name, config), *zip(names, layers, strict=True), ("manifest.json", manifest)]:
            info = tarfile.TarInfo(file_name)
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    return buffer.getvalue()


def image_config(layers: list[bytes]) -> bytes:
    return json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": _IMAGE_CONFIG,
            "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]},
        }
    ).encode()


def digest_of(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


class Cable:
    """What passes bytes between the socket at `path` and the engine's own, until it is cut."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._awaited: dict[bytes, asyncio.Event] = {}
        self._ends: list[asyncio.StreamWriter] = []
        self._open: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def docker_host(self) -> str:
        return f"unix://{self.path}"

    async def plug_in(self) -> None:
        self._server = await asyncio.start_unix_server(self._connected, self.path)

    def cut(self) -> None:
        """Every connection breaks, and no new one is accepted."""
        if self._server:
            self._server.close()
        for end in self._ends:
            end.transport.abort()

    async def unplug(self) -> None:
        """Cut, and nothing of the cable is left."""
        self.cut()
        if self._open:
            await asyncio.wait(self._open)

    async def carried(self, words: bytes) -> None:
        """Returns when a request with `words` has just been passed on to the engine."""
        await self._awaited.setdefault(words, asyncio.Event()).wait()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(asyncio.current_task())
        from_engine, to_engine = await asyncio.open_unix_connection(ENGINE_SOCKET)
        self._ends += [writer, to_engine]
        async with asyncio.TaskGroup() as group:
            group.create_task(self._passed_on(reader, to_engine))
            group.create_task(self._passed_on(from_engine, writer))

    async def _passed_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
                for words, event in self._awaited.items():
                    if words in data:
                        event.set()
            if writer.can_write_eof():
                writer.write_eof()


@asynccontextmanager
async def cable(path: Path) -> AsyncIterator[Cable]:
    """A way to the engine by the socket `path`."""
    laid = Cable(path)
    await laid.plug_in()
    try:
        yield laid
    finally:
        await laid.unplug()
