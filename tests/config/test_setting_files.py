"""Files of settings: what is wrong with one is told with its line and the way out, and writing leaves the rest as it is."""

from __future__ import annotations

import stat
import tempfile
from pathlib import Path

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from texts import ALL

from gadus.config import settings_from
from gadus.config.files import read_file
from gadus.config.keys import BY_NAME, KEYS
from gadus.config.writing import file_of, set_value
from gadus.core.errors import InvalidSpec, StorageUnavailable
from gadus.core.problem import PROBLEMS_SHOWN

WITH_COMMENTS = """\
# of this machine
API:
    Port: 1234   # ours
Labels:
  - zone=a
  # a remark
  - disk=ssd

Compute: {AllocatedCapacity: {CPU: 50%}}
"""


def refused(path: Path, text: str) -> InvalidSpec:
    path.write_text(text)
    with pytest.raises(InvalidSpec) as caught:
        settings_from({}, config=[str(path)])
    return caught.value


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("API:\n  Prt: 1\n", 2, "API.Prt is not a setting: did you mean API.Port?"),
        ("Color: red\n", 1, "Color is not a setting: "),
        ("\nWebUI:\n  Enabled: true\n", 3, "WebUI.Enabled has no effect in Gadus: there is no web interface yet; remove it"),
        ("Compute:\n  Orchestrators: [nats://x]\n", 2, "Compute.Orchestrators has no effect in Gadus: "),
        ("API:\n  Port: 1\napi:\n  port: 2\n", 4, "API.Port stands here twice"),
        ("API: 1\n", 1, "API is a group of settings"),
        ("API:\n  Port: many\n", 2, "API.Port: 'many' is not a whole number"),
        ("API:\n  Port: [1, {a: b}]\n", "", "line 2: write words here"),
        ("- a\n", "", "is not a list of settings"),
        ("just words\n", "", "is not a list of settings"),
        ("a: b: c\n", 1, "is not YAML"),
        ("? [a]\n: b\n", "", "line 1: the name of a setting is a word"),
        ("<<: {API: {Port: 1}}\n", "", "line 1: the name of a setting is a word"),
        (f"{'{a: ' * 400}1{'}' * 400}\n", "", "is nested too deeply"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, line: object, problem: str) -> None:
    path = tmp_path / "c.yaml"
    told = refused(path, text).problems[0]
    assert told.startswith(f"{path}:{line}: " if line else f"{path}: ")
    assert problem in told


def test_all_mistakes_of_all_places_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("API: {Port: many}\nLogging: {Levle: info}\n")
    with pytest.raises(InvalidSpec) as caught:
        settings_from({"GADUS_LOCALITY": "x"}, config=[str(path), "Labls=a", str(tmp_path / "none")])
    told = "\n".join(caught.value.problems)
    for part in ("API.Port", "Logging.Levle", "GADUS_LOCALITY", "--config Labls is not a setting", "there is no such file"):
        assert part in told


def test_a_file_that_repeats_itself_without_end_is_left(tmp_path: Path) -> None:
    for last, told in (("{}", "has more than 10000 values"), ("1", "a0.x is not a setting")):
        rows = [f"a0: &a0 {{x: {last}}}"]
        rows += [f"a{n}: &a{n} {{{', '.join(f'k{key}: *a{n - 1}' for key in range(20))}}}" for n in range(1, 10)]
        error = refused(tmp_path / "c.yaml", "\n".join(rows))
        assert told in error.message
        assert len(error.problems) <= PROBLEMS_SHOWN
    assert "is larger than" in refused(tmp_path / "c.yaml", "# " + "x" * 2**20).message


def test_lists_mappings_and_plain_words_are_the_same(tmp_path: Path) -> None:
    for number, text in enumerate(("Labels: {a: 1, b: x}", "Labels: [a=1, b=x]", "labels: a=1,b=x")):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text)
        assert settings_from({}, config=[str(path)]).labels == {"a": "1", "b": "x"}
    path.write_text("Engines: {Disabled: [Docker], Allowed: []}")
    policy = settings_from({}, config=[str(path)]).policy
    assert (policy.not_engines, policy.engines) == (frozenset({"docker"}), frozenset())


def test_values_are_read_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("API:\n  Auth: {Required: yes}\n  Port: 0\nStaging:\n  Timeout: 90\nName: ~\nLogging:\n  Level:\n")
    settings = settings_from({}, config=[str(path)])
    assert (settings.auth_required, settings.port, settings.phases.staging_seconds) == (True, 0, 90)
    assert (settings.name, settings.watch.log_level) == ("", "info")


def test_the_data_directory_is_named_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("DataDir: /other\n")
    with pytest.raises(InvalidSpec, match="DataDir cannot stand in the directory that it names"):
        settings_from({}, data_dir=str(tmp_path))
    user = {"XDG_CONFIG_HOME": str(tmp_path / "x")}
    assert file_of(BY_NAME["datadir"], tmp_path, user) == tmp_path / "x/gadus/config.yaml"
    assert file_of(BY_NAME["name"], tmp_path, user) == tmp_path / "config.yaml"


def test_comments_and_order_stay_when_a_value_is_set(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(WITH_COMMENTS)
    set_value(path, BY_NAME["api.port"], "99")
    set_value(path, BY_NAME["api.host"], "::1")
    set_value(path, BY_NAME["name"], "me")
    assert path.read_text() == WITH_COMMENTS.replace("    Port: 1234 ", '    Host: "::1"\n    Port: 99 ') + "Name: me\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.yaml").write_text("Name: a\n")
    (tmp_path / "config.yaml").symlink_to("real.yaml")
    set_value(tmp_path / "config.yaml", BY_NAME["name"], "b")
    assert (tmp_path / "config.yaml").is_symlink()
    assert (tmp_path / "real.yaml").read_text() == "Name: b\n"


def test_a_file_that_is_wrong_already_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("Nme: a\n")
    with pytest.raises(InvalidSpec, match="did you mean Name"):
        set_value(path, BY_NAME["name"], "b")
    assert path.read_text() == "Nme: a\n"
    with pytest.raises(StorageUnavailable):
        set_value(path / "below", BY_NAME["name"], "b")


@hypothesis.settings(max_examples=40, deadline=None)
@given(st.data())
def test_what_is_set_is_read_again_and_nothing_else_changes(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "config.yaml"
        path.write_text(
            data.draw(st.sampled_from(["", "# nothing\n", WITH_COMMENTS, WITH_COMMENTS.rstrip(), "{Name: x}", "Name:"]))
        )
        problems: list[str] = []
        known = {name: said.text for name, said in read_file(path, problems).items()}
        known_keys = [BY_NAME[name] for name in ("labels", "api.port", "compute.allocatedcapacity.cpu", "name")]
        any_key = st.sampled_from(KEYS) | st.sampled_from(known_keys)
        for key in data.draw(st.lists(any_key, min_size=1, max_size=5)):
            text = data.draw(st.sampled_from((*ALL[key.name], "", "a: b # 'c' \"d\"", "- x", "yes", "1e3", "[]", "é\\")))
            set_value(path, key, text)
            known[key.name] = text
            assert {name: said.text for name, said in read_file(path, problems).items()} == known
        assert problems == []
