"""Listings are read quickly where they are plain, and always as an XML parser reads them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import chain
from urllib.parse import quote, unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gadus.core.errors import StorageUnavailable
from gadus.s3 import listing
from gadus.s3.listing import Guard, Listed, Page

SPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
START = f'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="{SPACE}"><Name>b</Name><Prefix/>'
AWS = (
    "<Contents><Key>data/year%3D2024/part+1%25.parquet</Key><LastModified>2024-03-05T12:00:11.000Z</LastModified>"
    "<ETag>&quot;04adb4e2f055c978c9bb101ee1bc5cd4-3&quot;</ETag><ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm>"
    "<ChecksumType>FULL_OBJECT</ChecksumType><Size>77</Size>"
    "<Owner><ID>75aa57f09aa0</ID><DisplayName>a &amp; b</DisplayName></Owner><StorageClass>DEEP_ARCHIVE</StorageClass>"
    "</Contents>"
)
SEAWEEDFS = (
    "<Contents><Key>data/d%200/part-0%2B%C3%BC.bin</Key><ETag>&#34;04adb4e2f055c978c9bb101ee1bc5cd4&#34;</ETag><Size>7</Size>"
    "<StorageClass>STANDARD</StorageClass><LastModified>2026-11-22T15:54:26Z</LastModified></Contents>"
)
LEAVES = ["Key", "Size", "ETag", "LastModified", "StorageClass", "ChecksumAlgorithm", "Owner"]
MARKUP = [
    "<",
    ">",
    "&",
    "]]>",
    "<!-- -->",
    "<![CDATA[k]]>",
    "<?p i?>",
    "<Key>x</Key>",
    "<Contents>",
    "</Contents>",
    "<Contents/>",
]
MARKUP += [
    "&amp;",
    "&#x10;",
    "&#x41;",
    "&#65;",
    "&none;",
    "<!DOCTYPE x>",
    "\r\n",
    "\x00",
    "\ufffe",
    "%0A",
    "+",
    " ",
    "<s:Size>1</s:Size>",
]
MARKUP += ["<Owner><Key>no</Key></Owner>", "<Size/>", "<Size>-1</Size>", "<A>", "</A>", '<ETag a="1">e</ETag>', "<!--", "-->"]


def document(*entries: str, encoded: bool = True, token: str = "") -> bytes:
    kind = "<EncodingType>url</EncodingType>" if encoded else ""
    more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    return f"{START}{kind}{''.join(entries)}{more}</ListBucketResult>".encode("utf-8", "surrogatepass")


def parsed(body: bytes) -> Page | None:
    try:
        return listing.parse(body, "s3://b/")
    except StorageUnavailable:
        return None


def exactly(body: bytes) -> Page | None:
    """What an XML parser and nothing else makes of a listing."""
    try:
        root = ET.fromstring(body)
        space = root.tag.removesuffix("ListBucketResult")
        assert root.tag.rpartition("}")[2] == "ListBucketResult"
        encoded = root.findtext(f"{space}EncodingType") == "url"
        objects = []
        for entry in root.iterfind(f"{space}Contents"):
            said = {child.tag: child.text or "" for child in entry}
            key, size = said[f"{space}Key"], int(said[f"{space}Size"])
            assert key
            assert size >= 0
            objects.append(
                Listed(unquote_plus(key, errors="surrogateescape") if encoded else key, size, said.get(f"{space}ETag", ""))
            )
    except (ET.ParseError, AssertionError, KeyError, ValueError):
        return None
    truncated = (root.findtext(f"{space}IsTruncated") or "").strip() == "true"
    token = root.findtext(f"{space}NextContinuationToken") or ""
    return None if truncated and not token else Page(objects, token if truncated else "")


@st.composite
def spelled(draw: st.DrawFn, text: str) -> str:
    """The text in XML, each letter that needs it as one of its references."""
    forms = {"&": ["&amp;"], "<": ["&lt;"], ">": ["&gt;"], '"': ["&quot;", "&#34;", '"'], "'": ["&apos;", "&#39;", "'"]}
    return "".join(draw(st.sampled_from(forms[letter])) if letter in forms else letter for letter in text)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Listings as services write them: fields in any order, some left out, keys encoded or not."""
    encoded = draw(st.booleans())
    entries = []
    for _ in range(draw(st.integers(1, 4))):
        if encoded:
            key = quote(draw(st.binary(min_size=1, max_size=12)), safe=draw(st.sampled_from(["", "/", "/*-._~"])))
            key = key.replace("%20", draw(st.sampled_from(["%20", "+"])))
        else:
            letters = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
            key = draw(spelled(draw(st.text(letters, min_size=1, max_size=12))))
        texts = {
            "Key": key,
            "Size": str(draw(st.integers(0, 10**13))),
            "ETag": draw(spelled(draw(st.sampled_from(['"04ad"', "04ad", '"04ad-3"'])))),
            "Owner": draw(st.sampled_from(["<ID>a</ID>", "<ID>a</ID><DisplayName>b</DisplayName>", ""])),
        }
        names = draw(st.permutations(["Key", "Size", *draw(st.lists(st.sampled_from(LEAVES[2:]), unique=True))]))
        entries.append("".join(chain(["<Contents>"], (f"<{n}>{texts.get(n, 'X')}</{n}>" for n in names), ["</Contents>"])))
    return document(*entries, encoded=encoded, token=draw(st.sampled_from(["", "1/x+==", "a&amp;b"])))


