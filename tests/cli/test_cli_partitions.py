"""Inputs that are shared out, checked and written to, by the real command; and what is said of them afterwards."""

from __future__ import annotations

import hashlib
import json
import re
from asyncio import to_thread
from pathlib import Path

import pytest
import yaml
from command import PROBE, Cli

from faultproxy import FaultProxy
from gadus.contracts import Found
from gadus.core.job import Ended, Event, Job, Outcome, Phase, PhaseEntered, Pinned, Placed, Submitted
from gadus.core.lifecycle import decide, execution_id
from gadus.core.manifest import Item
from gadus.core.spec import JobSpec
from gadus.manifests import Manifests
from gadus.orchestrator.store import open_store

WASM = ("wasm", "run")
MANY = 100_000


def lines_by_part(out: bytes) -> dict[str, list[str]]:
    parts: dict[str, list[str]] = {}
    for line in out.decode().splitlines():
        index, _, name = line.partition(" ")
        parts.setdefault(index, []).append(name)
    return parts


@pytest.mark.parametrize("kind", ["object", "bytes"])
async def test_partition_shares_out_what_is_listed_once_and_cached_for_the_next_run(
    s3_cli: Cli, bucket, proxy: FaultProxy, kind: str
):
    names = [f"{number:02}" for number in range(12)]
    for name in names:
        bucket.put(f"d/{name}", b"x" * 1024)
    s3_cli.environment["AWS_ENDPOINT_URL_S3"] = proxy.server.endpoint
    words = [*WASM, "--count", "3", "-i", f"s3://{bucket.name}/d/:/in,opt=partition={kind}", str(PROBE), "list", "/in"]
    first = await to_thread(s3_cli, *words)
    parts = lines_by_part(first.out)
    assert set(parts) <= {"[0]", "[1]", "[2]"}
    assert sorted(name for part in parts.values() for name in part) == names
    if kind == "bytes":
        assert [len(part) for part in parts.values()] == [4, 4, 4]
    assert "(12 objects, 12.0 KiB, 0 B cached, size and ETag verified)" in first.err.splitlines()[-1]
    assert len(proxy.seen("GET", "")) == 1
    assert sorted(request.key for request in proxy.seen("GET", "?*")) == [f"d/{name}" for name in names]

    proxy.requests.clear()
    again = await to_thread(s3_cli, *words)
    assert lines_by_part(again.out).keys() == parts.keys()
    assert "(12 objects, 12.0 KiB, 12.0 KiB cached, size and ETag verified)" in again.err.splitlines()[-1]
    assert [request.key for request in proxy.requests] == [""]


def test_cached_objects_are_refused_to_who_may_not_read_them(s3_cli: Cli, bucket):
    bucket.put("d/a", b"secret")
    words = [*WASM, "-i", f"s3://{bucket.name}/d/:/in", str(PROBE), "read", "/in/a"]
    assert s3_cli(*words).out == b"secret"
    s3_cli.environment["AWS_SECRET_ACCESS_KEY"] = "somebody-elses"
    refused = s3_cli(*words)
    assert (refused.code, refused.out) == (1, b"")
    assert "the secret key does not belong to the access key" in refused.err
    assert "somebody-elses" not in refused.err


def test_written_input_is_a_copy_and_the_next_run_reads_the_original(s3_cli: Cli, bucket):
    bucket.put("d/a", b"original")
    url = f"s3://{bucket.name}/d/:/in"
    assert s3_cli(*WASM, "-i", f"{url},opt=readwrite=true", str(PROBE), "write", "/in/a", "changed").code == 0
    again = s3_cli(*WASM, "-i", f"{url},opt=readwrite=true", str(PROBE), "read", "/in/a")
    assert (again.code, again.out) == (0, b"original")
    assert "8 B, 8 B cached" in again.err
    assert s3_cli(*WASM, "-i", url, str(PROBE), "write", "/in/a", "changed").code == 1
    assert s3_cli("cache", "verify").code == 0
    assert s3_cli.left_behind == []


def test_checksum_manifest_verifies_or_names_what_is_wrong(s3_cli: Cli, bucket):
    bodies = {"a": b"one", "b": b"two"}
    for name, body in bodies.items():
        bucket.put(f"d/{name}", body)
    right = {name: hashlib.sha256(body).hexdigest() for name, body in bodies.items()}
    cases = {"wrong": {**right, "b": "0" * 64}, "missing": {"a": right["a"]}, "right": right}
    told = {}
    for case, digests in cases.items():
        bucket.put(f"sums/{case}", "".join(f"{digest}  {name}\n" for name, digest in digests.items()).encode())
        asked = f"s3://{bucket.name}/d/:/in,opt=checksummanifest=s3://{bucket.name}/sums/{case}"
        told[case] = s3_cli(*WASM, "-i", asked, str(PROBE), "list", "/in")
    assert told["right"].code == 0
    assert "SHA-256 verified" in told["right"].err
    assert (told["wrong"].code, told["wrong"].out) == (1, b"")
    assert "checksum mismatch" in told["wrong"].err
    assert "d/b" in told["wrong"].err
    assert (told["missing"].code, told["missing"].out) == (1, b"")
    assert "no digest for 'd/b'" in told["missing"].err


