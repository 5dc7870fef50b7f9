"""The server as a command: how it begins, what it says, and how it ends."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import urllib.error
import urllib.request
from collections import Counter
from typing import Any

import pytest
from command import PROBE, SECONDS, Cli

from gadus.config import settings_from
from gadus.wiring import store_of


def serve(cli: Cli, *words: str) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    """A server that serves, and what it said of itself."""
    process = cli.start("serve", "--port", "0", "--json", *words)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.stderr.read().decode() if process.stderr else ""
    return process, json.loads(line)


def ended(process: subprocess.Popen[bytes]) -> tuple[int, bytes, str]:
    out, err = process.communicate(timeout=SECONDS)
    return process.returncode, out, err.decode()


def get(url: str, path: str) -> Any:
    with urllib.request.urlopen(f"{url}{path}", timeout=SECONDS) as answer:
        return json.load(answer)


def put(url: str, path: str, document: Any) -> Any:
    data, kind = json.dumps(document).encode(), {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url + path, data, kind, method="PUT"), timeout=SECONDS) as answer:
        return json.load(answer)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_server_says_where_it_listens_and_ends_by_a_signal(cli: Cli, number):
    process, said = serve(cli)
    assert said["url"] == f"http://127.0.0.1:{said['port']}"
    assert said["pid"] == process.pid
    assert get(said["url"], "/api/v1/agent/alive") == {"Status": "OK"}
    assert json.loads((cli.data_dir / "server.json").read_text()) == {"pid": process.pid, "url": said["url"]}
    process.send_signal(number)
    code, out, err = ended(process)
    assert (code, out) == (0, b"")
    first, *_, last = err.splitlines()
    assert said["url"] in first
    assert last.endswith("Stopped.")
    assert not (cli.data_dir / "server.json").exists()


def test_second_server_on_the_same_directory_is_told_who_has_it(cli: Cli):
    process, _ = serve(cli)
    second = cli("serve", "--port", "0", "--json")
    assert second.code == 2
    assert f"process {process.pid}" in second.err
    assert second.document["error"]["kind"] == "Conflict"
    process.kill()
    process.wait(SECONDS)
    third, _ = serve(cli)
    third.terminate()
    assert ended(third)[0] == 0


def test_directory_that_cannot_be_used_is_named(cli: Cli):
    (cli.directory / "file").write_text("")
    refused = cli("serve", "--port", "0", "--data-dir", str(cli.directory / "file" / "data"))
    assert refused.code == 75
    assert str(cli.directory / "file" / "data") in refused.err


def test_port_that_is_taken_is_named(cli: Cli):
    process, said = serve(cli)
    second = cli("--data-dir", str(cli.data_dir / "other"), "serve", "--port", str(said["port"]))
    assert second.code == 75
    assert f"port {said['port']}" in second.err
    assert "--port" in second.err
    process.terminate()
    assert ended(process)[0] == 0


def test_an_interface_that_others_reach_is_not_listened_at_without_access_control(cli: Cli):
    refused = cli("serve", "--port", "0", "--host", "0.0.0.0")
    assert refused.code == 2
    assert "nobody was granted access to it yet" in refused.err
    assert "gadus auth token create" in refused.err


def test_executions_run_on_without_the_server_and_the_next_finds_them(cli: Cli, eventually):
    process, said = serve(cli)
    job_id = put(said["url"], "/api/v1/orchestrator/jobs", {"Job": forever()})["JobID"]
    eventually(lambda: running(said["url"], job_id))
    process.terminate()
    code, _, err = ended(process)
    assert code == 0
    assert err.splitlines()[-1].endswith("Stopped. 1 execution runs on; the next server finds it again.")
    process, said = serve(cli)
    assert eventually(lambda: running(said["url"], job_id))
    request = urllib.request.Request(f"{said['url']}/api/v1/orchestrator/jobs/{job_id}", method="DELETE")
    urllib.request.urlopen(request, timeout=SECONDS).close()
    eventually(lambda: get(said["url"], "/healthz")["Running"] == 0)
    process.terminate()
    assert ended(process)[2].splitlines()[-1].endswith("Stopped.")
    # What the second server was told again it knew.
    with store_of(settings_from(data_dir=str(cli.data_dir))) as store:
        told = [type(event).__name__ for _, event in store.events(job_id)]
    assert Counter(told) == {"Submitted": 1, "Placed": 1, "PhaseEntered": 2, "StopRequested": 1, "Ended": 1}


def test_follower_of_logs_does_not_keep_the_server_from_ending(cli: Cli, eventually):
    process, said = serve(cli)
    job_id = put(said["url"], "/api/v1/orchestrator/jobs", {"Job": forever()})["JobID"]
    with urllib.request.urlopen(f"{said['url']}/api/v1/orchestrator/jobs/{job_id}/logs?follow=true", timeout=SECONDS) as logs:
        assert logs.readline() == b"running\n"
        process.terminate()
        assert logs.read() == b""
        assert ended(process)[0] == 0
    process, said = serve(cli)
    request = urllib.request.Request(f"{said['url']}/api/v1/orchestrator/jobs/{job_id}", method="DELETE")
    urllib.request.urlopen(request, timeout=SECONDS).close()
    eventually(lambda: get(said["url"], "/healthz")["Running"] == 0)
    process.terminate()
    assert ended(process)[0] == 0


def forever() -> dict[str, Any]:
    """A job that does not end by itself."""
    module = {"Source": {"Type": "inline", "Params": {"URL": probe_url()}}, "Target": "/module.wasm"}
    engine = {"Type": "wasm", "Params": {"EntryModule": module, "Parameters": ["forever"]}}
    # A test that fails leaves it running: not for ever.
    return {"Type": "batch", "Tasks": [{"Name": "main", "Engine": engine, "Timeouts": {"ExecutionTimeout": 60}}]}


def probe_url() -> str:
    return f"data:application/wasm;base64,{base64.b64encode(PROBE.read_bytes()).decode()}"


def running(url: str, job_id: str) -> bool:
    executions = get(url, f"/api/v1/orchestrator/jobs/{job_id}/executions")["Items"]
    return any(one["ComputeState"] == {"StateType": 5, "Message": "running"} for one in executions)
