"""A job file becomes the job that its author meant, or all the reasons why not."""

from __future__ import annotations

import json
import random
from typing import Any, Literal

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from gadus import plugins
from gadus.core.check import check
from gadus.core.errors import InvalidSpec
from gadus.core.jobfile import document
from gadus.core.jobfile.decode import decode_job, decode_params
from gadus.core.problem import PROBLEMS_SHOWN
from gadus.core.spec import JobSpec, NetworkType

WHOLE = r"""
Name: word-count
Type: batch
Namespace: default
Priority: 5
Count: 2
Constraints:
  - {Key: Architecture, Operator: =, Values: [amd64]}
Labels: {team: data}
Tasks:
  - Name: main
    Engine:
      Type: docker
      Params:
        Image: busybox:1.36
        Entrypoint: [sh, -c]
        Parameters: ["cat /in/* | wc -w > /out/count"]
        EnvironmentVariables: [A=1]
    InputSources:
      - Target: /in
        Alias: text
        Source:
          Type: s3
          Params: {Bucket: my-bucket, Key: texts/2024/, Filter: '\.txt$', Region: eu-west-1}
    ResultPaths:
      - {Name: out, Path: /out}
    Publisher:
      Type: s3
      Params: {Bucket: my-results, Key: "{date}/{jobID}/{executionID}", Region: eu-west-1}
    Resources: {CPU: 500m, Memory: 256Mb}
    Env: {MODE: fast}
    Network: {Type: None}
    Timeouts: {ExecutionTimeout: 300, QueueTimeout: 600, TotalTimeout: 1200}
"""
SMALL = "Type: batch\nTasks: [{Name: a, Engine: {Type: docker, Params: {Image: busybox}}}]\n"


def params_model(kind: Literal["engine", "source"], name: str) -> type[BaseModel]:
    model: type[BaseModel] = plugins.load("engines" if kind == "engine" else "storage", name).Params
    return model


def decoded(text: str) -> JobSpec:
    return decode_job(text, params_model=params_model)[0]


def problems_of(text: str) -> tuple[str, ...]:
    with pytest.raises(InvalidSpec) as caught:
        decode_job(text, params_model=params_model)
    return caught.value.problems


def in_task(more: str) -> str:
    """A job of which only line 6 and on matter."""
    lines = ["Type: batch", "Tasks:", "- Name: a", "  Engine: {Type: docker, Params: {Image: busybox}}", "  Meta: {}"]
    return "\n".join([*lines, *("  " + line for line in more.splitlines())])


def shuffled_case(data: Any, chance: random.Random, *, of_model: bool = True) -> Any:
    """`data` with the keys of our models in random case; the keys of free mappings stay."""
    if isinstance(data, dict):
        return {
            "".join(chance.choice((one.lower(), one.upper())) for one in key) if of_model else key: shuffled_case(
                value, chance, of_model=key not in ("Labels", "Env", "Meta")
            )
            for key, value in data.items()
        }
    return [shuffled_case(item, chance) for item in data] if isinstance(data, list) else data


def test_whole_job_decodes_to_what_it_says() -> None:
    spec = decoded(WHOLE)
    assert (spec.name, spec.type, spec.count, spec.priority) == ("word-count", "batch", 2, 5)
    assert spec.constraints[0].operator == "="
    task = spec.task
    assert task.resources.cpu_cores == 0.5
    assert task.resources.memory_bytes == 256_000_000
    assert task.network.type is NetworkType.NONE
    assert task.timeouts.total_timeout == 1200
    assert task.input_sources[0].target == "/in"
    assert task.input_sources[0].source.params == {
        "Bucket": "my-bucket",
        "Key": "texts/2024/",
        "Filter": r"\.txt$",
        "Region": "eu-west-1",
    }
    assert task.engine.params["Entrypoint"] == ["sh", "-c"]


def test_omitted_fields_have_the_documented_defaults() -> None:
    spec = decoded(SMALL)
    assert (spec.count, spec.namespace, spec.name, spec.priority) == (1, "default", "", 0)
    assert spec.task.publisher.type == ""


@settings(deadline=None)
@given(st.integers())
def test_keys_in_any_case_give_the_same_job(seed: int) -> None:
    plain = yaml.safe_load(WHOLE.replace("Operator: =", 'Operator: "="'))
    # No plugin knows a publisher's params, so their keys stay as they are written.
    del plain["Tasks"][0]["Publisher"]["Params"]
    assert decoded(yaml.safe_dump(shuffled_case(plain, random.Random(seed)))) == decoded(yaml.safe_dump(plain))


