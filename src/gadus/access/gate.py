"""Who a request comes from: the one place where tokens, sessions and passwords are checked."""

from __future__ import annotations

import binascii
import hashlib
import hmac
import secrets
import time
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress

from gadus.core.errors import GadusError, Unauthorized
from gadus.core.secret import Secret
from gadus.threads import finished

from . import sessions
from .attempts import Attempts
from .caller import ALL, ANYONE, Caller, caller
from .file import AccessFile
from .grants import TOKEN_PREFIX, Register, Token, User, digest_of
from .passwords import Checks

HINT = "set GADUS_API_TOKEN to a token of this server; `gadus auth token create` on its machine makes one"
OPEN_SESSION = Secret("open")
"""What a client gets that signs in where nobody needs to: it remembers no empty one."""
CHALLENGE_SECONDS = 300.0
_REMEMBERED_SECONDS = 60.0
_MOST_REMEMBERED = 1000
_USE_SECONDS = 3600.0
"""How coarsely it is kept when a token was last used."""


class Gate:
    """
    Lets callers of a server in.

    It is open to anyone as long as nothing was ever granted, unless it is `closed` from the start; then, or once a grant was
    seen, only to those who are granted something.
    """

    def __init__(self, file: AccessFile, *, closed: bool = False, clock: Callable[[], float] = time.time) -> None:
        self._file = file
        self._closed = closed
        self._clock = clock
        self._checks = Checks()
        self._attempts = Attempts(clock)
        self._used: dict[str, float] = {}
        self._known: OrderedDict[bytes, tuple[User, float]] = OrderedDict()
        self._known_by = secrets.token_bytes(32)

    @property
    def closed(self) -> bool:
        """Whether callers must say who they are."""
        self._closed = self._closed or self._file.read().begun
        return self._closed

    @property
    def register(self) -> Register:
        """The grants at this moment."""
        return self._file.read()

    async def caller(self, authorization: str, client: str) -> Caller:
        """
        Who sends this header from the address `client`.

        Raises Unauthorized, Busy for who gave too many wrong passwords, StorageUnavailable when the grants cannot be read.
        """
        if not self.closed:
            return ANYONE
        kind, _, credential = authorization.strip().partition(" ")
        credential = credential.strip()
        if kind.lower() == "bearer" and credential:
            return await self._by_token(credential)
        if kind.lower() == "basic" and credential:
            return await self._by_password(credential, client)
        raise Unauthorized("this server answers only to who says who they are", hint=HINT)

    async def user(self, name: str, password: str, client: str) -> User:
        """The user with this password. Raises Unauthorized, Busy."""
        self._attempts.check(client)
        user = next((user for user in self.register.users if user.name == name), None)
        right = await self._checks.right(password, user.password if user else None)
        # Others of this client were wrong meanwhile: who sends many guesses at once learns no more of them than of one by one.
        self._attempts.check(client)
        # Who was removed meanwhile, or has another password, is not among the users as they are.
        if right and user is not None and user in self.register.users:
            self._attempts.succeeded(client, name)
            return user
        self._attempts.failed(client, name)
        raise Unauthorized("the user or the password is wrong", hint="gadus auth user passwd NAME sets another password")

    @property
    def asks_for_password(self) -> bool:
        """Whether clients sign in with a password and not with their key: exactly one way can be offered to them."""
        register = self.register
        return bool(register.users) and not register.keys

    def challenges(self) -> tuple[str, str]:
        """What clients have to sign at this time, and what they had to until a short time ago. Nobody can know the next one."""
        window = int(self._clock() // CHALLENGE_SECONDS)
        now, before = (hmac.new(self._known_by, f"{one}".encode(), hashlib.sha256).hexdigest() for one in (window, window - 1))
        return now, before

    def session_of_key(self, key_id: str) -> Secret:
        """A session for the client that has proved to have the key with this id. Raises Unauthorized."""
        register = self.register
        if not self.closed:
            return OPEN_SESSION
        if not any(key.id == key_id for key in register.keys):
            raise Unauthorized(
                f"this server does not know the key {key_id}", hint=f"on its machine: gadus auth key add NAME {key_id}"
            )
        return sessions.session_for(register, "key", key_id, self._clock())

    async def session_of_user(self, name: str, password: str, client: str) -> Secret:
        """A session for the user with this password. Raises Unauthorized, Busy."""
        if not self.closed:
            return OPEN_SESSION
        user = await self.user(name, password, client)
        return sessions.session_for(self.register, "user", user.name, self._clock())

    def link(self, path: str) -> dict[str, str]:
        """The query that opens `path` for a while without a token; empty when nobody needs one."""
        if not (self.closed and self.register.begun):
            return {}
        expires = int(self._clock() + sessions.LINK_SECONDS)
        return {"expires": str(expires), "seal": sessions.link_seal(self.register, path, expires)}

    def holder_of_link(self, path: str, expires: str, seal: str) -> Caller | None:
        """As who somebody reads `path` with what `link` gave; None when it was not given, or too long ago."""
        opened = sessions.opens(self.register, path, expires, seal, self._clock())
        return caller("the holder of a link", ("read:job",), (ALL,)) if opened else None

    async def _by_token(self, text: str) -> Caller:
        register, now = self.register, self._clock()
        if not text.startswith(TOKEN_PREFIX):
            if found := sessions.caller_in(register, text, now):
                return found
            raise Unauthorized("the session has ended, or is none of this server", hint=f"sign in again, or {HINT}")
        digest = digest_of(text)
        token = register.tokens_by_digest.get(digest)
        if token is None:
            raise Unauthorized("this is no token of this server", hint=HINT)
        state = token.state(now)
        if state != "active":
            raise Unauthorized(f"the token {token.name!r} is {state}", hint=HINT)
        await self._note_use(token, now)
        return token.caller

    async def _by_password(self, credential: str, client: str) -> Caller:
        proof = hmac.digest(self._known_by, credential.encode("utf-8", "replace"), hashlib.sha256)
        user, until = self._known.get(proof, (None, 0.0))
        # A check takes long, and a client may send its password with each request. Who was removed or has another password
        # since is not among the users as they are.
        if user is not None and until > self._clock() and user in self.register.users:
            return user.caller
        name, password = _pair(credential)
        user = await self.user(name, password, client)
        self._known[proof] = (user, self._clock() + _REMEMBERED_SECONDS)
        if len(self._known) > _MOST_REMEMBERED:
            self._known.popitem(last=False)
        return user.caller

    async def _note_use(self, token: Token, now: float) -> None:
        if now - max(token.used or 0.0, self._used.get(token.digest, 0.0)) < _USE_SECONDS:
            return
        self._used[token.digest] = now
        # Not worth refusing a caller for: the disk may be full.
        with suppress(GadusError, OSError):
            await finished(self._file.change, lambda register: _used(register, token.digest, now))


def _used(register: Register, digest: str, now: float) -> Register:
    tokens = [one.model_copy(update={"used": now}) if one.digest == digest else one for one in register.tokens]
    return register.model_copy(update={"tokens": tuple(tokens)})


def _pair(credential: str) -> tuple[str, str]:
    try:
        name, colon, password = b64decode(credential, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        colon = ""
    if not colon:
        raise Unauthorized("Authorization: Basic needs base64 of NAME:PASSWORD", hint=HINT)
    return name, password
