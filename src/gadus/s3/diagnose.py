"""Turns a refusal into its cause and the way out. Asks the service a little more where the answer alone does not say."""

from __future__ import annotations

import difflib
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from gadus.core.errors import GadusError, InputChanged, InputUnreadable, StorageUnavailable

from . import listing
from .credentials import LOOKED_IN
from .requests import Answer

if TYPE_CHECKING:
    from .bucket import Bucket

_NEAREST_KEYS = 3
_LARGEST_SKEW_SECONDS = 15 * 60
_THROTTLED = ("SlowDown", "TooManyRequests", "RequestLimitExceeded", "Throttling")


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked for when the service refused: one object, or a listing when `key` is empty."""

    key: str = ""
    prefix: str = ""
    version_id: str = ""
    listed: bool = False
    """The object stood in a listing: if it is gone now, it was removed in between."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    status: int
    code: str
    message: str
    date: str


async def explain(bucket: Bucket, question: Question, answer: Answer) -> GadusError:
    """The error to raise for `answer`: it names the cause, and the hint what to do about it."""
    refusal = _read(answer)
    if not refusal.code and question.key and answer.status < 500:
        # A HEAD is refused without a word; the same GET says why. One byte, so that nothing is downloaded.
        query = f"versionId={listing.quoted(question.version_id)}" if question.version_id else ""
        refusal = _read(await bucket.ask("GET", question.key, query=query, headers={"Range": "bytes=0-0"}))
    where = f"s3://{bucket.location.bucket}/{question.key or question.prefix}"
    if refusal.status == 404 or refusal.code in ("NoSuchKey", "NoSuchBucket", "NoSuchVersion"):
        return await _missing(bucket, question, refusal, where)
    if refusal.status in (401, 403) or refusal.code in _IDENTITY:
        return await _refused(bucket, question, refusal, where)
    return _other(bucket, question, refusal, where)


def changed(bucket_name: str, key: str, detail: str) -> InputChanged:
    """The object is no longer the one that was listed."""
    return InputChanged(
        f"s3://{bucket_name}/{key} was {detail} after it was listed",
        hint="run the job again for the new data, or pin a version with VersionID",
    )


async def _missing(bucket: Bucket, question: Question, refusal: _Refusal, where: str) -> GadusError:
    if refusal.code == "NoSuchBucket" or not question.key:
        return InputUnreadable(
            f"bucket {bucket.location.bucket!r} does not exist at {bucket.location.endpoint}",
            hint="check Bucket and, for a service that is not AWS, Endpoint",
        )
    if question.listed:
        return changed(bucket.location.bucket, question.key, "removed")
    if question.version_id:
        return InputUnreadable(
            f"{where} has no version {question.version_id!r}", hint="leave VersionID out for the newest version"
        )
    near = await _nearest(bucket, question.key)
    if question.key + "/" in near or any(key.startswith(question.key + "/") for key in near):
        hint = f"it is a prefix: write {question.key}/ for all objects below it"
    else:
        hint = f"nearest keys: {', '.join(near)}" if near else "check Key; a prefix ends in / or *"
    return InputUnreadable(f"{where} does not exist", hint=hint)


