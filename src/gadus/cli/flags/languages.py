"""
The small languages of flags: what ``-i``, ``-o``, ``-p``, ``-l``, ``-c`` and ``-e`` say, as parts of a job.

``-i`` and ``-p`` take one CSV record, so double quotes around a field protect its commas.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

from gadus import plugins
from gadus.core.errors import InvalidSpec
from gadus.core.jobfile.decode import decode_params
from gadus.core.problem import clipped, nearest
from gadus.core.selector import parse_constraints, parse_labels
from gadus.core.spec import InputSource, ResultPath, SpecConfig

from .local import carried

__all__ = [
    "DEFAULT_TARGET",
    "parse_constraints",
    "parse_env",
    "parse_input",
    "parse_labels",
    "parse_publisher",
    "parse_result_path",
]

DEFAULT_TARGET = "/inputs"

_S3_OPTIONS = {
    "endpoint": "Endpoint",
    "region": "Region",
    "versionid": "VersionID",
    "checksum256": "ChecksumSHA256",
    "checksumsha256": "ChecksumSHA256",
    "filter": "Filter",
    "requestpayer": "RequestPayer",
    "anonymous": "Anonymous",
    "onempty": "OnEmpty",
    "addressingstyle": "AddressingStyle",
    "checksummanifest": "ChecksumManifest",
    "partition": "Partition",
    "mode": "Mode",
    "readwrite": "ReadWrite",
    "rw": "ReadWrite",
}
_URL_OPTIONS = {name: _S3_OPTIONS[name] for name in ("checksum256", "checksumsha256", "readwrite", "rw")}
_PARTITIONS = {
    "none": "none",
    "object": "object",
    "bytes": "bytes",
    "regex": r"regex:user(\d+)",
    "substring": "substring:0:4",
    "date": "date:2006-01-02",
}
"""An example of each type of partition."""
_PUBLISHER_OPTIONS = {name: name.capitalize() for name in ("bucket", "key", "region", "endpoint", "encoding")}
_PUBLISHERS = ("local", "s3", "s3managed", "ipfs", "noop")
_TRUTHS = {"true": True, "t": True, "1": True, "yes": True, "false": False, "f": False, "0": False, "no": False}

_COMMAS = """a comma separates fields: put a field that contains one in double quotes, as in '"s3://bucket/a,b.csv",dst=/in\'"""
_NAMED = re.compile(r"\s*([A-Za-z_-]+)\s*=(.*)", re.DOTALL)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_TARGET_MARK = re.compile(r":(?=/(?!/))")
_START_AND_END = re.compile(r"\s*([0-9]{1,9})\s*:\s*([0-9]{1,9})\s*")
_OF_THIS_MACHINE = re.compile(r"[./~]")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def parse_input(text: str) -> InputSource:
    """
    The input that ``-i`` describes: ``URI[:PATH]`` or ``src=URI``, then ``dst=PATH`` and ``opt=NAME=VALUE`` in any order.

    In ``URI:PATH`` the path begins at the last ``:/`` that is not ``://``; everything else, also ``=``, ``?``, ``#`` and
    ``host:8080``, belongs to the URI. After ``s3://bucket/`` comes the key, percent-decoded and without leading slashes: a
    literal ``%`` is written ``%25``. What begins with ``.``, ``/`` or ``~`` is a file or directory of this machine, whose data
    goes along with the job. Without a path the Target is `DEFAULT_TARGET`. The Alias is the URI. Raises InvalidSpec.
    """
    record = _record(text, "-i")
    target = record.target
    uri = record.subject
    if not record.subject_is_named:
        marks = list(_TARGET_MARK.finditer(uri, uri.find("://") + 3))
        if marks:
            path = _trimmed(uri[marks[-1].end() :])
            if target and target != path:
                raise InvalidSpec([f"{clipped(text)}: has two paths, {clipped(path)} and {clipped(target)}"])
            uri, target = _trimmed(uri[: marks[-1].start()]), path
    if _OF_THIS_MACHINE.match(uri):
        _params(record.options, {}, "a file of this machine")
        source, target = carried(uri, target, DEFAULT_TARGET)
    else:
        source = _source(uri, record.options)
    fields = {"Source": source, "Alias": uri, "Target": target or DEFAULT_TARGET}
    return decode_params(InputSource, fields, clipped(uri))


