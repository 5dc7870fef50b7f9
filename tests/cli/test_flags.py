"""What flags say becomes the values that a job file would give."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gadus import plugins
from gadus.cli.flags.languages import (
    parse_constraints,
    parse_env,
    parse_input,
    parse_labels,
    parse_publisher,
    parse_result_path,
)
from gadus.core.check import check
from gadus.core.errors import InvalidSpec
from gadus.core.jobfile.decode import decode_params
from gadus.core.spec import JobSpec, SpecConfig, Task


def refused(parse: Any, text: Any) -> InvalidSpec:
    with pytest.raises(InvalidSpec) as caught:
        parse(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "params", "target"),
    [
        ("s3://b/k", {"Key": "k"}, "/inputs"),
        ("s3://b/k:/my/path", {"Key": "k"}, "/my/path"),
        ("s3://b/k,dst=/my/path", {"Key": "k"}, "/my/path"),
        ("src=s3://b/k,dst=/my/path", {"Key": "k"}, "/my/path"),
        ("SOURCE=s3://b/k,Destination= '/my/path' ", {"Key": "k"}, "/my/path"),
        ("dst=/d,src=s3://b/k", {"Key": "k"}, "/d"),
        ("s3://b/logs/2023-09-*:/inputs", {"Key": "logs/2023-09-*"}, "/inputs"),
        (
            r"s3://b/logs/*,dst=/logs,opt=region=us-east-1,opt=filter=\.gz$",
            {"Key": "logs/*", "Region": "us-east-1", "Filter": r"\.gz$"},
            "/logs",
        ),
        ("src=s3://b/k,dst=/d,opt=endpoint=http://localhost:8333", {"Key": "k", "Endpoint": "http://localhost:8333"}, "/d"),
        ("s3://b", {}, "/inputs"),
        ("s3://b/", {}, "/inputs"),
        ("s3://b:/in", {}, "/in"),
        ("S3://b//a///c", {"Key": "a///c"}, "/inputs"),
        ("s3://b/dt=2024/x.csv:/in", {"Key": "dt=2024/x.csv"}, "/in"),
        ("src=s3://b/dt=2024/x.csv", {"Key": "dt=2024/x.csv"}, "/inputs"),
        ("s3://b/key?with#odd", {"Key": "key?with#odd"}, "/inputs"),
        ("s3://b/12:30.csv:/in/a:b", {"Key": "12:30.csv"}, "/in/a:b"),
        ("src=s3://b/a:/c", {"Key": "a:/c"}, "/inputs"),
        ("s3://b/a b.txt:/in", {"Key": "a b.txt"}, "/in"),
        ("s3://b/a%20b%2F50%25%C3%A9.csv", {"Key": "a b/50%é.csv"}, "/inputs"),
        ('"s3://b/a,b.csv",dst=/in', {"Key": "a,b.csv"}, "/in"),
        ('s3://b/k/,"opt=filter=a{1,2}"', {"Key": "k/", "Filter": "a{1,2}"}, "/inputs"),
        ("s3://b/k,opt=region=a,opt=region=b,opt==x", {"Key": "k", "Region": "b"}, "/inputs"),
    ],
)
def test_input_says_bucket_key_options_and_target(text: str, params: dict[str, Any], target: str) -> None:
    found = parse_input(text)
    assert (found.source.type, found.source.params, found.target) == ("s3", {"Bucket": "b"} | params, target)


def test_alias_is_the_uri() -> None:
    assert parse_input("s3://b/k:/in,opt=region=x").alias == "s3://b/k"


@pytest.mark.parametrize(
    ("options", "params"),
    [
        (("versionID", "version-id", "version_id", "VERSIONID"), {"VersionID": "v"}),
        (("checksum-256", "checksum256", "checksum_256", "checksumsha256", "ChecksumSHA256"), {"ChecksumSHA256": "v"}),
        (("requestpayer", "RequestPayer", "request-payer"), {"RequestPayer": "v"}),
        (("onempty", "on-empty"), {"OnEmpty": "v"}),
        (("addressingstyle", "addressing_style"), {"AddressingStyle": "v"}),
        (("endpoint",), {"Endpoint": "v"}),
        (("mode", "Mode"), {"Mode": "v"}),
        (("checksummanifest", "checksum-manifest", "ChecksumManifest"), {"ChecksumManifest": "v"}),
    ],
)
def test_options_have_bacalhaus_spellings_in_any_case(options: tuple[str, ...], params: dict[str, str]) -> None:
    for option in options:
        assert parse_input(f"s3://b,opt={option}=v").source.params == {"Bucket": "b"} | params


def test_every_option_is_one_of_the_source() -> None:
    text = "s3://abc/k,opt=region=r,opt=endpoint=https://s3.example.com,opt=versionid=v,opt=anonymous=yes,opt=onempty=allow"
    text += f",opt=checksum256={'0' * 64},opt=requestpayer=requester,opt=addressingstyle=path,opt=mode=copy,opt=rw=true"
    text += ",opt=partition=object"
    params = parse_input(text).source.params
    assert params["Anonymous"] is True
    decode_params(plugins.load("storage", "s3").Params, params, "Params")
    manifest = parse_input("s3://abc/k/,opt=checksummanifest=s3://abc/k/SHA256SUMS").source.params
    decode_params(plugins.load("storage", "s3").Params, manifest, "Params")


@pytest.mark.parametrize("option", ["readwrite", "ReadWrite", "read-write", "read_write", "rw"])
def test_a_program_may_get_its_own_copy_of_any_input(option: str) -> None:
    for uri in ("s3://b/k", "https://h/f.csv"):
        assert parse_input(f"{uri},opt={option}=true").source.params["ReadWrite"] is True
        assert parse_input(f"{uri},opt={option}=no").source.params["ReadWrite"] is False


@pytest.mark.parametrize(
    ("text", "url", "target"),
    [
        ("https://h/f.csv", "https://h/f.csv", "/inputs"),
        ("https://h/f.csv,dst=/in", "https://h/f.csv", "/in"),
        ("http://host:8080/f", "http://host:8080/f", "/inputs"),
        ("http://host:8080/f:/in", "http://host:8080/f", "/in"),
        ("https://h/f?a=b&u=http://x/y:/in", "https://h/f?a=b&u=http://x/y", "/in"),
        ("https://h/f?u=http://x/y", "https://h/f?u=http://x/y", "/inputs"),
    ],
)
def test_urls_are_downloads(text: str, url: str, target: str) -> None:
    found = parse_input(text)
    assert (found.source.type, found.source.params, found.target) == ("urlDownload", {"URL": url}, target)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "there is no source"),
        ("s3:///key", "has no bucket"),
        ("s3://b/50%.csv", "a literal % is written %25"),
        ("s3://b/%ff", "escapes must be UTF-8"),
        ("ipfs://Qm:/in", "ipfs://Qm: unsupported type: ipfs: give s3://bucket/key or https://host/file"),
        ("git://h/r", "unsupported type: git"),
        ("./absent", "./absent: cannot be read: No such file or directory"),
        ("/dev/null:/in", "/dev/null: is neither a file nor a directory"),
        ("/etc/hostname,opt=region=x", 'unknown option "region" for a file of this machine'),
        ("file:///data:/in", "directories of a node are not offered as inputs"),
        ("data.csv", "data.csv: unknown storage schema"),
        ("foo=1", "unexpected key 'foo'"),
        ("s3://b/k,dts=/in", "unexpected key 'dts' in field 'dts=/in'; did you mean dst?"),
        ("s3://b/k,oops", "invalid storage option: oops. Must be a key=value pair"),
        ("s3://b/k,opt=region", "invalid storage option: opt=region"),
        ("s3://b/k,opt=regio=x", 'unknown option "regio" for storage s3; did you mean region?'),
        ("https://h/f,opt=region=x", 'unknown option "region" for storage urlDownload'),
        ("s3://b/k,opt=anonymous=maybe", "'maybe' is neither true nor false"),
        ("s3://b/k,opt=rw=maybe", "'maybe' is neither true nor false"),
        ("s3://b/k,opt=partiton=object", 'unknown option "partiton" for storage s3; did you mean partition?'),
        ("https://h/f,opt=partition=object", 'unknown option "partition" for storage urlDownload'),
        ("s3://b/k:/in,dst=/out", "has two paths, /in and /out"),
        ('"s3://b', "cannot be read"),
        ("s3://b/\0", "null character"),
        ("s3://b/\udc80", "is not UTF-8 text"),
    ],
)
def test_input_that_is_none_is_refused_with_the_reason(text: str, problem: str) -> None:
    assert problem in refused(parse_input, text).message


def test_other_schemes_tell_which_sources_exist() -> None:
    assert "s3" in refused(parse_input, "hdfs://x/y").hint


def test_two_inputs_at_the_default_place_are_reported_with_the_way_out() -> None:
    task = Task(
        name="main",
        engine=SpecConfig(type="docker"),
        input_sources=(parse_input("s3://b/k"), parse_input("s3://b/l")),
    )
    (problem,) = check(JobSpec(type="batch", tasks=(task,)))
    assert problem.startswith("Tasks[0].InputSources[1].Target: /inputs is already the place of")
    assert "dst=" in problem


@settings(deadline=None)
@given(
    st.text()
    | st.lists(
        st.sampled_from(["s3://", "b", "/", "k", ":", "/in", ",", "opt=", "dst=", "src=", "=", "%", '"', "\n", "*"])
    ).map("".join)
)
@example("s3://b/k,opt=x=")
@example("s3://b/k,opt=partition=substring:9:1")
@example('""')
@example("\r")
@example("~nobody-of-this-name")
@example("~/nothing\0there")
def test_any_input_text_is_an_input_or_refused(text: str) -> None:
    try:
        assert parse_input(text).target
    except InvalidSpec as exc:
        assert exc.problems


def test_result_path_has_a_name_and_a_path() -> None:
    found = parse_result_path("outputs:/outputs")
    assert (found.name, found.path) == ("outputs", "/outputs")


@pytest.mark.parametrize("text", ["", "a", ":", "a:", ":/b", "a:b:c", "..:/x", "a/b:/x", "stdout:/x"])
def test_result_path_that_is_none_is_refused(text: str) -> None:
    assert refused(parse_result_path, text).problems


def test_labels_are_split_at_commas() -> None:
    assert parse_labels(["k=v,k2", "ex.com/a.b=C_d-1", ""]) == {"k": "v", "k2": "", "ex.com/a.b": "C_d-1"}


@pytest.mark.parametrize("text", ["a b=c", "=v", "k=-v", "k=ü", "UPPER.com/k=v", "k" * 64, "k=" + "v" * 64, "a/b/c=d"])
def test_labels_outside_the_syntax_are_refused(text: str) -> None:
    assert "a label's" in refused(parse_labels, [text]).message or "domain name" in refused(parse_labels, [text]).message


def test_constraints_have_every_operator() -> None:
    found = parse_constraints("a=1, b==2,c!=3,d in (x, y),e notin (z),f,!g,h>4,i<-5,ex.com/j = ")
    assert [(one.key, one.operator, one.values) for one in found] == [
        ("a", "=", ("1",)),
        ("b", "==", ("2",)),
        ("c", "!=", ("3",)),
        ("d", "in", ("x", "y")),
        ("e", "notin", ("z",)),
        ("f", "exists", ()),
        ("g", "!", ()),
        ("h", "gt", ("4",)),
        ("i", "lt", ("-5",)),
        ("ex.com/j", "=", ("",)),
    ]


def test_blank_constraints_are_none() -> None:
    assert parse_constraints("  ") == ()


@pytest.mark.parametrize(
    "text", ["=x", "a in b", "a in (b", "a in ()", "a b", "a>b", "a=b c", "!", "!a=b", ",", "a,,b", "a=(b)", "ü"]
)
def test_constraints_outside_the_syntax_are_refused(text: str) -> None:
    assert refused(parse_constraints, text).problems


@settings(deadline=None)
@given(st.text() | st.lists(st.sampled_from(["a", " ", "=", "!", "in", "notin", "(", ")", ",", ">", "1"])).map("".join))
def test_any_constraints_text_is_constraints_or_refused(text: str) -> None:
    try:
        assert isinstance(parse_constraints(text), tuple)
    except InvalidSpec as exc:
        assert exc.problems


@pytest.mark.parametrize(
    ("text", "name", "params"),
    [
        ("local", "local", {}),
        ("IPFS", "ipfs", {}),
        ("target=local", "local", {}),
        ("s3://res/{date}/{jobID}", "s3", {"Bucket": "res", "Key": "{date}/{jobID}"}),
        ("s3,opt=bucket=B,opt=Key=K,opt=region=R", "s3", {"Bucket": "B", "Key": "K", "Region": "R"}),
        ("s3://b/k,opt=key=K,opt=encoding=plain", "s3", {"Bucket": "b", "Key": "K", "Encoding": "plain"}),
    ],
)
def test_publisher_says_type_and_params(text: str, name: str, params: dict[str, str]) -> None:
    assert parse_publisher(text) == SpecConfig(type=name, params=params)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("foo", "unknown publisher type: foo"),
        ("", "unknown publisher type: "),
        ("ipfs://x", "unknown publisher type: ipfs://x"),
        ("s3", "invalid s3 params. bucket cannot be empty"),
        ("s3://b", "invalid s3 params. key cannot be empty"),
        ("s3://b/k,x", "invalid publisher option: x"),
        ("s3://b/k,opt=regon=x", "did you mean region?"),
        ("local,opt=a=b", 'unknown option "a" for publisher local'),
    ],
)
def test_publisher_that_is_none_is_refused_with_the_reason(text: str, problem: str) -> None:
    assert problem in refused(parse_publisher, text).message


def test_comma_does_not_split_a_variable() -> None:
    assert parse_env(["A=1,B=2", "C=", "D=x=y", "D=z"]) == {"A": "1,B=2", "C": "", "D": "z"}


def test_variable_without_value_tells_how_to_pass_it_on() -> None:
    assert refused(parse_env, ["NAME"]).hint == 'write -e NAME=value, or -e NAME="$NAME" to pass yours on'


@pytest.mark.parametrize("text", ["", "=secret", "A=secret\0"])
def test_variable_without_name_is_refused_without_its_value(text: str) -> None:
    assert "secret" not in refused(parse_env, [text]).message
