"""Flag before environment before file before default, for every setting there is."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from texts import ALL

from gadus.config import Said, Settings, settings_from
from gadus.config.documents import described, lines
from gadus.config.keys import BY_NAME, KEYS, Key
from gadus.config.sources import OF_CLIENTS

_OF_SEVERAL = "GADUS_JOB_DEFAULT_"


def nested(name: str, text: str) -> dict[str, Any]:
    """The setting as a file has it."""
    for part in reversed(name.split(".")):
        text = {part: text}
    return text


def places(key: Key) -> list[str]:
    """Who can say something of a setting, the strongest first."""
    own = [] if key.name == "DataDir" else ["own file"]
    return ["flag", "pair", *key.variables, "named file", *own, "user's file"]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_every_setting_changes_what_the_program_reads(key: Key) -> None:
    without = settings_from({"XDG_CONFIG_HOME": "/nowhere"})
    for variable in key.variables:
        assert settings_from({"XDG_CONFIG_HOME": "/nowhere", variable: ALL[key.name][0]}) != without


@hypothesis.settings(deadline=None)
@given(st.data())
def test_the_strongest_place_counts_and_is_named(data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(KEYS))
    ranked = places(key)
    says = data.draw(st.lists(st.sampled_from(ranked), unique=True))
    said = dict(zip(says, ALL[key.name], strict=False))
    with tempfile.TemporaryDirectory() as home:
        settings = read(key, said, Path(home))
        strongest = next((place for place in ranked if place in said), "default")
        assert settings.said[key.name].text == said.get(strongest, key.default)
        assert settings.said[key.name].origin == origin(key, strongest, Path(home))
        if strongest != "default" and not any(place.startswith(_OF_SEVERAL) for place in says):
            # As if nobody else had said anything.
            assert settings == read(key, {strongest: said[strongest]}, Path(home))


@pytest.mark.parametrize("name", ["api.port", "labels", "datadir", "logging.level"])
def test_every_place_goes_before_the_next(tmp_path: Path, name: str) -> None:
    key = BY_NAME[name]
    for number, pair in enumerate(pairwise(places(key))):
        home = tmp_path / str(number)
        home.mkdir()
        said = dict(zip(pair, ALL[key.name], strict=False))
        assert read(key, said, home).said[key.name].text == said[pair[0]]


def read(key: Key, said: dict[str, str], home: Path) -> Settings:
    data_dir = home / "data"
    environment = {"XDG_CONFIG_HOME": str(home), "XDG_DATA_HOME": str(home / "x"), "GADUS_DATA_DIR": str(data_dir)}
    if key.name == "DataDir":
        del environment["GADUS_DATA_DIR"]
    files = {"named file": home / "named.yaml", "own file": data_dir / "config.yaml", "user's file": home / "gadus/config.yaml"}
    for place, path in files.items():
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        if place in said:
            path.write_text(yaml.safe_dump(nested(key.name, said[place])))
    environment |= {variable: said[variable] for variable in key.variables if variable in said}
    config = [str(files["named file"])] if "named file" in said else []
    config += [f"{key.name.lower()}={said['pair']}"] if "pair" in said else []
    return settings_from(
        environment, flags={key.name: Said(said["flag"], "--it", "flag")} if "flag" in said else {}, config=config
    )


def origin(key: Key, place: str, home: Path) -> str:
    line = len(key.name.split("."))
    return {
        "flag": "flag --it",
        "pair": f"flag --config {key.name}",
        "named file": f"file {home}/named.yaml:{line}",
        "own file": f"file {home}/data/config.yaml:{line}",
        "user's file": f"file {home}/gadus/config.yaml:{line}",
    }.get(place, place)


def test_of_several_files_and_pairs_the_last_counts(tmp_path: Path) -> None:
    for name, port in (("a", 1), ("b", 2)):
        (tmp_path / f"{name}.yaml").write_text(f"api: {{port: {port}}}\nname: {name}\n")
    files = [str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml")]
    settings = settings_from({}, config=[*files, "Name=x", "API.Port=4", "api.port=5"])
    assert (settings.name, settings.port) == ("x", 5)
    assert settings_from({}, config=files[::-1]).name == "a"
    assert settings_from({"GADUS_NAME": "env"}, config=files).name == "env"


def test_another_process_gets_the_same_settings_by_the_words_that_are_passed_on(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "a.yaml").write_text("Labels: {a: 1}\n")
    monkeypatch.chdir(tmp_path)
    flags = {"API.Port": Said("7", "--port", "flag")}
    settings = settings_from({}, data_dir=str(tmp_path), flags=flags, config=["a.yaml", "API.Port=6", "Name=x"])
    monkeypatch.chdir("/")
    again = settings_from({}, data_dir=str(tmp_path), config=settings.passed_on)
    assert again == settings
    assert (again.port, again.name, again.labels) == (7, "x", {"a": "1"})


def test_names_of_settings_and_of_clients_do_not_meet() -> None:
    assert len(BY_NAME) == len(KEYS)
    assert not set(BY_NAME) & set(OF_CLIENTS)
    variables = [variable for key in KEYS for variable in key.variables if not variable.startswith(_OF_SEVERAL)]
    assert len(set(variables)) == len(variables)


@pytest.mark.parametrize(
    ("name", "text", "shown"),
    [
        ("GADUS_STORE", "postgresql://ann:passw0rd@db/x", "postgresql://ann:********@db/x"),
        ("GADUS_STORE", "postgresql://ann:pass@w0rd@db/x", "postgresql://ann:********@db/x"),
        ("GADUS_STORE", "postgresql://ann:pass/w0rd@db/x", "postgresql://ann:********@db/x"),
        ("GADUS_STORE", "postgresql://ann@db/x?password=passw0rd", "postgresql://ann@db/x?********"),
        ("GADUS_PROBE_HTTP", "https://probe/?token=passw0rd", "https://probe/?********"),
    ],
)
def test_secrets_are_masked_in_lists_and_documents(name: str, text: str, shown: str) -> None:
    settings = settings_from({name: text})
    assert shown in [line.value for line in lines(settings)]
    assert "passw0rd" not in repr(described(settings))


def test_the_document_has_every_setting_in_its_group() -> None:
    said = {"GADUS_SERVER_PORT": "7", "GADUS_LABELS": "a=1,b", "GADUS_ENGINES_DISABLED": "wasm,docker"}
    document = described(settings_from(said))
    assert document["API"]["Port"] == 7
    assert document["Labels"] == {"a": "1", "b": ""}
    assert document["Engines"]["Disabled"] == ["docker", "wasm"]
    assert document["Engines"]["Allowed"] is None
    assert document["Compute"]["Enabled"] is True
    assert document["Staging"]["Timeout"] == "1h"
    assert document["JobDefaults"]["Batch"]["Task"]["Resources"]["CPU"] == "500m"
    for key in KEYS:
        inner = document
        for name in key.name.split("."):
            inner = inner[name]
