"""What the server says of itself, whom it lets sign in, and what it says to clients that are too old."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from running import Running

from gadus import __version__

API = "/api/v1"


def version(text: str) -> dict[str, str]:
    return {"X_Bacalhau_Git_Version": text}


@pytest.mark.parametrize("text", ["", "v1.4.0", "1.9.3", "v1.5", "v0.0.0", "v0.0.0-xxxxxxx", "v1.5.0-rc1"])
def test_clients_from_1_4_on_are_answered(server: Running, text: str):
    assert server("GET", f"{API}/agent/alive", **version(text)).document == {"Status": "OK"}


@pytest.mark.parametrize("text", ["v1.3.2", "v1.4.0-rc1", "0.9", "v0.0.0-abc"])
def test_older_clients_are_told_the_oldest_version(server: Running, text: str):
    answer = server("GET", f"{API}/agent/alive", **version(text))
    assert answer.status == 403
    assert answer.document["MinVersion"] == "1.4.0"
    assert answer.document["ClientVersion"] == text.removeprefix("v")
    assert answer.document["ServerVersion"] == __version__
    assert answer.document["Error"] == answer.document["message"]


def test_version_that_is_none_is_refused(server: Running):
    answer = server("GET", f"{API}/agent/alive", **version("latest"))
    assert (answer.status, answer.document["Error"]) == (400, "Invalid client version latest")


@pytest.mark.parametrize("path", [f"{API}/agent/alive", f"{API}/orchestrator/jobs/none", "/none"])
def test_every_answer_has_the_version_of_the_server(server: Running, path: str):
    headers = server("GET", path).headers
    assert headers["X-Bacalhau-Git-Version"] == f"v{__version__}"
    assert headers["X-Bacalhau-Build-Date"] == "0001-01-01 00:00:00 +0000 UTC"
    for name in ("X-Bacalhau-Git-Commit", "X-Bacalhau-Build-OS", "X-Bacalhau-Arch", "X-Request-Id"):
        assert name in headers


def test_version_is_told_in_every_form(server: Running):
    document = server("GET", f"{API}/agent/version").document
    assert document["GitVersion"] == f"v{__version__}"
    asked = server("POST", f"{API}/version", {"client_id": "ab" * 32})
    assert asked.document == {"build_version_info": document}
    assert server("GET", "/version").document == document
    home = server("GET", "/")
    assert (home.document, home.headers["Content-Type"]) == (document, "text/plain; charset=utf-8")


def test_own_node_is_told_nested_and_flat(server: Running):
    node = server("GET", f"{API}/agent/node").document
    assert node["Info"] == {name: node[name] for name in node["Info"]}
    assert set(node["ConnectionState"]) == {"Status", "LastHeartbeat", "ConnectedSince", "DisconnectedSince"}
    assert server("GET", f"{API}/node_info").document["NodeID"] == node["NodeID"]
    assert server("GET", f"{API}/id").body.decode() == node["NodeID"]
    assert server("GET", f"{API}/id", Accept="application/json").document == node["NodeID"]


def test_health_has_what_is_free_on_the_disks(server: Running):
    space = server("GET", f"{API}/healthz").document["FreeSpace"]
    for name in ("tmp", "root"):
        assert space[name]["All"] >= space[name]["Used"] + space[name]["Free"] > 0


def test_what_the_server_does_is_told_by_its_parts(server: Running):
    document = server("GET", f"{API}/agent/debug").document
    assert document["Executions"] == {"Running": 0, "Waiting": 0}
    assert document["Process"]["ID"] == server.process.pid


def test_settings_are_told(server: Running):
    document = server("GET", f"{API}/agent/config").document
    assert document["config"]["DataDir"] == str(server.data_dir)
    assert document["config"]["Compute"]["Enabled"] is True
    assert server("GET", f"{API}/agent/authconfig").document == {"Version": "1.0.0", "Config": {}}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("POST", f"/requester/{name}") for name in ("list", "states", "results", "events", "submit", "cancel", "debug")),
        *(("GET", f"/requester/{name}") for name in ("nodes", "websocket/events")),
    ],
)
def test_what_clients_before_1_4_used_is_gone(server: Running, method: str, path: str):
    for prefix in ("", API):
        answer = server(method, prefix + path, {} if method == "POST" else None)
        assert answer.status == 410
        assert "deprecated" in answer.document
        assert isinstance(answer.document, str)


def test_nothing_waits_for_approval(server: Running):
    assert server("POST", f"{API}/compute/approve", {}).status == 409
    assert server("POST", f"{API}/compute/debug", {}).document["Executions"]["Running"] == 0


# -- signing in


def proof(phrase: str, *, key: rsa.RSAPrivateKey, shown: Any = None) -> dict[str, Any]:
    """What a client sends to show that it has `key`."""
    signature = key.sign(base64.b64decode(phrase), padding.PKCS1v15(), SHA256())
    public = (shown or key).public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    data = {"PhraseSignature": base64.b64encode(signature).decode(), "PublicKey": base64.b64encode(public).decode()}
    return {"Namespace": "", "Credential": None, "Name": "ClientKey", "MethodData": encoded(data)}


def encoded(document: Any) -> str:
    return base64.b64encode(json.dumps(document).encode()).decode()


@pytest.fixture(scope="module")
def phrase(server: Running) -> str:
    methods = server("GET", f"{API}/auth").document["Methods"]
    assert list(methods) == ["ClientKey"]
    assert server("GET", f"{API}/auth/ClientKey").document == methods["ClientKey"]
    assert methods["ClientKey"]["type"] == "challenge"
    text: str = methods["ClientKey"]["params"]["InputPhrase"]
    assert base64.b64decode(text).decode() == server("GET", f"{API}/id").body.decode()
    return text


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def test_who_signs_the_phrase_gets_a_token(server: Running, phrase: str, key: rsa.RSAPrivateKey):
    answer = server("POST", f"{API}/auth/ClientKey", proof(phrase, key=key))
    assert answer.status == 200
    token = answer.document["Authentication"]["token"]
    assert answer.document == {"Authentication": {"success": True, "token": token}}
    assert token
    assert server("GET", f"{API}/orchestrator/jobs", Authorization=f"Bearer {token}").status == 200
    assert server("GET", f"{API}/orchestrator/jobs", Authorization="Bearer of-another-server").status == 200


def test_who_signs_another_phrase_or_with_another_key_gets_none(server: Running, phrase: str, key: rsa.RSAPrivateKey):
    other = rsa.generate_private_key(65537, 2048)
    elsewhere = base64.b64encode(b"another server").decode()
    for wrong in (proof(phrase, key=key, shown=other), proof(elsewhere, key=key)):
        answer = server("POST", f"{API}/auth/ClientKey", wrong)
        assert answer.status == 401
        assert answer.document["Authentication"]["success"] is False
        assert answer.document["Authentication"]["reason"]


def test_what_is_no_proof_is_refused_by_its_name(server: Running):
    curve = ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    wrong = base64.b64encode(curve).decode()
    for data, what in [
        ("!", "MethodData: must be base64 of a JSON object"),
        (encoded(["x"]), "MethodData: must be base64 of a JSON object"),
        (encoded({"PublicKey": "AAAA"}), "MethodData.PhraseSignature: must be base64"),
        (encoded({"PublicKey": "AAAA", "PhraseSignature": "AAAA"}), "MethodData.PublicKey: must be an RSA key"),
        (encoded({"PublicKey": wrong, "PhraseSignature": "AAAA"}), "MethodData.PublicKey: must be an RSA key"),
    ]:
        answer = server("POST", f"{API}/auth/ClientKey", {"MethodData": data})
        assert answer.status == 400
        assert what in answer.document["Message"]
    assert server("POST", f"{API}/auth/other", {}).status == 404
