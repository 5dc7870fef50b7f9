"""A real server for the tests of a module, and the command that asks it."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from command import SECONDS, Cli, Ended

from gadus.cli.main import main

Ask = Callable[..., Ended]
_OURS = ("AWS_", "BACALHAU_", "GADUS_", "XDG_")


@dataclass
class Server:
    """One server; the commands of `here` work on its data directory themselves, those of `there` ask it."""

    process: subprocess.Popen[bytes]
    url: str
    here: Cli
    there: Cli

    @property
    def port(self) -> str:
        return self.url.rpartition(":")[2]

    def end(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)
        self.process.communicate(timeout=SECONDS)


@contextmanager
def serving(directory: Path, *words: str, port: str = "0", extra: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A server on ``directory/data``, ended at the end of the block if it was not before."""
    data_dir, home = directory / "data", directory / "home"
    home.mkdir(exist_ok=True)
    own = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    own |= {"GADUS_DATA_DIR": str(data_dir), "HOME": str(home), "COLUMNS": "150", "AWS_EC2_METADATA_DISABLED": "true"}
    own |= extra or {}
    here = Cli(data_dir, directory, own)
    process = here.start("serve", "--port", port, "--json", *words)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.stderr.read().decode() if process.stderr else ""
        url = json.loads(line)["url"]
        yield Server(process, url, here, Cli(data_dir, directory, own | {"GADUS_API_HOST": url}))
    finally:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=SECONDS)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all tests of a module."""
    with serving(tmp_path_factory.mktemp("served")) as running:
        yield running


@pytest.fixture
def ask(server: Server, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Ask:
    """Runs the command in this process, which is quick; ``host="none"`` for a command that asks no server."""
    monkeypatch.setenv("GADUS_DATA_DIR", str(server.here.data_dir))
    monkeypatch.setenv("COLUMNS", "150")
    monkeypatch.chdir(server.here.directory)

    def asked(*words: str, host: str = server.url, stdin: bytes = b"") -> Ended:
        monkeypatch.setenv("GADUS_API_HOST", host)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as ended:
            main(words)
        out, err = capfdbinary.readouterr()
        return Ended(int(ended.value.code or 0), out, err.decode())

    return asked
