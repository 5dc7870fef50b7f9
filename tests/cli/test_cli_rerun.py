"""A job that is run again is followed as one that is run, and what is stopped is the version that is meant."""

from __future__ import annotations

import re
import time

import pytest
from command import PROBE
from served import Ask, Server, ask, server  # noqa: F401 - fixtures
from test_cli_remote_run import job

PLACES = [{}, {"host": "none"}]


@pytest.fixture(params=PLACES, ids=["server", "here"])
def place(request: pytest.FixtureRequest) -> dict[str, str]:
    """Where jobs are: on the server, or on this machine."""
    return dict(request.param)


def ended(ask: Ask, text: bytes, place: dict[str, str]) -> str:  # noqa: F811
    """The id of a job that has run once."""
    return ask("job", "run", "--id-only", stdin=text, **place).out.decode().strip()


@pytest.mark.parametrize("flag", ["--wait", "-f"])
def test_waiting_gives_the_output_and_the_exit_code_of_the_new_version(ask: Ask, place, flag: str) -> None:  # noqa: F811
    job_id = ended(ask, job("print", "out", "err\n"), place)
    again = ask("job", "rerun", flag, job_id, **place)
    assert (again.code, again.out) == (0, b"out"), again.err
    assert again.err.startswith(f"Job {job_id}\n")
    assert "err\n" in again.err
    assert re.search(r"^Done in .*exit code 0$", again.err, re.MULTILINE)
    failing = ended(ask, job("exit", "7"), place)
    assert ask("job", "rerun", "--quiet", flag, failing, **place).code == 7


def test_document_is_that_of_a_run_and_of_the_new_version_alone(ask: Ask, place) -> None:  # noqa: F811
    job_id = ended(ask, job("print", "out", ""), place)
    told = ask("job", "rerun", "--wait", "--json", job_id, **place).document
    (execution,) = told["executions"]
    assert (told["job_id"], told["state"], execution["stdout"]) == (job_id, "completed", "out")
    versions = ask("job", "executions", "--all-versions", "--json", job_id, **place).document
    assert sorted(one["JobVersion"] for one in versions) == [1, 2]
    assert next(one["ID"] for one in versions if one["JobVersion"] == 2) == execution["id"]


def test_without_waiting_the_id_is_printed_and_nobody_can_wait_too_long(ask: Ask) -> None:  # noqa: F811
    job_id = ended(ask, job("return"), {})
    left = ask("job", "rerun", "--quiet", job_id)
    assert (left.code, left.out.decode().strip(), left.err) == (0, job_id, "")
    wrong = ask("job", "rerun", "--wait-timeout-secs", "5", job_id)
    assert (wrong.code, "give --wait" in wrong.err) == (2, True)


def test_wait_that_is_over_stops_the_new_version(ask: Ask, place) -> None:  # noqa: F811
    job_id = ask("wasm", "run", "--id-only", "--wait-timeout-secs", "1", str(PROBE), "forever", **place).out.decode().strip()
    again = ask("job", "rerun", "--wait", "--wait-timeout-secs", "1", job_id, **place)
    assert again.code == 1
    assert "not done after --wait-timeout-secs 1" in again.err


def running(ask: Ask, job_id: str, place: dict[str, str]) -> None:  # noqa: F811
    """Returns when the program of the job runs."""
    deadline = time.monotonic() + 60
    while b"running" not in ask("job", "logs", job_id, **place).out:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_stop_of_a_version_means_the_latest_one_and_no_other(ask: Ask, place) -> None:  # noqa: F811
    """1 the job is stopped; 2 it runs again, as version 2; 3 version 1 cannot be stopped, nor 3, which is none; 2 can be."""
    job_id = ask("wasm", "run", "--id-only", "--wait-timeout-secs", "1", str(PROBE), "forever", **place).out.decode().strip()
    assert ask("job", "rerun", job_id, **place).code == 0
    running(ask, job_id, place)
    earlier = ask("job", "stop", "--version", "1", job_id, **place)
    assert (earlier.code, f"version 1 of job {job_id} is over: version 2 has taken its place" in earlier.err) == (2, True)
    none = ask("job", "stop", "--version", "3", job_id, **place)
    assert (none.code, "has no version 3" in none.err) == (2, True)
    both = ask("job", "stop", "--version", "2", "--all-versions", job_id, **place)
    assert (both.code, "exclude each other" in both.err) == (2, True)
    stopped = ask("job", "stop", "--version", "2", "--json", job_id, **place)
    assert (stopped.code, stopped.document["state"]) == (0, "Stopped")


def test_stop_of_all_versions_leaves_nothing_running(ask: Ask) -> None:  # noqa: F811
    begun = ask("job", "run", stdin=job("forever", kind="service", name="all-of-it"))
    job_id = begun.err.split()[1]
    assert ask("job", "run", "--force", stdin=job("forever", kind="service", name="all-of-it")).code == 0
    assert ask("job", "stop", "--all-versions", "all-of-it").code == 0
    executions = ask("job", "executions", "--all-versions", "--json", job_id).document
    assert [one["ComputeState"]["StateType"] for one in executions] == [11, 11]


def test_followed_version_that_another_replaces_is_not_judged_by_it(ask: Ask, server: Server) -> None:  # noqa: F811
    begun = ask("job", "run", stdin=job("forever", kind="service", name="replaced"))
    job_id = begun.err.split()[1]
    process = server.there.start("job", "rerun", "--follow", job_id)
    try:
        assert process.stderr is not None
        assert process.stderr.readline().decode() == f"Job {job_id}\n"
        running(ask, job_id, {})
        assert ask("job", "rerun", job_id).code == 0
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 2
    assert f"job {job_id} was run again meanwhile, as version 3" in err.decode()
    assert ask("job", "stop", job_id).code == 0
