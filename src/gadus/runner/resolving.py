"""An input while it is listed: checked, written down, and passed on batch by batch, so that fetching need not wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import aclosing
from typing import Any

from gadus.contracts import Found, Source
from gadus.core.errors import StorageUnavailable
from gadus.core.job import Pin
from gadus.core.tree import Paths, check_paths
from gadus.manifests import Draft, Manifests


async def resolving(
    source: Source[Any], params: Any, target: str, manifests: Manifests, pinned: Callable[[Pin], None]
) -> AsyncGenerator[Found]:
    """
    Everything the input consists of, as it becomes known, and only what can lie in one directory.

    When the source has no more, the manifest is kept and `pinned` called; what came out of order is passed on only then.
    Raises InputUnsafe when the listing has ended, with the keys at fault.
    """
    paths = Paths()
    passed_on = 0
    with manifests.drafting() as draft:
        async with aclosing(source.resolve(params)) as batches:
            async for found in batches:
                draft.add(found)
                paths.add(((item.key, item.path) for item in found.items if item.path), found.directories)
                # What is out of order may collide with anything: all of it has to be seen first.
                if paths.safe and paths.in_order:
                    passed_on += len(found.items) + len(found.directories)
                    yield found
        paths.finish()
        if not paths.in_order:
            await asyncio.to_thread(_check_all, draft)
        pin = await asyncio.to_thread(draft.keep, target)
    pinned(pin)
    if not paths.in_order:
        for found in _without_first(manifests.read(pin.digest), passed_on):
            yield found


def _check_all(draft: Draft) -> None:
    paths: dict[str, str] = {}
    directories: list[str] = []
    for found in draft.read():
        for item in found.items:
            if item.key in paths:
                raise StorageUnavailable(f"the service lists {item.key!r} twice", hint="try again later")
            paths[item.key] = item.path
        directories += found.directories
    check_paths(paths, directories)


def _without_first(batches: Iterable[Found], number: int) -> Iterator[Found]:
    """The batches from the given entry on; items of a batch come before its directories, as they were written."""
    for found in batches:
        entries = len(found.items) + len(found.directories)
        if number < entries:
            items = found.items[number:]
            directories = found.directories[max(number - len(found.items), 0) :]
            yield Found(found.location, items, directories)
        number = max(number - entries, 0)
