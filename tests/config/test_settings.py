"""Settings are what the environment says, and nothing that it says is ignored."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from gadus.config import Phases, Policy, Settings, settings_from
from gadus.config.keys import JOB_TYPES, KEYS
from gadus.core.capacity import Amounts
from gadus.core.errors import InvalidSpec

GIB = 2**30
MACHINE = Amounts(10, 10 * GIB, 100 * GIB, 3)


def refused(**environment: str) -> InvalidSpec:
    with pytest.raises(InvalidSpec) as caught:
        settings_from(environment)
    return caught.value


def test_an_empty_environment_gives_the_defaults(environment_of_its_own: Path) -> None:
    settings = settings_from({})
    assert settings == Settings(environment_of_its_own / ".local/share/gadus")
    assert settings_from({"GADUS_CAPACITY_CPU": "", "GADUS_LABELS": " "}) == settings


def test_by_default_jobs_get_all_cores_and_devices_and_leave_some_memory_and_disk() -> None:
    settings = settings_from({})
    assert settings.capacity.of(MACHINE) == Amounts(10, 9 * GIB, 80 * GIB, 3)
    assert settings.job_max.of(MACHINE) == MACHINE
    assert {defaults.needs for defaults in settings.job_defaults.values()} == {Amounts(0.5, 512_000_000)}


def test_the_flag_comes_before_the_environment_and_that_before_the_default() -> None:
    assert settings_from({"GADUS_DATA_DIR": "/env"}, data_dir="/flag").data_dir == Path("/flag")
    assert settings_from({"GADUS_DATA_DIR": "/env", "XDG_DATA_HOME": "/xdg"}).data_dir == Path("/env")
    assert settings_from({"XDG_DATA_HOME": "/xdg"}).data_dir == Path("/xdg/gadus")


def test_every_setting_is_read() -> None:
    settings = settings_from(
        {
            "GADUS_CAPACITY_CPU": "50%",
            "GADUS_CAPACITY_MEMORY": "4GiB",
            "GADUS_CAPACITY_DISK": "10%",
            "GADUS_CAPACITY_GPU": "2",
            "GADUS_JOB_MAX_CPU": "500m",
            "GADUS_JOB_MAX_MEMORY": "25%",
            "GADUS_JOB_MAX_DISK": "1GiB",
            "GADUS_JOB_MAX_GPU": "0",
            "GADUS_JOB_DEFAULT_CPU": "100m",
            "GADUS_JOB_DEFAULT_MEMORY": "1kB",
            "GADUS_JOB_DEFAULT_DISK": "2kB",
            "GADUS_JOB_DEFAULT_GPU": "1",
            "GADUS_LABELS": "zone=eu-1,example.com/owner=data, spot",
            "GADUS_REJECT_NETWORKED": "true",
            "GADUS_REJECT_STATELESS": "Yes",
            "GADUS_LOCALITY": "Local",
            "GADUS_PROBE_EXEC": "/bin/probe --strict | tee log",
            "GADUS_PROBE_HTTP": "https://probe.example/ask",
            "GADUS_ENGINES": "Docker, wasm",
            "GADUS_SOURCES": "s3",
            "GADUS_PUBLISHERS": ",",
            "GADUS_STAGING_TIMEOUT": "1h30m5s",
            "GADUS_PREPARING_TIMEOUT": "90",
            "GADUS_LOG_LIMIT": "1MiB",
            "GADUS_STORE": "postgresql://user@db/gadus",
            "GADUS_CACHE_LIMIT": "50GB",
            "DOCKER_HOST": "unix:///run/x.sock",
        }
    )
    assert settings.capacity.of(MACHINE) == Amounts(5, 4 * GIB, 10 * GIB, 2)
    assert settings.job_max.of(MACHINE) == Amounts(0.5, 5 * GIB // 2, GIB, 0)
    assert {defaults.needs for defaults in settings.job_defaults.values()} == {Amounts(0.1, 1000, 2000, 1)}
    assert settings.labels == {"zone": "eu-1", "example.com/owner": "data", "spot": ""}
    assert settings.policy == Policy(
        rejects_networked=True,
        rejects_stateless=True,
        local_data_only=True,
        probe_command="/bin/probe --strict | tee log",
        probe_url="https://probe.example/ask",
        engines=frozenset({"docker", "wasm"}),
        sources=frozenset({"s3"}),
        publishers=frozenset(),
    )
    assert settings.phases == Phases(5405, 90)
    assert settings.log_limit_bytes == 2**20
    assert settings.store == "postgresql://user@db/gadus"
    assert settings.cache_limit_bytes == 50 * 10**9
    assert settings.docker_host == "unix:///run/x.sock"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("GADUS_CAPACITY_CPU", "101%"),
        ("GADUS_CAPACITY_MEMORY", "much"),
        ("GADUS_JOB_MAX_GPU", "0.5"),
        ("GADUS_JOB_DEFAULT_CPU", "50%"),
        ("GADUS_JOB_DEFAULT_MEMORY", "1 parsec"),
        ("GADUS_LABELS", "a=b c"),
        ("GADUS_REJECT_NETWORKED", "maybe"),
        ("GADUS_LOCALITY", "here"),
        ("GADUS_PROBE_HTTP", "ftp://x"),
        ("GADUS_PROBE_HTTP", "https://[1"),
        ("GADUS_STAGING_TIMEOUT", "soon"),
        ("GADUS_STAGING_TIMEOUT", "-1s"),
        ("GADUS_LOG_LIMIT", "0"),
        ("GADUS_CACHE_LIMIT", "0%"),
    ],
)
def test_a_value_that_is_none_names_its_setting_once(name: str, text: str) -> None:
    (problem,) = refused(**{name: text}).problems
    assert problem.startswith(f"{name}: ")
    assert problem.count(name) == 1


def test_the_password_of_a_probe_is_not_told() -> None:
    assert "secret" not in refused(GADUS_PROBE_HTTP="htps://user:secret@host/").message


def test_everything_that_is_wrong_is_told_at_once() -> None:
    error = refused(GADUS_CAPACITY_CPU="x", GADUS_LOCALITY="x", GADUS_CAPACITY_MEMORIES="1GB")
    assert [problem.split(":")[0] for problem in error.problems] == [
        "GADUS_CAPACITY_CPU",
        "GADUS_LOCALITY",
        "GADUS_CAPACITY_MEMORIES is not a setting",
    ]


def test_a_variable_that_is_no_setting_is_told_with_the_nearest_that_is_one() -> None:
    assert refused(GADUS_REJECT_NETWORK="true").problems == (
        "GADUS_REJECT_NETWORK is not a setting: did you mean GADUS_REJECT_NETWORKED?",
    )


@pytest.mark.parametrize(
    "name",
    [
        "GADUS_JOB_ID",
        "GADUS_EXECUTION_ID",
        "GADUS_JOB_TYPE",
        "GADUS_PARTITION_INDEX",
        "GADUS_PARTITION_COUNT",
        "GADUS_TEST_NAME",
        "GADUS_REQUIRE_ALL_PARTS",
        "GADUS_SERVICE_HOST",
        "GADUS_SERVICE_PORT_HTTP",
        "GADUS_PORT",
        "GADUS_PORT_1234_TCP_ADDR",
        "GADUS_API_SERVICE_HOST",
        "OTHER",
    ],
)
def test_what_programs_of_ours_tests_and_kubernetes_are_told_is_no_mistake(name: str) -> None:
    settings_from({name: "x"})


def test_reading_settings_imports_nothing_that_takes_long() -> None:
    code = (
        "import sys, gadus.config; gadus.config.settings_from(); print([m for m in ('pydantic', 'yaml') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"


def test_the_reference_has_every_setting_with_its_variable_and_default() -> None:
    text = (Path(__file__).parents[2] / "docs/reference/settings.md").read_text()
    rows = {row.split("|")[1].strip(" `"): row for row in text.splitlines() if row.startswith("| `")}
    kinds = "|".join(JOB_TYPES)
    for key in KEYS:
        row = rows[re.sub(rf"(?<=^JobDefaults\.)({kinds})", "⟨Type⟩", key.name)]
        assert f"| {key.default or key.unsaid or '–'} |" in row
        assert all(f"`{variable}`" in row for variable in key.short)
