"""
Objects in S3, or in anything that speaks like it: the type `s3`.

    Key "a/b.csv"          that object                      ─▶ <target>/b.csv
    Key "a/b/"             everything below the prefix      ─▶ <target>/<key without "a/b/">
    Key "a/b*"             everything that begins with it   ─▶ <target>/<key without "a/">
    no Key                 the whole bucket                 ─▶ <target>/<key>
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from gadus.config import Settings
from gadus.contracts import Arrivals, Wanted
from gadus.core.errors import InputUnsafe, InvalidSpec, NothingMatched, StorageUnavailable
from gadus.core.manifest import Item, Manifest
from gadus.core.tree import check_paths, parents
from gadus.s3.bucket import Bucket, open_bucket
from gadus.s3.credentials import Chain
from gadus.s3.listing import Listed
from gadus.s3.location import Location, locate
from gadus.s3.transfer import Target, transfer

from ._s3_params import S3Params


class Source:
    """The contract `Source` for S3."""

    Params = S3Params

    def __init__(self, settings: Settings) -> None:
        del settings  # everything it needs is in the params and the AWS chain
        self._chain = Chain()
        self._found: dict[Location, Location] = {}

    async def resolve(self, params: S3Params) -> Manifest:
        """The exact objects, from one LIST per 1,000 keys, or one HEAD for a single object."""
        async with self._open(params) as bucket:
            one = await bucket.head(params.key, params.version_id) if params.names_one_object else None
            if one is not None:
                return _manifest(params, bucket, [(one, relative_path(one.key, params.key))])
            found = [(one, relative_path(one.key, _prefix_of(params))) async for one in _matching(params, bucket)]
            if not found and params.on_empty == "fail":
                raise _nothing(params)
            return _manifest(params, bucket, found)

    async def fetch(self, params: S3Params, manifest: Manifest, wanted: Sequence[Wanted], arrivals: Arrivals) -> None:
        """One GET for each object below the part size, parts in parallel above it, each of exactly the listed version."""
        by_file = {one.into: one for one in wanted}
        targets = [
            Target(item.key, item.size_bytes, item.etag, item.version_id, item.sha256, one.into)
            for one in wanted
            for item in (one.item,)
        ]
        del manifest  # the items say all
        async with self._open(params) as bucket:
            await transfer(
                bucket,
                targets,
                received=arrivals.received,
                whole=lambda target, sha256: arrivals.whole(by_file[target.into], sha256),
            )

    @asynccontextmanager
    async def _open(self, params: S3Params) -> AsyncIterator[Bucket]:
        said = locate(
            params.bucket,
            endpoint=params.endpoint or self._chain.default_endpoint(),
            region=params.region,
            default_region=self._chain.default_region(),
            addressing=params.addressing_style or None,
            requester_pays=params.request_payer == "requester",
            anonymous=params.anonymous,
        )
        async with open_bucket(self._found.get(said, said), self._chain) as bucket:
            try:
                yield bucket
            finally:
                # Where it turned out to be: the next question goes there at once.
                self._found[said] = bucket.location


def relative_path(key: str, prefix: str) -> str:
    """
    Where `key` lies below the target: relative to the last `/` of `prefix`, as in Bacalhau.

    Empty and `.` segments vanish; `..` stays, to be refused. "" for the directory itself.
    """
    above = prefix.rpartition("/")[0]
    rest = key[len(above) + 1 :] if above or prefix.startswith("/") else key
    return "/".join(part for part in rest.split("/") if part not in ("", "."))


def _prefix_of(params: S3Params) -> str:
    """The prefix to list: a single key that turned out to be a directory stands for what is below it."""
    return f"{params.key}/" if params.names_one_object else params.prefix


async def _matching(params: S3Params, bucket: Bucket) -> AsyncIterator[Listed]:
    prefix = _prefix_of(params)
    wanted = params.wanted
    async for page in bucket.pages(prefix):
        for one in page:
            if wanted is None or wanted.search(one.key[len(prefix) :]):
                yield one


def _manifest(params: S3Params, bucket: Bucket, found: Sequence[tuple[Listed, str]]) -> Manifest:
    markers = [(one, path) for one, path in found if one.key.endswith("/")]
    files = [(one, path) for one, path in found if not one.key.endswith("/")]
    full = [one.key for one, _ in markers if one.size_bytes]
    if full:
        raise InputUnsafe(
            f"these keys end in '/', as directories do, and hold data: {', '.join(map(repr, full[:10]))}",
            hint="leave them out with Filter, e.g. Filter: '[^/]$'",
        )
    above = {directory for _, path in files for directory in parents(path)}
    empty = tuple(sorted({path for _, path in markers if path} - above))
    paths = {one.key: path for one, path in files}
    if len(paths) < len(files):
        raise StorageUnavailable(f"{bucket.location.endpoint} lists the same key twice", hint="try again later")
    check_paths(paths, empty)
    if params.sha256 and len(files) != 1:
        raise InvalidSpec(
            [f"ChecksumSHA256 pins one object, and there are {len(files)} under s3://{params.bucket}/{_prefix_of(params)}"],
            hint="give the key of one object in Key",
        )
    items = tuple(
        Item(
            key=one.key,
            path=path,
            size_bytes=one.size_bytes,
            etag=one.etag,
            version_id=one.version_id,
            sha256=params.sha256,
        )
        for one, path in files
    )
    return Manifest(location=str(bucket.location), items=items, directories=empty)


def _nothing(params: S3Params) -> NothingMatched:
    where = f"s3://{params.bucket}/{_prefix_of(params)}"
    if params.filter:
        return NothingMatched(
            f"no object under {where} matches Filter {params.filter!r}",
            hint="the filter sees the key after the prefix; OnEmpty: allow accepts an empty input",
        )
    return NothingMatched(
        f"there is no object under {where}", hint="check Bucket and Key; OnEmpty: allow accepts an empty input"
    )
