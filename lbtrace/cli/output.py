"""Where results go and how they are written: the options of every command that prints a result.

-o FILE is checked first (it can be written, it is not an input) and replaced only when the result
is complete (`atomic`). So a run that fails leaves an existing file as it was.
"""

from __future__ import annotations

import os
import shlex
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import wraps
from io import StringIO
from typing import Any, TextIO

import click

from lbtrace.cli import completing, selecting
from lbtrace.cli.atomic import replaced
from lbtrace.cli.folder import check_folder, files_read, made_folder
from lbtrace.cli.whole_number import WholeNumber
from lbtrace.errors import OptionError
from lbtrace.language import ENGLISH, languages, preferred
from lbtrace.model.report import CaptureReport, Report
from lbtrace.model.selection import EVERYTHING, Selection
from lbtrace.render import (
    Detail,
    Ladder,
    View,
    folder_formats,
    format_names,
    get_format,
    write_folder,
)

_Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
_LONG = 60  # columns of a command that is shown in full
_NEEDED = "─▶…±µ"  # what the terminal format draws with
_FOR_A_BROWSER = ("html",)
_LETTERS = {"ko": "한"}  # what a stream must take to carry a language


@dataclass(frozen=True, slots=True)
class Target:
    """Where a result goes and how it is written, as the options say."""

    format: str
    path: str | None
    detail: Detail = Detail.FIRST_SCREEN
    width: int | None = None
    zone: tzinfo = UTC
    color: str = "auto"
    pager: bool = True
    show_secrets: bool = False
    zoom: str = ""
    ladder: Ladder = ""
    selection: Selection = EVERYTHING
    language: str = ENGLISH
    jobs: int = 1
    command: str = ""  # what gives the same page again, if that is not what was typed

    def check(self, inputs: Sequence[str]) -> None:
        """OptionError when the file cannot be written or is one of the inputs. Called before the
        work, not after it.
        """
        if self.format in folder_formats():
            if self.path is None:
                raise OptionError(
                    "folder-missing",
                    f"--format {self.format} writes a folder: say which.",
                    "For example: -o tables",
                )
            check_folder(self.path, inputs, f".{self.format}")
            return
        inputs = files_read(inputs)
        if self.path is None:
            self._check_terminal()
            if any(map(_is_stdout, inputs)):
                raise OptionError(
                    "output-is-input",
                    "Standard output is one of the captures, and would be overwritten.",
                )
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

    def _check_terminal(self) -> None:
        """OptionError when what no person reads would be written to a terminal."""
        if self.format in _FOR_A_BROWSER and sys.stdout.isatty():
            raise OptionError(
                "page-to-terminal",
                f"--format {self.format} writes a page for a browser, not for a terminal.",
                f"Give a file: -o report.{self.format}.",
            )

    @contextmanager
    def open(self) -> Iterator[tuple[TextIO, View]]:
        """The stream to write to, and how."""
        try:
            if self.path is None:
                yield sys.stdout, self._view(sys.stdout)
                sys.stdout.flush()
            else:
                with replaced(self.path) as out:
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
        if self._wrote_folder(report):
            return
        with self.open() as (out, view):
            self.show(out, lambda page: get_format(self.format).write_report(report, page, view))

    def write_trace(self, report: CaptureReport) -> None:
        """Write the result of reading one capture point."""
        if self._wrote_folder(report):
            return
        with self.open() as (out, view):
            self.show(out, lambda page: get_format(self.format).write_trace(report, page, view))

    def _wrote_folder(self, report: Report | CaptureReport) -> bool:
        """Write the files of a format that is a folder; whether it is one."""
        if self.format not in folder_formats() or self.path is None:
            return False
        with made_folder(self.path):
            written = write_folder(report, self.path, View(show_secrets=self.show_secrets))
        for path in written:
            click.echo(path)
        return True

    def show(self, out: TextIO, write: Callable[[TextIO], None]) -> None:
        """To a person at a terminal a page that is longer than it comes in a pager."""
        lines = _lines(out) if self.pager and self.format == "terminal" else None
        if lines is None:
            write(out)
            return
        page = StringIO()
        write(page)
        text = page.getvalue()
        if text.count("\n") < lines:
            out.write(text)
            return
        os.environ.setdefault("LESS", "FRX")  # as git does: colours, and the page stays
        click.echo_via_pager(text, color=True)

    def _view(self, out: TextIO) -> View:
        return View(
            width=self.width or _columns(out),
            detail=self.detail,
            colour=_colour(self.color, out),
            ascii_only=not _can_write(out, _NEEDED),
            zone=self.zone,
            show_secrets=self.show_secrets,
            command=self.command or _typed(),
            zoom=self.zoom,
            ladder=self.ladder,
            selection=self.selection,
            jobs=self.jobs,
            language=self.language if _can_write(out, _LETTERS.get(self.language, "")) else ENGLISH,
        )


