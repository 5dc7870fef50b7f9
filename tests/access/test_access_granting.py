"""What is granted while a server runs counts at once, and what is taken back as well."""

from __future__ import annotations

import base64
import http.client
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from guarding import JOBS, Guarded
from running import serving, wasm_job

from gadus.access.file import AccessFile
from gadus.access.granting import add_user, create_token, remove_user, revoke_token, set_password
from gadus.access.passwords import hash_of


def basic(name: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"


def test_a_revoked_token_opens_nothing_from_then_on(guarded: Guarded) -> None:
    guarded.grant("short-lived", "*", "*")
    assert guarded("short-lived", "GET", JOBS).status == 200
    revoke_token(guarded.file, "short-lived")
    answer = guarded("short-lived", "GET", JOBS)
    assert (answer.status, answer.document["Message"]) == (401, "the token 'short-lived' is revoked")
    assert guarded("admin", "GET", JOBS).status == 200


def test_a_log_that_is_followed_ends_when_its_token_is_revoked(guarded: Guarded) -> None:
    guarded.grant("follower", "read:job", "a")
    job = {"Job": wasm_job("forever", name="goes-on", Namespace="a")}
    job_id = guarded("a-writes", "PUT", JOBS, job).document["JobID"]
    connection = http.client.HTTPConnection(urlsplit(guarded.server.url).netloc, timeout=30)
    bearer = {"Authorization": f"Bearer {guarded.tokens['follower']}"}
    connection.request("GET", f"{JOBS}/{job_id}/logs?follow=true", headers=bearer)
    answer = connection.getresponse()
    assert answer.status == 200
    revoke_token(guarded.file, "follower")
    with pytest.raises(http.client.IncompleteRead):
        answer.read()
    assert guarded("a-writes", "GET", f"{JOBS}/{job_id}").document["Job"]["State"]["StateType"] != "Stopped"
    assert guarded("a-writes", "DELETE", f"{JOBS}/{job_id}", {}).status == 200


def test_users_ask_with_their_password_until_it_is_another(guarded: Guarded) -> None:
    add_user(guarded.file, "ann", ["read:job"], ["a"], hash_of("first password"))
    first, second = basic("ann", "first password"), basic("ann", "second password")
    for _ in range(2):
        answer = guarded("", "GET", JOBS, Authorization=first)
        assert {job["Namespace"] for job in answer.document["Items"]} == {"a"}
    assert guarded("", "GET", JOBS, Authorization=second).status == 401
    set_password(guarded.file, "ann", hash_of("second password"))
    # It was right a moment ago, and is remembered for that: as long as it is.
    assert guarded("", "GET", JOBS, Authorization=first).status == 401
    assert guarded("", "GET", JOBS, Authorization=second).status == 200
    remove_user(guarded.file, "ann")
    assert guarded("", "GET", JOBS, Authorization=second).status == 401
    for broken in ("Basic ???", f"Basic {base64.b64encode(b'ann').decode()}", "Basic", "Negotiate x", "Bearer"):
        assert guarded("", "GET", JOBS, Authorization=broken).status == 401


def test_it_is_known_about_when_a_token_was_last_used(guarded: Guarded) -> None:
    guarded.grant("seldom", "read:job", "a")
    assert next(one for one in guarded.file.read().tokens if one.name == "seldom").used is None
    guarded("seldom", "GET", JOBS)
    used = next(one for one in guarded.file.read().tokens if one.name == "seldom").used
    assert used is not None
    guarded("seldom", "GET", JOBS)
    assert next(one for one in guarded.file.read().tokens if one.name == "seldom").used == used


def test_nobody_gets_in_while_the_grants_cannot_be_read(guarded: Guarded) -> None:
    kept = guarded.file.path.read_bytes()
    try:
        guarded.file.path.write_bytes(kept[:-20])
        answer = guarded("admin", "GET", JOBS)
        assert (answer.status, "sealing" in answer.body.decode()) == (503, False)
        guarded.file.path.unlink()
        assert guarded("admin", "GET", JOBS).status == 401
        assert guarded("", "GET", JOBS).status == 401
        assert guarded("", "GET", "/livez").status == 200
    finally:
        guarded.file.path.write_bytes(kept)
        guarded.file.path.chmod(0o600)
    assert guarded("admin", "GET", JOBS).status == 200


def test_the_first_grant_closes_a_server_that_was_open(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        assert server("GET", JOBS).status == 200
        # As an old server at the same address gave them.
        assert server("GET", JOBS, Authorization="Bearer of-another-server").status == 200
        text, _ = create_token(AccessFile.of(tmp_path / "data"), "first", ["read:job"], ["*"], None)
        assert server("GET", JOBS).status == 401
        assert server("GET", JOBS, Authorization=f"Bearer {text.reveal()}").status == 200
        # Who removes the file does not open the server again.
        AccessFile.of(tmp_path / "data").path.unlink()
        assert server("GET", JOBS).status == 401


def test_no_secret_stands_in_what_a_server_keeps_and_says(guarded: Guarded) -> None:
    add_user(guarded.file, "canary", ["read:job"], ["a"], hash_of("canary password"))
    guarded("", "GET", JOBS, Authorization=basic("canary", "canary password"))
    secrets = [*guarded.tokens.values(), "canary password", basic("canary", "canary password")]
    for path in guarded.server.data_dir.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not [secret for secret in secrets if secret.encode() in data], path
    said = [guarded(who, "GET", "/api/v1/no-such-route").body.decode() for who in guarded.tokens]
    assert not [text for text in said for secret in secrets if secret in text]
    remove_user(guarded.file, "canary")
