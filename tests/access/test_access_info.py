"""``gadus auth``, while a server is named: who one is there; and grants are not taken for those of that server."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest
from guarding import Guarded, quick_hash

from gadus.access.granting import add_user, remove_user
from gadus.cli.main import main

INFO = "/api/v1/auth/info"
Auth = Callable[..., tuple[int, str, str]]


@pytest.fixture
def auth(guarded: Guarded, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Auth:
    """Runs ``gadus auth …`` with that server named, as the caller `who`."""

    def run(*words: str, who: str = "", **environment: str) -> tuple[int, str, str]:
        token = guarded.tokens.get(who, who)
        for name, text in {"GADUS_API_HOST": guarded.server.url, "GADUS_API_TOKEN": token, **environment}.items():
            monkeypatch.setenv(name, text)
        with pytest.raises(SystemExit) as ended:
            main(["auth", *words])
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_caller_learns_name_scopes_and_namespaces(guarded: Guarded, auth: Auth) -> None:
    code, out, err = auth("info", who="a-writes")
    assert (code, out, err) == (0, f"{guarded.server.url} knows you as a-writes: read:job, write:job in a.\n", "")
    add_user(guarded.file, "who-asks", ("read:*",), ("a", "b"), quick_hash("correct horse"))
    basic = b64encode(b"who-asks:correct horse").decode()
    told = guarded("", "GET", INFO, Authorization=f"Basic {basic}").document
    # Others who share the server sign in as if there were no users.
    remove_user(guarded.file, "who-asks")
    assert told == {
        "Required": True,
        "Caller": {"Name": "who-asks", "Scopes": ["read:*"], "Namespaces": ["a", "b"]},
        "Reason": "",
    }


@pytest.mark.parametrize(("who", "why"), [("", "says who they are"), ("expired", "is expired"), ("gadus_wrong", "no token")])
def test_who_is_nobody_learns_why_and_nothing_else(guarded: Guarded, auth: Auth, who: str, why: str) -> None:
    answer = guarded(who, "GET", INFO)
    assert (answer.status, answer.document["Required"], answer.document["Caller"]) == (200, True, None)
    assert why in answer.document["Reason"]
    assert set(answer.document) == {"Required", "Caller", "Reason"}
    code, out, err = auth("info", who=who)
    assert (code, out) == (2, "")
    assert f"{guarded.server.url} does not know you: " in err
    assert "GADUS_API_TOKEN" in err


COMMANDS = [
    ("token", "create", "new"),
    ("token", "list"),
    ("token", "revoke", "a-reads"),
    ("user", "add", "new", "--password-hash", quick_hash("correct horse")),
    ("user", "list"),
    ("user", "remove", "peter"),
    ("key", "add", "new", "f" * 64),
    ("key", "list"),
    ("key", "remove", "new"),
]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words[:2]))
def test_grants_of_this_machine_are_not_those_of_a_server(
    guarded: Guarded, auth: Auth, words: tuple[str, ...], tmp_path: Path
) -> None:
    before = guarded.file.path.read_bytes()
    code, out, err = auth(*words, GADUS_DATA_DIR=str(tmp_path / "own"))
    assert (code, out) == (2, "")
    assert f"{guarded.server.url} (from GADUS_API_HOST) is not asked" in err
    assert f"gadus auth {words[0]} {words[1]} … --data-dir {tmp_path / 'own'}" in err
    assert not (tmp_path / "own" / "access.json").exists()
    assert guarded.file.path.read_bytes() == before


def test_data_directory_that_is_given_is_meant(guarded: Guarded, auth: Auth, tmp_path: Path) -> None:
    code, out, _ = auth("token", "create", "new", "--data-dir", str(tmp_path / "own"))
    assert (code, out.startswith("gadus_"), (tmp_path / "own" / "access.json").exists()) == (0, True, True)
    assert "new" in auth("token", "list", "--data-dir", str(tmp_path / "own"))[1]
