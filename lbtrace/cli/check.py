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
from lbtrace.cli.compare import CapturesGiven, FilesOfSides, side_options, typed
from lbtrace.cli.output import Target, written_options
from lbtrace.cli.progress import ProgressBar
from lbtrace.cli.whole_number import WholeNumber
from lbtrace.errors import OptionError
from lbtrace.language.plurals import noun
from lbtrace.model.behaviour import Behaviour
from lbtrace.model.net import Side
from lbtrace.render.check import format_names


@click.command("check", cls=FilesOfSides)
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
    type=WholeNumber(0),
    metavar="N",
    default=1,
    show_default=True,
    help="With fewer exchanges that can be judged, the check is inconclusive.",
)
@click.option("--init", is_flag=True, help="Write the expectations that this run meets.")
@click.option("--validate", is_flag=True, help="Read the expectations only; judge nothing.")
@written_options(format_names())
def command(
    given: CapturesGiven,
    expect: str | None,
    profile: str | None,
    baseline: str | None,
    report: str | None,
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
        _valid(expect, given.captures)
        return 0
    if not init and expect is None and profile is None and baseline is None:
        raise OptionError(
            "nothing-expected",
            "check needs --expect FILE, --profile ID or --baseline FILE.",
            "To write expectations from a good run: lbtrace check CLIENT BACKEND --init.",
        )
    if len(given.captures) == 1 and given.files == given.captures and not report:
        raise OptionError(
            "side-missing",
            f"{given.captures[0]}: of which side is it?",
            "Of one side alone: --client FILE or --backend FILE. Of both: check CLIENT BACKEND.",
        )
    target = Target(format_, output, width=width)
    _same_source(report, given)
    target.check([*given.inputs, *(path for path in (expect, baseline, report) if path)])
    from lbtrace.expect import standard

    wanted = standard(expect, profile, None if baseline is None else _stored(baseline))
    behaviour = _compared(given) if report is None else _stored(report)
    if init:
        return _init(target, behaviour)
    found = wanted.check(behaviour, min_exchanges)
    from lbtrace.render.check import get_format

    with target.open() as (out, view):
        get_format(format_).write(replace(found, command=_command(given)), out, view)
    return found.exit_code


def _command(given: CapturesGiven) -> str:
    """What shows the whole story of these captures; "" without any."""
    if _one_side(given) is not None:
        words = ["show", *given.clients, *given.backends, *typed(keylogs=given.keylogs)]
        return shlex.join(["lbtrace", *words])
    return shlex.join(["lbtrace", "compare", *given.typed]) if given.files else ""


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


def _same_source(report: str | None, given: CapturesGiven) -> None:
    if report is None:
        return
    if given.files:
        raise OptionError(
            "report-and-captures", "--report stands for the captures: give one or the other."
        )
    # `typed` are options here, as no capture was given
    words = [word for word in given.typed if word.startswith("--")]
    words += ["--max-memory"] if given.max_memory is not None else []
    if words:
        raise OptionError(
            "report-and-options",
            f"{words[0]} says how captures are read; --report was made from them already.",
            "Leave it out, or give the captures instead of --report.",
        )


def _stored(path: str) -> Behaviour:
    from lbtrace.behaviour import stored

    return stored(path)


def _compared(given: CapturesGiven) -> Behaviour:
    from lbtrace.pipeline import behaviour_of_one_side
    from lbtrace.points import points_of

    given.check_lb()
    alone = _one_side(given)
    if alone is not None:
        side, files = alone
        options = given.options()
        with ProgressBar() as progress:
            points = points_of([files], side, progress)
            return behaviour_of_one_side(points, side, options, progress)
    report = given.report()
    assert report.behaviour is not None
    return report.behaviour


def _one_side(given: CapturesGiven) -> tuple[Side, list[str]] | None:
    """The side and its files, when only --client or only --backend is given."""
    if given.captures or given.lb or bool(given.clients) == bool(given.backends):
        return None
    side = Side.CLIENT if given.clients else Side.BACKEND
    return side, [*given.clients, *given.backends]


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
