"""Network types of every version of Bacalhau, as each version can read them."""

from __future__ import annotations

import pytest
from running import API, Running, wasm_job

NOWHERE = {"Constraints": [{"Key": "nowhere", "Operator": "=", "Values": ["yes"]}]}
OLD = ["v1.4.0", "v1.6.3"]
NEW = ["", "v1.6.4", "v1.9.3"]


def submitted(server: Running, kind: str) -> str:
    """A job that waits for a node that there is not."""
    task = {"Engine": {"Type": "docker", "Params": {"Image": "busybox"}}, "Network": {"Type": kind}}
    return server.submit(wasm_job(name=f"net-{kind}", task=task, **NOWHERE))


def told(server: Running, job_id: str, version: str) -> set[str]:
    """Its network type, wherever jobs are told of."""
    headers = {"X_Bacalhau_Git_Version": version} if version else {}
    listed = [job for job in server.get("/jobs", **headers)["Items"] if job["ID"] == job_id]
    jobs = [
        server.get(f"/jobs/{job_id}", **headers)["Job"],
        *listed,
        *server.get(f"/jobs/{job_id}/versions", **headers)["Items"],
    ]
    assert len(jobs) == 3
    return {job["Tasks"][0]["Network"]["Type"] for job in jobs}


@pytest.mark.parametrize(
    ("asked", "old", "new"),
    [
        ("None", "None", "None"),
        ("default", "None", "None"),
        ("Full", "Full", "Full"),
        ("Host", "Full", "Full"),
        ("Bridge", "Full", "Bridge"),
    ],
)
def test_type_is_taken_and_told_in_a_word_that_the_client_knows(server: Running, asked: str, old: str, new: str):
    job_id = submitted(server, asked)
    assert [told(server, job_id, version) for version in (*OLD, *NEW)] == [{old}] * len(OLD) + [{new}] * len(NEW)
    server("DELETE", f"{API}/jobs/{job_id}", {})


def test_type_that_is_none_is_refused_with_those_there_are(server: Running):
    task = {"Engine": {"Type": "docker", "Params": {"Image": "busybox"}}, "Network": {"Type": "Mesh"}}
    answer = server("PUT", f"{API}/jobs", {"Job": wasm_job(task=task)})
    assert (answer.status, "Network.Type" in answer.document["Message"]) == (400, True)


@pytest.mark.parametrize("kind", ["Bridge", "Host", "Full"])
def test_module_can_have_no_network(server: Running, kind: str):
    answer = server("PUT", f"{API}/jobs", {"Job": wasm_job("return", task={"Network": {"Type": kind}})})
    assert answer.status == 400
    assert "WebAssembly programs have no network" in answer.document["Message"]
