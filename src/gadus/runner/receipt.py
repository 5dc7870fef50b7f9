"""
What exactly was read and produced: kept with the result, so that an answer can be traced to its bytes.

    receipt.json                                    all inputs in short, each with its first objects
    receipt/<execution id>.input-<n>.jsonl          every object of an input that had to be fetched, or some of it
    receipt/<execution id>.input-<n>.cached.jsonl   the same of one that was here; `came` and `seconds` of its lines tell how
                                                    that was brought, by an earlier execution
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from .cache import Tree
from .logs import Logs
from .stage import StagedInput

OBJECTS_IN_SUMMARY = 20
"""So many objects of each input stand in the receipt itself; the records beside it have them all."""


def receipt(execution_id: str, inputs: Sequence[StagedInput], phases: Mapping[str, float], logs: Logs) -> dict[str, Any]:
    """
    The receipt of one execution, JSON-ready.

    `phases` are seconds by name. `truncated` are the bytes left out of each stream of the `logs`, which must be closed, that
    was longer than the limit; `notes` is what the engine had to say.
    """
    return {
        "inputs": [_input(execution_id, number, one) for number, one in enumerate(inputs)],
        "seconds": {name: round(seconds, 3) for name, seconds in phases.items()},
        "truncated": dict(logs.cut),
        "notes": logs.notes,
    }


def keep_records(execution_id: str, inputs: Sequence[StagedInput], directory: Path) -> None:
    """Put what is known of every object of every input into the new `directory`, one JSON-lines file for each input."""
    if inputs:
        directory.mkdir(exist_ok=True)
    for number, one in enumerate(inputs):
        path = directory / _record_name(execution_id, number, one)
        path.unlink(missing_ok=True)
        try:
            # However many objects there are: it costs the same.
            os.link(one.tree.record, path, follow_symlinks=False)
        except OSError:
            shutil.copyfile(one.tree.record, path)


def _record_name(execution_id: str, number: int, one: StagedInput) -> str:
    cached = ".cached" if _was_here(one.tree) else ""
    return f"{execution_id}.input-{number}{cached}.jsonl"


def _was_here(tree: Tree) -> bool:
    return tree.objects > 0 and not tree.fetched_objects


def _input(execution_id: str, number: int, one: StagedInput) -> dict[str, Any]:
    tree = one.tree
    said = {
        "target": one.target,
        "location": one.pin.location,
        "digest": one.pin.digest,
        "objects": tree.objects,
        "bytes": tree.size_bytes,
        "fetched_objects": tree.fetched_objects,
        "fetched_bytes": tree.fetched_bytes,
        # How many objects were checked, by the strongest thing that each was checked against.
        "verified": dict(tree.verified),
        "seconds": round(one.seconds, 3),
        "first_objects": list(islice(_lines(tree), OBJECTS_IN_SUMMARY)),
        "all_objects": f"receipt/{_record_name(execution_id, number, one)}",
    }
    if not one.share.whole:
        said["partition"] = {"index": one.share.index, "count": one.share.count}
    return said


def _lines(tree: Tree) -> Iterator[dict[str, Any]]:
    """What is known of each object, and how this execution got it."""
    here = _was_here(tree)
    with tree.record.open(encoding="utf-8") as file:
        for line in file:
            told = json.loads(line)
            if here:
                told["came"] = "cache"
                told.pop("seconds", None)
            yield told
