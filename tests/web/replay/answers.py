"""The answers that Bacalhau's command reads, field by field: of 1.4.0, and what is other in 1.9."""

from __future__ import annotations

from typing import Any

from decoding import (
    Decode,
    Refused,
    anything,
    by_name,
    check,
    each,
    embedding,
    flag,
    moment,
    natural,
    real,
    struct,
    text,
    whole,
    words,
)


def filled(decode: Decode, *needed: str) -> Decode:
    """The command follows these fields without a look: where they are missing, it crashes."""

    def decoded(value: Any, where: str) -> Any:
        found = decode(value, where)
        for name in needed:
            check(bool(found) and found.get(name) not in (None, [], ""), where, f"complete without {name}", found)
        return found

    return decoded


PARAMS = by_name(anything)
SPEC = struct(Type=text, Params=PARAMS)
INPUT = struct(Source=SPEC, Alias=text, Target=text)
NETWORK = struct(Type=words("None", "Full", "HTTP"), Domains=each(text))
RESOURCES = struct(CPU=text, Memory=text, Disk=text, GPU=text)
TASK = filled(
    struct(
        Name=text,
        Engine=SPEC,
        Publisher=SPEC,
        Env=by_name(text),
        Meta=by_name(text),
        InputSources=each(INPUT),
        ResultPaths=each(struct(Name=text, Path=text)),
        Resources=RESOURCES,
        Network=NETWORK,
        Timeouts=struct(ExecutionTimeout=whole, QueueTimeout=whole, TotalTimeout=whole),
    ),
    "Engine",
)
JOB_STATE = words("Undefined", "Pending", "Queued", "Running", "Completed", "Failed", "Stopped", lenient=True)
JOB = filled(
    struct(
        **dict.fromkeys(("ID", "Name", "Namespace", "Type"), text),
        **dict.fromkeys(("Priority", "Count"), whole),
        Constraints=each(struct(Key=text, Operator=text, Values=each(text))),
        Meta=by_name(text),
        Labels=by_name(text),
        Tasks=each(TASK),
        State=struct(StateType=JOB_STATE, Message=text),
        **dict.fromkeys(("Version", "Revision"), natural),
        **dict.fromkeys(("CreateTime", "ModifyTime"), whole),
    ),
    *("ID", "Tasks", "State", "CreateTime"),
)
STATE = struct(StateType=whole, Message=text)
OUTPUT = struct(Stdout=text, StdoutTruncated=flag, stderr=text, StderrTruncated=flag, ExitCode=whole, ErrorMsg=text)
NODE_RESOURCES = struct(
    CPU=real,
    Memory=natural,
    Disk=natural,
    GPU=natural,
    GPUs=each(struct(Index=natural, Name=text, Vendor=words("NVIDIA", "AMD/ATI", "Intel"), Memory=natural, PCIAddress=text)),
)
EXECUTION = filled(
    struct(
        **dict.fromkeys(("ID", "Namespace", "EvalID", "Name", "NodeID", "JobID"), text),
        AllocatedResources=struct(Tasks=by_name(NODE_RESOURCES)),
        DesiredState=STATE,
        ComputeState=STATE,
        PublishedResult=SPEC,
        RunOutput=OUTPUT,
        **dict.fromkeys(("PreviousExecution", "NextExecution", "FollowupEvalID"), text),
        Revision=natural,
        **dict.fromkeys(("CreateTime", "ModifyTime"), whole),
    ),
    *("ID", "JobID", "ComputeState", "DesiredState"),
)
EVENT = struct(Message=text, Topic=text, Timestamp=moment, Details=by_name(text))
_HISTORY = struct(
    Type=words("Undefined", "JobLevel", "ExecutionLevel"),
    **dict.fromkeys(("JobID", "NodeID", "ExecutionID", "Comment"), text),
    JobState=struct(Previous=JOB_STATE, New=JOB_STATE),
    ExecutionState=struct(Previous=whole, New=whole),
    NewRevision=natural,
    Event=EVENT,
    Time=moment,
    SeqNum=natural,
    JobVersion=natural,
)


def HISTORY(value: Any, where: str) -> Any:  # noqa: N802 - stands beside the others
    found = _HISTORY(value, where)
    needed = {"JobLevel": "JobState", "ExecutionLevel": "ExecutionState"}.get(found["Type"])
    if needed is None or found.get(needed) is None:
        raise Refused(f"{where}: an entry of {found['Type']} without its state makes the command crash")
    return found


VERSION = struct(**dict.fromkeys(("Major", "Minor", "GitVersion", "GitCommit", "GOOS", "GOARCH"), text), BuildDate=moment)
COMPUTE = struct(
    **dict.fromkeys(("ExecutionEngines", "Publishers", "StorageSources"), each(text)),
    **dict.fromkeys(("MaxCapacity", "QueueCapacity", "AvailableCapacity", "MaxJobRequirements"), NODE_RESOURCES),
    **dict.fromkeys(("RunningExecutions", "EnqueuedExecutions"), whole),
)
NODE_INFO = struct(
    NodeID=text, NodeType=words("Requester", "Compute"), Labels=by_name(text), ComputeNodeInfo=COMPUTE, BacalhauVersion=VERSION
)
NODE = filled(
    struct(
        Info=NODE_INFO,
        Membership=words("UNKNOWN", "PENDING", "APPROVED", "REJECTED"),
        Connection=words("DISCONNECTED", "CONNECTED", lenient=True),
    ),
    "Info",
)
NODE_OF_1_6 = embedding(
    NODE,
    ConnectionState=struct(Status=text, LastHeartbeat=moment, ConnectedSince=moment, DisconnectedSince=moment, LastError=text),
)


def page(item: Decode, name: str = "Items") -> Decode:
    return struct(NextToken=text, **{name: each(item)})


ANSWERS: dict[str, Decode] = {
    "Alive": struct(Status=text),
    "Version": VERSION,
    "AskedVersion": struct(build_version_info=VERSION),
    "OwnNode": NODE,
    "OwnNodeOf1.6": filled(NODE_INFO, "NodeID", "NodeType", "BacalhauVersion"),
    "Config": struct(config=anything),
    "AuthConfig": struct(Version=text, Config=anything),
    "AuthMethods": struct(NextToken=text, Methods=by_name(filled(struct(type=text, params=anything), "type"))),
    "Authentication": struct(Authentication=struct(success=flag, token=text, reason=text)),
    "PutJob": filled(struct(JobID=text, EvaluationID=text, Warnings=each(text), JobVersion=natural), "JobID", "EvaluationID"),
    "GetJob": filled(struct(Job=JOB, History=page(HISTORY), Executions=page(EXECUTION)), "Job"),
    "Jobs": page(JOB),
    "Executions": page(EXECUTION),
    "History": page(HISTORY),
    "Results": page(SPEC),
    "StopJob": struct(EvaluationID=text),
    "Diff": struct(Diff=text, Warnings=each(text)),
    "Nodes": page(NODE, "Nodes"),
    "NodesOf1.6": page(NODE_OF_1_6, "Nodes"),
    "Node": struct(Node=NODE),
    "PutNode": struct(Success=flag, Error=text),
    "Error": filled(
        struct(Status=whole, Message=text, RequestID=text, Code=text, Component=text, Hint=text, Details=by_name(text)),
        *("Status", "Message", "Code", "Component"),
    ),
}
"""What the command decodes, by the name of its answer."""
