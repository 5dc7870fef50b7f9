"""Small files and directories of this machine go along with a job."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import PROBE, Cli

from gadus.cli.flags.languages import parse_input
from gadus.cli.flags.local import LARGEST_BYTES
from gadus.core.errors import InvalidSpec


def test_file_is_in_the_directory_of_inputs_or_where_it_is_told(cli: Cli) -> None:
    (cli.directory / "a b.csv").write_text("1,2\n")
    for told, there in (("./a b.csv", "/inputs/a b.csv"), ("./a b.csv:/in/", "/in/a b.csv"), ("./a b.csv,dst=/in/x", "/in/x")):
        done = cli("wasm", "run", "-q", "-i", told, str(PROBE), "read", there)
        assert (done.code, done.out) == (0, b"1,2\n"), done.err


def test_directory_is_at_its_target_with_all_that_is_below(cli: Cli) -> None:
    (cli.directory / "data" / "deep").mkdir(parents=True)
    (cli.directory / "data" / "deep" / "file").write_bytes(b"\0" * 70_000)
    done = cli("wasm", "run", "-q", "-i", "./data", str(PROBE), "read", "/inputs/deep/file")
    assert (done.code, len(done.out)) == (0, 70_000), done.err
    same = [parse_input(f"{cli.directory}/data").source.params for _ in range(2)]
    assert same[0] == same[1]


def test_home_of_nobody_is_no_path() -> None:
    with pytest.raises(InvalidSpec, match="~nobody-of-this-name/x: begins with the home of somebody who is not known here"):
        parse_input("~nobody-of-this-name/x")


def test_what_is_too_large_or_no_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * (LARGEST_BYTES + 1))
    with pytest.raises(InvalidSpec, match=r"large: has more than the 512\.0 KiB that go along with a job"):
        parse_input(f"{tmp_path}/large")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "link").symlink_to("/etc/passwd")
    with pytest.raises(InvalidSpec, match="tree: holds link, which is no file"):
        parse_input(f"{tmp_path}/tree")
