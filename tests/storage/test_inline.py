"""The inline source: what a data: URL becomes, and what no archive may do."""

from __future__ import annotations

import base64
import gzip
import io
import tarfile
from pathlib import Path

import pytest
from pydantic import ValidationError

from gadus.config import settings_from
from gadus.contracts import Found
from gadus.core.errors import InputChanged, InputUnreadable, InputUnsafe
from gadus.storage.inline import LARGEST_TREE_BYTES, InlineParams, Source
from gadus.testing.sources import Offer, SourcePromises, content_of, fetch_into, fetch_items, resolved

TREE = {"a.txt": b"alpha", "deep/er/b.bin": bytes(range(256)), "empty": b""}


def params(url: str) -> InlineParams:
    return InlineParams.model_validate({"URL": url})


def packed(archive: bytes) -> InlineParams:
    return params("data:application/gzip;base64," + base64.b64encode(gzip.compress(archive)).decode())


def tar(*members: tuple[tarfile.TarInfo | str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    """An archive of members as they are, however strange."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=form) as archive:
        for member, content in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return whole.getvalue()


def of_type(kind: bytes, name: str = "x", linkname: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, linkname
    return info


async def resolve(asked: InlineParams) -> Found:
    (found,) = await resolved(Source(settings_from()), asked)
    return found


class TestTree(SourcePromises):
    @pytest.fixture
    def offer(self) -> Offer:
        return Offer(
            Source(settings_from()), packed(tar(*TREE.items())), TREE, packed(b"no archive at all"), asks_somebody=False
        )


class TestFile(SourcePromises):
    @pytest.fixture
    def offer(self) -> Offer:
        source, asked, content = Source(settings_from()), params("data:,hello%20you"), {"": b"hello you"}
        return Offer(source, asked, content, packed(b"no archive"), asks_somebody=False)


@pytest.mark.parametrize(
    ("url", "content"),
    [
        ("data:,", b""),
        ("data:text/plain;charset=utf-8,a,b%2Cc", b"a,b,c"),
        ("DATA:;BASE64,aGk=", b"hi"),
        ("data:application/wasm;base64,AGFzbQ%3D%3D", b"\0asm"),
        ("  data:text/plain;base64,aG\n k=  ", b"hi"),
        ("data:text/plain,%E9", b"\xe9"),
    ],
)
async def test_data_url_is_one_file_at_the_target_itself(url: str, content: bytes, tmp_path: Path) -> None:
    (slot,) = await fetch_into(tmp_path / "in", Source(settings_from()), params(url))
    assert slot.item.path == ""
    assert content_of(tmp_path / "in") == {"file": content}
    assert slot.item.pinned


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "invalid inline params: url cannot be empty"),
        ("https://example.com/x", "not a data URL"),
        ("data:text/plain", "not a data URL"),
        ("data:;base64,a", "not base64"),
        ("data:;base64,aGk=!", "not base64"),
    ],
)
def test_what_is_no_data_url_is_refused_at_submission(url: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        params(url)


def test_more_data_than_the_limit_is_refused_at_submission() -> None:
    with pytest.raises(ValidationError, match=r"the limit is 64\.0 MiB"):
        params("data:," + "x" * ((64 << 20) + 1))


async def test_archive_of_a_directory_keeps_its_empty_directories() -> None:
    made_by_tar = tar((of_type(tarfile.DIRTYPE, "."), b""), (of_type(tarfile.DIRTYPE, "./full/"), b""), ("./full/x", b"1"),
                      (of_type(tarfile.DIRTYPE, "./none/"), b""))  # fmt: skip
    found = await resolve(packed(made_by_tar))
    assert [item.path for item in found.items] == ["full/x"]
    assert found.directories == ("none",)


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
async def test_every_form_of_tar_is_read(form: int) -> None:
    name = "d/" * 30 + "grüße.txt"
    found = await resolve(packed(tar((name, b"x"), form=form)))
    assert [item.path for item in found.items] == [name]


@pytest.mark.parametrize(
    "member",
    [
        of_type(tarfile.SYMTYPE, linkname="/etc/passwd"),
        of_type(tarfile.LNKTYPE, linkname="/etc/passwd"),
        of_type(tarfile.CHRTYPE),
        of_type(tarfile.BLKTYPE),
        of_type(tarfile.FIFOTYPE),
        "../up",
        "a/../../up",
        "/etc/passwd",
        "a//b",
        "n" * 256,
    ],
)
async def test_member_that_could_leave_the_directory_is_refused(member: tarfile.TarInfo | str) -> None:
    with pytest.raises(InputUnsafe) as caught:
        await resolve(packed(tar(("good", b"1"), (member, b""))))
    assert caught.value.hint


async def test_two_members_for_one_file_are_refused() -> None:
    for names in (("a", "a"), ("a", "./a"), ("a", "a/b")):
        with pytest.raises(InputUnsafe):
            await resolve(packed(tar(*((name, b"") for name in names))))


async def test_sparse_file_is_refused() -> None:
    info = of_type(tarfile.REGTYPE)
    info.pax_headers = {"GNU.sparse.map": "0,0", "GNU.sparse.size": "100", "GNU.sparse.name": "x"}
    with pytest.raises(InputUnsafe, match="neither a file"):
        await resolve(packed(tar((info, b""))))


async def test_bomb_is_refused_before_it_is_unpacked() -> None:
    half = bytes(LARGEST_TREE_BYTES // 2)
    with pytest.raises(InputUnsafe, match=r"over 256\.0 MiB"):
        await resolve(packed(tar(("a", half), ("b", half), ("c", half))))


async def test_more_members_than_the_limit_are_refused() -> None:
    with pytest.raises(InputUnsafe, match="10000 members"):
        await resolve(packed(tar(*((str(number), b"") for number in range(10_001)))))


async def test_archive_cut_short_or_of_something_else_is_unreadable() -> None:
    whole = gzip.compress(tar(("a", bytes(range(256)) * 500)))
    for data in (whole[: len(whole) // 2], whole[:-20], b"", b"plain text", gzip.compress(b"x" * 2000)):
        with pytest.raises(InputUnreadable) as caught:
            await resolve(params("data:application/gzip;base64," + base64.b64encode(data).decode()))
        assert caught.value.hint


async def test_data_other_than_what_was_resolved_is_not_fetched(tmp_path: Path) -> None:
    for before, after in (
        (params("data:,before"), params("data:,after")),
        (packed(tar(("a", b"1"))), packed(tar(("b", b"1")))),
    ):
        found = await resolve(before)
        with pytest.raises(InputChanged):
            await fetch_items(tmp_path / "in", Source(settings_from()), after, found.items)
        assert content_of(tmp_path) == {}
