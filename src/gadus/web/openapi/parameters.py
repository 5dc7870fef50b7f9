"""What may stand behind the question mark, and in a path."""

from __future__ import annotations

from dataclasses import dataclass

from .shapes import SWITCH, TEXT, Schema, words

_WHOLE: Schema = {"type": "integer", "minimum": 0, "maximum": 9_999_999_999}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a query; it may always be left out."""

    name: str
    says: str
    schema: Schema
    repeatable: bool = False


NAMESPACE = Parameter("namespace", "of this namespace only; * for all that the caller reaches", TEXT)
LABELS = Parameter("labels", "requirements on labels, as in Kubernetes: env in (a,b),!test", TEXT, repeatable=True)
LIMIT = Parameter("limit", "at most so many; 0 for as many as a page has", _WHOLE)
TOKEN = Parameter("next_token", "what the page before gave as NextToken", TEXT)
REVERSE = Parameter("reverse", "the other way round", SWITCH)
PAGE = (LIMIT, TOKEN)
JOB_ORDER = Parameter("order_by", "created_at or modified_at; anything else means created_at", TEXT)
EXECUTION_ORDER = Parameter("order_by", "by what executions are sorted", words("modify_time", "create_time", "id", "state"))
NODE_ORDER = Parameter(
    "order_by",
    "by what nodes are sorted",
    words(
        *("id", "type", "available_cpu", "available_memory", "available_disk", "available_gpu", "approval", "status"),
    ),
)
INCLUDE = Parameter("include", "any of executions, history, manifests, with commas in between", TEXT)
EXECUTION = Parameter("execution_id", "the id of an execution, or the beginning of it", TEXT)
EDITION = (
    Parameter("job_version", "of this version of the job only; 0 for the default", _WHOLE),
    Parameter("all_job_versions", "of every version of the job", SWITCH),
)
HISTORY = (
    Parameter("event_type", "of the job, of executions, or both", words("all", "job", "execution")),
    Parameter("since", "from this Unix second on", _WHOLE),
    EXECUTION,
    Parameter("node_id", "the id of a node, or the beginning of it", TEXT),
)
REASON = Parameter("reason", "why; also in the body", TEXT)
FOLLOW = Parameter("follow", "go on until it has ended", SWITCH)
TAIL = Parameter("tail", "only what is written from now on", SWITCH)
FORMAT = Parameter("format", "plain text, or frames that name the stream, a JSON document a line", words("text", "ndjson"))
LINES = Parameter("lines", "only so many lines of each stream, the last that there are", _WHOLE)
EXACT = Parameter("exact", "in frames, bytes that are no UTF-8 are surrogates as in PEP 383 instead of being replaced", SWITCH)
EVERYTHING = Parameter("everything", "also links, pipes and devices, as entries of the archive", SWITCH)
NODES = (
    Parameter("filter-approval", "approved, pending or rejected", TEXT),
    Parameter("filter-status", "connected or disconnected", TEXT),
)
PATHS = {
    "job": "the id of a job, the beginning of one that is not ambiguous, or a name; a slash in it as %2F",
    "archive": "the id of an execution, and .tar.gz",
    "digest": "the digest of a manifest",
    "node": "the id of a node, or the beginning of one that is not ambiguous",
    "method": "the name of a way to sign in",
}