def test_results_of_two_parts_merge_with_the_records_of_both(s3_cli: Cli, bucket):
    names = [f"{number}" for number in range(6)]
    for name in names:
        bucket.put(f"d/{name}", b"x")
    words = ["--name", "pair", "--count", "2", "-i", f"s3://{bucket.name}/d/:/in,opt=partition=bytes"]
    for run in range(2):
        words[1] = f"pair{run}"
        assert s3_cli(*WASM, *words, str(PROBE), "list", "/in").code == 0
        assert s3_cli("job", "get", "--output-dir", f"merged{run}", f"pair{run}").code == 0
        merged = Path(s3_cli.directory, f"merged{run}")
        assert sorted((merged / "stdout").read_text().split()) == names
        receipts = [one for receipt in json.loads((merged / "receipt.json").read_text()) for one in receipt["inputs"]]
        assert sorted(one["partition"]["index"] for one in receipts) == [0, 1]
        assert sum(one["fetched_objects"] for one in receipts) == (0 if run else 6)
        records = [(merged / one["all_objects"]).read_text().splitlines() for one in receipts]
        assert sorted(json.loads(line)["path"] for lines in records for line in lines) == names
        assert len(list((merged / "receipt").iterdir())) == 2
        shown = s3_cli("job", "describe", f"pair{run}").out.decode()
        rows = re.findall(r"^/in +3 +3 B +(\d) B +size and ETag +s3://", shown, re.MULTILINE)
        assert rows == (["0", "0"] if run else ["3", "3"])


@pytest.fixture
def job_of_many_objects(cli: Cli) -> Job:
    """A job of the past whose input had `MANY` objects."""
    with Manifests(cli.data_dir / "manifests").drafting() as draft:
        for start in range(0, MANY, 1000):
            keys = [f"logs/{number:06}" for number in range(start, start + 1000)]
            draft.add(Found("s3://b@https://host", [Item(key, key[5:], 7, '"e"') for key in keys]))
        pin = draft.keep("/in")
    asked = {"Source": {"Type": "s3", "Params": {"Bucket": "b", "Key": "logs/"}}, "Target": "/in"}
    task = {"Name": "main", "Engine": {"Type": "wasm", "Params": {}}, "InputSources": [asked]}
    spec = JobSpec.model_validate({"Type": "batch", "Name": "many", "Tasks": [task]})
    first = execution_id("j-many", 0, 0)
    events: list[Event] = [
        Submitted(at=1.0, job_id="j-many", spec=spec),
        Placed(at=2.0, execution_id=first, node="here"),
        PhaseEntered(at=2.0, execution_id=first, phase=Phase.STAGING),
        Pinned(at=3.0, pin=pin),
        Ended(at=4.0, execution_id=first, outcome=Outcome(exit_code=0)),
    ]
    job: Job | None = None
    with open_store(cli.data_dir / "gadus.db") as store:
        for event in events:
            before = job
            job, _ = decide(before, event)
            store.append(before, job, event)
    assert job is not None
    return job


def test_description_of_very_many_objects_shows_the_first_and_reads_no_manifest(cli: Cli, job_of_many_objects: Job):
    (pin,) = job_of_many_objects.pins
    assert len(job_of_many_objects.model_dump_json()) < 10_000
    everything = json.loads(cli("job", "describe", "--json", "many").out)["Manifests"][0]["Items"]
    assert len(everything) == MANY
    # What would fail on it has read it.
    (cli.data_dir / "manifests" / pin.digest[:2] / pin.digest).write_bytes(b"not a manifest")
    shown = cli("job", "describe", "many")
    assert shown.code == 0
    assert re.search(rf"^/in +100,000 +683\.6 KiB +{pin.digest[:12]} +s3://b@https://host$", shown.out.decode(), re.MULTILINE)
    assert re.findall(r"logs/(\d+)", shown.out.decode()) == [f"{number:06}" for number in range(10)]
    assert "… and 99,990 more" in shown.out.decode()
    (manifest,) = yaml.safe_load(cli("job", "describe", "--output", "yaml", "many").out)["Manifests"]
    assert (len(manifest["Items"]), manifest["ItemsLeftOut"]) == (20, MANY - 20)
