"""What would be read and where it would run, before anything is."""

from __future__ import annotations

import asyncio
import base64
import re
import signal
from pathlib import Path
from typing import Any

import pytest
import yaml
from command import PROBE, Cli

from faultproxy import Fault, FaultProxy, Request, black_hole
from s3_server import Bucket

WASM = ("wasm", "run")


@pytest.fixture
def logs(bucket: Bucket) -> Bucket:
    """A bucket with 30 objects of 0, 10, 20 … bytes below logs/."""
    for number in range(30):
        bucket.put(f"logs/{number:02}.txt", b"x" * 10 * number)
    return bucket


def planned(cli: Cli, *words: str, **more: Any) -> dict[str, Any]:
    return cli("plan", *words, "--json", **more).document


def only_input(plan: dict[str, Any]) -> dict[str, Any]:
    (one,) = (one for one in plan["inputs"] if not one["is_program"])
    return one


def job_file(bucket: str, key: str) -> str:
    url = "data:application/wasm;base64," + base64.b64encode(PROBE.read_bytes()).decode()
    params = {"EntryModule": {"Source": {"Type": "inline", "Params": {"URL": url}}}, "Parameters": ["list", "/in"]}
    source = {"Target": "/in", "Source": {"Type": "s3", "Params": {"Bucket": bucket, "Key": key}}}
    task = {"Name": "main", "Engine": {"Type": "wasm", "Params": params}, "InputSources": [source]}
    return yaml.safe_dump({"Type": "batch", "Tasks": [task]})


