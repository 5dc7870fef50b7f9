"""Commands about jobs say the same of a server's jobs as of those in a data directory: there is one way to ask."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from command import GADUS, SECONDS, Cli

# The server that the tests of its routes have.
sys.path.append(str(Path(__file__).parents[1] / "web"))
from running import Running, eventually, serving, wasm_job


@dataclass(frozen=True)
class Served:
    """A server, its jobs by name, and commands that ask it, or read its data directory."""

    server: Running
    jobs: dict[str, str]
    remote: Cli
    local: Cli


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, s3_module_bucket) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("served")
    plain = {name: text for name, text in os.environ.items() if not name.startswith(("GADUS_", "AWS_"))}
    environment = plain | {"HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true", "TERM": "xterm", "COLUMNS": "150"}
    with serving(home / "data", environment | s3_module_bucket.server.environment()) as server:
        (home / "here").mkdir()
        remote = Cli(
            home / "none", home / "here", environment | {"GADUS_DATA_DIR": str(home / "none"), "GADUS_API_HOST": server.url}
        )
        local = Cli(home / "data", home / "here", environment | {"GADUS_DATA_DIR": str(home / "data")})
        yield Served(server, _jobs(server, s3_module_bucket), remote, local)
        for process in (*remote.started, *local.started):
            process.kill()
            process.communicate(timeout=SECONDS)
        # What still runs would run on without the server.
        for job in server.get("/jobs")["Items"]:
            server("DELETE", f"/api/v1/orchestrator/jobs/{job['ID']}")
        eventually(lambda: server("GET", "/healthz").document["Running"] == 0)


@pytest.fixture(scope="module")
def s3_module_bucket(s3):
    from s3_server import Bucket  # noqa: PLC0415 - a plugin of pytest before it is a module

    client = s3.client()
    client.create_bucket(Bucket="remote-jobs")
    yield Bucket("remote-jobs", s3, client)
    client.delete_bucket(Bucket="remote-jobs")
    client.close()


def _jobs(server: Running, bucket) -> dict[str, str]:
    """Four jobs that have ended, and one that runs until it is stopped."""
    for number in range(30):
        bucket.put(f"logs/{number:02}", b"x" * number)
    params = {"Bucket": bucket.name, "Key": "logs/*", "Endpoint": bucket.server.endpoint}
    reads = {"InputSources": [{"Source": {"Type": "s3", "Params": params}, "Target": "/in"}]}
    leaves = {"ResultPaths": [{"Name": "out", "Path": "/out"}]}
    jobs = {
        "speaks": wasm_job("print", "one\ntwo\nthree", "to stderr", name="speaks", task=reads, Labels={"team": "data"}),
        "pair": wasm_job("print", "a\n", "", name="pair", Count=2),
        "leaves": wasm_job("write", "/out/x", "text", name="team/leaves", task=leaves),
        "fails": wasm_job("exit", "5", name="fails"),
        "endless": wasm_job("forever", name="endless", task={"Timeouts": {"ExecutionTimeout": 900}}),
    }
    ids = {}
    for name, job in jobs.items():
        ids[name] = server.submit(job)
        if name != "endless":
            server.wait_for(ids[name], "Completed", "Failed")
    eventually(lambda: b"running" in server("GET", f"/api/v1/orchestrator/jobs/{ids['endless']}/logs").body)
    return ids


@pytest.fixture
def asked(served: Served) -> Cli:
    """The command for the server: that it says the same of a data directory is tested once, for all commands."""
    return served.remote


def without_ages(text: bytes) -> str:
    return re.sub(r"(?:\d+h)?(?:\d+m)?\d+s ago +(?:\d+h)?(?:\d+m)?\d+s ago *", "AGES ", text.decode())


COMMANDS = [
    ("list", "--wide"),
    ("describe", "speaks"),
    ("describe", "--json", "speaks"),
    ("executions", "pair"),
    ("history", "speaks"),
    ("versions", "pair"),
    ("logs", "pair"),
    ("logs", "--json", "speaks"),
    ("logs", "-e", "e-none", "speaks"),
    ("stop", "speaks"),
    ("rerun", "--version", "9", "speaks"),
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_server_and_data_directory_say_the_same(served: Served, words):
    afar, here = (cli("job", *words) for cli in (served.remote, served.local))
    assert afar.code == here.code
    assert without_ages(without_address(served, afar.out)) == without_ages(without_address(served, here.out))
    assert afar.err == here.err


def without_address(served: Served, text: bytes) -> bytes:
    """Each has its own address for results."""
    return text.replace(served.server.url.encode(), b"http://localhost")


def test_list_pages_by_the_token_that_it_tells(asked: Cli):
    first = asked("job", "list", "--limit", "2", "--hide-header", "--wide")
    token = re.search(r"--next-token (\S+)`", first.err)
    assert token
    second = asked("job", "list", "--limit", "9", "--hide-header", "--wide", "--next-token", token[1])
    assert "--next-token" not in second.err
    ids = [line.split()[2] for line in (first.out + second.out).decode().splitlines()]
    everything = [job["ID"] for job in asked("job", "list", "--limit", "0", "--json").document]
    assert ids == everything
    assert len(set(ids)) >= 5


def test_executions_have_words_for_states(asked: Cli, served: Served):
    rows = list(csv.reader(io.StringIO(asked("job", "executions", "--output", "csv", "pair").out.decode())))
    assert rows[0] == ["Created", "Modified", "ID", "Node ID", "Rev.", "State", "Desired"]
    assert [row[5:] for row in rows[1:]] == [["Completed", "Stopped"]] * 2
    cut = asked("job", "executions", "--limit", "1", "--hide-header", "pair")
    token = re.search(r"--next-token (\S+)`", cut.err)
    assert (len(cut.out.splitlines()), bool(token)) == (1, True)
    running = asked("job", "executions", "--json", "endless").document
    assert [one["ComputeState"]["StateType"] for one in running] == [6]


def test_history_is_of_the_events_that_are_asked_for(asked: Cli):
    (header, *rows) = list(csv.reader(io.StringIO(asked("job", "history", "--output", "csv", "speaks").out.decode())))
    assert header == ["Time", "Level", "Rev.", "Exec. ID", "Node ID", "State", "Topic", "Event"]
    assert rows[0][1] == "JobLevel"
    assert rows[-1][1:2] + rows[-1][5:6] == ["JobLevel", "Completed"]
    (execution,) = {row[3] for row in rows if row[1] == "ExecutionLevel"}
    of_it = (
        asked("job", "history", "--execution-id", execution[:6], "--hide-header", "--wide", "speaks").out.decode().splitlines()
    )
    assert len(of_it) == sum(row[3] == execution for row in rows) > 2
    job_only = asked("job", "history", "--event-type", "job", "--hide-header", "speaks").out.decode().splitlines()
    assert len(job_only) == sum(row[1] == "JobLevel" for row in rows)


def test_history_the_other_way_round_is_paged_from_its_end(served: Served):
    for cli in (served.remote, served.local):
        forwards = cli("job", "history", "--json", "speaks").document
        assert cli("job", "history", "--order-reversed", "--json", "speaks").document == forwards[::-1]
        first = cli("job", "history", "--order-reversed", "--limit", "3", "--json", "speaks")
        token = re.search(r"--next-token (\S+)`", first.err)
        assert token
        rest = cli("job", "history", "--limit", "99", "--next-token", token[1], "--json", "speaks")
        assert first.document + rest.document == forwards[::-1]


def test_described_job_is_the_document_of_the_api_with_every_object(asked: Cli, served: Served):
    document = asked("job", "describe", "--json", "speaks").document
    told = served.server.get(f"/jobs/{served.jobs['speaks']}?include=executions,history", X_Bacalhau_Git_Version="v1.9.0")
    assert document["Job"] == told["Job"]
    assert isinstance(document["Job"]["CreateTime"], int)
    assert document["History"]["Items"] == told["History"]["Items"]
    assert [one["Receipt"] for one in document["Executions"]["Items"]] == [
        one["Receipt"] for one in told["Executions"]["Items"]
    ]
    (manifest,) = [one for one in document["Manifests"] if one["Target"] == "/in"]
    assert [item["key"] for item in manifest["Items"]] == [f"logs/{number:02}" for number in range(30)]
    assert manifest["ItemsLeftOut"] == 0


def test_described_job_can_be_validated_again(asked: Cli, served: Served):
    for flags in (("--output", "yaml"), ("--json",)):
        document = asked("job", "describe", *flags, "pair").out
        assert list(yaml.safe_load(document)) == ["Job", "Executions", "History", "Manifests"]
        again = served.local("job", "validate", "-", stdin=document)
        assert (again.code, again.out) == (0, b"OK\n"), again.err


def test_logs_have_each_stream_on_its_own_and_as_many_lines_as_wanted(asked: Cli):
    done = asked("job", "logs", "speaks")
    assert (done.out, done.err) == (b"one\ntwo\nthree", "to stderr")
    assert asked("job", "logs", "--tail", "2", "speaks").out == b"two\nthree"
    assert asked("job", "logs", "-t1", "speaks").out == b"three"
    assert asked("job", "logs", "--tail=0", "speaks").out == b""
    first = asked("job", "executions", "--json", "pair").document[0]["ID"]
    assert asked("job", "logs", "-e", first[:12], "pair").out == b"a\n"
    assert asked("job", "logs", "pair").out == b"[0] a\n[1] a\n"


def opened_by(pid: int) -> list[str]:
    """What a process has open."""
    found = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.append(str(descriptor.readlink()))
    return found


def test_logs_that_are_followed_from_now_on_end_with_the_signal(asked: Cli):
    process = asked.start("job", "logs", "-ft", "endless")
    # It is past its imports, and asks: a server, or the directory.
    eventually(lambda: any(word in opened for opened in opened_by(process.pid) for word in ("socket:", "gadus.db")))
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    process.send_signal(2)
    out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, out, err) == (130, b"", b"Stopped.\n")


@pytest.mark.parametrize("way", ["remote", "local"])
def test_get_has_the_same_files_and_takes_one_of_them(served: Served, way: str, tmp_path: Path):
    asked: Cli = getattr(served, way)
    whole, one = tmp_path / "whole", tmp_path / "one"
    done = asked("job", "get", "--output-dir", str(whole), "team/leaves")
    assert (done.code, done.out.decode().strip()) == (0, str(whole)), done.err
    assert sorted(path.name for path in whole.iterdir()) == ["exitCode", "out", "receipt.json", "stderr", "stdout"]
    assert (whole / "out" / "x").read_text() == "text"
    assert json.loads((whole / "receipt.json").read_text())
    job_id = served.jobs["leaves"]
    assert asked("job", "get", "--output-dir", str(one), f"{job_id}/out/x").code == 0
    assert [str(path.relative_to(one)) for path in one.rglob("*") if path.is_file()] == ["out/x"]
    missing = asked("job", "get", "--output-dir", str(tmp_path / "none"), f"{job_id}/out/y")
    assert (missing.code, "have no out/y" in missing.err) == (2, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "whole"]


def test_get_of_a_job_that_runs_says_so(asked: Cli, tmp_path: Path):
    done = asked("job", "get", "--output-dir", str(tmp_path / "x"), "endless")
    assert (done.code, "No results found" in done.err, "wait until it has ended" in done.err) == (2, True, True)
    assert list(tmp_path.iterdir()) == []


def test_job_that_is_stopped_on_a_server_is_gone(served: Served):
    job = served.server.submit(wasm_job("forever", name="to-stop"))
    served.server.wait_for(job, "Running")
    done = served.remote("job", "stop", "--reason", "enough", "--json", "to-stop")
    assert done.document == {"job_id": job, "state": "Stopped", "message": "enough"}
    assert served.remote("job", "executions", "--json", "to-stop").document[0]["ComputeState"]["StateType"] == 11
    again = served.remote("job", "stop", "to-stop")
    assert (again.code, "already in a terminal state: Stopped" in again.err) == (2, True)


def test_rerun_job_has_a_further_version(served: Served):
    job = served.server.submit(wasm_job("print", "again", "", name="again"))
    served.server.wait_for(job, "Completed")
    done = served.remote("job", "rerun", "again")
    assert (done.code, done.out.decode().strip(), "version 2" in done.err) == (0, job, True)
    followed = served.remote("job", "logs", "--follow", "again")
    assert (followed.code, followed.out) == (0, b"again")
    rows = served.remote("job", "versions", "--hide-header", "again").out.decode().splitlines()
    assert [row.split()[1] for row in rows] == ["1", "2"]
    for flags, executions in (((), 1), (("--version", "1"), 1), (("--all-versions",), 2)):
        assert len(served.remote("job", "executions", "--json", *flags, "again").document) == executions
    both = served.remote("job", "executions", "--version", "1", "--all-versions", "again")
    assert (both.code, "exclude each other" in both.err) == (2, True)


def test_server_that_is_away_is_named_with_who_named_it(served: Served):
    served.remote.environment["GADUS_API_HOST"], kept = "http://127.0.0.1:9", served.remote.environment["GADUS_API_HOST"]
    try:
        done = served.remote("job", "list", "--json")
    finally:
        served.remote.environment["GADUS_API_HOST"] = kept
    assert done.code == 75
    assert done.document["error"]["kind"] == "Unavailable"
    assert "http://127.0.0.1:9 does not answer: Connection refused" in done.err
    assert "from GADUS_API_HOST" in done.err


HEAVY = {"aiohttp", "botocore", "wasmtime", "starlette", "uvicorn", "pydantic", "sqlalchemy", "psycopg", "yaml"}
SCRIPT = """
import sys
from gadus.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    assert not end.code, end.code
names = {name if name.startswith("gadus.") else name.partition(".")[0] for name in sys.modules}
print("\\n".join(sorted(names)), file=sys.stderr)
"""


ASKING = [
    ("job", "list"),
    ("job", "executions", "pair"),
    ("job", "history", "pair"),
    ("job", "describe", "pair"),
    ("job", "rerun", "fails"),
    ("node", "list", "--show", "labels"),
]


@pytest.mark.parametrize("words", ASKING, ids=" ".join)
def test_command_that_asks_a_server_loads_nothing_that_runs_jobs(served: Served, words):
    done = subprocess.run(
        [GADUS[0], "-c", SCRIPT, *words],
        env=served.remote.environment,
        capture_output=True,
        timeout=SECONDS,
        check=True,
    )
    loaded = set(done.stderr.decode().split())
    assert "aiohttp" in loaded
    assert not loaded & (HEAVY - {"aiohttp"})
    rooms = ("wiring", "engines", "s3", "storage", "runner", "orchestrator", "web", "backends", "shims")
    assert not [name for name in loaded if name.startswith(tuple(f"gadus.{room}" for room in rooms))]
