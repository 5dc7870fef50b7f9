"""What the flags of a server do: by Bacalhau's names, on a real server."""

from __future__ import annotations

import json
import sys
import urllib.error
from pathlib import Path
from typing import Any

import pytest
from command import Cli
from test_cli_serve import ended, forever, get, put, serve

from gadus.cli.flags.node import _NO_EFFECT, _REFUSED, _REFUSED_SWITCHES
from gadus.cli.main import main

JOBS = "/api/v1/orchestrator/jobs"
FLAGS = {
    "--name-provider": "puuid",
    "--labels": "zone=a,disk=ssd",
    "--limit-total-cpu": "1000",
    "--ignore-physical-resource-limits": "true",
    "--limit-job-memory": "1GiB",
    "--min-job-execution-timeout": "5s",
    "--max-job-execution-timeout": "1h",
    "--default-job-execution-timeout": "10m",
    "--job-selection-accept-networked": "false",
    "--disable-engine": "docker",
    "--disable-storage": "urlDownload,ipfs",
    "--node-type": "requester,compute",
    "--job-negotiation-timeout": "3m",
    "--requester-job-store-type": "BoltDB",
    "--requester-job-store-path": "jobs.db",
    "--config": "Logs.Limit=1kB",
}


def job(*words: str, **task: Any) -> dict[str, Any]:
    """A job of the probe that says `words`."""
    spec = forever()
    spec["Tasks"][0]["Engine"]["Params"]["Parameters"] = list(words)
    spec["Tasks"][0] |= {"Timeouts": {}} | task
    return spec


def submitted(url: str, spec: dict[str, Any]) -> str:
    return put(url, JOBS, {"Job": spec})["JobID"]


def refusal(url: str, spec: dict[str, Any]) -> str:
    with pytest.raises(urllib.error.HTTPError) as caught:
        submitted(url, spec)
    assert caught.value.code == 400
    return json.load(caught.value)["Message"]


def state_of(url: str, job_id: str) -> dict[str, Any]:
    return get(url, f"{JOBS}/{job_id}")["Job"]["State"]


def test_flags_shape_the_node_and_what_it_takes(cli: Cli, eventually):
    process, said = serve(cli, *(f"{flag}={value}" for flag, value in FLAGS.items()), "--labels", "spot")
    url = said["url"]
    (node,) = get(url, "/api/v1/orchestrator/nodes")["Nodes"]
    info = node["Info"]
    assert info["NodeID"].startswith("n-")
    assert info["Labels"].items() >= {"zone": "a", "disk": "ssd", "spot": ""}.items()
    assert info["ComputeNodeInfo"]["MaxCapacity"]["CPU"] == 1000
    assert info["ComputeNodeInfo"]["MaxJobRequirements"]["Memory"] == 2**30
    assert info["ComputeNodeInfo"]["ExecutionEngines"] == ["wasm"]
    assert info["ComputeNodeInfo"]["StorageSources"] == ["inline", "s3"]

    job_id = submitted(url, job("much", "100000"))
    assert get(url, f"{JOBS}/{job_id}")["Job"]["Tasks"][0]["Timeouts"]["ExecutionTimeout"] == 600
    eventually(lambda: state_of(url, job_id)["StateType"] == "Completed")
    # What was given to the server counts for the processes of executions, too.
    (log,) = (cli.data_dir / "results" / job_id).glob("*/stdout")
    assert log.stat().st_size < 5_000
    assert (cli.directory / "jobs.db").exists()

    told = refusal(url, job("return", Timeouts={"ExecutionTimeout": 2}))
    assert "Tasks[0].Timeouts.ExecutionTimeout: 2 s is shorter than this installation allows: at least 5 s" in told
    assert "at most 3600 s" in refusal(url, job("return", Timeouts={"TotalTimeout": 3601}))
    docker = {"Type": "docker", "Params": {"Image": "busybox"}}
    job_id = submitted(url, job(Engine=docker, Network={"Type": "Full"}))
    reasons = eventually(lambda: state_of(url, job_id).get("Message"))
    assert "does not support docker" in reasons
    assert "does not run jobs that require network access" in reasons

    process.terminate()
    code, _, err = ended(process)
    assert code == 0
    assert "Warning: --job-negotiation-timeout has no effect: jobs are not negotiated\n" in err
    assert f"  export GADUS_API_HOST=127.0.0.1 GADUS_API_PORT={said['port']}\n" in err
    assert f"  export BACALHAU_API_HOST=127.0.0.1 BACALHAU_API_PORT={said['port']}\n" in err

    process, said = serve(cli, "--name-provider", "puuid")
    assert get(said["url"], "/api/v1/agent/node")["NodeID"] == info["NodeID"]
    process.terminate()
    ended(process)


