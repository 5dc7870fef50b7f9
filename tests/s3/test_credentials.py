"""Which keys are taken, and that those of the environment cost no library: the environment as it is, and new processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from gadus.core.errors import InputUnreadable
from gadus.core.secret import Secret
from gadus.s3.credentials import Chain, Credentials

KEYS = {"AWS_ACCESS_KEY_ID": "AKIAENVIRONMENT", "AWS_SECRET_ACCESS_KEY": "of-the-environment"}
PROFILE = "[profile mine]\nregion = eu-south-2\naws_access_key_id = AKIAPROFILE\naws_secret_access_key = of-the-profile\n"
Environment = Callable[[Mapping[str, str]], None]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Environment:
    def take(variables: Mapping[str, str]) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return take


@pytest.fixture
def config(environment_of_its_own: Path) -> Path:
    """The user's file of settings, with a profile."""
    path = environment_of_its_own / "aws-config"
    path.write_text(PROFILE)
    return path


async def test_keys_of_the_environment_win_over_a_profile_that_is_named(config: Path, environment: Environment) -> None:
    environment({**KEYS, "AWS_PROFILE": "mine"})
    chain = Chain()
    assert await chain.credentials() == Credentials("AKIAENVIRONMENT", Secret("of-the-environment"))
    assert chain.default_region() == "eu-south-2", "what the environment does not say is the profile's"


async def test_a_profile_is_used_when_the_environment_has_no_keys(config: Path, environment: Environment) -> None:
    environment({"AWS_PROFILE": "mine"})
    assert await Chain().credentials() == Credentials("AKIAPROFILE", Secret("of-the-profile"))


@pytest.mark.parametrize(
    ("variables", "token"),
    [
        ({"AWS_SESSION_TOKEN": "session"}, "session"),
        ({"AWS_SECURITY_TOKEN": "security"}, "security"),
        ({"AWS_SESSION_TOKEN": "session", "AWS_SECURITY_TOKEN": "security"}, "security"),
        ({"AWS_SESSION_TOKEN": ""}, None),
        ({}, None),
    ],
    ids=["session", "its older name", "both", "empty", "none"],
)
@pytest.mark.parametrize("expires", [{}, {"AWS_CREDENTIAL_EXPIRATION": "2999-01-01T00:00:00Z"}], ids=["for ever", "for a time"])
async def test_the_session_token_is_that_which_botocore_takes(
    environment: Environment, variables: Mapping[str, str], token: str | None, expires: Mapping[str, str]
) -> None:
    """Keys with an end are botocore's to read: both ways give the same."""
    environment({**KEYS, **variables, **expires})
    assert await Chain().credentials() == Credentials("AKIAENVIRONMENT", Secret("of-the-environment"), Secret(token or ""))


@pytest.mark.parametrize("end", ["2000-01-01T00:00:00Z", "tomorrow"])
async def test_an_end_that_is_over_or_is_no_date_is_a_named_error(environment: Environment, end: str) -> None:
    environment({**KEYS, "AWS_CREDENTIAL_EXPIRATION": end})
    with pytest.raises(InputUnreadable, match="AWS credentials cannot be used") as caught:
        await Chain().credentials()
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in str(caught.value)


async def test_keys_with_an_end_are_read_again_when_it_comes_near(environment: Environment) -> None:
    soon = (datetime.now(UTC) + timedelta(minutes=12)).isoformat()
    environment({**KEYS, "AWS_CREDENTIAL_EXPIRATION": soon})
    chain = Chain()
    assert await chain.credentials() == Credentials("AKIAENVIRONMENT", Secret("of-the-environment"))
    environment({"AWS_ACCESS_KEY_ID": "AKIALATER", "AWS_CREDENTIAL_EXPIRATION": "2999-01-01T00:00:00Z"})
    assert await chain.credentials() == Credentials("AKIALATER", Secret("of-the-environment"))


async def test_half_a_pair_of_keys_is_named(environment: Environment) -> None:
    environment({"AWS_ACCESS_KEY_ID": "AKIAENVIRONMENT"})
    with pytest.raises(InputUnreadable, match="AWS_SECRET_ACCESS_KEY"):
        await Chain().credentials()


def test_the_region_of_the_usual_file_is_found(environment_of_its_own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_CONFIG_FILE")
    monkeypatch.delenv("AWS_SHARED_CREDENTIALS_FILE")
    assert Chain().default_region() == ""
    usual = environment_of_its_own / ".aws" / "config"
    usual.parent.mkdir()
    usual.write_text("[default]\nregion = eu-south-2\nca_bundle = /authorities.pem\n")
    assert (Chain().default_region(), Chain().ca_bundle()) == ("eu-south-2", Path("/authorities.pem"))


def test_a_home_that_may_not_be_looked_into_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_CONFIG_FILE")
    monkeypatch.delenv("AWS_SHARED_CREDENTIALS_FILE")
    # Nobody may look behind that, not even root.
    monkeypatch.setenv("HOME", "/proc/self/mem")
    assert Chain().default_region() == ""
    monkeypatch.setenv("HOME", "/" + "x" * 300)
    assert Chain().default_region() == ""


READS = """
import asyncio, json, sys
from pathlib import Path
from gadus.config import settings_from
from gadus.storage._s3_params import S3Params
from gadus.storage.s3 import Source
from gadus.testing.sources import content_of, fetch_into

params = S3Params.model_validate({"Bucket": "bucket", "Endpoint": sys.argv[1], "Key": "k"})
asyncio.run(fetch_into(Path(sys.argv[2]), Source(settings_from()), params))
found = {path: body.decode() for path, body in content_of(Path(sys.argv[2])).items()}
print(json.dumps([found, sorted(name for name in sys.modules if name.partition(".")[0] in ("botocore", "boto3"))]))
"""


class Handler(BaseHTTPRequestHandler):
    """One object, for whoever signs with the right key."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""

    def _answer(self) -> None:
        known = "Credential=AKIAENVIRONMENT/" in self.headers["Authorization"]
        self.send_response(200 if known else 403)
        self.send_header("Content-Length", "1")
        self.send_header("ETag", '"1"')
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(b"v")


def test_without_files_of_settings_keys_of_the_environment_cost_no_library(environment_of_its_own: Path) -> None:
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        asked = [sys.executable, "-c", READS, f"http://127.0.0.1:{server.server_port}", str(environment_of_its_own / "in")]
        done = subprocess.run(asked, env={**os.environ, **KEYS}, capture_output=True, text=True, timeout=60, check=False)
        server.shutdown()
        serving.join()
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [{"k": "v"}, []]
