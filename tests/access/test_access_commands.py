"""``gadus auth``: the real command, on a directory of its own."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gadus.access.file import AccessFile
from gadus.cli.main import main

Auth = Callable[..., tuple[int, str, str]]


@pytest.fixture
def auth(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Auth:
    """Runs ``gadus auth …``; gives the exit code and what it wrote."""

    def run(*words: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as ended:
            main(["auth", *words, "--data-dir", str(tmp_path / "data")])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_a_token_is_shown_once_and_its_hash_is_kept_where_nobody_else_reads(auth: Auth, tmp_path: Path) -> None:
    code, out, err = auth("token", "create", "ci", "--scope", "read:job", "--namespace", "a", "--expires", "12h")
    token = out.strip()
    assert (code, token.startswith("gadus_"), len(token)) == (0, True, 49)
    assert "read:job in a" in err
    kept = tmp_path / "data" / "access.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert token not in kept.read_text()
    _, listed, _ = auth("token", "list", "--json")
    (only,) = json.loads(listed)["tokens"]
    assert (only["name"], only["state"], only["scopes"], only["namespaces"]) == ("ci", "active", ["read:job"], ["a"])
    assert 12 * 3600 - 5 < only["expires"] - only["created"] < 12 * 3600 + 5


def test_tokens_end_after_ninety_days_unless_asked_otherwise(auth: Auth) -> None:
    auth("token", "create", "usual")
    auth("token", "create", "eternal", "--expires", "never")
    tokens = {one["name"]: one for one in json.loads(auth("token", "list", "--json")[1])["tokens"]}
    assert tokens["usual"]["expires"] - tokens["usual"]["created"] == 90 * 86400
    assert tokens["eternal"]["expires"] is None


def test_a_token_is_revoked_by_name_or_id_and_its_name_is_free_again(auth: Auth) -> None:
    auth("token", "create", "ci")
    assert auth("token", "create", "ci")[0] == 2
    first = json.loads(auth("token", "list", "--json")[1])["tokens"][0]["id"]
    assert auth("token", "revoke", first)[:2] == (0, "Token ci is revoked.\n")
    assert auth("token", "create", "ci")[0] == 0
    assert [one["state"] for one in json.loads(auth("token", "list", "--json")[1])["tokens"]] == ["revoked", "active"]
    code, _, err = auth("token", "revoke", "nobodys")
    assert (code, "gadus auth token list" in err) == (2, True)


MISTAKES = {
    ("token", "create", "x", "--scope", "read:jobs"): "did you mean read:job?",
    ("token", "create", "x y"): "name: 'x y'",
    ("token", "create", "x", "--namespace", "a,b"): "namespace: 'a,b'",
    ("token", "create", "x", "--expires", "soon"): "for example --expires 90d",
    ("key", "add", "x", "12"): "64 hexadecimal digits",
    ("user", "add", "x"): "--password-stdin",
    ("user", "add", "x", "--password-hash", "secret"): "is not one of bcrypt",
    ("user", "remove", "nobody"): "gadus auth user list",
    ("key", "remove", "nobody"): "gadus auth key list",
}


@pytest.mark.parametrize("words", MISTAKES)
def test_mistakes_name_what_is_wrong_and_grant_nothing(words: tuple[str, ...], auth: Auth, tmp_path: Path) -> None:
    code, _, err = auth(*words)
    assert (code, MISTAKES[words] in err) == (2, True), err
    assert not AccessFile.of(tmp_path / "data").read().anybody


def test_users_come_with_a_password_that_bcrypt_can_take_whole(auth: Auth) -> None:
    assert auth("user", "add", "ann", "--password-stdin", stdin="a good password\n")[0] == 0
    code, _, err = auth("user", "add", "bob", "--password-stdin", stdin="ä" * 37 + "\n")
    assert (code, "has 74 bytes; bcrypt takes 72" in err) == (2, True)
    code, _, err = auth("user", "add", "bob", "--password-stdin", stdin="short\n")
    assert (code, "8 are needed" in err, "short\n" in err) == (2, True, False)
    assert auth("user", "add", "ann", "--password-stdin", stdin="a good password\n")[0] == 2
    assert auth("user", "passwd", "ann", "--password-stdin", stdin="a better password\n")[0] == 0
    hashed = auth("hash-password", "--password-stdin", stdin="a good password\n")[1].strip()
    assert auth("user", "add", "bob", "--password-hash", hashed)[0] == 0
    assert [one["name"] for one in json.loads(auth("user", "list", "--json")[1])["users"]] == ["ann", "bob"]
    assert auth("user", "remove", "ann")[0] == 0


def test_info_says_whom_a_server_lets_in(auth: Auth) -> None:
    assert json.loads(auth("info", "--json")[1])["required"] is False
    auth("key", "add", "laptop", "AB" * 32)
    counted = json.loads(auth("info", "--json")[1])
    assert (counted["required"], counted["keys"], counted["tokens"]) == (True, 1, 0)
    assert "1 key" in auth("info")[1]


def test_a_file_that_others_may_read_is_not_used(auth: Auth, tmp_path: Path) -> None:
    auth("token", "create", "ci")
    (tmp_path / "data" / "access.json").chmod(0o644)
    code, _, err = auth("token", "list")
    assert (code, "chmod 600" in err) == (75, True)
