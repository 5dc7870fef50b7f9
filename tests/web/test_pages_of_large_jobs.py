"""A list of jobs that bring their programs along comes in pages of a few mebibytes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from running import API, Running, wasm_job

sys.path.append(str(Path(__file__).parents[1] / "cli"))
from command import Cli

PROGRAM_BYTES = 500 << 10
COUNT = 20
LARGEST_PAGE_BYTES = 5 << 20


@pytest.fixture(scope="module")
def ids(server: Running) -> list[str]:
    """Jobs with programs of 500 KiB: what is behind the module that runs is never looked at."""
    padding = {"Source": {"Type": "inline", "Params": {"URL": "data:," + "x" * PROGRAM_BYTES}}, "Target": "/padding"}
    task = {"InputSources": [padding]}
    jobs = [server.submit(wasm_job("return", name=f"large-{n}", Labels={"large": ""}, task=task)) for n in range(COUNT)]
    for job in jobs:
        server.wait_for(job, "Completed")
    return jobs


@pytest.mark.parametrize("query", ["", "&labels=large", "&order_by=modified_at", "&reverse=true"])
def test_pages_are_bounded_and_make_up_the_list(server: Running, ids: list[str], query: str):
    seen: list[dict[str, Any]] = []
    token, lengths = "", []
    while True:
        answer = server("GET", f"{API}/jobs?limit=500&next_token={token}{query}")
        assert answer.status == 200
        assert len(answer.body) < LARGEST_PAGE_BYTES
        lengths.append(len(answer.document["Items"]))
        seen += answer.document["Items"]
        token = answer.document["NextToken"]
        if not token:
            break
    assert sorted(job["ID"] for job in seen) == sorted(ids)
    assert (len(lengths) > 2, min(lengths) > 0) == (True, True)


def test_command_pages_on(server: Running, ids: list[str], tmp_path: Path):
    cli = Cli(server.data_dir, tmp_path, {"GADUS_API_HOST": server.url, "HOME": str(tmp_path), "PATH": "/usr/bin"})
    listed = cli("job", "list", "--limit", str(COUNT - 1), "--json")
    assert [job["ID"] for job in listed.document] == ids[:0:-1]
    assert "--next-token" in listed.err
