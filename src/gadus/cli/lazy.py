"""The tree of commands: a command's module is loaded when the command is used, so that help appears at once."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from typing import Any, NoReturn

import click
from click.shell_completion import CompletionItem

from gadus.config import ClientSettings, Said, Settings, client_settings, client_words, is_setting, settings_from

from . import everywhere
from .names import named

_YES = {"true", "t", "1", "yes"}
_NO = {"false", "f", "0", "no"}


@dataclass(frozen=True, slots=True)
class Leaf:
    """A command by name: `where` is ``module:attribute`` below ``gadus.cli.commands``."""

    where: str
    summary: str
    hidden: bool = False

    def load(self) -> click.Command:
        module, _, attribute = self.where.partition(":")
        command: click.Command = getattr(import_module(f"gadus.cli.commands.{module}"), attribute)
        return command


class LazyGroup(click.Group):
    """A group of leaves and of further lazy groups; an unknown name is answered with the nearest known one."""

    def __init__(
        self, *, leaves: Mapping[str, Leaf] | None = None, moved: Mapping[str, str] | None = None, **attributes: Any
    ) -> None:
        """`moved` are commands of old, and where they are now."""
        super().__init__(**attributes)
        self.leaves = dict(leaves or {})
        self.moved = dict(moved or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.leaves, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        leaf = self.leaves.get(cmd_name)
        return leaf.load() if leaf else super().get_command(ctx, cmd_name)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-") and not ctx.resilient_parsing:
            self._refuse(ctx, args[0])
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx  # the leaves are described without being loaded
        rows = [(name, group.get_short_help_str(80)) for name, group in self.commands.items()]
        rows += [(name, leaf.summary) for name, leaf in self.leaves.items() if not leaf.hidden]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        # The leaves are offered without being loaded.
        rows = [(name, leaf.summary) for name, leaf in self.leaves.items() if not leaf.hidden]
        rows += [(name, group.get_short_help_str()) for name, group in self.commands.items()]
        found = [CompletionItem(name, help=text) for name, text in rows if name.startswith(incomplete)]
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def paths(self) -> list[str]:
        """Every visible command below this group, in words: "job list"."""
        own = [name for name, leaf in self.leaves.items() if not leaf.hidden]
        groups = [(name, group) for name, group in self.commands.items() if isinstance(group, LazyGroup)]
        return own + [f"{name} {path}" for name, group in groups for path in group.paths()]

    def _refuse(self, ctx: click.Context, wrong: str) -> NoReturn:
        paths = self.paths()
        # `gadus list` is meant as `gadus job list`, and so is `gadus job lst`.
        last_words = {path.split()[-1]: path for path in reversed(paths)}
        near = difflib.get_close_matches(wrong, [*last_words, *self.commands], n=1, cutoff=0.5)
        here = ctx.command_path
        message = f"there is no command {wrong!r} in `{here}`"
        if wrong in self.moved:
            raise UsageMistake(message, hint=f"it is now `{here} {self.moved[wrong]}`", ctx=ctx)
        if near:
            raise UsageMistake(message, hint=f"did you mean `{here} {last_words.get(near[0], near[0])}`?", ctx=ctx)
        raise UsageMistake(message, hint=f"`{here} --help` lists the commands", ctx=ctx)


class UsageMistake(click.UsageError):
    """A mistake on the command line, with the way out."""

    def __init__(self, message: str, *, hint: str, ctx: click.Context | None = None) -> None:
        super().__init__(message, ctx)
        self.hint = hint


class Command(click.Command):
    """A command that also takes the options of `everywhere` and ``--json``, and ``--flag=false`` for every switch."""

    def __init__(self, *positional: Any, **attributes: Any) -> None:
        super().__init__(*positional, **attributes)
        for one in self.params:
            if isinstance(one, click.Argument) and type(one.type) is click.types.StringParamType:
                one.type = named(one.name or "")
        taken = {name for one in self.params for name in (*one.opts, *one.secondary_opts)}
        self.params += [
            *everywhere.options(all_shown=False, taken=taken),
            click.Option(["--json", "as_json"], is_flag=True, help="One JSON document on standard output instead of text."),
        ]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, self._without_switch_values(ctx, self._without_settings(args)))

    def _without_settings(self, args: Sequence[str]) -> list[str]:
        """`args` with ``-c`` as ``--config`` where the command has another ``-c`` and the value can only be a setting."""
        if not any("-c" in one.opts and "--config" not in one.opts for one in self.params):
            return list(args)
        end = args.index("--") if "--" in args else len(args)
        plain = list(args)
        for number, (flag, value) in enumerate(pairwise(args[:end])):
            if flag == "-c" and is_setting(value):
                plain[number] = "--config"
        return plain

    def _without_switch_values(self, ctx: click.Context, args: Sequence[str]) -> list[str]:
        """`args` with ``--wait=false`` as ``--no-wait`` and the like: click itself knows no values for switches."""
        switches = {
            name: option
            for option in self.get_params(ctx)
            if isinstance(option, click.Option) and option.is_flag and isinstance(option.type, click.types.BoolParamType)
            for name in option.opts
        }
        end = args.index("--") if "--" in args else len(args)
        plain: list[str] = []
        for arg in args[:end]:
            name, equals, value = arg.partition("=")
            if not (equals and name in switches):
                plain.append(arg)
            elif value.lower() in _YES:
                plain.append(name)
            elif value.lower() in _NO:
                plain.extend(switches[name].secondary_opts[:1])
            else:
                raise UsageMistake(
                    f"{name}: {value!r} is neither true nor false", hint=f"write {name}=true or {name}=false", ctx=ctx
                )
        return [*plain, *args[end:]]


def settings_of(ctx: click.Context, flags: Mapping[str, Said] | None = None) -> Settings:
    """The settings under ``--data-dir`` and ``--config``, wherever they stood, and under a command's own flags for some."""
    return settings_from(data_dir=everywhere.data_dir(ctx), config=everywhere.config_words(ctx), flags=flags)


def client_of(ctx: click.Context) -> ClientSettings:
    """The server that the command asks, by its flags, the environment or a profile."""
    return client_settings(flags={**client_words(everywhere.config_words(ctx)), **everywhere.client_flags(ctx)})
