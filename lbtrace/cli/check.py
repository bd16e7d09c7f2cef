"""`lbtrace check CLIENT BACKEND… --expect lb.toml`: what a balancer must do, as a test.

Exit code 0: all expectations hold. 1: one failed. 2: the check could not run. 3: something is open.
2 comes before 1, 1 before 3, 3 before 0.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace

import click

from lbtrace.cli import completing
from lbtrace.cli.compare import (
    FilesOfSides,
    compared,
    compared_on_balancer,
    options_of,
    side_options,
    sides,
)
from lbtrace.cli.output import Target, written_options
from lbtrace.cli.progress import ProgressBar
from lbtrace.errors import OptionError
from lbtrace.language.plurals import noun
from lbtrace.model.behaviour import Behaviour
from lbtrace.model.net import Side
from lbtrace.options import Options, check_lb
from lbtrace.render.check import format_names


@click.command("check", cls=FilesOfSides)
@click.argument("captures", nargs=-1, metavar="CLIENT BACKEND...", shell_complete=completing.files)
@click.option(
    "--expect",
    metavar="FILE",
    shell_complete=completing.files,
    help="Expectations: a file like lb.toml.",
)
@click.option(
    "--profile",
    metavar="ID",
    shell_complete=completing.profiles,
    help="Behaves as this balancer does: see lbtrace profiles.",
)
@click.option(
    "--baseline",
    metavar="FILE",
    shell_complete=completing.files,
    help="Behaves as in this report (--format json) of a good run.",
)
@click.option(
    "--report",
    metavar="FILE",
    shell_complete=completing.files,
    help="Judge this report (--format json), no captures.",
)
@side_options
@click.option(
    "--min-exchanges",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="With fewer exchanges that can be judged, the check is inconclusive.",
)
@click.option("--init", is_flag=True, help="Write the expectations that this run meets.")
@click.option("--validate", is_flag=True, help="Read the expectations only; judge nothing.")
@written_options(format_names())
def command(
    captures: tuple[str, ...],
    expect: str | None,
    profile: str | None,
    baseline: str | None,
    report: str | None,
    clients: tuple[str, ...],
    backends: tuple[str, ...],
    lb: tuple[str, ...],
    lb_address: tuple[str, ...],
    lb_port: tuple[int, ...],
    clock_offset: str | None,
    keylogs: tuple[str, ...],
    jobs: int,
    min_exchanges: int,
    init: bool,
    validate: bool,
    format_: str,
    output: str | None,
    width: int | None,
) -> int:
    """Does the balancer do what it must? A test for CI.

    With --client or --backend alone, what one side shows is judged; the rest is inconclusive.

    The expectations are a file (--expect), the documented behaviour of a known balancer
    (--profile), or the report of a good run (--baseline); all that are given must hold.

    \b
    lbtrace check client.pcap backend.pcap --init -o lb.toml     pin a good run
    lbtrace check client.pcap backend.pcap --expect lb.toml      hold the next one against it

    Exit code 0: all hold. 1: something failed. 2: could not run. 3: inconclusive.
    """
    if validate:
        _valid(expect, captures)
        return 0
    if not init and expect is None and profile is None and baseline is None:
        raise OptionError(
            "nothing-expected",
            "check needs --expect FILE, --profile ID or --baseline FILE.",
            "To write expectations from a good run: lbtrace check CLIENT BACKEND --init.",
        )
    if len(captures) == 1 and not (clients or backends or lb or report):
        raise OptionError(
            "side-missing",
            f"{captures[0]}: of which side is it?",
            "Of one side alone: --client FILE or --backend FILE. Of both: check CLIENT BACKEND.",
        )
    target = Target(format_, output, width=width)
    given = [*captures, *clients, *backends, *lb]
    _same_source(report, given)
    target.check([*given, *keylogs, *(path for path in (expect, baseline, report) if path)])
    from lbtrace.expect import standard

    wanted = standard(expect, profile, None if baseline is None else _stored(baseline))
    behaviour = (
        _stored(report)
        if report is not None
        else _compared(
            captures,
            clients,
            backends,
            (lb, lb_address, lb_port),
            options_of(clock_offset, keylogs, jobs),
        )
    )
    if init:
        return _init(target, behaviour)
    found = wanted.check(behaviour, min_exchanges)
    from lbtrace.render.check import get_format

    with target.open() as (out, view):
        get_format(format_).write(
            replace(found, command=_command(captures, clients, backends, lb)), out, view
        )
    return found.exit_code


def _command(
    captures: Sequence[str], clients: Sequence[str], backends: Sequence[str], lb: Sequence[str]
) -> str:
    """What shows the whole story of these captures; "" without any."""
    named = {"--client": clients, "--backend": backends, "--lb": lb}
    options = [
        word for option, files in named.items() for word in ([option, *files] if files else ())
    ]
    if _one_side(captures, clients, backends) is not None and not lb:
        return shlex.join(["lbtrace", "show", *clients, *backends])
    return shlex.join(["lbtrace", "compare", *captures, *options]) if captures or options else ""


def _valid(expect: str | None, captures: Sequence[str]) -> None:
    """Read the file named by --expect, or by the arguments: `check --validate lb.toml`."""
    from lbtrace.expect import read

    files = [*([expect] if expect else []), *captures]
    if not files:
        raise OptionError("nothing-to-validate", "--validate needs a file of expectations.")
    for path in files:
        found = read(path)
        wanted, let_pass = len(found.wanted), len(found.allowances)
        click.echo(
            f"{path}: {wanted} {noun(wanted, 'expectation')}, "
            f"{let_pass} {noun(let_pass, 'allowance')}."
        )


def _same_source(report: str | None, given: Sequence[str]) -> None:
    if report is not None and given:
        raise OptionError(
            "report-and-captures", "--report stands for the captures: give one or the other."
        )


def _stored(path: str) -> Behaviour:
    from lbtrace.behaviour import stored

    return stored(path)


def _compared(
    captures: Sequence[str],
    clients: Sequence[str],
    backends: Sequence[str],
    on_balancer: tuple[Sequence[str], Sequence[str], Sequence[int]],
    options: Options,
) -> Behaviour:
    """`on_balancer`: captures taken on it, its addresses and its ports, as stated."""
    from lbtrace.pipeline import behaviour_of_one_side
    from lbtrace.points import points_of

    lb, lb_address, lb_port = on_balancer
    check_lb(lb, lb_address, (*captures, *clients, *backends), lb_port)
    alone = _one_side(captures, clients, backends)
    if alone is not None and not lb:
        with ProgressBar() as progress:
            return behaviour_of_one_side(
                points_of([alone[1]], alone[0], progress), alone[0], options, progress
            )
    report = (
        compared_on_balancer(lb, lb_address, lb_port, options)
        if lb
        else compared(*sides(captures, clients, backends), options)
    )
    assert report.behaviour is not None
    return report.behaviour


def _one_side(
    captures: Sequence[str], clients: Sequence[str], backends: Sequence[str]
) -> tuple[Side, list[str]] | None:
    """The side and its files, when only --client or only --backend is given."""
    if captures or bool(clients) == bool(backends):
        return None
    return (Side.CLIENT, list(clients)) if clients else (Side.BACKEND, list(backends))


def _init(target: Target, behaviour: Behaviour) -> int:
    from lbtrace.expect import file_of

    if behaviour.undecided:
        raise OptionError(
            "nothing-to-pin",
            f"this run pins nothing: {behaviour.undecided}.",
            "Take captures of a run whose balancer is recognised.",
        )
    with target.open() as (out, _):
        out.write(file_of(behaviour))
    return 0
