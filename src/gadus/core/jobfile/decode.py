"""Turns the text of a job file into a JobSpec, or into all the reasons why it is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from gadus.core.check import find
from gadus.core.errors import InvalidSpec
from gadus.core.problem import Problem, clipped, invalid, nearest
from gadus.core.spec import InputSource, JobSpec, Task

from . import document
from .document import Written
from .quick import RESERVED_META, ParamsModel, as_it_stands
from .shape import item_of, model_of, names_of, value_of
from .wording import WRONG_KINDS, explain

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Model = TypeVar("Model", bound=BaseModel)

ParamsModelIfKnown = Callable[[Literal["engine", "source"], str], type[BaseModel] | None]
"""As `ParamsModel`, but None for a plugin whose params are taken as they are: somebody else will read them."""

# What a stored job has beyond what its author wrote, and what is said when a file brings it along.
_READ_ONLY = {
    "id": "job ID is ignored when submitting a {type} job",
    "state": "job state is ignored when submitting a job",
    "version": "job version is ignored when submitting a job",
    "revision": "job revision is ignored when submitting a job",
    "createtime": "job create time is ignored when submitting a job",
    "modifytime": "job modify time is ignored when submitting a job",
}
_LEGACY = frozenset(("apiversion", "spec"))
_LEGACY_HINT = (
    "this is a job file of the old form v1beta1: write its parts as Name, Type and Tasks, without APIVersion and Spec"
)


def decode_job(text: str, *, params_model: ParamsModelIfKnown, name: str = "job file") -> tuple[JobSpec, tuple[str, ...]]:
    """
    The job in the YAML or JSON `text` with canonical params, and warnings about what was left out of it.

    Keys are taken in any case. What ``job describe`` prints is taken too: fields that only the store sets are dropped.
    Raises InvalidSpec with every problem, sorted by line.
    """
    return _decoded(document.parse(text, name), params_model, name)


def decode_document(
    data: Mapping[str, Any], *, params_model: ParamsModel, name: str = "Job"
) -> tuple[JobSpec, tuple[str, ...]]:
    """The same for a job that is plain data already, and has no lines."""
    with suppress(InvalidSpec, ValidationError):
        if spec := as_it_stands(data, params_model):
            return spec, ()
    # What is wrong with it is told by who reads it field by field.
    return _decoded(document.written(data), params_model, name)


def decode_loosely(data: Mapping[str, Any], *, name: str = "Job") -> tuple[JobSpec, tuple[str, ...]]:
    """The same with params as they were given: whoever checks the job looks at them."""
    return _decoded(document.written(data), lambda _kind, _name: None, name)


def _decoded(root: Written, params_model: ParamsModelIfKnown, name: str) -> tuple[JobSpec, tuple[str, ...]]:
    fields = _fields_of_job(root, name)
    legacy = [key for key in fields if key.lower() in _LEGACY]
    if legacy:
        raise invalid(
            [Problem(key, f"unknown field: {clipped(repr(key))} in 'Job'", fields[key].line) for key in legacy],
            hint=_LEGACY_HINT,
        )
    fields, warnings = _without_ignored(fields)
    reader = _Reader(params_model)
    data = reader.read(JobSpec, Written(fields), "")
    for where, what in find(data):
        reader.note(where, what)
    spec = reader.validated(JobSpec, data, "")
    if spec is None or reader.problems:
        raise invalid(reader.problems)
    return spec, warnings


def decode_params(model: type[Model], params: Mapping[str, Any], where: str) -> Model:
    """The values of `params`, with keys in any case, as a `model`. Raises InvalidSpec that names the fields below `where`."""
    if model.model_config.get("extra") == "forbid":
        # Most have canonical names already, and no model takes others.
        with suppress(ValidationError):
            return model.model_validate(params)
    reader = _Reader(None)
    value = reader.validated(model, reader.read(model, document.written(params), where), where)
    if value is None or reader.problems:
        raise invalid(reader.problems)
    return value


class _Reader:
    """Walks a document along the annotations of pydantic models, and remembers what is where and what is wrong."""

    def __init__(self, params_model: ParamsModelIfKnown | None) -> None:
        self._params_model = params_model
        self._places: dict[str, Written] = {}
        self.problems: list[Problem] = []

    def read(self, annotation: object, written: Written, where: str) -> Any:
        """Plain data with canonical names; unknown names are left out and noted."""
        self._places[where] = written
        if isinstance(written.value, list):
            inner = item_of(annotation)
            return [self.read(inner, item, f"{where}[{index}]") for index, item in enumerate(written.value)]
        if not isinstance(written.value, dict):
            return written.value
        model = model_of(annotation, written.value)
        if model is None:
            inner = value_of(annotation)
            return {key: self.read(inner, value, _join(where, key)) for key, value in written.value.items()}
        data = self._fields(model, written.value, where)
        if issubclass(model, Task):
            self._plugin("engine", data.get("Engine"), _join(where, "Engine"))
        elif issubclass(model, InputSource):
            self._plugin("source", data.get("Source"), _join(where, "Source"))
        return data

    def validated(self, model: type[Model], data: object, where: str) -> Model | None:
        """What was read at `where` as a `model`; None after problems were noted."""
        try:
            return model.model_validate(data)
        except ValidationError as exc:
            placed = [(self._place(where, error), error) for error in exc.errors(include_url=False)]
            for place, error in placed:
                # The other arm of a union, or a list called empty for its bad items: what is wrong inside says more.
                deeper = any(other.startswith((f"{place}.", f"{place}[")) for other, _ in placed)
                if not (deeper and error["type"] in (*WRONG_KINDS, "too_short")):
                    self.note(place, explain(error, place, self._places.get(place)))
            return None

    def note(self, where: str, what: str) -> None:
        """Remember that `what` is wrong at `where`, or at the nearest place above that has a line."""
        above = where
        while above and above not in self._places:
            above = above[: max(above.rfind("."), above.rfind("["), 0)]
        self.problems.append(Problem(where or "Job", what, self._places[above].line if above in self._places else 0))

    def _fields(self, model: type[BaseModel], fields: Mapping[str, Written], where: str) -> dict[str, Any]:
        known = names_of(model)
        data: dict[str, Any] = {}
        said: dict[str, str] = {}
        for key, value in fields.items():
            name, annotation = known.get(key.lower(), ("", None))
            if not name and model.model_config.get("extra") == "allow":
                name, annotation = key, Any
            place = _join(where, name or clipped(key))
            if not name:
                self._places[place] = value
                owner = where.rpartition(".")[2] or "Job"
                names = [canonical for canonical, _ in known.values()]
                self.note(place, f"unknown field: {clipped(repr(key))} in '{owner}'; {nearest(key, names)}")
            elif name in data:
                self.problems.append(Problem(place, f"given twice, as {said[name]} and {key}", value.line))
            else:
                data[name], said[name] = self.read(annotation, value, place), key
        return data

    def _plugin(self, kind: Literal["engine", "source"], config: object, where: str) -> None:
        """Replace the params in `config` by those that the plugin understands, in its own spelling."""
        name = config.get("Type") if isinstance(config, dict) else None
        if self._params_model is None or not isinstance(config, dict) or not isinstance(name, str) or not name.strip():
            return
        place = _join(where, "Params")
        params = self._places.get(place) or Written({}, self._places[where].line)
        if params.value is None:
            params = Written({}, params.line)
        if not isinstance(params.value, dict):
            return
        try:
            model = self._params_model(kind, name.strip())
        except InvalidSpec as exc:
            for problem in exc.problems:
                self.note(_join(where, "Type"), problem)
            return
        if model is None:
            return
        value = self.validated(model, self.read(model, params, place), place)
        config["Params"] = value.model_dump(mode="json", by_alias=True, exclude_unset=True) if value else {}

    def _place(self, where: str, error: ErrorDetails) -> str:
        """The field that `error` is about: its location also names the arms of unions, which are no fields."""
        for part in error["loc"]:
            step = f"{where}[{part}]" if isinstance(part, int) else _join(where, part)
            if step in self._places:
                where = step
        return _join(where, str(error["loc"][-1])) if error["type"] == "missing" else where


def _fields_of_job(root: Written, name: str) -> dict[str, Written]:
    """The fields of the job itself, also when it stands inside what ``job describe`` prints."""
    for _ in range(2):
        if not isinstance(root.value, dict):
            break
        keys = {key.lower(): key for key in root.value}
        if "job" not in keys or not keys.keys() <= {"job", "executions", "history", "manifests"}:
            return root.value
        root = root.value[keys["job"]]
    raise invalid([Problem(name, "expected a mapping with the fields Name, Type and Tasks of a job", root.line)])


def _without_ignored(fields: Mapping[str, Written]) -> tuple[dict[str, Written], tuple[str, ...]]:
    kept: dict[str, Written] = {}
    warnings: list[str] = []
    job_type = next((value.text for key, value in fields.items() if key.lower() == "type"), "batch")
    for key, value in fields.items():
        match key.lower(), value.value:
            case name, _ if name in _READ_ONLY:
                warnings.append(_READ_ONLY[name].format(type=clipped(job_type)))
            case "tasks", list() as tasks if len(tasks) > 1:
                warnings.append("only one task is supported per job")
                kept[key] = Written(tasks[:1], value.line)
            case "meta", dict() as meta:
                reserved = [name for name in meta if name.startswith(RESERVED_META)]
                warnings += [f'job meta key "{clipped(name)}" is reserved and will be ignored' for name in reserved]
                kept[key] = Written({name: inner for name, inner in meta.items() if name not in reserved}, value.line)
            case _:
                kept[key] = value
    return kept, tuple(warnings)


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
