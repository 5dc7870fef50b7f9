"""What is known of a job afterwards where no server runs it, and how it is asked for."""

from __future__ import annotations

import csv
import io
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from command import PROBE, Cli

from gadus.testing.seaweedfs import S3Server

WASM = ("wasm", "run")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, s3: S3Server) -> Iterator[Cli]:
    """Commands over a data directory whose jobs have ended; no test changes it."""
    home = tmp_path_factory.mktemp("kept")
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("GADUS_", "AWS_"))}
    environment |= {"HOME": str(home), "GADUS_DATA_DIR": str(home / "data"), "TERM": "xterm", "COLUMNS": "150"}
    cli = Cli(home / "data", home, environment | s3.environment())
    with closing(s3.client()) as client:
        client.create_bucket(Bucket="kept-jobs")
        for number in range(30):
            client.put_object(Bucket="kept-jobs", Key=f"logs/{number:02}", Body=b"x" * number)
        client.put_object(Bucket="kept-jobs", Key="a.txt", Body=b"x" * 2048)
        one, many = ["-i", "s3://kept-jobs/a.txt:/in"], ["-i", "s3://kept-jobs/logs/*:/many"]
        words = [*one, "-o", "out:/out", "--name", "the-first", "-l", "team=data"]
        assert cli(*WASM, *words, str(PROBE), "write", "/out/x", "text").code == 0
        assert cli(*WASM, *one, *many, "--name", "speaks", str(PROBE), "print", "one\ntwo\nthree", "to stderr").code == 0
        pair = ["--count", "2", "--name", "pair", "-o", "out:/out"]
        assert cli(*WASM, *pair, str(PROBE), "write", "/out/x", "a").code == 0
        yield cli
        client.delete_bucket(Bucket="kept-jobs")


@pytest.fixture(scope="module")
def first(kept: Cli) -> str:
    """The id of the job that read one object, and left a result."""
    return kept("job", "list", "--labels", "team=data", "--json").document[0]["ID"]


def test_list_shows_the_newest_first_in_every_form(kept: Cli, first):
    short = first[:10]
    header, *_, oldest = kept("job", "list").out.decode().splitlines()
    assert header.split() == ["CREATED", "ID", "JOB", "TYPE", "STATE"]
    assert oldest.split()[1:] == [short, "wasm", "batch", "Completed"]
    assert re.fullmatch(r"\d\d:\d\d:\d\d", oldest.split()[0])
    assert kept("job", "list", "--order-reversed", "--hide-header", "--wide", "--limit", "1").out.split()[2].decode() == first
    rows = list(csv.reader(io.StringIO(kept("job", "list", "--output", "csv").out.decode())))
    assert rows[0] == ["created", "id", "job", "type", "state"]
    assert rows[3][1] == first
    assert yaml.safe_load(kept("job", "list", "--output", "yaml").out)[2]["ID"] == first
    assert kept("job", "list", "--labels", "team=other", "--json").document == []


def test_job_is_found_by_short_id_and_by_name(kept: Cli, first):
    for text in (first, first[:10], "the-first"):
        assert kept("job", "describe", "--json", text).document["Job"]["ID"] == first
    ambiguous = kept("job", "describe", "j-")
    assert ambiguous.code == 2
    assert first in ambiguous.err


def test_describe_tells_inputs_phases_and_history(kept: Cli, first):
    shown = kept("job", "describe", first).out.decode()
    assert re.search(r"^ID +=", shown, re.MULTILINE)
    assert re.search(r"^/in +1 +2\.0 KiB +2\.0 KiB +size", shown, re.MULTILINE)
    assert re.search(r"^/in +1 +2\.0 KiB +[0-9a-f]{12} +s3://", shown, re.MULTILINE)
    assert re.search(r"^ +2\.0 KiB  a\.txt$", shown, re.MULTILINE)
    assert re.search(r"^Completed = 1$", shown, re.MULTILINE)
    sections = "Summary", "Job History", "Inputs", "Fetched", "Executions", r"Execution e-[0-9a-f]{8} History"
    assert re.search(r"\n.*\n".join(f"^{section}$" for section in sections), shown, re.DOTALL | re.MULTILINE)
    assert re.search(r"Pending +Submission.*/in is 1 object, 2\.0 KiB.*Accepted job.*exit code 0", shown, re.DOTALL)
    assert re.search(r"^e-[0-9a-f]{8} .* Completed +Stopped +1 +0 +0 .*\d+s ago +\d+s ago", shown, re.MULTILINE)
    assert f"gadus job get {first[:10]}" in shown
    assert "\x1b" not in shown


