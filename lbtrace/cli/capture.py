"""`lbtrace capture --client PLACE --backend PLACE…`: both sides captured at the same time, and then
compared.

The command between them is the user's own: its output, its input and its exit code stay what they
are. All that lbtrace itself has to say meanwhile goes to stderr.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from lbtrace.cli import completing
from lbtrace.cli.compare import SIDES, compared_on_balancer, options_of, repeated, typed
from lbtrace.cli.output import Target, keylog_option, result_options
from lbtrace.cli.progress import ProgressBar
from lbtrace.cli.whole_number import WholeNumber
from lbtrace.errors import InputError, OptionError
from lbtrace.options import Options, check_lb, parse_duration
from lbtrace.render.wording.escape import shown

if TYPE_CHECKING:
    from lbtrace.live.session import Session, WantedCapture
    from lbtrace.model.report import Report

END_SECONDS = 3.0  # of a command that is told to end
MAX_PLACES = 64  # each is a process, here and there


class PlacesOfSides(click.Command):
    """All words after --client or --backend, up to the next option, are places of that side. What
    stands behind "--" is somebody else's command line.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the option before each of its places."""
        end = args.index("--") if "--" in args else len(args)
        return super().parse_args(ctx, [*repeated(args[:end]), *args[end:]])


@click.command("capture", cls=PlacesOfSides)
@click.argument("command_", nargs=-1, metavar="[-- COMMAND...]", type=click.UNPROCESSED)
@click.option(
    "--client",
    "clients",
    multiple=True,
    metavar="PLACE",
    shell_complete=completing.places,
    help="Where to capture the client side: between the clients and the balancer.",
)
@click.option(
    "--backend",
    "backends",
    multiple=True,
    metavar="PLACE",
    shell_complete=completing.places,
    help="Where to capture the backend side; several places, up to the next option.",
)
@click.option(
    "--lb",
    "lb",
    metavar="PLACE",
    shell_complete=completing.places,
    help="Instead of both: the balancer itself, where both sides pass.",
)
@click.option(
    "--filter",
    "filter_",
    required=True,
    metavar="BPF",
    help='What to capture, as for tcpdump: "tcp port 80 or tcp port 8080".',
)
@click.option(
    "--for",
    "for_",
    metavar="TIME",
    help='How long: "30s", "2m". With COMMAND: at least so long. Without both: until Ctrl-C.',
)
@click.option(
    "-o",
    "--output",
    "folder",
    metavar="DIR",
    shell_complete=completing.folders,
    help="Keep the captures in DIR. Default: a new directory here, named after the time.",
)
@click.option("--sudo", is_flag=True, help="Run tcpdump as root, with sudo -n (not in a pod).")
@click.option(
    "--lb-address",
    multiple=True,
    metavar="IP",
    help="With --lb: an address of the balancer, if the capture does not show it.",
)
@click.option(
    "--lb-port",
    type=WholeNumber(1, 65535),
    multiple=True,
    metavar="PORT",
    help="With --lb: a port on which the balancer takes connections, if all is on one host.",
)
@click.option(
    "--clock-offset",
    metavar="TIME",
    help='Client clock − backend clock, if you know it: "37.5s", "-250ms".',
)
@keylog_option
@partial(result_options, to_file=False)
def command(
    command_: tuple[str, ...],
    clients: tuple[str, ...],
    backends: tuple[str, ...],
    lb: str | None,
    filter_: str,
    for_: str | None,
    folder: str | None,
    sudo: bool,
    lb_address: tuple[str, ...],
    lb_port: tuple[int, ...],
    clock_offset: str | None,
    keylogs: tuple[str, ...],
    target: Target,
) -> int:
    """Capture both sides at the same time, then compare them.

    tcpdump runs at each PLACE. When all of them listen, COMMAND runs, for example a request; when
    it has ended, the captures end and are compared. They are kept. The exit code is that of
    COMMAND, if it is not 0.

    \b
    PLACE is one of:
      local:[INTERFACE]                                 this machine
      netns:NAME[:INTERFACE]                            a network namespace of it
      ssh://[USER@]HOST[:PORT][/INTERFACE]              another machine, by ssh
      kubectl:[NAMESPACE/]POD[/CONTAINER][:INTERFACE]   a pod, by kubectl
      docker:NAME[:INTERFACE]                           a container, by docker

    Without an interface, all are captured ("any").

    \b
    lbtrace capture --client local: --backend ssh://root@10.0.0.7 --filter "tcp port 80" \\
        -- curl http://shop.example/
    """
    from lbtrace.ending import told_to_end
    from lbtrace.live.session import Session

    check_lb([lb] if lb else [], lb_address, (*clients, *backends), lb_port)
    wanted = _wanted(clients, backends, lb)
    seconds = None if for_ is None else parse_duration("--for", for_) / 1e9
    way = Comparing(lb is not None, lb_address, lb_port, clock_offset, keylogs)
    way.options()
    if not filter_.strip():
        raise OptionError(
            "filter-empty", "--filter is empty.", 'Write it as for tcpdump: "tcp port 80".'
        )
    _check_command(command_)
    where = Path(folder or time.strftime("capture-%Y-%m-%dT%H-%M-%SZ", time.gmtime()))
    with told_to_end():
        session = Session(wanted, filter_, where, sudo)
        try:
            with session:
                _say(f"Listening: {', '.join(each.place.written for each in wanted)}.")
                code = _traffic(session, command_, seconds)
        finally:
            kept = _kept(session) if session.listened else []
            if kept:
                _say(f"To compare them again: {way.command(kept)}")
        if len(kept) < len(wanted):
            raise InputError("capture-failed", "There is nothing to compare.")
        replace(target, command=way.command(kept)).write_report(way.report(kept))
    return code


