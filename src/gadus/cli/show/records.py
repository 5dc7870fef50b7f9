"""All that is known of a job as one document: the API's own, with every object of each input."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from gadus.core.errors import NotFound

Document = Mapping[str, Any]
ReadManifest = Callable[[str], AbstractAsyncContextManager[AsyncIterator[Document]]]
"""Every object of the manifest with this digest. Entering it raises NotFound when nobody has it any more."""

_BATCH = 1000
_PARTS = ("Job", "Executions", "History", "Manifests")


def described(answer: Document) -> dict[str, Any]:
    """The answer of the API in the order in which people read it, with the first objects of each input."""
    return {name: answer[name] for name in _PARTS if name in answer}


async def described_as_json(answer: Document, read: ReadManifest, *, pretty: bool) -> AsyncGenerator[str]:
    """The same with every object of each input, as the pieces of one JSON document: there may be millions of objects."""
    around = "\n" if pretty else ""
    rest = {name: part for name, part in described(answer).items() if name != "Manifests"}
    yield _json(rest, pretty=pretty).removesuffix("}").rstrip()
    yield f', {around}"Manifests": [{around}'
    for number, manifest in enumerate(answer.get("Manifests", ())):
        yield f", {around}" if number else ""
        head = {name: value for name, value in manifest.items() if name not in ("Items", "ItemsLeftOut")}
        yield f'{_json(head).removesuffix("}")}, "Items": [{around}'
        written = 0
        async for batch in _batches(manifest, read):
            yield (f", {around}" if written else "") + f", {around}".join(map(_json, batch))
            written += len(batch)
        yield f'{around}], "ItemsLeftOut": {manifest["Objects"] - written}}}'
    yield f"{around}]}}\n"


async def _batches(manifest: Document, read: ReadManifest) -> AsyncGenerator[list[Document]]:
    try:
        async with read(manifest["Digest"]) as items:
            batch = []
            async for item in items:
                batch.append(item)
                if len(batch) == _BATCH:
                    yield batch
                    batch = []
    except NotFound:
        # Also then it is known how the input began.
        batch = manifest["Items"]
    if batch:
        yield batch


def _json(value: Any, *, pretty: bool = False) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2 if pretty else None)
