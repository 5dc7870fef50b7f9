"""What a service's refusal says: the parts of its error document and of its headers that tell the cause."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_LONGEST_TEXT = 300
_REGION = re.compile(r"[a-z0-9-]{1,40}")


@dataclass(frozen=True, slots=True)
class Refusal:
    """
    One refusal. Texts are "" where the service says nothing; they are someone else's, made short and printable.

    `region` and `endpoint` are where the bucket is said to be. `foreign` is the beginning of a body that no S3 service
    sends, e.g. of a web page.
    """

    status: int
    code: str = ""
    message: str = ""
    region: str = ""
    endpoint: str = ""
    storage_class: str = ""
    date: str = ""
    deleted: bool = False
    foreign: str = ""

    @property
    def said(self) -> str:
        """Status, code and message in one line."""
        return " ".join(part for part in (str(self.status), self.code, self.message) if part)

    @property
    def clock_ahead_seconds(self) -> int:
        """How far this machine's clock is ahead of the service's; 0 while that is unknown."""
        try:
            theirs = datetime.fromisoformat(self.date) if self.date[10:11] == "T" else parsedate_to_datetime(self.date)
        except ValueError:
            return 0
        return round((datetime.now(UTC) - theirs).total_seconds()) if theirs.tzinfo else 0


def refusal_in(status: int, headers: Mapping[str, str], body: bytes) -> Refusal:
    """The refusal in an answer; header names are in lower case."""
    document = _document(body)

    def text(name: str) -> str:
        return _short(document.findtext(name) or "") if document is not None else ""

    named = headers.get("x-amz-bucket-region", "") or text("Region")
    return Refusal(
        status=status,
        code=text("Code"),
        message=text("Message"),
        # It becomes part of a host name.
        region=named if _REGION.fullmatch(named) else "",
        endpoint=text("Endpoint"),
        storage_class=text("StorageClass"),
        date=text("ServerTime") or headers.get("date", ""),
        deleted=headers.get("x-amz-delete-marker", "") == "true",
        foreign=_short(body[: 4 * _LONGEST_TEXT].decode("utf-8", "replace")) if document is None else "",
    )


def _document(body: bytes) -> ET.Element | None:
    """The error document, without its namespaces; None when the body is something else."""
    if not body.strip() or b"<!DOCTYPE" in body:
        return None
    try:
        root = ET.fromstring(body)  # noqa: S314 - no document type, so there is nothing to expand
    except ET.ParseError:
        return None
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root if root.tag == "Error" else root.find("Error")


def _short(text: str) -> str:
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= _LONGEST_TEXT else f"{line[:_LONGEST_TEXT]}…"
