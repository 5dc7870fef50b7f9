"""The tree of commands: their names, what they are for in a line, and where they are."""

from __future__ import annotations

import click

from gadus import __version__

from . import everywhere
from .commands.plan import PlanGroup
from .lazy import LazyGroup, Leaf

_JOB = {
    "run": Leaf("job_run:run", "Run a job file (YAML or JSON)."),
    "validate": Leaf("job_run:validate", "Check a job file and run nothing."),
    "list": Leaf("job_list:list_jobs", "List the newest jobs."),
    "describe": Leaf("job_describe:describe", "Show all that is known of a job."),
    "executions": Leaf("job_executions:executions", "List a job's executions."),
    "history": Leaf("job_history:history", "List what happened to a job."),
    "versions": Leaf("job_versions:versions", "List the versions of a job."),
    "logs": Leaf("job_logs:logs", "Print what a job's program wrote."),
    "get": Leaf("job_get:get", "Copy a job's results to here."),
    "stop": Leaf("job_stop:stop", "Stop a job."),
    "rerun": Leaf("job_rerun:rerun", "Run a job once more."),
    "drive": Leaf("job_drive:drive", "Run a submitted job to its end, silently.", hidden=True),
}

_MOVED = {
    "cancel": "job stop",
    "create": "job run",
    "describe": "job describe",
    "get": "job get",
    "id": "agent node",
    "list": "job list",
    "logs": "job logs",
    "validate": "job validate",
}
"""Commands of Bacalhau before 1.4."""

_NODE = {
    "list": Leaf("node_list:list_nodes", "List the nodes that jobs run on."),
    "describe": Leaf("node_describe:describe_node", "Show all that is known of a node."),
    "approve": Leaf("node_admit:approve", "Let jobs run on a node."),
    "reject": Leaf("node_admit:reject", "Let no jobs run on a node."),
    "delete": Leaf("node_admit:delete", "Forget a node."),
}

_AGENT = {
    "alive": Leaf("agent:alive", "Ask whether the server answers."),
    "node": Leaf("agent:node", "Show the node of the process that answers."),
    "version": Leaf("agent:version", "Show the version of the process that answers."),
    "config": Leaf("agent:config", "Show the settings of the process that answers."),
}

_CACHE = {
    "list": Leaf("cache_list:list_cache", "List the inputs kept on this machine."),
    "verify": Leaf("cache_verify:verify_cache", "Check that kept inputs are what was fetched."),
    "prune": Leaf("cache_prune:prune_cache", "Remove inputs that no job uses."),
}

_CONFIG = {
    "list": Leaf("config_list:list_config", "List every setting: its value, who says so, what it means."),
    "set": Leaf("config_set:set_config", "Write a setting into a file."),
}

_PROFILE = {
    "save": Leaf("profile_save:save_profile", "Keep the address of a server under a name."),
    "list": Leaf("profile_show:list_profiles", "List the profiles."),
    "show": Leaf("profile_show:show_profile", "Show a profile."),
    "select": Leaf("profile_select:select_profile", "Use a profile from now on."),
    "delete": Leaf("profile_select:delete_profile", "Forget a profile."),
}

_STORE = {
    "check": Leaf("store_check:check_store", "Check that all that is kept of jobs is what was written."),
    "backup": Leaf("store_backup:backup_store", "Write all that is kept of jobs to one file."),
    "restore": Leaf("store_restore:restore_store", "Make a backup the store again."),
}

_TOKEN = {
    "create": Leaf("auth_token:create", "Make an API token and print it."),
    "list": Leaf("auth_token:list_tokens", "List the API tokens."),
    "revoke": Leaf("auth_token:revoke", "End an API token."),
}

_USER = {
    "add": Leaf("auth_user:add", "Add a user with a password."),
    "list": Leaf("auth_user:list_users", "List the users."),
    "remove": Leaf("auth_user:remove", "Remove a user."),
    "passwd": Leaf("auth_user:passwd", "Give a user another password."),
}

_KEY = {
    "add": Leaf("auth_key:add", "Let in clients of Bacalhau by their key."),
    "list": Leaf("auth_key:list_keys", "List the keys of clients."),
    "remove": Leaf("auth_key:remove", "Let a key in no longer."),
}

_AUTH = {
    "info": Leaf("auth_info:info", "Show who one is to a server, or whom it lets in."),
    "hash-password": Leaf("auth_user:hash_password", "Print the hash of a password."),
}


def tree() -> LazyGroup:
    """All of them, without a module of theirs."""
    names = {"help_option_names": ["-h", "--help"]}
    root = LazyGroup(
        name="gadus",
        help="Compute over data: run a program over objects in S3, staged fast, verified and cached.",
        invoke_without_command=True,
        callback=_no_command,
        context_settings=names,
        leaves={
            "serve": Leaf("serve:serve", "Run jobs for others: a server with Bacalhau's REST API."),
            "completion": Leaf("completion:completion", "Print what makes a shell complete the words of commands."),
            "devstack": Leaf("devstack:devstack", "A server and an S3 server with sample data, to try things out."),
            "version": Leaf("version:version", "Print the versions of this program and of the server."),
        },
        moved=_MOVED,
        params=[
            *everywhere.options(all_shown=True),
            click.Option(
                ["--version"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=_print_version,
                help="Print the version.",
            ),
        ],
    )
    docker = {"run": Leaf("docker:run", "Run a container image over data.")}
    wasm = {
        "run": Leaf("wasm:run", "Run a WebAssembly module over data."),
        "validate": Leaf("wasm_validate:validate", "Check that a WebAssembly module can be started."),
    }
    root.add_command(LazyGroup(name="docker", help="Run container images.", leaves=docker))
    root.add_command(LazyGroup(name="wasm", help="Run WebAssembly modules.", leaves=wasm))
    root.add_command(PlanGroup())
    root.add_command(LazyGroup(name="job", help="Run job files; list, show, stop jobs; fetch results.", leaves=_JOB))
    root.add_command(LazyGroup(name="node", help="List, show and admit the nodes that jobs run on.", leaves=_NODE))
    root.add_command(LazyGroup(name="agent", help="Ask the server about itself.", leaves=_AGENT))
    root.add_command(LazyGroup(name="cache", help="List, check and remove inputs kept on this machine.", leaves=_CACHE))
    auth = LazyGroup(name="auth", help="Who may use a server: tokens, users, keys of clients.", leaves=_AUTH)
    auth.add_command(LazyGroup(name="token", help="API tokens.", leaves=_TOKEN))
    auth.add_command(LazyGroup(name="user", help="Users with passwords.", leaves=_USER))
    auth.add_command(LazyGroup(name="key", help="Keys of Bacalhau's clients.", leaves=_KEY))
    root.add_command(auth)
    root.add_command(LazyGroup(name="store", help="Check, back up and restore what is kept of jobs.", leaves=_STORE))
    root.add_command(LazyGroup(name="config", help="List and set the settings of this installation.", leaves=_CONFIG))
    root.add_command(LazyGroup(name="profile", help="Servers by name: save, list, show, select, delete.", leaves=_PROFILE))
    return root


@click.pass_context
def _no_command(ctx: click.Context) -> None:
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def _print_version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(f"gadus {__version__}")
        ctx.exit()
