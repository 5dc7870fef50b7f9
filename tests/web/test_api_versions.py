"""Versions of jobs, what another one would change, and jobs in the order of their changes."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from running import API, Running, eventually, wasm_job

LATE = {"X_Bacalhau_Git_Version": "v1.9.3"}


@pytest.fixture(scope="module")
def twice(server: Running) -> str:
    """The id of a job of two versions, each of which wrote its number."""
    for number in ("1", "2"):
        job_id = server.submit(wasm_job("print", number, "", name="counted twice/eu", Priority=int(number)), **LATE)
        server.wait_for(job_id, "Completed")
    return job_id


def test_each_version_is_described_with_what_belongs_to_it(server: Running, twice: str):
    name = quote("counted twice/eu", safe="")
    for number in (1, 2):
        document = server.get(f"/jobs/{name}?include=executions,history&job_version={number}", **LATE)
        assert (document["Job"]["Version"], document["Job"]["Priority"]) == (number, number)
        assert [one["RunOutput"]["Stdout"] for one in document["Executions"]["Items"]] == [str(number)]
        assert {one["JobVersion"] for one in document["History"]["Items"]} == {number}
        assert [one["JobVersion"] for one in server.get(f"/jobs/{twice}/executions?job_version={number}")["Items"]] == [number]
        assert len(server.get(f"/jobs/{twice}/results?job_version={number}")["Items"]) == 1
    for part in ("", "/executions", "/history", "/logs", "/results"):
        assert server("GET", f"{API}/jobs/{twice}{part}?job_version=3").status == 404


def test_later_clients_mean_the_latest_version_and_earlier_ones_all(server: Running, twice: str):
    def versions(query: str, **client: str) -> list[int]:
        return [
            one["JobVersion"] for one in server.get(f"/jobs/{twice}/executions?order_by=create_time{query}", **client)["Items"]
        ]

    assert versions("") == [1, 2]
    assert versions("", **LATE) == [2]
    assert versions("&all_job_versions=true", **LATE) == [1, 2]
    items = server.get(f"/jobs/{twice}/history?all_job_versions=true&namespace=default", **LATE)["Items"]
    assert {one["JobVersion"] for one in items} == {1, 2}
    assert server("GET", f"{API}/jobs/{twice}/history?namespace=other").status == 404


def test_difference_names_what_changes(server: Running, twice: str):
    same = wasm_job("print", "2", "", name="counted twice/eu", Priority=2)
    assert server("PUT", f"{API}/jobs/diff", {"Job": same}).document == {"Diff": "", "Warnings": None}
    other = server("PUT", f"{API}/jobs/diff", {"Job": same | {"Priority": 7, "Version": 2}}).document
    changed = [line for line in other["Diff"].splitlines() if line[0] in "+-"]
    assert changed == ["--- counted twice/eu version 2", "+++ as submitted", "-Priority: 2", "+Priority: 7"]
    assert other["Warnings"] == ["job version is ignored when submitting a job"]
    new = server("PUT", f"{API}/jobs/diff", {"Job": same | {"Name": "never seen"}}).document["Diff"]
    assert "+Name: never seen\n" in new
    assert not [line for line in new.splitlines()[2:] if line.startswith("-")]
    assert server("PUT", f"{API}/jobs/diff", {"Job": {"Type": "batch"}}).status == 400
    assert server.get(f"/jobs/{twice}")["Job"]["Version"] == 2


def test_end_of_an_execution_ends_the_history_that_is_asked_of_it(server: Running):
    job_id = server.submit(wasm_job("forever", Count=2), **LATE)
    first, _ = eventually(lambda: (items := server.get(f"/jobs/{job_id}/executions")["Items"])[1:] and items)
    query = f"/jobs/{job_id}/history?event_type=execution&execution_id={first['ID']}"
    assert server.get(query, **LATE)["NextToken"]
    assert server.get(query)["NextToken"] == ""
    server("DELETE", f"{API}/jobs/{job_id}")
    eventually(lambda: not server.get(query, **LATE)["NextToken"])


def test_results_are_those_of_jobs_that_end(server: Running):
    job_id = server.submit(wasm_job("forever", Type="service"))
    answer = server("GET", f"{API}/jobs/{job_id}/results")
    assert (answer.status, answer.document["Code"]) == (400, "BadRequest")
    assert "is a service job, which has no results" in answer.document["Message"]
    server("DELETE", f"{API}/jobs/{job_id}")


def test_jobs_are_listed_by_their_last_change(server: Running):
    """1. three jobs are submitted; 2. the first of them changes last; 3. pages of two tell all, each once."""
    mine = [server.submit(wasm_job("forever", Labels={"order": "mine"})) for _ in range(3)]
    for job_id in (mine[1], mine[2], mine[0]):
        server("DELETE", f"{API}/jobs/{job_id}")
        eventually(lambda job=job_id: not server.get(f"/jobs/{job}/history", **LATE)["NextToken"])
    for reverse, expected in (("true", [mine[0], mine[2], mine[1]]), ("False", [mine[1], mine[2], mine[0]])):
        page = server.get(f"/jobs?labels=order%3Dmine&order_by=modified_at&reverse={reverse}&limit=2")
        rest = server.get(f"/jobs?labels=order%3Dmine&next_token={page['NextToken']}")
        assert [job["ID"] for job in page["Items"] + rest["Items"]] == expected
        assert rest["NextToken"] == ""


def test_unknown_order_is_that_of_creation(server: Running):
    by_creation = [job["ID"] for job in server.get("/jobs")["Items"]]
    for order in ("colour", "id", "created_at"):
        assert [job["ID"] for job in server.get(f"/jobs?order_by={order}")["Items"]] == by_creation
