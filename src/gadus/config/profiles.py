"""Servers by name, each a file of its owner's alone below the configuration directory."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gadus.core.errors import InvalidSpec, NotFound, StorageUnavailable
from gadus.core.problem import clipped, nearest
from gadus.core.secret import NOTHING, Secret
from gadus.durable import write_durably

from .values import proof

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_SELECTED = ".selected"
_LARGEST_BYTES = 2**16


def config_dir(environment: Mapping[str, str]) -> Path:
    """``$XDG_CONFIG_HOME/gadus``, else ``~/.config/gadus``."""
    home = environment.get("XDG_CONFIG_HOME", "") or str(Path("~/.config").expanduser())
    return Path(home).absolute() / "gadus"


@dataclass(frozen=True, slots=True)
class Profile:
    """A server and how to ask it; `timeout_seconds` is 0 when nobody chose one."""

    name: str = ""
    endpoint: str = ""
    token: Secret = NOTHING
    description: str = ""
    timeout_seconds: float = 0.0
    insecure: bool = False
    cacert: str = ""

    @property
    def origin(self) -> str:
        """Who says so, for messages."""
        return f"profile {self.name}"


class Profiles:
    """The profiles of one configuration directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @classmethod
    def of(cls, environment: Mapping[str, str] | None = None) -> Profiles:
        """Those of this user."""
        return cls(config_dir(os.environ if environment is None else environment) / "profiles")

    @property
    def current(self) -> str:
        """The name of the selected profile; empty when there is none."""
        try:
            name = (self._directory / _SELECTED).read_text().strip()
        except (OSError, ValueError):
            return ""
        return name if _NAME.fullmatch(name) else ""

    def names(self) -> Sequence[str]:
        """Every profile, by name."""
        try:
            found = [path.stem for path in self._directory.glob("*.json")]
        except OSError as exc:
            raise _unusable(self._directory, exc) from exc
        return sorted(name for name in found if _NAME.fullmatch(name))

    def get(self, name: str, *, asked_by: str = "") -> Profile:
        """The profile of this name. Raises NotFound, and InvalidSpec for a file that is none."""
        path = self._path(name)
        try:
            text = path.read_text()[:_LARGEST_BYTES]
        except FileNotFoundError:
            who = f"{asked_by}: " if asked_by else ""
            raise NotFound(
                f"{who}there is no profile {name!r}: {nearest(name, self.names())}",
                hint="`gadus profile list` shows them; `gadus profile save NAME --endpoint URL` makes one",
            ) from None
        except (OSError, ValueError) as exc:
            raise _unusable(path, exc) from exc
        try:
            return _read(name, json.loads(text))
        except (ValueError, TypeError, AttributeError, KeyError) as exc:
            raise InvalidSpec([f"{path}: is not a profile: {exc}"], hint=f"gadus profile delete {name}") from exc

    def save(self, profile: Profile) -> Path:
        """Keep it, in place of one of the same name; gives its file. Only its owner can read it."""
        path = self._path(profile.name)
        kept = asdict(profile) | {"token": profile.token.reveal()}
        del kept["name"]
        self._write(path, json.dumps(kept, indent=2) + "\n")
        return path

    def select(self, name: str) -> None:
        """From now on commands use it. Raises NotFound."""
        self.get(name)
        self._write(self._directory / _SELECTED, name + "\n")

    def delete(self, name: str) -> None:
        """Forget it. Raises NotFound."""
        path = self._path(name)
        if not path.exists():
            self.get(name)
        if self.current == name:
            (self._directory / _SELECTED).unlink(missing_ok=True)
        path.unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise InvalidSpec(
                [f"{clipped(name)!r} is not the name of a profile"],
                hint="use letters, digits, dots, dashes and underscores, at most 63, the first a letter or a digit",
            )
        return self._directory / f"{name}.json"

    def _write(self, path: Path, text: str) -> None:
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_durably(path, text.encode())
        except OSError as exc:
            raise _unusable(path, exc) from exc


def _read(name: str, kept: Any) -> Profile:
    return Profile(
        name=name,
        endpoint=str(kept["endpoint"]),
        token=proof(str(kept["token"])) if kept.get("token") else NOTHING,
        description=str(kept.get("description", "")),
        timeout_seconds=float(kept.get("timeout_seconds", 0.0)),
        insecure=kept.get("insecure") is True,
        cacert=str(kept.get("cacert", "")),
    )


def _unusable(path: Path, exc: OSError | ValueError) -> StorageUnavailable:
    reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
    return StorageUnavailable(f"{path} cannot be used: {reason}", hint="check who owns it and what XDG_CONFIG_HOME says")
