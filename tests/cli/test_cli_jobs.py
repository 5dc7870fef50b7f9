"""What is known of a job afterwards, and how it is asked for."""

from __future__ import annotations

import csv
import io
import re
import signal
import subprocess
from pathlib import Path

import pytest
import yaml
from command import PROBE, Cli

WASM = ("wasm", "run")


@pytest.fixture
def finished(s3_cli: Cli, bucket) -> str:
    """The id of a job that read one object, wrote to both streams, left a result and ended with 5."""
    bucket.put("a.txt", b"x" * 2048)
    words = ["-i", f"s3://{bucket.name}/a.txt:/in", "-o", "out:/out", "--name", "the-first", "-l", "team=data"]
    assert s3_cli(*WASM, *words, str(PROBE), "write", "/out/x", "text").code == 0
    assert s3_cli(*WASM, "--name", "speaks", str(PROBE), "print", "one\ntwo\nthree", "to stderr").code == 0
    return s3_cli("job", "list", "--labels", "team=data", "--json").document[0]["ID"]


def test_list_shows_the_newest_first_in_every_form(s3_cli: Cli, finished):
    short = finished[:10]
    header, newest, oldest = s3_cli("job", "list").out.decode().splitlines()
    assert header.split() == ["CREATED", "ID", "JOB", "TYPE", "STATE"]
    assert oldest.split()[1:] == [short, "wasm", "batch", "Completed"]
    assert re.fullmatch(r"\d\d:\d\d:\d\d", newest.split()[0])
    assert (
        s3_cli("job", "list", "--order-reversed", "--hide-header", "--wide", "--limit", "1").out.split()[2].decode() == finished
    )
    rows = list(csv.reader(io.StringIO(s3_cli("job", "list", "--output", "csv").out.decode())))
    assert rows[0] == ["created", "id", "job", "type", "state"]
    assert rows[2][1] == finished
    assert yaml.safe_load(s3_cli("job", "list", "--output", "yaml").out)[1]["ID"] == finished
    assert s3_cli("job", "list", "--labels", "team=other", "--json").document == []


def test_job_is_found_by_short_id_and_by_name(s3_cli: Cli, finished):
    for text in (finished, finished[:10], "the-first"):
        assert s3_cli("job", "describe", "--json", text).document["Job"]["ID"] == finished
    ambiguous = s3_cli("job", "describe", "j-")
    assert ambiguous.code == 2
    assert finished in ambiguous.err


def test_describe_tells_inputs_phases_and_history(s3_cli: Cli, finished):
    shown = s3_cli("job", "describe", finished).out.decode()
    assert re.search(r"^ID +=", shown, re.MULTILINE)
    assert re.search(r"^/in +1 +2\.0 KiB +2\.0 KiB +size", shown, re.MULTILINE)
    assert re.search(r"^/in +1 +2\.0 KiB +[0-9a-f]{12} +s3://", shown, re.MULTILINE)
    assert re.search(r"^ +2\.0 KiB  a\.txt$", shown, re.MULTILINE)
    assert re.search(r"^Completed = 1$", shown, re.MULTILINE)
    sections = "Summary", "Job History", "Inputs", "Fetched", "Executions", r"Execution e-[0-9a-f]{8} History"
    assert re.search(r"\n.*\n".join(f"^{section}$" for section in sections), shown, re.DOTALL | re.MULTILINE)
    assert re.search(r"Pending +Submission.*/in is 1 objects?, 2\.0 KiB.*Accepted job.*exit code 0", shown, re.DOTALL)
    assert re.search(r"^e-[0-9a-f]{8} .* Completed +Stopped +1 +0 +0 .*\d+s ago +\d+s ago", shown, re.MULTILINE)
    assert f"gadus job get {finished[:10]}" in shown
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


@pytest.mark.parametrize("flags", [("--json",), ("--json", "--pretty"), ("--output", "json")])
def test_describe_gives_every_object_as_one_document(s3_cli: Cli, bucket, flags):
    etags = {f"logs/{number:02}": bucket.put(f"logs/{number:02}", b"x" * number) for number in range(30)}
    bucket.put("one", b"1")
    inputs = ["-i", f"s3://{bucket.name}/logs/*:/in", "-i", f"s3://{bucket.name}/one:/two"]
    assert s3_cli(*WASM, "--name", "two", *inputs, str(PROBE), "return").code == 0
    logs, one = sorted(s3_cli("job", "describe", *flags, "two").document["Manifests"], key=lambda manifest: manifest["Target"])
    assert {item["key"]: item["etag"] for item in logs["Items"]} == etags
    assert (logs["Objects"], logs["Bytes"], logs["ItemsLeftOut"], logs["Exact"]) == (30, 435, 0, True)
    assert logs["Items"][7] == {"key": "logs/07", "path": "07", "bytes": 7, "etag": etags["logs/07"]}
    assert [item["path"] for item in one["Items"]] == ["one"]


