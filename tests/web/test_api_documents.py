"""Jobs and executions in the exact form that clients decode."""

from __future__ import annotations

import json

import pytest
from lives import Life, job_spec, plugin_params

from gadus.core.job import Execution, Job, Outcome, Phase, State, StopRequested
from gadus.core.jobfile.decode import decode_job
from gadus.web.wire import (
    NUMBERS_OF_1_4,
    NUMBERS_SINCE_1_5_2,
    Written,
    execution_document,
    job_document,
    job_state,
    nanoseconds,
    rfc3339,
)


def shown(job: Job, execution: Execution, **more) -> dict:
    given = {"written": Written(), "published": None} | more
    return execution_document(job, execution, NUMBERS_OF_1_4, **given)


def test_job_has_every_field_of_the_contract_in_its_order():
    document = job_document(Life().job)
    assert list(document) == [
        *("ID", "Name", "Namespace", "Type", "Priority", "Count", "Constraints", "Meta", "Labels", "Tasks", "State"),
        *("Version", "Revision", "CreateTime", "ModifyTime"),
    ]
    assert document["State"] == {"StateType": "Pending"}
    assert (document["Version"], document["Revision"]) == (1, 1)
    assert document["Tasks"][0]["Engine"]["Type"] == "wasm"
    assert document["Tasks"][0]["Network"]["Type"] == "None"
    assert all(isinstance(amount, str) for amount in document["Tasks"][0]["Resources"].values())


def test_shown_job_can_be_submitted_again():
    job = Life(spec=job_spec(Count=3, Labels={"team": "data"})).job
    spec, warnings = decode_job(json.dumps(job_document(job)), params_model=plugin_params, name="Job")
    assert spec == job.spec
    assert "job ID is ignored when submitting a batch job" in warnings


def test_job_states_are_words():
    life = Life(spec=job_spec(Count=2))
    seen = [job_state(life.job)]
    first = life.place()
    seen.append(job_state(life.job))
    life.end(first, Outcome(exit_code=0))
    second = life.place()
    life.end(second, Outcome(exit_code=0))
    seen.append(job_state(life.job))
    assert seen == ["Pending", "Running", "Completed"]


def test_job_that_waits_for_a_reason_is_queued_and_says_why():
    task = job_spec().task.to_wire() | {"Timeouts": {"QueueTimeout": 60}}
    life = Life(spec=job_spec(Tasks=[task]))
    life.unplaceable("no node has 99 cores")
    assert job_document(life.job)["State"] == {"StateType": "Queued", "Message": "no node has 99 cores"}


def test_stopped_job_tells_the_reason():
    life = Life()
    life.happened(StopRequested(at=5.0, reason="enough"))
    assert job_document(life.job)["State"] == {"StateType": "Stopped", "Message": "enough"}


def test_times_are_whole_nanoseconds():
    assert nanoseconds(1719930417.160015) == 1719930417160015000
    assert isinstance(nanoseconds(1.5), int)
    assert rfc3339(1719930417.160015) == "2024-07-02T14:26:57.160015Z"


@pytest.mark.parametrize(
    ("outcome", "old", "new"),
    [
        (None, 5, 6),
        (Outcome(exit_code=0), 7, 9),
        (Outcome(exit_code=7), 7, 9),
        ("failed", 8, 10),
        ("stopped", 9, 11),
    ],
)
def test_states_of_executions_are_the_numbers_that_the_client_knows(outcome, old, new):
    life = Life()
    execution_id = life.place()
    life.enter(execution_id, Phase.RUNNING)
    if outcome == "stopped":
        life.happened(StopRequested(at=5.0, reason=""))
    if outcome is not None:
        life.end(execution_id, life.error("Broken") if isinstance(outcome, str) else outcome)
    one = life.job.executions[0]
    numbers = [
        execution_document(life.job, one, numbering, written=Written(), published=None)["ComputeState"]["StateType"]
        for numbering in (NUMBERS_OF_1_4, NUMBERS_SINCE_1_5_2)
    ]
    assert numbers == [old, new]


def test_publishing_has_a_number_of_its_own_since_1_5_2():
    assert NUMBERS_SINCE_1_5_2.number_of(State.RUNNING, Phase.PUBLISHING) == 7
    assert NUMBERS_OF_1_4.number_of(State.RUNNING, Phase.PUBLISHING) == 5


def test_running_execution_has_no_output_and_no_result_yet():
    life = Life()
    life.enter(life.place(), Phase.RUNNING)
    document = shown(life.job, life.job.executions[0])
    assert document["RunOutput"] is None
    assert document["PublishedResult"] is None
    assert document["DesiredState"] == {"StateType": 1}
    assert document["NodeID"] == "n-1"


def test_ended_execution_tells_what_its_program_wrote():
    life = Life()
    life.end(life.place(), Outcome(exit_code=3))
    written = Written(stdout="hi\n", stderr="oh", stderr_truncated=True)
    document = shown(life.job, life.job.executions[0], written=written, published={"Type": ""})
    assert document["RunOutput"] == {
        "Stdout": "hi\n",
        "StdoutTruncated": False,
        "stderr": "oh",
        "StderrTruncated": True,
        "ExitCode": 3,
        "ErrorMsg": "",
    }
    assert document["DesiredState"] == {"StateType": 2, "Message": "execution completed"}


def test_failed_execution_tells_its_error():
    life = Life()
    life.end(life.place(), life.error("the image is not there"))
    document = shown(life.job, life.job.executions[0])
    assert document["ComputeState"] == {"StateType": 8, "Message": "the image is not there"}
    assert document["RunOutput"]["ErrorMsg"] == "the image is not there"
    assert document["RunOutput"]["ExitCode"] == -1
