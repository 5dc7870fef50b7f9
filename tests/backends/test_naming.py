"""The id of a node, and the names that it allows."""

from __future__ import annotations

import platform
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gadus.backends.allowed import allowed, check_names
from gadus.backends.naming import node_id
from gadus.config import Policy, Settings
from gadus.core.errors import InvalidSpec, StorageUnavailable


def test_the_id_is_the_name_else_of_its_provider(tmp_path: Path) -> None:
    assert node_id(Settings(tmp_path, name="me", name_provider="uuid")) == "me"
    assert node_id(Settings(tmp_path)) == (platform.node() or "localhost")
    new = Settings(tmp_path, name_provider="uuid")
    assert node_id(new) != node_id(new)
    assert list(tmp_path.iterdir()) == []


def test_an_id_that_is_kept_is_the_same_for_all_who_ask_at_once(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "data", name_provider="puuid")
    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(lambda _: node_id(settings), range(50)))
    assert len(found) == 1
    assert found.pop().startswith("n-")
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["node-id"]


def test_an_id_that_cannot_be_kept_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnavailable, match="cannot be kept"):
        node_id(Settings(tmp_path / "file", name_provider="puuid"))


def test_what_is_disabled_is_left_out_of_what_is_there_or_allowed() -> None:
    assert allowed("Engines", None, frozenset()) is None
    assert allowed("Engines", None, frozenset({"docker"})) == {"wasm"}
    assert allowed("Engines", frozenset({"docker"}), frozenset({"docker"})) == frozenset()
    assert allowed("InputSources", None, frozenset({"urldownload", "ipfs"})) == {"s3", "inline"}
    assert allowed("Publishers", None, frozenset({"local"})) == frozenset()


def test_a_name_that_nothing_has_is_not_disabled_in_silence() -> None:
    with pytest.raises(InvalidSpec, match=r"InputSources.Disabled: there is no 'urldownloads': did you mean urldownload\?"):
        check_names(Policy(not_sources=frozenset({"urldownloads"})))
