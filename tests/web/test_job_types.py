"""Every type of job reaches what it asks for, over a real server with real programs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from running import API, Running, eventually, wasm_job

from gadus.shims.records import Records

ENDED = ("Completed", "Failed", "Stopped")
COMPLETED, FAILED = 7, 8


def executions(server: Running, job_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.get(f"/jobs/{job_id}/executions?limit=100")["Items"]
    return found


def job(server: Running, job_id: str) -> dict[str, Any]:
    found: dict[str, Any] = server.get(f"/jobs/{job_id}")["Job"]
    return found


def stopped(server: Running, job_id: str) -> None:
    answer = server("DELETE", f"{API}/jobs/{job_id}")
    assert answer.status == 200, answer.body
    server.wait_for(job_id, "Stopped")
    eventually(lambda: not [one for one in executions(server, job_id) if one["ComputeState"]["StateType"] == 5])


def running_shim(server: Running, job_id: str, index: int = 0) -> int:
    """The process of the living execution of that index."""

    def look() -> int:
        for one in executions(server, job_id):
            if one["PartitionIndex"] == index and one["ComputeState"]["StateType"] == 5:
                process = Records(server.data_dir / "shims", one["ID"]).process()
                return process.pid if process else 0
        return 0

    return int(eventually(look))


def test_batch_job_runs_every_index_once(server: Running):
    job_id = server.submit(wasm_job("environment", Count=3))
    server.wait_for(job_id, *ENDED)
    assert server.state(job_id) == "Completed"
    told = {one["PartitionIndex"]: one["RunOutput"]["Stdout"] for one in executions(server, job_id)}
    assert sorted(told) == [0, 1, 2]
    assert all(f"BACALHAU_PARTITION_INDEX={index}\n" in text for index, text in told.items())


def test_index_that_was_lost_is_run_again_alone(server: Running):
    job_id = server.submit(wasm_job("forever", Count=3))
    for index in range(3):
        running_shim(server, job_id, index)
    os.kill(running_shim(server, job_id, 1), signal.SIGKILL)

    def indexes() -> list[int]:
        return sorted(one["PartitionIndex"] for one in executions(server, job_id))

    eventually(lambda: indexes() == [0, 1, 1, 2])
    running_shim(server, job_id, 1)
    stopped(server, job_id)
    lost = [one for one in executions(server, job_id) if one["ComputeState"]["StateType"] == FAILED]
    assert [one["PartitionIndex"] for one in lost] == [1]


def test_what_no_retry_can_help_is_not_tried_again_and_the_first_error_is_shown(server: Running):
    broken = wasm_job("return")
    broken["Tasks"][0]["Engine"]["Params"]["EntryModule"]["Source"]["Params"]["URL"] = "data:application/wasm;base64,AAAA"
    job_id = server.submit(broken)
    server.wait_for(job_id, *ENDED)
    assert (server.state(job_id), len(executions(server, job_id))) == ("Failed", 1)
    assert "not a WebAssembly module" in job(server, job_id)["State"]["Message"]


def test_non_zero_exit_is_an_answer_and_no_failure(server: Running):
    job_id = server.submit(wasm_job("exit", "7"))
    server.wait_for(job_id, *ENDED)
    assert [one["RunOutput"]["ExitCode"] for one in executions(server, job_id)] == [7]
    assert server.state(job_id) == "Completed"


def test_ops_job_runs_once_on_the_node_that_matches(server: Running):
    job_id = server.submit(wasm_job("return", Type="ops", Constraints=[_linux("=")]))
    server.wait_for(job_id, *ENDED)
    assert (server.state(job_id), len(executions(server, job_id))) == ("Completed", 1)


def test_ops_job_that_no_node_matches_fails_at_once(server: Running):
    job_id = server.submit(wasm_job("return", Type="ops", Constraints=[_linux("!=")]))
    server.wait_for(job_id, *ENDED)
    assert job(server, job_id)["State"] == {"StateType": "Failed", "Message": "no matching nodes to run job"}


def test_many_that_no_node_could_run_are_told_of_once(server: Running):
    nowhere = {"Constraints": [{"Key": "nowhere", "Operator": "=", "Values": ["yes"]}]}
    waits = server.submit(wasm_job("return", Count=50, **nowhere, task={"Timeouts": {"QueueTimeout": 60}}))
    eventually(lambda: "Message" in job(server, waits)["State"])
    # Whatever else is to be told comes before the end.
    stopped(server, waits)
    topics = [item["Event"]["Topic"] for item in server.get(f"/jobs/{waits}/history")["Items"]]
    assert topics == ["Submission", "Queueing", "Scheduling"]


def test_service_is_kept_at_its_count(server: Running):
    job_id = server.submit(wasm_job("return", Type="service", Count=2))
    eventually(lambda: len(executions(server, job_id)) >= 5)
    assert {one["PartitionIndex"] for one in executions(server, job_id)} == {0, 1}
    assert server.state(job_id) in ("Running", "Queued")
    stopped(server, job_id)


def test_daemon_is_kept_on_its_node(server: Running):
    job_id = server.submit(wasm_job("forever", Type="daemon", Constraints=[_linux("=")]))
    os.kill(running_shim(server, job_id), signal.SIGKILL)
    eventually(lambda: len(executions(server, job_id)) == 2)
    running_shim(server, job_id)
    stopped(server, job_id)


def test_job_that_takes_longer_than_its_total_time_out_fails(server: Running):
    job_id = server.submit(wasm_job("forever", task={"Timeouts": {"TotalTimeout": 2}}))
    server.wait_for(job_id, *ENDED)
    assert job(server, job_id)["State"]["Message"] == "Job timed out. Job took longer than 2 s"
    eventually(lambda: server("GET", "/healthz").document["Running"] == 0)


def test_execution_time_out_counts_the_program_alone(server: Running):
    job_id = server.submit(wasm_job("forever", task={"Timeouts": {"ExecutionTimeout": 1}}))
    server.wait_for(job_id, *ENDED)
    assert job(server, job_id)["State"]["Message"] == "Execution timed out after 1.00 s"
    assert len(executions(server, job_id)) == 1


def test_waiting_job_is_stopped_before_it_ran(server: Running):
    blocking = server.submit(wasm_job("forever", task={"Resources": {"CPU": str(os.cpu_count())}}))
    running_shim(server, blocking)
    job_id = server.submit(wasm_job("return", task={"Resources": {"CPU": "1"}}))
    stopped(server, job_id)
    assert executions(server, job_id) == []
    stopped(server, blocking)


def test_command_line_and_server_share_a_directory(server: Running):
    def gadus(*words: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "gadus", "--data-dir", str(server.data_dir), *words]
        return subprocess.run(command, capture_output=True, timeout=60, check=True)

    job_id = server.submit(wasm_job("forever"))
    running_shim(server, job_id)
    # A job of the process itself, with the server beside it.
    module = Path(__file__).parents[1] / "engines/wasm_programs/probe.wasm"
    own = json.loads(gadus("wasm", "run", "--json", str(module), "print", "mine").stdout)["job_id"]
    assert server.state(own) == "Completed"
    assert len(executions(server, own)) == 1
    gadus("job", "stop", job_id)
    server.wait_for(job_id, "Stopped")
    eventually(lambda: server("GET", "/healthz").document["Running"] == 0)


def _linux(operator: str) -> dict[str, Any]:
    return {"Key": "Operating-System", "Operator": operator, "Values": ["linux"]}
