"""
Objects in S3, or in anything that speaks like it: the type `s3`.

    Key "a/b.csv"          that object                      ─▶ <target>/b.csv
    Key "a/b/"             everything below the prefix      ─▶ <target>/<key without "a/b/">
    Key "a/b*"             everything that begins with it   ─▶ <target>/<key without "a/">
    no Key                 the whole bucket                 ─▶ <target>/<key>
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager

from gadus.config import Settings
from gadus.contracts import Found, Slot
from gadus.core.errors import InputUnsafe, InvalidSpec, NothingMatched
from gadus.core.manifest import Item
from gadus.s3.bucket import Bucket
from gadus.s3.credentials import Chain
from gadus.s3.lanes import Lanes
from gadus.s3.listing import Listed
from gadus.s3.location import Location, locate
from gadus.s3.requests import Requests
from gadus.s3.transfer import transfer

from ._s3_digests import Digests, read_digests
from ._s3_params import S3Params


class Source:
    """The contract `Source` for S3. Connections, credentials and the budget of requests are shared by all that use it."""

    Params = S3Params

    def __init__(self, settings: Settings) -> None:
        del settings  # everything it needs is in the params and the AWS chain
        self._chain = Chain()
        self._requests = Requests(self._chain)
        self._lanes = Lanes()
        self._found: dict[Location, Location] = {}

    async def resolve(self, params: S3Params) -> AsyncGenerator[Found]:
        """The exact objects, from one LIST per 1,000 keys, or one HEAD for a single object."""
        with self._open(params) as bucket:
            if params.names_one_object:
                one = await bucket.head(params.key, params.version_id)
                if one is not None:
                    path = relative_path(params.key, params.key)
                    sha256 = params.sha256
                    if params.checksum_manifest:
                        given = await self._digests(params)
                        sha256 = given.of(params.key, path)
                        given.check_complete()
                    item = Item(params.key, path, one.size_bytes, one.etag, one.version_id, sha256, one.checksum)
                    yield Found(str(bucket.location), (item,))
                    return
            digests = await self._digests(params) if params.checksum_manifest else None
            number = 0
            async with aclosing(_matching(params, bucket)) as pages:
                async for page in pages:
                    found = _found(params, bucket, page, digests)
                    number += len(found.items) + len(found.directories)
                    if params.sha256 and number > 1:
                        raise _pins_one(params)
                    yield found
            if not number and params.on_empty == "fail":
                raise _nothing(params)
            if digests is not None:
                digests.check_complete()
            # Also for an empty input: it has a location.
            yield Found(str(bucket.location), ())

    async def check_access(self, params: S3Params) -> None:
        """One HEAD for a single object, else one LIST of a single key."""
        with self._open(params) as bucket:
            if not params.names_one_object or await bucket.head(params.key, params.version_id) is None:
                await bucket.may_list(_prefix_of(params))

    async def fetch(self, params: S3Params, slots: AsyncIterator[Slot]) -> None:
        """One GET for each object below the part size, parts in parallel above it, each of exactly the listed version."""
        with self._open(params) as bucket:
            await transfer(bucket, slots, self._lanes)

    def errors(self) -> Mapping[str, int]:
        """See `Counting`."""
        return self._requests.troubles.taken()

    async def _digests(self, params: S3Params) -> Digests:
        name, _, key = params.checksum_manifest.removeprefix("s3://").partition("/")
        with self._open(params.model_copy(update={"bucket": name})) as bucket:
            return await read_digests(bucket, key)

    @contextmanager
    def _open(self, params: S3Params) -> Iterator[Bucket]:
        said = locate(
            params.bucket,
            endpoint=params.endpoint or self._chain.default_endpoint(),
            region=params.region,
            default_region=self._chain.default_region(),
            addressing=params.addressing_style or None,
            requester_pays=params.request_payer == "requester",
            anonymous=params.anonymous,
        )
        bucket = Bucket(self._found.get(said, said), self._chain, self._requests)
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
    if "//" in rest or "./" in rest or rest.startswith(("/", ".")) or rest.endswith(("/", ".")):
        return "/".join(part for part in rest.split("/") if part not in ("", "."))
    return rest


def _prefix_of(params: S3Params) -> str:
    """The prefix to list: a single key that turned out to be a directory stands for what is below it."""
    return f"{params.key}/" if params.names_one_object else params.prefix


async def _matching(params: S3Params, bucket: Bucket) -> AsyncGenerator[list[Listed]]:
    prefix = _prefix_of(params)
    wanted = params.wanted
    async with aclosing(bucket.pages(prefix)) as pages:
        async for page in pages:
            yield page if wanted is None else [one for one in page if wanted.search(one.key[len(prefix) :])]


def _found(params: S3Params, bucket: Bucket, page: Sequence[Listed], digests: Digests | None) -> Found:
    prefix = _prefix_of(params)
    items = []
    directories = []
    full = []
    for one in page:
        path = relative_path(one.key, prefix)
        if not one.key.endswith("/"):
            sha256 = digests.of(one.key, path) if digests else params.sha256
            items.append(Item(one.key, path, one.size_bytes, one.etag, one.version_id, sha256))
        elif one.size_bytes:
            full.append(one.key)
        elif path:
            directories.append(path)
    if full:
        raise InputUnsafe(
            f"these keys end in '/', as directories do, and hold data: {', '.join(map(repr, full[:10]))}",
            hint="leave them out with Filter, e.g. Filter: '[^/]$'",
        )
    return Found(str(bucket.location), items, directories)


def _pins_one(params: S3Params) -> InvalidSpec:
    return InvalidSpec(
        [f"ChecksumSHA256 pins one object, and there are more under s3://{params.bucket}/{_prefix_of(params)}"],
        hint="give the key of one object in Key, or the digests of all in ChecksumManifest",
    )


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