def test_json_and_yaml_give_the_same_job() -> None:
    plain = yaml.safe_load(WHOLE.replace("Operator: =", 'Operator: "="'))
    assert decoded(json.dumps(plain, indent="\t")) == decoded(WHOLE)


def test_what_is_decoded_decodes_again_to_the_same() -> None:
    spec = decoded(WHOLE)
    assert decoded(json.dumps(spec.to_wire())) == spec


def test_described_job_can_be_run_again() -> None:
    described = json.loads(json.dumps({"Job": decoded(WHOLE).to_wire(), "Executions": [{"ID": "e-1"}], "History": []}))
    described["Job"] |= {"ID": "j-1", "State": {"StateType": "Completed"}, "Version": 1, "Revision": 3, "CreateTime": 1}
    described["Job"]["Meta"]["bacalhau.org/requester.id"] = "n-1"
    spec, warnings = decode_job(json.dumps(described), params_model=params_model)
    assert spec == decoded(WHOLE)
    assert "job ID is ignored when submitting a batch job" in warnings
    assert "job state is ignored when submitting a job" in warnings
    assert 'job meta key "bacalhau.org/requester.id" is reserved and will be ignored' in warnings
    assert len(warnings) == 6


def test_only_the_first_task_is_kept_with_a_warning() -> None:
    text = SMALL.replace("}}}]", "}}}, {Nonsense: 1}]")
    spec, warnings = decode_job(text, params_model=params_model)
    assert [task.name for task in spec.tasks] == ["a"]
    assert warnings == ("only one task is supported per job",)


def test_params_get_the_spelling_of_their_plugin() -> None:
    text = in_task("InputSources:\n- {Target: /in, Source: {type: S3, params: {BUCKET: abc, versionid: v1, key: k}}}")
    assert decoded(text).task.input_sources[0].source.params == {"Bucket": "abc", "VersionID": "v1", "Key": "k"}


def test_sources_inside_engine_params_are_checked_too() -> None:
    job = {"EntryModule": {"source": {"type": "s3", "params": {"bucket": "abc", "kee": "m.wasm"}}, "target": "/m"}}
    text = json.dumps({"type": "batch", "tasks": [{"name": "a", "engine": {"type": "wasm", "params": job}}]}, indent=1)
    (problem,) = problems_of(text)
    assert problem.startswith("Tasks[0].Engine.Params.EntryModule.Source.Params.kee (line ")
    assert "did you mean Key?" in problem
    spec = decoded(text.replace("kee", "key"))
    assert spec.task.engine.params["EntryModule"]["Source"]["Params"] == {"Bucket": "abc", "Key": "m.wasm"}


def test_all_problems_are_told_at_once_by_line() -> None:
    problems = problems_of(
        in_task(
            "Resources: {CPU: 2 bananas, Memry: 1Gb}\n"
            "GPU: 1\n"
            "Timeouts: {QueueTimeout: '5'}\n"
            "InputSources:\n"
            "- {Target: in, Alias: x, Source: {Type: s3, Params: {Bucket: abc}}}\n"
            "- {Target: /b, Alias: x, Source: {Type: nowhere}}\n"
        ).replace("Type: batch", "Type: Batch\nCount: -1")
    )
    assert [problem.partition(":")[0] for problem in problems] == [
        "Type (line 1)",
        "Count (line 2)",
        "Tasks[0].Resources.Memry (line 7)",
        "Tasks[0].Resources.CPU (line 7)",
        "Tasks[0].GPU (line 8)",
        "Tasks[0].Timeouts.QueueTimeout (line 9)",
        "Tasks[0].InputSources[0].Target (line 11)",
        "Tasks[0].InputSources[1].Source.Type (line 12)",
        "Tasks[0].InputSources[1].Alias (line 12)",
    ]


