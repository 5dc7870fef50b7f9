"""Listings as the service has them: raw keys, page by page, with a guard against a service that never ends."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, unquote_plus

from gadus.core.errors import StorageUnavailable

LARGEST_LISTING = 10_000_000
"""More keys than this under one prefix is refused: narrow the prefix."""
_KEYS_A_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Listed:
    """One object as a listing or a HEAD shows it. The ETag keeps its quotes: it is sent back as it came."""

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
    if b"<!DOCTYPE" in body[:1024]:
        raise StorageUnavailable(f"the service sent a document type in its listing of {asked}; it is not read")
    try:
        root = ET.fromstring(body)  # noqa: S314 - no document type, so there is nothing to expand
    except ET.ParseError as exc:
        raise StorageUnavailable(f"the service's listing of {asked} is not XML: {exc}") from exc
    if _local(root.tag) != "ListBucketResult":
        raise StorageUnavailable(f"the service answered a listing of {asked} with <{_local(root.tag)}>")
    space = root.tag.removesuffix("ListBucketResult")
    # Only what the service says it encoded: a service that ignores the wish sends plain keys.
    encoded = root.findtext(f"{space}EncodingType") == "url"
    try:
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
        self._keys += len(page.objects)
        if self._keys > LARGEST_LISTING:
            raise StorageUnavailable(f"{self._asked} has over {LARGEST_LISTING:,} objects", hint="name a longer prefix in Key")


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
