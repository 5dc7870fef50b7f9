"""Results as one archive: everything that is a file or a directory, and nothing that leads elsewhere."""

from __future__ import annotations

import os
import tarfile
from contextlib import aclosing
from io import BytesIO
from pathlib import Path

import pytest

from descriptors import opened
from gadus.web.archive import _any, _file, _packed


@pytest.fixture
def results(tmp_path: Path) -> Path:
    directory = tmp_path / "results"
    (directory / "out" / "deep").mkdir(parents=True)
    (directory / "stdout").write_text("hello\n")
    (directory / "out" / "deep" / "file").write_bytes(os.urandom(3 << 20))
    (directory / "out" / "link").symlink_to("/etc/passwd")
    (directory / "out" / "away").symlink_to("/etc")
    os.mkfifo(directory / "out" / "pipe")
    (directory / "out" / "deep" / "file").chmod(0o4600)
    return directory


async def test_archive_has_plain_files_with_their_directories_first(results: Path):
    content = b"".join([piece async for piece in _packed(results, "w|gz", _file)])
    with tarfile.open(fileobj=BytesIO(content), mode="r:gz") as archive:
        assert archive.getnames() == ["out", "out/deep", "out/deep/file", "stdout"]
        assert [oct(member.mode) for member in archive] == ["0o755", "0o755", "0o644", "0o644"]
        kept = archive.extractfile("out/deep/file")
        assert kept is not None
        assert kept.read() == (results / "out" / "deep" / "file").read_bytes()


async def test_archive_for_those_who_refuse_by_name_has_what_is_no_file_too(results: Path):
    os.link(results / "stdout", results / "twice")
    (results / "twice").chmod(0o755)
    content = b"".join([piece async for piece in _packed(results, "w|", _any)])
    with tarfile.open(fileobj=BytesIO(content), mode="r:") as archive:
        kinds = {member.name: member.type for member in archive}
        modes = {member.name: oct(member.mode) for member in archive}
    assert (kinds["out/link"], kinds["out/pipe"]) == (tarfile.SYMTYPE, tarfile.FIFOTYPE)
    # A file under two names is a file under each.
    assert (kinds["stdout"], kinds["twice"], modes["twice"]) == (tarfile.REGTYPE, tarfile.REGTYPE, "0o755")


async def test_reader_that_goes_away_ends_the_packing(results: Path):
    before = opened()
    async with aclosing(_packed(results, "w|gz", _file)) as pieces:
        assert await anext(pieces)
    assert opened() <= before


async def test_packing_that_never_begins_ends_the_reading(results: Path, monkeypatch: pytest.MonkeyPatch):
    def cannot(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("gadus.web.archive._pack", cannot)
    before = opened()
    with pytest.raises(MemoryError):
        async with aclosing(_packed(results, "w|gz", _file)) as pieces:
            await anext(pieces)
    assert opened() <= before
