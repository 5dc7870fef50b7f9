"""What happened to a job, in the words and numbers of Bacalhau's history."""

from __future__ import annotations

import pytest
from lives import Life, job_spec

import gadus.web.history
from gadus.core.job import Expired, Outcome, Phase, Renewed, StopRequested
from gadus.web.history import history
from gadus.web.wire import NUMBERS_OF_1_4, NUMBERS_SINCE_1_5_2


def told(life: Life, numbering=NUMBERS_OF_1_4) -> list[dict]:
    return history(life.job, life.events, numbering)


def run_through() -> Life:
    life = Life()
    execution_id = life.place()
    for phase in Phase:
        life.enter(execution_id, phase)
    life.end(execution_id, Outcome(exit_code=0))
    return life


def test_successful_run_is_told_step_by_step():
    items = told(run_through())
    assert [(item["Type"], item["Comment"]) for item in items] == [
        ("JobLevel", "Job submitted"),
        ("ExecutionLevel", "Accepted job"),
        ("JobLevel", ""),
        ("ExecutionLevel", "Bringing the inputs"),
        ("ExecutionLevel", "Running the program"),
        ("ExecutionLevel", "Keeping the results"),
        ("ExecutionLevel", "The program ended with exit code 0"),
        ("JobLevel", ""),
    ]
    assert [item["JobState"] for item in items if item["Type"] == "JobLevel"] == [
        {"Previous": "Pending", "New": "Pending"},
        {"Previous": "Pending", "New": "Running"},
        {"Previous": "Running", "New": "Completed"},
    ]


@pytest.mark.parametrize(
    ("numbering", "states"),
    [
        (NUMBERS_OF_1_4, [(1, 5), (5, 5), (5, 5), (5, 5), (5, 7)]),
        (NUMBERS_SINCE_1_5_2, [(1, 5), (5, 5), (5, 6), (6, 7), (7, 9)]),
    ],
)
def test_states_of_an_execution_follow_one_another(numbering, states):
    items = [item for item in told(run_through(), numbering) if item["Type"] == "ExecutionLevel"]
    assert [(item["ExecutionState"]["Previous"], item["ExecutionState"]["New"]) for item in items] == states
    assert {item["NodeID"] for item in items} == {"n-1"}


def test_every_entry_has_the_fields_that_old_clients_read_without_looking():
    for number, item in enumerate(told(run_through()), 1):
        assert item["SeqNum"] == number
        assert ("JobState" in item) == (item["Type"] == "JobLevel")
        assert ("ExecutionState" in item) == (item["Type"] == "ExecutionLevel")
        assert item["Time"].endswith("Z")
        assert {"Message", "Topic", "Timestamp"} <= item["Event"].keys()


def test_error_is_told_with_its_phase_and_its_way_out():
    life = Life()
    execution_id = life.place()
    life.enter(execution_id, Phase.STAGING)
    life.end(execution_id, life.error("no such key", kind="InputUnreadable"))
    item = next(item for item in told(life) if item["Comment"] == "no such key")
    assert item["Event"]["Topic"] == "Downloading Inputs"
    assert item["Event"]["Details"] == {
        "ErrorCode": "InputUnreadable",
        "FailsExecution": "true",
        "Hint": "do it otherwise",
        "IsError": "true",
    }
    assert item["ExecutionState"]["New"] == 8
    assert told(life)[-1]["JobState"]["New"] == "Failed"


def test_stop_and_its_reason_are_told():
    life = Life()
    life.happened(StopRequested(at=9.0, reason="not needed"))
    last = told(life)[-1]
    assert last["Comment"] == "Job requested to stop before completion"
    assert last["Event"]["Details"] == {"Reason": "not needed"}
    assert last["JobState"] == {"Previous": "Pending", "New": "Stopped"}


def test_time_out_is_an_error_of_the_job():
    life = Life(spec=job_spec(Tasks=[job_spec().task.to_wire() | {"Timeouts": {"TotalTimeout": 5}}]))
    life.happened(Expired(at=9.0))
    last = told(life)[-1]
    assert last["Event"]["Topic"] == "Job Timeout"
    assert last["Event"]["Details"]["IsError"] == "true"
    assert last["JobState"]["New"] == "Failed"


def test_entries_after_a_rerun_are_of_the_next_version():
    life = run_through()
    life.happened(Renewed(at=20.0, spec=life.job.spec, reason="again"))
    life.place()
    renewed = next(item for item in told(life) if item["Comment"] == "Job submitted anew")
    assert renewed["JobVersion"] == 2
    assert renewed["JobState"] == {"Previous": "Completed", "New": "Pending"}
    assert {item["JobVersion"] for item in told(life)[-2:]} == {2}


def test_long_history_still_tells_how_it_ended(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gadus.web.history, "_EVENTS_FOLDED", 3)
    life = run_through()
    items = told(life)
    assert [item["JobState"]["New"] for item in items if item["Type"] == "JobLevel"] == ["Pending", "Completed"]
    assert [item["ExecutionState"]["New"] for item in items if item["Type"] == "ExecutionLevel"][-1] == 7
