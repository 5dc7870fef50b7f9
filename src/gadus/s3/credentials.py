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
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import botocore.session
from botocore.exceptions import BotoCoreError

from gadus.core.errors import InputUnreadable

LOOKED_IN = "environment, ~/.aws files, web identity, container and instance metadata"

ABSENCE_HOLDS_SECONDS = 30.0
"""Credentials may appear while a process lives; asking every time would wait for instance metadata every time."""
_FROZEN_HOLDS = timedelta(minutes=1)
"""How long the moving of bytes may use refreshable credentials before it asks again; a refresh comes minutes before expiry."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Keys for signing. Never printed: the fields are left out of the text form."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    token: str | None = field(repr=False, default=None)
    until: datetime | None = None
    """When to ask for them again; None for keys that never change."""


class Chain:
    """The credentials, default region, default endpoint and CA bundle of one profile."""

    def __init__(self, *, absence_holds_seconds: float = ABSENCE_HOLDS_SECONDS) -> None:
        self._absence_holds_seconds = absence_holds_seconds
        self._session = botocore.session.Session()
        self._lock = threading.Lock()
        self._found: Any = None
        self._absent_since = float("-inf")

    async def credentials(self) -> Credentials | None:
        """The keys to sign with now, or None when there are none anywhere. Raises InputUnreadable in the chain's own words."""
        return await asyncio.to_thread(self.credentials_now)

    def credentials_now(self) -> Credentials | None:
        """The same for a caller in a thread of its own: may wait for the network."""
        with self._lock:
            try:
                return self._ask()
            except BotoCoreError as exc:
                raise InputUnreadable(
                    f"the AWS credentials cannot be used: {exc}", hint="check AWS_PROFILE and the files in ~/.aws"
                ) from exc

    def default_region(self) -> str:
        """The region of the environment or profile; "" when there is none."""
        # botocore does not read AWS_REGION, which most other SDKs prefer.
        return os.environ.get("AWS_REGION") or self._config("region")

    def default_endpoint(self) -> str:
        """The service that the environment names in place of AWS; "" when there is none."""
        return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""

    def ca_bundle(self) -> Path | None:
        """The certificate authorities to trust in place of the system's."""
        path = self._config("ca_bundle")
        return Path(path) if path else None

    def _config(self, name: str) -> str:
        try:
            return self._session.get_config_variable(name) or ""
        except BotoCoreError as exc:
            raise InputUnreadable(
                f"the AWS configuration cannot be used: {exc}", hint="check AWS_PROFILE and the files in ~/.aws"
            ) from exc

    def _ask(self) -> Credentials | None:
        if self._found is None:
            if time.monotonic() - self._absent_since < self._absence_holds_seconds:
                return None
            self._found = self._session.get_credentials()
            if self._found is None:
                self._absent_since = time.monotonic()
                return None
        frozen = self._found.get_frozen_credentials()
        _check_letters(frozen.access_key, frozen.secret_key, frozen.token or "")
        changing = hasattr(self._found, "refresh_needed")
        return Credentials(
            access_key=frozen.access_key,
            secret_key=frozen.secret_key,
            token=frozen.token or None,
            until=datetime.now(UTC) + _FROZEN_HOLDS if changing else None,
        )


def _check_letters(access_key: str, secret_key: str, token: str) -> None:
    """Raise InputUnreadable for what no key can hold, e.g. the line break at the end of a file it was read from."""
    named = {"access key": access_key, "secret key": secret_key, "session token": token}
    for name, value in named.items():
        if any(not "!" <= letter <= "~" for letter in value):
            where = "at its end" if value.rstrip() != value else "within it" if value.strip() == value else "at its beginning"
            raise InputUnreadable(
                f"the AWS {name} cannot be used: there is a space, a line break or a strange letter {where}",
                hint="check the variables AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or the profile",
            )
