"""Whether an image is on this machine, and if not, whether its registry would give it; nothing is pulled."""

from __future__ import annotations

import asyncio
from typing import Any

from aiodocker import Docker, DockerError
from aiodocker.utils import compose_auth_header

from gadus.contracts import Examined
from gadus.core.units import format_bytes

from ._docker_client import ASK_SECONDS
from ._docker_pull import THE_AUTHORS_FAULT, images_like, login_for, registry_of

REGISTRY_SECONDS = 15.0
"""The engine asks the registry, which may be far away; a plan does not wait longer."""

_NOT_FOUND = 404
_UNKNOWN_QUESTIONS = {"not found", "page not found"}
"""What Podman and very old engines answer, which cannot ask a registry."""


async def about_engine(docker: Docker) -> str:
    """One line: "Docker 27.1.1, API 1.46, linux/amd64"."""
    async with asyncio.timeout(ASK_SECONDS):
        version = await docker.version()
    components = [one.get("Name", "") for one in version.get("Components") or ()]
    name = "Podman" if any("Podman" in component for component in components) else "Docker"
    said = f"{name} {version.get('Version', '')}".strip()
    return f"{said}, API {version.get('ApiVersion', 'unknown')}, {version.get('Os', '?')}/{version.get('Arch', '?')}"


async def examined_image(docker: Docker, image: str) -> Examined:
    """Whether `image` is here, would be pulled, or cannot be."""
    try:
        async with asyncio.timeout(ASK_SECONDS):
            here = await docker.images.inspect(image)
    except DockerError as exc:
        if exc.status != _NOT_FOUND:
            raise
        return await _of_registry(docker, image)
    identifier = str(here.get("Id", ""))
    return Examined(ready=True, notes=[f"image {image} is here: {identifier[:19]}, {format_bytes(here.get('Size', 0))}"])


async def _of_registry(docker: Docker, image: str) -> Examined:
    absent = f"image {image} is not here"
    try:
        async with asyncio.timeout(REGISTRY_SECONDS):
            told = await _asked(docker, image)
    except TimeoutError:
        return Examined(ready=False, notes=[f"{absent}; its registry could not be asked: no answer in time"])
    except DockerError as exc:
        known = exc.message.strip().lower() not in _UNKNOWN_QUESTIONS
        if known and THE_AUTHORS_FAULT.search(exc.message):
            alike = await images_like(docker, image)
            here = f"; on this machine there is {', '.join(alike)}" if alike else ""
            way_out = "check its name and tag, and for a private image log in first (docker login)"
            return Examined(ready=False, problems=[f"{absent}, and cannot be pulled: {exc.message}; {way_out}{here}"])
        reason = exc.message.strip() if known else "this engine cannot ask it"
        return Examined(ready=False, notes=[f"{absent}; its registry could not be asked: {reason}"])
    digest = str((told.get("Descriptor") or {}).get("digest", ""))
    return Examined(ready=False, notes=[f"{absent}; it would be pulled: its registry has {digest[:19]}"])


async def _asked(docker: Docker, image: str) -> dict[str, Any]:
    """What the image's registry says of it, by way of the engine."""
    login = await asyncio.to_thread(login_for, image)
    headers = {"X-Registry-Auth": compose_auth_header(login, registry_of(image) or None)} if login else None
    # The library has no word for this question of Docker's interface.
    answer = await docker._query_json(f"distribution/{image}/json", headers=headers)  # noqa: SLF001 - as above
    return answer if isinstance(answer, dict) else {}