def parse_publisher(text: str) -> SpecConfig:
    """The publisher ``-p`` describes: ``local``, ``s3://bucket/key``, ``s3,opt=bucket=…,opt=key=…``. Raises InvalidSpec."""
    record = _record(text, "-p")
    subject = record.subject or record.target
    scheme = _SCHEME.fullmatch(subject)
    name = (scheme[1] if scheme else subject).lower()
    if name not in _PUBLISHERS or (scheme and name != "s3"):
        what = f"unknown publisher type: {clipped(subject)}; {nearest(name, _PUBLISHERS)}"
        raise InvalidSpec([what], hint="write -p local, or -p s3://bucket/{jobID}/{executionID}")
    if name != "s3":
        _params(record.options, {}, f"publisher {name}")
        return decode_params(SpecConfig, {"Type": name}, "publisher")
    bucket, key = _bucket_and_key(scheme[2]) if scheme else ("", "")
    params = {"Bucket": bucket, "Key": key} | _params(record.options, _PUBLISHER_OPTIONS, "publisher s3")
    for option in ("Bucket", "Key"):
        if not params[option]:
            what = f"failed to build s3 publisher spec: invalid s3 params. {option.lower()} cannot be empty"
            raise InvalidSpec([f"{clipped(text)}: {what}"], hint="write -p s3://bucket/{jobID}/{executionID}")
    return decode_params(SpecConfig, {"Type": name, "Params": params}, "publisher")


def parse_result_path(text: str) -> ResultPath:
    """What ``-o NAME:PATH`` keeps. Raises InvalidSpec."""
    parts = text.split(":")
    if len(parts) != 2 or not all(part.strip() for part in parts):
        raise InvalidSpec([f"invalid output volume: {clipped(text)}"], hint="write -o NAME:PATH, e.g. -o outputs:/outputs")
    return decode_params(ResultPath, {"Name": parts[0], "Path": parts[1]}, clipped(text))


def parse_env(texts: Sequence[str]) -> dict[str, str]:
    """
    Variables from ``-e KEY=value``, the last of one name wins; a comma does not split a value. Raises InvalidSpec.

    Values never stand in a message.
    """
    variables: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not name.strip() or "\0" in text:
            raise InvalidSpec(["a variable has no name, or a null character"], hint="write -e NAME=value")
        if not sign:
            what = f"{clipped(name)}: has no value"
            raise InvalidSpec(
                [what], hint=f'write -e {clipped(name)}=value, or -e {clipped(name)}="${clipped(name)}" to pass yours on'
            )
        variables[name] = value
    return variables


@dataclass(slots=True)
class _Record:
    """One CSV record: what it is about, its path, and its options in the order given."""

    subject: str = ""
    subject_is_named: bool = False
    target: str = ""
    options: list[tuple[str, str]] = field(default_factory=list)


def _record(text: str, flag: str) -> _Record:
    record = _Record()
    for number, part in enumerate(_csv_fields(text)):
        named = _NAMED.fullmatch(part)
        key, value = (named[1].lower(), _trimmed(named[2])) if named else ("", "")
        if key in ("src", "source") and flag == "-i":
            record.subject, record.subject_is_named = value, True
        elif key in ("dst", "target", "destination"):
            record.target = value
        elif key in ("opt", "option") and named:
            name, sign, setting = named[2].partition("=")
            if not sign:
                raise _bad_option(part, flag)
            # As in Bacalhau, an option without a name says nothing.
            record.options += [(name.strip(), setting)] if name.strip() else []
        elif number == 0 and not named:
            record.subject = _trimmed(part)
        elif named:
            known = nearest(key, ["src", "dst", "opt"])
            raise InvalidSpec([f"unexpected key {clipped(named[1])!r} in field {clipped(part)!r}; {known}"], hint=_COMMAS)
        else:
            raise _bad_option(part, flag)
    return record


def _csv_fields(text: str) -> Iterator[str]:
    try:
        text.encode()
        yield from next(csv.reader([text], strict=True), [])
    except UnicodeEncodeError as exc:
        raise InvalidSpec([f"{clipped(text)!r}: is not UTF-8 text"]) from exc
    except csv.Error as exc:
        raise InvalidSpec([f"{clipped(text)!r}: cannot be read: {exc}"], hint=_COMMAS) from exc


