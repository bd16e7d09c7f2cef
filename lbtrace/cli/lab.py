"""`lbtrace lab`: the experiment on this machine, with real balancers in network namespaces."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lbtrace import guard
from lbtrace.cli import completing
from lbtrace.cli.lesson import check_lesson, lesson_options, teach
from lbtrace.cli.output import Target, result_options
from lbtrace.errors import OptionError, unknown_name
from lbtrace.lesson import Act
from lbtrace.model.report import Report
from lbtrace.render.wording.escape import shown

if TYPE_CHECKING:
    from lbtrace.expect import Standard
    from lbtrace.lab.run import OwnConfiguration


@click.group("lab")
def command() -> None:
    """Run the experiment on this machine, with real balancers.

    The lab builds client, home router, load balancer and backends in network namespaces. tcpdump
    captures both sides, and lbtrace compares them. No packet leaves the namespaces, and nothing
    remains afterwards. The lab needs Linux and root.
    """


@command.command("run")
@click.argument(
    "balancers",
    metavar="BALANCER...",
    nargs=-1,
    required=True,
    shell_complete=completing.balancers,
)
@click.option(
    "--traffic",
    shell_complete=completing.traffics,
    default="four",
    show_default=True,
    help="What the clients do; see `lbtrace lab list`.",
)
@click.option("--ipv6", is_flag=True, help="Give every host an IPv6 address, and no other.")
@click.option(
    "--keep",
    metavar="DIR",
    shell_complete=completing.folders,
    help="Keep the captures, truth.json and the logs in DIR (new or empty).",
)
@click.option(
    "--commands",
    is_flag=True,
    help="Show every command with its host, and the configuration of the balancer.",
)
@click.option(
    "--config",
    metavar="FILE",
    shell_complete=completing.files,
    help="Run the balancer with this configuration of yours; its upstream servers become the "
    "lab's backends.",
)
@click.option("--host", metavar="NAME", default="", help="With --config: the host to ask for.")
@click.option(
    "--below",
    metavar="PATH",
    default="",
    help="With --config: the path below which to ask, like /api.",
)
@click.option(
    "--check",
    "expectations",
    metavar="FILE",
    shell_complete=completing.files,
    help="Hold the run against a file of expectations; exit code as of `lbtrace check`.",
)
@lesson_options
@result_options
def run_command(
    balancers: tuple[str, ...],
    traffic: str,
    ipv6: bool,
    keep: str | None,
    commands: bool,
    config: str | None,
    host: str,
    below: str,
    expectations: str | None,
    explain: bool,
    no_pause: bool,
    target: Target,
) -> None:
    """Run one experiment and compare its two sides. With --explain, several in turn, and the lesson
    about them.

    With --config the balancer of the lab runs your own configuration (nginx, haproxy, envoy): how
    it behaves is tested without any deployment.

    \b
    lbtrace lab run nginx --config nginx.conf --check lb.toml
    """
    from lbtrace.lab.run import require_experiment

    own = own_configuration(config, host, below, balancers)
    if own is not None and ipv6:
        raise OptionError(
            "lab-config-ipv6",
            "--config and --ipv6 do not go together: the lab changes the addresses of a "
            "configuration to its IPv4 ones.",
            "Leave one of them out.",
        )
    if explain:
        check_lesson(target)
    elif len(balancers) > 1:
        raise OptionError(
            "lab-several-balancers",
            "Several balancers are for the lesson: add --explain.",
            "Or run them one by one.",
        )
    target.check([])
    wanted = None
    if expectations is not None:
        from lbtrace.expect import standard

        wanted = standard(expectations)  # what is wrong in it is said before the experiment
    kept = None if keep is None else empty_directory(keep)
    options = [word for word, on in (("--commands", commands), ("--ipv6", ipv6)) if on]
    for balancer in balancers:
        said = require_experiment(balancer, traffic, own)
        if said:
            click.echo(shown(said), err=True)
    with ExitStack() as stack:
        if kept is not None:
            stack.enter_context(made(kept))
        recorded = {
            balancer: recording(balancer, traffic, options, stack, own) for balancer in balancers
        }
        if kept is not None:
            recorded = moved(recorded, kept)
        acts = [Act(balancer, compared(directory)) for balancer, directory in recorded.items()]
        code = print_results(acts, target, explain, no_pause, wanted)
    tell_where(keep, kept)
    if code:
        click.get_current_context().exit(code)


def own_configuration(
    config: str | None, host: str, below: str, balancers: Sequence[str]
) -> OwnConfiguration | None:
    """The configuration of --config; OptionError for options that make no sense with it, or without
    it.
    """
    from lbtrace.lab.run import OwnConfiguration

    if config is None:
        if host or below:
            raise OptionError(
                "lab-host-alone", "--host and --below need --config: they say what to ask of it."
            )
        return None
    if len(balancers) > 1:
        raise OptionError(
            "lab-config-of-several", "--config is the configuration of one balancer: name one."
        )
    return OwnConfiguration(Path(config).absolute(), host, below)


def recording(
    balancer: str,
    traffic: str,
    options: Sequence[str],
    stack: ExitStack,
    own: OwnConfiguration | None = None,
) -> Path:
    """Record one experiment; the scratch directory that holds it until the stack is closed.
    `options` as for `lbtrace.lab.run`.
    """
    from lbtrace.lab.run import run
    from lbtrace.lab.scratch import scratch_directory

    click.echo(f"Running the traffic {traffic!r} through {balancer!r} ...", err=True)
    scratch = stack.enter_context(scratch_directory())
    run(balancer, traffic, scratch, options, own)
    return scratch


def moved(recorded: Mapping[str, Path], kept: Path) -> dict[str, Path]:
    """Move recordings that are complete to where they are kept: of one that failed nothing is left,
    and it can be tried again. One recording is kept alone, of several each in a directory of its
    own.
    """
    from lbtrace.lab.scratch import hand_over, shut

    homes = {name: kept / name if len(recorded) > 1 else kept for name in recorded}
    before = os.umask(0o077)  # what is copied is nobody else's until it has its mode
    try:
        for name, scratch in recorded.items():
            shut(scratch)
            homes[name].mkdir(mode=0o700, exist_ok=True)
            for path in sorted(scratch.iterdir()):
                shutil.move(path, homes[name] / path.name)
        hand_over(kept, os.environ)
    except OSError as error:
        raise OptionError(
            "keep-unwritable", f"--keep {kept}: {error.strerror or error}."
        ) from error
    finally:
        os.umask(before)
    return homes


def print_results(
    acts: Sequence[Act], target: Target, explain: bool, no_pause: bool, wanted: Standard | None
) -> int:
    """The lesson, or the report; then what became of the expectations. Returns the exit code."""
    if explain:
        teach(target, acts, no_pause)
    else:
        target.write_report(acts[0].report)
    if wanted is None:
        return 0
    codes = {check_and_print(act.report, wanted) for act in acts}
    return next((code for code in (1, 3) if code in codes), 0)


def tell_where(keep: str | None, kept: Path | None) -> None:
    """What became of the captures, and of the keys of their TLS, on stderr."""
    if kept is None:
        text = "The captures are deleted. To look at their packets, run this again with --keep DIR."
        click.echo(text, err=True)
        return
    click.echo(f"Kept in {keep}: {', '.join(sorted(p.name for p in kept.iterdir()))}", err=True)
    keys = sorted(str(p.relative_to(kept)) for p in kept.rglob("*.keys"))
    if keys:
        click.echo(
            f"Keys that open the TLS there, readable by you alone: {', '.join(keys)}. For "
            "compare and show: --keylog.",
            err=True,
        )


def check_and_print(report: Report, wanted: Standard) -> int:
    """Hold a report against expectations, and print what became of them on stderr: the
    report itself is on stdout. Returns the exit code of `lbtrace check`.
    """
    import sys

    from lbtrace.render import View
    from lbtrace.render.check import get_format

    assert report.behaviour is not None
    result = wanted.check(report.behaviour)
    get_format("terminal").write(result, sys.stderr, View())
    return result.exit_code


def compared(directory: Path) -> Report:
    """Compare a recorded pair, with the keys of its TLS. Say on stderr whether the logs of the
    programs that took part agree with the result.
    """
    from lbtrace.lab import key_logs
    from lbtrace.lab.agree import agree
    from lbtrace.lab.ground_truth import GroundTruth
    from lbtrace.options import Options
    from lbtrace.pipeline import compare

    backends = [[str(path)] for path in sorted(directory.glob("backend*.pcap"))]
    options = Options(keylogs=key_logs.every(directory))
    report = compare([[str(directory / "client.pcap")]], backends, options)
    truth = directory / "truth.json"
    if truth.exists():
        agreement = agree(report, GroundTruth.read(truth))
        click.echo(f"The logs of client, balancer and backend: {agreement.summary()}", err=True)
    return report


def empty_directory(name: str) -> Path:
    """The directory for --keep, not made yet; OptionError when something is in it."""
    directory = Path(name)
    try:
        taken = directory.exists() and (not directory.is_dir() or any(directory.iterdir()))
    except OSError as error:
        raise OptionError(
            "keep-unreadable", f"--keep {name}: {error.strerror or error}."
        ) from error
    if taken:
        raise OptionError(
            "keep-not-empty",
            f"--keep {name}: it exists and is not an empty directory.",
            "Name a new or an empty directory.",
        )
    return directory


@contextmanager
def made(directory: Path) -> Iterator[None]:
    """The directory, made when it is not there yet, and removed again when nothing has come into
    it; OptionError when it cannot be made.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(guard.folder(os.fspath(directory), 0o700))
        except OSError as error:
            raise OptionError(
                "keep-unwritable", f"--keep {directory}: {error.strerror or error}."
            ) from error
        yield


@command.command("list")
@click.argument(
    "names", metavar="[NAME]...", nargs=-1, shell_complete=completing.balancers_and_traffics
)
def list_command(names: tuple[str, ...]) -> None:
    """List the balancers and traffics. With NAME: what it is, and what it runs with."""
    from lbtrace.cli.lab_list import one, overview

    for line in (line for name in names for line in one(name)) if names else overview():
        click.echo(line)


@command.command("record")
@click.argument("names", nargs=-1, shell_complete=completing.recorded_samples)
@click.option(
    "--into",
    metavar="DIR",
    shell_complete=completing.folders,
    default="samples",
    show_default=True,
    help="The folder of the samples.",
)
def record_command(names: tuple[str, ...], into: str) -> None:
    """Record the samples again: all of them, or NAMES."""
    from lbtrace.lab.run import SAMPLES, record_sample

    for name in names:
        if name not in SAMPLES:
            raise unknown_name("unknown-sample", "sample", name, SAMPLES)
    for name in names or SAMPLES:
        click.echo(f"{record_sample(name, Path(into))}")


lab = command