def test_endless_problems_are_counted() -> None:
    problems = problems_of(SMALL + "".join(f"Wrong{number}: 1\n" for number in range(500)))
    assert len(problems) == PROBLEMS_SHOWN + 1
    assert problems[-1] == f"and {500 - PROBLEMS_SHOWN} more problems"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Tasks: [{Name: a, Engine: {Type: docker, Params: {Image: b}}}]", "Type: missing job type"),
        (SMALL.replace("batch", "Batch"), 'Type (line 1): invalid job type: "Batch"'),
        (SMALL + "Count: -1", "Count (line 3): job count must be >= 0"),
        ("Type: batch", "Tasks: missing job tasks"),
        ("Type: batch\nTasks: []", "Tasks (line 2): missing job tasks"),
        ("Type: batch\nTasks: [null]", "Tasks[0] (line 2): has no value, expected a mapping"),
        ("Type: batch\nTasks: [{Engine: {Type: docker, Params: {Image: b}}}]", "Tasks[0].Name (line 2): missing task name"),
        ("Type: batch\nTasks: [{Name: a}]", "Tasks[0].Engine (line 2): engine validation failed: nil spec config"),
        (
            "Type: batch\nTasks: [{Name: a, Engine: {}}]",
            "Tasks[0].Engine.Type (line 2): engine validation failed: missing spec type",
        ),
        (SMALL + "Namespace: ''", "Namespace (line 3): job must be in a namespace"),
        (
            SMALL + "Constraints: [{Key: a, Operator: in}]",
            "Constraints[0] (line 3): selector values cannot be empty for In or NotIn operators",
        ),
        (
            SMALL + "Constraints: [{Key: a, Operator: gt, Values: ['²']}]",
            "Constraints[0] (line 3): '²' must be a whole number",
        ),
        (SMALL + "Tsks: 1", "Tsks (line 3): unknown field: 'Tsks' in 'Job'; did you mean Tasks?"),
        (SMALL + "type: ops", "Type (line 3): given twice, as Type and type"),
        (
            in_task("Resources: {GPU: 1}"),
            'Tasks[0].Resources.GPU (line 6): invalid GPU value: 1 is a number, expected text: write "1"',
        ),
        (in_task("Resources: {CPU: 0x10}"), 'write "0x10"'),
        (in_task("Resources: {Memory: yes}"), 'yes is true or false, expected text: write "yes"'),
        (in_task("Network: {Type: Half}"), "Tasks[0].Network.Type (line 6): unknown type 'Half'"),
        (
            in_task("Timeouts: {ExecutionTimeout: 9, TotalTimeout: 5}"),
            "execution timeout 9s and queue timeout 0s should be less than total timeout 5s",
        ),
        (in_task("InputSources: [{Target: /a}]"), "Tasks[0].InputSources[0].Source (line 6): artifact validation failed"),
        (in_task("Env: {'A=B': x}"), "Tasks[0].Env (line 6): 'A=B' is not the name of a variable"),
        (
            in_task("ResultPaths: [{Name: ../x, Path: /x}]"),
            "Tasks[0].ResultPaths[0].Name (line 6): must be the name of one directory",
        ),
        ("[]", "job file (line 1): expected a mapping"),
        ("Job: {Job: {Job: {}}}", "job file (line 1): expected a mapping"),
    ],
)
def test_error_names_field_line_and_reason(text: str, problem: str) -> None:
    assert any(problem in one for one in problems_of(text))


@pytest.mark.parametrize(
    "field", ["Env: {SECRET: 12345}", "Engine: {Type: docker, Params: {Image: b, EnvironmentVariables: [12345]}}"]
)
def test_errors_of_variables_do_not_show_their_values(field: str) -> None:
    text = "Type: batch\nTasks: [{Name: a, Engine: {Type: docker, Params: {Image: b}}, " + field + "}]"
    if field.startswith("Engine"):
        text = "Type: batch\nTasks: [{Name: a, " + field + "}]"
    assert "12345" not in "".join(problems_of(text))


