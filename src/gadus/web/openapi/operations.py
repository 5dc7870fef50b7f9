"""What each route takes and gives: one entry for each, by its method and path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .parameters import (
    EDITION,
    EVERYTHING,
    EXACT,
    EXECUTION,
    EXECUTION_ORDER,
    FOLLOW,
    FORMAT,
    HISTORY,
    INCLUDE,
    JOB_ORDER,
    LABELS,
    LIMIT,
    LINES,
    NAMESPACE,
    NODE_ORDER,
    NODES,
    PAGE,
    REASON,
    REVERSE,
    TAIL,
    Parameter,
)
from .shapes import COUNT, SWITCH, TEXT, Schema, list_of, named, or_null, page_of, record, words

JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"
_FIGURES = "text/plain; version=1.0.0; charset=utf-8"
_LINES = "application/x-ndjson"
_WARNINGS = or_null(list_of(TEXT))


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one route. `answers` has the schema of each status, for each media type; errors are the same everywhere."""

    summary: str
    query: tuple[Parameter, ...] = ()
    body: Schema | None = None
    answers: Mapping[int, Mapping[str, Schema]] = field(default_factory=dict)


def _gives(
    summary: str, answer: Schema, *query: Parameter, body: Schema | None = None, media: str = JSON, status: int = 200
) -> Operation:
    return Operation(summary, query, body, {status: {media: answer}})


_JOB = {"Job": named("JobSpec")}
_ACTION = record({"Action": words("approve", "reject", "delete")}, Message=TEXT, NodeID=TEXT)
_CHANGED = record({"Success": SWITCH, "Error": TEXT})
_HEALTH = record({"Status": TEXT, "Running": COUNT, "Waiting": COUNT}, FreeSpace={"type": "object"})
_GONE = Operation("Gone: what clients before 1.4 used", answers={410: {JSON: TEXT}})
_SUBMISSION = record(_JOB, IdempotencyToken=or_null(TEXT), Namespace=or_null(TEXT), Credential={}, Force=or_null(SWITCH))
_SIGN_IN = record({"MethodData": {**TEXT, "description": "base64 of a JSON object"}}, Name=TEXT)

