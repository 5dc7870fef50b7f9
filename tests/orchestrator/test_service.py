"""Jobs from submission to their end, in process, with real programs."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from driving import Watching, leftovers, s3_input, spec

from faultproxy import FaultProxy, internal_error
from gadus.config import Settings
from gadus.contracts import Stream
from gadus.core.errors import Conflict, InvalidSpec
from gadus.core.job import Event, Phase, PhaseEntered, Placed, State
from gadus.core.lifecycle import decide
from gadus.core.spec import JobSpec
from gadus.orchestrator.service import Service
from gadus.wiring import open_service, store_of
from s3_server import Bucket


async def test_a_job_runs_to_its_end_and_its_results_are_kept(service: Service, settings: Settings) -> None:
    job = service.submit(spec("print", "to stdout", "to stderr"))
    watching = Watching()
    done = await service.drive(job.id, watching)
    assert done.state is State.COMPLETED
    assert watching.said == {Stream.STDOUT: b"to stdout", Stream.STDERR: b"to stderr"}
    assert watching.phases == [Phase.STAGING, Phase.RUNNING, Phase.PUBLISHING]
    results = service.results(done, done.executions[0])
    kept = {path.name: path.read_text() for path in results.iterdir() if path.is_file() and path.name != "receipt.json"}
    assert kept == {"stdout": "to stdout", "stderr": "to stderr", "exitCode": "0"}
    assert service.find(job.id[:10]) == done
    assert leftovers(settings) == []


async def test_results_are_kept_also_after_a_non_zero_exit(service: Service) -> None:
    job = service.submit(spec("exit", "7"))
    done = await service.drive(job.id, Watching())
    assert done.executions[0].outcome is not None
    assert done.executions[0].outcome.exit_code == 7
    assert (service.results(done, done.executions[0]) / "exitCode").read_text() == "7"


async def test_a_program_that_never_ends_is_stopped_at_its_time_out(service: Service, settings: Settings) -> None:
    job = service.submit(spec("forever", Timeouts={"ExecutionTimeout": 1}))
    done = await service.drive(job.id, Watching())
    assert done.state is State.FAILED
    assert "timed out after 1.00 s" in done.message
    kept = service.results(done, done.executions[0])
    assert (kept / "stdout").read_text() == "running\n", "what it wrote until then helps to see why"
    assert not (kept / "exitCode").exists()
    assert leftovers(settings) == []


async def test_the_total_time_out_covers_the_whole_job(service: Service) -> None:
    job = service.submit(spec("forever", Timeouts={"TotalTimeout": 1}))
    done = await service.drive(job.id, Watching())
    assert (done.state, done.message) == (State.FAILED, "Job timed out. Job took longer than 1 s")


async def test_cancelling_stops_the_job_and_leaves_nothing(service: Service, settings: Settings) -> None:
    job = service.submit(spec("forever"))
    watching = Watching()
    driving = asyncio.create_task(service.drive(job.id, watching))
    await watching.until_running(driving)
    driving.cancel()
    async with asyncio.timeout(20):
        with pytest.raises(asyncio.CancelledError):
            await driving
    stopped = service.find(job.id)
    assert (stopped.state, stopped.message) == (State.STOPPED, "stopped by the user")
    assert [execution.state for execution in stopped.executions] == [State.STOPPED]
    assert leftovers(settings) == []


async def test_another_process_can_stop_a_job(service: Service, settings: Settings) -> None:
    job = service.submit(spec("forever"))
    watching = Watching()
    driving = asyncio.create_task(service.drive(job.id, watching))
    await watching.until_running(driving)
    with open_service(settings) as elsewhere:
        elsewhere.stop(job.id, "enough")
    async with asyncio.timeout(20):
        done = await driving
    assert (done.state, done.message) == (State.STOPPED, "enough")
    assert done.live == ()
    assert leftovers(settings) == []


@pytest.mark.parametrize("_round", range(5))
def test_stop_is_not_lost_to_what_happens_to_the_job_meanwhile(service: Service, settings: Settings, _round: int) -> None:
    job = service.submit(spec("forever"))
    happens, stopped = threading.Event(), threading.Event()

    def much_happens() -> None:
        with store_of(settings) as store:
            before = store.get(job.id)
            event: Event = Placed(at=1.0, execution_id=before.vacancies[0].id, node="here")
            while not stopped.is_set():
                with suppress(Conflict):
                    after, _ = decide(before, event)
                    store.append(before, after, event)
                    event = PhaseEntered(at=2.0, execution_id=after.executions[0].id, phase=Phase.STAGING)
                    happens.set()
                before = store.get(job.id)

    other = threading.Thread(target=much_happens)
    other.start()
    try:
        assert happens.wait(20)
        service.stop(job.id, "enough")
    finally:
        stopped.set()
        other.join()
    assert (service.find(job.id).state, service.find(job.id).message) == (State.STOPPED, "enough")


async def test_no_job_is_driven_twice(service: Service, settings: Settings) -> None:
    job = service.submit(spec("forever"))
    watching = Watching()
    driving = asyncio.create_task(service.drive(job.id, watching))
    await watching.until_running(driving)
    with open_service(settings) as elsewhere:
        with pytest.raises(Conflict, match="is being run by another process"):
            await elsewhere.drive(job.id, Watching())
        assert elsewhere.find(job.id).state is State.RUNNING
    driving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await driving
    with pytest.raises(Conflict, match="has already begun"):
        await service.drive(job.id, Watching())


async def test_every_index_of_a_job_runs_once(service: Service) -> None:
    job = service.submit(spec("environment", count=3))
    done = await service.drive(job.id, Watching())
    outputs = [(service.results(done, one) / "stdout").read_text() for one in done.executions]
    indexes = sorted(line for text in outputs for line in text.splitlines() if line.startswith("GADUS_PARTITION_INDEX="))
    assert indexes == [f"GADUS_PARTITION_INDEX={index}" for index in range(3)]
    assert all("BACALHAU_PARTITION_COUNT=3" in text for text in outputs)


@pytest.mark.usefixtures("s3_environment")
async def test_inputs_are_staged_read_only_and_stand_in_the_receipt(service: Service, bucket: Bucket) -> None:
    bucket.put("d/data.txt", b"hello")
    inputs = (s3_input(bucket, target="/inputs"),)
    for cached in (False, True):
        job = service.submit(spec("read", "/inputs/data.txt", inputs=inputs))
        watching = Watching()
        done = await service.drive(job.id, watching)
        assert watching.said[Stream.STDOUT] == b"hello"
        outcome = done.executions[0].outcome
        assert outcome is not None
        (received,) = outcome.receipt["inputs"]
        assert (received["objects"], received["bytes"]) == (1, 5)
        assert received["fetched_bytes"] == (0 if cached else 5)
        assert received["verified"] == {"size and ETag": 1}
    job = service.submit(spec("write", "/inputs/data.txt", "changed", inputs=inputs))
    done = await service.drive(job.id, Watching())
    assert done.executions[0].outcome is not None
    assert done.executions[0].outcome.exit_code == 1


@pytest.mark.usefixtures("s3_environment")
async def test_an_input_that_is_not_there_fails_the_job_with_its_own_error(service: Service, bucket: Bucket) -> None:
    job = service.submit(spec("exit", "0", inputs=(s3_input(bucket, "no/"),)))
    done = await service.drive(job.id, Watching())
    assert done.state is State.FAILED
    assert "no object under" in done.message
    assert len(done.executions) == 1, "a retry cannot help"


@pytest.mark.usefixtures("s3_environment")
async def test_a_service_that_comes_back_is_tried_again(service: Service, bucket: Bucket, proxy: FaultProxy) -> None:
    bucket.put("k", b"v")
    # As many refusals as one execution tries by itself: the second execution finds the service well.
    proxy.add(internal_error(), method="HEAD", key="k", times=5)
    job = service.submit(spec("read", "/in/k", inputs=(s3_input(bucket, "k", endpoint=proxy.server.endpoint),)))
    watching = Watching()
    done = await service.drive(job.id, watching)
    assert (done.state, watching.said[Stream.STDOUT]) == (State.COMPLETED, b"v")
    assert [one.state for one in done.executions] == [State.FAILED, State.COMPLETED]


DRIVER = """
import asyncio, sys
sys.path[:0] = sys.argv[2:]
from gadus.config import settings_from
from gadus.wiring import open_service, store_of
from driving import Watching, spec

