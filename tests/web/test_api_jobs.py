"""Jobs over the REST API of a real server, as clients of Bacalhau send them."""

from __future__ import annotations

import json
import re
import tarfile
import urllib.request
from io import BytesIO
from uuid import uuid4

import pytest
from running import API, Running, eventually, wasm_job


@pytest.fixture(scope="module")
def finished(server: Running) -> str:
    """The id of a job that wrote to both streams and ended with 0."""
    job_id = server.submit(wasm_job("print", "one\ntwo\n", "to stderr", name="speaks", Labels={"team": "data"}))
    server.wait_for(job_id, "Completed", "Failed")
    return job_id


def test_job_runs_and_everything_is_told(server: Running, finished: str):
    document = server.get(f"/jobs/{finished}?include=executions%2Chistory")
    job, execution = document["Job"], document["Executions"]["Items"][0]
    assert job["State"] == {"StateType": "Completed"}
    assert isinstance(job["CreateTime"], int)
    assert job["CreateTime"] < job["ModifyTime"]
    assert (execution["JobID"], execution["ComputeState"]["StateType"]) == (finished, 7)
    assert execution["RunOutput"]["Stdout"] == "one\ntwo\n"
    assert execution["RunOutput"]["stderr"] == "to stderr"
    assert document["History"]["Items"][0]["Comment"] == "Job submitted"
    assert document["History"]["Items"][-1]["JobState"] == {"Previous": "Running", "New": "Completed"}
    assert set(server.get(f"/jobs/{finished}")) == {"Job"}


def test_answer_to_a_submission_is_that_of_the_contract(server: Running):
    answer = server("POST", f"{API}/jobs", {"job": wasm_job("return"), "namespace": "", "credential": None})
    assert re.fullmatch(r"j-[0-9a-f-]{36}", answer.document["JobID"])
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.document["EvaluationID"])
    assert answer.document["Warnings"] is None
    assert answer.headers["Content-Type"] == "application/json"


def test_fields_that_a_go_client_always_sends_are_no_reason_for_a_warning(server: Running):
    empty = {"ID": "", "Namespace": "", "Priority": 0, "Constraints": None, "Meta": None, "Labels": None, "Version": 0}
    more = {"State": {"StateType": "Undefined"}, "Revision": 0, "CreateTime": 0, "ModifyTime": 0}
    task = {"Publisher": {"Type": ""}, "Resources": {}, "Network": {"Type": "None"}, "Timeouts": {}}
    job = wasm_job("return", task=task) | empty | more
    job.pop("Namespace")
    answer = server("PUT", f"{API}/jobs", {"Namespace": "", "Credential": None, "IdempotencyToken": "", "Job": job})
    assert (answer.status, answer.document["Warnings"]) == (200, None)
    answer = server("PUT", f"{API}/jobs", {"Job": job | {"ID": "j-mine", "Version": 3}})
    assert answer.document["Warnings"] == [
        "job ID is ignored when submitting a batch job",
        "job version is ignored when submitting a job",
    ]


def test_same_key_gives_the_same_job(server: Running):
    key = str(uuid4())
    once = server("PUT", f"{API}/jobs", {"Job": wasm_job("return"), "IdempotencyToken": key}).document["JobID"]
    again = server("PUT", f"{API}/jobs", {"Job": wasm_job("return"), "idempotencyToken": key}).document["JobID"]
    by_header = server("PUT", f"{API}/jobs", {"Job": wasm_job("return")}, Idempotency_Key=key).document["JobID"]
    other = server.submit(wasm_job("return"))
    assert once == again == by_header != other


def test_job_is_found_by_id_short_id_and_name(server: Running, finished: str):
    slashed = server.submit(wasm_job("return", name="a/b c"))
    for path, job_id in ((finished, finished), (finished[:10], finished), ("speaks", finished), ("a%2Fb%20c", slashed)):
        assert server.get(f"/jobs/{path}")["Job"]["ID"] == job_id
    ambiguous = server("GET", f"{API}/jobs/j-")
    assert ambiguous.status == 409
    assert "multiple jobs found" in ambiguous.document["Message"]