@dataclass(frozen=True, slots=True)
class Comparing:
    """How the captures are compared, now and later."""

    on_balancer: bool
    lb_address: tuple[str, ...]
    lb_port: tuple[int, ...]
    clock_offset: str | None
    keylogs: tuple[str, ...]

    def options(self) -> Options:
        """The options. OptionError when one makes no sense."""
        return options_of(self.clock_offset, self.keylogs)

    def report(self, kept: Sequence[str]) -> Report:
        """What they show. Every place is a capture point of its own."""
        from lbtrace.pipeline import compare

        if self.on_balancer:
            return compared_on_balancer(kept, self.lb_address, self.lb_port, self.options())
        client, backend = _of_sides(kept)
        with ProgressBar() as progress:
            return compare(
                [[path] for path in client],
                [[path] for path in backend],
                self.options(),
                progress,
            )

    def command(self, kept: Sequence[str]) -> str:
        """What to type for the same result."""
        client, backend = _of_sides(kept)
        if self.on_balancer:
            words = typed(lb=kept)
        elif len(client) > 1:
            words = typed(client, backend)
        else:
            words = [*client, *backend]
        how = typed(
            lb_address=self.lb_address,
            lb_port=self.lb_port,
            clock_offset=self.clock_offset,
            keylogs=self.keylogs,
        )
        return shlex.join(["lbtrace", "compare", *words, *how])


def _of_sides(kept: Sequence[str]) -> tuple[list[str], list[str]]:
    """Files of `_wanted` → those of each side."""
    client = [path for path in kept if Path(path).name.startswith("client")]
    return client, [path for path in kept if path not in client]


def _wanted(clients: Sequence[str], backends: Sequence[str], lb: str | None) -> list[WantedCapture]:
    """The places, each with the name of its file. OptionError when a side has none."""
    from lbtrace.live.place import place
    from lbtrace.live.session import WantedCapture

    if lb:
        return [WantedCapture("lb", place(lb))]
    if not clients or not backends:
        raise OptionError(
            "side-missing",
            "capture needs a place of each side of the balancer.",
            f"Name them with {SIDES[0]} and {SIDES[1]}; or the balancer itself with --lb.",
        )
    if len(clients) + len(backends) > MAX_PLACES:
        raise OptionError(
            "too-many-places", f"capture takes at most {MAX_PLACES} places.", "Leave some out."
        )
    return [
        WantedCapture(f"{name}{number}" if number > 1 else name, place(text))
        for name, side in (("client", clients), ("backend", backends))
        for number, text in enumerate(side, 1)
    ]


