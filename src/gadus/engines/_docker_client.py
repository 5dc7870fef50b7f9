"""How to reach a Docker-compatible engine, and what its errors mean to us."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from aiodocker import Docker, DockerError

from gadus.core.errors import EngineAway, EngineUnavailable, ProgramUnusable

ASK_SECONDS = 5.0
"""An engine that needs longer for a simple question is taken for dead."""

NO_CONNECTION = 900
"""aiodocker's own status."""

_SCHEMES = ("unix://", "tcp://", "http://", "https://")
_START_ONE = (
    "start Docker (sudo systemctl start docker) or Podman (systemctl --user start podman.socket), "
    "or name another engine with DOCKER_HOST; WebAssembly programs need neither (gadus wasm run)"
)

T = TypeVar("T")


@asynccontextmanager
async def connected(docker_host: str) -> AsyncIterator[Docker]:
    """
    A client of the engine at `docker_host`, or, when that is empty, of the first socket found in the usual places.

    The engine has just answered. Errors of aiodocker that leave the block are translated.
    Raises EngineUnavailable with the address tried and how to start an engine.
    """
    address = docker_host or _usual_address()
    if not address.startswith(_SCHEMES):
        raise EngineUnavailable(
            f"DOCKER_HOST: {address!r} is not an address that can be used",
            hint="give a socket or a port of this machine: unix:///run/docker.sock or tcp://127.0.0.1:2375",
        )
    async with Docker(url=address, timeout=aiohttp.ClientTimeout(sock_connect=ASK_SECONDS)) as docker:
        try:
            async with asyncio.timeout(ASK_SECONDS):
                await docker.version()
        except (DockerError, aiohttp.ClientError, TimeoutError) as exc:
            raise _silent(address, exc) from exc
        except (ValueError, TypeError, KeyError) as exc:
            raise EngineUnavailable(f"what answers at {address} is not a container engine", hint=_START_ONE) from exc
        with _translated(address):
            yield docker


async def carried_through(work: Coroutine[Any, Any, T], limit_seconds: float) -> T:
    """
    The result of `work`, which goes on to its end although the caller is cancelled; only then does the cancellation go on.

    Raises TimeoutError after `limit_seconds`.
    """
    task = asyncio.create_task(_limited(work, limit_seconds))
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as exc:
            cancelled = exc
    failure = task.exception()
    if cancelled is not None:
        raise cancelled from failure
    return task.result()


async def _limited(work: Coroutine[Any, Any, T], limit_seconds: float) -> T:
    async with asyncio.timeout(limit_seconds):
        return await work


def _usual_address() -> str:
    user_dir = Path(f"/run/user/{os.getuid()}")
    usual = [
        Path("/var/run/docker.sock"),
        user_dir / "docker.sock",
        user_dir / "podman/podman.sock",
        Path("/run/podman/podman.sock"),
    ]
    for socket in usual:
        if socket.exists():
            return f"unix://{socket}"
    raise EngineUnavailable(f"no container engine runs here: tried {', '.join(map(str, usual))}", hint=_START_ONE)


@contextmanager
def _translated(address: str) -> Iterator[None]:
    try:
        yield
    except DockerError as exc:
        if exc.status == NO_CONNECTION:
            raise _silent(address, exc) from exc
        if 400 <= exc.status < 500:
            raise ProgramUnusable(
                f"the container engine refuses the program: {exc.message}",
                hint="change the value that the engine names: image, command, mount or resources",
            ) from exc
        raise EngineUnavailable(
            f"the container engine at {address} failed: {exc.message}", hint="its own log says more, e.g. journalctl -u docker"
        ) from exc
    except (aiohttp.ClientError, TimeoutError) as exc:
        raise _silent(address, exc) from exc


def _silent(address: str, exc: Exception) -> EngineUnavailable:
    # aiodocker hides the reason behind its own words.
    reason = exc.__context__ if isinstance(exc, DockerError) else exc
    if isinstance(reason, aiohttp.ClientConnectorError):
        reason = reason.os_error
    if isinstance(reason, PermissionError):
        return EngineUnavailable(
            f"the container engine at {address} does not let this user in",
            hint="join its group (sudo usermod -aG docker $USER, then log in again), or use Podman, which needs no group",
        )
    said = (isinstance(reason, OSError) and reason.strerror) or str(reason or exc) or "no answer in time"
    return EngineAway(f"no container engine answers at {address}: {said}", hint=_START_ONE)
