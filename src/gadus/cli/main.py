"""The command ``gadus``: how each way to end becomes an exit code."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

import click

from gadus.cli.show.failures import Interrupted, end_of_unforeseen, report
from gadus.core.errors import GadusError

from .tree import tree


def main(arguments: Sequence[str] | None = None) -> None:
    """
    Run one command and leave the process with its exit code; never shows a traceback.

    The code is the program's own when a job ran, else that of the error's class in ``gadus.core.errors``;
    130 after Ctrl-C, 143 after SIGTERM.
    """
    _open_missing_streams()
    _write_all_of_it()
    sys.excepthook = end_of_unforeseen
    sys.exit(_exit_code_of(list(sys.argv[1:] if arguments is None else arguments)))


def _open_missing_streams() -> None:
    """Put /dev/null where a caller closed a stream; else the next file opened would become our standard output."""
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free descriptor is taken, which is this one.
            os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(descriptor, mode))


def _write_all_of_it() -> None:
    """Put a buffer before streams that have none (python -u): without it, what a short write leaves over is lost."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(getattr(stream, "buffer", None), io.RawIOBase):
            buffer = io.BufferedWriter(stream.buffer)
            text = io.TextIOWrapper(buffer, encoding=stream.encoding, errors=stream.errors, line_buffering=True)
            setattr(sys, name, text)


def _exit_code_of(words: list[str]) -> int:
    root = tree()
    try:
        # Ends the process when a shell asks for the words that may follow.
        root._main_shell_completion({}, "gadus")  # noqa: SLF001 - what root.main() would do
        # Not root.main(): that ends by itself on a closed pipe, with another exit code than a pipe deserves.
        with root.make_context("gadus", words) as ctx:
            answer = root.invoke(ctx)
        sys.stdout.flush()
    except (
        GadusError,
        click.ClickException,
        click.Abort,
        click.exceptions.Exit,
        Interrupted,
        KeyboardInterrupt,
        BrokenPipeError,
    ) as error:
        return report(error, words)
    return answer if isinstance(answer, int) else 0
