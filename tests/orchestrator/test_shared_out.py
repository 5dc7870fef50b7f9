"""One job, many executions, one listing: what they see is settled once, and shared out without a gap or an overlap."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import pytest
from driving import Watching, completed, receipt_of, records_of, s3_input, spec, stdout_of

from faultproxy import FaultProxy, internal_error
from gadus.core.job import Pin, State
from gadus.orchestrator.service import Service
from s3_server import Bucket

pytestmark = pytest.mark.usefixtures("s3_environment")

ONE_AFTER_THE_OTHER = {"Resources": {"CPU": str(os.cpu_count())}}


def listings(proxy: FaultProxy) -> int:
    return len(proxy.seen("GET", ""))


def fetches(proxy: FaultProxy) -> Counter[str]:
    return Counter(request.key for request in proxy.seen("GET", "?*"))


def fill(bucket: Bucket, number: int) -> list[str]:
    """Objects of very different sizes, the large ones first."""
    names = [f"{index:02}.txt" for index in range(number)]
    for index, name in enumerate(names):
        bucket.put(f"d/{name}", b"x" * (5000 if index < 3 else index))
    return names


class AddingToTheBucket(Watching):
    """Puts a further object into the bucket as soon as it is known what the input is."""

    def __init__(self, bucket: Bucket) -> None:
        super().__init__()
        self._bucket = bucket

    def pinned(self, pin: Pin) -> None:
        super().pinned(pin)
        self._bucket.put("d/late.txt", b"late")


@pytest.mark.parametrize("kind", ["object", "bytes"])
async def test_executions_together_see_every_object_once_from_one_listing(
    service: Service, bucket: Bucket, proxy: FaultProxy, kind: str
) -> None:
    names = fill(bucket, 20)
    asked = s3_input(bucket, endpoint=proxy.server.endpoint, Partition={"Type": kind})
    job = await completed(service, spec("list", "/in", inputs=(asked,), count=3))
    seen = stdout_of(service, job)
    assert sorted(seen) == [0, 1, 2]
    assert sorted(name for part in seen.values() for name in part) == names
    assert listings(proxy) == 1
    assert fetches(proxy) == Counter(f"d/{name}" for name in names)
    (pin,) = job.pins
    assert (pin.objects, pin.size_bytes) == (20, 15_000 + sum(range(3, 20)))
    for one in job.executions:
        (received,) = receipt_of(service, job, one)["inputs"]
        assert received["partition"] == {"index": one.index, "count": 3}
        assert received["digest"] == pin.digest
        assert [line["path"] for line in records_of(service, job, one)] == sorted(seen[one.index])
        if kind == "bytes":
            assert sum(int(name[:2]) < 3 for name in seen[one.index]) == 1, "each part has one of the large objects"


async def test_part_without_an_object_has_an_empty_directory(service: Service, bucket: Bucket) -> None:
    bucket.put("d/only", b"1")
    asked = s3_input(bucket, Partition={"Type": "object"})
    job = await completed(service, spec("list", "/in", inputs=(asked,), count=3))
    assert sorted(stdout_of(service, job).values()) == [[], [], ["only"]]


async def test_every_execution_is_told_who_it_is(service: Service) -> None:
    job = await completed(service, spec("environment", count=3))
    for one in job.executions:
        told = dict(line.split("=", 1) for line in stdout_of(service, job)[one.index])
        expected = {
            "PARTITION_INDEX": str(one.index),
            "PARTITION_COUNT": "3",
            "JOB_ID": job.id,
            "EXECUTION_ID": one.id,
            "JOB_TYPE": "batch",
        }
        assert told == {f"{owner}_{name}": value for owner in ("GADUS", "BACALHAU") for name, value in expected.items()}


@pytest.mark.parametrize("partition", [{}, {"Type": "object"}, {"Type": "bytes"}], ids=["whole", "object", "bytes"])
async def test_object_that_is_added_after_the_pin_is_seen_by_no_execution(
    service: Service, bucket: Bucket, proxy: FaultProxy, partition: dict[str, Any]
) -> None:
    names = fill(bucket, 6)
    asked = s3_input(bucket, endpoint=proxy.server.endpoint, Partition=partition)
    watching = AddingToTheBucket(bucket)
    job = await completed(service, spec("list", "/in", inputs=(asked,), count=3, **ONE_AFTER_THE_OTHER), watching)
    assert bucket.listing()[-1] == "d/late.txt"
    seen = stdout_of(service, job)
    assert sorted(name for part in seen.values() for name in part) == sorted(names * (1 if partition else 3))
    assert [pin.target for pin in watching.pins] == ["/in"]
    assert listings(proxy) == 1
    assert fetches(proxy) == Counter(f"d/{name}" for name in names)


async def test_retry_sees_what_the_job_began_with(service: Service, bucket: Bucket, proxy: FaultProxy) -> None:
    names = fill(bucket, 6)
    # As many refusals as one execution tries by itself: the second execution finds the service well.
    proxy.add(internal_error(), key="d/03.txt", times=5)
    asked = s3_input(bucket, endpoint=proxy.server.endpoint)
    job = await completed(service, spec("list", "/in", inputs=(asked,)), AddingToTheBucket(bucket))
    assert [one.state for one in job.executions] == [State.FAILED, State.COMPLETED]
    assert sorted(stdout_of(service, job)[0]) == names
    assert listings(proxy) == 1
    assert fetches(proxy)["d/late.txt"] == 0
    (received,) = receipt_of(service, job, job.executions[1])["inputs"]
    assert received["digest"] == job.pins[0].digest
    # What the first try brought whole is not brought again.
    came = {line["path"]: line["came"] for line in records_of(service, job, job.executions[1])}
    again = {name for name in names if fetches(proxy)[f"d/{name}"] > 1}
    assert came["03.txt"] == "fetched"
    assert received["fetched_objects"] == sum(value == "fetched" for value in came.values()) == len(again | {"03.txt"})


async def test_object_that_is_replaced_after_the_pin_fails_the_job(service: Service, bucket: Bucket, proxy: FaultProxy) -> None:
    fill(bucket, 6)

    class Replacing(Watching):
        def pinned(self, pin: Pin) -> None:
            super().pinned(pin)
            bucket.put("d/04.txt", b"new!")

    asked = s3_input(bucket, endpoint=proxy.server.endpoint, Partition={"Type": "bytes"})
    job = service.submit(spec("list", "/in", inputs=(asked,), count=3, **ONE_AFTER_THE_OTHER))
    done = await service.drive(job.id, Replacing())
    assert done.state is State.FAILED
    assert "d/04.txt" in done.message
    assert listings(proxy) == 1
