"""``opt=partition=`` of ``-i`` becomes the partition that a job file would give."""

from __future__ import annotations

from typing import Any

import pytest

from gadus import plugins
from gadus.cli.flags.languages import parse_input
from gadus.core.errors import InvalidSpec
from gadus.core.jobfile.decode import decode_params


def refused(text: str) -> InvalidSpec:
    with pytest.raises(InvalidSpec) as caught:
        parse_input(text)
    return caught.value


@pytest.mark.parametrize(
    ("option", "partition"),
    [
        ("object", {"Type": "object"}),
        ("Bytes", {"Type": "bytes"}),
        ("none", {"Type": "none"}),
        (r"regex:user=(\d+):x", {"Type": "regex", "Pattern": r"user=(\d+):x"}),
        ("substring:0:4", {"Type": "substring", "StartIndex": 0, "EndIndex": 4}),
        ("date:2006-01-02T15:04", {"Type": "date", "DateFormat": "2006-01-02T15:04"}),
    ],
)
def test_partition_is_one_option(option: str, partition: dict[str, Any]) -> None:
    params = parse_input(f"s3://abc/p/:/in,opt=partition={option}").source.params
    assert params["Partition"] == partition
    decode_params(plugins.load("storage", "s3").Params, params, "Params")


def test_partition_pattern_with_a_comma_is_put_in_double_quotes() -> None:
    params = parse_input(r's3://abc/p/,"opt=partition=regex:^\d{1,2}"').source.params
    assert params["Partition"] == {"Type": "regex", "Pattern": r"^\d{1,2}"}


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ("objekt", 'unknown partition "objekt" in option partition; did you mean object?'),
        ("", "known: none, object, bytes, regex, substring, date"),
        ("regex", r"write opt=partition=regex:user(\d+)"),
        ("regex:", r"write opt=partition=regex:user(\d+)"),
        ("substring:3", "write opt=partition=substring:0:4"),
        ("substring:-1:3", "write opt=partition=substring:0:4"),
        ("date", "write opt=partition=date:2006-01-02"),
        ("object:x", "write opt=partition=object"),
    ],
)
def test_partition_that_is_none_is_refused_with_an_example(option: str, problem: str) -> None:
    assert problem in refused(f"s3://b/p/,opt=partition={option}").message


def test_unknown_partition_shows_how_each_is_written() -> None:
    hint = refused("s3://b/p/,opt=partition=size").hint
    assert "opt=partition=bytes" in hint
    assert "opt=partition=date:2006-01-02" in hint
