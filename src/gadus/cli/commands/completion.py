"""``gadus completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from gadus.cli.lazy import Command
from gadus.cli.show.ending import as_line

# Without its own system of completion zsh knows no compdef.
_ZSH_KNOWS = "    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i }\n"
_ZSH_LAST = "    compdef "
_EPILOG = """\b
Examples:
  eval "$(gadus completion bash)"                                      in ~/.bashrc
  eval "$(gadus completion zsh)"                                       in ~/.zshrc
  gadus completion fish > ~/.config/fish/completions/gadus.fish
"""


@click.command(cls=Command, epilog=_EPILOG)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, /, shell: str, *, as_json: bool) -> None:
    """Print a script for SHELL that completes commands, flags, files, and the ids and names of jobs and nodes."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"there is no completion for {shell}", ctx)
    script = kind(ctx.find_root().command, {}, "gadus", "_GADUS_COMPLETE").source()
    if shell == "zsh":
        script = script.replace(_ZSH_LAST, _ZSH_KNOWS + _ZSH_LAST)
    click.echo(as_line({"shell": shell, "script": script}) if as_json else script)
