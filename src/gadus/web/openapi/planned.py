"""The document of a plan; see docs/reference/plan.md."""

from __future__ import annotations

from .shapes import COUNT, MAP_OF_TEXT, NUMBER, SWITCH, TEXT, Schema, list_of, named, or_null, record


def planned() -> dict[str, Schema]:
    """Its schemas by their names."""
    amount = record({"objects": COUNT, "bytes": COUNT})
    problem = record({"kind": TEXT, "message": TEXT, "hint": TEXT})
    one = record(
        {"target": TEXT, "source": TEXT, "is_program": SWITCH, "problem": or_null(problem)},
        **dict.fromkeys(("location", "digest"), TEXT),
        **dict.fromkeys(("objects", "bytes"), COUNT),
        exact=SWITCH,
        cached=amount,
        to_fetch=amount,
        first_objects=list_of(named("Item")),
        parts=list_of(amount),
    )
    node = record(
        {
            "id": TEXT,
            "cpu_cores": NUMBER,
            **dict.fromkeys(("memory_bytes", "disk_bytes", "gpus"), COUNT),
            "labels": MAP_OF_TEXT,
            "reasons_against": list_of(TEXT),
        }
    )
    plan = record(
        {
            "can_run": SWITCH,
            "problems": list_of(problem),
            "job": record({"name": TEXT, "type": TEXT, "count": COUNT}),
            "inputs": list_of(one),
            "to_fetch": amount,
            "engine": record({"type": TEXT, "ready": SWITCH, "notes": list_of(TEXT)}),
            "node": or_null(TEXT),
            "nodes": list_of(node),
            "room": record(dict.fromkeys(("free_bytes", "cache_used_bytes", "cache_limit_bytes"), COUNT)),
        }
    )
    return {"Plan": plan}
