"""`lbtrace compare CLIENT BACKEND…`: captures of both sides in, what the balancer did out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from lbtrace.cli import completing
from lbtrace.cli.memory import max_memory_option, parse_memory
from lbtrace.cli.output import Target, jobs_option, keylog_option, result_options
from lbtrace.cli.progress import ProgressBar
from lbtrace.cli.whole_number import WholeNumber
from lbtrace.ending import told_to_end
from lbtrace.errors import InputError, OptionError
from lbtrace.model.net import Side
from lbtrace.options import Options, check_captures, check_lb, parse_offset

if TYPE_CHECKING:
    from lbtrace.model.report import Report

SIDES = ("--client", "--backend")


class FilesOfSides(click.Command):
    """A command with --client and --backend: all words after one of them, up to the next option,
    are files of that side. So `--client c_*.pcap --backend b_*.pcap` works as the shell expands it.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the option before each of its files."""
        return super().parse_args(ctx, repeated(args))


def repeated(args: Sequence[str]) -> list[str]:
    """ "--client a b" → "--client a --client b"."""
    told: list[str] = []
    side, due = "", False  # whose files follow; whether the next word is the option's own
    for word in args:
        if due:
            due = False
        elif word in SIDES:
            side, due = word, True
        elif word.startswith(tuple(f"{each}=" for each in SIDES)):
            side = word.partition("=")[0]
        elif word.startswith("-") and word != "-":
            side = ""
        elif side:
            told.append(side)
        told.append(word)
    return told


def typed(
    clients: Sequence[str] = (),
    backends: Sequence[str] = (),
    lb: Sequence[str] = (),
    lb_address: Sequence[str] = (),
    lb_port: Sequence[int] = (),
    clock_offset: str | None = None,
    keylogs: Sequence[str] = (),
) -> list[str]:
    """What captures there are, and how to read them, as words of a command line that
    `side_options` understands.
    """
    words = [
        word
        for side, files in zip(SIDES, (clients, backends), strict=True)
        if files
        for word in (side, *files)
    ]
    for option, values in (
        ("--lb", lb),
        ("--lb-address", lb_address),
        ("--lb-port", lb_port),
        ("--clock-offset", (clock_offset,) if clock_offset else ()),
        ("--keylog", keylogs),
    ):
        words += [word for value in values for word in (option, str(value))]
    return words


_OF_SIDES = (
    click.argument(
        "captures", nargs=-1, metavar="CLIENT BACKEND...", shell_complete=completing.files
    ),
    click.option(
        "--client",
        "clients",
        multiple=True,
        metavar="FILE",
        shell_complete=completing.files,
        help="The files of the client side, up to the next option.",
    ),
    click.option(
        "--backend",
        "backends",
        multiple=True,
        metavar="FILE",
        shell_complete=completing.files,
        help="The files of the backend side, up to the next option.",
    ),
    click.option(
        "--lb",
        multiple=True,
        metavar="BOTH",
        shell_complete=completing.files,
        help="One capture that holds both sides, taken on the balancer itself.",
    ),
    click.option(
        "--lb-address",
        multiple=True,
        metavar="IP",
        help="With --lb: an address of the balancer, if the capture does not show it.",
    ),
    click.option(
        "--lb-port",
        type=WholeNumber(1, 65535),
        multiple=True,
        metavar="PORT",
        help="With --lb: a port on which the balancer takes connections, if all is on one host.",
    ),
    click.option(
        "--clock-offset",
        metavar="TIME",
        help='Client clock − backend clock, if you know it: "37.5s", "-250ms".',
    ),
    keylog_option,
    jobs_option,
    max_memory_option,
)


def side_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What says which captures there are, and how to read them: of every command that compares two
    sides. The command gets it as one argument, `given`.
    """

    @wraps(command)
    def with_captures(**options: Any) -> Any:
        given = CapturesGiven(**{f.name: options.pop(f.name) for f in fields(CapturesGiven)})
        return command(given=given, **options)

    made: Callable[..., Any] = with_captures
    for option in reversed(_OF_SIDES):
        made = option(made)
    return made


@dataclass(frozen=True, slots=True)
class CapturesGiven:
    """The captures that a command compares, as they were given, and how to read them."""

    captures: tuple[str, ...]
    clients: tuple[str, ...]
    backends: tuple[str, ...]
    lb: tuple[str, ...]
    lb_address: tuple[str, ...]
    lb_port: tuple[int, ...]
    clock_offset: str | None
    keylogs: tuple[str, ...]
    jobs: int
    max_memory: str | None

    @property
    def files(self) -> tuple[str, ...]:
        """All captures."""
        return (*self.captures, *self.clients, *self.backends, *self.lb)

    @property
    def inputs(self) -> tuple[str, ...]:
        """All that will be read."""
        return (*self.files, *self.keylogs)

    @property
    def typed(self) -> list[str]:
        """The words that give the same again."""
        return [
            *self.captures,
            *typed(
                self.clients,
                self.backends,
                self.lb,
                self.lb_address,
                self.lb_port,
                self.clock_offset,
                self.keylogs,
            ),
        ]

    def check_lb(self) -> None:
        """OptionError when what is said of the balancer makes no sense."""
        of_sides = (*self.captures, *self.clients, *self.backends)
        check_lb(self.lb, self.lb_address, of_sides, self.lb_port)

    def check(self) -> None:
        """OptionError when it is not said of which side each file is."""
        self.check_lb()
        check_captures(self.lb)
        if not self.lb:
            sides(self.captures, self.clients, self.backends)

    def options(self) -> Options:
        """How to read them. OptionError when the clock offset is no time."""
        limit = parse_memory(self.max_memory)
        return options_of(self.clock_offset, self.keylogs, self.jobs, limit)

    def report(self, options: Options | None = None) -> Report:
        """What the balancer did, with a progress bar. OptionError as in `check` and `options`."""
        self.check()
        options = options or self.options()
        if self.lb:
            return compared_on_balancer(self.lb, self.lb_address, self.lb_port, options)
        return compared(*sides(self.captures, self.clients, self.backends), options)


