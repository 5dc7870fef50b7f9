"""
Who we are to a service: the standard AWS chain, asked once per process and refreshed when it says so.

Environment, ``~/.aws`` files with profiles, SSO, web identity, container and instance metadata: botocore's rules.
This module alone reads the AWS_* environment.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

from gadus.core.errors import InputUnreadable
from gadus.core.secret import NOTHING, Secret

LOOKED_IN = "environment, ~/.aws files, web identity, container and instance metadata"

ABSENCE_HOLDS_SECONDS = 30.0
"""Credentials may appear while a process lives; asking every time would wait for instance metadata every time."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Keys for signing; `token` is empty for those that do not end."""

    access_key: str = field(repr=False)
    secret_key: Secret
    token: Secret = NOTHING


class Chain:
    """The credentials, default region, default endpoint and CA bundle of one profile."""

    def __init__(self, *, absence_holds_seconds: float = ABSENCE_HOLDS_SECONDS) -> None:
        self._absence_holds_seconds = absence_holds_seconds
        self._lock = threading.Lock()
        self._found: Any = None
        self._last: Credentials | None = None
        self._absent_since = float("-inf")

    async def credentials(self) -> Credentials | None:
        """The keys to sign with now, or None when there are none anywhere. Raises InputUnreadable in the chain's own words."""
        return await asyncio.to_thread(self.credentials_now)

    def credentials_now(self) -> Credentials | None:
        """The same for a caller in a thread of its own: may wait for the network."""
        found = self._found
        if isinstance(found, Credentials):
            return found
        with self._lock:
            return self._ask()

    def default_region(self) -> str:
        """The region of the environment or profile; "" when there is none."""
        # botocore does not read AWS_REGION, which most other SDKs prefer.
        return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or self._config("region")

    def default_endpoint(self) -> str:
        """The service that the environment names in place of AWS; "" when there is none."""
        return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""

    def ca_bundle(self) -> Path | None:
        """The certificate authorities to trust in place of the system's."""
        path = os.environ.get("AWS_CA_BUNDLE") or self._config("ca_bundle")
        return Path(path) if path else None

    def _config(self, name: str) -> str:
        if not _has_files():
            return ""
        with _named("configuration"):
            return self._session.get_config_variable(name) or ""

    def _ask(self) -> Credentials | None:
        if self._found is None:
            if time.monotonic() - self._absent_since < self._absence_holds_seconds:
                return None
            self._found = _in_environment()
            if self._found is None:
                with _named("credentials"):
                    self._found = self._session.get_credentials()
            if self._found is None:
                self._absent_since = time.monotonic()
                return None
        if isinstance(self._found, Credentials):
            return self._found
        # Renewed by itself some minutes before it expires; mostly it is the same again.
        with _named("credentials"):
            frozen = self._found.get_frozen_credentials()
        found = Credentials(frozen.access_key, Secret(frozen.secret_key), Secret(frozen.token or ""))
        if self._last != found:
            self._last = _checked(found)
        return self._last

    @cached_property
    def _session(self) -> Any:
        # Not at the top: it takes a tenth of a second, and with keys and region in the environment nobody needs it.
        return import_module("botocore.session").Session()


@contextmanager
def _named(what: str) -> Iterator[None]:
    """Give the chain's own words, should it fail."""
    try:
        yield
    # Not its own: it raises those for keys whose end has come, or is no date.
    except (import_module("botocore.exceptions").BotoCoreError, RuntimeError, ValueError) as exc:
        raise InputUnreadable(
            f"the AWS {what} cannot be used: {exc}", hint="check AWS_PROFILE and the files in ~/.aws"
        ) from exc


def _has_files() -> bool:
    """Whether there is anything besides the environment to read settings from."""
    places = (("AWS_CONFIG_FILE", "~/.aws/config"), ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"))
    named = any(name in os.environ for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"))
    return named or any(_exists(os.environ.get(name) or usual) for name, usual in places)


def _exists(path: str) -> bool:
    # Not by pathlib, which raises where there is no home, or one that may not be looked into.
    return os.path.exists(os.path.expanduser(path))  # noqa: PTH110, PTH111 - see above


def _in_environment() -> Credentials | None:
    """The keys that the environment gives, which come first in the chain; None when they are not there or change."""
    access_key, secret_key = os.environ.get("AWS_ACCESS_KEY_ID", ""), os.environ.get("AWS_SECRET_ACCESS_KEY", "")
    if not (access_key and secret_key) or "AWS_CREDENTIAL_EXPIRATION" in os.environ:
        return None
    token = os.environ.get("AWS_SECURITY_TOKEN") or os.environ.get("AWS_SESSION_TOKEN") or ""
    return _checked(Credentials(access_key, Secret(secret_key), Secret(token)))


def _checked(found: Credentials) -> Credentials:
    """Raises InputUnreadable for what no key can hold, e.g. the line break at the end of a file it was read from."""
    named = {"access key": found.access_key, "secret key": found.secret_key.reveal(), "session token": found.token.reveal()}
    for name, value in named.items():
        if any(not "!" <= letter <= "~" for letter in value):
            where = "at its end" if value.rstrip() != value else "within it" if value.strip() == value else "at its beginning"
            raise InputUnreadable(
                f"the AWS {name} cannot be used: there is a space, a line break or a strange letter {where}",
                hint="check the variables AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or the profile",
            )
    return found
