"""What a server that was killed left half removed is gone when the next one serves, and does not keep it busy."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import rooms  # noqa: F401 - finds the parts of other rooms
from container_engine import container_engine, skip_unless_engines_can_be_started
from installation import Installation, eventually
from programs import docker_job
from remains import files_left

from gadus.core.job import State
from gadus.orchestrator.store import open_store
from gadus.shims.identity import signal_to
from gadus.shims.records import Records

ID = "e-0b8f6a3e-1f0c-5d53-9a53-0d9b3b1c7f10"


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path)
    (made.data_dir / "shims").mkdir(parents=True)
    yield made
    made.end(signal.SIGTERM)


@contextmanager
def serving(home: Path, variables: Mapping[str, str]) -> Iterator[Installation]:
    made = Installation(home, variables)
    made.start()
    try:
        yield made
    finally:
        made.end(signal.SIGTERM)


@pytest.mark.parametrize("left", [ID, f"{ID}.growing"])
def test_records_that_were_half_removed_are_removed(installation: Installation, left: str) -> None:
    """
    1. An execution has ended, and that is remembered; its records are being removed.
    2. The server is killed: some of them are left, also such as look as if it had yet to begin.
    """
    path = installation.data_dir / "shims" / left
    path.touch()
    installation.start()
    eventually(lambda: not files_left(installation.data_dir))


def test_what_the_executions_of_a_job_shared_is_removed_when_it_is_over(installation: Installation) -> None:
    path = installation.data_dir / "pins" / "j-that-nobody-knows" / "pin"
    path.parent.mkdir(parents=True)
    path.touch()
    installation.start()
    eventually(lambda: not files_left(installation.data_dir))


@pytest.mark.timeout(180)
@pytest.mark.parametrize("engine_is_away", [False, True])
def test_container_of_a_job_that_was_stopped_meanwhile_is_removed(tmp_path: Path, engine_is_away: bool) -> None:
    """
    1. A container runs; its server is killed, then its shim, perhaps the engine, too.
    2. Somebody stops the job: nobody will ever run it again.
    3. The next server serves; the engine is back when that has noticed.
    """
    skip_unless_engines_can_be_started()
    with container_engine() as engine, serving(tmp_path, {"DOCKER_HOST": engine.docker_host}) as gadus:
        job_id = gadus.submit(docker_job(engine.image, "sleep 600"), key="")
        execution_id = eventually(lambda: [one["ID"] for one in gadus.executions(job_id)])[0]
        eventually(engine.containers)
        gadus.end()
        shim = Records(gadus.data_dir / "shims", execution_id).process()
        assert shim is not None
        signal_to(shim, signal.SIGKILL)
        if engine_is_away:
            engine.end(signal.SIGKILL)
        # The command itself would wait for the end of what nobody ends now.
        with gadus.commanding("job", "stop", job_id), open_store(gadus.data_dir / "gadus.db") as store:
            eventually(lambda: store.get(job_id).state is State.STOPPED)
        gadus.start()
        eventually(lambda: not files_left(gadus.data_dir))
        if engine_is_away:
            engine.start()
        eventually(lambda: not engine.containers())