def _cores() -> int:
    """How many processors this process may use."""
    usable = getattr(os, "sched_getaffinity", None)
    return len(usable(0)) if usable else os.cpu_count() or 1


def result_options(command: Callable[..., Any], to_file: bool = True) -> Callable[..., Any]:
    """What every command that prints a result has. The command gets it as one argument,
    `target`. Without `to_file`, -o is the command's own.
    """

    @wraps(command)
    def with_target(
        *,
        format_: str,
        output: str | None = None,
        everything: bool,
        verbose: bool,
        quiet: bool,
        width: int | None,
        tz: str | None,
        color: str,
        no_pager: bool,
        show_secrets: bool,
        zoom: str,
        ladder: Ladder | None,
        method: tuple[str, ...],
        path: tuple[str, ...],
        status: tuple[str, ...],
        from_: tuple[str, ...],
        to: tuple[str, ...],
        since: str | None,
        until: str | None,
        problems: bool,
        lang: str | None,
        **options: object,
    ) -> Any:
        zone = _zone(tz)
        chosen = selecting.selection(zone, method, path, status, from_, to, since, until, problems)
        _check_page(format_, zoom, ladder, chosen)
        target = Target(
            format_,
            output,
            _detail(everything, verbose, quiet),
            width,
            zone,
            color,
            pager=not no_pager,
            show_secrets=show_secrets,
            zoom=zoom,
            ladder=ladder or "",
            selection=chosen,
            language=lang or preferred(os.environ),
        )
        return command(target=target, **options)

    formats = sorted((*format_names(), *folder_formats())) if to_file else format_names()
    made: Callable[..., Any] = with_target
    for option in (*selecting.options(), *_options(formats)):
        if to_file or option is not _OUTPUT:
            made = option(made)
    return made


jobs_option: _Decorator = click.option(
    "--jobs",
    type=WholeNumber(1),
    metavar="N",
    default=_cores,
    help="How many processes read and write side by side. Default: as many as there are "
    "processors.",
)

keylog_option: _Decorator = click.option(
    "--keylog",
    "keylogs",
    shell_complete=completing.files,
    multiple=True,
    metavar="FILE",
    help="Secrets of TLS connections (SSLKEYLOGFILE), to read what is inside; repeatable.",
)


def page_options(command: Callable[..., None]) -> Callable[..., None]:
    """What every command that prints a page for people, and no other format, has; as one argument,
    `target`.
    """

    @wraps(command)
    def with_target(
        *,
        width: int | None,
        tz: str | None,
        color: str,
        no_pager: bool,
        show_secrets: bool,
        **options: object,
    ) -> None:
        target = Target(
            "terminal",
            None,
            width=width,
            zone=_zone(tz),
            color=color,
            pager=not no_pager,
            show_secrets=show_secrets,
        )
        command(target=target, **options)

    made: Callable[..., None] = with_target
    for option in _page_options():
        made = option(made)
    return made


def _check_page(format_: str, zoom: str, ladder: Ladder | None, chosen: Selection) -> None:
    """OptionError when options about the page cannot be meant."""
    if (zoom or chosen) and format_ != "terminal":
        what = "--zoom" if zoom else "What to list"
        raise OptionError(
            "zoom-without-page",
            f"{what} is for people: --format {format_} has everything.",
            "Leave out one of the two.",
        )
    if ladder and not zoom:
        raise OptionError(
            "ladder-alone", "--ladder draws one exchange: say which.", "For example: --zoom 1."
        )


def _detail(everything: bool, verbose: bool, quiet: bool) -> Detail:
    if quiet and (everything or verbose):
        raise OptionError("quiet-and-verbose", "-q says less, -v and --all say more: give one.")
    if everything:
        return Detail.EVERYTHING
    return Detail.REASONS if verbose else Detail.PROBLEMS if quiet else Detail.FIRST_SCREEN


def _zone(name: str | None) -> tzinfo:
    """The time zone of a name: of the machine for "local". OptionError when there is none."""
    if name is None or name.upper() == "UTC":
        return UTC
    if name == "local":
        return datetime.now().astimezone().tzinfo or UTC
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise OptionError(
            "unknown-time-zone",
            f"--tz {name}: there is no such time zone.",
            "Write it like UTC, local or Asia/Seoul.",
        ) from error


_WIDTH: _Decorator = click.option(
    "--width",
    type=WholeNumber(40, 400),
    metavar="N",
    help="Columns to use. Default: those of the terminal; 80 in a file or a pipe.",
)
_OUTPUT: _Decorator = click.option(
    "-o",
    "--output",
    metavar="FILE",
    shell_complete=completing.files,
    help="Write the result to FILE.",
)


