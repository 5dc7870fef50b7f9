"""
The promises of the contract `Source`, as tests that every source runs.

Subclass `SourcePromises` in a test module and give its fixture `offer`: how to put data where the source finds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from gadus.contracts import Source, Wanted
from gadus.core.errors import GadusError
from gadus.core.manifest import Manifest
from gadus.core.tree import check_paths


@dataclass(frozen=True)
class Offer:
    """A source with something to fetch: `content` by relative path, and params that name nothing at all."""

    source: Source[Any]
    params: BaseModel
    content: Mapping[str, bytes]
    missing: BaseModel


@dataclass
class Arrived:
    """Arrivals that remember what they were told."""

    size_bytes: int = 0
    whole_paths: list[str] = field(default_factory=list)

    def received(self, size_bytes: int) -> None:
        """Count the bytes."""
        self.size_bytes += size_bytes

    def whole(self, wanted: Wanted, sha256: str = "") -> None:  # noqa: ARG002 - the contract's signature
        """Remember the file."""
        self.whole_paths.append(wanted.item.path)


async def fetch_into(directory: Path, source: Source[Any], params: BaseModel) -> tuple[Manifest, Arrived]:
    """Resolve and fetch everything into `directory`, each file at its own path."""
    manifest = await source.resolve(params)
    wanted = [Wanted(item, directory / (item.path or "file")) for item in manifest.items]
    for one in wanted:
        one.into.parent.mkdir(parents=True, exist_ok=True)
    arrived = Arrived()
    await source.fetch(params, manifest, wanted, arrived)
    return manifest, arrived


def content_of(directory: Path) -> dict[str, bytes]:
    """Every file below `directory` by relative path."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


class SourcePromises:
    """What holds for every source. The fixture `offer` is the subclass's to give."""

    async def test_every_byte_arrives_at_its_path_and_stays(self, offer: Offer, tmp_path: Path) -> None:
        _, arrived = await fetch_into(tmp_path / "in", offer.source, offer.params)
        assert not [path for path in (tmp_path / "in").rglob("*") if path.is_file() and path.stat().st_mode & 0o222]
        assert content_of(tmp_path / "in") == {path or "file": body for path, body in offer.content.items()}
        assert sorted(arrived.whole_paths) == sorted(offer.content)
        assert arrived.size_bytes == sum(map(len, offer.content.values()))

    async def test_the_manifest_says_what_there_is_before_it_is_fetched(self, offer: Offer) -> None:
        manifest = await offer.source.resolve(offer.params)
        assert {item.path: item.size_bytes for item in manifest.items} == {
            path: len(body) for path, body in offer.content.items()
        }
        check_paths({item.key: item.path for item in manifest.items if item.path}, manifest.directories)

    async def test_the_same_data_gives_the_same_manifest(self, offer: Offer) -> None:
        first, second = await offer.source.resolve(offer.params), await offer.source.resolve(offer.params)
        assert first.digest == second.digest
        assert first == second

    async def test_a_part_of_the_manifest_can_be_fetched_alone(self, offer: Offer, tmp_path: Path) -> None:
        manifest = await offer.source.resolve(offer.params)
        item = manifest.items[-1]
        await offer.source.fetch(offer.params, manifest, [Wanted(item, tmp_path / "alone")], Arrived())
        assert (tmp_path / "alone").read_bytes() == offer.content[item.path]
        assert [path.name for path in tmp_path.iterdir()] == ["alone"]

    async def test_what_is_not_there_is_a_named_error(self, offer: Offer) -> None:
        with pytest.raises(GadusError) as caught:
            await offer.source.resolve(offer.missing)
        assert not caught.value.can_retry
        assert caught.value.hint