_JOBS = {
    "GET /orchestrator/jobs": _gives("List jobs, oldest first", page_of("Job"), NAMESPACE, LABELS, *PAGE, JOB_ORDER, REVERSE),
    "PUT /orchestrator/jobs": _gives(
        "Submit a job; it is on the disk when the answer leaves",
        record({"JobID": TEXT, "EvaluationID": TEXT, "Warnings": _WARNINGS}),
        body=_SUBMISSION,
    ),
    "PUT /orchestrator/jobs/diff": _gives(
        "What a submission would change of the job of its name",
        record({"Diff": TEXT, "Warnings": _WARNINGS}),
        body=record(_JOB),
    ),
    "POST /orchestrator/plan": Operation(
        "What a job would read and where it would run, and no job is stored; as lines also how much was listed",
        body=record(_JOB),
        answers={200: {JSON: record({"Plan": named("Plan"), "Warnings": _WARNINGS}), _LINES: {"type": "object"}}},
    ),
    "GET /orchestrator/jobs/{job}": _gives("A job and what belongs to it", named("DescribedJob"), NAMESPACE, INCLUDE, *EDITION),
    "DELETE /orchestrator/jobs/{job}": _gives(
        "Stop a job", record({"EvaluationID": TEXT}), NAMESPACE, REASON, *EDITION, body=record({}, reason=or_null(TEXT))
    ),
    "PUT /orchestrator/jobs/{job}/rerun": _gives(
        "Run a job once more, as its next version",
        record({"JobID": TEXT, "JobVersion": COUNT, "EvaluationID": TEXT, "Warnings": _WARNINGS}),
        NAMESPACE,
        body=record({}, JobVersion=or_null(COUNT), Reason=or_null(TEXT)),
    ),
    "GET /orchestrator/jobs/{job}/versions": _gives("A job as it was asked for each time", page_of("Job"), NAMESPACE),
    "GET /orchestrator/jobs/{job}/why": _gives(
        "Why what waits of a job runs on no node", record({"JobID": TEXT, "Waiting": COUNT, "Why": TEXT}), NAMESPACE
    ),
    "GET /orchestrator/jobs/{job}/executions": _gives(
        "The executions of a job", page_of("Execution"), NAMESPACE, EXECUTION_ORDER, REVERSE, *PAGE, *EDITION
    ),
    "GET /orchestrator/jobs/{job}/history": _gives(
        "What happened to a job, oldest first", page_of("HistoryItem"), NAMESPACE, *HISTORY, *PAGE, REVERSE, *EDITION
    ),
    "GET /orchestrator/jobs/{job}/results": _gives(
        "Where the results of each completed execution are fetched", page_of("Result"), NAMESPACE, *EDITION
    ),
    "GET /orchestrator/jobs/{job}/results/{archive}": _gives(
        "The results of one execution, as an archive", {}, NAMESPACE, EVERYTHING, media="application/gzip"
    ),
    "GET /orchestrator/jobs/{job}/manifests/{digest}": _gives(
        "Every object of one input, a JSON document a line", named("Item"), NAMESPACE, media=_LINES
    ),
    "GET /orchestrator/jobs/{job}/logs": Operation(
        "What the programs of a job wrote; as frames also over a WebSocket",
        (NAMESPACE, EXECUTION, FOLLOW, TAIL, LINES, FORMAT, EXACT, *EDITION),
        answers={200: {_TEXT: TEXT, _LINES: named("Frame"), JSON: TEXT}},
    ),
}
_NODES = {
    "GET /orchestrator/nodes": _gives(
        "List nodes",
        record({"NextToken": TEXT, "Nodes": list_of(named("Node"))}),
        LABELS,
        *NODES,
        NODE_ORDER,
        REVERSE,
        LIMIT,
    ),
    "POST /orchestrator/nodes": _gives("Change a node, named in the body", _CHANGED, body=_ACTION),
    "GET /orchestrator/nodes/{node}": _gives("One node", record({"Node": named("Node")})),
    "PUT /orchestrator/nodes/{node}": _gives("Approve, reject or delete a node", _CHANGED, body=_ACTION),
}
_AGENT = {
    "GET /agent/alive": _gives("Whether the server lives", record({"Status": TEXT})),
    "GET /agent/version": _gives("The version of the server", named("BuildVersion")),
    "GET /agent/node": _gives("The server's own node, in the form of 1.4 and in that of 1.6", named("OwnNode")),
    "GET /agent/debug": _gives("What the server does just now", {"type": "object"}),
    "GET /agent/config": _gives("The settings of the server, without secrets", record({"config": {"type": "object"}})),
    "GET /agent/authconfig": _gives(
        "Nobody signs in by another service", record({"Version": TEXT, "Config": {"type": "object"}})
    ),
    "GET /auth": _gives(
        "How a client gets a token",
        record({"NextToken": TEXT, "Methods": {"type": "object", "additionalProperties": named("WayToSignIn")}}),
    ),
    "GET /auth/info": _gives(
        "Who the caller is to this server, and why nobody",
        record({"Required": SWITCH, "Caller": or_null(named("Caller")), "Reason": TEXT}),
    ),
    "GET /auth/{method}": _gives("What one way to sign in needs", named("WayToSignIn")),
    "POST /auth/{method}": Operation(
        "Sign in", body=_SIGN_IN, answers={200: {JSON: named("Signed")}, 401: {JSON: named("Signed")}}
    ),
    "GET /openapi.json": _gives("This document", {"type": "object"}),
}
_OLD = {
    "GET /version": _gives("The version of the server", named("BuildVersion")),
    "POST /version": _gives("The same, as 1.4 asks for it", record({"build_version_info": named("BuildVersion")})),
    "GET /livez": _gives("Whether the process answers", TEXT, media=_TEXT),
    "GET /readyz": _gives("Whether jobs can be taken; 503 says why not", record({"Status": TEXT})),
    "GET /healthz": _gives("Whether the store can be read, and how much runs and waits", _HEALTH),
    "GET /id": Operation("The id of the server's own node", answers={200: {_TEXT: TEXT, JSON: TEXT}}),
    "GET /node_info": _gives("The server's own node", named("OwnNode")),
    **{f"POST /requester/{name}": _GONE for name in ("list", "states", "results", "events", "submit", "cancel", "debug")},
    **{f"GET /requester/{name}": _GONE for name in ("nodes", "websocket/events")},
}
_COMPUTE = {
    **{f"{method} /compute/debug": _gives("What the server does just now", {"type": "object"}) for method in ("GET", "POST")},
    **{
        f"{method} /compute/approve": _gives("Not offered: nothing waits for approval", named("Error"), status=409)
        for method in ("GET", "POST")
    },
}


def operations(prefix: str) -> dict[str, Operation]:
    """Every operation by its method and path: ``GET /api/v1/orchestrator/jobs``."""
    below = _JOBS | {"POST /orchestrator/jobs": _JOBS["PUT /orchestrator/jobs"]} | _NODES | _AGENT | _OLD | _COMPUTE
    home = _gives("The version of the server", TEXT, media=_TEXT)
    figures = _gives("The figures of the server, as Prometheus reads them", TEXT, media=_FIGURES)
    return {_below(prefix, name): one for name, one in below.items()} | _OLD | {"GET /": home, "GET /metrics": figures}


def _below(prefix: str, name: str) -> str:
    method, path = name.split(" ")
    return f"{method} {prefix}{path}"
