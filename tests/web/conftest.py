"""Fixtures: a real server."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from running import Running, eventually, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One for all tests of a module: each uses jobs of its own."""
    home = tmp_path_factory.mktemp("server")
    with serving(home / "data", {**os.environ, "HOME": str(home)}) as running:
        yield running
        # What still runs would run on without the server.
        for job in running.get("/jobs")["Items"]:
            if job["State"]["StateType"] not in ("Completed", "Failed", "Stopped"):
                running("DELETE", f"/api/v1/orchestrator/jobs/{job['ID']}")
        eventually(lambda: running("GET", "/healthz").document["Running"] == 0)
