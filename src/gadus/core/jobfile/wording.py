"""Says what is wrong with a value in the words of a job's author; where Bacalhau has well-known words, with these."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from gadus.core.problem import clipped

from .document import Written

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_LONGEST_MESSAGE = 1000
_INDEX = re.compile(r"\[[0-9]+\]")
# Bacalhau's words for (field, kind of error); "" stands for any kind. Clients and tests look for them.
_KNOWN_WORDS = {
    ("Type", "missing"): "missing job type: use batch, ops, daemon or service",
    ("Type", "literal_error"): 'invalid job type: "{value}"',
    ("Count", "greater_than_equal"): "job count must be >= 0",
    ("Namespace", "string_too_short"): "job must be in a namespace",
    ("Tasks", "missing"): "missing job tasks",
    ("Tasks", "too_short"): "missing job tasks",
    ("Constraints.Key", "string_too_short"): "selector key cannot be blank",
    ("Tasks.Name", "missing"): "missing task name",
    ("Tasks.Name", "string_too_short"): "missing task name",
    ("Tasks.Name", "value_error"): "task name contains null character",
    ("Tasks.Engine", "missing"): "engine validation failed: nil spec config",
    ("Tasks.InputSources.Source", "missing"): "artifact validation failed: invalid artifact source: nil spec config",
    ("Tasks.InputSources.Target", "missing"): "artifact validation failed: missing artifact target",
    ("Tasks.ResultPaths.Name", "missing"): "output validation failed: resultpath name is blank",
    ("Tasks.ResultPaths.Path", "missing"): "output validation failed: path is blank",
    ("Tasks.Resources.CPU", ""): "invalid CPU value",
    ("Tasks.Resources.Memory", ""): "invalid memory value",
    ("Tasks.Resources.Disk", ""): "invalid disk value",
    ("Tasks.Resources.GPU", ""): "invalid GPU value",
    ("Tasks.Network.Type", ""): "unknown type '{value}'",
    ("Tasks.Timeouts.ExecutionTimeout", ""): "invalid execution timeout value",
    ("Tasks.Timeouts.QueueTimeout", ""): "invalid queue timeout value",
    ("Tasks.Timeouts.TotalTimeout", ""): "invalid total timeout value",
}
WRONG_KINDS = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "tuple_type": "a list",
    "list_type": "a list",
}
_TOLD = {
    "missing": "is required, but not given",
    "value_error": "{error}",
    "literal_error": "{shown} is not one of {expected}",
    "enum": "{shown} is not one of {expected}",
    "greater_than_equal": "{shown} is less than {ge}",
    "less_than_equal": "{shown} is more than {le}",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
    "string_unicode": "is not valid Unicode text",
}
_KINDS = {bool: "true or false", int: "a number", float: "a number", str: "text", dict: "a mapping", list: "a list"}


def explain(error: ErrorDetails, where: str, written: Written | None) -> str:
    """What pydantic's `error` at `where` means to the one who wrote `written`; None for a field that is not there."""
    what = _what(error, _shown(where, written), written)
    # A plugin may quote a value as long as a whole module.
    what = what if len(what) <= _LONGEST_MESSAGE else f"{what[:_LONGEST_MESSAGE]}…"
    field = _INDEX.sub("", where)
    known = _KNOWN_WORDS.get((field, error["type"])) or _KNOWN_WORDS.get((field, ""))
    if known is None:
        return what
    if error["type"] in ("missing", "too_short", "string_too_short"):
        return known
    return f"{known.format(value=clipped(written.text) if written else '')}: {what}"


def _what(error: ErrorDetails, shown: str, written: Written | None) -> str:
    kind = error["type"]
    if kind in WRONG_KINDS and written is not None:
        return _wrong_kind(shown, written, WRONG_KINDS[kind])
    if kind in _TOLD:
        return _TOLD[kind].format(shown=shown or "the value", **error.get("ctx", {}))
    message = f"{error['msg'][:1].lower()}{error['msg'][1:]}"
    return f"{shown}: {message}" if shown else message


def _wrong_kind(shown: str, written: Written, expected: str) -> str:
    value = written.value
    if value is None:
        return f"has no value, expected {expected}"
    is_one = f"{shown} is {_KINDS[type(value)]}" if shown else f"is {_KINDS[type(value)]}"
    if expected == "text" and isinstance(value, bool | int | float):
        quoted = f"write {json.dumps(written.text, ensure_ascii=False)}" if shown else "put it in quotes"
        return f"{is_one}, expected text: {quoted}"
    if expected == "a list" and isinstance(value, str):
        return f"{is_one}, expected a list: write [{json.dumps(clipped(value), ensure_ascii=False)}]"
    if isinstance(value, str) and _fits_unquoted(value, expected):
        return f"{is_one}, expected {expected}: write {value} without quotes"
    return f"{is_one}, expected {expected}"


def _fits_unquoted(text: str, expected: str) -> bool:
    if expected == "true or false":
        return text in ("true", "false")
    return expected in ("a whole number", "a number") and re.fullmatch(r"-?[0-9]{1,18}", text) is not None


def _shown(where: str, written: Written | None) -> str:
    """The value as it was written; "" for what does not fit a line, and for variables, which may be secrets."""
    if written is None or isinstance(written.value, dict | list) or ".Env." in where or ".EnvironmentVariables" in where:
        return ""
    return clipped(repr(written.value) if isinstance(written.value, str) else written.text or "null")
