"""Every way to fail over the REST API has its status, and one form that old and new clients read."""

from __future__ import annotations

import pytest
from running import API, Running, wasm_job


@pytest.mark.parametrize(
    ("method", "path", "document", "status", "code", "said"),
    [
        ("GET", "/api/v1/nope", None, 404, "NotFound", "there is no GET /api/v1/nope"),
        ("PATCH", f"{API}/jobs", {}, 405, "BadRequest", "there is no PATCH"),
        ("GET", f"{API}/jobs/j-nobody", None, 404, "NotFound", "job not found: j-nobody"),
        ("DELETE", f"{API}/jobs/j-nobody", {}, 404, "NotFound", "job not found: j-nobody"),
        ("GET", f"{API}/nodes/nobody", None, 404, "NotFound", "node not found: nobody"),
        ("GET", f"{API}/jobs?limit=many", None, 400, "ValidationError", "limit: 'many'"),
        ("GET", f"{API}/jobs?reverse=perhaps", None, 400, "ValidationError", "reverse: 'perhaps'"),
        ("GET", f"{API}/jobs?labels=a+b", None, 400, "ValidationError", "is not an operator"),
        ("PUT", f"{API}/jobs", {}, 400, "ValidationError", "Job: must be given"),
        ("PUT", f"{API}/jobs", {"Job": {"Type": "other"}}, 400, "ValidationError", 'invalid job type: "other"'),
        ("PUT", f"{API}/jobs", {"Job": wasm_job("x", Count=-1)}, 400, "ValidationError", "Count"),
        ("PUT", f"{API}/jobs", b"{", 400, "ValidationError", "the body is not JSON"),
        ("PUT", f"{API}/jobs", b" " * (1 << 20) + b"{}", 413, "BadRequest", "more than 1048576 bytes"),
    ],
)
def test_error_has_its_status_and_says_what_is_wrong(server: Running, method, path, document, status, code, said):
    answer = server(method, path, document, X_Request_Id="mine-1")
    told = answer.document
    assert (answer.status, told["Status"], told["Code"]) == (status, status, code)
    assert said in told["Message"]
    assert told["message"] == told["Message"] == told["error"]
    assert (told["RequestID"], answer.headers["X-Request-Id"]) == ("mine-1", "mine-1")
    assert told["Component"]
    assert answer.headers["Content-Type"] == "application/json"
    assert b"Traceback" not in answer.body


def test_wrong_method_is_told_which_there_are(server: Running):
    allowed = server("PATCH", f"{API}/jobs").headers["Allow"]
    assert {word.strip() for word in allowed.split(",")} == {"GET", "HEAD", "PUT", "POST"}


def test_body_of_another_type_is_refused(server: Running):
    answer = server("PUT", f"{API}/jobs", b"{}", Content_Type="text/plain")
    assert (answer.status, answer.document["Status"]) == (415, 415)


def test_field_that_is_wrong_is_named(server: Running):
    job = wasm_job("return", task={"Resources": {"CPU": "much"}, "InputSource": []})
    said = server("PUT", f"{API}/jobs", {"Job": job}).document["Message"]
    assert "Tasks[0].Resources.CPU" in said
    assert "InputSources" in said


def test_pages_of_other_sites_are_kept_out(server: Running):
    assert server("GET", "/livez", Host="rebound.example").status == 403
    assert server("GET", "/livez", Host="localhost:1").status == 200
    assert server("GET", "/livez", Host="[::1]:1").status == 200


def test_server_and_its_node_are_told(server: Running):
    assert server("GET", "/api/v1/agent/alive").document == {"Status": "OK"}
    assert server("GET", "/livez").body == b"OK"
    assert server("GET", "/healthz").document["Status"] == "OK"
    version = server("GET", "/api/v1/agent/version").document
    assert version["GitVersion"].startswith("v")
    (node,) = server.get("/nodes?filter-approval=approved&filter_status=connected&limit=5")["Nodes"]
    assert (node["Membership"], node["Connection"]) == ("APPROVED", "CONNECTED")
    info = node["Info"]["ComputeNodeInfo"]
    assert {"docker", "wasm"} <= set(info["ExecutionEngines"])
    assert info["MaxCapacity"]["CPU"] > 0
    assert info["QueueCapacity"] == {}
    own = server("GET", "/api/v1/agent/node").document
    assert own["NodeID"] == own["Info"]["NodeID"] == node["Info"]["NodeID"]
    assert server.get(f"/nodes/{node['Info']['NodeID'][:3]}")["Node"]["Info"]["NodeID"] == node["Info"]["NodeID"]
    assert server.get("/nodes?labels=nobody%3Dx")["Nodes"] == []
    assert server.get("/nodes?filter-approval=pending")["Nodes"] == []
