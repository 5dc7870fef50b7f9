"""The description that the server gives of its API is whole, valid, and true of what it answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from running import Running, wasm_job

from gadus.access.caller import SCOPES
from gadus.config import Settings
from gadus.web.answering import Rooms
from gadus.web.app import PREFIX, routes_of
from gadus.web.openapi.operations import operations


@pytest.fixture(scope="module")
def description(server: Running) -> dict[str, Any]:
    return server("GET", f"{PREFIX}/openapi.json").document


@pytest.fixture(scope="module")
def job_id(server: Running) -> str:
    source = {"Source": {"Type": "inline", "Params": {"URL": "data:,hello"}}, "Target": "/inputs/greeting"}
    job_id = server.submit(wasm_job("print", "one\n", "two\n", name="described", task={"InputSources": [source]}))
    server.wait_for(job_id, "Completed")
    return job_id


def served() -> dict[str, str]:
    """The scope of every method of every path."""
    rooms = Rooms(None, None, Settings(Path("/nowhere")), None)  # type: ignore[arg-type] # nobody asks anything
    routes = [one for one in routes_of(rooms) if getattr(one, "methods", None)]
    return {f"{method} {one.path}": scope for one in routes for method, scope in one.scopes.items() if method != "HEAD"}


def test_every_route_is_described_with_its_scope_and_nothing_else_is(description: dict[str, Any]):
    described = {
        f"{method.upper()} {path}": operation["x-gadus-scope"]
        for path, operations_of_path in description["paths"].items()
        for method, operation in operations_of_path.items()
        if method != "parameters"
    }
    assert described == served()
    assert set(operations(PREFIX)) == set(described)
    assert set(described.values()) <= {*SCOPES, "open"}


def test_description_is_valid(description: dict[str, Any]):
    validate(description)
    ids = [one["operationId"] for path in description["paths"].values() for name, one in path.items() if name != "parameters"]
    assert len(ids) == len(set(ids))


def answered_as_described(description: dict[str, Any], path: str, document: Any, status: str = "200", method: str = "get"):
    schema = description["paths"][path][method]["responses"][status]["content"]["application/json"]["schema"]
    Draft202012Validator({**schema, "components": description["components"]}).validate(document)


@pytest.mark.parametrize("client", [{}, {"X_Bacalhau_Git_Version": "v1.4.0"}, {"X_Bacalhau_Git_Version": "v1.9.3"}])
def test_answers_are_as_described(server: Running, description: dict[str, Any], job_id: str, client: dict[str, str]):
    execution = server.get(f"/jobs/{job_id}/executions")["Items"][0]
    digest = server.get(f"/jobs/{job_id}?include=manifests")["Manifests"][0]["Digest"]
    in_path = {"job": job_id, "node": execution["NodeID"], "archive": "none", "digest": digest, "method": "ClientKey"}
    looked_at = 0
    for path, operations_of_path in description["paths"].items():
        operation = operations_of_path.get("get")
        if operation is None or "application/json" not in operation["responses"].get("200", {}).get("content", {}):
            continue
        query = "?include=history,executions,manifests" if path.endswith("{job}") else ""
        headers = {"User_Agent": "Swagger-Codegen//python"} if path.endswith("logs") else {"Accept": "application/json"}
        answer = server("GET", path.format(**in_path) + query, **client, **headers)
        assert answer.status == 200, path
        answered_as_described(description, path, answer.document)
        looked_at += 1
    assert looked_at > 20


def test_errors_and_refusals_are_as_described(server: Running, description: dict[str, Any]):
    refused = server("GET", f"{PREFIX}/orchestrator/jobs/none")
    answered_as_described(description, f"{PREFIX}/orchestrator/jobs/{{job}}", refused.document, "default")
    gone = server("GET", f"{PREFIX}/requester/nodes")
    answered_as_described(description, f"{PREFIX}/requester/nodes", gone.document, "410")
    assert gone.status == 410


def test_submission_of_the_contract_is_as_described(description: dict[str, Any]):
    body = description["paths"][f"{PREFIX}/orchestrator/jobs"]["put"]["requestBody"]["content"]["application/json"]["schema"]
    validator = Draft202012Validator({**body, "components": description["components"]})
    validator.validate({"Job": wasm_job("return"), "IdempotencyToken": "", "Namespace": "", "Credential": None})
    assert list(validator.iter_errors({"Job": wasm_job("return") | {"Colour": "red"}}))
    source = {"Source": {"Type": "urlDownload", "Params": {"URL": "http://a"}}, "Target": "/x"}
    validator.validate({"Job": wasm_job("return", task={"InputSources": [source]})})
    for wrong in ({"Engine": {"Type": "steam"}}, {"Engine": {"Type": "docker", "Params": {"Picture": "x"}}}):
        assert list(validator.iter_errors({"Job": wasm_job("return", task=wrong)}))
