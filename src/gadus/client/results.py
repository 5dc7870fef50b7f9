"""Where the results of a job are, and their bytes as they come."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from urllib.parse import urlsplit

from gadus.core.errors import NotFound, Rejected
from gadus.core.problem import clipped

from .api import PREFIX, Api, Value, in_path
from .foreign import reading
from .transport import Document

_ARCHIVES = (".tar.gz", ".tgz")
_ENDED = frozenset((4, 8, 9, 10, 11))
_COMPLETED = 9


@dataclass(frozen=True, slots=True)
class Result:
    """What one execution left: its archive, or a file, at `url`. `name` is that of the execution, or of the file."""

    name: str
    url: str

    @property
    def is_archive(self) -> bool:
        return urlsplit(self.url).path.endswith(_ARCHIVES)


class Results:
    """Finds and reads the results of jobs."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def of(self, job: Document, query: Mapping[str, Value]) -> list[Result]:
        """
        What the completed executions of a job left, in the order of the parts; if there is none, what the others wrote.

        Raises Rejected when they are at a place that this client knows no way to.
        """
        path = f"/orchestrator/jobs/{job['ID']}"
        executions = (await self._api.ask("GET", f"{path}/executions", query=query))["Items"]
        executions.sort(key=lambda one: one.get("PartitionIndex", 0))
        if any(one["ComputeState"]["StateType"] == _COMPLETED for one in executions):
            items = (await self._api.ask("GET", f"{path}/results", query=query))["Items"]
            return _in_order([_result(item, executions) for item in items], executions)
        ended = [one["ID"] for one in executions if one["ComputeState"]["StateType"] in _ENDED]
        return [Result(name, f"{PREFIX}{path}/results/{name}.tar.gz") for name in ended]

    def read(self, job: Document, result: Result) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The bytes of a result. Entering it raises NotFound, Unavailable."""
        url = urlsplit(result.url)
        # A server may know itself by another address than we do: its own routes are asked as all others.
        before, found, route = url.path.partition(f"{PREFIX}/orchestrator/jobs/{in_path(job['ID'])}/results/")
        if not found:
            return reading(result.url)
        del before
        query = f"{url.query}&" if url.query else ""
        # In this process packing would only cost time.
        accept = "application/x-tar" if not self._api.server else "*/*"
        path = f"{found.removeprefix(PREFIX)}{route}?{query}everything=true"
        return self._api.read(path, accept=accept)


def _result(item: Document, executions: Sequence[Document]) -> Result:
    params = item.get("Params") or {}
    url = params.get("URL") or params.get("PreSignedURL")
    if not isinstance(url, str) or not url:
        hint = "copy them with a tool of that service"
        raise Rejected(f"results of the type {item['Type']} cannot be fetched: they are at {_place(params)}", hint=hint)
    path = _path_of(url)
    name = next((one["ID"] for one in executions if one["ID"] in path), path.rpartition("/")[2])
    if name in ("", ".", ".."):
        raise NotFound(f"the address of a result names no file: {urlsplit(url).hostname}{path}")
    return Result(name, url)


def _path_of(url: str) -> str:
    try:
        parts = urlsplit(url)
        # Each has its own way to be wrong, and asking is what finds it.
        _ = parts.port, (parts.hostname or "").encode("idna")
    except ValueError as exc:
        hint = "`gadus job executions --output json` has what the server says of its results"
        # Without what may open the file to everybody.
        shown = clipped(url.partition("?")[0].rpartition("@")[2])
        raise Rejected(f"a result is at {shown!r}, which is no address", hint=hint) from exc
    return parts.path


def _place(params: Document) -> str:
    return ", ".join(f"{key} {value}" for key, value in params.items() if value and isinstance(value, str)) or "no known place"


def _in_order(results: Sequence[Result], executions: Sequence[Document]) -> list[Result]:
    places = {one["ID"]: place for place, one in enumerate(executions)}
    return sorted(results, key=lambda result: places.get(result.name, len(places)))
