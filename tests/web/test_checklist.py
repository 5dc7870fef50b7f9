"""What a server needs so that clients of Bacalhau can use it: the checklist of the contract, line by line."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from running import API, Running, eventually, wasm_job
from websockets.sync.client import connect

OLD = {"X_Bacalhau_Git_Version": "v1.4.0"}
LATE = {"X_Bacalhau_Git_Version": "v1.9.3"}
GENERATED = {"User_Agent": "Swagger-Codegen//python"}
RECORDED = Path(__file__).parent / "replay"


@pytest.fixture(scope="module")
def finished(server: Running) -> str:
    """The id of a job that wrote a line to each stream."""
    job_id = server.submit(wasm_job("print", "one\n", "two\n"))
    server.wait_for(job_id, "Completed", "Failed")
    return job_id


def recorded_commands(version: str) -> set[str]:
    commands = yaml.safe_load((RECORDED / f"cli-{version}.yaml").read_text())["commands"]
    return {word for command in commands for word in (command, command.split(" --")[0])}


def test_1_fresh_client_of_1_4_is_served_in_every_command(server: Running):
    """The replay plays these; before the first of them the client asks how to sign in."""
    needed = {"agent alive", "node list", "docker run", "wasm run", "version"}
    needed |= {f"job {one}" for one in ("list", "describe", "executions", "history", "logs", "get", "stop")}
    assert needed <= recorded_commands("1.4.0")
    methods = server("GET", "/api/v1/auth", **OLD).document["Methods"]
    assert [one["type"] for one in methods.values()] in (["challenge"], ["ask"])
    assert server("POST", "/api/v1/version", {"client_id": "ab" * 32}).document["build_version_info"]["GitVersion"]


def test_2_client_of_1_9_waits_to_the_end_and_sees_unknown_routes(server: Running):
    assert {"wasm run", "job describe", "agent config"} <= recorded_commands("1.9.3")
    job_id = server.submit(wasm_job("forever"), **LATE)
    assert server.get(f"/jobs/{job_id}/history?event_type=all", **LATE)["NextToken"]
    server("DELETE", f"{API}/jobs/{job_id}")
    eventually(lambda: not server.get(f"/jobs/{job_id}/history?event_type=all", **LATE)["NextToken"])
    unknown = server("GET", "/api/v1/agent/license", **LATE)
    assert (unknown.status, unknown.document["Status"], unknown.document["Code"]) == (404, 404, "NotFound")


def test_3_generated_client_gets_what_it_can_read(server: Running, finished: str):
    """Every call is in the tests of the packages themselves; here, what they would stumble over without a word."""
    stopped = server.submit(wasm_job("forever"))
    answer = server("DELETE", f"{API}/jobs/{stopped}?reason=None", {}, **GENERATED)
    assert (answer.status, list(answer.document)) == (200, ["EvaluationID"])
    eventually(lambda: server.state(stopped) == "Stopped")
    assert "None" not in server.get(f"/jobs/{stopped}")["Job"]["State"]["Message"]
    for path in (
        f"/jobs/{stopped}/results",
        f"/jobs/{finished}/history?execution_id=none",
        "/jobs?labels=none",
        "/jobs?limit=5",
    ):
        assert isinstance(server.get(path, **GENERATED)["Items"], list)
    job = server.get(f"/jobs/{finished}?include=&limit=10", **GENERATED)["Job"]
    assert {type(job[name]) for name in ("CreateTime", "ModifyTime", "Version", "Revision")} == {int}


def test_4_each_client_reads_completed(server: Running, finished: str):
    def state(**client: str) -> int:
        (one,) = server.get(f"/jobs/{finished}/executions", **client)["Items"]
        return int(one["ComputeState"]["StateType"])

    assert [state(**OLD), state(**GENERATED), state(X_Bacalhau_Git_Version="v1.5.1")] == [7, 7, 7]
    assert [state(**LATE), state(User_Agent="Mozilla/5.0"), state(X_Bacalhau_Git_Version="v1.5.2")] == [9, 9, 9]


def test_5_short_ids_work_everywhere_and_what_is_not_one_is_an_error(server: Running, finished: str):
    short = finished[:10]
    for part in ("", "/executions", "/history", "/results", "/logs", "/versions", "/why"):
        assert server("GET", f"{API}/jobs/{short}{part}").status == 200, part
        unknown = server("GET", f"{API}/jobs/j-ffffffff{part}")
        assert (unknown.status, unknown.document["Code"]) == (404, "NotFound"), part
    server.submit(wasm_job("return"))
    ambiguous = server("GET", f"{API}/jobs/j-")
    assert ambiguous.status == 409
    assert ambiguous.document["error"] == ambiguous.document["Message"]
    assert server("DELETE", f"{API}/jobs/j-ffffffff").status == 404


def test_6_log_socket_follows_replays_and_tells_errors_and_always_ends_well(server: Running, finished: str):
    running = server.submit(wasm_job("forever"))
    at = f"ws{server.url.removeprefix('http')}{API}/jobs"
    with connect(f"{at}/{running}/logs?follow=true", proxy=None, open_timeout=60) as follows:
        assert json.loads(follows.recv(60)) == {"value": {"Type": 1, "Line": "running\n"}}
        server("DELETE", f"{API}/jobs/{running}")
        assert list(follows) == []
    with connect(f"{at}/{finished}/logs", proxy=None, open_timeout=60) as replay:
        assert list(replay) == ['{"value":{"Type":1,"Line":"one\\n"}}\n', '{"value":{"Type":2,"Line":"two\\n"}}\n']
    with connect(f"{at}/j-ffffffff/logs", proxy=None, open_timeout=60) as missing:
        (frame,) = (json.loads(text) for text in missing)
        assert "job not found" in frame["error"]
    assert [one.close_code for one in (follows, replay, missing)] == [1000, 1000, 1000]


def test_7_results_are_an_archive_that_unpacks_or_none(server: Running, tmp_path: Path):
    """Publishers that are offered: `local`, and none; both keep results here."""
    task: dict[str, Any] = {"Publisher": {"Type": "local"}, "ResultPaths": [{"Name": "out", "Path": "/out"}]}
    job_id = server.submit(wasm_job("write", "/out/x", "text", task=task))
    server.wait_for(job_id, "Completed")
    (item,) = server.get(f"/jobs/{job_id}/results")["Items"]
    assert item["Type"] == "urlDownload"
    assert urlsplit(item["Params"]["URL"]).path.endswith(".tar.gz")
    with urllib.request.urlopen(item["Params"]["URL"], timeout=60) as fetched:
        (tmp_path / "a.tar.gz").write_bytes(fetched.read())
    subprocess.run([sys.executable, "-m", "tarfile", "-e", "a.tar.gz", "unpacked"], cwd=tmp_path, check=True, timeout=60)
    assert (tmp_path / "unpacked" / "exitCode").read_text().strip() == "0"
    assert (tmp_path / "unpacked" / "out" / "x").read_text().strip() == "text"
    waiting = server.submit(wasm_job("forever"))
    assert server.get(f"/jobs/{waiting}/results") == {"NextToken": "", "Items": []}
    server("DELETE", f"{API}/jobs/{waiting}")


def test_8_bodies_are_taken_as_clients_write_them(server: Running):
    whole = wasm_job(
        "return", Constraints=None, Meta=None, Labels=None, task={"Publisher": None, "Env": None, "ResultPaths": None}
    )
    low = {name.lower(): value for name, value in wasm_job("return").items()}
    for body in (
        {"Job": whole, "Namespace": None, "Credential": {"Scheme": "Bearer", "Value": "x", "Params": None}},
        {"job": low, "idempotencyToken": "", "namespace": "", "credential": None},
        {"Job": {"Type": "batch", "Tasks": wasm_job("return")["Tasks"]}},
    ):
        assert server("PUT", f"{API}/jobs", body).status == 200, body
    assert server("GET", f"{API}/jobs?limit=1", Content_Type="application/json").status == 200


def test_9_successes_are_200_and_json_over_one_connection(server: Running, finished: str):
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    connection.connect()
    first = connection.sock
    for path in ("/agent/alive", "/agent/version", "/agent/node", "/agent/config", "/auth", "/healthz", "/node_info"):
        assert_answered(connection, f"/api/v1{path}")
    for part in ("", "/executions", "/history", "/results", "/versions"):
        assert_answered(connection, f"{API}/jobs/{finished}{part}")
    assert connection.sock is first
    connection.close()


def assert_answered(connection: http.client.HTTPConnection, path: str) -> None:
    connection.request("GET", path)
    answer = connection.getresponse()
    assert (answer.status, answer.version, answer.headers["Content-Type"]) == (200, 11, "application/json"), path
    assert json.loads(answer.read())
