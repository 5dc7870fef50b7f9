"""What a run gives: the program's own output and exit code, and nothing else where scripts look."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from command import GADUS, PROBE, Cli

WASM = ("wasm", "run")
SOON_SECONDS = 6
"""Two on an idle machine; a program that is not stopped as it should is killed after ten."""


def test_output_and_exit_code_are_the_programs_own(cli: Cli):
    done = cli(*WASM, str(PROBE), "print", "to stdout", "to stderr\n")
    assert (done.code, done.out) == (0, b"to stdout")
    first, *middle, last = done.err.splitlines()
    assert re.fullmatch(r"Job j-[0-9a-f-]{36}", first)
    assert "to stderr" in middle
    assert re.fullmatch(r"Done in .*: preparing .* s, running .* s; exit code 0", last)


def test_exit_code_of_the_program_becomes_ours(cli: Cli):
    assert cli(*WASM, str(PROBE), "exit", "7").code == 7


def test_large_output_arrives_byte_for_byte(cli: Cli):
    done = cli(*WASM, "--quiet", str(PROBE), "much", str(5_000_000))
    assert done.out == b"x" * 5_000_000
    assert done.err == ""


def test_binary_output_is_untouched(s3_cli: Cli, bucket):
    body = bytes(range(256)) * 64 + b"\r\n\0"
    bucket.put("data.bin", body)
    done = s3_cli(*WASM, "-q", "-i", f"s3://{bucket.name}/data.bin:/in", str(PROBE), "read", "/in/data.bin")
    assert (done.code, done.out, done.err) == (0, body, "")


@pytest.mark.parametrize(
    "form",
    [
        ["-i", "s3://{bucket}/logs/a.txt:/in"],
        ["-i", "src=s3://{bucket}/logs/a.txt,dst=/in"],
        ["--input=s3://{bucket}/logs/*,dst=/in,opt=filter=a"],
    ],
)
def test_every_form_of_input_reaches_the_program(s3_cli: Cli, bucket, form):
    bucket.put("logs/a.txt", b"one")
    bucket.put("logs/b.txt", b"two")
    done = s3_cli(*WASM, *(word.format(bucket=bucket.name) for word in form), str(PROBE), "list", "/in")
    assert (done.code, done.out) == (0, b"a.txt\n")
    assert "1 object, 3 B, 0 B cached" in done.err.splitlines()[-1]


def test_second_run_says_that_everything_was_cached(s3_cli: Cli, bucket):
    bucket.put("a.txt", b"x" * 2048)
    words = [*WASM, "-i", f"s3://{bucket.name}/a.txt:/in", str(PROBE), "list", "/in"]
    assert "2.0 KiB, 0 B cached" in s3_cli(*words).err
    assert "2.0 KiB, 2.0 KiB cached" in s3_cli(*words).err


def test_flags_may_follow_the_module_and_end_at_two_dashes(cli: Cli):
    done = cli(*WASM, str(PROBE), "-e", "COLOUR=red,blue", "--quiet", "--", "environment", "-x")
    assert b"COLOUR=red,blue\n" in done.out


def test_module_in_s3_is_fetched_for_the_run(s3_cli: Cli, bucket):
    bucket.put("programs/probe.wasm", PROBE.read_bytes())
    assert s3_cli(*WASM, f"s3://{bucket.name}/programs/probe.wasm", "exit", "3").code == 3


def job_file(*arguments: str) -> str:
    url = "data:application/wasm;base64," + base64.b64encode(PROBE.read_bytes()).decode()
    engine = {
        "Type": "wasm",
        "Params": {"EntryModule": {"Source": {"Type": "inline", "Params": {"URL": url}}}, "Parameters": list(arguments)},
    }
    return yaml.safe_dump({"Type": "batch", "Name": "from-file", "Tasks": [{"Name": "main", "Engine": engine}]})


def test_job_file_runs_from_a_file_and_from_standard_input(cli: Cli):
    text = job_file("print", "hello", "")
    Path(cli.directory, "job.yaml").write_text(text)
    assert cli("job", "run", "job.yaml").out == b"hello"
    assert cli("job", "run", stdin=text.encode()).out == b"hello"
    assert cli("job", "run", "-", stdin=text.encode()).out == b"hello"


def test_template_variables_fill_the_job_file(cli: Cli):
    text = job_file("print", "{{.greeting}} {{.GADUS_TEST_NAME}}", "")
    cli.environment["GADUS_TEST_NAME"] = "world"
    done = cli("job", "run", "-V", "greeting=good day", "-E", "GADUS_TEST_.*", stdin=text.encode())
    assert done.out == b"good day world"
    assert cli("job", "run", "--no-template", stdin=text.encode()).out == b"{{.greeting}} {{.GADUS_TEST_NAME}}"


def test_json_is_one_document_and_the_programs_output_is_in_it(cli: Cli):
    done = cli(*WASM, "--json", str(PROBE), "print", "out", "err")
    assert done.code == 0
    (execution,) = done.document["executions"]
    assert done.document["state"] == "completed"
    assert done.document["job_id"].startswith("j-")
    assert (execution["stdout"], execution["stderr"], execution["exit_code"]) == ("out", "err", 0)
    assert execution["phases"]["running_seconds"] > 0
    assert not execution["stdout_truncated"]
    assert "inputs" in execution["receipt"]


def test_json_cuts_long_output_and_says_so(cli: Cli):
    (execution,) = cli(*WASM, "--json", str(PROBE), "much", "100000").document["executions"]
    assert (len(execution["stdout"]), execution["stdout_truncated"]) == (65536, True)


def test_json_tells_an_error_too(cli: Cli):
    done = cli(*WASM, "--json", "nowhere.wasm")
    assert done.code == 2
    assert done.document["exit_code"] == 2
    assert done.document["error"]["kind"] == "InvalidSpec"


def test_id_only_prints_the_id_and_keeps_the_exit_code(cli: Cli):
    done = cli(*WASM, "--id-only", str(PROBE), "exit", "4")
    assert done.code == 4
    assert re.fullmatch(rb"j-[0-9a-f-]{36}\n", done.out)
    assert done.err == ""


def test_no_wait_leaves_a_process_that_runs_the_job(cli: Cli, eventually):
    for form in ("--wait=false", "--no-wait"):
        done = cli(*WASM, form, str(PROBE), "print", "later", "")
        assert done.code == 0
        job_id = done.out.decode().strip()
        eventually(lambda job_id=job_id: b'"Completed"' in cli("job", "describe", "--json", job_id).out)
        assert cli("job", "logs", job_id).out == b"later"


def test_dry_run_prints_a_job_that_can_be_run(cli: Cli):
    done = cli(*WASM, "--dry-run", "-e", "A=1", "-l", "team=data", str(PROBE), "print", "again", "")
    assert done.code == 0
    assert yaml.safe_load(done.out)["Labels"] == {"team": "data"}
    assert cli("job", "list", "--json").document == []
    assert cli("job", "run", "--no-template", stdin=done.out).out == b"again"
    as_json = cli(*WASM, "--dry-run", "--json", str(PROBE)).document
    assert as_json["Tasks"][0]["Engine"]["Type"] == "wasm"


def test_lines_of_several_executions_carry_their_index(cli: Cli):
    done = cli(*WASM, "--count", "3", str(PROBE), "print", "line", "")
    assert done.code == 0
    assert sorted(done.out.splitlines()) == [b"[0] line", b"[1] line", b"[2] line"]
    assert "3 executions" in done.err
    assert "exit codes 0, 0, 0" in done.err


def test_result_paths_name_the_next_command(cli: Cli):
    done = cli(*WASM, "-o", "out:/out", str(PROBE), "write", "/out/x", "text")
    assert re.search(r"^Results are kept: gadus job get j-[0-9a-f]{8}$", done.err, re.MULTILINE)


def test_wait_timeout_stops_the_job(cli: Cli):
    done = cli(*WASM, "--wait-timeout-secs", "1", str(PROBE), "forever")
    assert done.code == 1
    assert "was stopped: not done after --wait-timeout-secs 1" in done.err
    assert cli.left_behind == []


def test_no_control_codes_without_a_terminal(s3_cli: Cli, bucket):
    bucket.put("a.txt", b"x")
    done = s3_cli(*WASM, "-i", f"s3://{bucket.name}/a.txt:/in", str(PROBE), "list", "/in")
    failed = s3_cli("docker", "run", "--cpu", "many", "busybox")
    assert "\x1b" not in done.err + failed.err
    assert "\r" not in done.err + failed.err


def test_closed_standard_output_ends_quietly_as_a_broken_pipe_does(cli: Cli):
    reading, writing = os.pipe()
    process = cli.start(*WASM, "-q", str(PROBE), "much", "2000000000", stdout=writing)
    os.close(writing)
    os.read(reading, 10)
    os.close(reading)
    _, err = process.communicate(timeout=30)
    assert process.returncode == -13
    assert err == b""
    assert cli.left_behind == []
    assert cli("job", "list", "--json").document[0]["State"]["StateType"] == "Stopped"


def test_closed_streams_do_not_lead_output_into_other_files(cli: Cli):
    shell = f"exec {' '.join(GADUS)} wasm run '{PROBE}' print secret '' <&- >&- 2>&-"
    done = subprocess.run(["sh", "-c", shell], env=cli.environment, cwd=cli.directory, timeout=60, check=False)
    assert done.returncode == 0
    # Kept as its result and nowhere else.
    holding = [path.name for path in cli.data_dir.rglob("*") if path.is_file() and b"secret" in path.read_bytes()]
    assert sorted({name for name in holding if not name.startswith("gadus.db")}) == ["stdout"]
    assert cli("job", "list", "--json").document[0]["State"]["StateType"] == "Completed"


def test_container_gets_its_flags_and_its_exit_code_is_ours(cli: Cli, docker_image):
    flags = ["-e", "A=1,2", "--env=B=3", "-w", "/tmp", "--entrypoint", "/bin/sh,-c", "--memory", "64Mb"]
    done = cli("docker", "run", *flags, docker_image, "--", 'echo "$A $B $(pwd)"; echo wrong >&2; exit 9')
    assert (done.code, done.out) == (9, b"1,2 3 /tmp\n")
    assert "wrong" in done.err.splitlines()


def test_container_reads_a_wildcard_of_objects(s3_cli: Cli, bucket, docker_image):
    for name in ("2023-09-01", "2023-09-02", "2023-10-01"):
        bucket.put(f"logs/{name}", name.encode() + b"\n")
    done = s3_cli("docker", "run", "-i", f"s3://{bucket.name}/logs/2023-09-*:/in", docker_image, "--", "sh", "-c", "cat /in/*")
    assert (done.code, done.out) == (0, b"2023-09-01\n2023-09-02\n")


def test_slow_reader_gets_everything(cli: Cli):
    first = cli.start(*WASM, "-q", str(PROBE), "much", "3000000")
    second = subprocess.run(["sh", "-c", "sleep 1; wc -c"], stdin=first.stdout, capture_output=True, check=True, timeout=60)
    assert second.stdout.split() == [b"3000000"]
    assert first.wait(30) == 0


WORD_COUNT = """
name: word-count
TYPE: batch
tasks:
  - Name: main
    engine: {{Type: docker, Params: {{Image: {image}, Entrypoint: [sh, -c], Parameters: ["cat /data/* | wc -w"]}}}}
    InputSources:
      - Source:
          Type: s3
          Params: {{Bucket: {bucket}, Key: data/, Endpoint: "{endpoint}", ChecksumSHA256: {sha256}}}
        Target: /data
