"""
Every setting there is: its name, its variables, how its text is read, its default and what it means.

Names are those of Bacalhau 1.5 and later where it has the setting, too. A name also gives variables: ``GADUS_`` and
``BACALHAU_`` with the name in upper case and ``_`` for ``.``; older and shorter ones stand before these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gadus.core.capacity import whole_number
from gadus.core.units import parse_bytes, parse_cores

from . import values as read

OURS, THEIRS = "GADUS_", "BACALHAU_"
JOB_TYPES = ("Batch", "Ops", "Service", "Daemon")
TYPES_WITH_AN_END = JOB_TYPES[:2]


@dataclass(frozen=True, slots=True)
class Key:
    """
    A setting.

    `short` are variables before those that its name gives, `also` others behind ours; `clients` when those that the name gives
    belong to clients. `parts`: a list or a mapping of a file becomes words with commas. `unsaid` is shown where there is no
    default that could be written.
    """

    name: str
    parse: Callable[[str], Any]
    meaning: str
    default: str = ""
    short: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    clients: bool = False
    parts: bool = False
    secret: bool = False
    unsaid: str = ""

    @property
    def variables(self) -> tuple[str, ...]:
        """Its variables, the strongest first."""
        word = self.name.upper().replace(".", "_")
        if self.clients:
            return (*self.short, *self.also)
        return (*self.short, OURS + word, *self.also, THEIRS + word)


_RESOURCES = ("CPU", "Memory", "Disk", "GPU")


def _limits(path: str, short: str, meaning: str, defaults: tuple[str, ...]) -> list[Key]:
    parsers = (read.share_of_cores, read.share_of_bytes, read.share_of_bytes, read.share_of_devices)
    return [
        Key(f"{path}.{name}", parse, meaning.format(name), default, short=(f"{OURS}{short}_{name.upper()}",))
        for name, parse, default in zip(_RESOURCES, parsers, defaults, strict=True)
    ]


def _needs(kind: str) -> list[Key]:
    parsers = (parse_cores, parse_bytes, parse_bytes, whole_number)
    return [
        Key(
            f"JobDefaults.{kind}.Task.Resources.{name}",
            parse,
            f"{name} that {kind.lower()} jobs are taken to need that do not say; limits no program",
            default,
            also=(f"{OURS}JOB_DEFAULT_{name.upper()}",),
        )
        for name, parse, default in zip(_RESOURCES, parsers, ("500m", "512MB", "0", "0"), strict=True)
    ]


def _of_type(kind: str) -> list[Key]:
    path = f"JobDefaults.{kind}"
    keys = [
        Key(f"{path}.Priority", read.priority, f"the priority of {kind.lower()} jobs that name none", "0"),
        *_needs(kind),
    ]
    if kind in TYPES_WITH_AN_END:
        times = f"{path}.Task.Timeouts"
        keys += [
            Key(
                f"{times}.ExecutionTimeout",
                read.seconds,
                f"how long {kind.lower()} jobs may run that do not say; 0: no limit",
                "0",
            ),
            Key(f"{times}.TotalTimeout", read.seconds, "the same, with the time in the queue; 0: no limit", "0"),
        ]
    return keys


def _plugins(path: str, short: str, what: str) -> list[Key]:
    return [
        Key(f"{path}.Disabled", read.names, f"the {what} that jobs may not use", parts=True),
        Key(f"{path}.Allowed", read.allowed, f"the only {what} that jobs may use", "all", short=(OURS + short,), parts=True),
    ]


_ADMISSION = "JobAdmissionControl"

# fmt: off
KEYS: tuple[Key, ...] = (
    Key("DataDir", str, "jobs, cache, workplaces and results", unsaid="~/.local/share/gadus", short=(f"{OURS}DATA_DIR",),
        also=(f"{THEIRS}DIR",)),
    Key("Store", str, "where jobs are kept instead: a file, or postgresql://…", secret=True),
    Key("Name", read.node_name, "the id of this node", short=(f"{OURS}NODE_NAME",)),
    Key("NameProvider", read.name_provider, "how a node without a name gets its id: hostname, puuid or uuid", "hostname"),
    Key("Labels", read.labels, "labels of the node: zone=a,disk=ssd", parts=True),
    Key("API.Host", read.host, "the address that the server listens at", "127.0.0.1",
        short=(f"{OURS}SERVER_HOST",), also=(f"{THEIRS}SERVER_HOST", f"{THEIRS}NODE_SERVERAPI_HOST"), clients=True),
    Key("API.Port", read.port, "the port that the server listens at; 0 takes one that is free", "1234",
        short=(f"{OURS}SERVER_PORT",), also=(f"{THEIRS}SERVER_PORT", f"{THEIRS}NODE_SERVERAPI_PORT"), clients=True),
    Key("API.AllowedHosts", read.words, "further names by which clients may address the server", parts=True),
    Key("API.Auth.Required", read.truth, "whether every client must say who it is, also on this machine", "false"),
    Key("API.TLS.CertFile", str, "the certificate of the server", also=(f"{THEIRS}NODE_SERVERAPI_TLS_SERVERCERTIFICATE",)),
    Key("API.TLS.KeyFile", str, "the key of that certificate", also=(f"{THEIRS}NODE_SERVERAPI_TLS_SERVERKEY",)),
    Key("API.TLS.SelfSigned", read.truth, "whether the server makes a certificate of its own", "false"),
    Key("Orchestrator.Enabled", read.truth, "whether the server accepts and keeps jobs", "true"),
    Key("Compute.Enabled", read.truth, "whether the server runs jobs on this machine", "true"),
    *_limits("Compute.AllocatedCapacity", "CAPACITY", "{} of this machine for jobs: an amount or a share",
             ("100%", "90%", "80%", "100%")),
    *_limits("Compute.JobMaximum", "JOB_MAX", "the most {} for one execution: an amount or a share of that", ("100%",) * 4),
    Key("Compute.IgnorePhysicalResourceLimits", read.truth, "whether more may be given to jobs than the machine has", "false"),
    Key("Compute.ExecutionTimeout.Minimum", read.seconds, "jobs with a shorter limit are refused", "0"),
    Key("Compute.ExecutionTimeout.Maximum", read.seconds, "jobs with a longer limit are refused, those without get it", "0"),
    *(key for kind in JOB_TYPES for key in _of_type(kind)),
    Key(f"{_ADMISSION}.RejectNetworkedJobs", read.truth, "whether jobs with a network are refused", "false",
        short=(f"{OURS}REJECT_NETWORKED",)),
    Key(f"{_ADMISSION}.AcceptNetworkedJobs", read.yes_or_unsaid, "the opposite, in older words", ""),
    Key(f"{_ADMISSION}.RejectStatelessJobs", read.truth, "whether jobs without inputs are refused", "false",
        short=(f"{OURS}REJECT_STATELESS",)),
    Key(f"{_ADMISSION}.Locality", read.is_local, "anywhere, or local: only jobs whose inputs are here already", "anywhere",
        short=(f"{OURS}LOCALITY",)),
    Key(f"{_ADMISSION}.ProbeExec", str, "a shell command that is asked for each job", short=(f"{OURS}PROBE_EXEC",)),
    Key(f"{_ADMISSION}.ProbeHTTP", read.web_address, "a URL that is asked for each job", short=(f"{OURS}PROBE_HTTP",),
        secret=True),
    *_plugins("Engines", "ENGINES", "engines"),
    *_plugins("InputSources", "SOURCES", "sources of inputs"),
    *_plugins("Publishers", "PUBLISHERS", "publishers"),
    Key("Engines.Types.Docker.Host", str, "the address of the container engine", unsaid="the usual sockets",
        short=("DOCKER_HOST",)),
    Key("Cache.Limit", read.cache_limit, "what all cached inputs may hold: 50GB or 80%", unsaid="4/5 of what is free"),
    Key("Staging.Timeout", read.duration, "how long the inputs of an execution may take; 0 is no limit", "1h"),
    Key("Preparing.Timeout", read.duration, "how long its program may take to be got ready; 0 is no limit", "30m"),
    Key("Logs.Limit", read.log_limit, "what is kept of each stream of an execution", "64MiB", short=(f"{OURS}LOG_LIMIT",)),
    Key("Logging.Level", read.log_level, "how much the server tells: debug, info, warning or error", "info",
        short=(f"{OURS}LOG_LEVEL",), also=("LOG_LEVEL",)),
    Key("Logging.Mode", read.log_mode, "how the server tells it: default, or json for programs", "default",
        short=(f"{OURS}LOG_MODE",)),
    Key("Tracing.Endpoint", read.web_address, "the OpenTelemetry collector that gets traces", short=(f"{OURS}OTLP_ENDPOINT",),
        also=("OTEL_EXPORTER_OTLP_ENDPOINT",), secret=True),
)
# fmt: on
BY_NAME = {key.name.lower(): key for key in KEYS}

FOREIGN = {
    "api.auth": "users and tokens are made with `gadus auth`",
    "api.tls.autocert": "give a certificate with API.TLS.CertFile and API.TLS.KeyFile",
    "api.tls": "it is the client's: give it by flag, by variable or in a profile",
    "compute.allowlistedlocalpaths": "there are no local inputs yet",
    "compute.env": "values of this machine's environment are not passed on to jobs",
    "compute": "nodes that join another orchestrator are not there yet",
    "disableanalytics": "Gadus sends nothing to anybody",
    "engines.types": "manifests of images are not cached",
    "featureflags": "there are none",
    "inputsources": "requests are tried again as their service wants it",
    "jobdefaults": "results are kept on the server either way",
    "licensing": "there is no licence",
    "orchestrator": "orchestrators of several nodes are not there yet",
    "publishers": "the only publisher is local",
    "resultdownloaders": "results are fetched from the server",
    "strictversionmatch": "clients of every version are answered",
    "updateconfig": "Gadus looks for no updates",
    "webui": "there is no web interface yet",
}
"""Beginnings of names, in lower case, that Bacalhau knows and that have no effect here; the longest counts."""
