"""Nodes, as each version of the clients reads and would change them."""

from __future__ import annotations

import pytest
from running import API, Running

OLD = {"X_Bacalhau_Git_Version": "v1.4.0"}
LATE = {"X_Bacalhau_Git_Version": "v1.9.3"}
GENERATED = {"User_Agent": "Swagger-Codegen//python"}


@pytest.fixture(scope="module")
def node(server: Running) -> str:
    (one,) = server.get("/nodes")["Nodes"]
    return str(one["Info"]["NodeID"])


def test_generated_clients_read_small_letters_and_others_do_not_see_them(server: Running, node: str):
    listed = server.get("/nodes?filter_approval=approved&filter-status=connected&order_by=", **GENERATED)
    assert listed["nodes"] == listed["Nodes"]
    assert "nodes" not in server.get("/nodes")
    assert server.get(f"/nodes/{node[:2]}", **GENERATED)["node"]["Info"]["NodeID"] == node
    assert list(server.get(f"/nodes/{node}")) == ["Node"]


@pytest.mark.parametrize(
    ("action", "what"), [("approve", "is approved already"), ("reject", "cannot be rejected"), ("delete", "cannot be deleted")]
)
def test_only_node_cannot_be_changed_and_each_client_is_told_in_its_way(server: Running, node: str, action: str, what: str):
    body = {"Namespace": "", "Credential": None, "Action": action, "Message": "", "NodeID": node}
    old = server("PUT", f"{API}/nodes/{node}", body, **OLD)
    assert (old.status, old.document["Success"]) == (200, False)
    assert what in old.document["Error"]
    late = server("PUT", f"{API}/nodes/{node}", body, **LATE)
    assert (late.status, late.document["Code"]) == (409, "ResourceInUse")
    assert what in late.document["Message"]
    generated = server("POST", f"{API}/nodes", {"action": action, "message": "", "nodeID": node}, **GENERATED)
    assert (generated.status, generated.document["success"]) == (200, False)
    assert what in generated.document["error"]


def test_unknown_node_and_unknown_action_are_named(server: Running, node: str):
    assert server("PUT", f"{API}/nodes/none", {"Action": "approve"}, **LATE).status == 404
    assert "node not found" in server("PUT", f"{API}/nodes/none", {"Action": "approve"}, **OLD).document["Error"]
    answer = server("PUT", f"{API}/nodes/{node}", {"Action": "paint"})
    assert answer.status == 400
    assert "Action: 'paint' is not known; use approve, reject, delete" in answer.document["Message"]
    assert server.get("/nodes?filter-approval=rejected")["Nodes"] == []