"""


def test_word_count_job_file_counts_words_of_an_object(s3_cli: Cli, bucket, docker_image):
    text = b"one two three\nfour\n"
    bucket.put("data/words.txt", text)
    fields = {"image": docker_image, "bucket": bucket.name, "endpoint": bucket.server.endpoint}
    right = WORD_COUNT.format(**fields, sha256=hashlib.sha256(text).hexdigest())
    done = s3_cli("job", "run", stdin=right.encode())
    assert (done.code, done.out.strip()) == (0, b"4"), done.err
    assert "SHA-256 verified" in done.err
    wrong = s3_cli("job", "run", stdin=WORD_COUNT.format(**fields, sha256="f" * 64).encode())
    assert (wrong.code, wrong.out) == (1, b"")
    assert "checksum mismatch" in wrong.err


def test_ctrl_c_removes_the_container_soon(cli: Cli, docker_image):
    process = cli.start("docker", "run", docker_image, "--", "sh", "-c", "echo running; sleep 600")
    assert process.stdout is not None
    assert process.stdout.readline() == b"running\n"
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=10) == 130
    assert time.monotonic() - began < SOON_SECONDS
    (job,) = cli("job", "list", "--json").document
    question = ["docker", "ps", "--all", "--quiet", "--filter", f"label=gadus.job={job['ID']}"]
    assert subprocess.run(question, capture_output=True, check=True).stdout == b""
