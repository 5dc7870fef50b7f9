"""The S3 server that tests and demos run against."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from gadus.testing.seaweedfs import S3Server, seaweedfs
from s3_server import Bucket


def test_bucket_is_empty_and_keeps_what_is_put(bucket: Bucket) -> None:
    assert bucket.listing() == []
    etag = bucket.put("a b/ü+%.txt", b"forty-two")
    answer = bucket.client.get_object(Bucket=bucket.name, Key="a b/ü+%.txt")
    assert (answer["Body"].read(), answer["ETag"]) == (b"forty-two", etag)
    assert bucket.listing() == ["a b/ü+%.txt"]


def test_unsigned_request_is_refused(bucket: Bucket) -> None:
    bucket.put("secret", b"forty-two")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{bucket.server.endpoint}/{bucket.name}/secret", timeout=5)
    assert refused.value.code == 403


def test_two_servers_run_side_by_side_and_one_starts_again_with_its_data(s3: S3Server, tmp_path: Path) -> None:
    with seaweedfs(tmp_path) as first:
        assert first.endpoint != s3.endpoint
        first.client().create_bucket(Bucket="kept")
        first.client().put_object(Bucket="kept", Key="k", Body=b"1" * 100_000)
    with seaweedfs(tmp_path) as again:
        assert again.client().get_object(Bucket="kept", Key="k")["Body"].read() == b"1" * 100_000


def test_server_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    program = (
        "from gadus.testing.seaweedfs import seaweedfs\n"
        "with seaweedfs() as server:\n"
        "    print(server.endpoint, flush=True)\n"
        "    input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as owner:
        endpoint = owner.stdout.readline().strip()
        children = Path(f"/proc/{owner.pid}/task/{owner.pid}/children").read_text().split()
        assert endpoint.startswith("http://127.0.0.1:")
        assert len(children) == 1
        server = os.pidfd_open(int(children[0]))
        os.kill(owner.pid, signal.SIGKILL)
    try:
        # A pidfd is readable once its process has ended.
        assert _ends_within(server, 5)
    finally:
        os.close(server)


def test_environment_points_at_the_server_and_at_no_file_of_the_user(s3: S3Server) -> None:
    environment = s3.environment()
    assert environment["AWS_ENDPOINT_URL_S3"] == s3.endpoint
    assert environment["AWS_CONFIG_FILE"] == environment["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull
    assert environment["AWS_EC2_METADATA_DISABLED"] == "true"
    assert s3.secret_key not in repr(s3)


def _ends_within(pidfd: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
