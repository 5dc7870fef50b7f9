"""A real PostgreSQL server of the test run's own: a temporary directory, a Unix socket, no network."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from uuid import uuid4

import pytest

from parts import skip_without

HOW = "install PostgreSQL (Debian: apt-get install postgresql), or put its initdb and postgres on the PATH"
_USER = "nobody"
"""PostgreSQL refuses to run as root."""


@dataclass
class PostgresServer:
    """A running server; each database is a new one."""

    programs: Path
    directory: Path
    process: subprocess.Popen[bytes] | None = None

    def database(self) -> str:
        """The URL of a new, empty database."""
        name = f"test_{uuid4().hex}"
        self.sql("postgres", f"CREATE DATABASE {name}")
        return f"postgresql://gadus@/{name}?host={self.directory}"

    def sql(self, database: str, *statements: str) -> None:
        """Run statements one by one, as somebody else than Gadus."""
        psycopg = pytest.importorskip("psycopg")
        with psycopg.connect(f"postgresql://gadus@/{database}?host={self.directory}", autocommit=True) as line:
            for statement in statements:
                line.execute(statement)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = {"listen_addresses": "", "unix_socket_directories": str(self.directory), "shared_buffers": "16MB"}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.programs / "postgres", "-D", self.directory / "data", *options], stdout=log, stderr=log, **_as_somebody()
            )
        ready = [self.programs / "pg_isready", "-h", str(self.directory), "-t", "1"]
        for _ in range(60):
            if subprocess.run(ready, capture_output=True, check=False).returncode == 0:
                return
            if self.process.poll() is not None:
                break
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(0.2)
        raise AssertionError((self.directory / "log").read_text())

    def stop(self, *, signal: int = 3) -> None:
        """Stop it: SIGINT ends connections, SIGQUIT (3) is a crash."""
        if self.process is not None:
            self.process.send_signal(signal)
            self.process.wait(30)
            self.process = None


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    programs = _programs()
    if programs is None:
        skip_without("PostgreSQL", "no initdb and postgres found", HOW)
    try:
        import psycopg  # noqa: F401, PLC0415 - only to see whether it is there
    except ImportError:
        skip_without("PostgreSQL", "the driver psycopg is not installed", "pip install 'gadus[postgres]'")
    # Short: the path of a socket has 107 bytes at most.
    directory = Path(mkdtemp(prefix="pg-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(directory, _USER)
        making = [programs / "initdb", "-D", directory / "data", "-U", "gadus", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]
        made = subprocess.run(making, capture_output=True, check=False, **_as_somebody())
        if made.returncode:
            raise AssertionError(made.stderr.decode())
        server = PostgresServer(programs, directory)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _programs() -> Path | None:
    """Where PostgreSQL's own programs are together."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "initdb").exists() and (place / "postgres").exists()), None)


def _as_somebody() -> dict[str, object]:
    return {"user": _USER, "group": "nogroup", "extra_groups": [], "cwd": "/"} if os.geteuid() == 0 else {"cwd": "/"}
