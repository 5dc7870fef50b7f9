"""Granting and taking back, one step on the file at a time."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import TypeVar

from gadus.core.errors import Conflict, InvalidSpec, NotFound
from gadus.core.problem import clipped
from gadus.core.secret import Secret

from .file import AccessFile
from .grants import Grant, Key, Register, Token, User, checked, digest_of, new_token

_KEPT_SECONDS = 90 * 86400.0
"""What ended so long ago is forgotten."""
_SHORTEST_ID = 6
_KEY_ID = re.compile(r"[0-9a-f]{64}")
_Granted = TypeVar("_Granted", bound=Grant)


def create_token(
    file: AccessFile, name: str, scopes: Sequence[str], namespaces: Sequence[str], lasts_seconds: float | None
) -> tuple[Secret, Token]:
    """
    A new token, whose text is nowhere kept; for ever when `lasts_seconds` is None.

    Raises InvalidSpec, Conflict when an active token has this name.
    """
    who, now, text = checked(name, scopes, namespaces), time.time(), new_token()
    token = Token(
        name=name,
        scopes=tuple(sorted(who.scopes)),
        namespaces=tuple(sorted(who.namespaces)),
        created=now,
        digest=digest_of(text.reveal()),
        expires=None if lasts_seconds is None else now + lasts_seconds,
    )

    def step(register: Register) -> Register:
        if any(one.name == name and one.state(now) == "active" for one in register.tokens):
            raise Conflict(f"there is an active token {name!r}", hint=f"choose another name, or gadus auth token revoke {name}")
        kept = [one for one in register.tokens if _is_remembered(one, now)]
        return register.model_copy(update={"tokens": (*kept, token)})

    file.change(step)
    return text, token


def revoke_token(file: AccessFile, which: str) -> Token:
    """End the active token with this name, or the beginning of this id. Raises NotFound, Conflict."""
    now = time.time()
    revoked: list[Token] = []

    def step(register: Register) -> Register:
        active = [one for one in register.tokens if one.state(now) == "active"]
        meant = [one for one in active if one.name == which] or [
            one for one in active if len(which) >= _SHORTEST_ID and one.digest.startswith(which)
        ]
        if not meant:
            raise NotFound(f"there is no active token {clipped(which)!r}", hint="gadus auth token list shows those there are")
        if len(meant) > 1:
            raise Conflict(f"several tokens begin with {clipped(which)!r}", hint="give more of the id")
        revoked.append(meant[0].model_copy(update={"revoked": now}))
        tokens = tuple(revoked[0] if one is meant[0] else one for one in register.tokens)
        return register.model_copy(update={"tokens": tokens})

    file.change(step)
    return revoked[0]


def add_user(file: AccessFile, name: str, scopes: Sequence[str], namespaces: Sequence[str], password_hash: str) -> User:
    """A new user. Raises InvalidSpec, Conflict when there is one of this name."""
    who = checked(name, scopes, namespaces)
    user = User(
        name=name,
        scopes=tuple(sorted(who.scopes)),
        namespaces=tuple(sorted(who.namespaces)),
        created=time.time(),
        password=password_hash,
    )

    def step(register: Register) -> Register:
        if any(one.name == name for one in register.users):
            raise Conflict(f"there is a user {name!r}", hint="gadus auth user passwd gives them another password")
        return register.model_copy(update={"users": (*register.users, user)})

    file.change(step)
    return user


def set_password(file: AccessFile, name: str, password_hash: str) -> User:
    """Another password for a user; sessions that began with the old one end. Raises NotFound."""

    def step(register: Register) -> Register:
        user = _named(register.users, name, "user")
        changed = user.model_copy(update={"password": password_hash})
        return register.model_copy(update={"users": tuple(changed if one is user else one for one in register.users)})

    return _named(file.change(step).users, name, "user")


def remove_user(file: AccessFile, name: str) -> None:
    """Take a user's access back, sessions included. Raises NotFound."""

    def step(register: Register) -> Register:
        user = _named(register.users, name, "user")
        return register.model_copy(update={"users": tuple(one for one in register.users if one is not user)})

    file.change(step)


def add_key(file: AccessFile, name: str, scopes: Sequence[str], namespaces: Sequence[str], key_id: str) -> Key:
    """Let in the client with this key. Raises InvalidSpec, Conflict when the key or the name is known."""
    who = checked(name, scopes, namespaces)
    if not _KEY_ID.fullmatch(key_id.lower()):
        raise InvalidSpec(
            [f"key: {clipped(key_id)!r} is not the id of one, which has 64 hexadecimal digits"],
            hint="the server tells the id to a client that it does not know",
        )
    key = Key(
        name=name,
        scopes=tuple(sorted(who.scopes)),
        namespaces=tuple(sorted(who.namespaces)),
        created=time.time(),
        id=key_id.lower(),
    )

    def step(register: Register) -> Register:
        if any(one.id == key.id or one.name == name for one in register.keys):
            raise Conflict(f"there is a key {name!r}, or this key under another name", hint="gadus auth key list shows them")
        return register.model_copy(update={"keys": (*register.keys, key)})

    file.change(step)
    return key


def remove_key(file: AccessFile, name: str) -> None:
    """Take the access of a client's key back, sessions included. Raises NotFound."""

    def step(register: Register) -> Register:
        key = _named(register.keys, name, "key")
        return register.model_copy(update={"keys": tuple(one for one in register.keys if one is not key)})

    file.change(step)


def _named(grants: Sequence[_Granted], name: str, kind: str) -> _Granted:
    found = next((one for one in grants if one.name == name), None)
    if found is None:
        raise NotFound(f"there is no {kind} {clipped(name)!r}", hint=f"gadus auth {kind} list shows those there are")
    return found


def _is_remembered(token: Token, now: float) -> bool:
    ended = min(one for one in (token.revoked, token.expires, now) if one is not None)
    return now - ended < _KEPT_SECONDS
