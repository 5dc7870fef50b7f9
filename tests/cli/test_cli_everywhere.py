"""Every command gives the same answer where the server works and from afar; a new command must say which it is."""

from __future__ import annotations

import re

import pytest
from command import PROBE
from served import Ask, Server, ask, server  # noqa: F401 - fixtures
from test_cli_remote_run import job

from gadus.cli.tree import tree

SAME = {
    "wasm run": ["--quiet", str(PROBE), "print", "out", "err"],
    "docker run": ["--dry-run", "busybox", "true"],
    "job run": ["--quiet", "job.yaml"],
    "job validate": ["job.yaml"],
    "job list": ["--wide"],
    "job describe": ["the-job"],
    "job executions": ["the-job", "--wide"],
    "job history": ["the-job", "--json"],
    "job logs": ["the-job"],
    "job versions": ["the-job", "--wide"],
    "job get": ["the-job", "--output-dir", "results-{place}"],
    "job stop": ["the-job"],
    "job rerun": ["no-job"],
    "node list": ["--show", "labels,features"],
    "node describe": ["{node}"],
    "node approve": ["{node}"],
    "node reject": ["no-node"],
    "node delete": ["no-node"],
    "agent alive": [],
    "agent node": [],
    "agent version": [],
}
"""Arguments with which the answers must not differ."""
OF_ITS_OWN = {
    "wasm validate": "a file of this machine",
    "agent config": "the settings of the process that answers",
    "cache": "the cache of this machine",
    "store": "the store of this machine",
    "config": "the settings of this machine",
    "profile": "servers by name, kept on this machine",
    "auth": "who one is to a server",
    "serve": "is the server",
    "devstack": "is the server",
    "completion": "a script for a shell of this machine",
    "version": "names the server, if there is one",
}
"""Commands, and groups of them, whose answer belongs to one place alone."""
CHANGES = re.compile(rb"Disk: \d+|(LastHeartbeat|ConnectedSince): .*|\d+m?s ago|[ej]-[0-9a-f]{8}(-[0-9a-f-]{27})?|results-\w+")
"""What differs from moment to moment."""


@pytest.fixture(scope="module")
def served(server: Server) -> Server:  # noqa: F811
    (server.here.directory / "job.yaml").write_bytes(job("print", "hello", "", name="the-job"))
    assert server.there("job", "run", "--quiet", "job.yaml").code == 0
    return server


def test_every_command_is_tried_or_belongs_to_one_place() -> None:
    paths = set(tree().paths())
    assert not set(SAME) - paths
    unknown = {path for path in paths - set(SAME) if path not in OF_ITS_OWN and path.split()[0] not in OF_ITS_OWN}
    assert unknown == set()


@pytest.mark.parametrize("path", SAME)
def test_answer_is_the_same_here_and_from_afar(served: Server, ask: Ask, path: str) -> None:  # noqa: F811
    (node,) = (line.split()[0].decode() for line in ask("node", "list", "--hide-header", host="none").out.splitlines())
    here, there = (
        ask(*path.split(), *(word.format(node=node, place=place) for word in SAME[path]), host=host)
        for place, host in (("here", "none"), ("there", served.url))
    )
    assert (there.code, CHANGES.sub(b"", there.out)) == (here.code, CHANGES.sub(b"", here.out))
    assert there.out or there.code, there.err
    assert "Traceback" not in there.err


@pytest.mark.parametrize("words", [["cache", "list"], ["store", "check"]], ids=" ".join)
def test_commands_of_this_machine_say_so(served: Server, ask: Ask, words: list[str]) -> None:  # noqa: F811
    assert "Note: " not in ask(*words, host="none").err
    assert f"Note: this is about this machine, not about {served.url} (from GADUS_API_HOST)" in ask(*words).err


@pytest.mark.parametrize("path", sorted(set(tree().paths()) - {"serve", "devstack"}))
def test_every_command_has_json_and_help(ask: Ask, path: str) -> None:  # noqa: F811
    helped = ask(*path.split(), "--help", host="none")
    assert helped.code == 0
    assert b"--json" in helped.out


def test_version_names_the_server(served: Server, ask: Ask) -> None:  # noqa: F811
    alone, both = (ask("version", "--output", "csv", host=host).out.decode().splitlines() for host in ("none", served.url))
    assert alone[0] == both[0] == "client,server,latest,Update Message"
    own = alone[1].split(",")[0]
    assert (alone[1], both[1]) == (f"{own},,,", f"{own},{own},,")
    assert ask("version", "--client", host="nowhere.invalid").out.decode() == f"CLIENT\n{own}\n"
