"""A real shell completes the words of our commands."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command import PROBE, SECONDS, Cli
from served import Server, server  # noqa: F401 - the fixture

COMPLETE = """
eval "$(gadus completion bash)"
COMP_WORDS=({words}) COMP_CWORD=$(( {count} - 1 ))
_gadus_completion gadus
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A directory with the command, as it would be installed."""
    program = tmp_path / "bin" / "gadus"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m gadus "$@"\n')
    program.chmod(0o755)
    return program.parent


def completed(cli: Cli, programs: Path, *words: str) -> list[str]:
    script = COMPLETE.format(words=" ".join(f"'{word}'" for word in ("gadus", *words)), count=len(words) + 1)
    environment = cli.environment | {"PATH": f"{programs}:{cli.environment['PATH']}"}
    done = subprocess.run(
        ["bash", "--norc", "-c", script], env=environment, cwd=cli.directory, capture_output=True, timeout=SECONDS, check=True
    )
    assert done.stderr == b""
    return done.stdout.decode().split()


def test_commands_and_flags_are_completed(cli: Cli, programs: Path) -> None:
    assert completed(cli, programs, "do") == ["docker"]
    assert {"run", "list", "logs"} <= set(completed(cli, programs, "job", ""))
    assert completed(cli, programs, "docker", "run", "--wait-") == ["--wait-timeout-secs"]
    assert completed(cli, programs, "no-such-command", "x") == []


def test_jobs_are_completed_by_id_and_name_here_and_from_a_server(server: Server, programs: Path) -> None:  # noqa: F811
    done = server.there("wasm", "run", "--name", "counting-words", str(PROBE), "return")
    job_id = done.err.split()[1]
    for cli in (server.here, server.there):
        assert completed(cli, programs, "job", "describe", job_id[:6]) == [job_id]
    assert completed(server.there, programs, "job", "logs", "count") == ["counting-words"]


def test_completion_of_jobs_makes_no_data_directory(cli: Cli, programs: Path) -> None:
    assert completed(cli, programs, "job", "describe", "j") == []
    assert not cli.data_dir.exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_is_one_that_the_shell_takes(cli: Cli, shell: str) -> None:
    script = cli("completion", shell)
    assert script.code == 0
    assert re.search(rb"_GADUS_COMPLETE", script.out)
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script.out, timeout=SECONDS, check=True)


def test_shell_that_is_not_known_is_named(cli: Cli) -> None:
    done = cli("completion", "powershell")
    assert done.code == 2
    assert "powershell" in done.err