def test_describe_shows_inputs_while_the_job_still_runs(s3_cli: Cli, bucket):
    for number in range(12):
        bucket.put(f"logs/{number:02}", b"x" * number)
    process = s3_cli.start(*WASM, "--name", "endless", "-i", f"s3://{bucket.name}/logs/*:/in", str(PROBE), "forever")
    assert process.stdout.readline() == b"running\n"
    shown = s3_cli("job", "describe", "endless").out.decode()
    assert re.search(rf"^/in +12 +66 B +[0-9a-f]{{12}} +s3://{bucket.name}@http", shown, re.MULTILINE)
    assert re.search(r"^ +9 B  logs/09$", shown, re.MULTILINE)
    assert "… and 2 more" in shown
    assert "\nFetched\n" not in shown
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130


@pytest.mark.parametrize("flags", [("--json",), ("--output", "json", "--pretty")])
def test_describe_gives_every_object_as_one_document(kept: Cli, flags):
    manifests = kept("job", "describe", *flags, "speaks").document["Manifests"]
    one, many = sorted(manifests, key=lambda manifest: manifest["Target"])
    assert [item["key"] for item in many["Items"]] == [f"logs/{number:02}" for number in range(30)]
    assert (many["Objects"], many["Bytes"], many["ItemsLeftOut"], many["Exact"]) == (30, 435, 0, True)
    etag = many["Items"][7].pop("etag")
    assert many["Items"][7] == {"key": "logs/07", "path": "07", "bytes": 7}
    assert re.fullmatch(r'"[0-9a-f]{32}"', etag)
    assert [item["path"] for item in one["Items"]] == ["a.txt"]


def test_describe_as_yaml_gives_the_first_objects_and_says_so(kept: Cli):
    manifests = yaml.safe_load(kept("job", "describe", "--output", "yaml", "speaks").out)["Manifests"]
    (many,) = [manifest for manifest in manifests if manifest["Target"] == "/many"]
    assert [item["key"] for item in many["Items"]] == [f"logs/{number:02}" for number in range(20)]
    assert many["ItemsLeftOut"] == 10


def test_describe_without_the_manifest_gives_what_is_still_known(s3_cli: Cli, bucket):
    bucket.put("a.txt", b"a")
    assert s3_cli(*WASM, "--name", "one", "-i", f"s3://{bucket.name}/a.txt:/in", str(PROBE), "return").code == 0
    (manifest,) = (path for path in (s3_cli.data_dir / "manifests").glob("??/*") if b"a.txt" in path.read_bytes())
    manifest.unlink()
    (told,) = s3_cli("job", "describe", "--json", "one").document["Manifests"]
    assert (told["Digest"], [item["key"] for item in told["Items"]], told["ItemsLeftOut"]) == (manifest.name, ["a.txt"], 0)


def test_described_job_can_be_run_again(kept: Cli, cli: Cli):
    described = kept("job", "describe", "--output", "yaml", "speaks").out
    cli.environment |= {name: text for name, text in kept.environment.items() if name.startswith("AWS_")}
    again = cli("job", "run", "--no-template", stdin=described)
    assert (again.code, again.out) == (0, b"one\ntwo\nthree")


def test_job_runs_again_as_its_next_version_without_a_server(cli: Cli):
    assert cli(*WASM, "--name", "again", str(PROBE), "print", "said", "").code == 0
    assert cli("job", "rerun", "again").code == 0
    assert cli("job", "logs", "--follow", "again").out == b"said"
    rows = cli("job", "versions", "--hide-header", "again").out.decode().splitlines()
    assert [row.split()[1] for row in rows] == ["1", "2"]


