"""Where results go and how they are written: the options of every command that prints a result.

-o FILE is checked first (it can be written, it is not an input) and opened only when there is a
result. So a run that fails leaves an existing file as it was.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import wraps
from typing import TextIO

import click

from lbtrace.errors import OptionError
from lbtrace.model.report import CaptureReport, Report
from lbtrace.render import View, format_names, get_format

_NEEDED = "─▶…±µ"  # what the terminal format draws with


@dataclass(frozen=True, slots=True)
class Target:
    """Where a result goes and how it is written, as the options say."""

    format: str
    path: str | None
    everything: bool
    width: int | None
    show_secrets: bool = False

    def check(self, inputs: Sequence[str]) -> None:
        """OptionError when the file cannot be written or is one of the inputs. Called before the
        work, not after it.
        """
        if self.path is None:
            return
        folder = os.path.dirname(self.path) or "."
        if os.path.isdir(self.path):
            raise OptionError(
                "output-is-directory", f"-o {self.path}: this is a directory.", "Name a file in it."
            )
        if not os.path.isdir(folder):
            raise OptionError(
                "output-folder-missing", f"-o {self.path}: there is no directory {folder}."
            )
        if not os.access(self.path if os.path.exists(self.path) else folder, os.W_OK):
            raise OptionError("output-unwritable", f"-o {self.path}: no permission to write there.")
        if any(_same_file(self.path, i) for i in inputs):
            raise OptionError(
                "output-is-input",
                f"-o {self.path}: this is one of the captures, and would be overwritten.",
            )

    @contextmanager
    def open(self) -> Iterator[tuple[TextIO, View]]:
        """The stream to write to, and how."""
        try:
            if self.path is None:
                yield sys.stdout, self._view(sys.stdout)
                sys.stdout.flush()
            else:
                with open(
                    self.path, "w", encoding="utf-8", errors="backslashreplace", newline="\n"
                ) as out:
                    yield out, self._view(out)
        except BrokenPipeError:  # the reader has seen enough
            forget_stdout()
        except OSError as error:
            where = "Cannot write to standard output" if self.path is None else f"-o {self.path}"
            if self.path is None:
                forget_stdout()
            raise OptionError(
                "output-unwritable", f"{where}: {error.strerror or error}."
            ) from error

    def write_report(self, report: Report) -> None:
        """Write the result of a comparison."""
        with self.open() as (out, view):
            get_format(self.format).write_report(report, out, view)

    def write_trace(self, report: CaptureReport) -> None:
        """Write the result of reading one capture point."""
        with self.open() as (out, view):
            get_format(self.format).write_trace(report, out, view)

    def _view(self, out: TextIO) -> View:
        return View(
            width=self.width or _columns(out),
            everything=self.everything,
            colour=out.isatty()
            and "NO_COLOR" not in os.environ
            and os.environ.get("TERM") != "dumb",
            ascii_only=not _can_write(out, _NEEDED),
            show_secrets=self.show_secrets,
        )


def result_options(command: Callable[..., None]) -> Callable[..., None]:
    """--format, -o, --all, --width and --show-secrets: the command gets them as one argument,
    `target`.
    """

    @wraps(command)
    def with_target(
        *,
        format_: str,
        output: str | None,
        everything: bool,
        width: int | None,
        show_secrets: bool,
        **options: object,
    ) -> None:
        command(target=Target(format_, output, everything, width, show_secrets), **options)

    made: Callable[..., None] = with_target
    for option in _options(format_names()):
        made = option(made)
    return made


def _options(formats: Sequence[str]) -> list[Callable[[Callable[..., None]], Callable[..., None]]]:
    """The options, the last one in the help first."""
    return [
        click.option(
            "--show-secrets",
            is_flag=True,
            help="Show credentials. Default: their lengths, and digests that tell equal from "
            "changed.",
        ),
        click.option(
            "--width",
            type=click.IntRange(40, 400),
            help="Columns to use. Default: those of the terminal; 80 in a file or a pipe.",
        ),
        click.option("--all", "everything", is_flag=True, help="Do not cut long tables."),
        click.option("-o", "--output", metavar="FILE", help="Write the result to FILE."),
        click.option(
            "--format",
            "format_",
            type=click.Choice(formats),
            default="terminal",
            show_default=True,
            help="For people (terminal) or for programs (json).",
        ),
    ]


def forget_stdout() -> None:
    """Standard output is closed (`| head`) or full: write nothing more to it, not even while Python
    shuts down.
    """
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _same_file(a: str, b: str) -> bool:
    try:
        return os.path.samefile(a, b)
    except OSError:
        return False


def _columns(out: TextIO) -> int:
    """COLUMNS, else the terminal's width, else 80."""
    stated = os.environ.get("COLUMNS", "")
    if stated.isascii() and stated.isdigit() and len(stated) < 6 and int(stated) >= 40:
        return int(stated)
    try:
        columns = os.get_terminal_size(out.fileno()).columns
    except (OSError, ValueError):
        columns = 0
    return max(columns, 40) if columns else 80  # a terminal may not know its own width


def _can_write(out: TextIO, text: str) -> bool:
    try:
        text.encode(out.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
