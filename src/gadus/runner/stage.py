"""All inputs of an execution, staged at once: the first error cancels the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from gadus.contracts import Arrivals, Reporter, Source, Wanted
from gadus.core.manifest import Item, Manifest
from gadus.core.spec import InputSource

from .cache import Cache, Staged, full_disk_named

FindSource = Callable[[str], tuple[Source[Any], type[BaseModel]]]
"""The source for a type name, and the model of its params."""


@dataclass(frozen=True, slots=True)
class StagedInput:
    """One input on this machine, with what was asked for and what came."""

    target: str
    manifest: Manifest
    staged: Staged
    seconds: float


class Stage:
    """Brings inputs to this machine, through the cache where what they are is pinned."""

    def __init__(self, cache: Cache, find_source: FindSource) -> None:
        self._cache = cache
        self._find_source = find_source
        self._numbers = count()

    async def stage(self, inputs: Sequence[InputSource], private: Path, reporter: Reporter) -> list[StagedInput]:
        """
        Every input, whole and verified, in the order given.

        `private` is an existing directory of the execution, for inputs that no cache may keep.
        """
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._one(one, private / str(next(self._numbers)), reporter)) for one in inputs]
        except BaseExceptionGroup as failures:
            # The others were cancelled because of the first: it is the one to show.
            raise failures.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _one(self, one: InputSource, private: Path, reporter: Reporter) -> StagedInput:
        source, params_model = self._find_source(one.source.type)
        params = params_model.model_validate(one.source.params)
        start = asyncio.get_running_loop().time()
        manifest = await source.resolve(params)
        cached_bytes = self._cache.cached_bytes(manifest) if manifest.pinned else 0
        reporter.found(one.target, len(manifest.items), manifest.size_bytes, cached_bytes)
        arrivals = _Reported(reporter)

        async def fetch(wanted: Sequence[Wanted], arrivals: Arrivals) -> None:
            await source.fetch(params, manifest, wanted, arrivals)

        if manifest.pinned:
            staged = await self._cache.tree(manifest, fetch, arrivals)
        else:
            staged = await _alone(manifest, private, fetch, arrivals)
        seconds = asyncio.get_running_loop().time() - start
        return StagedInput(one.target, manifest, staged, seconds)


async def _alone(
    manifest: Manifest,
    private: Path,
    fetch: Callable[[Sequence[Wanted], Arrivals], Any],
    arrivals: Arrivals,
) -> Staged:
    """An input that nothing pins: fetched for this execution alone, because the same name may stand for other bytes later."""
    private.mkdir()
    for directory in manifest.directories:
        (private / directory).mkdir(parents=True, exist_ok=True)
    wanted = [Wanted(item, private / (item.path or "file")) for item in manifest.items]
    for one in wanted:
        one.into.parent.mkdir(parents=True, exist_ok=True)
    with full_disk_named(private, manifest.size_bytes):
        await fetch(wanted, arrivals)
    sizes = {one.item.key: one.into.stat().st_size for one in wanted}
    root = private / "file" if _nameless(manifest.items) else private
    return Staged(root, len(wanted), sum(sizes.values()), len(wanted), sum(sizes.values()))


def _nameless(items: Sequence[Item]) -> bool:
    return len(items) == 1 and not items[0].path


class _Reported:
    """Arrivals passed on to whoever watches."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    def received(self, size_bytes: int) -> None:
        self._reporter.staged(0, size_bytes)

    def whole(self, wanted: Wanted, sha256: str = "") -> None:  # noqa: ARG002 - the digest is kept by the cache
        self._reporter.staged(1, 0)