def test_logs_of_a_running_job_are_followed_until_its_end(cli: Cli, eventually):
    process = cli.start(*WASM, "--name", "endless", str(PROBE), "forever")
    assert process.stdout.readline() == b"running\n"
    assert eventually(lambda: cli("job", "logs", "endless").out) == b"running\n"
    follower = cli.start("job", "logs", "--follow", "endless")
    assert follower.stdout.readline() == b"running\n"
    with pytest.raises(subprocess.TimeoutExpired):
        follower.wait(0.5)
    process.send_signal(signal.SIGINT)
    assert follower.communicate(timeout=20) == (b"", b"")
    assert follower.returncode == 0


def test_get_overwrites_nothing(kept: Cli, first, tmp_path: Path):
    into = tmp_path / "results"
    assert kept("job", "get", "--output-dir", str(into), first).code == 0
    assert sorted(path.name for path in into.iterdir()) == ["exitCode", "out", "receipt", "receipt.json", "stderr", "stdout"]
    (into / "out" / "x").write_text("mine")
    again = kept("job", "get", "--output-dir", str(into), first)
    assert (again.code, "exists already" in again.err) == (2, True)
    assert (into / "out" / "x").read_text() == "mine"


def test_get_keeps_executions_apart_that_have_the_same_files(kept: Cli, tmp_path: Path):
    merged, apart = tmp_path / "merged", tmp_path / "apart"
    done = kept("job", "get", "--output-dir", str(merged), "pair")
    assert (done.code, "cannot merge results as output already exists: x" in done.err) == (2, True)
    assert list(tmp_path.iterdir()) == []
    assert kept("job", "get", "--output-dir", str(merged), "pair/exitCode").code == 0
    assert (merged / "exitCode").read_text() == "00"
    assert kept("job", "get", "--raw", "--output-dir", str(apart), "pair").code == 0
    assert [path.read_text() for path in apart.glob("e-*/out/x")] == ["a", "a"]


def test_get_follows_no_links_and_does_not_hang_on_pipes(cli: Cli, docker_image):
    script = "cd /out; ln -s /etc/passwd away; ln -s file near; busybox mkfifo pipe; echo y > file; ln file same"
    assert cli("docker", "run", "--name", "odd", "-o", "out:/out", docker_image, "--", "sh", "-c", script).code == 0
    done = cli("job", "get", "--output-dir", "odd", "odd")
    assert done.code == 0
    for name in ("pipe", "away"):
        assert f"out/{name} is neither a file, a directory nor a link within the results" in done.err
    out = Path(cli.directory, "odd", "out")
    assert str((out / "near").readlink()) == "file"
    assert sorted(path.name for path in out.iterdir()) == ["file", "near", "same"]
    assert (out / "same").read_text() == "y\n"


def test_names_cannot_steer_the_terminal(cli: Cli):
    assert cli(*WASM, "--name", "a\x1b[2Jb", str(PROBE), "return").code == 0
    shown = cli("job", "describe", "a\x1b[2Jb").out
    assert b"\x1b" not in shown
    assert b"a\\x1b[2Jb" in shown


def test_validate_says_ok_or_every_reason(cli: Cli):
    (cli.directory / "bad.yaml").write_text("Type: batch\nCount: -1\nTasks:\n  - Name: x\n    Engine: {Type: dokker}\n")
    done = cli("job", "validate", "bad.yaml")
    assert done.code == 2
    assert "the job provided is invalid" in done.err
    assert "Count" in done.err
    assert "dokker" in done.err
    good = "Type: batch\nTasks:\n  - Name: x\n    Engine: {Type: docker, Params: {Image: busybox}}\n"
    (cli.directory / "good.yaml").write_text(good)
    assert cli("job", "validate", "good.yaml").out == b"OK\n"


def test_closed_pipe_ends_a_listing_quietly(kept: Cli, first):
    process = kept.start("job", "describe", first)
    process.stdout.close()
    assert process.wait(20) == -13
    assert process.stderr.read() == b""
