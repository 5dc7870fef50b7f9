"""The flags of a server and its node, by Bacalhau's names: each is a setting, or is refused with the reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from gadus.cli.lazy import UsageMistake
from gadus.cli.show.failures import say_labelled
from gadus.config import Said, Settings

Command = TypeVar("Command", bound=Callable[..., Any])

_ROLES = {"requester": "orchestrator", "orchestrator": "orchestrator", "compute": "compute"}
_PUBLISHER_HERE = "local"

_TEXTS: dict[str, tuple[str, str, str]] = {
    "--host": ("API.Host", "ADDRESS", "The address to listen at.  [default: 127.0.0.1]"),
    "--port": ("API.Port", "PORT", "The port to listen at; 0 takes one that is free.  [default: 1234]"),
    "--name": ("Name", "NAME", "The id of the node."),
    "--name-provider": ("NameProvider", "HOW", "Its id without a name: hostname, puuid (made once) or uuid (each time)."),
    "--limit-total-cpu": ("Compute.AllocatedCapacity.CPU", "CORES|%", "CPU cores for jobs."),
    "--limit-total-memory": ("Compute.AllocatedCapacity.Memory", "SIZE|%", "Memory for jobs."),
    "--limit-total-disk": ("Compute.AllocatedCapacity.Disk", "SIZE|%", "Disk for jobs."),
    "--limit-total-gpu": ("Compute.AllocatedCapacity.GPU", "NUMBER|%", "GPUs for jobs."),
    "--limit-job-cpu": ("Compute.JobMaximum.CPU", "CORES|%", "The most of that for one execution."),
    "--limit-job-memory": ("Compute.JobMaximum.Memory", "SIZE|%", "The same of memory."),
    "--limit-job-disk": ("Compute.JobMaximum.Disk", "SIZE|%", "The same of disk."),
    "--limit-job-gpu": ("Compute.JobMaximum.GPU", "NUMBER|%", "The same of GPUs."),
    "--min-job-execution-timeout": ("Compute.ExecutionTimeout.Minimum", "TIME", "Refuse jobs with a shorter time-out."),
    "--max-job-execution-timeout": ("Compute.ExecutionTimeout.Maximum", "TIME", "Refuse jobs with a longer one."),
    "--job-selection-data-locality": ("JobAdmissionControl.Locality", "WHERE", "local: only jobs whose inputs are here."),
    "--job-selection-probe-exec": ("JobAdmissionControl.ProbeExec", "COMMAND", "Ask this command about each job."),
    "--job-selection-probe-http": ("JobAdmissionControl.ProbeHTTP", "URL", "Ask this URL about each job."),
    "--log-mode": ("Logging.Mode", "HOW", "How the log looks: default, or json for programs."),
    "--requester-job-store-path": ("Store", "FILE|URL", "Where jobs are kept instead of the data directory."),
}
_LISTS: dict[str, tuple[str, str, str]] = {
    "--labels": ("Labels", "KEY=VALUE", "Labels of the node, comma-separated or repeated."),
    "--disable-engine": ("Engines.Disabled", "NAME", "An engine that jobs may not use; repeatable."),
    "--disable-storage": ("InputSources.Disabled", "NAME", "The same for a source of inputs."),
    "--disabled-publisher": ("Publishers.Disabled", "NAME", "The same for a publisher."),
}
_SWITCHES: dict[str, tuple[str, str]] = {
    "ignore-physical-resource-limits": ("Compute.IgnorePhysicalResourceLimits", "Let limits exceed what the machine has."),
    "job-selection-reject-stateless": ("JobAdmissionControl.RejectStatelessJobs", "Refuse jobs without inputs."),
    "job-selection-reject-networked": ("JobAdmissionControl.RejectNetworkedJobs", "Refuse jobs with a network."),
    "job-selection-accept-networked": ("JobAdmissionControl.AcceptNetworkedJobs", ""),
}
_DEFAULT_TIMEOUT = "--default-job-execution-timeout"
_TIMEOUTS = tuple(f"JobDefaults.{kind}.Task.Timeouts.ExecutionTimeout" for kind in ("Batch", "Ops"))
_SEVERAL_NODES = "nodes on other machines are not there yet: this server runs its jobs itself"
_REFUSED = {
    "--orchestrators": _SEVERAL_NODES,
    "--network-port": _SEVERAL_NODES,
    "--network-store-dir": _SEVERAL_NODES,
    "--advertised-address": _SEVERAL_NODES,
    "--cluster-name": _SEVERAL_NODES,
    "--cluster-port": _SEVERAL_NODES,
    "--cluster-advertised-address": _SEVERAL_NODES,
    "--cluster-peers": _SEVERAL_NODES,
    "--ipfs-connect": "there is no source or publisher for IPFS",
    "--allow-listed-local-paths": "the source localDirectory is not there yet",
    "--job-execution-timeout-bypass-client-id": "the limits on time-outs hold for every client",
    "--compute-execution-store-path": "what executions do is kept in the data directory: use --data-dir",
    "--web-ui-port": "there is no web interface yet",
}
_REFUSED_SWITCHES = {
    "web-ui": "there is no web interface yet",
    "requester-job-translation-enabled": "the engines python and duckdb are not there: use docker",
}
_NO_EFFECT = {
    "--job-negotiation-timeout": "jobs are not negotiated",
    "--node-info-store-ttl": "the node is always known",
    "--docker-manifest-cache-size": "manifests of images are not cached",
    "--docker-manifest-cache-duration": "manifests of images are not cached",
    "--docker-manifest-cache-frequency": "manifests of images are not cached",
    "--compute-execution-store-type": "executions keep their records in files of the data directory",
    "--requester-job-store-type": "the store is SQLite, or PostgreSQL by --requester-job-store-path",
    "--local-publisher-address": "results are fetched from the server itself",
    "--local-publisher-port": "results are fetched from the server itself",
    "--local-publisher-directory": "results are kept in the data directory",
}


def with_node_flags(command: Command) -> Command:
    """`command` with the flags that `node_flags` reads."""
    options = [click.Option([flag], metavar=metavar, help=help_) for flag, (_, metavar, help_) in _TEXTS.items()]
    options += [click.Option([_DEFAULT_TIMEOUT], metavar="TIME", help="The time-out of jobs that set none.")]
    options += [click.Option([flag], metavar=meta, multiple=True, help=help_) for flag, (_, meta, help_) in _LISTS.items()]
    options += [_switch(name, help_) for name, (_, help_) in _SWITCHES.items()]
    options += [
        _switch("orchestrator", "Accept and keep jobs; without --compute none of them is run here."),
        _switch("compute", "Run jobs on this machine."),
        click.Option(["--node-type"], multiple=True, hidden=True),
        click.Option(["--default-publisher"], hidden=True),
    ]
    options += [click.Option([flag], multiple=True, hidden=True) for flag in (*_REFUSED, *_NO_EFFECT)]
    options += [_switch(name, "") for name in _REFUSED_SWITCHES]
    known: list[click.Parameter] = command.__dict__.setdefault("__click_params__", [])
    known.extend(reversed(options))
    return command


def node_flags(flags: Mapping[str, Any], ctx: click.Context) -> dict[str, Said]:
    """
    The settings that the flags are.

    Raises UsageMistake for one that cannot act here, and warns of one whose absence changes nothing.
    """
    given = {flag: flags[_name(flag)] for flag in _every_flag() if flags.get(_name(flag)) not in (None, (), "")}
    _refuse(given, ctx)
    for flag, why in _NO_EFFECT.items():
        if flag in given:
            say_labelled("Warning", f"{flag} has no effect: {why}")
    said = {key: Said(given[flag], flag, "flag") for flag, (key, _, _) in _TEXTS.items() if flag in given}
    said |= {key: Said(",".join(given[flag]), flag, "flag") for flag, (key, _, _) in _LISTS.items() if flag in given}
    for name, (key, _) in _SWITCHES.items():
        if f"--{name}" in given:
            said[key] = _yes_or_no(given[f"--{name}"], f"--{name}")
    if _DEFAULT_TIMEOUT in given:
        said |= {key: Said(given[_DEFAULT_TIMEOUT], _DEFAULT_TIMEOUT, "flag") for key in _TIMEOUTS}
    return said | _roles(given, ctx)


def refuse_other_roles(settings: Settings, ctx: click.Context) -> None:
    """A server that accepts no jobs would have to get them from another one. Raises UsageMistake."""
    if not settings.orchestrator:
        said = settings.said.get("Orchestrator.Enabled", Said(""))
        raise UsageMistake(
            f"a server that only runs the jobs of another orchestrator is not there yet ({said.origin})",
            hint="let it be both: leave --compute and --node-type out, or give --orchestrator as well",
            ctx=ctx,
        )


def _refuse(given: Mapping[str, Any], ctx: click.Context) -> None:
    refused = {**_REFUSED, **{f"--{name}": why for name, why in _REFUSED_SWITCHES.items()}}
    for flag, why in refused.items():
        if flag in given and given[flag] is not False:
            raise UsageMistake(f"{flag}: {why}", hint="leave it out", ctx=ctx)
    publisher = given.get("--default-publisher", _PUBLISHER_HERE)
    if publisher.partition(",")[0] != _PUBLISHER_HERE:
        raise UsageMistake(f"--default-publisher: {publisher!r} is not a publisher of Gadus yet", hint="leave it out", ctx=ctx)


def _roles(given: Mapping[str, Any], ctx: click.Context) -> dict[str, Said]:
    """Who names one role means that one alone."""
    by = {role: (given[f"--{role}"], f"--{role}") for role in ("orchestrator", "compute") if f"--{role}" in given}
    for word in (word.strip().lower() for words in given.get("--node-type", ()) for word in words.split(",")):
        if word not in _ROLES:
            raise UsageMistake(
                f"--node-type: {word!r} is neither requester nor compute", hint="write requester,compute", ctx=ctx
            )
        by[_ROLES[word]] = (True, "--node-type")
    if any(value for value, _ in by.values()):
        flag = next(flag for value, flag in by.values() if value)
        by = {role: by.get(role, (False, flag)) for role in ("orchestrator", "compute")}
    return {f"{role.capitalize()}.Enabled": _yes_or_no(value, flag) for role, (value, flag) in by.items()}


def _yes_or_no(value: object, flag: str) -> Said:
    return Said("true" if value else "false", flag, "flag")


def _switch(name: str, help_: str) -> click.Option:
    return click.Option([f"--{name}/--no-{name}"], default=None, help=help_, hidden=not help_)


def _name(flag: str) -> str:
    return flag.removeprefix("--").replace("-", "_")


def _every_flag() -> tuple[str, ...]:
    switches = (f"--{name}" for name in (*_SWITCHES, *_REFUSED_SWITCHES, "orchestrator", "compute"))
    return (*_TEXTS, *_LISTS, *_REFUSED, *_NO_EFFECT, *switches, _DEFAULT_TIMEOUT, "--node-type", "--default-publisher")
