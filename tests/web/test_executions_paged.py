"""All executions of a job can be had, however many there are, and so can its history from either end."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from lives import JOB_ID, Life, job_spec
from running import API, Running, serving, wasm_job

from gadus.core.job import Execution, Job, Outcome, State
from gadus.orchestrator.store import open_store
from gadus.web.executions import MOST_EXECUTIONS, Place

COUNT = 20_000
MOST_KIB = 500 << 10


@cache
def large_job() -> Job:
    """Of 20,000 executions, many of which changed in the same moment."""
    job = Life(job_spec(Count=COUNT)).job
    executions = tuple(
        Execution(
            id=f"e-{number * 7919 % COUNT:05}",
            index=number,
            node="n",
            state=State.COMPLETED,
            outcome=Outcome(exit_code=0, receipt={"fetched": "x" * 500}),
            created_at=float(number),
            modified_at=float(number // 1000),
        )
        for number in range(COUNT)
    )
    return job.model_copy(update={"executions": executions, "vacancies": (), "state": State.COMPLETED})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home = tmp_path_factory.mktemp("many")
    life = Life(job_spec(Count=COUNT))
    with open_store(home / "data" / "gadus.db") as store:
        store.append(None, large_job(), *life.events)
    with serving(home / "data", {**os.environ, "HOME": str(home)}) as running:
        yield running


def paged(server: Running, path: str, **headers: str) -> Iterator[list[dict[str, Any]]]:
    token = ""
    while True:
        answer = server.get(f"{path}{'&' if '?' in path else '?'}next_token={token}", **headers)
        yield answer["Items"]
        token = answer["NextToken"]
        if not token:
            return


def test_every_execution_comes_once_in_pages_that_are_bounded(server: Running):
    pages = list(paged(server, f"/jobs/{JOB_ID}/executions?limit=0"))
    assert [len(page) for page in pages] == [MOST_EXECUTIONS] * (COUNT // MOST_EXECUTIONS)
    changed = [(one["ModifyTime"], one["ID"]) for page in pages for one in page]
    assert changed == sorted(changed)
    assert len({job_id for _, job_id in changed}) == COUNT
    told = Path(f"/proc/{server.process.pid}/status").read_text()
    assert int(re.search(r"VmHWM:\s+(\d+)", told)[1]) < MOST_KIB  # type: ignore[index] # Linux says it


def test_described_job_says_that_there_are_more(server: Running):
    described = server.get(f"/jobs/{JOB_ID}?include=executions")["Executions"]
    assert len(described["Items"]) == MOST_EXECUTIONS
    rest = server.get(f"/jobs/{JOB_ID}/executions?limit=2&next_token={described['NextToken']}")["Items"]
    assert [one["PartitionIndex"] for one in (*described["Items"], *rest)] == list(range(MOST_EXECUTIONS + 2))


@pytest.mark.parametrize("order", ["modify_time", "create_time", "id", "state"])
@pytest.mark.parametrize("reverse", [False, True])
def test_pages_make_up_the_list_whatever_their_length(order: str, reverse: bool):
    executions = large_job().executions[:1500]
    whole, none = Place(order, reverse).page(executions)
    assert (len(whole), none) == (1500, "")
    place, seen = Place(order, reverse), list[Execution]()
    while True:
        page, token = place.page(executions, 400)
        seen += page
        if not token:
            break
        place = Place._of_token(token)  # as a request with it means it
    assert seen == whole


def test_token_that_is_none_is_refused(server: Running):
    for token in ("x", "bnVsbA", "WzEsMl0", "WyJpZCIsdHJ1ZSwxXQ", "A" * 5000, "%ff"):
        answer = server("GET", f"{API}/jobs/{JOB_ID}/executions?next_token={token}")
        assert (answer.status, "next_token" in answer.document["Message"]) == (400, True)
    for token in ("history:", "history:before:x", "history:before:", "before:1", "history:-1"):
        answer = server("GET", f"{API}/jobs/{JOB_ID}/history?next_token={token}")
        assert (answer.status, "next_token" in answer.document["Message"]) == (400, True)


@pytest.mark.parametrize("client", [{}, {"X_Bacalhau_Git_Version": "v1.9.0"}])
def test_history_backwards_is_the_history_from_its_end(server: Running, client: dict[str, str]):
    job = server.submit(wasm_job("print", "x", "", Count=2))
    server.wait_for(job, "Completed")
    for query in ("", "&event_type=execution", "&event_type=job"):
        forwards = server.get(f"/jobs/{job}/history?limit=0{query}", **client)["Items"]
        for limit in (0, 1, 3):
            pages = list(paged(server, f"/jobs/{job}/history?reverse=true&limit={limit}{query}", **client))
            assert [one for page in pages for one in page] == forwards[::-1]
            assert {len(page) for page in pages[:-1]} <= {limit}


def test_history_backwards_goes_on_where_it_was_when_more_has_happened(server: Running):
    """1 two entries of a running job are read from its end; 2 it ends; 3 the token gives those before, none twice."""
    job = server.submit(wasm_job("forever"))
    server.wait_for(job, "Running")
    first = server.get(f"/jobs/{job}/history?reverse=true&limit=2")
    server("DELETE", f"{API}/jobs/{job}", {})
    server.wait_for(job, "Stopped")
    rest = server.get(f"/jobs/{job}/history?limit=100&next_token={first['NextToken']}")["Items"]
    numbers = [one["SeqNum"] for one in (*first["Items"], *rest)]
    assert numbers == list(range(len(numbers), 0, -1))
