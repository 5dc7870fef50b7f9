"""What a server changes itself it does not learn anew from its store, and what others change it does."""

from __future__ import annotations

import pytest
from driving import spec

from gadus.core.errors import StorageUnavailable
from gadus.core.job import Job
from gadus.orchestrator.own import Own


def job_of(version: int) -> Job:
    return Job(id="j-1", spec=spec("return"), created_at=1.0, begun_at=1.0, modified_at=1.0, version=version)


def test_what_is_being_written_is_known_before_its_writer_hears_that_it_was() -> None:
    own = Own()
    with own.giving(job_of(1)):
        assert own.left_of([(1, "j-1", 1)]) == []
    assert own.left_of([(1, "j-1", 1)]) == []
    assert own.left_of([(2, "j-1", 2)]) == ["j-1"]


def test_what_could_not_be_written_is_learnt_of_when_another_writes_it() -> None:
    own = Own()
    with pytest.raises(StorageUnavailable), own.giving(job_of(2)):
        raise StorageUnavailable("the disk is full")
    assert own.left_of([(1, "j-1", 2)]) == ["j-1"]
