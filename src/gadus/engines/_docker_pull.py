"""Makes an image present on this machine: pulled once however many ask, with progress in bytes."""

from __future__ import annotations

import asyncio
import difflib
import json
import re
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from aiodocker import Docker, DockerError

from gadus.contracts import Reporter
from gadus.core.errors import EngineUnavailable, ProgramUnusable

from ._docker_client import ASK_SECONDS

SILENCE_SECONDS = 300.0
"""A pull that reports nothing for so long has stalled: also unpacking a large layer is reported."""

_MOST_LAYERS = 1000
_DOCKER_HUB = "https://index.docker.io/v1/"
THE_AUTHORS_FAULT = re.compile(
    r"not found|manifest unknown|name unknown|no matching manifest|denied|unauthorized|forbidden|no basic auth"
    r"|unsupported|invalid reference|image operating system",
    re.IGNORECASE,
)
"""A registry that says so has no such image, or does not give it to us; anything else may pass."""
_NOT_FOUND = 404


class Pulls:
    """Every pull of one engine."""

    def __init__(self) -> None:
        self._one_at_a_time: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def make_present(self, docker: Docker, image: str, reporter: Reporter) -> None:
        """
        `image` is on this machine, pulled when it was not.

        Raises ProgramUnusable when the registry has no such image or does not give it to us, else EngineUnavailable.
        """
        lock = self._one_at_a_time.setdefault(image, asyncio.Lock())
        async with lock:
            if await _is_present(docker, image):
                return
            reporter.preparing(f"pulling {image}")
            try:
                await _pull(docker, image, reporter)
            except DockerError as exc:
                raise await _explained(docker, image, exc) from exc
            if not await _is_present(docker, image):
                raise EngineUnavailable(f"the pull of image {image} broke off", hint="look whether the engine still runs")


class Layers:
    """Bytes of all layers together, from the lines that an engine reports while it pulls."""

    def __init__(self) -> None:
        self._done: dict[str, int] = {}
        self._total: dict[str, int] = {}

    @property
    def done_bytes(self) -> int:
        return sum(self._done.values())

    @property
    def total_bytes(self) -> int:
        return sum(self._total.values())

    def hear(self, line: dict[str, Any]) -> None:
        layer, status, detail = str(line.get("id", "")), line.get("status"), line.get("progressDetail") or {}
        if layer not in self._total and len(self._total) >= _MOST_LAYERS:
            return
        if status == "Downloading" and detail.get("total", 0) > 0:
            self._total[layer] = detail["total"]
            self._done[layer] = min(detail.get("current", 0), detail["total"])
        elif status in ("Download complete", "Pull complete") and layer in self._total:
            self._done[layer] = self._total[layer]


async def _is_present(docker: Docker, image: str) -> bool:
    try:
        async with asyncio.timeout(ASK_SECONDS):
            await docker.images.inspect(image)
    except DockerError as exc:
        if exc.status == _NOT_FOUND:
            return False
        raise
    return True


async def _pull(docker: Docker, image: str, reporter: Reporter) -> None:
    login = await asyncio.to_thread(login_for, image)
    # aiodocker takes a login only together with a name that says its registry.
    name = image if login is None or registry_of(image) else f"docker.io/{image if '/' in image else f'library/{image}'}"
    lines = docker.images.pull(name, auth=login, stream=True)
    layers = Layers()
    while True:
        async with asyncio.timeout(SILENCE_SECONDS):
            line = await anext(lines, None)
        if line is None:
            return
        layers.hear(line)
        reporter.preparing(f"pulling {image}", layers.done_bytes, layers.total_bytes)


async def _explained(docker: Docker, image: str, exc: DockerError) -> ProgramUnusable | EngineUnavailable:
    alike = await images_like(docker, image)
    here = f"; on this machine there is {', '.join(alike)}" if alike else ""
    if THE_AUTHORS_FAULT.search(exc.message):
        return ProgramUnusable(
            f"image {image} cannot be had: {exc.message}",
            hint="check its name and tag; for a private image log in first (docker login), or pull it yourself when the login "
            f"is kept by a credential helper (docker pull){here}",
        )
    return EngineUnavailable(
        f"image {image} cannot be pulled now: {exc.message}",
        hint=f"is its registry reachable from here? An image that is already here needs none{here}",
    )


async def images_like(docker: Docker, image: str) -> list[str]:
    async with asyncio.timeout(ASK_SECONDS):
        images = await docker.images.list()
    tags = {tag for here in images for tag in here.get("RepoTags") or () if tag != "<none>:<none>"}
    return difflib.get_close_matches(image, sorted(tags), n=3)


def registry_of(image: str) -> str:
    """The host that `image` names; "" for Docker Hub."""
    host, slash, _ = image.partition("/")
    return host if slash and ("." in host or ":" in host or host == "localhost") else ""


def login_for(image: str) -> dict[str, str] | None:
    """What ``docker login`` wrote for the registry of `image`, if it did and the file can be read."""
    try:
        config = json.loads((Path.home() / ".docker" / "config.json").read_text())
        entry = config["auths"][registry_of(image) or _DOCKER_HUB]
    except (OSError, RuntimeError, ValueError, KeyError, TypeError):
        # Most images need no login: a registry that wants one says so itself.
        return None
    known = {key: entry[key] for key in ("auth", "identitytoken") if isinstance(entry, dict) and entry.get(key)}
    return known or None
