"""Turns a refusal into its cause and the way out. Asks the service a little more where the answer alone does not say."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gadus.core.errors import GadusError, InputChanged, InputUnreadable, StorageUnavailable

from . import listing
from .credentials import LOOKED_IN, Credentials
from .patience import THROTTLED, TRANSIENT
from .refusal import Refusal, refusal_in
from .requests import Answer

if TYPE_CHECKING:
    from .bucket import Bucket

_NEAREST_KEYS = 3
_LARGEST_SKEW_SECONDS = 15 * 60
_CLOCK = "RequestTimeTooSkewed"
_THROTTLED = ("SlowDown", "TooManyRequests", "RequestLimitExceeded", "Throttling", "ThrottlingException")


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked for when the service refused: one object, or a listing when `key` is empty."""

    key: str = ""
    prefix: str = ""
    version_id: str = ""
    listed: bool = False
    """The object stood in a listing: if it is gone now, it was removed in between."""


async def explain(bucket: Bucket, question: Question, answer: Answer) -> GadusError:
    """The error to raise for `answer`: it names the cause, and the hint what to do about it."""
    refusal = _read(answer)
    if answer.status not in TRANSIENT:
        # Those were counted when they came.
        bucket.requests.troubles.note(answer.status)
    if not answer.body and question.key and answer.status < 500:
        # A HEAD is refused without a word; the same GET says why. One byte, so that nothing is downloaded.
        query = f"versionId={listing.quoted(question.version_id)}" if question.version_id else ""
        said = await _asked(bucket, question.key, query=query, headers={"range": "bytes=0-0"})
        if said is not None and not said.good:
            refusal = replace(_read(said), deleted=refusal.deleted)
    where = f"s3://{bucket.location.bucket}/{_shown(question.key or question.prefix)}"
    if refusal.status == 407:
        return InputUnreadable(
            f"the proxy before {bucket.location.endpoint} wants a name and password",
            hint="write them into HTTP_PROXY, as http://name:password@host:port, or name the host in NO_PROXY",
        )
    if refusal.foreign and refusal.status < 500:
        return InputUnreadable(
            f"{bucket.location.endpoint} does not answer as an S3 service does: {refusal.status} {refusal.foreign}",
            hint="check Endpoint: http or https, host, and port; web consoles listen on another port than S3",
        )
    if refusal.status == 404 or refusal.code in ("NoSuchKey", "NoSuchBucket", "NoSuchVersion"):
        return await _missing(bucket, question, refusal, where)
    if refusal.status in THROTTLED or refusal.status >= 500 or refusal.code in _THROTTLED:
        return _of_the_moment(bucket, refusal)
    return _of_the_object(bucket, refusal, where) or await _of_access(bucket, question, refusal, where)


def changed(bucket_name: str, key: str, detail: str) -> InputChanged:
    """The object is no longer the one that was listed."""
    return InputChanged(
        f"s3://{bucket_name}/{_shown(key)} was {detail} after it was listed",
        hint="run the job again for the new data, or pin a version with VersionID",
    )


async def _missing(bucket: Bucket, question: Question, refusal: Refusal, where: str) -> GadusError:
    if refusal.code == "NoSuchBucket" or not question.key:
        return InputUnreadable(
            f"bucket {bucket.location.bucket!r} does not exist at {bucket.location.endpoint}",
            hint="check Bucket and, for a service that is not AWS, Endpoint",
        )
    if question.listed:
        return changed(bucket.location.bucket, question.key, "removed")
    if question.version_id:
        return _no_version(question, where)
    if refusal.deleted:
        return InputUnreadable(f"{where} was deleted", hint="name one of its older versions in VersionID")
    near = await _nearest(bucket, question.key)
    if any(key.startswith(question.key + "/") for key in near):
        hint = f"it is a prefix: write {question.key}/ for all objects below it"
    else:
        hint = f"nearest keys: {', '.join(map(_shown, near))}" if near else "check Key; a prefix ends in / or *"
    return InputUnreadable(f"{where} does not exist", hint=hint)


def _no_version(question: Question, where: str) -> GadusError:
    return InputUnreadable(f"{where} has no version {question.version_id!r}", hint="leave VersionID out for the newest version")


def _of_the_moment(bucket: Bucket, refusal: Refusal) -> GadusError:
    throttled = refusal.status in THROTTLED or refusal.code in _THROTTLED
    does = "throttles, or has too much to do" if throttled else "fails"
    return StorageUnavailable(
        f"{bucket.location.endpoint} {does}: {refusal.said} {refusal.foreign}".rstrip(), hint="try again later"
    )


def _of_the_object(bucket: Bucket, refusal: Refusal, where: str) -> GadusError | None:
    """Causes that the object carries itself, whoever asks for it."""
    if refusal.code == "InvalidObjectState":
        into = f" in {refusal.storage_class}" if refusal.storage_class else ""
        return InputUnreadable(
            f"{where} is archived{into}", hint="restore it first: `aws s3api restore-object`; that takes minutes to hours"
        )
    if "kms" in (refusal.code + refusal.message).lower():
        return InputUnreadable(
            f"{where} is encrypted with a KMS key that these credentials may not use: {refusal.said}",
            hint="allow kms:Decrypt on the key, and check that the key is enabled",
        )
    if "requester" in (refusal.code + refusal.message).lower() and not bucket.location.requester_pays:
        return InputUnreadable(f"{where} lets the requester pay", hint="set RequestPayer: requester")
    return None