def test_a_server_that_only_orchestrates_keeps_jobs_for_one_that_computes(cli: Cli, eventually):
    process, said = serve(cli, "--orchestrator")
    assert get(said["url"], "/api/v1/orchestrator/nodes")["Nodes"] == []
    assert get(said["url"], "/api/v1/agent/node")["NodeType"] == "Requester"
    job_id = submitted(said["url"], job("return"))
    eventually(lambda: get(said["url"], "/healthz")["Waiting"] == 1)
    assert state_of(said["url"], job_id)["StateType"] in ("Pending", "Queued")
    process.terminate()
    assert "It keeps jobs and runs none of them" in ended(process)[2]

    process, said = serve(cli, "--orchestrator", "--compute")
    eventually(lambda: state_of(said["url"], job_id)["StateType"] == "Completed")
    process.terminate()
    assert ended(process)[0] == 0


def test_the_address_comes_from_variable_and_file_too(cli: Cli):
    cli.data_dir.mkdir()
    (cli.data_dir / "config.yaml").write_text("API: {Host: '::1', Port: 1}\nName: from-file\n")
    cli.environment |= {"BACALHAU_SERVER_HOST": "127.0.0.2", "GADUS_API_HOST": "server.example", "GADUS_API_PORT": "7"}
    process, said = serve(cli)
    assert said["host"] == "127.0.0.2"
    assert get(said["url"], "/api/v1/agent/node")["NodeID"] == "from-file"
    process.terminate()
    assert ended(process)[0] == 0


def refused_here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    with pytest.raises(SystemExit) as caught:
        main(["serve", "--port", "0", *words])
    assert caught.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("flag", [*_REFUSED, *(f"--{name}" for name in _REFUSED_SWITCHES)])
def test_flags_that_cannot_act_are_refused_with_the_reason(monkeypatch, capsys, flag: str):
    words = [flag] if flag.removeprefix("--") in _REFUSED_SWITCHES else [flag, "x"]
    why = {**_REFUSED, **{f"--{name}": why for name, why in _REFUSED_SWITCHES.items()}}[flag]
    assert f"Error: {flag}: {why}\nHint: leave it out\n" in refused_here(monkeypatch, capsys, *words)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--compute"], "a server that only runs the jobs of another orchestrator is not there yet (flag --compute)"),
        (["--node-type", "compute"], "is not there yet (flag --node-type)"),
        (["--config", "Orchestrator.Enabled=false"], "is not there yet (flag --config Orchestrator.Enabled)"),
        (["--node-type", "leader"], "--node-type: 'leader' is neither requester nor compute"),
        (["--default-publisher", "s3://b/k"], "--default-publisher: 's3://b/k' is not a publisher of Gadus yet"),
        (["--disable-engine", "dokcer"], "Engines.Disabled: there is no 'dokcer': did you mean docker?"),
        (["--limit-total-cpu", "lots"], "--limit-total-cpu: Compute.AllocatedCapacity.CPU: 'lots' is not an amount"),
        (["--name-provider", "aws"], "--name-provider: NameProvider: 'aws' is none of hostname, puuid, uuid"),
        (["--job-selection-data-locality", "near"], "'near' is neither anywhere nor local"),
    ],
)
def test_flags_that_are_wrong_are_told(monkeypatch, capsys, words: list[str], told: str):
    assert told in refused_here(monkeypatch, capsys, *words)


def test_the_reference_names_every_flag_that_is_refused_or_has_no_effect():
    text = (Path(__file__).parents[2] / "docs/reference/differences.md").read_text()
    missing = [
        flag for flag in (*_REFUSED, *_NO_EFFECT, *(f"--{name}" for name in _REFUSED_SWITCHES)) if f"`{flag}`" not in text
    ]
    assert missing == []
