"""A full disk below the store: nothing is accepted falsely, everything accepted can be read, and it passes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import API, serving, wasm_job

from parts import small_disk_at


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk_at(tmp_path / "disk", "24m") as path:
        yield path


def test_full_disk_refuses_writes_and_leaves_reads(small_disk: Path, tmp_path: Path):
    environment = {**os.environ, "HOME": str(tmp_path)}
    # Jobs that no node can run: only the store has to do with them.
    job = wasm_job("return", task={"Resources": {"CPU": "9999"}, "Timeouts": {"QueueTimeout": 3600}})
    with serving(small_disk / "data", environment) as server:
        accepted = [server.submit(job)]
        free = shutil.disk_usage(small_disk).free
        with (small_disk / "filler").open("wb") as filler:
            os.posix_fallocate(filler.fileno(), 0, free - (256 << 10))
        for _ in range(200):
            answer = server("PUT", f"{API}/jobs", {"Job": job})
            if answer.status != 200:
                break
            accepted.append(answer.document["JobID"])
        assert (answer.status, answer.document["Code"]) == (503, "ServiceUnavailable")
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.document["Hint"]
        assert server("DELETE", f"{API}/jobs/{accepted[0]}").status in (200, 503)
        assert [one["ID"] for one in server.get("/jobs")["Items"]] == accepted
        assert server.get(f"/jobs/{accepted[-1]}")["Job"]["ID"] == accepted[-1]
        assert server("GET", "/livez").status == 200
        unready = server("GET", "/readyz")
        assert (unready.status, unready.headers["Retry-After"]) == (503, "5")
        (small_disk / "filler").unlink()
        assert server("GET", "/readyz").status == 200
        accepted.append(server.submit(job))
        assert [one["ID"] for one in server.get("/jobs")["Items"]] == accepted