def test_old_form_is_named_as_such() -> None:
    with pytest.raises(InvalidSpec) as caught:
        decoded("APIVersion: v1beta1\nSpec: {Engine: docker}")
    assert caught.value.problems[0] == "APIVersion (line 1): unknown field: 'APIVersion' in 'Job'"
    assert "v1beta1" in caught.value.hint


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ("InputSources: [{Target: /in, S}, {Target: /a/../in, S}]", "contains '..'"),
        (
            "InputSources: [{Target: /in, S}, {Target: //in/./, S}]",
            "Tasks[0].InputSources[1].Target: /in is already the place of",
        ),
        ("InputSources: [{Target: in, S}]", "Tasks[0].InputSources[0].Target: in is not an absolute path"),
        ("InputSources: [{Target: //, S}]", "is the program's whole file system"),
        ("InputSources: [{Target: '', S}]", "artifact validation failed: missing artifact target"),
        ("InputSources: [{Target: /a, Alias: x, S}, {Target: /b, Alias: ' x', S}]", "input source with alias x already exist"),
        ("ResultPaths: [{Name: a, Path: /x}, {Name: a, Path: /y}]", "Tasks[0].ResultPaths[1].Name: a is already the name of"),
        ("ResultPaths: [{Name: a, Path: /x}, {Name: b, Path: /x/}]", "Tasks[0].ResultPaths[1].Path: /x is already the path of"),
        ("ResultPaths: [{Name: a, Path: x}]", "Tasks[0].ResultPaths[0].Path: x is not an absolute path"),
        ("ResultPaths: [{Name: a, Path: ''}]", "output validation failed: path is blank"),
        ("InputSources: [{Target: /in, S}]\nResultPaths: [{Name: a, Path: /in/x}]", "/in/x lies in the input /in"),
        ("InputSources: [{Target: /in, S}]\nResultPaths: [{Name: a, Path: /in}]", "/in lies in the input /in"),
        ("Network: {Type: HTTP}", "at least one domain is required when HTTP networking is enabled"),
        ("Network: {Type: Full, Domains: [example.com]}", "domains only limit the network type HTTP"),
        ("Network: {Type: Host, Domains: [example.com]}", "domains only limit the network type HTTP"),
        ("Network: {Type: bridge, Domains: [example.com]}", "domains only limit the network type HTTP"),
        ("Network: {Type: Default, Domains: [example.com]}", "domains only limit the network type HTTP"),
        ("Network: {Type: http, Domains: ['https://example.com']}", 'invalid domain "https://example.com"'),
    ],
)
def test_rules_between_fields_hold_in_files_and_in_specs(more: str, problem: str) -> None:
    text = in_task(more.replace("S}", "Source: {Type: s3, Params: {Bucket: abc}}}"))
    where = problem.partition(":")[0] if problem.startswith("Tasks") else ""
    assert any(problem.removeprefix(f"{where}:") in one and where in one for one in problems_of(text))
    spec = JobSpec.model_validate(document.parse(text, "job file").plain())
    assert any(problem in one for one in check(spec))


def test_neighbours_of_an_input_are_fine() -> None:
    text = in_task(
        "InputSources: [{Target: /in, Source: {Type: s3, Params: {Bucket: abc}}}]\nResultPaths: [{Name: a, Path: /inx}]"
    )
    assert check(decoded(text)) == []


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("none", NetworkType.NONE),
        ("Default", NetworkType.NONE),
        ('""', NetworkType.NONE),
        ("Full", NetworkType.FULL),
        ("HOST", NetworkType.FULL),
        ("bridge", NetworkType.BRIDGE),
    ],
)
def test_network_types_of_every_version_are_taken(written: str, kept: NetworkType) -> None:
    assert decoded(in_task(f"Network: {{Type: {written}}}")).task.network.type is kept


def test_ports_are_refused_by_their_name() -> None:
    (problem,) = problems_of(in_task("Network: {Type: Bridge, Ports: [{Name: http, Static: 8080}]}"))
    assert "Tasks[0].Network.Ports" in problem
    assert "unknown field" in problem


def test_good_domains_are_taken() -> None:
    text = in_task("Network: {Type: HTTP, Domains: [Example.com, .foo.org, 10.0.0.1, xn--bcher-kva.example]}")
    assert check(decoded(text)) == []


def test_params_from_flags_are_told_by_their_field() -> None:
    with pytest.raises(InvalidSpec) as caught:
        decode_params(params_model("source", "s3"), {"buckt": "abc", "Key": 5}, "Tasks[0].InputSources[0].Source.Params")
    where = "Tasks[0].InputSources[0].Source.Params"
    assert caught.value.problems == (
        f"{where}.buckt: unknown field: 'buckt' in 'Params'; did you mean Bucket?",
        f"{where}.Bucket: is required, but not given",
        f'{where}.Key: 5 is a number, expected text: write "5"',
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no content provided"),
        ("# nothing\n", "no content provided"),
        ("null", "no content provided"),
        ("a: 1\na: 2", "f (line 2): a is given twice"),
        ("1: a", 'f (line 1): a key must be text, not 1: write "1"'),
        ("? [a]\n: b", "f (line 1): a key must be text, not not text"),
        ("a: 1\n---\nb: 2", "f (line 2): a second document begins here"),
        ("a: .inf", "f (line 1): .inf is not a finite number"),
        ("a: .NaN", "f (line 1): .NaN is not a finite number"),
        ("a: 1.0e+999", "f (line 1): 1.0e+999 is not a finite number"),
        ("\na: 2024-01-01", 'f (line 2): 2024-01-01 is a date in YAML: write "2024-01-01"'),
        ("a: !!binary aGk=", "f (line 1): the YAML type !!binary is not used in job files"),
        ("a: !!set {b}", "f (line 1): the YAML type !!set is not used in job files"),
        ("a: !mine b", "f (line 1): the YAML type !mine is not used in job files"),
        ("a: !!int b", "f (line 1): b is not a whole number"),
        (f"a: {2**63}", f"f (line 1): {2**63} does not fit"),
        (f"a: {'9' * 5000}", "does not fit"),
        ("a: *b", "f (line 1): alias *b has no anchor"),
        ("a: &b [*b]", "f (line 1): alias *b stands inside the value that it names"),
        ("[" * 66 + "]" * 66, "nested deeper than 64 levels"),
        ("[" * 100_000, "nested deeper than 64 levels"),
        ("a: &a [x]\nb: " + "[" * 64 + "*a" + "]" * 64, "nested deeper than 64 levels"),
        ("a: \x07", "control characters such as"),
        ("a: \udc80", "f: is not UTF-8 text"),
        ('a: "b', "f (line 1): while scanning a quoted scalar"),
        ("x" * 10_000_001, "has 10000001 bytes"),
        ("<<: 5", "<< takes a mapping"),
    ],
)
def test_text_that_is_no_plain_data_is_refused_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        document.parse(text, "f")
    assert problem in caught.value.message


