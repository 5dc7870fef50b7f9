"""A bucket as an input, for tests: what is found, what arrives, and what becomes of it on the whole way to a tree."""

from __future__ import annotations

from contextlib import ExitStack, aclosing
from pathlib import Path
from typing import Any

from faultproxy import FaultProxy
from gadus.config import settings_from
from gadus.contracts import Found
from gadus.core.job import Pin
from gadus.core.manifest import Item
from gadus.manifests import Manifests
from gadus.runner.cache import Cache
from gadus.runner.resolving import resolving
from gadus.s3.patience import Patience
from gadus.storage._s3_params import S3Params
from gadus.storage.s3 import Source
from gadus.testing.slots import FileSlot
from gadus.testing.sources import content_of, fetch_into, fetch_items, items_of, resolved
from s3_server import Bucket


class Input:
    """One bucket as an input: what comes of given params."""

    def __init__(self, bucket: str, endpoint: str, directory: Path) -> None:
        self.source = Source(settings_from())
        self.directory = directory
        self._fixed = {"Bucket": bucket, "Endpoint": endpoint}
        self._count = 0

    def params(self, **params: Any) -> S3Params:
        return S3Params.model_validate({**self._fixed, **params})

    async def resolve(self, **params: Any) -> list[Found]:
        return await resolved(self.source, self.params(**params))

    async def items(self, **params: Any) -> list[Item]:
        return items_of(await self.resolve(**params))

    async def fetch(self, **params: Any) -> list[FileSlot]:
        return await fetch_into(self.new_directory(), self.source, self.params(**params))

    async def fetch_found(self, items: list[Item], **params: Any) -> list[FileSlot]:
        """Only the second half: `items` were resolved before."""
        return await fetch_items(self.new_directory(), self.source, self.params(**params), items)

    async def files(self, **params: Any) -> dict[str, bytes]:
        await self.fetch(**params)
        return self.arrived

    @property
    def arrived(self) -> dict[str, bytes]:
        """What the last fetch left."""
        return content_of(self._last)

    @property
    def nothing_is_left(self) -> bool:
        """Whether the last fetch left no file at all, whole or partial."""
        return content_of(self._last.parent) == {}

    @property
    def patience(self) -> Patience:
        return self.source._requests.patience

    @patience.setter
    def patience(self, patience: Patience) -> None:
        self.source._requests.patience = patience

    async def tree(self, **params: Any) -> dict[str, bytes]:
        """The files as a program sees them: through the checks of the listing, and the cache."""
        asked, pins = self.params(**params), list[Pin]()
        directory = self.new_directory()
        found = resolving(self.source, asked, "/in", Manifests(directory.parent / "manifests"), pins.append)
        with ExitStack() as leases:
            async with aclosing(found):
                tree = await Cache(directory.parent / "cache").grow(
                    found,
                    name=lambda: pins[0].digest,
                    fetch=lambda slots: self.source.fetch(asked, slots),
                    report=_Unheard(),
                    leases=leases,
                )
            return content_of(tree.path)

    def new_directory(self) -> Path:
        self._count += 1
        self._last = self.directory / str(self._count) / "in"
        self._last.mkdir(parents=True)
        return self._last


class Behind(Input):
    """A bucket as it is seen through the proxy."""

    def __init__(self, bucket: Bucket, proxy: FaultProxy, directory: Path) -> None:
        super().__init__(bucket.name, proxy.server.endpoint, directory)
        self._fixed["Region"] = "us-east-1"
        self.patience = Patience(first_pause_seconds=0.001, longest_pause_seconds=0.01)
        self.bucket = bucket
        self.proxy = proxy

    def gets(self, key: str) -> list[str]:
        """The ranges of the GETs of one object so far, "" for the whole."""
        return [one.range for one in self.proxy.seen("GET", key)]


class _Unheard:
    def here(self, objects: int, size_bytes: int) -> None:
        """Nobody asks."""

    def arrived(self, size_bytes: int) -> None:
        """Nobody asks."""

    def whole(self, item: Item) -> None:
        """Nobody asks."""
