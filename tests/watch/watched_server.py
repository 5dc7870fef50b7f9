"""A real server whose log is a file, and whose figures are read as Prometheus reads them."""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

PROBE = Path(__file__).parents[1] / "engines" / "wasm_programs" / "probe.wasm"
SECONDS = 60
JOBS = "/api/v1/orchestrator/jobs"


@dataclass
class WatchedServer:
    url: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def data_dir(self) -> Path:
        return self.log.parent / "data"

    def __call__(self, method: str, path: str, document: Any = None, **headers: str) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers of one answer."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=SECONDS)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        body = None if document is None else json.dumps(document).encode()
        try:
            connection.request(method, path, body, given | ({"Content-Type": "application/json"} if body else {}))
            answer = connection.getresponse()
            return answer.status, answer.read(), {name.lower(): value for name, value in answer.headers.items()}
        finally:
            connection.close()

    def submit(self, job: dict[str, Any], **headers: str) -> str:
        status, body, _ = self("PUT", JOBS, {"Job": job}, **headers)
        assert status == 200, body
        return str(json.loads(body)["JobID"])

    def state(self, job_id: str) -> str:
        return str(json.loads(self("GET", f"{JOBS}/{job_id}")[1])["Job"]["State"]["StateType"])

    def run(self, job: dict[str, Any], state: str = "Completed", **headers: str) -> str:
        """The id of the job, which has ended so."""
        job_id = self.submit(job, **headers)
        eventually(lambda: self.state(job_id) in ("Completed", "Failed", "Stopped"))
        assert self.state(job_id) == state
        return job_id

    def figures(self) -> dict[tuple[str, ...], float]:
        """Every sample: its name and labels, ``("gadus_jobs", "state=completed", "type=batch")``, and its value."""
        status, body, _ = self("GET", "/metrics")
        assert status == 200, body
        families = text_string_to_metric_families(body.decode())
        samples = [sample for family in families for sample in family.samples]
        return {(one.name, *sorted(f"{key}={value}" for key, value in one.labels.items())): one.value for one in samples}

    def lines(self) -> list[dict[str, Any]]:
        """The log, which is JSON lines."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def noted(self, event: str, **fields: Any) -> dict[str, Any]:
        """The only line of this event with these fields, as soon as it is there."""

        def found() -> list[dict[str, Any]]:
            return [one for one in self.lines() if one["event"] == event and fields.items() <= one.items()]

        eventually(found)
        (line,) = found()
        return line


@contextmanager
def watched_server(home: Path, *words: str, **environment: str) -> Iterator[WatchedServer]:
    """A server that logs JSON into a file below `home`; nothing of it runs afterwards."""
    command = [sys.executable, "-m", "gadus", "--data-dir", str(home / "data"), "serve", "--port", "0", "--json", *words]
    variables = {**os.environ, "HOME": str(home), "GADUS_LOG_MODE": "json", "GADUS_LOG_LEVEL": "debug", **environment}
    log = home / "log"
    with log.open("wb") as errors:
        process = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=errors)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, log.read_text()
        yield WatchedServer(json.loads(line)["url"], process, log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=SECONDS)


def wasm_job(*arguments: str, name: str = "", inputs: tuple[dict[str, Any], ...] = (), **fields: Any) -> dict[str, Any]:
    """A job that runs the probe, which comes along with it."""
    url = f"data:application/wasm;base64,{base64.b64encode(PROBE.read_bytes()).decode()}"
    module = {"Source": {"Type": "inline", "Params": {"URL": url}}, "Target": "/module.wasm"}
    engine = {"Type": "wasm", "Params": {"EntryModule": module, "Parameters": list(arguments)}}
    task = {"Name": "main", "Engine": engine, "InputSources": list(inputs), "Timeouts": {"ExecutionTimeout": 60}}
    return {"Name": name, "Type": "batch", "Count": 1, "Tasks": [task]} | fields


def inline_input(data: bytes, target: str = "/in") -> dict[str, Any]:
    url = f"data:;base64,{base64.b64encode(data).decode()}"
    return {"Source": {"Type": "inline", "Params": {"URL": url}}, "Target": target}


def eventually(look: Callable[[], Any]) -> Any:
    """Waits for a value that is true, and gives it."""
    deadline = time.monotonic() + SECONDS
    while not (seen := look()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)
    return seen
