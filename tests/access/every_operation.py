"""Every operation that a server describes, ready to be asked about a job by anybody; and who may, told by rules of its own."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from typing import Any

from guarding import JOBS, Guarded
from running import Answer, wasm_job

ABSENT = "j-ffffffff-ffff-4fff-bfff-ffffffffffff"
API = "/api/v1"
_NAMED_IN_BODY = (f"PUT {JOBS}", f"POST {JOBS}", f"PUT {JOBS}/diff", f"POST {API}/orchestrator/plan")
_ACTION = {"Action": "approve"}
_SIGN_IN = {"MethodData": b64encode(b"{}").decode()}
_NODES = f"{API}/orchestrator/nodes"
_BODIES: dict[str, dict[str, Any]] = {
    f"POST {_NODES}": _ACTION,
    f"PUT {_NODES}/{{node}}": _ACTION,
    f"POST {API}/auth/{{method}}": _SIGN_IN,
}
# A job that has ended is not stopped, a node that is approved is not approved.
_ALSO_DONE = {f"DELETE {JOBS}/{{job}}": {409}, f"POST {_NODES}": {400, 404, 409}, f"PUT {_NODES}/{{node}}": {409}}


@dataclass(frozen=True)
class Subject:
    """A job, or none, and what is in paths that are about it."""

    namespace: str
    job: str
    there: dict[str, str]


@dataclass(frozen=True)
class Operation:
    """One method of one path, the scope that it says it needs, and the statuses that it says it gives."""

    method: str
    path: str
    scope: str
    done: frozenset[int]
    has_body: bool

    @property
    def label(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def about_a_job(self) -> bool:
        """Whether it names a job in its path."""
        return "{job}" in self.path

    @property
    def into_a_namespace(self) -> bool:
        """Whether it names a namespace in its body."""
        return self.label in _NAMED_IN_BODY

    def asked(self, guarded: Guarded, who: str, subject: Subject, query: str = "", **headers: str) -> Answer:
        path = re.sub(r"\{(\w+)\}", lambda found: {"job": subject.job, **subject.there}[found[1]], self.path)
        return guarded(who, self.method, path + query, self._body(subject), **headers)

    def _body(self, subject: Subject) -> dict[str, Any] | None:
        if self.into_a_namespace:
            job = wasm_job("return", name=f"{subject.namespace}s", Namespace=subject.namespace)
            return {"Job": job, "IdempotencyToken": f"{self.label} {subject.namespace}"}
        # Who adds an operation with a body says here what one is.
        return _BODIES[self.label] if self.has_body else None


def operations_of(document: dict[str, Any]) -> list[Operation]:
    """All of them."""
    return [
        Operation(
            method.upper(),
            path,
            operation["x-gadus-scope"],
            frozenset(int(status) for status in operation["responses"] if status != "default")
            | _ALSO_DONE.get(f"{method.upper()} {path}", set()),
            operation.get("requestBody", {}).get("required", False),
        )
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if method != "parameters"
    ]


@dataclass(frozen=True)
class Granted:
    """What somebody may; nothing when `scopes` is empty, as for who is not known."""

    scopes: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()

    def expected(self, operation: Operation, subject: Subject) -> frozenset[int]:
        """The statuses that an answer may have."""
        verb = operation.scope.partition(":")[0]
        if operation.scope == "open":
            return operation.done
        if not self.scopes:
            return frozenset((401,))
        if not self.scopes & {operation.scope, f"{verb}:*", "*"}:
            return frozenset((403,))
        reached = bool(self.namespaces & {subject.namespace, "*"})
        if operation.into_a_namespace:
            return operation.done if reached else frozenset((403,))
        if operation.about_a_job:
            return operation.done if reached and subject.job != ABSENT else frozenset((404,))
        return operation.done