def _bad_option(part: str, flag: str) -> InvalidSpec:
    what = "invalid storage option" if flag == "-i" else "invalid publisher option"
    return InvalidSpec([f"{what}: {clipped(part)}. Must be a key=value pair"], hint=_COMMAS)


def _source(uri: str, options: Sequence[tuple[str, str]]) -> dict[str, Any]:
    match = _SCHEME.fullmatch(uri)
    scheme = match[1].lower() if match else ""
    if match and scheme == "s3":
        bucket, key = _bucket_and_key(match[2])
        params = {"Bucket": bucket} | ({"Key": key} if key else {}) | _params(options, _S3_OPTIONS, "storage s3")
        return {"Type": "s3", "Params": params}
    if match and scheme in ("http", "https"):
        return {"Type": "urlDownload", "Params": {"URL": uri} | _params(options, _URL_OPTIONS, "storage urlDownload")}
    if not uri:
        raise InvalidSpec(["there is no source"], hint="write -i s3://bucket/key:/path or -i src=s3://bucket/key,dst=/path")
    if scheme == "file":
        raise InvalidSpec(
            [f"{clipped(uri)}: directories of a node are not offered as inputs"],
            hint="write -i ./path for small data of this machine, which then goes along with the job",
        )
    what = f"unsupported type: {scheme}" if scheme else "unknown storage schema"
    present = ", ".join(plugins.names("storage"))
    raise InvalidSpec(
        [f"{clipped(uri)}: {what}: give s3://bucket/key or https://host/file"],
        hint=f"sources of this installation, for job files: {present}",
    )


def _bucket_and_key(rest: str) -> tuple[str, str]:
    """What stands behind ``s3://``."""
    bucket, _, key = rest.partition("/")
    if not bucket:
        raise InvalidSpec([f"s3://{clipped(rest)}: has no bucket"], hint="write s3://bucket/key")
    encoded = key.lstrip("/")
    what = f"s3://{clipped(rest)}: invalid URL escape: a literal % is written %25"
    if _BAD_ESCAPE.search(encoded):
        raise InvalidSpec([what])
    try:
        return bucket, unquote_to_bytes(encoded).decode()
    except UnicodeDecodeError as exc:
        raise InvalidSpec([f"{what}, and escapes must be UTF-8"]) from exc


def _params(options: Sequence[tuple[str, str]], known: dict[str, str], whose: str) -> dict[str, Any]:
    """The options as params with canonical names; of one given again, the last counts."""
    params: dict[str, Any] = {}
    for name, value in options:
        canonical = known.get(name.lower().replace("-", "").replace("_", ""))
        if canonical is None:
            raise InvalidSpec([f'unknown option "{clipped(name)}" for {whose}; {nearest(name, list(known))}'])
        read = {"Anonymous": _truth, "ReadWrite": _truth, "Partition": _partition}.get(canonical)
        params[canonical] = read(name, value) if read else value
    return params


def _partition(name: str, text: str) -> dict[str, Any]:
    """What ``object``, ``regex:PATTERN``, ``substring:START:END`` and so on say, as the params of a partition."""
    kind, colon, said = text.partition(":")
    kind = kind.strip().lower()
    if kind not in _PARTITIONS:
        what = f'unknown partition "{clipped(kind)}" in option {name}; {nearest(kind, list(_PARTITIONS))}'
        raise InvalidSpec([what], hint=f"write e.g. {' or '.join(f'opt=partition={one}' for one in _PARTITIONS.values())}")
    indexes = _START_AND_END.fullmatch(said)
    match kind:
        case "regex" if said:
            return {"Type": kind, "Pattern": said}
        case "date" if said:
            return {"Type": kind, "DateFormat": said}
        case "substring" if indexes:
            return {"Type": kind, "StartIndex": int(indexes[1]), "EndIndex": int(indexes[2])}
        case "none" | "object" | "bytes" if not colon:
            return {"Type": kind}
    raise InvalidSpec(
        [f"option {name}: {clipped(text)!r} is not how {kind} is written: write opt=partition={_PARTITIONS[kind]}"]
    )


def _truth(name: str, text: str) -> bool:
    if text.strip().lower() not in _TRUTHS:
        raise InvalidSpec([f"failed to parse option {name}: {clipped(text)!r} is neither true nor false"])
    return _TRUTHS[text.strip().lower()]


def _trimmed(text: str) -> str:
    return text.strip(" \t\"'")
