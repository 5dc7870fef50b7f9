"""
A process that has imported all of Gadus, and becomes the command by a fork: a test then waits for no imports.

Started by path with a socket as its standard input. A question is the words, environment and directory, with three descriptors;
the answers are the number of the process and how it ended.
"""

from __future__ import annotations

import atexit
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import IO, Any, NoReturn

_MOST_BYTES = 1 << 20
_IMPORTED = (
    "gadus.wiring",
    "gadus.web.app",
    "gadus.engines.docker",
    "gadus.engines.wasm",
    "gadus.storage.s3",
    "aiohttp",
    "yaml",
)


class Warm:
    """The side of the tests."""

    def __init__(self) -> None:
        self._asking, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, __file__]
            self._process = subprocess.Popen(command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, start_new_session=True)
        atexit.register(self.close)

    def close(self) -> None:
        """Let the process end."""
        self._asking.close()
        self._process.wait()

    def run(self, words: list[str], environment: dict[str, str], directory: Path, stdin: bytes, seconds: float) -> Any:
        """How the command ended, as `subprocess` tells it, and what it wrote. Raises TimeoutExpired."""
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            given.write(stdin)
            given.seek(0)
            question = {"words": words, "environment": environment, "directory": str(directory)}
            files: list[IO[bytes]] = [given, out, err]
            self._asking.settimeout(seconds)
            socket.send_fds(self._asking, [json.dumps(question).encode()], [file.fileno() for file in files])
            pid = json.loads(self._asking.recv(_MOST_BYTES))
            try:
                code = json.loads(self._asking.recv(_MOST_BYTES))
            except TimeoutError as exc:
                os.kill(pid, signal.SIGKILL)
                self._asking.recv(_MOST_BYTES)
                raise subprocess.TimeoutExpired(words, seconds) from exc
            out.seek(0)
            err.seek(0)
            return code, out.read(), err.read()


def _serve() -> None:
    for package in ("gadus.cli.commands", "gadus.client"):
        for module in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
            import_module(module.name)
    for name in (
        "gadus.wiring",
        "gadus.web.app",
        "gadus.engines.docker",
        "gadus.engines.wasm",
        "gadus.storage.s3",
        "aiohttp",
        "yaml",
    ):
        import_module(name)
    with socket.socket(fileno=os.dup(0)) as asking:
        while True:
            text, descriptors, _, _ = socket.recv_fds(asking, _MOST_BYTES, 3)
            if not text:
                return
            pid = os.fork()
            if pid == 0:
                _become(json.loads(text), descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
            asking.send(json.dumps(pid).encode())
            _, status = os.waitpid(pid, 0)
            with suppress(BrokenPipeError):
                asking.send(json.dumps(os.waitstatus_to_exitcode(status)).encode())


def _become(question: dict[str, Any], descriptors: list[int]) -> NoReturn:
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
    os.closerange(3, 1 << 16)
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
    os.environ.clear()
    os.environ.update(question["environment"])
    os.chdir(question["directory"])
    sys.argv = ["gadus", *question["words"]]
    code = 70
    try:
        import_module("gadus.cli.main").main(question["words"])
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter does at its end
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _serve()