async def _refused(bucket: Bucket, question: Question, refusal: _Refusal, where: str) -> GadusError:
    credentials = None if bucket.location.anonymous else await bucket.chain.credentials()
    if credentials is None:
        looked = "" if bucket.location.anonymous else f"; no credentials were found (looked in {LOOKED_IN})"
        return InputUnreadable(
            f"{where} is not public{looked}",
            hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
        )
    if refusal.code in _IDENTITY:
        message, hint = _IDENTITY[refusal.code]
        return InputUnreadable(f"{bucket.location.endpoint} {message}", hint=hint)
    skew = _skew_seconds(refusal)
    if refusal.code == "RequestTimeTooSkewed" or abs(skew) > _LARGEST_SKEW_SECONDS:
        return InputUnreadable(
            f"this machine's clock is off by about {abs(skew) // 60} minutes: {bucket.location.endpoint} refuses its requests",
            hint="set the clock, e.g. with `timedatectl set-ntp true`",
        )
    if refusal.code == "InvalidObjectState":
        return InputUnreadable(f"{where} is archived", hint="restore it first: `aws s3api restore-object`")
    if "kms" in (refusal.code + refusal.message).lower():
        return InputUnreadable(
            f"{where} is encrypted with a KMS key that these credentials may not use: {refusal.message}",
            hint="allow kms:Decrypt on the key",
        )
    if "requester" in refusal.message.lower() and not bucket.location.requester_pays:
        return InputUnreadable(f"{where} lets the requester pay", hint="set RequestPayer: requester")
    action = "s3:GetObject on the object" if question.key else "s3:ListBucket on the bucket (a prefix needs it)"
    who = f"the access key …{credentials.access_key[-4:]}"
    return InputUnreadable(f"{where}: access denied for {who}: {refusal.message}".rstrip(": "), hint=f"allow {action}")


def _other(bucket: Bucket, question: Question, refusal: _Refusal, where: str) -> GadusError:
    said = " ".join(part for part in (str(refusal.status), refusal.code, refusal.message) if part)
    if refusal.code in _THROTTLED or refusal.status == 429:
        return StorageUnavailable(f"{bucket.location.endpoint} throttles: {said}", hint="try again later")
    if refusal.status >= 500:
        return StorageUnavailable(f"{bucket.location.endpoint} fails: {said}", hint="try again later")
    if refusal.status == 412:
        return changed(bucket.location.bucket, question.key, "replaced")
    if refusal.status in (301, 307):
        return InputUnreadable(
            f"{where} is not served by {bucket.location.endpoint} in region {bucket.location.region}: {said}",
            hint="set Region to the bucket's region",
        )
    return InputUnreadable(f"{where} cannot be read: {said}", hint="check Key, VersionID, Region and Endpoint")


async def _nearest(bucket: Bucket, key: str) -> list[str]:
    """Keys that exist and look like `key`; none when listing is not allowed."""
    directory = key.rpartition("/")[0]
    for prefix in dict.fromkeys((key, f"{directory}/" if directory else "", "")):
        answer = await bucket.ask("GET", query=listing.query(prefix))
        if not answer.good:
            return []
        keys = [one.key for one in listing.parse(answer.body, prefix).objects]
        near = [one for one in keys if one.startswith(key)] or difflib.get_close_matches(key, keys, _NEAREST_KEYS)
        if near:
            return near[:_NEAREST_KEYS]
    return []


def _read(answer: Answer) -> _Refusal:
    code = message = ""
    if answer.body and b"<!DOCTYPE" not in answer.body[:1024]:
        try:
            root = ET.fromstring(answer.body)  # noqa: S314 - no document type, so there is nothing to expand
        except ET.ParseError:
            message = answer.body[:200].decode("utf-8", "replace")
        else:
            code, message = root.findtext("Code") or "", root.findtext("Message") or ""
    return _Refusal(answer.status, code, message, answer.headers.get("date", ""))


def _skew_seconds(refusal: _Refusal) -> int:
    """How far this machine's clock is ahead of the service's, by the Date of its answer."""
    try:
        theirs = parsedate_to_datetime(refusal.date)
    except ValueError:
        return 0
    return round((datetime.now(UTC) - theirs).total_seconds()) if theirs.tzinfo else 0


_IDENTITY = {
    "InvalidAccessKeyId": ("does not know the access key", "check AWS_ACCESS_KEY_ID or the profile"),
    "SignatureDoesNotMatch": (
        "refuses the signature: the secret key does not belong to the access key",
        "check AWS_SECRET_ACCESS_KEY or the profile",
    ),
    "ExpiredToken": ("says that the session token has expired", "renew the session, e.g. with `aws sso login`"),
    "InvalidToken": ("does not accept the session token", "check AWS_SESSION_TOKEN; keys and token belong together"),
    "TokenRefreshRequired": ("says that the session token must be renewed", "renew the session"),
}
