"""Every operation of the API by every kind of caller: nobody is answered who should not be, and nothing of others shows."""

from __future__ import annotations

import os
import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from every_operation import ABSENT, API, Granted, Operation, Subject, operations_of
from guarding import JOBS, Guarded
from running import Answer, serving, wasm_job
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from gadus.access.caller import SCOPES
from gadus.access.file import AccessFile
from gadus.access.granting import add_user, revoke_token
from gadus.access.passwords import hash_of

CHANGING = {"date", "x-request-id", "content-length"}
PASSWORD = "correct horse"


@dataclass
class Matrix:
    guarded: Guarded
    callers: dict[str, Granted]
    subjects: dict[str, Subject]
    operations: list[Operation]


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    home = tmp_path_factory.mktemp("matrix")
    (home / "data").mkdir(mode=0o700)
    with serving(home / "data", {**os.environ, "HOME": str(home)}, "--auth") as server:
        guarded = Guarded(server, AccessFile.of(home / "data"), {}, {})
        callers = _callers(guarded)
        subjects = {namespace: _job_in(guarded, namespace) for namespace in ("a", "b")}
        subjects["absent"] = Subject("a", ABSENT, subjects["a"].there)
        operations = operations_of(guarded("", "GET", f"{API}/openapi.json").document)
        # After a job was run again, its inputs and logs are there only when it has got so far.
        operations.sort(key=lambda one: one.path.endswith("/rerun"))
        yield Matrix(guarded, callers, subjects, operations)


def _callers(guarded: Guarded) -> dict[str, Granted]:
    """Each by how they are called in requests, with what they may."""
    callers = {"": Granted(), "gadus_invented": Granted(), "expired": Granted(), "revoked": Granted(), "ended": Granted()}
    guarded.grant_expired("expired")
    guarded.grant("revoked", "*", "*")
    revoke_token(guarded.file, "revoked")
    guarded.tokens["ended"] = "gadus-session.user.cGV0ZXI=.9999999999.00"
    grants = {f"only-{scope}": (scope, "*") for scope in SCOPES} | {"in-a": ("*", "a"), "in-b": ("*", "b")}
    for number, (who, (scope, namespace)) in enumerate(grants.items()):
        guarded.tokens[who] = guarded.grant(f"caller-{number}", scope, namespace)
        callers[who] = Granted(frozenset((scope,)), frozenset((namespace,)))
    add_user(guarded.file, "peter", ("read:*", "write:job"), ("b",), hash_of(PASSWORD))
    callers["peter"] = Granted(frozenset(("read:*", "write:job")), frozenset("b"))
    return callers


def _job_in(guarded: Guarded, namespace: str) -> Subject:
    source = {"Source": {"Type": "inline", "Params": {"URL": f"data:,{namespace}"}}, "Target": "/inputs/it"}
    job = wasm_job("print", namespace, "", name=f"of-{namespace}", Namespace=namespace, task={"InputSources": [source]})
    job_id = guarded("only-*", "PUT", JOBS, {"Job": job}).document["JobID"]
    guarded.tokens["admin"] = guarded.tokens["only-*"]
    guarded.wait_for(job_id)
    described = guarded("admin", "GET", f"{JOBS}/{job_id}?include=executions,manifests").document
    execution, digest = described["Executions"]["Items"][0], described["Manifests"][0]["Digest"]
    there = {"archive": f"{execution['ID']}.tar.gz", "digest": digest, "node": execution["NodeID"], "method": "Password"}
    return Subject(namespace, job_id, there)


def ask(matrix: Matrix, who: str, operation: Operation, subject: Subject, query: str = "") -> Answer:
    basic = {"Authorization": f"Basic {b64encode(f'{who}:{PASSWORD}'.encode()).decode()}"} if who == "peter" else {}
    return operation.asked(matrix.guarded, "" if basic else who, subject, query, **basic)


def test_an_operation_answers_those_who_may_and_nobody_else(matrix: Matrix) -> None:
    wrong = {
        (operation.label, who, about): (answer.status, sorted(expected), answer.body[:200])
        for operation in matrix.operations
        for who, granted in matrix.callers.items()
        for about, subject in matrix.subjects.items()
        if operation.about_a_job or operation.into_a_namespace or about == "a"
        if (answer := ask(matrix, who, operation, subject)).status not in (expected := granted.expected(operation, subject))
    }
    assert wrong == {}


