"""Jobs as documents with Bacalhau's names, for ``--output json`` and ``yaml``."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from gadus.core.job import Event, Execution, Job, Pin
from gadus.core.manifest import Item

from .objects import item_record

ReadManifest = Callable[[Pin], Iterable[Item]]
"""Every object of a pinned input, or as many as are still known."""

_BATCH = 1000


def job_record(job: Job) -> dict[str, Any]:
    """The job as its author wrote it, and what has become of it. ``job run`` accepts it again."""
    return {
        "ID": job.id,
        **job.spec.to_wire(),
        "State": {"StateType": job.state.value, "Message": job.message},
        "Version": job.version,
        "CreateTime": _iso(job.created_at),
        "ModifyTime": _iso(job.modified_at),
    }


def execution_record(execution: Execution) -> dict[str, Any]:
    """One execution, with its receipt."""
    outcome = execution.outcome
    return {
        "ID": execution.id,
        "PartitionIndex": execution.index,
        "NodeID": execution.node,
        "State": execution.state.value,
        "Phase": execution.phase.value if execution.phase else "",
        "ExitCode": outcome.exit_code if outcome else None,
        "Error": outcome.error.model_dump() if outcome and outcome.error else None,
        "Receipt": outcome.receipt if outcome else {},
        "CreateTime": _iso(execution.created_at),
        "ModifyTime": _iso(execution.modified_at),
    }


def event_record(event: Event) -> dict[str, Any]:
    """One event, without what the job's own record tells."""
    details = event.model_dump(mode="json", exclude={"at", "kind", "spec", "job_id"})
    if isinstance(details.get("outcome"), dict):
        details["outcome"].pop("receipt", None)
    if isinstance(details.get("pin"), dict):
        details["pin"].pop("first", None)
    return {"Time": _iso(event.at), "Event": event.kind, "Details": details}


def described(job: Job, events: Sequence[Event]) -> dict[str, Any]:
    """All that is known of a job, with only the first objects of each input."""
    return _without_manifests(job, events) | {"Manifests": [_manifest(pin, pin.first) for pin in job.pins]}


def described_as_json(job: Job, events: Sequence[Event], read: ReadManifest, *, pretty: bool) -> Iterator[str]:
    """The same with every object of each input, as the pieces of one JSON document: there may be millions of objects."""
    around = "\n" if pretty else ""
    yield json.dumps(_without_manifests(job, events), indent=2 if pretty else None).removesuffix("}").rstrip()
    yield f', {around}"Manifests": [{around}'
    for number, pin in enumerate(job.pins):
        yield f", {around}" if number else ""
        head = json.dumps({name: value for name, value in _manifest(pin, ()).items() if name not in ("Items", "ItemsLeftOut")})
        yield f'{head.removesuffix("}")}, "Items": [{around}'
        written = 0
        items = iter(read(pin))
        while batch := [json.dumps(item_record(item)) for item in islice(items, _BATCH)]:
            yield (f", {around}" if written else "") + f", {around}".join(batch)
            written += len(batch)
        yield f'{around}], "ItemsLeftOut": {pin.objects - written}}}'
    yield f"{around}]}}\n"


def _without_manifests(job: Job, events: Sequence[Event]) -> dict[str, Any]:
    return {
        "Job": job_record(job),
        "Executions": [execution_record(one) for one in job.executions],
        "History": [event_record(event) for event in events],
    }


def _manifest(pin: Pin, items: Sequence[Item]) -> dict[str, Any]:
    """What an input of the job consists of."""
    return {
        "Target": pin.target,
        "Location": pin.location,
        "Digest": pin.digest,
        "Objects": pin.objects,
        "Bytes": pin.size_bytes,
        "Exact": pin.exact,
        "Items": [item_record(item) for item in items],
        "ItemsLeftOut": pin.objects - len(items),
    }


def _iso(unix_seconds: float) -> str:
    whole, thousandths = divmod(round(unix_seconds * 1000), 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{thousandths:03d}Z"
