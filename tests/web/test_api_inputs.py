"""What a job read and what became of it: the parts of the documents that Bacalhau's do not have."""

from __future__ import annotations

import json

import pytest
from running import API, Running, wasm_job


@pytest.fixture(scope="module")
def read(server: Running) -> str:
    """The id of a job with one input that came with it, whose program ended well."""
    source = {"Source": {"Type": "inline", "Params": {"URL": "data:,hello"}}, "Target": "/inputs/greeting"}
    job_id = server.submit(wasm_job("return", task={"InputSources": [source]}))
    server.wait_for(job_id, "Completed", "Failed")
    return job_id


def test_execution_tells_its_receipt_and_that_it_has_no_error(server: Running, read: str):
    execution = server.get(f"/jobs/{read}/executions")["Items"][0]
    assert list(execution)[-3:] == ["Phase", "Error", "Receipt"]
    assert execution["Error"] is None
    assert execution["Receipt"]["inputs"][0]["target"] == "/inputs/greeting"
    assert execution["RunOutput"]["ExitCode"] == 0


def test_execution_tells_its_error_apart_in_kind_message_and_way_out(server: Running):
    broken = {"Type": "wasm", "Params": {"EntryModule": {"Source": {"Type": "inline", "Params": {"URL": "data:,x"}}}}}
    job_id = server.submit(wasm_job(task={"Engine": broken}))
    server.wait_for(job_id, "Failed")
    error = server.get(f"/jobs/{job_id}/executions")["Items"][0]["Error"]
    assert set(error) == {"Kind", "Message", "Hint"}
    assert error["Kind"] == "ProgramUnusable"
    assert error["Hint"]


def test_inputs_are_described_when_they_are_asked_for_and_sent_whole(server: Running, read: str):
    assert "Manifests" not in server.get(f"/jobs/{read}?include=executions")
    (manifest,) = server.get(f"/jobs/{read}?include=manifests")["Manifests"]
    assert list(manifest) == ["Target", "Location", "Digest", "Objects", "Bytes", "Exact", "Items", "ItemsLeftOut"]
    assert (manifest["Target"], manifest["Objects"], manifest["Bytes"]) == ("/inputs/greeting", 1, 5)
    answer = server("GET", f"{API}/jobs/{read}/manifests/{manifest['Digest']}")
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert [json.loads(line) for line in answer.body.splitlines()] == manifest["Items"]


def test_manifest_of_another_job_is_not_found(server: Running, read: str):
    answer = server("GET", f"{API}/jobs/{read}/manifests/{'0' * 64}")
    assert (answer.status, answer.document["Code"]) == (404, "NotFound")
    assert "its manifests: " in answer.document["Hint"]