def test_list_is_paged_in_both_directions_and_by_labels(server: Running):
    mark = {"page": uuid4().hex[:8]}
    query = f"labels=page%3D{mark['page']}&labels=bacalhau_canary%21%3Dtrue&order_by=created_at"
    made = [server.submit(wasm_job("return", Labels=mark)) for _ in range(5)]
    for reverse, expected in (("False", made), ("true", made[::-1])):
        seen, token = [], ""
        while True:
            page = server.get(f"/jobs?{query}&limit=2&reverse={reverse}&next_token={token}")
            assert len(page["Items"]) <= 2
            seen += [job["ID"] for job in page["Items"]]
            token = page["NextToken"]
            if not token:
                break
        assert seen == expected
    assert server.get("/jobs?labels=page%3Dnone") == {"NextToken": "", "Items": []}
    assert server("GET", f"{API}/jobs?next_token=never").status == 400


def test_stop_ends_a_running_job_and_tells_the_reason(server: Running):
    job_id = server.submit(wasm_job("forever"))
    eventually(lambda: server.get(f"/jobs/{job_id}/executions")["Items"])
    answer = server("DELETE", f"{API}/jobs/{job_id}", {"Namespace": "", "reason": "not needed"})
    assert set(answer.document) == {"EvaluationID"}
    assert server.get(f"/jobs/{job_id}")["Job"]["State"] == {"StateType": "Stopped", "Message": "not needed"}
    eventually(lambda: server.get(f"/jobs/{job_id}/executions")["Items"][0]["ComputeState"]["StateType"] == 9)
    again = server("DELETE", f"{API}/jobs/{job_id}?reason=None", {})
    assert again.status == 200


def test_ended_job_cannot_be_stopped(server: Running, finished: str):
    answer = server("DELETE", f"{API}/jobs/{finished}")
    assert (answer.status, answer.document["Code"]) == (409, "ResourceInUse")
    assert answer.document["Message"] == "cannot stop job in state completed"


def test_job_runs_again_as_its_next_version(server: Running):
    job_id = server.submit(wasm_job("exit", "3"))
    server.wait_for(job_id, "Completed")
    answer = server("PUT", f"{API}/jobs/{job_id}/rerun", {"JobVersion": 1, "Reason": "once more"})
    assert (answer.document["JobID"], answer.document["JobVersion"]) == (job_id, 2)
    server.wait_for(job_id, "Completed")
    executions = server.get(f"/jobs/{job_id}/executions?order_by=create_time")["Items"]
    assert [(one["JobVersion"], one["RunOutput"]["ExitCode"]) for one in executions] == [(1, 3), (2, 3)]
    assert [one["Version"] for one in server.get(f"/jobs/{job_id}/versions")["Items"]] == [1, 2]
    assert server("PUT", f"{API}/jobs/{job_id}/rerun", {"JobVersion": 9}).status == 404


def test_same_name_is_the_same_job_to_clients_since_1_8(server: Running):
    name = f"named-{uuid4().hex[:8]}"
    late = {"X_Bacalhau_Git_Version": "v1.9.3"}
    first = server.submit(wasm_job("return", name=name), **late)
    assert server.submit(wasm_job("exit", "0", name=name), **late) == first
    unchanged = server("PUT", f"{API}/jobs", {"Job": wasm_job("exit", "0", name=name)}, **late)
    assert (unchanged.status, "no changes detected" in unchanged.document["Message"]) == (409, True)
    forced = server("PUT", f"{API}/jobs", {"Job": wasm_job("exit", "0", name=name), "Force": True}, **late)
    assert forced.document["JobID"] == first
    assert server.get(f"/jobs/{first}")["Job"]["Version"] == 3
    assert server.submit(wasm_job("return", name=name), X_Bacalhau_Git_Version="v1.4.0") != first


def test_history_goes_on_for_late_clients_until_the_job_has_ended(server: Running):
    late = {"X_Bacalhau_Git_Version": "v1.9.3"}
    job_id = server.submit(wasm_job("forever"), **late)
    eventually(lambda: server.get(f"/jobs/{job_id}/executions")["Items"])
    page = server.get(f"/jobs/{job_id}/history?event_type=all&limit=1000", **late)
    assert page["NextToken"]
    assert server.get(f"/jobs/{job_id}/history?event_type=all")["NextToken"] == ""
    server("DELETE", f"{API}/jobs/{job_id}")
    token, rest = page["NextToken"], []

    def ended() -> bool:
        nonlocal token
        following = server.get(f"/jobs/{job_id}/history?event_type=all&limit=1&next_token={token}", **late)
        rest.extend(following["Items"])
        token = following["NextToken"]
        return not token

    eventually(ended)
    numbers = [item["SeqNum"] for item in page["Items"] + rest]
    assert numbers == list(range(1, len(numbers) + 1))