def test_what_is_not_read_needs_a_scope_to_write(matrix: Matrix) -> None:
    """But for what changes nothing although it is asked in that way, and for signing in."""
    changing = {one.label for one in matrix.operations if one.method != "GET" and not one.scope.startswith("write:")}
    gone = {one for one in changing if "/requester/" in one}
    asking = {f"PUT {JOBS}/diff", f"POST {API}/compute/debug", f"POST {API}/version", "POST /version"}
    assert changing == gone | asking | {f"POST {API}/auth/{{method}}"}


def told(answer: Answer, about: str) -> tuple[object, ...]:
    """An answer without what is in every answer another."""
    headers = sorted((name.lower(), text) for name, text in answer.headers.items() if name.lower() not in CHANGING)
    return answer.status, headers, re.sub(r'"RequestID":"[^"]*"', "", answer.body.decode().replace(about, "<the job>"))


QUERIES = [
    *("", "?namespace=a", "?namespace=b", "?namespace=*", "?namespace=", "?namespace=nobodys"),
    "?include=executions,history,manifests&job_version=1",
    "?execution_id=e-&follow=true&tail=true&all_job_versions=true&since=1&event_type=job&limit=1&format=ndjson",
]


@pytest.mark.parametrize("who", ["in-a", "peter"])
def test_a_job_of_others_is_in_no_operation_another_than_none(matrix: Matrix, who: str) -> None:
    foreign = matrix.subjects["b" if who == "in-a" else "a"]
    matrix.guarded.wait_for(foreign.job)
    before = matrix.guarded("admin", "GET", f"{JOBS}/{foreign.job}").document
    seen, expected = {}, {}
    for operation in matrix.operations:
        for query in QUERIES if operation.about_a_job else ():
            nobodys = told(ask(matrix, who, operation, Subject("", ABSENT, foreign.there), query), ABSENT)
            for name in (foreign.job, foreign.job[:12], f"of-{foreign.namespace}"):
                asked = Subject("", name, foreign.there)
                seen[operation.label, query, name] = told(ask(matrix, who, operation, asked, query), name)
                expected[operation.label, query, name] = nobodys
    assert len({label for label, _, _ in seen}) > 10
    assert {answer[0] for answer in expected.values()} == {404}
    assert seen == expected
    assert matrix.guarded("admin", "GET", f"{JOBS}/{foreign.job}").document == before


def upgraded(matrix: Matrix, who: str, job: str) -> int | list[str]:
    """The frames of a log, or the status with which they are refused."""
    token = matrix.guarded.tokens.get(who, who)
    url = f"{matrix.guarded.server.url.replace('http', 'ws', 1)}{JOBS}/{job}/logs?namespace=*"
    try:
        with connect(url, additional_headers={"Authorization": f"Bearer {token}"} if token else {}) as socket:
            return [str(frame).replace(job, "<the job>") for frame in socket]
    except InvalidStatus as refused:
        return refused.response.status_code


def test_the_stream_of_a_log_is_for_those_who_may_read_the_job(matrix: Matrix) -> None:
    logs = next(one for one in matrix.operations if one.label == f"GET {JOBS}/{{job}}/logs")
    (missing,) = upgraded(matrix, "only-read:job", ABSENT)
    for namespace in ("a", "b"):
        matrix.guarded.wait_for(matrix.subjects[namespace].job)
    for who, granted in matrix.callers.items():
        for subject in matrix.subjects.values() if who != "peter" else ():
            seen, (expected, *_) = upgraded(matrix, who, subject.job), granted.expected(logs, subject)
            if expected == 404:
                assert seen == [missing], who
            elif expected == 200:
                assert any(f'"Line":"{subject.namespace}' in frame for frame in seen), (who, seen)
            else:
                assert seen == expected, who


def test_lists_are_of_what_the_caller_reaches_whatever_is_asked_for(matrix: Matrix) -> None:
    pages = next(one for one in matrix.operations if one.label == f"GET {JOBS}")
    place = ask(matrix, "only-*", pages, matrix.subjects["a"], "?limit=1").document["NextToken"]
    for who in ("in-a", "in-b", "peter", "only-read:job"):
        reached = {"a", "b"} if who == "only-read:job" else set(matrix.callers[who].namespaces)
        for rest in ("", "&reverse=true", "&order_by=modified_at", "&labels=!x"):
            for named, about in (("", {"a", "b"}), ("*", {"a", "b"}), ("a", {"a"}), ("b", {"b"}), ("A", set())):
                items = ask(matrix, who, pages, matrix.subjects["a"], f"?namespace={named}{rest}").document["Items"]
                assert {one["Namespace"] for one in items} == reached & about, (who, named, rest)
        later = ask(matrix, who, pages, matrix.subjects["a"], f"?next_token={place}").document["Items"]
        assert {one["Namespace"] for one in later} <= reached
