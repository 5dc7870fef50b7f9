"""Which server a command asks, and as whom: by flag, then environment, then profile."""

from __future__ import annotations

import stat
from dataclasses import asdict
from itertools import product
from pathlib import Path

import pytest

from gadus.config import ClientSettings, Profile, Profiles, client_settings
from gadus.core.errors import InvalidSpec, NotFound
from gadus.core.secret import Secret


def test_without_a_word_the_command_does_the_work_itself() -> None:
    assert client_settings({}) == ClientSettings()
    assert client_settings({"GADUS_API_HOST": " ", "BACALHAU_API_HOST": ""}).endpoint == ""


@pytest.mark.parametrize(
    ("environment", "endpoint"),
    [
        ({"GADUS_API_HOST": "node"}, "http://node:1234"),
        ({"BACALHAU_API_HOST": "node", "BACALHAU_API_PORT": "99"}, "http://node:99"),
        ({"GADUS_API_HOST": "a", "BACALHAU_API_HOST": "b"}, "http://a:1234"),
        ({"BACALHAU_NODE_CLIENTAPI_HOST": "0.0.0.0", "BACALHAU_NODE_CLIENTAPI_PORT": "5"}, "http://127.0.0.1:5"),
        ({"GADUS_API_PORT": "99"}, "http://127.0.0.1:99"),
        ({"GADUS_API_HOST": "::1", "GADUS_API_TLS": "true"}, "https://[::1]:1234"),
        ({"GADUS_API_HOST": "[::1]:7"}, "http://[::1]:7"),
        ({"GADUS_API_HOST": "node:7"}, "http://node:7"),
        ({"GADUS_API_HOST": "https://x.example/gadus/"}, "https://x.example/gadus"),
        ({"GADUS_API_HOST": "https://x.example:8443", "GADUS_API_PORT": "1"}, "https://x.example:8443"),
        ({"GADUS_API_TLS": "true"}, ""),
        ({"GADUS_API_PORT": "tcp://10.0.0.1:1234"}, ""),
        ({"GADUS_API_HOST": "None"}, ""),
    ],
)
def test_hosts_ports_and_addresses_become_an_endpoint(environment: dict[str, str], endpoint: str) -> None:
    assert client_settings(environment).endpoint == endpoint


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("GADUS_API_HOST", "a b"),
        ("GADUS_API_HOST", "a/b"),
        ("GADUS_API_HOST", "ftp://a"),
        ("GADUS_API_HOST", "http://user:secret@a"),
        ("GADUS_API_HOST", "user:secret@a"),
        ("GADUS_API_HOST", "a:port"),
        ("GADUS_API_PORT", "0"),
        ("GADUS_API_PORT", "65536"),
        ("BACALHAU_API_TLS", "perhaps"),
        ("GADUS_API_TIMEOUT", "soon"),
    ],
)
def test_what_is_no_address_is_told_by_its_variable_and_without_a_password(name: str, text: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        client_settings({"GADUS_API_HOST": "node", name: text})
    assert caught.value.problems[0].startswith(f"{name}: ")
    assert "secret@" not in caught.value.message


@pytest.mark.parametrize(
    "host", ["http://a..b", "http://.", "http://[::1", "http://a b", "a..b", "a b", "a:1:2", "http://a:99999", "http://:80"]
)
def test_address_that_nobody_can_have_is_told_before_it_is_asked(host: str) -> None:
    with pytest.raises(InvalidSpec, match=r"^--api-host: '.*' is n(?:ot an address: write http|either the name of a host)"):
        client_settings({}, {"host": host})


@pytest.mark.parametrize("text", ["s3cret\nX-Evil: 1", "s3cret of mine", "s3crét"])
def test_token_that_no_request_can_carry_is_told_without_it(tmp_path: Path, text: str) -> None:
    environment = {"GADUS_API_HOST": "node", "XDG_CONFIG_HOME": str(tmp_path)}
    with pytest.raises(InvalidSpec, match=r"^GADUS_API_TOKEN: there is a space, a line break or a strange letter") as caught:
        client_settings(environment | {"GADUS_API_TOKEN": text})
    assert "s3cr" not in caught.value.message
    Profiles.of(environment).save(Profile("a", "https://a", token=Secret(text)))
    with pytest.raises(InvalidSpec, match="is not a profile: there is a space") as caught:
        client_settings(environment, {"profile": "a"})
    assert "s3cr" not in caught.value.message


def test_the_port_of_a_whole_address_stands_in_it() -> None:
    with pytest.raises(InvalidSpec, match="--api-port: "):
        client_settings({}, {"host": "http://a", "port": "1"})


def test_credentials_come_from_either_names_and_are_not_shown() -> None:
    ours = client_settings({"GADUS_API_TOKEN": "t0ken", "BACALHAU_API_KEY": "other"})
    assert ours.token.reveal() == "t0ken"
    theirs = client_settings({"BACALHAU_API_USERNAME": "ann", "BACALHAU_API_PASSWORD": "passw0rd", "BACALHAU_API_KEY": "key"})
    assert (theirs.user, theirs.password.reveal(), theirs.token.reveal()) == ("ann", "passw0rd", "key")
    for shown in (repr(ours), str(asdict(ours)), f"{ours.token}", repr(theirs), f"{theirs.password}"):
        assert "t0ken" not in shown
        assert "passw0rd" not in shown


def saved(environment: dict[str, str], *names: str) -> Profiles:
    profiles = Profiles.of(environment)
    for name in names:
        profiles.save(Profile(name, f"https://{name}", token=Secret(f"token-of-{name}"), insecure=True, timeout_seconds=5))
    return profiles


def test_a_profile_brings_its_address_token_and_manners(tmp_path: Path) -> None:
    environment = {"XDG_CONFIG_HOME": str(tmp_path)}
    saved(environment, "a", "b").select("b")
    chosen = client_settings(environment)
    assert chosen == ClientSettings(
        "https://b", token=Secret("token-of-b"), insecure=True, timeout_seconds=5, origin="profile b"
    )
    assert client_settings(environment | {"BACALHAU_PROFILE": "a"}).endpoint == "https://a"
    assert client_settings(environment | {"GADUS_PROFILE": "a"}, {"profile": "b"}).endpoint == "https://b"
    own = client_settings(environment | {"GADUS_API_TOKEN": "mine", "GADUS_API_INSECURE": "false"})
    assert (own.token.reveal(), own.insecure) == ("mine", False)


def test_flag_goes_before_environment_before_selected_profile(tmp_path: Path) -> None:
    home = {"XDG_CONFIG_HOME": str(tmp_path)}
    saved(home, "named", "flagged")
    # From the weakest to the strongest, each with the variable or flag that says so.
    ranks = {
        "https://chosen": "selected",
        "https://named": "GADUS_PROFILE=named",
        "https://variable": "GADUS_API_HOST=https://variable",
        "https://flagged": "profile=flagged",
        "https://flag": "host=https://flag",
    }
    for says in product([False, True], repeat=len(ranks)):
        chosen = {endpoint: word.partition("=") for (endpoint, word), said in zip(ranks.items(), says, strict=True) if said}
        profiles = saved(home, "chosen")
        if "https://chosen" in chosen:
            profiles.select("chosen")
        words = {name: text for name, _, text in chosen.values()}
        variables = {name: text for name, text in words.items() if name.isupper()}
        settings = client_settings(home | variables, {name: text for name, text in words.items() if name.islower()})
        assert settings.endpoint == ([*chosen] or [""])[-1]
        # A token goes nowhere but to the address that it was saved with.
        own = settings.origin.startswith("profile ")
        assert settings.token.reveal() == (f"token-of-{settings.endpoint.removeprefix('https://')}" if own else "")
        profiles.delete("chosen")


def test_a_profile_that_is_not_there_is_told_with_who_asked_and_the_nearest(tmp_path: Path) -> None:
    environment = {"XDG_CONFIG_HOME": str(tmp_path), "GADUS_PROFILE": "stagin"}
    saved(environment, "staging")
    with pytest.raises(NotFound, match=r"GADUS_PROFILE: there is no profile 'stagin': did you mean staging\?"):
        client_settings(environment)


@pytest.mark.parametrize("name", ["../x", "", ".selected", "a/b", "x" * 64])
def test_names_of_profiles_lead_nowhere_else(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidSpec):
        Profiles(tmp_path).save(Profile(name, "http://x"))
    assert list(tmp_path.iterdir()) == []


def test_files_of_profiles_are_their_owners_alone(tmp_path: Path) -> None:
    environment = {"XDG_CONFIG_HOME": str(tmp_path)}
    profiles = saved(environment, "a")
    (path,) = (tmp_path / "gadus" / "profiles").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.write_text("{}")
    with pytest.raises(InvalidSpec, match="is not a profile"):
        profiles.get("a")
