"""Gadus on a data directory of its own, whose server comes and goes; and requests that do not give up when it is away."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

API = "/api/v1/orchestrator"
ANSWER_SECONDS = 20.0
AWAY_SECONDS = 90.0
"""So long a client tries: no server here is away for longer."""
EVENTUALLY_SECONDS = 30.0
_PAUSE_SECONDS = 0.05
_BUSY = 503

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@dataclass
class Installation:
    """
    At most one server at a time; what it says of itself goes to ``<home>/server.log``.

    Its thread of control starts and kills; any thread may send requests.
    """

    home: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    url: str = ""

    @property
    def data_dir(self) -> Path:
        return self.home / "data"

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of the settings of whoever runs the tests."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "GADUS_", "DOCKER_", "XDG_"))}
        return {**ours, "HOME": str(self.home), "AWS_EC2_METADATA_DISABLED": "true", **self.variables}

    def start(self) -> None:
        """It answers."""
        words = [sys.executable, "-m", "gadus", "serve", "--port", "0", "--json", "--data-dir", str(self.data_dir)]
        with (self.home / "server.log").open("ab") as log:
            self.process = subprocess.Popen(words, env=self.environment, stdout=subprocess.PIPE, stderr=log, cwd="/")
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the server did not start: {self.last_words()}"
        self.url = json.loads(line)["url"]

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        """It was sent the signal and is gone."""
        if self.process is not None:
            self.process.send_signal(number)
            self.gone()

    def gone(self) -> None:
        """Wait for the end of a server that is about to end, or has."""
        assert self.process is not None
        self.process.wait(ANSWER_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None

    def last_words(self) -> str:
        return (self.home / "server.log").read_text()[-4000:]

    def ask(self, method: str, path: str, document: Any = None, **headers: str) -> Answer:
        """One request. Raises OSError and HTTPException when no whole answer came."""
        data = None if document is None else json.dumps(document).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=ANSWER_SECONDS)
        try:
            connection.request(method, path, data, {"Content-Type": "application/json"} | given if data else given)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read())
        finally:
            connection.close()

    def insist(self, method: str, path: str, document: Any = None, **headers: str) -> Answer:
        """The first whole answer of a server that can answer: the same request again and again until then."""
        deadline = time.monotonic() + AWAY_SECONDS
        while True:
            try:
                answer = self.ask(method, path, document, **headers)
                if answer.status != _BUSY:
                    return answer
                why = answer.body.decode()
            except (OSError, http.client.HTTPException) as error:
                why = str(error)
            assert time.monotonic() < deadline, f"{method} {path}: no answer for {AWAY_SECONDS} s: {why}"
            time.sleep(_PAUSE_SECONDS)

    def get(self, path: str) -> Any:
        """The document of a route below the jobs' prefix, which must be there."""
        answer = self.insist("GET", f"{API}{path}")
        assert answer.status == 200, (path, answer)
        return answer.document

    def submit(self, job: Mapping[str, Any], key: str) -> str:
        """The id of the job: asked for until it is told."""
        answer = self.insist("PUT", f"{API}/jobs", {"Job": job}, Idempotency_Key=key)
        assert answer.status == 200, answer
        return str(answer.document["JobID"])

    def state(self, job_id: str) -> str:
        return str(self.get(f"/jobs/{job_id}")["Job"]["State"]["StateType"])

    def executions(self, job_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get(f"/jobs/{job_id}/executions?limit=500")["Items"]
        return found

    @contextmanager
    def commanding(self, *words: str) -> Iterator[None]:
        """The command line on the same directory, ended when the block is over if it was not before."""
        whole = [sys.executable, "-m", "gadus", "--data-dir", str(self.data_dir), *words]
        with subprocess.Popen(whole, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                yield
            finally:
                process.terminate()

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The command line on the same directory, to its end."""
        whole = [sys.executable, "-m", "gadus", "--data-dir", str(self.data_dir), *words]
        return subprocess.run(whole, env=self.environment, capture_output=True, text=True, timeout=60, check=False)


def eventually(look: Callable[[], T], otherwise: Callable[[], object] = lambda: None) -> T:
    """Waits for a value that is true, and gives it; `otherwise` says more when it never comes."""
    deadline = time.monotonic() + EVENTUALLY_SECONDS
    while not (seen := look()):
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.02)
    return seen
