"""A server that may open no more files for a while loses nothing of what runs."""

from __future__ import annotations

import resource
from pathlib import Path

from running import Running, serving
from ticking import ticking_job


def said(server: Running, text: bytes) -> None:
    """Read the server's log until it has this."""
    assert server.process.stderr is not None
    for line in server.process.stderr:
        if text in line:
            return
    raise AssertionError("the server has ended")


def test_job_runs_on_and_is_followed_again_when_files_can_be_opened(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        job = server.submit(ticking_job(0.1))
        server.wait_for(job, "Running")
        # Not while the program is still being started: the first look at it is over.
        said(server, b"job running")
        pid, files = server.process.pid, resource.RLIMIT_NOFILE
        before = resource.prlimit(pid, files)
        resource.prlimit(pid, files, (3, before[1]))
        said(server, b"no more files can be opened")
        resource.prlimit(pid, files, before)
        assert server.state(job) == "Running"
        server("DELETE", f"/api/v1/orchestrator/jobs/{job}")
        server.wait_for(job, "Stopped", "Failed", "Completed")
        assert server.state(job) == "Stopped"
        assert server.process.poll() is None
