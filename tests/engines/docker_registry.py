"""A registry on loopback, with which pulling is tested for real: a container engine needs no set-up for 127.0.0.0/8."""

from __future__ import annotations

import asyncio
import gzip
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from aiodocker import DockerError
from aiohttp import web
from docker_engine import busybox_layer, connection, digest_of, image_config

SLICE_BYTES = 100_000
SLICE_SECONDS = 0.05


@dataclass
class Registry:
    """
    A registry (protocol version 2, only reading) of one image with two layers.

    `login` is the Basic authorization it wants; `gate` holds back the second half of every layer until it is set;
    `asked` is set when somebody wanted the manifest.
    """

    repository: str
    login: str = ""
    port: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    manifests_served: int = 0
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifest: bytes = b""

    @property
    def image(self) -> str:
        return f"127.0.0.1:{self.port}/{self.repository}:1"

    @property
    def layers_bytes(self) -> int:
        return sum(layer["size"] for layer in json.loads(self.manifest)["layers"])

    def fill(self) -> None:
        # New and incompressible: not known to the engine from before, and not gone in one packet.
        noise = {f"tmp/noise-{secrets.token_hex(4)}": secrets.token_bytes(2**20)}
        layers = [busybox_layer(noise), busybox_layer({**noise, "tmp/more": b"more"})]
        config, packed = image_config(layers), [gzip.compress(layer, 1, mtime=0) for layer in layers]
        self.blobs = {digest_of(body): body for body in [config, *packed]}
        of = "application/vnd.docker"
        self.manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": f"{of}.distribution.manifest.v2+json",
                "config": _entry(f"{of}.container.image.v1+json", config),
                "layers": [_entry(f"{of}.image.rootfs.diff.tar.gzip", layer) for layer in packed],
            }
        ).encode()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if self.login and request.headers.get("Authorization") != f"Basic {self.login}":
            return _refusal(401, "UNAUTHORIZED", {"WWW-Authenticate": 'Basic realm="test"'})
        path = request.path.removeprefix(f"/v2/{self.repository}")
        if request.path == "/v2/":
            return web.json_response({})
        if path in ("/manifests/1", f"/manifests/{digest_of(self.manifest)}"):
            self.asked.set()
            self.manifests_served += request.method == "GET"
            digest = {"Docker-Content-Digest": digest_of(self.manifest)}
            return web.Response(
                body=self.manifest, content_type="application/vnd.docker.distribution.manifest.v2+json", headers=digest
            )
        body = self.blobs.get(path.removeprefix("/blobs/"))
        if body is None:
            return _refusal(404, "MANIFEST_UNKNOWN", {})
        return await self._stream(request, body)

    async def _stream(self, request: web.Request, body: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        response.content_length = len(body)
        await response.prepare(request)
        half = len(body) // 2
        for start in range(0, half, SLICE_BYTES):
            await response.write(body[start : min(start + SLICE_BYTES, half)])
            with suppress(TimeoutError):
                # An engine tells its progress ten times a second, so it must last for a while.
                await asyncio.wait_for(self.gate.wait(), SLICE_SECONDS)
        await self.gate.wait()
        await response.write(body[half:])
        return response


def _entry(media_type: str, body: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "size": len(body), "digest": digest_of(body)}


def _refusal(status: int, code: str, headers: dict[str, str]) -> web.Response:
    return web.json_response({"errors": [{"code": code, "message": code.lower()}]}, status=status, headers=headers)


@asynccontextmanager
async def registry(*, login: str = "") -> AsyncIterator[Registry]:
    """A registry that runs; its image is removed from the engine on exit."""
    served = Registry(repository=f"gadus/{secrets.token_hex(6)}", login=login)
    await asyncio.to_thread(served.fill)
    app = web.Application()
    app.router.add_get("/{path:.*}", served.answer)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        served.port = runner.addresses[0][1]
        yield served
    finally:
        served.gate.set()
        async with connection() as docker:
            try:
                await docker.images.delete(served.image, force=True)
            except DockerError as exc:
                assert exc.status == 404, exc
        await runner.cleanup()
