"""A job can be followed through its phases in the traces of a collector."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from collector import Collector, collector
from watched_server import JOBS, WatchedServer, eventually, inline_input, wasm_job, watched_server

CLIENT = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
WHOLE = {"job", "submit", "execution", "queue", "stage", "input", "prepare", "run", "publish"}


@pytest.fixture(scope="module")
def kept() -> Iterator[Collector]:
    with collector() as one:
        yield one


@pytest.fixture(scope="module")
def traced(kept: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedServer]:
    with watched_server(tmp_path_factory.mktemp("traced"), OTEL_EXPORTER_OTLP_ENDPOINT=kept.endpoint) as running:
        yield running


def test_job_is_one_trace_from_its_submission_to_its_results_within_that_of_the_client(traced: WatchedServer, kept: Collector):
    began = time.time()
    job_id = traced.run(wasm_job("print", "hi", inputs=(inline_input(b"12345"),)), traceparent=f"00-{'-'.join(CLIENT)}-01")
    eventually(lambda: set(kept.of(job_id)) >= WHOLE)
    spans = kept.of(job_id)
    assert {name: len(found) for name, found in spans.items()} == dict.fromkeys(WHOLE, 1)
    one = {name: found[0] for name, found in spans.items()}
    assert {span.trace for span in one.values()} == {CLIENT[0]}
    assert one["job"].parent == CLIENT[1]
    assert {one["submit"].parent, one["execution"].parent} == {one["job"].id}
    assert {one[name].parent for name in ("queue", "stage", "prepare", "run", "publish")} == {one["execution"].id}
    assert one["input"].parent == one["stage"].id
    assert len({span.id for span in one.values()}) == len(WHOLE)
    assert {span.service for span in one.values()} == {"gadus"}
    assert kept.paths == {"/v1/traces"}
    for span in one.values():
        assert began - 1 < span.start <= span.end < time.time() + 1, span
    assert one["queue"].end <= one["stage"].start <= one["run"].start <= one["publish"].start <= one["execution"].end
    about = one["input"].about
    assert (about["gadus.input.source"], about["gadus.input.bytes"], about["gadus.input.objects"]) == ("inline", 5, 1)
    assert about["gadus.input.cached"] == "false"
    assert one["execution"].about["gadus.exit_code"] == 0


def test_execution_that_fails_says_so_in_the_phase_that_failed(traced: WatchedServer, kept: Collector):
    nowhere = {"Source": {"Type": "urlDownload", "Params": {"URL": "http://127.0.0.1:9/x"}}, "Target": "/in"}
    job_id = traced.submit(wasm_job("print", inputs=(nowhere,)))
    eventually(lambda: any(span.trouble for span in kept.of(job_id).get("stage", [])))
    traced("DELETE", f"{JOBS}/{job_id}")
    spans = kept.of(job_id)
    assert "StorageUnavailable" in spans["execution"][0].trouble
    assert "run" not in spans


def test_job_without_a_trace_has_one_of_its_own_and_who_asks_for_none_gets_none(traced: WatchedServer, kept: Collector):
    untraced = traced.run(wasm_job("print"), traceparent=f"00-{'-'.join(CLIENT)}-00")
    wrong = traced.run(wasm_job("print"), traceparent="00-nonsense-01")
    eventually(lambda: "job" in kept.of(wrong))
    assert kept.of(wrong)["job"][0].parent == ""
    assert kept.of(wrong)["job"][0].trace != CLIENT[0]
    assert not kept.of(untraced)


def test_collector_that_is_away_disturbs_no_job_and_is_told_of_once(tmp_path):
    with watched_server(tmp_path, GADUS_OTLP_ENDPOINT="http://127.0.0.1:9") as server:
        server.run(wasm_job("print"))
        eventually(lambda: any(one["event"] == "traces cannot be sent" for one in server.lines()))
        server.run(wasm_job("print"))
    told = [one for one in server.lines() if "trace" in one["event"] or one.get("logger", "").startswith("opentelemetry")]
    assert len(told) == 1
    assert server.process.returncode == 0


def test_trace_goes_on_when_another_server_takes_the_job_over(kept: Collector, tmp_path):
    with watched_server(tmp_path, GADUS_OTLP_ENDPOINT=kept.endpoint) as first:
        job_id = first.submit(wasm_job("forever"), traceparent=f"00-{CLIENT[0][::-1]}-{CLIENT[1]}-01")
        eventually(lambda: "queue" in kept.of(job_id) and first("GET", f"{JOBS}/{job_id}/logs")[1])
        first.process.kill()
        first.process.wait()
    taken_over = time.time()
    with watched_server(tmp_path, GADUS_OTLP_ENDPOINT=kept.endpoint) as second:
        second("DELETE", f"{JOBS}/{job_id}")
        eventually(lambda: {"job", "run"} <= set(kept.of(job_id)))
    spans = kept.of(job_id)
    assert spans["queue"][0].parent == spans["execution"][0].id == spans["run"][0].parent
    assert spans["submit"][0].parent == spans["job"][0].id == spans["execution"][0].parent
    # When the program began was told by its node, and not to the server that saw its end.
    assert spans["run"][0].start < taken_over < spans["run"][0].end
    assert "Stopped" in spans["run"][0].trouble
