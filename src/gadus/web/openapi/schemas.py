"""What is in the documents of the API."""

from __future__ import annotations

from .planned import planned
from .shapes import (
    ANYTHING,
    COUNT,
    MAP_OF_TEXT,
    NANOSECONDS,
    NUMBER,
    SWITCH,
    TEXT,
    TIME,
    WHOLE,
    Schema,
    list_of,
    named,
    numbers,
    or_null,
    page_of,
    record,
    words,
)
from .submitted import submitted

_STATES = "the number of a state: Bacalhau 1.5.2 moved some, so that it depends on the client"


def schemas() -> dict[str, Schema]:
    """Every schema by its name."""
    return submitted() | _jobs() | _executions() | _histories() | _inputs() | planned() | _nodes() | _others()


def _jobs() -> dict[str, Schema]:
    state = record({"StateType": words("Pending", "Queued", "Running", "Completed", "Failed", "Stopped")}, Message=TEXT)
    job = record(
        {
            **dict.fromkeys(("ID", "Name", "Namespace"), TEXT),
            "Type": words("batch", "ops", "daemon", "service"),
            **dict.fromkeys(("Priority", "Count"), WHOLE),
            "Constraints": list_of(named("Constraint")),
            **dict.fromkeys(("Meta", "Labels"), MAP_OF_TEXT),
            "Tasks": {**list_of(named("KeptTask")), "minItems": 1},
            "State": state,
            **dict.fromkeys(("Version", "Revision"), COUNT),
            **dict.fromkeys(("CreateTime", "ModifyTime"), NANOSECONDS),
        }
    )
    described = record(
        {"Job": named("Job")},
        History=page_of("HistoryItem"),
        Executions=page_of("Execution"),
        Manifests=list_of(named("Manifest")),
    )
    return {"Job": job, "DescribedJob": described}


def _executions() -> dict[str, Schema]:
    state = record({"StateType": numbers(_STATES)}, Message=TEXT)
    output = record(
        {
            "Stdout": TEXT,
            "StdoutTruncated": SWITCH,
            "stderr": TEXT,
            "StderrTruncated": SWITCH,
            "ExitCode": WHOLE,
            "ErrorMsg": TEXT,
        }
    )
    execution = record(
        {
            **dict.fromkeys(("ID", "Namespace", "EvalID", "Name", "NodeID", "JobID"), TEXT),
            "JobVersion": COUNT,
            "AllocatedResources": or_null(record({"Tasks": {"type": "object"}})),
            "DesiredState": state,
            "ComputeState": state,
            "PublishedResult": or_null(named("Result")),
            "RunOutput": or_null(output),
            **dict.fromkeys(("PreviousExecution", "NextExecution", "FollowupEvalID"), TEXT),
            **dict.fromkeys(("PartitionIndex", "Revision"), COUNT),
            **dict.fromkeys(("CreateTime", "ModifyTime"), NANOSECONDS),
            "Phase": words("", "staging", "running", "publishing"),
            "Error": or_null(record({"Kind": TEXT, "Message": TEXT, "Hint": TEXT})),
            "Receipt": {"type": "object"},
        }
    )
    return {"Execution": execution, "Result": record({"Type": TEXT}, Params={"type": "object"})}


def _histories() -> dict[str, Schema]:
    event = record({"Message": TEXT, "Topic": TEXT, "Timestamp": TIME}, Details=MAP_OF_TEXT)
    item = record(
        {
            "SeqNum": {"type": "integer", "minimum": 1},
            "Type": words("JobLevel", "ExecutionLevel"),
            "JobID": TEXT,
            "JobVersion": COUNT,
            "NewRevision": COUNT,
            "Comment": TEXT,
            "Event": event,
            "Time": TIME,
        },
        NodeID=TEXT,
        ExecutionID=TEXT,
        JobState=record({}, Previous=TEXT, New=TEXT),
        ExecutionState=record({}, Previous=numbers(_STATES), New=numbers(_STATES)),
    )
    return {"HistoryItem": item}


def _inputs() -> dict[str, Schema]:
    item = record({"key": TEXT, "path": TEXT, "bytes": WHOLE}, etag=TEXT, version_id=TEXT, sha256=TEXT, checksum=TEXT)
    manifest = record(
        {
            **dict.fromkeys(("Target", "Location", "Digest"), TEXT),
            **dict.fromkeys(("Objects", "Bytes"), COUNT),
            "Exact": SWITCH,
            "Items": list_of(named("Item")),
            "ItemsLeftOut": COUNT,
        }
    )
    return {"Item": item, "Manifest": manifest}


def _nodes() -> dict[str, Schema]:
    build = record(
        {"Major": TEXT, "Minor": TEXT, "GitVersion": TEXT, "GitCommit": TEXT, "BuildDate": TIME, "GOOS": TEXT, "GOARCH": TEXT}
    )
    gpu = record({"Index": COUNT, "Name": TEXT, "Vendor": TEXT, "Memory": COUNT, "PCIAddress": TEXT})
    amounts = record({}, CPU=NUMBER, Memory=COUNT, Disk=COUNT, GPU=COUNT, GPUs=list_of(gpu))
    compute = record(
        {
            **{name: list_of(TEXT) for name in ("ExecutionEngines", "Publishers", "StorageSources")},
            **dict.fromkeys(("MaxCapacity", "QueueCapacity", "AvailableCapacity", "MaxJobRequirements"), amounts),
            **dict.fromkeys(("RunningExecutions", "EnqueuedExecutions"), COUNT),
        }
    )
    info = record(
        {
            "NodeID": TEXT,
            "NodeType": words("Compute", "Requester"),
            "Labels": MAP_OF_TEXT,
            "SupportedProtocols": list_of(TEXT),
            "ComputeNodeInfo": compute,
            "BacalhauVersion": named("BuildVersion"),
        }
    )
    connection = dict.fromkeys(("LastHeartbeat", "ConnectedSince", "DisconnectedSince"), TIME)
    node = record(
        {
            "Info": named("NodeInfo"),
            "Membership": words("PENDING", "APPROVED", "REJECTED"),
            "Connection": words("CONNECTED", "DISCONNECTED"),
            "ConnectionState": record({"Status": words("CONNECTED", "DISCONNECTED"), **connection}),
        }
    )
    own = {"allOf": [named("Node"), named("NodeInfo")]}
    return {"BuildVersion": build, "NodeInfo": info, "Node": node, "OwnNode": own}


def _others() -> dict[str, Schema]:
    error = record(
        {
            **dict.fromkeys(("error", "message", "Message", "RequestID", "Code", "Component"), TEXT),
            "Status": {"type": "integer", "minimum": 400, "maximum": 599},
        },
        Hint=TEXT,
    )
    signed = record({"Authentication": record({"success": SWITCH}, token=TEXT, reason=TEXT)})
    frame = record(
        {
            "value": record(
                {"Type": numbers("1: standard output, 2: standard error"), "Line": TEXT}, ExecutionID=TEXT, PartitionIndex=COUNT
            )
        },
        error=TEXT,
    )
    way = record({"type": words("challenge", "ask"), "params": ANYTHING})
    caller = record({"Name": TEXT, "Scopes": list_of(TEXT), "Namespaces": list_of(TEXT)})
    return {"Caller": caller, "Error": error, "Signed": signed, "Frame": frame, "WayToSignIn": way}
