"""A plan as a document: that of the API, and of `gadus plan --json`; see docs/reference/plan.md."""

from __future__ import annotations

from gadus.core.job import Pin
from gadus.core.plan import Amount, Plan, PlannedInput

from .pins import item_document
from .wire import Document


def plan_document(plan: Plan) -> Document:
    """All of it."""
    spec = plan.spec
    return {
        "can_run": not plan.problems,
        "problems": [failure.model_dump() for failure in plan.problems],
        "job": {"name": spec.name, "type": spec.type, "count": spec.count},
        "inputs": [_input(one) for one in plan.inputs],
        "to_fetch": _amount(plan.to_fetch),
        "engine": {"type": plan.engine.type, "ready": plan.engine.ready, "notes": list(plan.engine.notes)},
        "node": plan.placing.chosen.id if plan.placing.chosen else None,
        "nodes": [
            {
                "id": node.id,
                "cpu_cores": node.cpu_cores,
                "memory_bytes": node.memory_bytes,
                "disk_bytes": node.disk_bytes,
                "gpus": node.gpus,
                "labels": dict(node.labels),
                "reasons_against": list(plan.placing.reasons_against.get(node.id, ())),
            }
            for node in plan.placing.nodes
        ],
        "room": {
            "free_bytes": plan.room.free_bytes,
            "cache_used_bytes": plan.room.cache_used_bytes,
            "cache_limit_bytes": plan.room.cache_limit_bytes,
        },
    }


def _input(one: PlannedInput) -> Document:
    told: Document = {
        "target": one.target,
        "source": one.source,
        "is_program": one.is_program,
        "problem": one.problem.model_dump() if one.problem else None,
    }
    return told | (_read(one, one.pin) if one.pin else {})


def _read(one: PlannedInput, pin: Pin) -> Document:
    return {
        "location": pin.location,
        "digest": pin.digest,
        "exact": pin.exact,
        "objects": pin.objects,
        "bytes": pin.size_bytes,
        "cached": _amount(one.cached),
        "to_fetch": _amount(one.to_fetch),
        "first_objects": [item_document(item) for item in pin.first],
        "parts": [_amount(part) for part in one.parts],
    }


def _amount(amount: Amount) -> Document:
    return {"objects": amount.objects, "bytes": amount.size_bytes}
