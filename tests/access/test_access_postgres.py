"""With jobs in PostgreSQL a caller reaches what it does with jobs in a file, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from guarding import JOBS, Guarded
from running import serving, wasm_job

from gadus.access.file import AccessFile
from postgres import postgres_server

NOWHERE = {"Constraints": [{"Key": "nowhere", "Operator": "=", "Values": ["yes"]}], "Labels": {"kept": ""}}
EACH = 7


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Jobs of the namespaces a, b and A in turn, of the same names, that wait for a node that there is not."""
    home = tmp_path_factory.mktemp("postgres")
    (home / "data").mkdir(mode=0o700)
    with postgres_server() as database:
        flags = ("--auth", "--requester-job-store-path", database.database())
        with serving(home / "data", {**os.environ, "HOME": str(home)}, *flags) as server:
            guarded = Guarded(server, AccessFile.of(home / "data"), {}, {})
            for who, namespaces in (("admin", "*"), ("in-a", "a"), ("in-both", "a b"), ("in-none", "c")):
                guarded.grant(who, "*", namespaces)
            for number in range(EACH):
                for namespace in ("a", "b", "A"):
                    job = wasm_job(name=f"job-{number}", Namespace=namespace, **NOWHERE)
                    answer = guarded("admin", "PUT", JOBS, {"Job": job})
                    guarded.jobs[f"{namespace}{number}"] = answer.document["JobID"]
            yield guarded


REACHED = {"admin": {"a", "b", "A"}, "in-a": {"a"}, "in-both": {"a", "b"}, "in-none": set()}


ORDERS = ["", "&reverse=true", "&order_by=modified_at", "&order_by=modified_at&reverse=true", "&labels=kept"]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("who", "reached"), REACHED.items())
def test_pages_are_of_the_namespaces_that_are_reached(guarded: Guarded, who: str, reached: set[str], order: str) -> None:
    named = {"a": reached & {"a"}, "A": reached & {"A"}, "%25": set(), "a,b": set()}
    for asked, about in {"": reached, "*": reached, **named}.items():
        seen, token = [], ""
        while True:
            answer = guarded(who, "GET", f"{JOBS}?limit=3&namespace={asked}&next_token={token}{order}").document
            seen += answer["Items"]
            token = answer["NextToken"]
            if not token:
                break
        assert {job["Namespace"] for job in seen} == about
        assert len({job["ID"] for job in seen}) == len(seen) == EACH * len(about)


def test_jobs_are_found_by_name_and_beginning_among_those_that_are_reached(guarded: Guarded) -> None:
    assert guarded("in-a", "GET", f"{JOBS}/job-3").document["Job"]["ID"] == guarded.jobs["a3"]
    assert guarded("admin", "GET", f"{JOBS}/job-3?namespace=A").document["Job"]["ID"] == guarded.jobs["A3"]
    for name in ("job-3", guarded.jobs["a3"], guarded.jobs["a3"][:12], "j-"):
        assert guarded("in-none", "GET", f"{JOBS}/{name}").status == 404
    assert guarded("in-a", "GET", f"{JOBS}/j-").status == 409
    assert guarded.jobs["b3"] not in guarded("in-a", "GET", f"{JOBS}/j-").body.decode()
    for method, document in (("GET", None), ("DELETE", {})):
        assert guarded("in-a", method, f"{JOBS}/{guarded.jobs['b3']}", document).status == 404
        assert guarded("in-both", method, f"{JOBS}/{guarded.jobs['b3']}", document).status != 404
