"""Passwords: kept as bcrypt hashes, and checked by a few threads at once only, because a check is slow on purpose."""

from __future__ import annotations

import asyncio
import re

import bcrypt

from gadus.core.errors import Busy, InvalidSpec
from gadus.threads import finished

SHORTEST = 8
LONGEST_BYTES = 72
"""bcrypt looks at no more: a longer password would be cut without a word."""
_CHECKS_AT_ONCE = 2
_MOST_WAITING = 64
_HASH = re.compile(r"\$2[aby]\$(?:0[4-9]|1[0-5])\$[./A-Za-z0-9]{53}")
# Of no password anybody has: to find that a user is not there takes as long as to find that the password is wrong.
_NOBODYS = "$2b$12$4BDV3c0JbcsoM.43GcDCj.Y.hHOHPRmCRQ0ysWMdHlbRdbQQxWV5i"


def hash_of(password: str) -> str:
    """The bcrypt hash to keep. Raises InvalidSpec for a password that is too short, or that bcrypt would cut."""
    data = password.encode()
    if len(password) < SHORTEST:
        raise InvalidSpec([f"password: has {len(password)} characters, {SHORTEST} are needed at least"])
    if len(data) > LONGEST_BYTES or b"\0" in data:
        raise InvalidSpec([f"password: has {len(data)} bytes; bcrypt takes {LONGEST_BYTES}, and no null among them"])
    return bcrypt.hashpw(data, bcrypt.gensalt()).decode()


def checked_hash(text: str) -> str:
    """A hash that came from elsewhere. Raises InvalidSpec when it is none of bcrypt."""
    if not _HASH.fullmatch(text):
        raise InvalidSpec(["password hash: is not one of bcrypt"], hint="gadus auth hash-password makes one")
    return text


class Checks:
    """Checks passwords, a few at once."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(_CHECKS_AT_ONCE)
        self._waiting = 0

    async def right(self, password: str, kept: str | None) -> bool:
        """Whether this is the password of that hash; None for the hash of nobody. Raises Busy when too many wait."""
        if self._waiting >= _MOST_WAITING:
            raise Busy("too many passwords are being checked", hint="use an API token: they need no such check")
        self._waiting += 1
        try:
            async with self._free:
                return await finished(_matches, password, kept or _NOBODYS) and kept is not None
        finally:
            self._waiting -= 1


def _matches(password: str, kept: str) -> bool:
    data = password.encode("utf-8", "replace")
    if len(data) > LONGEST_BYTES or b"\0" in data:
        return False
    try:
        return bcrypt.checkpw(data, kept.encode())
    except ValueError:
        # The hash was changed by hand into one that is none.
        return False