async def _of_access(bucket: Bucket, question: Question, refusal: Refusal, where: str) -> GadusError:
    if refusal.status not in (401, 403) and refusal.code not in (_CLOCK, *_IDENTITY):
        return _other(bucket, question, refusal, where)
    credentials = None if bucket.location.anonymous else await bucket.chain.credentials()
    if credentials is None:
        return _not_public(bucket, question, where)
    ahead = refusal.clock_ahead_seconds
    if refusal.code == _CLOCK or abs(ahead) > _LARGEST_SKEW_SECONDS:
        off = f"about {abs(ahead) // 60} minutes {'ahead' if ahead > 0 else 'behind'}" if ahead else "some minutes"
        return InputUnreadable(
            f"this machine's clock is off by {off}: {bucket.location.endpoint} refuses its requests",
            hint="set the clock, e.g. with `timedatectl set-ntp true`",
        )
    if refusal.code in _IDENTITY:
        message, hint = _IDENTITY[refusal.code]
        return InputUnreadable(f"{bucket.location.endpoint} {message}", hint=hint)
    return await _denied(bucket, question, refusal, credentials, where)


def _not_public(bucket: Bucket, question: Question, where: str) -> GadusError:
    listing_only = "" if question.key else "; a single object may be public though its bucket cannot be listed"
    if bucket.location.anonymous:
        return InputUnreadable(
            f"{where} is not public, and Anonymous asks without credentials", hint=f"leave Anonymous out{listing_only}"
        )
    return InputUnreadable(
        f"{where} is not public; no credentials were found (looked in {LOOKED_IN})",
        hint=f"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE{listing_only}",
    )


async def _denied(bucket: Bucket, question: Question, refusal: Refusal, credentials: Credentials, where: str) -> GadusError:
    who = f"the access key …{credentials.access_key[-4:]}"
    said = f": {refusal.message}" if refusal.message else ""
    if not question.key:
        action = "allow s3:ListBucket on the bucket: a prefix needs it, the key of one object does not"
    elif question.listed:
        action = "allow s3:GetObject on the object: these credentials may list the bucket, and not read it"
    else:
        listed = await _asked(bucket, query=listing.query(question.key))
        if listed is not None and listed.good and question.key not in _keys_in(listed, question.key):
            return await _missing(bucket, question, replace(refusal, code="NoSuchKey"), where)
        action = "allow s3:GetObject on the object"
        if listed is None or not listed.good:
            action += "; if it is allowed, the key does not exist: only with s3:ListBucket the service says so"
    if bucket.location.is_aws and not bucket.location.requester_pays:
        action += "; a bucket whose requester pays needs RequestPayer: requester"
    return InputUnreadable(f"{where}: access denied for {who}{said}", hint=action)


def _other(bucket: Bucket, question: Question, refusal: Refusal, where: str) -> GadusError:
    if refusal.status == 412:
        return changed(bucket.location.bucket, question.key, "replaced")
    if question.version_id and (refusal.code == "InvalidArgument" or refusal.status == 405):
        # 405: that version only says that the object was deleted.
        return _no_version(question, where)
    if refusal.status in (301, 307) or refusal.region:
        return _elsewhere(bucket, refusal, where)
    return InputUnreadable(f"{where} cannot be read: {refusal.said}", hint="check Bucket, Key, VersionID, Region and Endpoint")


def _elsewhere(bucket: Bucket, refusal: Refusal, where: str) -> GadusError:
    message = f"{where} is not served by {bucket.location.endpoint} in region {bucket.location.region}: {refusal.said}"
    if refusal.endpoint:
        return InputUnreadable(message, hint=f"the service names another address for it: set Endpoint for {refusal.endpoint}")
    if refusal.region and refusal.region != bucket.location.region:
        return InputUnreadable(message, hint=f"the right one is {refusal.region}: set Region: {refusal.region}")
    return InputUnreadable(message, hint="set Region to the bucket's region, and Endpoint to the service's address there")


async def _nearest(bucket: Bucket, key: str) -> Sequence[str]:
    """Keys that exist and look like `key`; none when listing is not allowed."""
    directory = key.rpartition("/")[0]
    for prefix in dict.fromkeys((key, f"{directory}/" if directory else "", "")):
        answer = await _asked(bucket, query=listing.query(prefix))
        if answer is None or not answer.good:
            return []
        keys = _keys_in(answer, prefix)
        near = [one for one in keys if one.startswith(key)] or difflib.get_close_matches(key, keys, _NEAREST_KEYS)
        if near:
            return near[:_NEAREST_KEYS]
    return []


def _keys_in(answer: Answer, prefix: str) -> Sequence[str]:
    try:
        return [one.key for one in listing.parse(answer.body, prefix).objects]
    except StorageUnavailable:
        # The refusal is to be explained, not the listing.
        return []


async def _asked(bucket: Bucket, key: str = "", *, query: str, headers: dict[str, str] | None = None) -> Answer | None:
    """The answer to one more question; None when there is none now."""
    try:
        return await bucket.ask("GET", key, query=query, headers=headers)
    except StorageUnavailable:
        return None


def _read(answer: Answer) -> Refusal:
    return refusal_in(answer.status, answer.headers, answer.body)


def _shown(key: str) -> str:
    return key if key.isprintable() else repr(key)


_IDENTITY = {
    "InvalidAccessKeyId": (
        "does not know the access key",
        "check AWS_ACCESS_KEY_ID or the profile, and that Endpoint is the service that gave out the key",
    ),
    "SignatureDoesNotMatch": (
        "refuses the signature: the secret key does not belong to the access key",
        "check AWS_SECRET_ACCESS_KEY or the profile",
    ),
    "ExpiredToken": ("says that the session token has expired", "renew the session, e.g. with `aws sso login`"),
    "InvalidToken": ("does not accept the session token", "check AWS_SESSION_TOKEN; keys and token belong together"),
    "TokenRefreshRequired": ("says that the session token must be renewed", "renew the session"),
}
