"""Clients of Bacalhau sign in with their key or a password, and then ask with the token that they got."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from guarding import JOBS, Guarded
from running import Answer, Running, serving

from gadus.access.file import AccessFile
from gadus.access.granting import add_key, add_user, remove_key
from gadus.access.passwords import hash_of

KEY = generate_private_key(65537, 2048)


def key_id(key: RSAPrivateKey) -> str:
    modulus = key.public_key().public_numbers().n
    return hashlib.sha256(modulus.to_bytes(modulus.bit_length() // 8, "big")).hexdigest()


def post(server: Running, method: str, data: dict[str, Any]) -> Answer:
    """What a client sends, with the empty fields that it sends."""
    proof = base64.b64encode(json.dumps(data).encode()).decode()
    body = {"Namespace": "", "Credential": None, "Name": method, "MethodData": proof}
    return server("POST", f"/api/v1/auth/{method}", body)


def sign_in(server: Running, key: RSAPrivateKey = KEY, *, phrase: bytes | None = None) -> Answer:
    methods = server("GET", "/api/v1/auth").document["Methods"]
    ((name, method),) = methods.items()
    assert (name, method["type"]) == ("ClientKey", "challenge")
    phrase = phrase or base64.b64decode(method["params"]["InputPhrase"])
    signature = key.sign(phrase, PKCS1v15(), SHA256())
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    data = {"PhraseSignature": base64.b64encode(signature).decode(), "PublicKey": base64.b64encode(public).decode()}
    return post(server, name, data)


def test_a_client_is_let_in_once_its_key_is_and_no_longer_than_that(guarded: Guarded) -> None:
    refused = sign_in(guarded.server)
    reason = refused.document["Authentication"]["reason"]
    assert (refused.status, refused.document["Authentication"]["success"]) == (401, False)
    assert f"gadus auth key add NAME {key_id(KEY)}" in reason
    add_key(guarded.file, "laptop", ["read:job"], ["a"], key_id(KEY))
    let_in = sign_in(guarded.server).document["Authentication"]
    assert let_in["success"] is True
    assert {job["Namespace"] for job in guarded(let_in["token"], "GET", JOBS).document["Items"]} == {"a"}
    assert guarded(let_in["token"], "DELETE", f"{JOBS}/{guarded.jobs['a']}", {}).status == 403
    remove_key(guarded.file, "laptop")
    assert guarded(let_in["token"], "GET", JOBS).status == 401
    assert sign_in(guarded.server).status == 401


def test_only_a_signature_of_what_was_asked_by_that_key_lets_in(guarded: Guarded) -> None:
    add_key(guarded.file, "other", ["read:job"], ["a"], key_id(KEY))
    assert sign_in(guarded.server, phrase=b"something else").status == 401
    assert sign_in(guarded.server, generate_private_key(65537, 2048)).status == 401
    assert sign_in(guarded.server, generate_private_key(3, 2048)).status == 400
    assert sign_in(guarded.server).status == 200
    remove_key(guarded.file, "other")


def test_what_has_to_be_signed_is_another_on_each_server_that_checks(guarded: Guarded, tmp_path: Path) -> None:
    def asked(server: Running) -> str:
        return str(server("GET", "/api/v1/auth/ClientKey").document["params"]["InputPhrase"])

    with serving(tmp_path / "data", None, "--auth") as other:
        assert asked(other) != asked(guarded.server)


def test_where_there_are_users_only_a_password_is_asked_for(tmp_path: Path) -> None:
    file = AccessFile.of(tmp_path / "data")
    add_user(file, "ann", ["read:job"], ["a"], hash_of("a good password"))
    with serving(tmp_path / "data") as server:
        ((name, method),) = server("GET", "/api/v1/auth").document["Methods"].items()
        assert (method["type"], method["params"]["required"]) == ("ask", ["username", "password"])
        assert method["params"]["properties"]["password"]["writeOnly"] is True
        wrong = post(server, name, {"username": "ann", "password": "a bad password"})
        assert (wrong.status, wrong.document["Authentication"]["success"]) == (401, False)
        for broken in ({}, {"username": ["ann"], "password": "x"}):
            assert post(server, name, broken).status == 401
        right = post(server, name, {"username": "ann", "password": "a good password"})
        bearer = {"Authorization": f"Bearer {right.document['Authentication']['token']}"}
        assert server("GET", JOBS, **bearer).status == 200
        assert server("GET", JOBS).status == 401


def test_an_open_server_takes_any_key_and_any_token(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        token = sign_in(server).document["Authentication"]["token"]
        assert token
        for authorization in (f"Bearer {token}", "Bearer", "Bearer stale", "Basic ???"):
            assert server("GET", JOBS, Authorization=authorization).status == 200


def test_a_weak_key_is_none(guarded: Guarded) -> None:
    assert sign_in(guarded.server, generate_private_key(65537, 1024)).status == 400
