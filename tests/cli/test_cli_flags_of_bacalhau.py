"""Every flag of Bacalhau's run commands is taken, in its long and in its short form."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from command import PROBE

from gadus.cli.lazy import LazyGroup
from gadus.cli.tree import tree

RUN = {
    "--wait": "false",
    "--wait-timeout-secs": "600",
    "--id-only": "",
    "--node-details": "",
    "-f": "",
    "--follow": "",
    "--dry-run": "",
}
LATER = {"--force": "", "--hide-warnings": "", "--group-events": ""}
JOB = {
    "--name": "n",
    "--namespace": "default",
    "--priority": "1",
    "-l": "team=data,draft",
    "--labels": "team=data",
    "--count": "2",
    "--concurrency": "2",
    "--target": "all",
    "-c": "zone in (a,b)",
    "--constraints": "gpu",
    "-s": "gpu",
    "--selector": "gpu",
}
TASK = {
    "--task-name": "main",
    "-i": "s3://bucket/key:/in",
    "--input": "s3://bucket/key,dst=/in",
    "-o": "out:/out",
    "--output": "out:/out",
    "-p": "local",
    "--publisher": "s3://bucket/key",
    "--cpu": "500m",
    "--memory": "1Gb",
    "--disk": "1Gb",
    "--gpu": "1",
    "--network": "http",
    "--domain": "example.com",
    "--timeout": "60",
    "--queue-timeout": "60",
}
BOTH = {"--ipfs-connect": "/ip4/127.0.0.1", "-e": "A=b", "--env": "A=b"}
DOCKER = {"-w": "/here", "--workdir": "/here", "--entrypoint": "sh,-c"}
WASM = {
    "-U": "https://example.com/m.wasm",
    "--import-module-urls": "https://example.com/m.wasm",
    "-I": "m.wasm:m",
    "--import-module-volumes": "m.wasm:m",
    "--entry-point": "run",
}
FILE = {
    "--show-warnings": "",
    "--no-template": "",
    "-V": "year=2024,month=05",
    "--template-vars": "year=2024",
    "-E": "^APP_",
    "--template-envs": "^APP_*",
}
GLOBAL = {
    "--api-host": "localhost",
    "--api-port": "1234",
    "--tls": "",
    "--cacert": "ca.pem",
    "--insecure": "",
    "--repo": "data",
}
COMMANDS = {
    ("docker", "run"): (["busybox"], RUN | LATER | JOB | TASK | BOTH | DOCKER | GLOBAL),
    ("wasm", "run"): ([str(PROBE)], RUN | LATER | JOB | TASK | BOTH | WASM | GLOBAL),
    ("job", "run"): (["job.yaml"], RUN | LATER | FILE | GLOBAL),
}


def command_of(path: tuple[str, str]) -> click.Command:
    group = tree().commands[path[0]]
    assert isinstance(group, LazyGroup)
    return group.leaves[path[1]].load()


@pytest.mark.parametrize(
    ("path", "flag"),
    [(path, flag) for path, (_, flags) in COMMANDS.items() for flag in flags],
    ids="".join,
)
def test_flag_is_taken(path: tuple[str, str], flag: str) -> None:
    words, flags = COMMANDS[path]
    value = flags[flag]
    forms = [[f"{flag}={value}"], [flag, value]] if flag.startswith("--") and value else [[flag, value] if value else [flag]]
    for form in forms if value != "false" else forms[:1]:
        command_of(path).make_context("run", [*words, *form]).close()
        command_of(path).make_context("run", [*form, *words]).close()


def test_c_is_a_constraint_unless_it_can_only_be_a_setting(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("")
    words = ["busybox", "-c", "zone=a", "-c", "API.Host=localhost", "-c", str(file), "--", "sh", "-c", "DataDir=x"]
    with command_of(("docker", "run")).make_context("run", words) as ctx:
        (constraint,) = ctx.params["constraints"]
        assert (constraint.key, constraint.values) == ("zone", ("a",))
        assert ctx.meta["gadus.everywhere"]["config"] == ("API.Host=localhost", str(file))
        assert ctx.params["words"] == ("sh", "-c", "DataDir=x")
