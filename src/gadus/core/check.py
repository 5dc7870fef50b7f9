"""The rules that concern more than one field of a job."""

from __future__ import annotations

import ipaddress
import posixpath
import re
from collections.abc import Iterator

from .problem import clipped
from .spec import JobSpec

Finding = tuple[str, str]
"""The field, e.g. ``Tasks[0].InputSources[1].Target``, and what is wrong with it."""

_DOMAIN = re.compile(r"\.?([a-z0-9]+(-+[a-z0-9]+)*\.)+[a-z][a-z0-9-]*[a-z0-9]")


def check(spec: JobSpec) -> list[str]:
    """Every broken rule as ``field: what is wrong and the way out``; empty when all is well."""
    return [f"{where}: {what}" for where, what in find(spec.to_wire())]


def find(job: object) -> Iterator[Finding]:
    """
    Every broken rule in the plain data of a job with canonical names.

    Values of the wrong type are passed over: whoever decodes the job tells of them.
    """
    for index, task in enumerate(_list(job, "Tasks")):
        where = f"Tasks[{index}]"
        yield from _types(task, where)
        yield from _aliases(task, where)
        yield from _paths(task, where)
        yield from _network(task, where)


def _types(task: object, where: str) -> Iterator[Finding]:
    engine = _field(task, "Engine")
    if isinstance(engine, dict) and not _text(engine, "Type"):
        yield f"{where}.Engine.Type", "engine validation failed: missing spec type: name an engine, e.g. docker or wasm"
    for index, entry in enumerate(_list(task, "InputSources")):
        source = _field(entry, "Source")
        if isinstance(source, dict) and not _text(source, "Type"):
            what = "artifact validation failed: invalid artifact source: missing spec type: name a source, e.g. s3"
            yield f"{where}.InputSources[{index}].Source.Type", what


def _aliases(task: object, where: str) -> Iterator[Finding]:
    seen: set[str] = set()
    for place, alias in _texts(task, where, "InputSources", "Alias"):
        if alias and alias in seen:
            yield place, f"input source with alias {clipped(alias)} already exist: an alias names one input"
        seen.add(alias)


def _paths(task: object, where: str) -> Iterator[Finding]:
    targets: dict[str, str] = {}
    for place, target in _texts(task, where, "InputSources", "Target"):
        problem = _path_problem(target, "artifact validation failed: missing artifact target")
        path = _normal(target)
        if problem:
            yield place, problem
        elif path in targets:
            yield place, f"{clipped(path)} is already the place of {targets[path]}: choose another one (dst=… after -i)"
        else:
            targets[path] = place
    names: dict[str, str] = {}
    for place, name in _texts(task, where, "ResultPaths", "Name"):
        if name in names:
            yield place, f"{clipped(name)} is already the name of {names[name]}: each result has its own"
        names.setdefault(name, place)
    results: dict[str, str] = {}
    for place, result in _texts(task, where, "ResultPaths", "Path"):
        problem = _path_problem(result, "output validation failed: path is blank")
        path = _normal(result)
        around = next((target for target in targets if path == target or path.startswith(f"{target}/")), None)
        if problem:
            yield place, problem
        elif path in results:
            yield place, f"{clipped(path)} is already the path of {results[path]}: each result has its own"
        elif around:
            what = f"{clipped(path)} lies in the input {clipped(around)}, which is only read: choose a place outside it"
            yield place, what
        else:
            results[path] = place


def _network(task: object, where: str) -> Iterator[Finding]:
    network = _field(task, "Network")
    domains = _list(network, "Domains")
    kind = _text(network, "Type").lower()
    if kind == "http" and not domains:
        what = "invalid networking configuration, at least one domain is required when HTTP networking is enabled"
        yield f"{where}.Network.Domains", what
    if domains and kind in ("", "none", "full", "host", "bridge", "default"):
        yield f"{where}.Network.Domains", "domains only limit the network type HTTP: set Type to HTTP, or leave them out"
    for index, domain in enumerate(domains):
        if isinstance(domain, str) and not _is_host(domain.strip().lower()):
            what = f'invalid domain "{clipped(domain)}": give a host such as example.com, or .example.com with all below it'
            yield f"{where}.Network.Domains[{index}]", what


def _is_host(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return len(text) <= 254 and _DOMAIN.fullmatch(text) is not None
    return True


def _path_problem(path: str, blank: str) -> str:
    if not path:
        return f"{blank}: give an absolute path"
    if not path.startswith("/"):
        return f"{clipped(path)} is not an absolute path: write /{clipped(path)}"
    if ".." in path.split("/"):
        return f"{clipped(path)} contains '..': write the path that is meant"
    if _normal(path) == "/":
        return "/ is the program's whole file system: choose a directory in it"
    return ""


def _normal(path: str) -> str:
    return posixpath.normpath(f"/{path.lstrip('/')}")


def _texts(task: object, where: str, group: str, name: str) -> Iterator[Finding]:
    """The texts called `name` of all entries of a list, each with its place."""
    for index, entry in enumerate(_list(task, group)):
        value = _field(entry, name)
        if isinstance(value, str):
            yield f"{where}.{group}[{index}].{name}", value.strip()


def _field(data: object, name: str) -> object:
    return data.get(name) if isinstance(data, dict) else None


def _list(data: object, name: str) -> list[object]:
    value = _field(data, name)
    return value if isinstance(value, list) else []


def _text(data: object, name: str) -> str:
    value = _field(data, name)
    return value.strip() if isinstance(value, str) else ""