def files_in(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


def test_plan_shows_what_a_run_would_read_and_where(s3_cli: Cli, logs: Bucket):
    done = s3_cli("plan", *WASM, "-i", f"s3://{logs.name}/logs/*:/in", str(PROBE), "list", "/in")
    shown = done.out.decode()
    assert done.code == 0
    assert re.search(rf"^/in +30 +4\.2 KiB +0 B +[0-9a-f]{{12}} +s3://{logs.name}@http", shown, re.MULTILINE)
    assert re.search(r"^ +10 B  logs/01\.txt$", shown, re.MULTILINE)
    assert "… and 25 more" in shown
    assert "chosen, the only node" in shown
    assert "to fetch: 31 objects" in shown
    assert "\x1b" not in shown


def test_plan_downloads_nothing_and_stores_no_job(s3_cli: Cli, logs: Bucket):
    assert s3_cli("plan", *WASM, "-i", f"s3://{logs.name}/logs/*:/in", str(PROBE)).code == 0
    assert s3_cli("job", "list", "--json").document == []
    assert files_in(s3_cli.data_dir / "cache" / "objects") == []
    assert files_in(s3_cli.data_dir / "cache" / "trees") == []
    assert list((s3_cli.data_dir / "manifests").glob("draft-*")) == []


def test_run_reads_what_was_planned_and_the_next_plan_finds_all_of_it_cached(s3_cli: Cli, logs: Bucket):
    words = [*WASM, "-i", f"s3://{logs.name}/logs/*:/in", str(PROBE), "return"]
    before = planned(s3_cli, *words[:2], *words[2:])
    assert (only_input(before)["cached"], before["engine"]["ready"]) == ({"objects": 0, "bytes": 0}, False)
    assert s3_cli(*words).code == 0
    (manifest,) = s3_cli("job", "describe", "--json", "j-").document["Manifests"]
    after = planned(s3_cli, *words)
    assert manifest["Digest"] == only_input(before)["digest"] == only_input(after)["digest"]
    assert only_input(after)["cached"] == {"objects": 30, "bytes": 4350}
    assert (after["to_fetch"], after["engine"]["ready"]) == ({"objects": 0, "bytes": 0}, True)


def test_only_what_is_new_would_be_fetched(s3_cli: Cli, logs: Bucket):
    words = [*WASM, "-i", f"s3://{logs.name}/logs/*:/in", str(PROBE), "return"]
    assert s3_cli(*words).code == 0
    logs.put("logs/new.txt", b"new")
    assert planned(s3_cli, *words)["to_fetch"]["bytes"] == 3


def test_every_form_plans_the_same(s3_cli: Cli, logs: Bucket):
    text = job_file(logs.name, "logs/")
    Path(s3_cli.directory, "job.yaml").write_text(text)
    forms = [
        s3_cli("plan", "job.yaml", "--json"),
        s3_cli("plan", "--json", "job.yaml"),
        s3_cli("plan", "job", "run", "--json", "job.yaml"),
        s3_cli("plan", "--json", "-", stdin=text.encode()),
        s3_cli("plan", "--json", *WASM, "-i", f"s3://{logs.name}/logs/:/in", str(PROBE), "list", "/in"),
    ]
    assert [form.code for form in forms] == [0] * 5
    inputs = [only_input(form.document) for form in forms]
    assert [one["objects"] for one in inputs] == [30] * 5
    assert len({one["digest"] for one in inputs}) == 1


def test_template_flags_may_stand_before_the_file(s3_cli: Cli, logs: Bucket):
    Path(s3_cli.directory, "job.yaml").write_text(job_file(logs.name, "{{.key}}"))
    done = s3_cli("plan", "-V", "key=logs/0*", "job.yaml", "--json")
    assert only_input(done.document)["objects"] == 10


def test_all_reasons_are_told_at_once(s3_cli: Cli, logs: Bucket):
    s3_cli.environment |= {"DOCKER_HOST": "unix:///nowhere/docker.sock", "GADUS_CACHE_LIMIT": "1kB"}
    inputs = [f"s3://{logs.name}/logs/*:/in", f"s3://{logs.name}/missing:/a", "s3://no-such-bucket-here/x*:/b"]
    flags = [word for one in inputs for word in ("-i", one)]
    words = ["docker", "run", *flags, "--memory", "900TB", "-c", "zone=moon", "-p", "s3://b/k", "busybox"]
    done = s3_cli("plan", *words)
    shown = done.out.decode()
    assert done.code == 2
    assert "cannot run, for 7 reasons:" in shown
    for reason in (
        "'s3' is not a publisher",
        "job requires more Memory",
        "constraint zone = moon is not met",
        f"/a: s3://{logs.name}/missing does not exist",
        "/b: bucket 'no-such-bucket-here' does not exist",
        "no container engine answers at unix:///nowhere/docker.sock",
        "the cache may hold 1000 B",
    ):
        assert reason in shown
    document = planned(s3_cli, *words[:-1], words[-1])
    assert (document["can_run"], document["node"], len(document["problems"])) == (False, None, 7)
    assert only_input({"inputs": document["inputs"][:1]})["objects"] == 30


def test_params_that_are_wrong_do_not_hide_what_can_be_read(s3_cli: Cli, logs: Bucket):
    spec = yaml.safe_load(job_file(logs.name, "logs/"))
    spec["Tasks"][0]["Publisher"] = {"Type": "ipfs"}
    done = s3_cli("plan", "-", "--json", stdin=yaml.safe_dump(spec).encode())
    (problem,) = done.document["problems"]
    assert (done.code, problem["kind"]) == (2, "InvalidSpec")
    assert "ipfs" in problem["message"]
    assert only_input(done.document)["objects"] == 30


def test_parts_add_up_to_the_whole_and_many_are_summed_up(s3_cli: Cli, logs: Bucket):
    words = [*WASM, "--count", "25", "-i", f"s3://{logs.name}/logs/*,dst=/in,opt=partition=object", str(PROBE)]
    one = only_input(planned(s3_cli, *words))
    assert len(one["parts"]) == 25
    assert sum(part["objects"] for part in one["parts"]) == 30
    assert sum(part["bytes"] for part in one["parts"]) == 4350
    shown = s3_cli("plan", *words).out.decode()
    assert re.search(r"^19 +\d+ ", shown, re.MULTILINE)
    assert not re.search(r"^20 +\d+ ", shown, re.MULTILINE)
    assert all(re.search(rf"^{name} +\d+ +\d", shown, re.MULTILINE) for name in ("min", "median", "max"))


def test_image_that_is_here_is_ready(cli: Cli, docker_image: str):
    done = cli("plan", "docker", "run", docker_image)
    assert done.code == 0
    assert "docker: ready" in done.out.decode()
    assert f"image {docker_image} is here: sha256:" in done.out.decode()
    assert done.out.decode().endswith("This job can run.\n")


async def test_long_listing_is_told_and_quiet_is_silent(s3_cli: Cli, logs: Bucket, proxy: FaultProxy):
    proxy.add(Fault(delay_seconds=1.2))
    s3_cli.environment |= {"AWS_ENDPOINT_URL_S3": proxy.server.endpoint, "AWS_ENDPOINT_URL": proxy.server.endpoint}
    words = ["plan", *WASM, "-i", f"s3://{logs.name}/logs/*:/in", str(PROBE)]
    talking = await asyncio.to_thread(s3_cli, *words)
    assert (talking.code, talking.out.count(b"Listing")) == (0, 0)
    assert re.search(r"^Listing: 3[01] objects, .* so far$", talking.err, re.MULTILINE)
    quiet = await asyncio.to_thread(s3_cli, "plan", "--quiet", *words[1:])
    assert (quiet.code, quiet.err) == (0, "")


async def test_ctrl_c_ends_a_plan_and_leaves_nothing(s3_cli: Cli, logs: Bucket, proxy: FaultProxy):
    asked = asyncio.Event()

    async def before(_: Request) -> None:
        asked.set()

    proxy.add(Fault(before=before, delay_seconds=black_hole().delay_seconds))
    s3_cli.environment |= {"AWS_ENDPOINT_URL_S3": proxy.server.endpoint, "AWS_ENDPOINT_URL": proxy.server.endpoint}
    process = s3_cli.start("plan", *WASM, "-i", f"s3://{logs.name}/logs/*:/in", str(PROBE))
    async with asyncio.timeout(30):
        await asked.wait()
        process.send_signal(signal.SIGINT)
        out, err = await asyncio.to_thread(process.communicate)
    assert (process.returncode, out, err) == (130, b"", b"Stopped.\n")
    assert list((s3_cli.data_dir / "manifests").glob("draft-*")) == []
    assert s3_cli.left_behind == []


def test_plan_without_anything_shows_how(cli: Cli):
    assert b"gadus plan job.yaml" in cli("plan", "--help").out
    wrong = cli("plan", "nowhere.yaml")
    assert (wrong.code, "'nowhere.yaml' cannot be read" in wrong.err) == (2, True)
