"""A mistake is told by flag, value and way out; nobody ever sees a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from command import PROBE, Cli

RUN = ["docker", "run"]
MOVED = {
    "cancel": "job stop",
    "create": "job run",
    "describe": "job describe",
    "get": "job get",
    "id": "agent node",
    "list": "job list",
    "logs": "job logs",
    "validate": "job validate",
}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([*RUN, "-c", "a b", "busybox"], ["-c/--constraints", "'b'", "--"]),
        ([*RUN, "-l", "a/b/c=1", "busybox"], ["-l/--labels", "a/b/c=1"]),
        ([*RUN, "-i", "foo", "busybox"], ["-i/--input", "foo", "s3://bucket/key"]),
        ([*RUN, "-i", "s3://bucket/k,opt=regionn=x", "busybox"], ["-i/--input", "regionn", "region?"]),
        ([*RUN, "-o", "x", "busybox"], ["-o/--output", "x", "NAME:PATH"]),
        ([*RUN, "-p", "blah", "busybox"], ["-p/--publisher", "blah", "local"]),
        ([*RUN, "-e", "NAME", "busybox"], ["-e/--env", "NAME=value"]),
        ([*RUN, "--count", "x", "busybox"], ["--count", "'x'", "4"]),
        ([*RUN, "--cpu", "many", "busybox"], ["--cpu", "'many'", "500m"]),
        ([*RUN, "--memory", "3q", "busybox"], ["--memory", "'3q'", "MiB"]),
        ([*RUN, "--disk", "-1", "busybox"], ["--disk", "'-1'", "10Gb"]),
        ([*RUN, "--gpu", "x", "busybox"], ["--gpu", "'x'", "1"]),
        ([*RUN, "--network", "wifi", "busybox"], ["--network", "'wifi'", "Full, Bridge or HTTP"]),
        ([*RUN, "--timeout", "-5", "busybox"], ["--timeout", "'-5'", "600"]),
        ([*RUN, "--target", "some", "busybox"], ["--target", "'some'", "'any', 'all'"]),
        ([*RUN, "--wait=maybe", "busybox"], ["--wait", "'maybe'", "--wait=false"]),
        ([*RUN, "--nme", "x", "busybox"], ["--nme", "--name", "`--`"]),
        ([*RUN, "--count", "3", "--concurrency", "2", "busybox"], ["--count", "--concurrency"]),
        ([*RUN, "--workdir", "here", "busybox"], ["WorkingDirectory", "here", "absolute"]),
        ([*RUN], ["IMAGE"]),
        (["wasm", "run", str(PROBE.with_name("prob.wasm"))], ["MODULE", "prob.wasm", "probe.wasm'?"]),
        (["wasm", "run", __file__], ["MODULE", "not a WebAssembly module"]),
        (["job", "run", "nowhere.yaml"], ["FILE", "nowhere.yaml", "cannot be read"]),
        (["job", "run", "-V", "x"], ["-V/--template-vars", "'x'", "year=2024"]),
        (["job", "run", "-E", "("], ["-E/--template-envs", "'('", "^APP_"]),
        (["job", "run"], ["the job provided is invalid", "no content provided"]),
        (["job", "describe", "j-none"], ["job not found: j-none", "gadus job list"]),
        (["job", "list", "--limit", "x"], ["--limit", "'x'"]),
        (["job", "lst"], ["'lst'", "`gadus job list`"]),
        *(([old], [f"'{old}'", f"`gadus {new}`"]) for old, new in MOVED.items()),
        (["wasm", "validate", "nowhere.wasm"], ["MODULE", "nowhere.wasm"]),
        (["node", "list", "--show", "labels,colour"], ["--show", "'colour'", "'capacity'"]),
        (["completion", "powershell"], ["powershell", "'fish'"]),
    ],
)
def test_mistake_names_what_which_value_and_the_way_out(cli: Cli, words, told):
    done = cli(*words)
    assert done.code == 2
    assert done.out == b""
    assert done.err.startswith("Error: ")
    assert "Traceback" not in done.err
    assert [part for part in told if part not in done.err] == []


def test_unmatched_input_is_the_jobs_failure(s3_cli: Cli, bucket):
    done = s3_cli("wasm", "run", "-i", f"s3://{bucket.name}/none/*:/in", str(PROBE), "return")
    assert (done.code, done.out) == (1, b"")
    assert "Error: " in done.err
    assert "Hint: " in done.err


def test_engine_that_does_not_answer_can_be_tried_again(cli: Cli):
    cli.environment["DOCKER_HOST"] = "unix:///nowhere/docker.sock"
    done = cli("docker", "run", "busybox")
    assert done.code == 75
    assert "/nowhere/docker.sock" in done.err


def test_unusable_data_directory_is_named(cli: Cli):
    blocked = cli.directory / "file"
    blocked.write_text("")
    done = cli("job", "list", "--data-dir", str(blocked))
    assert done.code == 75
    assert str(blocked) in done.err
    assert "--data-dir" in done.err


def test_defect_of_ours_leaves_its_traceback_in_a_file(cli: Cli):
    """A number where a standard input is expected stands for any error that nobody foresaw."""
    broken = "import sys; sys.stdin = 5; from gadus.cli.main import main; main(['job', 'run'])"
    done = subprocess.run([sys.executable, "-c", broken], capture_output=True, env=cli.environment, timeout=30, check=False)
    assert done.returncode == 70
    assert b"Traceback" not in done.stderr
    (kept,) = cli.data_dir.glob("bug-*.txt")
    assert str(kept).encode() in done.stderr
    assert "Traceback" in kept.read_text()


def test_defect_of_ours_shows_no_traceback_where_settings_are_wrong_too(cli: Cli, tmp_path: Path):
    environment = cli.environment | {"GADUS_CAPACITY_CPU": "much", "TMPDIR": str(tmp_path)}
    broken = "import sys; sys.stdin = 5; from gadus.cli.main import main; main(['--api-host', 'http://a', 'job', 'run'])"
    done = subprocess.run([sys.executable, "-c", broken], capture_output=True, env=environment, timeout=30, check=False)
    assert (done.returncode, b"Traceback" in done.stderr) == (70, False)
    (kept,) = tmp_path.glob("bug-*.txt")
    assert str(kept).encode() in done.stderr


def test_data_dir_may_stand_anywhere(cli: Cli, tmp_path):
    other = tmp_path / "other"
    assert cli("--data-dir", str(other), "job", "list").code == 0
    assert (other / "gadus.db").exists()
    assert cli("job", "list", "--data-dir", str(tmp_path / "third")).code == 0
    assert (tmp_path / "third" / "gadus.db").exists()
    assert not cli.data_dir.exists()


def processor_seconds(process: subprocess.Popen[bytes], says: bytes) -> float:
    """What a process used until its end; it has to print this."""
    assert process.stdout is not None
    assert says in process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime


def test_help_appears_at_once(cli: Cli):
    # Not by the clock, and not by a fixed limit either: both depend on what else this machine does.
    least = [sys.executable, "-c", "import click; print(click.__name__)"]
    helps, clicks = [], []
    for _ in range(5):
        helps.append(processor_seconds(cli.start("--help"), b"docker"))
        clicks.append(processor_seconds(subprocess.Popen(least, stdout=subprocess.PIPE), b"click"))
    assert min(helps) < 3.5 * min(clicks)


def test_help_loads_no_heavy_library():
    code = "import sys; from gadus.cli.main import main\ntry: main(['--help'])\nfinally: print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True, env=os.environ, timeout=30
    )
    modules = loaded.stdout.split()
    assert "click" in modules
    assert {"rich", "pydantic", "gadus.wiring", "asyncio", "yaml"}.isdisjoint(modules)


def test_version_is_told_in_both_forms(cli: Cli):
    version = cli("--version").out.decode().removeprefix("gadus ").strip()
    assert cli("version", "--client").out.decode().split() == ["CLIENT", f"v{version}"]
    assert cli("version", "--json").document["client"] == f"v{version}"