def _format(formats: Sequence[str], meaning: str) -> _Decorator:
    return click.option(
        "--format",
        "format_",
        type=click.Choice(formats),
        default="terminal",
        show_default=True,
        help=meaning,
    )


def written_options(formats: Sequence[str]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """How a result that is no report is written: its format, its file, its width."""

    def with_options(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in (_WIDTH, _OUTPUT, _format(formats, "How to write the result.")):
            command = option(command)
        return command

    return with_options


def _page_options() -> list[_Decorator]:
    """How a page looks: the options, the last one in the help first."""
    return [
        click.option(
            "--show-secrets",
            is_flag=True,
            help="Show credentials. Default: their lengths, and digests that tell equal from "
            "changed.",
        ),
        click.option(
            "--no-pager",
            is_flag=True,
            help="No pager (PAGER, else less) for a page that is longer than the terminal.",
        ),
        click.option(
            "--color",
            type=click.Choice(["auto", "always", "never"]),
            default="auto",
            show_default=True,
            help="When to use colour; auto: on a terminal.",
        ),
        _WIDTH,
        click.option(
            "--tz",
            metavar="ZONE",
            help="Time zone of the times of day, like Asia/Seoul; local: this machine's. "
            "Default: UTC.",
        ),
    ]


def _options(formats: Sequence[str]) -> list[_Decorator]:
    """The options, the last one in the help first."""
    notebooks = "notebooks (parquet, a folder), " if set(folder_formats()) & set(formats) else ""
    return [
        *_page_options(),
        click.option(
            "--lang",
            type=click.Choice(languages()),
            help="Language of the page. Default: that of LC_ALL, LC_MESSAGES or LANG.",
        ),
        click.option(
            "--ladder",
            type=click.Choice(["text", "mermaid", "svg"]),
            help="With --zoom: only the ladder of the exchange, as text, Mermaid or a picture.",
        ),
        click.option(
            "--zoom",
            metavar="NAME",
            default="",
            help="Only a problem or an exchange, in full: P1, 12, u3.",
        ),
        click.option("-q", "--quiet", is_flag=True, help="Only the problems."),
        click.option("--all", "everything", is_flag=True, help="As -v, with nothing cut."),
        click.option(
            "-v",
            "--verbose",
            is_flag=True,
            help="Add the evidence, reasons for the verdict, facts, times, clocks and captures.",
        ),
        _OUTPUT,
        _format(
            formats,
            "For people (terminal), a browser (html), programs (json, ndjson), "
            f"{notebooks}tickets (markdown), GitHub Actions (github).",
        ),
    ]


def forget_stdout() -> None:
    """Standard output is closed (`| head`) or full: write nothing more to it, not even while Python
    shuts down.
    """
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _lines(out: TextIO) -> int | None:
    """How many lines the terminal has; None where no person reads."""
    if not out.isatty() or not sys.stdin.isatty() or os.environ.get("TERM") == "dumb":
        return None
    try:
        lines = os.get_terminal_size(out.fileno()).lines
    except (OSError, ValueError):
        return None
    return lines or None


def _typed() -> str:
    """What was typed, or as much of it as a reader needs to go on from."""
    context = click.get_current_context(silent=True)
    if context is None or not isinstance(context.obj, list):
        name = context.command_path if context is not None else "lbtrace compare"
        return f"{name.replace('cli', 'lbtrace')} …"
    words = shlex.join(["lbtrace", *context.obj])
    return words if len(words) < _LONG else f"{context.command_path} …"


def _same_file(output: str, given: str) -> bool:
    """Whether an input is the file to write to; "-" is what standard input reads from."""
    try:
        read = os.fstat(sys.stdin.fileno()) if given == "-" else os.stat(given)
        return os.path.samestat(os.stat(output), read)
    except (OSError, ValueError, AttributeError):
        return False


def _is_stdout(given: str) -> bool:
    """Whether an input is the file that standard output goes to."""
    try:
        goes_to = os.fstat(sys.stdout.fileno())
        read = os.fstat(sys.stdin.fileno()) if given == "-" else os.stat(given)
        return stat.S_ISREG(goes_to.st_mode) and os.path.samestat(goes_to, read)
    except (OSError, ValueError, AttributeError):
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


def _colour(wanted: str, out: TextIO) -> bool:
    """Whether to use colour: as --color says, else NO_COLOR, else FORCE_COLOR, else on a terminal
    that is not dumb.
    """
    if wanted != "auto":
        return wanted == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return out.isatty() and os.environ.get("TERM") != "dumb"


def _can_write(out: TextIO, text: str) -> bool:
    try:
        text.encode(out.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