def _check_command(words: Sequence[str]) -> None:
    if words and shutil.which(words[0]) is None:
        raise OptionError(
            "command-missing", f"{words[0]}: there is no such program.", "COMMAND is no shell line."
        )


def _traffic(session: Session, words: Sequence[str], seconds: float | None) -> int:
    """What happens while all listen; the exit code of the command."""
    from lbtrace.live.session import SETTLE_SECONDS, suppress_interrupt

    started, code = time.monotonic(), 0
    if words:
        code = _run(words)
        if code:
            _say(f"{words[0]} ended with exit code {code}.")
        left = (seconds or 0.0) - (time.monotonic() - started)
        session.wait(max(left, SETTLE_SECONDS))
    else:
        with suppress_interrupt():
            if seconds is None:
                _say("Ctrl-C ends the capture.")
            session.wait(seconds)
    session.check()
    return code


def _run(words: Sequence[str]) -> int:
    """The user's command, to its end. Ctrl-C is for it alone; if lbtrace is told to end, so is it.
    A signal that comes while it starts is kept until it is there. OptionError when it cannot be
    started.
    """
    from lbtrace.ending import Ended

    started: list[subprocess.Popen[bytes]] = []
    told: list[int] = []

    def end(number: int, _frame: FrameType | None) -> None:
        told.append(number)
        if started:
            raise Ended

    # a handler that does nothing is none for the command, unlike SIG_IGN
    handlers = {
        signal.SIGINT: lambda _number, _frame: None,
        signal.SIGTERM: end,
        signal.SIGHUP: end,
    }
    with _handled(handlers):
        try:
            process = subprocess.Popen(words)
        except OSError as error:  # a script that does not say what runs it
            raise OptionError(
                "command-not-started",
                f"{words[0]}: cannot be started: {error.strerror}.",
                "COMMAND is no shell line; a script begins with #!.",
            ) from error
        try:
            started.append(process)
            code = process.wait(0 if told else None)
        except (Ended, subprocess.TimeoutExpired) as error:
            started.clear()
            _end(process)
            raise Ended from error
    return code if code >= 0 else 128 - code


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_SECONDS)
    process.kill()
    process.wait()


@contextmanager
def _handled(
    handlers: Mapping[signal.Signals, Callable[[int, FrameType | None], object]],
) -> Iterator[None]:
    """Signals, but those that are ignored (nohup), go to these for a while."""
    with ExitStack() as after:
        for number, handler in handlers.items():
            if signal.getsignal(number) is not signal.SIG_IGN:
                after.callback(signal.signal, number, signal.signal(number, handler))
        yield


def _kept(session: Session) -> list[str]:
    """The files that remain; for each, a line about what it has."""
    from lbtrace.lab.scratch import hand_over_each
    from lbtrace.live.kept import Origin, keep

    files = []
    for (name, place), counted in zip(session.wanted, session.counts(), strict=True):
        path = session.kept(name)
        if not session.raw(name).stat().st_size:
            session.raw(name).unlink()
            _say(f"{place.written}: nothing arrived.")
            continue
        origin = Origin(place.written, place.interface, session.filter)
        packets = keep(session.raw(name), path, origin, counted)
        _say(f"{place.written}: {_counted(packets, counted.lost)} → {path}")
        files.append(path)
    folders = (session.folder,) if session.made_folder else ()
    hand_over_each((*folders, *files), os.environ)
    return [str(path) for path in files]


def _counted(packets: int, lost: int | None) -> str:
    """What a place captured, in words."""
    number = f"{packets} packet{'' if packets == 1 else 's'}"
    if lost is None:
        return f"{number}; whether tcpdump dropped some is not known"
    return f"{number}, {lost or 'none'} dropped"


def _say(line: str) -> None:
    """One line on stderr, escaped: it may hold a file name."""
    click.echo(f"lbtrace: {shown(line)}", err=True)
