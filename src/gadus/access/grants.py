"""What is kept of those who may ask: tokens, users, keys of clients."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from gadus.core.errors import InvalidSpec
from gadus.core.problem import clipped, nearest
from gadus.core.secret import Secret

from .caller import ALL, SCOPES, Caller, caller

TOKEN_PREFIX = "gadus_"  # noqa: S105 - the part that everybody knows
_TOKEN_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.@]{0,62}[A-Za-z0-9])?")
_NAMESPACE = re.compile(r"[^\s,*]{1,255}")


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Grant(_Kept):
    """Somebody by name, and what they may do. Times are Unix seconds."""

    name: str
    scopes: tuple[str, ...]
    namespaces: tuple[str, ...]
    created: float

    @property
    def caller(self) -> Caller:
        """As who their requests count."""
        return caller(self.name, self.scopes, self.namespaces)


class Token(Grant):
    """An API token: only its SHA-256 is kept. `expires` is None for never; `used` is about when it last was."""

    digest: str
    expires: float | None
    revoked: float | None = None
    used: float | None = None

    def state(self, now: float) -> Literal["active", "expired", "revoked"]:
        """Whether it opens anything, and why not."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and self.expires <= now else "active"


class User(Grant):
    """Somebody with a password, of which its bcrypt hash is kept."""

    password: str


class Key(Grant):
    """A client's RSA key, by the id that Bacalhau gives it: the SHA-256 of its modulus."""

    id: str


class Register(_Kept):
    """All grants of a server. `sealing` is the key of its session tokens; empty as long as nothing was ever granted."""

    sealing: str = Field("", pattern=r"\A(?:[0-9a-f]{64})?\z")
    tokens: tuple[Token, ...] = ()
    users: tuple[User, ...] = ()
    keys: tuple[Key, ...] = ()

    @cached_property
    def tokens_by_digest(self) -> Mapping[str, Token]:
        """Each token under what is kept of it."""
        return {token.digest: token for token in self.tokens}

    @property
    def begun(self) -> bool:
        """Whether there ever was a grant."""
        return bool(self.sealing)

    @property
    def anybody(self) -> bool:
        """Whether anybody is granted anything, be it expired."""
        return bool(self.tokens or self.users or self.keys)


def new_token() -> Secret:
    """256 random bits, as text."""
    return Secret(TOKEN_PREFIX + secrets.token_urlsafe(_TOKEN_BYTES))


def digest_of(token: str) -> str:
    """What is kept of a token: it is random, so that a plain hash cannot be turned back."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def checked(name: str, scopes: Sequence[str], namespaces: Sequence[str]) -> Caller:
    """What a person wrote, as it is kept. Raises InvalidSpec with all that is wrong."""
    problems = []
    if not _NAME.fullmatch(name):
        problems.append(f"name: {clipped(name)!r} must be 1 to 64 letters, digits and - _ . @, a letter or digit at both ends")
    if not scopes:
        problems.append(f"scope: must be given; the scopes are {', '.join(SCOPES)}")
    if not namespaces:
        problems.append("namespace: must be given; * means every one")
    problems += [f"scope: {clipped(scope)!r} is none: {nearest(scope, SCOPES)}" for scope in scopes if scope not in SCOPES]
    problems += [
        f"namespace: {clipped(one)!r} must be an exact name without spaces, commas and *, or just *"
        for one in namespaces
        if one != ALL and not _NAMESPACE.fullmatch(one)
    ]
    if problems:
        raise InvalidSpec(problems)
    return caller(name, scopes, namespaces)
