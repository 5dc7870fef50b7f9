"""A job that outlives the command that submitted it."""

from __future__ import annotations

import subprocess
import sys

from gadus.config import Settings


def start_apart(settings: Settings, job_id: str) -> None:
    """Leave a process of its own behind that runs the job and outlives this terminal."""
    # -P: a file gadus.py in the user's directory is not us.
    config = [f"--config={word}" for word in settings.passed_on]
    command = [sys.executable, "-P", "-m", "gadus", "--data-dir", str(settings.data_dir), *config, "job", "drive", job_id]
    subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
