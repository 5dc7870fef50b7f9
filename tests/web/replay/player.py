"""Plays what a version of Bacalhau's command sends, and reads the answers as it does."""

from __future__ import annotations

import base64
import json
import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from answers import ANSWERS
from connection import Connection
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from decoding import parsed
from running import PROBE, Running, eventually

_MODULE = f"data:application/wasm;base64,{base64.b64encode(PROBE.read_bytes()).decode()}"
_API = "/api/v1"


class Player:
    """
    One installation of the command: it keeps its token, and what it was told before.

    A step is a request: `send`, with a `body`, gives the `status` (200) and the `answer` of that name. It is asked again
    `until` it shows certain words, or in `pages` of so many items at most, each with the token of the one before. It `shows`
    values, and `keeps` some for later steps. A `listen` is a WebSocket that gives these `frames`.
    """

    def __init__(self, server: Running, recorded: Path) -> None:
        self._server = server
        self._recorded: dict[str, Any] = yaml.safe_load(recorded.read_text())
        self._kept = {"module": _MODULE, "token": ""}
        self._key = rsa.generate_private_key(65537, 2048)

    @property
    def commands(self) -> Mapping[str, Any]:
        """Each command with its steps, in their order."""
        commands: Mapping[str, Any] = self._recorded["commands"]
        return commands

    def play(self, command: str) -> None:
        steps = self.commands[command]
        with Connection(self._server.url) as connection:
            if not self._kept["token"] and steps[0].get("signs_in", True):
                self._sign_in(connection)
            for step in steps:
                where = f"{command}: {step.get('send') or step.get('listen')}"
                if "listen" in step:
                    self._listen(step, where)
                elif "pages" in step:
                    self._read_pages(connection, step, where)
                elif "until" in step:
                    eventually(lambda step=step, where=where: self._ask(connection, step, where))
                else:
                    self._ask(connection, step, where)

    def _ask(self, connection: Connection, step: Mapping[str, Any], where: str) -> bool:
        response = connection.ask(self._request(connection.host, step))
        assert response.status == step.get("status", 200), (where, response.body)
        assert response.protocol == "HTTP/1.1"
        assert response.headers["Content-Type"].startswith("application/json"), where
        found = ANSWERS[step["answer"]](parsed(response.body), where)
        if not all(value_at(found, path) in words for path, words in step.get("until", {}).items()):
            return False
        self._look(found, step, where)
        return True

    def _read_pages(self, connection: Connection, step: Mapping[str, Any], where: str) -> None:
        """The command asks on with each token that it got, until it gets none."""
        self._kept["page"] = ""
        items: list[Any] = []

        def ended() -> bool:
            page = f"{step['send']}&next_token=<page>" if self._kept["page"] else step["send"]
            response = connection.ask(self._request(connection.host, step | {"send": page}))
            assert response.status == 200, (where, response.body)
            found = ANSWERS[step["answer"]](parsed(response.body), where)
            assert len(found["Items"]) <= step["pages"], where
            items.extend(found["Items"])
            self._kept["page"] = found["NextToken"]
            return not found["NextToken"]

        eventually(ended)
        for path, expected in step.get("shows", {}).items():
            assert value_at({"Items": items}, path) == expected, (where, path, items)

    def _look(self, found: Any, step: Mapping[str, Any], where: str) -> None:
        for path, expected in step.get("shows", {}).items():
            seen = value_at(found, path)
            assert seen == (self._filled(expected) if isinstance(expected, str) else expected), (where, path, seen)
        for name, path in step.get("keeps", {}).items():
            self._kept[name] = value_at(found, path)
            assert self._kept[name], (where, name)

    def _listen(self, step: Mapping[str, Any], where: str) -> None:
        with Connection(self._server.url) as connection:
            response = connection.ask(self._head("socket", f"GET {step['listen']}", connection.host, b""))
            assert response.status == 101, (where, response.status)
            assert "Sec-WebSocket-Extensions" not in response.headers
            texts, code = connection.frames()
        assert code == 1000, (where, code)
        assert all(text.endswith(b"\n") for text in texts)
        frames = [json.loads(text) for text in texts]
        if "frames" in step:
            assert [[one["value"]["Type"], one["value"]["Line"]] for one in frames] == step["frames"], (where, frames)
        if "error" in step:
            assert list(frames[-1]) == ["error", "value"]
            assert step["error"] in frames[-1]["error"], (where, frames)

    def _sign_in(self, connection: Connection) -> None:
        methods = {"send": f"GET {_API}/auth", "answer": "AuthMethods"}
        response = connection.ask(self._request(connection.host, methods))
        ((name, method),) = ANSWERS["AuthMethods"](parsed(response.body), "auth")["Methods"].items()
        assert method["type"] == "challenge"
        phrase = base64.b64decode(method["params"]["InputPhrase"])
        assert phrase
        data = {
            "PhraseSignature": _base64(self._key.sign(phrase, padding.PKCS1v15(), SHA256())),
            "PublicKey": _base64(self._key.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)),
        }
        body = {"Namespace": "", "Credential": None, "Name": name, "MethodData": _base64(json.dumps(data).encode())}
        shows = {"Authentication.success": True}
        keeps = {"token": "Authentication.token"}
        step = {"send": f"POST {_API}/auth/{name}", "body": body, "answer": "Authentication", "shows": shows, "keeps": keeps}
        self._ask(connection, step, "signing in")

    def _request(self, host: str, step: Mapping[str, Any]) -> bytes:
        body = b""
        if "body" in step:
            body = self._filled(json.dumps(step["body"], separators=(",", ":"), ensure_ascii=False)).encode()
        return self._head(step.get("head", "head"), step["send"], host, body) + body

    def _head(self, name: str, first: str, host: str, body: bytes) -> bytes:
        """The lines of the head in their order, without those for which there is nothing to say."""
        known = {"host": host, "length": len(body) or "", "type": "application/json" if body else "", **self._kept}
        lines = [f"{self._filled(first)} HTTP/1.1"]
        for line in self._recorded[name].splitlines():
            names = [field for _, field, _, _ in string.Formatter().parse(line) if field]
            if all(known[field] for field in names):
                lines.append(line.format(**known))
        return "\r\n".join((*lines, "", "")).encode()

    def _filled(self, text: str) -> str:
        for name, value in self._kept.items():
            text = text.replace(f"<{name}>", str(value))
        return text


def value_at(found: Any, path: str) -> Any:
    """``Items.0.ID``: a field of the first of the items; ``Items.#``: how many there are."""
    for part in path.split("."):
        if part == "#":
            return len(found)
        if found is None:
            return None
        found = found[int(part)] if isinstance(found, list) else found.get(part)
    return found


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
