"""Tokens that a server gives for a day to who signed in: nothing of them is kept, they are sealed."""

from __future__ import annotations

import binascii
import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

from gadus.core.secret import Secret

from .caller import Caller
from .grants import Register

SESSION_SECONDS = 24 * 3600.0
LINK_SECONDS = 15 * 60.0
_PREFIX = "gadus-session"
_LONGEST = 1024


@dataclass(frozen=True, slots=True)
class _Holder:
    """A key or a user of the register, with what the seal covers beside: a session ends when the password changes."""

    caller: Caller
    credential: str


def session_for(register: Register, kind: str, name: str, now: float) -> Secret:
    """A token for the key (``key``, by its id) or the user (``user``, by name) that has just proved who they are."""
    holder = _holder(register, kind, name)
    if holder is None:
        raise LookupError(f"there is no {kind} {name}")
    body = f"{_PREFIX}.{kind}.{urlsafe_b64encode(name.encode()).decode()}.{int(now + SESSION_SECONDS)}"
    return Secret(f"{body}.{_seal(register, body, holder.credential)}")


def caller_in(register: Register, token: str, now: float) -> Caller | None:
    """Who holds this token; None when it is none of ours, has expired, or its holder was removed."""
    body, _, seal = token.rpartition(".")
    prefix, _, rest = body.partition(".")
    if prefix != _PREFIX or len(token) > _LONGEST or rest.count(".") != 2 or not register.begun:
        return None
    kind, name, expires = rest.split(".")
    holder = _holder(register, kind, _text(name))
    if holder is None or not hmac.compare_digest(seal.encode(), _seal(register, body, holder.credential).encode()):
        return None
    return holder.caller if int(expires) > now else None


def link_seal(register: Register, path: str, expires: int) -> str:
    """What lets the holder of a link read this one path until then, without a token."""
    return _seal(register, f"link.{path}.{expires}", "")


def opens(register: Register, path: str, expires: str, seal: str, now: float) -> bool:
    """Whether a link was given by this server for this path and still holds."""
    if not (register.begun and expires.isascii() and expires.isdigit() and len(expires) <= 12) or int(expires) <= now:
        return False
    return hmac.compare_digest(seal.encode("utf-8", "replace"), link_seal(register, path, int(expires)).encode())


def _holder(register: Register, kind: str, name: str) -> _Holder | None:
    if kind == "key":
        key = next((key for key in register.keys if key.id == name), None)
        return _Holder(key.caller, key.id) if key else None
    user = next((user for user in register.users if user.name == name), None) if kind == "user" else None
    return _Holder(user.caller, user.password) if user else None


def _seal(register: Register, body: str, credential: str) -> str:
    sealed = f"{body}\n{credential}".encode("utf-8", "replace")
    return hmac.new(bytes.fromhex(register.sealing), sealed, hashlib.sha256).hexdigest()


def _text(name: str) -> str:
    try:
        return urlsafe_b64decode(name.encode("utf-8", "replace")).decode()
    except (binascii.Error, ValueError):
        return ""
