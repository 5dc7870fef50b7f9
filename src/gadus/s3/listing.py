"""Listings as the service has them: raw keys, page by page, with a guard against a service that never ends."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import NamedTuple
from urllib.parse import quote, unquote_plus

from gadus.core.errors import StorageUnavailable

LARGEST_LISTING = 10_000_000
"""More keys than this under one prefix is refused: narrow the prefix."""
_KEYS_A_PAGE = 1000

_PLAIN_START = re.compile(r"""\s*(<\?xml version=["']1\.0["']( encoding=["']utf-8["'])?\s*\?>)?\s*<[a-z]""", re.IGNORECASE)
# Leaves in any order, and Owner; no attribute, prefix, comment or space between. Groups 1 to 3 are key, size and ETag.
_ENTRY = re.compile(
    r"<Contents>(?>(?:<Key>([^<]*)</Key>|<Size>([^<]*)</Size>|<ETag>([^<]*)</ETag>|<([A-Z][A-Za-z]*)>[^<]*</\4>"
    r"|<Owner>(?:<([A-Z][A-Za-z]*)>[^<]*</\5>)*</Owner>)*)</Contents>"
)
_PARTS_AN_ENTRY = 1 + _ENTRY.groups
# The ampersand last: what it gives is not a reference again.
_REFERENCES = {"&quot;": '"', "&#34;": '"', "&apos;": "'", "&#39;": "'", "&lt;": "<", "&gt;": ">", "&amp;": "&"}
_REFERENCE = re.compile("|".join(_REFERENCES))
_CONTROLS = bytes(range(0x20))


class Listed(NamedTuple):
    """One object as a listing shows it. The ETag keeps its quotes: it is sent back as it came."""

    key: str
    size_bytes: int
    etag: str = ""
    version_id: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """One answer to LIST; `token` asks for the next one and is empty on the last."""

    objects: list[Listed]
    token: str


def query(prefix: str, *, token: str = "", start_after: str = "", most: int = _KEYS_A_PAGE) -> str:
    """The query of one ListObjectsV2 request, in the order that signing wants."""
    parts = {"encoding-type": "url", "list-type": "2", "max-keys": str(most), "prefix": prefix}
    if token:
        parts["continuation-token"] = token
    elif start_after:
        parts["start-after"] = start_after
    return "&".join(f"{name}={quoted(value)}" for name, value in sorted(parts.items()))


def parse(body: bytes, asked: str) -> Page:
    """
    The page in a ListObjectsV2 answer.

    Keys come back exactly as they are in the bucket, also those that XML cannot hold: they are asked for URL-encoded.
    Raises StorageUnavailable, naming `asked`, when the answer is not a listing.
    """
    # Most of a page is entries that look alike: they are cut out quickly, and only the rest is read as XML.
    around, entries = _cut(body)
    if b"<!DOCTYPE" in around:
        raise StorageUnavailable(f"the service sent a document type in its listing of {asked}; it is not read")
    try:
        root = ET.fromstring(around)  # noqa: S314 - no document type, so there is nothing to expand
        if entries and not _stands_for_entries(root):
            entries, root = None, ET.fromstring(body)  # noqa: S314 - the same
    except ET.ParseError as exc:
        raise StorageUnavailable(f"the service's listing of {asked} is not XML: {exc}") from exc
    if _local(root.tag) != "ListBucketResult":
        raise StorageUnavailable(f"the service answered a listing of {asked} with <{_local(root.tag)}>")
    space = root.tag.removesuffix("ListBucketResult")
    # Only what the service says it encoded: a service that ignores the wish sends plain keys.
    encoded = root.findtext(f"{space}EncodingType") == "url"
    try:
        if entries:
            objects = entries.objects(encoded=encoded)
        else:
            objects = [_listed(entry, space, encoded) for entry in root.iterfind(f"{space}Contents")]
    except (ValueError, TypeError) as exc:
        raise StorageUnavailable(f"the service's listing of {asked} has an entry without a key or size") from exc
    truncated = (root.findtext(f"{space}IsTruncated") or "").strip() == "true"
    token = root.findtext(f"{space}NextContinuationToken") or ""
    if truncated and not token:
        raise StorageUnavailable(f"the service says there is more of {asked} but not where")
    return Page(objects, token if truncated else "")


class Guard:
    """Notices a listing that goes in circles or leaves its prefix."""

    def __init__(self, asked: str, prefix: str) -> None:
        self._asked = asked
        self._prefix = prefix
        self._tokens: set[str] = set()
        self._keys = 0

    def check(self, page: Page) -> None:
        """Raises StorageUnavailable when the listing is not one that ends well."""
        if page.token:
            if page.token in self._tokens:
                raise StorageUnavailable(f"the service repeats itself in its listing of {self._asked}")
            self._tokens.add(page.token)
            if not page.objects and len(self._tokens) > _KEYS_A_PAGE:
                raise StorageUnavailable(f"the service's listing of {self._asked} goes on without any objects")
        stray = _first_outside(page.objects, self._prefix)
        if stray is not None:
            raise StorageUnavailable(f"the service's listing of {self._asked} holds {stray!r}, which was not asked for")

    def count(self, objects: Sequence[Listed]) -> None:
        """Adds to the sum of the whole listing. Raises StorageUnavailable when it grew too large to be meant."""
        self._keys += len(objects)
        if self._keys > LARGEST_LISTING:
            raise StorageUnavailable(f"{self._asked} has over {LARGEST_LISTING:,} objects", hint="name a longer prefix in Key")


class _Entries(NamedTuple):
    """The texts of many entries, in their order, references not yet read."""

    keys: list[str | None]
    sizes: list[str | None]
    etags: list[str | None]

    def objects(self, *, encoded: bool) -> list[Listed]:
        """Raises ValueError or TypeError when an entry has no key, or no size that is one."""
        keys = _texts(self.keys)
        sizes = [int(size or "") for size in self.sizes]
        if not all(keys) or min(sizes) < 0:
            raise ValueError(keys)
        if encoded:
            keys = _decoded(keys)
        return list(map(Listed._make, zip(keys, sizes, _texts(self.etags), repeat(""))))


def _cut(body: bytes) -> tuple[bytes, _Entries | None]:
    """
    The document with an empty ``<Contents/>`` for its entries, and the entries; or `body` and None.

    None when there is anything that only an XML parser reads rightly.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return body, None
    # The text before, between and behind the entries, and the groups of each entry: all in one list.
    parts = _ENTRY.split(text)
    gaps = parts[_PARTS_AN_ENTRY:-1:_PARTS_AN_ENTRY]
    around = f"{parts[0]}<Contents/>{parts[-1]}".encode()
    # Line breaks around the entries are usual; within, XML would change them.
    regular = len(parts) > 1 and not any(gaps) and _controls(body) == _controls(around)
    if not regular or not _PLAIN_START.match(text) or not _only_plain_letters(text):
        return body, None
    return around, _Entries(*(parts[field::_PARTS_AN_ENTRY] for field in (1, 2, 3)))


def _controls(text: bytes) -> int:
    return len(text) - len(text.translate(None, _CONTROLS))


def _only_plain_letters(text: str) -> bool:
    """Whether there is nothing in `text` that XML forbids, and no reference but the usual ones."""
    forbidden = "\ufffe" in text or "\uffff" in text or ("]" in text and "]]>" in text)
    return not forbidden and len(_REFERENCE.findall(text)) == text.count("&")


def _stands_for_entries(root: ET.Element) -> bool:
    """Whether the empty element is where entries are: not in a comment, not below another element, not beside others."""
    contents = [child for child in root if _local(child.tag) == "Contents"]
    return (
        len(contents) == 1
        and len(contents[0]) == 0
        and contents[0].tag == f"{root.tag.removesuffix('ListBucketResult')}Contents"
    )


def _texts(written: list[str | None]) -> list[str]:
    """The texts with their references read. None of them has a line break, so that one pass reads all."""
    joined = "\n".join([text or "" for text in written])
    if "&" in joined:
        for reference, letter in _REFERENCES.items():
            joined = joined.replace(reference, letter)
    return joined.split("\n")


def _decoded(keys: list[str]) -> list[str]:
    joined = "\n".join(keys)
    if "%" not in joined and "+" not in joined:
        return keys
    if "%0A" in joined or "%0a" in joined:
        return [unquote_plus(key, errors="surrogateescape") for key in keys]
    return unquote_plus(joined, errors="surrogateescape").split("\n")


def _listed(entry: ET.Element, space: str, encoded: bool) -> Listed:
    key = size = None
    etag = ""
    key_tag, size_tag, etag_tag = f"{space}Key", f"{space}Size", f"{space}ETag"
    for child in entry:
        if child.tag == key_tag:
            key = child.text
        elif child.tag == size_tag:
            size = int(child.text or "")
        elif child.tag == etag_tag:
            etag = child.text or ""
    if not key or size is None or size < 0:
        raise ValueError(key)
    if encoded and ("%" in key or "+" in key):
        key = unquote_plus(key, errors="surrogateescape")
    return Listed(key, size, etag)


def _first_outside(objects: Iterable[Listed], prefix: str) -> str | None:
    return next((one.key for one in objects if not one.key.startswith(prefix)), None)


def quoted(value: str) -> str:
    """`value` as a part of a query, every byte kept."""
    return quote(value.encode("utf-8", "surrogateescape"), safe="~")


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
