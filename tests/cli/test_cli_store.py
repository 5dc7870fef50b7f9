"""``gadus store check | backup | restore``, as people use them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from command import Cli

# The jobs that the store's own tests make.
sys.path.append(str(Path(__file__).parents[1] / "store"))
from storing import stop, submit

from gadus.orchestrator.store import open_store


@pytest.fixture
def store(cli: Cli) -> Path:
    """A store with three jobs."""
    path = cli.data_dir / "gadus.db"
    with open_store(path) as opened:
        for name in "abc":
            submit(opened, f"j-{name}", name=name)
        stop(opened, opened.get("j-a"))
    return path


def test_a_whole_store_is_said_to_be_so(cli: Cli, store: Path) -> None:
    ended = cli("store", "check")
    assert (ended.code, ended.out, ended.err) == (0, b"3 jobs with 4 events read: all as it was written\n", "")
    assert cli("store", "check", "--json").document == {
        "jobs": 3,
        "events": 4,
        "taken_over_jobs": 0,
        "damaged": 0,
        "problems": [],
    }


def test_a_damaged_store_is_found_and_the_way_out_works(cli: Cli, store: Path) -> None:
    assert cli("store", "backup", "jobs.backup").code == 0
    damaged = bytearray(store.read_bytes())
    damaged[4096 * 3 : 4096 * 3 + 64] = b"\7" * 64
    store.write_bytes(damaged)
    ended = cli("store", "check")
    assert ended.code == 1
    assert b"1 problem\n" in ended.out or b"problems\n" in ended.out
    assert b"`gadus store restore FILE --replace`" in ended.out
    assert cli("store", "check", "--json").code == 1
    refused = cli("store", "restore", "jobs.backup")
    assert (refused.code, "has jobs already" in refused.err, "--replace" in refused.err) == (2, True, True)
    restored = cli("store", "restore", "jobs.backup", "--replace")
    assert (restored.code, restored.err) == (0, "")
    assert restored.out.startswith(b"restored: 3 jobs with 4 events\nwhat was there before is now ")
    assert Path(restored.out.decode().split()[-1]).read_bytes() == damaged
    assert cli("store", "check").code == 0


def test_a_store_that_is_gone_stops_every_command_and_says_what_to_do(cli: Cli, store: Path) -> None:
    assert cli("store", "backup", "jobs.backup", "--json").document["jobs"] == 3
    store.unlink()
    for words in (("job", "list"), ("store", "backup", "other")):
        ended = cli(*words)
        assert ended.code == 75
        assert "it is gone or empty, and had 4 events" in ended.err
        assert "gadus store restore FILE" in ended.err
    assert cli("store", "restore", "jobs.backup", "--json").document == {"jobs": 3, "events": 4, "aside": ""}
    with open_store(store) as opened:
        assert opened.get("j-b").id == "j-b"


def test_what_is_asked_for_and_is_not_there_is_not_made(cli: Cli) -> None:
    for words in (
        ("store", "check"),
        ("store", "backup", "x"),
        ("store", "restore", "missing"),
        ("store", "check", "--store", "no.db"),
    ):
        ended = cli(*words)
        assert (ended.code, "there is no" in ended.err) == (2, True), ended
    assert not (cli.data_dir / "gadus.db").exists()
    assert list(cli.directory.iterdir()) == []
    assert "begins with mysql://" in cli("store", "check", "--store", "mysql://x/y").err


def test_a_store_at_another_place_is_named_by_flag_or_environment(cli: Cli, store: Path) -> None:
    assert cli("store", "backup", "jobs.backup").code == 0
    assert cli("store", "restore", "jobs.backup", "--store", "copy.db").code == 0
    cli.environment["GADUS_STORE"] = "copy.db"
    assert cli("store", "check").out == b"3 jobs with 4 events read: all as it was written\n"
    assert cli("store", "check", "--store", f"sqlite:///{store}").code == 0


def test_progress_is_shown_on_a_terminal_only_and_erased(cli: Cli, store: Path) -> None:
    code, shown = cli.on_terminal("store", "check")
    assert (code, "3 of 3 jobs checked" in shown) == (0, True)
    assert shown.rstrip().endswith("all as it was written")