@given(bodies())
def test_plain_listings_of_any_keys_are_read_the_quick_way_and_exactly(body: bytes) -> None:
    assert listing._cut(body)[1] is not None
    page = parsed(body)
    assert page is not None
    assert page == exactly(body)


@given(bodies(), st.data())
def test_listings_with_anything_odd_in_them_are_read_exactly(body: bytes, data: st.DataObject) -> None:
    text = body.decode()
    for _ in range(data.draw(st.integers(1, 2))):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(st.sampled_from(MARKUP)) + text[at + data.draw(st.sampled_from([0, 0, 1, 5, 11])) :]
    odd = text.encode()
    # A document type is refused whatever it says, also where it would be harmless.
    assert parsed(odd) == (None if b"<!DOCTYPE" in odd else exactly(odd))


@pytest.mark.parametrize(
    "body",
    [
        document("<!--", AWS, "-->"),
        document("<CommonPrefixes>", AWS, "</CommonPrefixes>"),
        document(AWS, "<!-- ", AWS, "-->", AWS),
        document(AWS).replace(b"<Key>", b"<!-- <Key>q</Key> --><Key>"),
        document(AWS).replace(b"<Key>", b"<Key><![CDATA[<Key>]]>"),
        document(AWS).replace(b"<Contents>", b'<Contents xmlns="other">'),
        document(AWS).replace(b'UTF-8"', b'ISO-8859-1"').replace(b"part", "pärt".encode()),
        document(AWS).replace(b"ListBucketResult", b"s:ListBucketResult").replace(b"xmlns=", b"xmlns:s="),
        document(AWS, "\n", SEAWEEDFS),
        document(AWS.replace("><", ">\n  <")),
        document(),
        *(document(SEAWEEDFS.replace("data", odd)) for odd in ("\r", "\x00", "]]>", "\ufffe", "&#x41;", "&none;", "&")),
    ],
)
def test_what_only_a_parser_reads_rightly_is_left_to_it(body: bytes) -> None:
    assert parsed(body) == exactly(body)


@pytest.mark.parametrize("entry", [AWS, SEAWEEDFS], ids=["aws", "seaweedfs"])
def test_the_pages_of_known_services_are_read_the_quick_way(entry: str) -> None:
    body = document(*[entry] * 3, token="next")
    assert listing._cut(body)[1] is not None
    assert parsed(body) == exactly(body)


def test_fields_of_an_entry_are_read_as_they_are_meant() -> None:
    page = listing.parse(document(AWS, SEAWEEDFS, token="a&amp;b"), "s3://b/")
    assert page.token == "a&b"
    assert page.objects == [
        Listed("data/year=2024/part 1%.parquet", 77, '"04adb4e2f055c978c9bb101ee1bc5cd4-3"'),
        Listed("data/d 0/part-0+ü.bin", 7, '"04adb4e2f055c978c9bb101ee1bc5cd4"'),
    ]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<!DOCTYPE x><ListBucketResult/>", "document type"),
        (b"<!--" + b" " * 2000 + b"--><!DOCTYPE x><ListBucketResult/>", "document type"),
        (b"<ListBucketResult>", "is not XML"),
        (b"<Error/>", "with <Error>"),
        (document(AWS.replace("<Size>77</Size>", "")), "without a key or size"),
        (document(AWS.replace("77", "-7")), "without a key or size"),
        (document("<IsTruncated>true</IsTruncated>", AWS), "but not where"),
    ],
)
def test_what_is_no_listing_is_an_error_that_names_what_was_asked(body: bytes, said: str) -> None:
    with pytest.raises(StorageUnavailable, match=f"(?s)(s3://b/x.*{said}|{said}.*s3://b/x)"):
        listing.parse(body, "s3://b/x")


def test_a_guard_notices_circles_strays_and_floods() -> None:
    guard = Guard("s3://b/a", "a")
    guard.check(Page([Listed("ab", 1)], "1"))
    with pytest.raises(StorageUnavailable, match="repeats itself"):
        guard.check(Page([Listed("ac", 1)], "1"))
    with pytest.raises(StorageUnavailable, match="'b', which was not asked for"):
        guard.check(Page([Listed("b", 1)], ""))
    million = [Listed("ab", 1)] * 1_000_000
    for _ in range(listing.LARGEST_LISTING // len(million)):
        guard.count(million)
    with pytest.raises(StorageUnavailable, match="over 10,000,000 objects"):
        guard.count(million[:1])