@click.command("compare", cls=FilesOfSides)
@side_options
@result_options
def command(
    given: CapturesGiven,
    target: Target,
) -> None:
    """What did the balancer do?

    CLIENT is a capture from between the clients and the load balancer. Each BACKEND is a capture
    from between the balancer and its backends, one for each machine. The format is pcap or pcapng,
    compressed or not; "-" is standard input.

    If a side has several files, give each with --client or --backend. Files that follow each other
    in time are one rotated capture; files that overlap are from several machines, and so are
    backend captures in which other servers were connected to.

    A capture taken on the balancer itself holds both sides: give it with --lb.
    """
    from lbtrace.in_parts import MEMORY_LIMIT, limited_to

    given.check()
    options = given.options()
    target.check(given.inputs)
    limited = limited_to(given.files, options)
    report: Report | None = None
    beyond: InputError | None = None
    try:
        report = given.report(limited)
    except InputError as error:
        if error.slug != MEMORY_LIMIT:
            raise
        beyond = error.with_traceback(None)  # which holds all that was read
    if beyond is not None and _write_sliced(given, limited, target, beyond):
        return
    target.write_report(report or given.report(options))


def _write_sliced(
    given: CapturesGiven, options: Options, target: Target, whole: InputError
) -> bool:
    """Compare in slices of time what does not fit in memory at once. `whole`: why it does not.
    Whether that could be done, where no limit is stated; with one it must be.
    """
    from lbtrace.fleet.bounded import compare_in_slices
    from lbtrace.in_parts import MEMORY_LIMIT, on_disk
    from lbtrace.points import points_of
    from lbtrace.render.fleet import format_names, get_format

    promised = given.max_memory is not None
    if given.lb or target.format not in format_names():
        if promised:
            raise whole
        return False
    client, backend = sides(given.captures, given.clients, given.backends)
    try:
        with told_to_end(), ProgressBar() as progress, on_disk(options):
            report = compare_in_slices(
                points_of(client, Side.CLIENT, progress),
                points_of(backend, Side.BACKEND, progress),
                options,
                progress,
            )
    except InputError as error:
        if promised or error.slug != MEMORY_LIMIT:
            raise
        return False
    with target.open() as (out, view):
        get_format(target.format).write(report, out, view)
    return True


def options_of(
    clock_offset: str | None,
    keylogs: tuple[str, ...] = (),
    jobs: int = 1,
    max_memory: int | None = None,
) -> Options:
    """The options, with the stated clock offset. OptionError when it is no time."""
    offset_ns = None if clock_offset is None else parse_offset(clock_offset)
    return Options(clock_offset_ns=offset_ns, keylogs=keylogs, jobs=jobs, max_memory=max_memory)


def compared(
    client: Sequence[Sequence[str]], backend: Sequence[Sequence[str]], options: Options
) -> Report:
    """The files of both sides, as given → the Report, with a progress bar."""
    from lbtrace.in_parts import on_disk
    from lbtrace.pipeline import compare
    from lbtrace.points import points_of

    with ProgressBar() as progress, on_disk(options):
        return compare(
            points_of(client, Side.CLIENT, progress),
            points_of(backend, Side.BACKEND, progress),
            options,
            progress,
        )


def compared_on_balancer(
    lb: Sequence[str], addresses: Sequence[str], ports: Sequence[int], options: Options
) -> Report:
    """The files of one capture that holds both sides → the Report, with a progress bar."""
    from lbtrace.pipeline import compare_on_balancer

    with ProgressBar() as progress:
        return compare_on_balancer(lb, addresses, options, progress, ports)


def sides(
    captures: Sequence[str], clients: Sequence[str], backends: Sequence[str]
) -> tuple[list[list[str]], list[list[str]]]:
    """Arguments and options → the files of each capture point of each side.

    Of the arguments the first is the client capture, the others are backend captures, one point
    each. The files of --client, or of --backend, together are one point; `points` later divides
    them, if they are from several machines. OptionError when a side is missing, or a file has none.
    """
    if captures and (clients or backends):
        raise OptionError(
            "file-without-side",
            f"{captures[0]}: of which side is it?",
            "With --client or --backend, name each file behind one of them.",
        )
    rest = list(captures)
    client = [list(clients)] if clients else [[rest.pop(0)]] if rest else []
    backend = [[path] for path in rest]
    if backends:
        backend.insert(0, list(backends))
    if not client or not backend:
        raise OptionError(
            "side-missing",
            "compare needs a backend capture, too."
            if client
            else "compare needs a capture of each side of the balancer.",
            "Usage: lbtrace compare client.pcap backend.pcap. For one capture only: lbtrace show "
            "capture.pcap; if it was taken on the balancer: lbtrace compare --lb capture.pcap.",
        )
    every = [path for files in (*client, *backend) for path in files]
    check_captures(every)
    return client, backend
