"""Fixtures: a real server that lets in only some."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# The real server and its client, which the tests of the routes use as well.
sys.path.append(str(Path(__file__).parents[1] / "web"))
from guarding import JOBS, Guarded
from running import serving, wasm_job

from gadus.access.file import AccessFile


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Jobs of the namespaces a and b that have ended, and callers that may do this and that."""
    home = tmp_path_factory.mktemp("guarded")
    file = AccessFile.of(home / "data")
    (home / "data").mkdir(mode=0o700)
    with serving(home / "data", {**os.environ, "HOME": str(home)}, "--auth") as server:
        guarded = Guarded(server, file, {}, {})
        guarded.grant("admin", "*", "*")
        guarded.grant("a-reads", "read:*", "a")
        guarded.grant("a-writes", "read:job write:job", "a")
        guarded.grant("b-writes", "read:job write:job", "b")
        guarded.grant("nodes", "read:node", "*")
        guarded.grant("nothing", "read:agent", "nowhere")
        guarded.grant_expired("expired")
        for namespace in ("a", "b"):
            job = wasm_job("print", f"said in {namespace}", "", name=f"of-{namespace}", Namespace=namespace)
            answer = guarded("admin", "PUT", JOBS, {"Job": job, "IdempotencyToken": "once"})
            assert answer.status == 200, answer.body
            guarded.jobs[namespace] = answer.document["JobID"]
        for job_id in guarded.jobs.values():
            guarded.wait_for(job_id)
        yield guarded
