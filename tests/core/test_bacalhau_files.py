"""
Job files of the shapes that Bacalhau's own examples have: those it calls valid are taken, the others refused by name.

The files here are our own, written to the same descriptions.
"""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
import yaml
from pydantic import BaseModel

from gadus import plugins
from gadus.core.errors import InvalidSpec
from gadus.core.jobfile.decode import decode_job
from gadus.core.spec import JobSpec

HELLO = """
name: hello
type: batch
namespace: default
count: 1
tasks:
  - name: a task with spaces
    engine:
      type: docker
      params:
        image: ubuntu:latest
        entrypoint: [/bin/bash]
        parameters: [-c, echo good day]
"""
OUTPUT = """
Name: A Job With Output
Type: batch
Count: 1
Tasks:
  - Name: main
    Engine:
      Type: docker
      Params: {Image: "ubuntu:latest", Entrypoint: [/bin/bash], Parameters: [-c, echo 15 > /output_custom/output.txt]}
    Publisher: {Type: local}
    ResultPaths:
      - {Name: output_custom, Path: /output_custom}
"""
S3 = """
Name: Lists objects
Type: batch
Tasks:
  - Name: main
    Engine: {Type: docker, Params: {Image: "ubuntu:latest", Parameters: [ls, /input_custom]}}
    InputSources:
      - Target: /input_custom
        Alias: input_custom
        Source: {Type: s3, Params: {Bucket: some-datasets, Key: do-not-delete/set1/, Region: eu-west-1}}
"""
MINIMAL = "Type: batch\nTasks: [{Name: main, Engine: {Type: docker, Params: {Image: ubuntu, Parameters: [echo, '7']}}}]\n"
MODULE = "data:application/wasm;base64,AGFzbQEAAAA="
WASM_OF_1_4 = f"""
Name: A Simple WASM Job
Type: batch
Tasks:
  - Name: main
    Engine:
      Type: wasm
      Params:
        EntryModule: {{Source: {{Type: inline, Params: {{URL: "{MODULE}"}}}}, Alias: m, Target: /m.wasm}}
        Entrypoint: _start
"""
WASM_SINCE_1_8 = f"""
Name: A Simple WASM Job
Type: batch
Tasks:
  - Name: main
    Engine: {{Type: wasm, Params: {{EntryModule: /app/main.wasm, Entrypoint: _start}}}}
    InputSources:
      - {{Source: {{Type: inline, Params: {{URL: "{MODULE}"}}}}, Target: /app/main.wasm}}
"""
EMITTER = """
Name: log-emitter
Type: batch
Count: 1
Tasks:
  - Name: main
    Engine:
      Type: docker
      Params:
        Image: bash:5.2
        Entrypoint: [bash, -c, "for i in {1..5}; do echo out $i; echo err $i >&2; sleep 1; done"]
    Publisher: {Type: local}
"""
BUSYBOX = "Tasks: [{Name: main, Engine: {Type: docker, Params: {Image: busybox, Parameters: [%s]}}}]\n"
UPDATED = "Name: hello\nType: batch\nCount: 2\n" + BUSYBOX
DAEMON = "Name: sleeper\nType: daemon\n" + BUSYBOX % "sleep, '900'"
VALID = {
    "docker-hello": HELLO,
    "docker-output": OUTPUT,
    "docker-output as JSON": json.dumps(yaml.safe_load(OUTPUT)),
    "docker-s3": S3,
    "docker": MINIMAL,
    "wasm": WASM_OF_1_4,
    "wasm of 1.8": WASM_SINCE_1_8,
    "log_emitter": EMITTER,
    "update v1": UPDATED % "echo, v1",
    "update v2": UPDATED % "echo, v2",
    "daemon": DAEMON,
}
REFUSED = {
    "empty": ("", "no content provided"),
    "custom-task-type": (MINIMAL.replace("docker", "flibble"), "flibble"),
    "unsupported engine": (MINIMAL.replace("docker", "vroomvroom"), "vroomvroom"),
    "noop": (MINIMAL.replace("docker", "noop"), "noop"),
    "job.yaml": (
        "APIVersion: V1beta1\nSpec: {Engine: Docker, Docker: {Image: ubuntu}}\n",
        "unknown field: 'APIVersion' in 'Job'",
    ),
    "job.json": (
        '{"APIVersion": "V1beta1", "Spec": {"EngineSpec": {"Type": "docker"}}}',
        "unknown field: 'APIVersion' in 'Job'",
    ),
    "job-s3": ("Spec: {Inputs: [{StorageSource: S3}], PublisherSpec: {Type: s3}}\n", "unknown field: 'Spec' in 'Job'"),
    "job-invalid": ("Engine: Docker\nJobSpecDocker: {Image: ubuntu}\n", "unknown field: 'Engine' in 'Job'"),
    "docker_task": ('{"with": "ubuntu", "do": "docker/run", "inputs": {}, "meta": {}}', "unknown field: 'with' in 'Job'"),
}


def params_model(kind: Literal["engine", "source"], name: str) -> type[BaseModel]:
    model: type[BaseModel] = plugins.load("engines" if kind == "engine" else "storage", name).Params
    return model


def decoded(text: str) -> JobSpec:
    return decode_job(text, params_model=params_model)[0]


@pytest.mark.parametrize("text", VALID.values(), ids=VALID)
def test_valid_files_are_taken(text: str) -> None:
    wanted: dict[str, Any] = {key.lower(): value for key, value in yaml.safe_load(text).items()}
    spec = decoded(text)
    assert (spec.type, spec.name, len(spec.tasks)) == (wanted["type"], wanted.get("name", ""), 1)


@pytest.mark.parametrize(("text", "problem"), REFUSED.values(), ids=REFUSED)
def test_other_files_are_refused_by_name(text: str, problem: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        decoded(text)
    assert any(problem in one for one in caught.value.problems), caught.value.problems