def test_history_is_chosen_by_kind_time_and_execution(server: Running, finished: str):
    items = server.get(f"/jobs/{finished}/history")["Items"]
    of_executions = [item for item in items if item["Type"] == "ExecutionLevel"]
    assert server.get(f"/jobs/{finished}/history?event_type=execution&execution_id=&node_id=")["Items"] == of_executions
    short = of_executions[0]["ExecutionID"][:10]
    assert server.get(f"/jobs/{finished}/history?execution_id={short}")["Items"] == of_executions
    assert server.get(f"/jobs/{finished}/history?since=9999999999")["Items"] == []
    assert server("GET", f"{API}/jobs/{finished}/history?event_type=other").status == 400


def test_results_are_fetched_as_one_archive(server: Running):
    job = wasm_job("write", "/out/x", "text", task={"ResultPaths": [{"Name": "out", "Path": "/out"}]})
    job_id = server.submit(job)
    server.wait_for(job_id, "Completed")
    (item,) = server.get(f"/jobs/{job_id}/results")["Items"]
    assert item["Type"] == "urlDownload"
    assert item["Params"]["URL"].endswith(".tar.gz")
    with urllib.request.urlopen(item["Params"]["URL"], timeout=60) as answer:
        assert answer.headers["Content-Disposition"].startswith("attachment")
        content = answer.read()
    with tarfile.open(fileobj=BytesIO(content)) as archive:
        names = archive.getnames()
        assert {"stdout", "stderr", "exitCode", "out", "out/x"} <= set(names)
        assert names.index("out") < names.index("out/x")
        kept = archive.extractfile("out/x")
        assert kept is not None
        assert kept.read().decode().strip() == "text"


def test_logs_are_sent_while_they_grow(server: Running, finished: str):
    whole = server("GET", f"{API}/jobs/{finished}/logs")
    assert sorted(whole.body.splitlines()) == [b"one", b"to stderr", b"two"]
    assert whole.headers["Content-Type"] == "text/plain; charset=utf-8"
    job_id = server.submit(wasm_job("forever"))
    with urllib.request.urlopen(f"{server.url}{API}/jobs/{job_id}/logs?follow=true", timeout=60) as growing:
        assert growing.readline() == b"running\n"
        server("DELETE", f"{API}/jobs/{job_id}")
        assert growing.read() == b""


def test_why_names_every_node_with_its_reason(server: Running):
    job = wasm_job("return", task={"Resources": {"CPU": "9999"}, "Timeouts": {"QueueTimeout": 600}})
    job_id = server.submit(job)
    why = server.get(f"/jobs/{job_id}/why")
    assert why["Waiting"] == 1
    assert "not enough nodes to run job" in why["Why"]
    assert "job requires more CPU (9999)" in why["Why"]
    assert server.state(job_id) in ("Pending", "Queued")


def test_executions_are_sorted_and_cut(server: Running):
    job_id = server.submit(wasm_job("return", Count=3))
    server.wait_for(job_id, "Completed")
    ids = [one["ID"] for one in server.get(f"/jobs/{job_id}/executions?order_by=id")["Items"]]
    assert ids == sorted(ids)
    assert len(ids) == 3
    cut = server.get(f"/jobs/{job_id}/executions?order_by=id&reverse=True&limit=2&next_token=&namespace=")
    assert [one["ID"] for one in cut["Items"]] == ids[:0:-1]
    assert server("GET", f"{API}/jobs/{job_id}/executions?order_by=colour").status == 400


def test_pretty_documents_are_the_same(server: Running, finished: str):
    pretty = server("GET", f"{API}/jobs/{finished}?pretty").body
    assert b'\n  "Job": {' in pretty
    assert json.loads(pretty) == server.get(f"/jobs/{finished}")
