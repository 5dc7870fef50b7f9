"""One value as somebody wrote it, and who that was."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from gadus.core.secret import MASK

from .keys import Key

# To the last @: a password may hold one, or a slash, though it should not.
_PASSWORD = re.compile(r"(?<=://)([^/:@]*):.*@")


@dataclass(frozen=True, slots=True)
class Said:
    """`where` is a flag, a variable, or a file with its line; for a default it is empty."""

    text: str
    where: str = ""
    kind: Literal["flag", "variable", "file", "default"] = "default"

    @property
    def origin(self) -> str:
        """For people: "flag --data-dir", "GADUS_DATA_DIR", "file /etc/gadus.yaml:3", "default"."""
        if self.kind in ("flag", "file"):
            return f"{self.kind} {self.where}"
        return self.where or self.kind

    def shown(self, key: Key) -> str:
        """The text without what is secret in it."""
        if not key.secret:
            return self.text
        address, mark, _ = self.text.partition("?")
        return _PASSWORD.sub(rf"\1:{MASK}@", address) + (f"?{MASK}" if mark else "")
