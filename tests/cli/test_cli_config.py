"""Settings and profiles as commands."""

from __future__ import annotations

import csv
import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from command import Ended

from gadus.cli.main import main
from gadus.config.keys import KEYS


@dataclass
class Here:
    """The command in this process: there are many of them here, and none needs one of its own."""

    data_dir: Path
    directory: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *words: str, stdin: str = "") -> Ended:
        self.monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as ended:
            main(words)
        out, err = self.capsys.readouterr()
        return Ended(int(ended.value.code or 0), out.encode(), err)


@pytest.fixture
def settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    """The command with directories of its own for what it keeps and for what a user configures."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setenv("GADUS_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.chdir(tmp_path)
    return Here(tmp_path / "data", tmp_path, monkeypatch, capsys)


def test_what_is_set_is_listed_with_who_says_so_and_counts(settled: Here):
    path = settled.data_dir / "config.yaml"
    done = settled("config", "set", "compute.allocatedcapacity.cpu", "50%")
    assert (done.code, done.err) == (0, f"Compute.AllocatedCapacity.CPU is 50% from now on: {path}\n")
    assert settled("config", "set", "Labels", "zone=a", "disk=ssd", "--json").document == {
        "key": "Labels",
        "value": "zone=a,disk=ssd",
        "file": str(path),
    }
    settled.monkeypatch.setenv("GADUS_CAPACITY_MEMORY", "1GiB")
    listed = settled("config", "list", "--json", "-c", "Name=me", "--data-dir", str(settled.data_dir)).document
    assert [one["Key"] for one in listed] == [key.name for key in KEYS]
    said = {one["Key"]: (one["Value"], one["Origin"]) for one in listed}
    assert said["Compute.AllocatedCapacity.CPU"] == ("50%", f"file {path}:3")
    assert said["Labels"] == ("zone=a,disk=ssd", f"file {path}:4")
    assert said["Compute.AllocatedCapacity.Memory"] == ("1GiB", "GADUS_CAPACITY_MEMORY")
    assert said["Name"] == ("me", "flag --config Name")
    assert said["DataDir"] == (str(settled.data_dir), "flag --data-dir")
    assert said["API.Port"] == ("1234", "default")
    assert all(one["Meaning"] and one["Variable"] for one in listed)


def test_lists_come_as_table_csv_and_yaml(settled: Here):
    table = settled("config", "list", "api.port").out.decode().splitlines()
    assert table == [
        "KEY       VALUE  ORIGIN   MEANING",
        "API.Port  1234   default  the port that the server listens at; 0 takes one that is free",
    ]
    assert settled("config", "list", "api.port", "--hide-header").out.decode().splitlines() == table[1:]
    rows = list(csv.DictReader(io.StringIO(settled("config", "list", "--output", "csv").out.decode())))
    assert [row["key"] for row in rows] == [key.name for key in KEYS]
    (one,) = yaml.safe_load(settled("config", "list", "api.port", "--output", "yaml").out)
    assert one["Variable"] == "GADUS_SERVER_PORT"


def test_values_are_checked_before_anything_is_written(settled: Here):
    for words, told in (
        (("API.Port", "many"), "API.Port: 'many' is not a whole number from 0 to 65535"),
        (("API.Prt=1",), "API.Prt is not a setting: did you mean API.Port?"),
        (("API.Port", "1", "2"), "API.Port: takes one value, not 2"),
        (("API.Port",), "API.Port: no value is given"),
        (("WebUI.Enabled", "true"), "WebUI.Enabled has no effect in Gadus: there is no web interface yet"),
    ):
        refused = settled("config", "set", *words)
        assert refused.code == 2
        assert told in refused.err
    assert not settled.data_dir.exists()


def test_a_file_that_is_named_is_written(settled: Here):
    assert settled("config", "set", "-c", "mine.yaml", "Logging.Level=debug").code == 0
    assert (settled.directory / "mine.yaml").read_text() == "Logging:\n  Level: debug\n"
    assert settled("config", "list", "Logging.Level", "--config", "mine.yaml", "--json").document[0]["Value"] == "debug"
    assert settled("config", "list", "Logging.Level", "--json").document[0]["Value"] == "info"


def test_mistakes_of_every_place_are_told_by_every_command(settled: Here):
    settled.data_dir.mkdir()
    (settled.data_dir / "config.yaml").write_text("Cache:\n  Limt: 1GB\n")
    refused = settled("job", "list", "--config", "Engine.Disabled=docker")
    assert refused.code == 2
    assert f"{settled.data_dir}/config.yaml:2: Cache.Limt is not a setting: did you mean Cache.Limit?" in refused.err
    assert "--config Engine.Disabled is not a setting: did you mean Engines.Disabled?" in refused.err


def test_settings_of_a_file_act_on_jobs(settled: Here):
    settled.data_dir.mkdir()
    (settled.data_dir / "config.yaml").write_text("Engines: {Disabled: [wasm]}\n")
    module = {"Source": {"Type": "inline", "Params": {"URL": "data:,"}}, "Target": "/m"}
    job = {"Type": "batch", "Tasks": [{"Name": "main", "Engine": {"Type": "wasm", "Params": {"EntryModule": module}}}]}
    (settled.directory / "job.json").write_text(json.dumps(job))
    refused = settled("job", "run", "--dry-run", "job.json")
    assert refused.code == 2
    assert "wasm" in refused.err
    assert settled("job", "run", "--dry-run", "job.json", "--config", "Engines.Disabled=docker").code == 0


def test_a_profile_is_saved_shown_selected_and_deleted(settled: Here):
    saved = settled("profile", "save", "a", "--endpoint", "https://a.example/", "--timeout", "5s", "--select", "--json")
    assert saved.document["Current"] is True
    assert settled("profile", "save", "b", "--endpoint", "http://b:1", "--token-stdin", "--insecure", stdin="t0ken\n").code == 0
    assert settled("profile", "list").out.decode().splitlines() == [
        "CURRENT  NAME  ENDPOINT           AUTH",
        "*        a     https://a.example  none",
        "         b     http://b:1         token",
    ]
    assert "t0ken" not in settled("profile", "show", "b").out.decode()
    shown = settled("profile", "show", "b", "--show-token", "--json").document
    assert (shown["Token"], shown["Insecure"]) == ("t0ken", True)
    # What is not given stays.
    assert settled("profile", "save", "b", "--description", "the other").code == 0
    shown = settled("profile", "show", "b", "--show-token", "--json").document
    assert (shown["Token"], shown["Insecure"], shown["Description"]) == ("t0ken", True, "the other")
    assert settled("profile", "select", "b").err == "Commands ask http://b:1 from now on\n"
    assert yaml.safe_load(settled("profile", "show").out)["Name"] == "b"
    assert "add --force" in settled("profile", "delete", "b").err
    assert settled("profile", "delete", "b", "--force").code == 0
    assert "no profile is selected" in settled("profile", "show").err
    assert "there is no profile 'b'" in settled("profile", "select", "b").err


def test_a_profile_needs_an_address_and_a_token_needs_one_line(settled: Here):
    assert "profile a: has no address yet" in settled("profile", "save", "a").err
    assert "--endpoint: 'example' is not an address" in settled("profile", "save", "a", "--endpoint", "example").err
    assert "no token came" in settled("profile", "save", "a", "--endpoint", "http://a", "--token-stdin").err
    assert settled("profile", "list", "--json").document == []


def test_every_command_takes_the_options_of_every_command(settled: Here):
    for words in ("job list", "docker run", "wasm run", "serve", "cache list", "config set", "profile list", "store check"):
        flags = ("--api-host", "h", "--profile", "p", "--no-tls", "--insecure", "--config", "a=b")
        shown = settled(*words.split(), *flags, "--help")
        assert shown.code == 0
        assert b"--config" in shown.out


def test_where_it_stands_does_not_matter(settled: Here):
    before = settled("--config", "Name=a", "-c", "API.Port=1", "config", "list", "--json", "--config", "Name=b").document
    said = {one["Key"]: one["Value"] for one in before}
    assert (said["Name"], said["API.Port"]) == ("b", "1")
    assert json.loads(settled("config", "list", "DataDir", "--repo", "/x", "--json").out)[0]["Value"] == "/x"
