"""zsh and fish complete the words of our commands, as they are used: one at its prompt, one by its own completion."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from command import PROBE, SECONDS, Cli
from served import Server, server  # noqa: F401 - the fixture

from parts import skip_without

# What stands in ~/.zshrc; and a key that writes down the line as it is at the prompt, and leaves.
ZSHRC = """
PS1='ready> '
eval "$(gadus completion zsh)"
written() { print -r -- "$BUFFER" > line; exit }
zle -N written
bindkey '^X' written
"""
_TAB, _WRITTEN = b"\t", b"\x18"


def need(shell: str) -> None:
    if not shutil.which(shell):
        skip_without(shell, f"there is no {shell} here", f"apt-get install {shell}")


def in_zsh(typed: str, environment: dict[str, str], directory: Path) -> str:
    """The line at the prompt after TAB."""
    need("zsh")
    (directory / ".zshrc").write_text(ZSHRC)
    (directory / "line").unlink(missing_ok=True)
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(directory)
        os.execvpe("zsh", ["zsh", "-i"], environment | {"ZDOTDIR": str(directory), "TERM": "xterm"})
    try:
        until(terminal, b"ready> ")
        os.write(terminal, typed.encode() + _TAB + _WRITTEN)
        until(terminal, None)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(terminal)
    return (directory / "line").read_text().rstrip("\n")


def until(terminal: int, shown: bytes | None) -> None:
    """Reads what a terminal shows, to this text, or to its end."""
    seen = b""
    deadline = time.monotonic() + SECONDS
    # The far end of a pseudo-terminal reads as an error once nobody holds it.
    with contextlib.suppress(OSError):
        while shown is None or shown not in seen:
            assert time.monotonic() < deadline and select.select([terminal], [], [], SECONDS)[0], seen
            piece = os.read(terminal, 4096)
            if not piece:
                return
            seen += piece


def in_fish(typed: str, environment: dict[str, str], directory: Path) -> str:
    """The only line that can come of it."""
    need("fish")
    kept = directory / "config" / "fish" / "completions" / "gadus.fish"
    kept.parent.mkdir(parents=True, exist_ok=True)
    own = environment | {"XDG_CONFIG_HOME": str(directory / "config"), "XDG_DATA_HOME": str(directory / "share")}
    kept.write_bytes(
        subprocess.run(["gadus", "completion", "fish"], env=own, capture_output=True, timeout=SECONDS, check=True).stdout
    )
    words = ["fish", "-c", f'complete -C "{typed}"']
    done = subprocess.run(words, env=own, cwd=directory, capture_output=True, timeout=SECONDS, check=True)
    assert done.stderr == b""
    (word,) = (line.split("\t")[0] for line in done.stdout.decode().splitlines())
    return f"{typed.rpartition(' ')[0]} {word} "


Shell = Callable[[str, dict[str, str], Path], str]


@pytest.fixture(params=[in_zsh, in_fish], ids=["zsh", "fish"])
def shell(request: pytest.FixtureRequest) -> Shell:
    of_it: Shell = request.param
    return of_it


def with_command(cli: Cli, directory: Path) -> dict[str, str]:
    """The environment of the command, in which it is found as it would be when it is installed."""
    program = directory / "bin" / "gadus"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m gadus "$@"\n')
    program.chmod(0o755)
    return cli.environment | {"PATH": f"{program.parent}:{cli.environment['PATH']}", "HOME": str(directory)}


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("gadus job de", "gadus job describe "),
        ("gadus docker run --wait-", "gadus docker run --wait-timeout-secs "),
    ],
)
def test_commands_and_flags_are_completed(cli: Cli, shell: Shell, typed: str, line: str, tmp_path: Path) -> None:
    assert shell(typed, with_command(cli, tmp_path), tmp_path) == line


def test_jobs_of_a_server_are_completed(server: Server, shell: Shell, tmp_path: Path) -> None:  # noqa: F811
    name = "counting-words"
    if not server.there("job", "list", "--json").document:
        assert server.there("wasm", "run", "--name", name, str(PROBE), "return").code == 0
    assert shell("gadus job logs coun", with_command(server.there, tmp_path), tmp_path) == f"gadus job logs {name} "
