"""What a caller does not reach does not exist for them: not in lists, look-ups, streams or errors."""

from __future__ import annotations

import json
import re
from typing import cast

import pytest
from guarding import JOBS, Guarded
from running import Answer, wasm_job
from websockets.sync.client import connect

from gadus.web.answering import Rooms
from gadus.web.app import routes_of
from gadus.web.scoped import ScopedRoute

OF_A_JOB = [
    (method, route.path)
    for route in routes_of(cast("Rooms", None))
    if isinstance(route, ScopedRoute) and "{job}" in route.path
    for method in route.scopes
]
ABSENT = "j-ffffffff-ffff-4fff-bfff-ffffffffffff"
CHANGING = {"date", "x-request-id", "content-length"}


def told(answer: Answer, about: str) -> tuple[object, ...]:
    """An answer without what is in every answer another."""
    headers = sorted((name.lower(), text) for name, text in answer.headers.items() if name.lower() not in CHANGING)
    body = re.sub(r'"RequestID":"[^"]*"', "", answer.body.decode().replace(about, "<the job>"))
    return answer.status, headers, body


@pytest.mark.parametrize(("method", "path"), OF_A_JOB)
def test_a_job_of_another_namespace_is_answered_like_one_that_is_not_there(guarded: Guarded, method: str, path: str) -> None:
    path = re.sub(r"\{(?!job)[^}]*\}", "e-1.tar.gz", path)
    document = {} if method in ("PUT", "POST", "DELETE") else None
    full = guarded.jobs["a"]
    for query in ("", "?namespace=a", "?namespace=*", "?namespace=nobodys"):
        for name in (full, full[:10], "of-a"):
            seen = guarded("b-writes", method, path.replace("{job}", name) + query, document)
            expected = guarded("b-writes", method, path.replace("{job}", ABSENT) + query, document)
            assert told(seen, name) == told(expected, ABSENT)
            assert seen.status == 404
    assert guarded("admin", "GET", f"{JOBS}/{full}").document["Job"]["State"]["StateType"] == "Completed"


def test_the_log_of_a_job_of_another_namespace_is_like_one_that_is_not_there(guarded: Guarded) -> None:
    def frames(who: str, job: str) -> list[str]:
        url = f"{guarded.server.url.replace('http', 'ws', 1)}{JOBS}/{job}/logs"
        headers = {"Authorization": f"Bearer {guarded.tokens[who]}"}
        with connect(url, additional_headers=headers, open_timeout=30) as socket:
            return [str(frame).replace(job, "<the job>") for frame in socket]

    assert any("said in a" in frame for frame in frames("a-reads", guarded.jobs["a"]))
    (missing,) = frames("b-writes", ABSENT)
    assert "job not found" in missing
    for job in (guarded.jobs["a"], guarded.jobs["a"][:10], "of-a"):
        assert frames("b-writes", job) == [missing]


def test_lists_hold_what_the_caller_reaches(guarded: Guarded) -> None:
    def listed(who: str, query: str = "") -> set[str]:
        return {job["Namespace"] for job in guarded(who, "GET", f"{JOBS}{query}").document["Items"]}

    assert listed("admin") == {"a", "b"}
    for query in ("", "?namespace=*", "?namespace="):
        assert listed("a-reads", query) == {"a"}
        assert listed("b-writes", query) == {"b"}
    assert listed("b-writes", "?namespace=b") == {"b"}
    assert listed("b-writes", "?namespace=a") == set()
    assert listed("admin", "?namespace=a") == {"a"}


def test_the_place_in_a_list_of_another_caller_opens_nothing(guarded: Guarded) -> None:
    first = guarded("admin", "GET", f"{JOBS}?limit=1").document
    assert first["Items"][0]["Namespace"] == "a"
    rest = guarded("a-reads", "GET", f"{JOBS}?next_token={first['NextToken']}").document["Items"]
    assert all(job["Namespace"] == "a" for job in rest)


def test_a_beginning_that_fits_jobs_of_others_is_not_ambiguous_for_it(guarded: Guarded) -> None:
    everybodys = guarded("admin", "GET", f"{JOBS}/j-")
    assert everybodys.status == 409
    own = guarded("b-writes", "GET", f"{JOBS}/j-")
    if own.status == 200:
        assert own.document["Job"]["Namespace"] == "b"
    assert guarded.jobs["a"] not in own.body.decode()


def test_a_job_goes_into_no_namespace_that_the_caller_does_not_reach(guarded: Guarded) -> None:
    for namespace in ({"Namespace": "a"}, {}):
        refused = guarded("b-writes", "PUT", JOBS, {"Job": wasm_job("return", name="mine", **namespace)})
        assert (refused.status, refused.document["Code"]) == (403, "Forbidden")
        assert namespace.get("Namespace", "default") in refused.document["Message"]
        assert "its namespaces are b" in refused.document["Hint"]


def test_an_idempotency_key_of_another_namespace_gives_no_job_away(guarded: Guarded) -> None:
    """The key was used in a and in b: each caller gets the job of their own, and nobody one of the other."""
    again = {"Job": wasm_job("print", "said in b", "", name="of-b", Namespace="b"), "IdempotencyToken": "once"}
    assert guarded("b-writes", "PUT", JOBS, again).document["JobID"] == guarded.jobs["b"]
    again["Job"]["Namespace"] = "a"
    assert guarded("b-writes", "PUT", JOBS, again).status == 403


def test_a_reader_changes_nothing(guarded: Guarded) -> None:
    path = f"{JOBS}/{guarded.jobs['a']}"
    assert guarded("a-reads", "GET", path).status == 200
    for method, rest in (("DELETE", ""), ("PUT", "/rerun")):
        assert guarded("a-reads", method, path + rest, {}).status == 403


def test_a_link_to_results_opens_that_archive_and_nothing_else(guarded: Guarded) -> None:
    results = guarded("a-reads", "GET", f"{JOBS}/{guarded.jobs['a']}/results").document["Items"]
    link = results[0]["Params"]["URL"].removeprefix(guarded.server.url)
    path, _, query = link.partition("?")
    assert path.endswith(".tar.gz")
    archive = guarded("", "GET", link)
    assert (archive.status, archive.body[:2]) == (200, b"\x1f\x8b")
    other = guarded("admin", "GET", f"{JOBS}/{guarded.jobs['b']}/results").document["Items"][0]["Params"]["URL"]
    wrong = [
        path,
        f"{path}?{query[:-1]}{'1' if query[-1] == '0' else '0'}",
        f"{path}?{re.sub('expires=[0-9]', 'expires=9', query)}",
        f"{other.removeprefix(guarded.server.url).partition('?')[0]}?{query}",
        f"{JOBS}/{guarded.jobs['a']}?{query}",
    ]
    assert [guarded("", "GET", one).status for one in wrong] == [401] * len(wrong)
    assert guarded("", "DELETE", link).status == 401
    assert "said in a" not in json.dumps(guarded("b-writes", "GET", JOBS).document)