def test_describe_as_yaml_gives_the_first_objects_and_says_so(s3_cli: Cli, bucket):
    for number in range(30):
        bucket.put(f"logs/{number:02}", b"")
    assert s3_cli(*WASM, "--name", "many", "-i", f"s3://{bucket.name}/logs/*:/in", str(PROBE), "return").code == 0
    (manifest,) = yaml.safe_load(s3_cli("job", "describe", "--output", "yaml", "many").out)["Manifests"]
    assert [item["key"] for item in manifest["Items"]] == [f"logs/{number:02}" for number in range(20)]
    assert manifest["ItemsLeftOut"] == 10


def test_describe_without_the_manifest_gives_what_is_still_known(s3_cli: Cli, finished):
    (manifest,) = (path for path in (s3_cli.data_dir / "manifests").glob("??/*") if b"a.txt" in path.read_bytes())
    manifest.unlink()
    (told,) = s3_cli("job", "describe", "--json", finished).document["Manifests"]
    assert (told["Digest"], [item["key"] for item in told["Items"]], told["ItemsLeftOut"]) == (manifest.name, ["a.txt"], 0)


def test_described_job_can_be_run_again(s3_cli: Cli, finished):
    document = s3_cli("job", "describe", "--output", "yaml", "speaks").out
    assert set(yaml.safe_load(document)) == {"Job", "Executions", "History", "Manifests"}
    again = s3_cli("job", "run", "--no-template", stdin=document)
    assert (again.code, again.out) == (0, b"one\ntwo\nthree")


def test_logs_give_each_stream_to_its_own(s3_cli: Cli, finished):
    done = s3_cli("job", "logs", "speaks")
    assert (done.out, done.err) == (b"one\ntwo\nthree", "to stderr")
    assert s3_cli("job", "logs", "--tail", "2", "speaks").out == b"two\nthree"
    assert s3_cli("job", "logs", "--tail", "0", "speaks").out == b""
    assert s3_cli("job", "logs", "--tail", "99", "speaks").out == b"one\ntwo\nthree"
    assert s3_cli("job", "logs", "--json", "speaks").document["executions"][0]["stdout"] == "one\ntwo\nthree"
    wrong = s3_cli("job", "logs", "-e", "e-none", "speaks")
    assert (wrong.code, "unable to find execution e-none" in wrong.err) == (2, True)


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


def test_get_copies_the_results_and_overwrites_nothing(s3_cli: Cli, finished):
    done = s3_cli("job", "get", "the-first")
    into = s3_cli.directory / f"job-{finished[:10]}"
    assert done.out.decode().strip() == into.name
    assert sorted(path.name for path in into.iterdir()) == ["exitCode", "out", "receipt", "receipt.json", "stderr", "stdout"]
    assert (into / "out" / "x").read_text() == "text"
    assert (into / "exitCode").read_text() == "0"
    (into / "out" / "x").write_text("mine")
    again = s3_cli("job", "get", finished)
    assert (again.code, "exists already" in again.err) == (2, True)
    assert (into / "out" / "x").read_text() == "mine"


def test_get_merges_executions_or_keeps_them_apart(cli: Cli):
    assert cli(*WASM, "--count", "2", "--name", "pair", str(PROBE), "print", "a", "").code == 0
    assert cli("job", "get", "--output-dir", "merged", "pair").code == 0
    assert (cli.directory / "merged" / "stdout").read_text() == "aa"
    assert cli("job", "get", "--raw", "--output-dir", "apart", "pair").code == 0
    assert [path.read_text() for path in cli.directory.glob("apart/e-*/stdout")] == ["a", "a"]


def test_get_refuses_to_merge_the_same_file_twice(cli: Cli):
    assert cli(*WASM, "--count", "2", "--name", "pair", "-o", "out:/out", str(PROBE), "write", "/out/x", "a").code == 0
    done = cli("job", "get", "--output-dir", "merged", "pair")
    assert (done.code, "cannot merge results as output already exists: x" in done.err) == (2, True)
    assert list(cli.directory.iterdir()) == []


def test_get_does_not_follow_links_or_hang_on_pipes(cli: Cli, docker_image):
    script = "ln -s /etc/passwd /out/link; busybox mkfifo /out/pipe; echo y > /out/file"
    assert cli("docker", "run", "--name", "odd", "-o", "out:/out", docker_image, "--", "sh", "-c", script).code == 0
    done = cli("job", "get", "--output-dir", "odd", "odd")
    assert done.code == 0
    assert "pipe is neither a file, a directory nor a link" in done.err
    out = Path(cli.directory, "odd", "out")
    assert str((out / "link").readlink()) == "/etc/passwd"
    assert sorted(path.name for path in out.iterdir()) == ["file", "link"]


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


def test_closed_pipe_ends_a_listing_quietly(s3_cli: Cli, finished):
    process = s3_cli.start("job", "describe", finished)
    process.stdout.close()
    assert process.wait(20) == -13
    assert process.stderr.read() == b""
