"""``gadus plan``: put before a command that runs something, it shows what that would do, and nothing is run."""

from __future__ import annotations

from itertools import takewhile

import click
from click.shell_completion import CompletionItem

from gadus.cli.lazy import LazyGroup, Leaf

_HELP = """\
Show what a job would read and where it would run, or every reason why it cannot.

The inputs are listed and the engine is asked, but nothing is downloaded, and no job is stored. The exit code is 0 when the
job can run, and 2 when it cannot.

\b
  gadus plan job.yaml                  the job in a file, with the flags of `gadus job run`
  gadus plan docker run -i … IMAGE …   the job that this command would run
  gadus plan wasm run -i … MODULE …
"""
_RUN = "run"


class PlanGroup(LazyGroup):
    """The commands that run something, by their own names and with their own flags."""

    def __init__(self) -> None:
        super().__init__(
            name="plan",
            help=_HELP,
            short_help="Show what a job would read and where it would run.",
            subcommand_metavar="FILE | COMMAND [ARGS]...",
        )
        for kind, module, summary in (
            ("docker", "docker", "Plan a container image over data."),
            ("wasm", "wasm", "Plan a WebAssembly module over data."),
            ("job", "job_run", "Plan a job file."),
        ):
            self.add_command(LazyGroup(name=kind, help=summary, leaves={_RUN: Leaf(f"{module}:run", summary)}))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        flags = list(takewhile(lambda word: word.startswith("-") and word not in ctx.help_option_names, args))
        words = args[len(flags) :]
        if args and not (words and words[0] in (*self.commands, *ctx.help_option_names)):
            # A job file, or a flag's value that comes before it.
            flags, words = [], ["job", _RUN, *args]
        if words[1:2] == [_RUN]:
            words = [words[0], _RUN, "--plan", *flags, *words[2:]]
        return super().parse_args(ctx, words)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        return [*super().shell_complete(ctx, incomplete), CompletionItem(incomplete, type="file")]

    def paths(self) -> list[str]:
        # They are found under their own names.
        return []