class Saying(Watching):
    def output(self, stream, data):
        print("running", flush=True)

async def main():
    with open_service(settings_from(data_dir=sys.argv[1])) as service:
        job = service.submit(spec("forever"))
        print(job.id, flush=True)
        await service.drive(job.id, Saying())

asyncio.run(main())
"""


def test_a_job_whose_process_was_killed_is_not_shown_as_running(settings: Settings) -> None:
    tests = Path(__file__).parent
    command = [sys.executable, "-c", DRIVER, str(settings.data_dir), str(tests), str(tests.parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        job_id = process.stdout.readline().strip()
        assert process.stdout.readline() == "running\n"
        with open_service(settings) as service:
            assert service.find(job_id).state is State.RUNNING
        process.kill()
    with open_service(settings) as service:
        job = service.find(job_id)
        assert (job.state, job.message) == (State.FAILED, "the process that ran it ended")
        # The next run on this machine removes what was left.
        other = service.submit(spec("exit", "0"))
        asyncio.run(service.drive(other.id, Watching()))
    assert leftovers(settings) == []


WRONG = [
    ({"Type": "daemon"}, "Type: 'daemon' needs a server"),
    ({"Constraints": [{"Key": "Architecture", "Operator": "=", "Values": ["z80"]}]}, "Architecture = z80 is not met"),
]


@pytest.mark.parametrize(("change", "why"), WRONG)
def test_what_cannot_run_here_is_refused_with_the_reason(service: Service, change: dict[str, Any], why: str) -> None:
    document = {**spec("exit", "0").to_wire(), **change}
    with pytest.raises(InvalidSpec, match=why):
        service.submit(JobSpec.model_validate(document))
    assert service.jobs(limit=10) == []


def test_all_reasons_are_given_at_once(service: Service) -> None:
    task = {
        "Resources": {"CPU": "100000", "Memory": "900TB", "GPU": "9"},
        "Publisher": {"Type": "ipfs", "Params": {}},
        "InputSources": [{"Source": {"Type": "s3", "Params": {"Buckett": "x"}}, "Target": "/in"}],
    }
    with pytest.raises(InvalidSpec) as caught:
        service.submit(spec("exit", "0", **task))
    text = caught.value.message
    for part in ("more CPU", "more Memory", "more GPU", "'ipfs' is not a publisher", "Buckett", "Bucket"):
        assert part in text