def test_aliases_cannot_multiply_without_bound() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 40)]
    with pytest.raises(InvalidSpec, match="holds more than a job file may"):
        document.parse("\n".join(lines), "f")
    with pytest.raises(InvalidSpec, match="holds more than a job file may"):
        document.parse(f"a: &a {'x' * 1_000_000}\nb: [{', '.join(['*a'] * 100)}]", "f")


def test_endless_values_are_refused_before_they_are_kept() -> None:
    with pytest.raises(InvalidSpec, match="holds more values than a job file may"):
        document.parse(f"[{'x,' * 1_000_000}", "f")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("Off", False),
        ("~", None),
        ("0x1F", 31),
        ("0b11", 3),
        ("0777", 511),
        ("1_000", 1000),
        ("-7", -7),
        (str(-(2**63)), -(2**63)),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("22:30", "22:30"),
        ("=", "="),
        ("'1'", "1"),
        ("!!str 1", "1"),
        ("2024-01", "2024-01"),
        (r'"\ud83d\ude00"', None),
    ],
)
def test_words_mean_what_yaml_says(text: str, value: object) -> None:
    if value is None and text.startswith('"'):
        assert document.parse(f'{{"a": {text}}}', "f").plain() == {"a": "😀"}
    else:
        assert document.parse(f"[{text}]", "f").plain() == [value]


def test_escaped_backslashes_of_json_stay_as_they_are() -> None:
    data = {"a": r"\ud83d\ude00", "b": "😀", "c": "\\😀"}
    assert document.parse(json.dumps(data), "f").plain() == data


def test_merged_keys_are_overridden_by_a_mappings_own() -> None:
    text = "d: &d {image: a, x: 1}\ne: &e {x: 2, y: 3}\nf: {<<: [*d, *e], Image: b}"
    assert document.parse(text, "f").plain() == {
        "d": {"image": "a", "x": 1},
        "e": {"x": 2, "y": 3},
        "f": {"Image": "b", "x": 1, "y": 3},
    }


@settings(deadline=None)
@given(st.text() | st.text(alphabet="[]{}:,-?&*!|>'\"%@#\n \tab1.~<=\\u\0\ud800"))
@example("\ufeff")
@example("%YAML 9.9\n---\n")
@example("&a")
@example("- !!float x\n- ! a\n- !<tag:yaml.org,2002:map> {}\n- !!map x")
def test_any_text_decodes_or_is_refused(text: str) -> None:
    try:
        decoded(text)
    except InvalidSpec as refused:
        assert refused.problems


@settings(deadline=None)
@given(st.data())
def test_any_broken_job_decodes_or_is_refused(data: st.DataObject) -> None:
    text = WHOLE
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(start + 30, len(text))))
        text = (
            text[:start]
            + data.draw(st.text(max_size=8) | st.sampled_from(["[", "{", "&a ", "*a", "null", "- ", "1"]))
            + text[end:]
        )
    try:
        decoded(text)
    except InvalidSpec as refused:
        assert refused.problems


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
FIELDS = sorted(
    {"Source", "Params", "Key", "Values", "EntryModule", *JobSpec.model_json_schema()["properties"], "Engine", "Resources"}
)


@settings(deadline=None)
@given(st.data())
def test_any_value_in_any_field_decodes_or_is_refused(data: st.DataObject) -> None:
    job = json.loads(json.dumps(decoded(WHOLE).to_wire()))
    place: Any = job
    while isinstance(place, dict | list) and place:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[key], dict | list) or data.draw(st.booleans()):
            place[key] = data.draw(JSON | st.dictionaries(st.sampled_from(FIELDS), JSON))
            break
        place = place[key]
    try:
        decoded(json.dumps(job))
    except InvalidSpec as refused:
        assert refused.problems
