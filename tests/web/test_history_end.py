"""When the history of a job can become no longer: for that, some clients wait."""

from __future__ import annotations

import pytest
from lives import JOB_ID, Life, job_spec

from gadus.core.job import Outcome, Renewed
from gadus.web.parts import goes_on


@pytest.fixture
def half() -> tuple[Life, str, str]:
    """A job of two executions, of which the first has ended."""
    life = Life(spec=job_spec(Count=2))
    first, second = life.place(), life.place()
    life.end(first, Outcome(exit_code=0))
    return life, first, second


def test_history_of_an_execution_ends_with_it(half: tuple[Life, str, str]):
    life, first, second = half
    assert not goes_on(life.job, first, 0)
    assert goes_on(life.job, second, 0)
    assert goes_on(life.job, "", 0)


def test_history_of_a_job_ends_with_its_last_execution(half: tuple[Life, str, str]):
    life, _, second = half
    life.end(second, Outcome(exit_code=0))
    assert life.job.id == JOB_ID
    assert not goes_on(life.job, "", 0)
    assert not goes_on(life.job, "", 1)


def test_history_of_a_version_ends_when_another_has_begun_and_nothing_of_it_runs(half: tuple[Life, str, str]):
    life, _, second = half
    life.end(second, Outcome(exit_code=0))
    life.happened(Renewed(at=life.now, spec=life.job.spec))
    assert not goes_on(life.job, "", 1)
    assert goes_on(life.job, "", 2)
    assert goes_on(life.job, "", 0)
