"""What exactly was read and produced: kept with the result, so that an answer can be traced to its bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gadus.core.manifest import Item

from .stage import StagedInput

OBJECTS_IN_SUMMARY = 20
"""A job is remembered with the first few objects of each input; the file receipt.json has them all."""


def receipt(
    inputs: Sequence[StagedInput], phases: Mapping[str, float], truncated: Sequence[str], *, objects_shown: int | None = None
) -> dict[str, Any]:
    """
    The receipt of one execution, JSON-ready; `objects_shown` limits the objects listed of each input.

    `phases` are seconds by name; `truncated` names the streams that were longer than the log limit.
    """
    return {
        "inputs": [_input(one, objects_shown) for one in inputs],
        "seconds": {name: round(seconds, 3) for name, seconds in phases.items()},
        "truncated": list(truncated),
    }


def _input(one: StagedInput, objects_shown: int | None) -> dict[str, Any]:
    staged = one.staged
    return {
        "target": one.target,
        "location": one.manifest.location,
        "digest": one.manifest.digest,
        "objects": staged.objects,
        "bytes": staged.size_bytes,
        "fetched_objects": staged.fetched_objects,
        "fetched_bytes": staged.fetched_bytes,
        "verified": _verified(one),
        "seconds": round(one.seconds, 3),
        "first_objects" if objects_shown else "all_objects": [
            _object(item, staged.digests) for item in one.manifest.items[:objects_shown]
        ],
    }


def _verified(one: StagedInput) -> str:
    """What the bytes were checked against: the strongest thing that holds for every object."""
    items = one.manifest.items
    if items and all(item.sha256 for item in items):
        return "SHA-256"
    if all(item.version_id for item in items):
        return "size, ETag and version"
    return "size and ETag" if all(item.etag for item in items) else "size"


def _object(item: Item, digests: Mapping[str, str]) -> dict[str, Any]:
    found = {
        "key": item.key,
        "path": item.path,
        "bytes": item.size_bytes,
        "etag": item.etag,
        "version_id": item.version_id,
        "sha256": digests.get(item.key, item.sha256),
    }
    return {name: value for name, value in found.items() if value != ""}
