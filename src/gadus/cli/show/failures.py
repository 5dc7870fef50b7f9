"""How each way to fail looks to a person, to a script and to the shell."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NoReturn

import click

from gadus.config import settings_from
from gadus.core.errors import Bug, GadusError

from .text import printable_lines

_COLOURS = {"Error": "red", "Hint": "green", "Warning": "yellow", "Note": "cyan"}
_GONE = {errno.EIO, errno.EBADF, errno.EPIPE}


class Interrupted(Exception):
    """A signal ended the work, and everything that the work had started is gone."""

    def __init__(self, signal_number: int, *, last_words: str = "Stopped.") -> None:
        super().__init__(f"stopped by signal {signal_number}")
        self.exit_code = 128 + signal_number
        self.last_words = last_words


def report(error: BaseException, words: Sequence[str]) -> int:
    """
    Tell what went wrong and return the exit code; `words` are the command line.

    On standard error ``Error: …`` and ``Hint: …``; with ``--json`` among the words also a document on standard output.
    Raises what is no way to end that Gadus knows.
    """
    match error:
        case click.exceptions.Exit():
            return error.exit_code
        case Interrupted():
            say(error.last_words)
            if wants_json(words):
                _print_document("Interrupted", str(error), "", error.exit_code)
            return error.exit_code
        case KeyboardInterrupt() | click.Abort():
            say("Stopped.")
            return 128 + signal.SIGINT
        case BrokenPipeError():
            die_of_closed_output()
        case click.ClickException():
            return _tell(_sentence(error), _way_out(error), kind="UsageError", exit_code=2, words=words)
        case GadusError():
            return _tell(error.message, error.hint, kind=error.kind, exit_code=error.exit_code, words=words)
    raise error


def say(line: str) -> None:
    """One line on standard error. A terminal that is gone is no reason to stop."""
    try:
        click.echo(line, err=True)
    except OSError as exc:
        if exc.errno not in _GONE:
            raise


def say_labelled(label: str, text: str) -> None:
    """``Label: text`` on standard error, coloured on a terminal; further lines of the text are indented."""
    first, *more = printable_lines(text)
    say(f"{click.style(f'{label}:', fg=_COLOURS[label])} {first}")
    for line in more:
        say(f"  {line}")


def die_of_closed_output() -> NoReturn:
    """End as a program does that writes into a pipe nobody reads: by SIGPIPE, without a word."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGPIPE)
    os._exit(128 + signal.SIGPIPE)


def end_of_unforeseen(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """For ``sys.excepthook``: keep the traceback in a file, name it, and leave with the exit code of a Bug."""
    import traceback  # noqa: PLC0415 - kept out of every command's start

    text = "".join(traceback.format_exception(kind, error, trace))
    say_labelled("Error", f"Gadus broke one of its own promises: {kind.__name__}: {error}")
    say_labelled("Hint", f"please report it with the file {_kept(text)}")
    sys.stderr.flush()
    os._exit(Bug.exit_code)


def _tell(message: str, hint: str, *, kind: str, exit_code: int, words: Sequence[str]) -> int:
    say_labelled("Error", message)
    if hint:
        say_labelled("Hint", hint)
    if wants_json(words):
        _print_document(kind, message, hint, exit_code)
    return exit_code


def _print_document(kind: str, message: str, hint: str, exit_code: int) -> None:
    document = {"error": {"kind": kind, "message": message, "hint": hint}, "exit_code": exit_code}
    click.echo(json.dumps(document, ensure_ascii=False))


def wants_json(words: Sequence[str]) -> bool:
    """Whether the command line asks for JSON, judged without parsing it."""
    own = words[: words.index("--")] if "--" in words else words
    return "--json" in own


def _sentence(error: click.ClickException) -> str:
    if isinstance(error, click.NoSuchOption):
        return f"there is no flag {error.option_name}"
    return error.format_message().removesuffix(".")


def _way_out(error: click.ClickException) -> str:
    hint = getattr(error, "hint", "")
    if hint:
        return str(hint)
    ctx = getattr(error, "ctx", None)
    path = ctx.command_path if ctx else "gadus"
    if isinstance(error, click.NoSuchOption):
        near = f"did you mean {' or '.join(error.possibilities)}? " if error.possibilities else ""
        return f"{near}`{path} --help` lists the flags; flags of the program itself go after `--`"
    return f"see `{path} --help`"


def _kept(text: str) -> str:
    """The traceback's new file."""
    name = f"bug-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{os.getpid()}.txt"
    for directory in _places():
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            (directory / name).write_text(text, errors="backslashreplace")
        except OSError:
            continue
        return str(directory / name)
    return "(it could not be written anywhere)"


def _places() -> Iterator[Path]:
    """Where a file may be kept: the data directory, or where temporary files go when that is not known or cannot be written."""
    import tempfile  # noqa: PLC0415 - kept out of every command's start

    with suppress(GadusError):
        yield settings_from().data_dir
    with suppress(OSError):
        yield Path(tempfile.gettempdir())
