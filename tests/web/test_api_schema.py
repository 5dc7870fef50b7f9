"""
Whatever is asked of any route, the answer is one that the description of the API has.

A few examples of each operation by default; GADUS_TEST_EXAMPLES=300 asks for more, for others each time, and for their time.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from running import Running, wasm_job
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from gadus.web.answering import Rooms
from gadus.web.app import PREFIX, routes_of
from gadus.web.openapi.document import document

EXAMPLES = int(os.environ.get("GADUS_TEST_EXAMPLES", "0"))
PATIENCE_SECONDS = 20
# Making the routes reads nothing of a server.
DOCUMENT = document(routes_of(cast("Rooms", None)), PREFIX)
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
# What is at the edges of all fields of a job is thousands of requests: tried when more is asked for.
SUBMISSIONS = [f"{way} {PREFIX}/orchestrator/jobs{rest}" for way, rest in (("PUT", ""), ("POST", ""), ("PUT", "/diff"))]
SUBMISSIONS.append(f"POST {PREFIX}/orchestrator/plan")
pytestmark = pytest.mark.timeout(300 + 20 * EXAMPLES)
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.unsupported_method,
    checks.allow_header_conformance,
]
SETTINGS: dict[str, Any] = {
    "derandomize": not EXAMPLES,
    "deadline": None,
    "database": None,
    "suppress_health_check": list(HealthCheck),
}
CLIENTS: tuple[dict[str, str], ...] = (
    {},
    {"X-Bacalhau-Git-Version": "v1.4.0"},
    {"X-Bacalhau-Git-Version": "v1.9.3"},
    {"User-Agent": "Swagger-Codegen//python"},
)
NOWHERE = {"Constraints": [{"Key": "nowhere", "Operator": "=", "Values": ["yes"]}]}


@dataclass
class Asked:
    """A server with jobs in it, and what is there to be named in paths."""

    server: Running
    session: requests.Session
    there: list[dict[str, str]]
    rss_bytes: int
    slowest_seconds: float = 0.0

    def __call__(self, case: schemathesis.Case, client: dict[str, str]) -> None:
        if str((case.query or {}).get("follow", "")).lower() in ("1", "t", "true"):
            # The end of that is the end of a job.
            case.query["follow"] = "false"
        answer = case.call(self.server.url, self.session, {**(case.headers or {}), **client}, timeout=PATIENCE_SECONDS)
        self.slowest_seconds = max(self.slowest_seconds, answer.elapsed)
        # What is not offered says so, with 501.
        case.validate_response(answer, CHECKS if answer.status_code != 501 else CHECKS[1:])

    def as_made_and_aimed(self, case: schemathesis.Case) -> None:
        """The request as it was made up, and once more about what there is."""
        chance = zlib.crc32(repr((case.path_parameters, case.query, case.body)).encode("utf-8", "replace"))
        client = CLIENTS[chance % len(CLIENTS)]
        _keep_waiting(case.body)
        self(case, client)
        if could_run := _runnable(case.body):
            case.body = could_run
            self(case, client)
        for there in (self.there[0], self.there[1 + chance // len(CLIENTS) % (len(self.there) - 1)]):
            aimed = {name: value for name, value in there.items() if name in (case.path_parameters or {})}
            if aimed:
                case.path_parameters.update(aimed)
                self(case, client)


def _keep_waiting(body: Any) -> None:
    """Whatever job this is, no node runs it."""
    job = body.get("Job") if isinstance(body, dict) else None
    if isinstance(job, dict) and isinstance(job.setdefault("Constraints", []), list):
        job["Constraints"] += NOWHERE["Constraints"]


def _runnable(body: Any) -> dict[str, Any] | None:
    """The submission with what plugins decide about replaced by what they take; None for what is nothing like one."""
    job = body.get("Job") if isinstance(body, dict) else None
    tasks = job.get("Tasks") if isinstance(job, dict) else None
    if not (isinstance(tasks, list) and tasks and isinstance(tasks[0], dict)):
        return None
    known = wasm_job("return", **NOWHERE)
    task = tasks[0] | {"Engine": known["Tasks"][0]["Engine"], "InputSources": [], "Publisher": {"Type": ""}}
    # How long a server takes for very many executions is another question.
    count = {"Count": 10} if isinstance(job.get("Count"), int) and job["Count"] > 10 else {}
    return body | {"Job": job | {"Type": "batch", "Tasks": [task]} | NOWHERE | count}


@pytest.fixture(scope="module")
def asked(server: Running) -> Iterator[Asked]:
    source = {"Source": {"Type": "inline", "Params": {"URL": "data:,hello"}}, "Target": "/inputs/greeting"}
    job_id = server.submit(wasm_job("print", "one\n", "two\n", name="tried", task={"InputSources": [source]}))
    server.wait_for(job_id, "Completed")
    waiting_id = server.submit(wasm_job("return", name="waits", **NOWHERE))
    execution = server.get(f"/jobs/{job_id}/executions")["Items"][0]
    digest = server.get(f"/jobs/{job_id}?include=manifests")["Manifests"][0]["Digest"]
    rest = {"archive": f"{execution['ID']}.tar.gz", "digest": digest, "node": execution["NodeID"], "method": "ClientKey"}
    with requests.Session() as session:
        there = [{"job": job, **rest} for job in (job_id, waiting_id, "tried", job_id[:10])]
        yield Asked(server, session, there, _rss_bytes(server))


def _rss_bytes(server: Running) -> int:
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) * 1024


def test_the_operations_tried_here_are_those_that_a_server_describes(server: Running) -> None:
    served = server("GET", f"{PREFIX}/openapi.json").document
    assert served == DOCUMENT
    tried = {found.ok().label for found in SCHEMA.get_all_operations()}
    assert tried == {f"{way.upper()} {path}" for path, ways in served["paths"].items() for way in ways if way != "parameters"}


@SCHEMA.exclude(name=SUBMISSIONS).parametrize()
@settings(**SETTINGS, max_examples=EXAMPLES or 6)
def test_an_operation_answers_as_described(asked: Asked, case: schemathesis.Case) -> None:
    asked.as_made_and_aimed(case)


@SCHEMA.include(name=SUBMISSIONS).parametrize()
@settings(**SETTINGS, max_examples=EXAMPLES or 12, phases=tuple(Phase) if EXAMPLES else (Phase.generate,))
def test_a_submission_is_answered_as_described(asked: Asked, case: schemathesis.Case) -> None:
    asked.as_made_and_aimed(case)


def test_what_was_asked_took_little_time_and_left_little(asked: Asked) -> None:
    # A page of 500 jobs with their programs in them is 35 MB, and several times that while it is written.
    assert _rss_bytes(asked.server) - asked.rss_bytes < (160 if EXAMPLES else 32) << 20
    # How long a machine takes that does other things, too, says nothing.
    assert not EXAMPLES or asked.slowest_seconds < 1
