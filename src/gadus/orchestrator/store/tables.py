"""
The tables, the same in SQLite and PostgreSQL.

    events        the truth: every event of every job, in the order in which all of them were accepted
    jobs          the fold of each job's events, for reading, without its executions and vacancies
    parts         these, one row each: an event changes few of them, however many a job has
    submissions   the idempotency keys
    store         facts about the store itself

A job is `waiting` when all it needs is places, `over` when it is final and nothing of it runs, else `active`. It is `folded`
unless it was taken over from a version whose rules were others: then its row is the truth.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

SCHEMA_VERSION = 2

_TABLES = """
CREATE TABLE store (name {text} PRIMARY KEY, value {text} NOT NULL){strict};
CREATE TABLE events (
    seq {integer} PRIMARY KEY, job_id {text} NOT NULL, version {integer} NOT NULL, at {real} NOT NULL,
    event {text} NOT NULL, checksum {integer} NOT NULL
){strict};
CREATE UNIQUE INDEX events_by_job ON events (job_id, version);
CREATE TABLE jobs (
    id {text} PRIMARY KEY, version {integer} NOT NULL, namespace {text} NOT NULL, name {text} NOT NULL, state {text} NOT NULL,
    created_at {real} NOT NULL, standing {text} NOT NULL, folded {integer} NOT NULL, parts {integer} NOT NULL,
    type {text} NOT NULL, priority {integer} NOT NULL, needs {text} NOT NULL, deadline {real}, job {text} NOT NULL,
    checksum {integer} NOT NULL
){strict};
CREATE INDEX jobs_by_creation ON jobs (created_at, id, namespace, state);
CREATE INDEX jobs_by_state ON jobs (state, type);
CREATE INDEX jobs_by_name ON jobs (name, namespace, created_at);
CREATE INDEX jobs_by_standing ON jobs (standing, created_at, id) WHERE standing <> 'over';
CREATE TABLE parts (
    job_id {text} NOT NULL, kind {text} NOT NULL, id {text} NOT NULL, position {integer} NOT NULL, part {text} NOT NULL,
    checksum {integer} NOT NULL, PRIMARY KEY (job_id, kind, id)
){clustered};
CREATE TABLE submissions (
    namespace {text} NOT NULL, key {text} NOT NULL, job_id {text} NOT NULL, PRIMARY KEY (namespace, key)
){clustered};
"""

COLUMNS = {
    "events": ("seq", "job_id", "version", "at", "event", "checksum"),
    "jobs": (
        "id",
        "version",
        "namespace",
        "name",
        "state",
        "created_at",
        "standing",
        "folded",
        "parts",
        "type",
        "priority",
        "needs",
        "deadline",
        "job",
        "checksum",
    ),
    "parts": ("job_id", "kind", "id", "position", "part", "checksum"),
    "submissions": ("namespace", "key", "job_id"),
}
"""The tables with jobs, and their columns in the order in which rows are written."""

SQLITE = _TABLES.format(text="TEXT", integer="INTEGER", real="REAL", strict=" STRICT", clustered=" WITHOUT ROWID, STRICT")
# Ids are compared and sorted byte by byte, as SQLite does it.
POSTGRES = _TABLES.format(text='TEXT COLLATE "C"', integer="BIGINT", real="DOUBLE PRECISION", strict="", clustered="")


_INDEXES = dict(re.findall(r"^(?=.*? INDEX (\w+) ON )(CREATE .*?);$", _TABLES, re.MULTILINE))


def missing_indexes(there: Iterable[str]) -> list[str]:
    """The statements for the indexes that are not `there`: some came later than the schema."""
    known = set(there)
    return [statement for name, statement in _INDEXES.items() if name not in known]


def insert(table: str) -> str:
    """The statement that adds a row of `table`."""
    columns = COLUMNS[table]
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - our own names


def upsert(table: str, *key: str) -> str:
    """The statement that adds a row, or replaces the one with the same `key`."""
    changes = ", ".join(f"{column} = excluded.{column}" for column in COLUMNS[table] if column not in key)
    return f"{insert(table)} ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}"


def select(table: str, where: str = "") -> str:
    """The query for whole rows of `table`."""
    return f"SELECT {', '.join(COLUMNS[table])} FROM {table} {where}"  # noqa: S608 - our own names; values are bound
