"""How clients prove who they are, to get a session: with the signature of their key, or with a password."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gadus.access.gate import OPEN_SESSION
from gadus.core.errors import Unauthorized
from gadus.core.secret import Secret
from gadus.threads import finished

from .answering import Rooms
from .auth import Signed, decoded
from .wire import Document

CLIENT_KEY = "ClientKey"
PASSWORD = "Password"  # noqa: S105 - the name of the method
_ASKED = {
    "type": "object",
    "properties": {
        "username": {"type": "string", "title": "Username"},
        "password": {"type": "string", "title": "Password", "writeOnly": True},
    },
    "required": ["username", "password"],
    "additionalProperties": False,
}


class Proving:
    """
    Who is let in by the gate, or anybody with a key of their own where there is none.

    `phrase` is what a key has to sign. One method is offered, never both: a client would ask its user which, in a menu.
    """

    def __init__(self, rooms: Rooms, phrase: Callable[[], str]) -> None:
        self._rooms = rooms
        self._phrase = phrase

    def methods(self) -> Mapping[str, Document]:
        """A phrase to be signed, or the fields of a password."""
        if self._rooms.gate is not None and self._rooms.gate.closed and self._rooms.gate.asks_for_password:
            return {PASSWORD: {"type": "ask", "params": _ASKED}}
        return {CLIENT_KEY: {"type": "challenge", "params": {"InputPhrase": b64encode(self._phrases()[0].encode()).decode()}}}

    async def signed(self, method: str, data: Mapping[str, Any], client: str) -> Signed:
        """A session for who proves who they are, or the reason for none. Raises InvalidSpec, Busy."""
        try:
            token = await (self._by_password(data, client) if method == PASSWORD else self._by_key(data))
        except Unauthorized as error:
            return Signed(reason=f"{error.message}: {error.hint}" if error.hint else error.message)
        return Signed(token=token.reveal())

    async def _by_key(self, data: Mapping[str, Any]) -> Secret:
        from gadus.access.signatures import is_right, key_id  # noqa: PLC0415 - only few servers are ever asked

        key, signature = (decoded(data, name) for name in ("PublicKey", "PhraseSignature"))
        if not any([await finished(is_right, key, signature, phrase.encode()) for phrase in self._phrases()]):
            raise Unauthorized("the signature is not that of the phrase by this key")
        return self._rooms.gate.session_of_key(key_id(key)) if self._rooms.gate is not None else OPEN_SESSION

    def _phrases(self) -> Sequence[str]:
        """What a signature may be of, the newest first: where it matters, one that was seen is of no use minutes later."""
        if self._rooms.gate is None or not self._rooms.gate.closed:
            return [self._phrase()]
        return [f"{self._phrase()}.{one}" for one in self._rooms.gate.challenges()]

    async def _by_password(self, data: Mapping[str, Any], client: str) -> Secret:
        name, password = data.get("username"), data.get("password")
        if self._rooms.gate is None or not (isinstance(name, str) and isinstance(password, str)):
            raise Unauthorized("username and password must be given, as text")
        return await self._rooms.gate.session_of_user(name, password, client)
