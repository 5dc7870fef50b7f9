"""The figures of a server are true, and few."""

from __future__ import annotations

import asyncio
import http.client
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from watched_server import JOBS, WatchedServer, eventually, inline_input, wasm_job, watched_server

from faultproxy import FaultProxy, slow_down
from gadus.core.job import Submitted
from gadus.core.lifecycle import decide
from gadus.core.spec import JobSpec
from gadus.orchestrator.store import open_store
from gadus.testing.seaweedfs import S3Server
from s3_server import Bucket


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, s3: S3Server) -> Iterator[WatchedServer]:
    """One that may read from the S3 server."""
    with watched_server(tmp_path_factory.mktemp("server"), **s3.environment()) as running:
        yield running


PHASES = ("staging", "preparing", "running", "publishing")


def rise(server: WatchedServer, before: dict[tuple[str, ...], float]) -> dict[tuple[str, ...], float]:
    """By how much each figure is more than before."""
    return {key: value - before.get(key, 0.0) for key, value in server.figures().items() if value != before.get(key, 0.0)}


def test_job_is_counted_by_its_end_its_phases_and_its_inputs(server: WatchedServer):
    before = server.figures()
    job = wasm_job("exit", "3", inputs=(inline_input(b"12345"),))
    server.run(job)
    more = rise(server, before)
    assert more["gadus_jobs", "state=completed", "type=batch"] == 1
    assert more["gadus_executions_total", "engine=wasm", "error=", "state=completed"] == 1
    assert more["gadus_queue_seconds_count",] == 1
    assert more["gadus_job_seconds_count", "state=completed", "type=batch"] == 1
    assert [more["gadus_phase_seconds_count", "engine=wasm", f"phase={phase}"] for phase in PHASES] == [1] * len(PHASES)
    assert more["gadus_staged_bytes_total", "source=inline"] == 5
    assert more["gadus_cache_misses_total",] == 1
    assert ("gadus_cache_hits_total",) not in more
    assert [more["gadus_events_total", f"kind={kind}"] for kind in ("submitted", "placed", "ended")] == [1, 1, 1]
    assert more["gadus_store_append_seconds_count",] >= 3
    before = server.figures()
    server.run(job)
    more = rise(server, before)
    assert more["gadus_cache_hits_total",] == 1
    assert ("gadus_staged_bytes_total", "source=inline") not in more


async def test_errors_of_s3_are_counted_by_cause_also_those_that_a_further_try_mended(
    server: WatchedServer, bucket: Bucket, proxy: FaultProxy
):
    bucket.put("d/a", b"abc")
    proxy.add(slow_down(), key="d/a", times=2)

    def job(key: str) -> dict[str, Any]:
        where = {"Bucket": bucket.name, "Key": key, "Endpoint": proxy.server.endpoint}
        return wasm_job("print", inputs=({"Source": {"Type": "s3", "Params": where}, "Target": "/in"},))

    before = server.figures()
    await asyncio.to_thread(server.run, job("d/a"))
    more = rise(server, before)
    assert more["gadus_s3_errors_total", "cause=throttled"] == 2
    assert more["gadus_staged_bytes_total", "source=s3"] == 3
    await asyncio.to_thread(server.run, job("d/nothing"), "Failed")
    more = rise(server, before)
    assert more["gadus_s3_errors_total", "cause=missing"] == 1
    assert more["gadus_executions_total", "engine=wasm", "error=InputUnreadable", "state=failed"] == 1


def test_executions_that_run_and_clients_that_follow_are_counted_as_long_as_they_do(server: WatchedServer):
    job_id = server.submit(wasm_job("forever"))
    eventually(lambda: server.figures()["gadus_executions_running",] == 1)
    follower = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    follower.request("GET", f"{JOBS}/{job_id}/logs?follow=true")
    follower.getresponse()
    eventually(lambda: server.figures()["gadus_log_followers",] == 1)
    server("DELETE", f"{JOBS}/{job_id}")
    eventually(lambda: (server.figures()["gadus_executions_running",], server.figures()["gadus_log_followers",]) == (0, 0))
    follower.close()


def test_requests_are_counted_by_the_template_of_their_route_whatever_clients_send(server: WatchedServer):
    before = server.figures()
    for number in range(30):
        server("GET", f"{JOBS}/x-{number}")
        server("GET", f"/nowhere/{number}")
        server(("LOCK", "PROPFIND", "TRACE")[number % 3], "/livez")
    found = {
        ("method=GET", f"route={JOBS}/{{job}}", "status=404"): 30,
        ("method=GET", "route=none", "status=404"): 30,
        ("method=other", "route=/livez", "status=405"): 30,
    }

    def counted() -> dict[tuple[str, ...], float]:
        routes = {route for _, route, _ in found}
        more = rise(server, before).items()
        return {key[1:]: value for key, value in more if key[0] == "gadus_http_requests_total" and key[2] in routes}

    # A request is counted when it is over, which may be a moment after the client has all of it.
    eventually(lambda: counted() == found)


def test_figures_of_the_process_are_there(server: WatchedServer):
    assert server.figures()["process_resident_memory_bytes",] > 1e7


def test_jobs_by_state_are_those_of_the_store_whoever_put_them_there(server: WatchedServer):
    before = server.figures()
    event = Submitted(at=time.time(), job_id="j-other", spec=JobSpec.model_validate(wasm_job("print")), attended=True)
    job, _ = decide(None, event)
    with open_store(server.data_dir / "gadus.db") as store:
        store.append(None, job, event)
    assert rise(server, before)["gadus_jobs", "state=queued", "type=batch"] == 1


def test_server_is_ready_when_its_store_can_be_written_and_says_for_how_long_it_is_not(server: WatchedServer):
    status, body, _ = server("GET", "/readyz")
    assert (status, json.loads(body)) == (200, {"Status": "OK"})
    assert server("GET", "/livez")[1] == b"OK"
