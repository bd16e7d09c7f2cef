"""`lbtrace diff A B`: how two balancers, or one before and after a change, behave differently."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lbtrace.cli import completing
from lbtrace.cli.demo import sample_files, sample_keylogs, sample_names, samples_folder
from lbtrace.cli.output import Target, written_options
from lbtrace.cli.progress import ProgressBar
from lbtrace.errors import InputError, OptionError, nearest
from lbtrace.render.diff import format_names

if TYPE_CHECKING:
    from lbtrace.model.behaviour import Behaviour

SUFFIXES = ("pcap", "pcapng", "cap")


@click.command("diff")
@click.argument("one", metavar="A", shell_complete=completing.samples_and_files)
@click.argument("other", metavar="B", shell_complete=completing.samples_and_files)
@click.option("--fail-on-change", is_flag=True, help="Exit with 1 when something differs.")
@written_options(format_names())
def command(
    one: str, other: str, fail_on_change: bool, format_: str, output: str | None, width: int | None
) -> int:
    """How do two balancers differ? Or one, before and after a change?

    A and B are each a report (--format json), a folder with captures named client* and backend*,
    or a sample (see lbtrace demo --list). What exists as a path is a path.

    \b
    lbtrace diff alb-like nlb-like

    Exit code 0: compared. 1: they differ, with --fail-on-change. 2: could not run. 3: nothing could
    be compared.
    """
    from lbtrace.behaviour import Comparability, compared
    from lbtrace.render.diff import DiffResult, get_format

    target = Target(format_, output, width=width)
    target.check([path for path in (one, other) if Path(path).exists()])
    before, after = _behaviour(one), _behaviour(other)
    result = DiffResult((one, other), compared(before, after), (before.undecided, after.undecided))
    with target.open() as (out, view):
        get_format(format_).write(result, out, view)
    differ, same = (result.of(kind) for kind in (Comparability.DIFFERS, Comparability.SAME))
    if any(result.undecided) or not (differ or same):
        return 3
    return 1 if fail_on_change and differ else 0


def _behaviour(name: str) -> Behaviour:
    """What a report, a folder or a sample shows."""
    path = Path(name)
    if path.is_dir():
        return _of_captures(list(_captures(path, "client")), list(_captures(path, "backend")), name)
    if path.exists():
        from lbtrace.behaviour import stored

        return stored(name)
    folder = samples_folder()
    names = sample_names(folder)
    if name not in names:
        raise OptionError(
            "unknown-side",
            f"{name}: no file, no folder, and no sample{nearest(name, names) or '.'}",
            f"Samples: {', '.join(names)}.",
        )
    clients, backends = sample_files(folder, name)
    keylogs = sample_keylogs(folder, name)
    return _of_captures(clients, [files[0] for files in backends], name, tuple(keylogs))


def _captures(folder: Path, side: str) -> Iterator[str]:
    """The captures of a side in a folder, by name."""
    for path in sorted(folder.iterdir()):
        ends = path.name.split(".")[1:2]
        if path.name.startswith(side) and ends and ends[0] in SUFFIXES and path.is_file():
            yield str(path)


def _of_captures(
    clients: list[str], backends: list[str], name: str, keylogs: tuple[str, ...] = ()
) -> Behaviour:
    if not clients or not backends:
        missing = "client" if not clients else "backend"
        raise InputError(
            "no-captures",
            f"{name}: has no capture whose name begins with {missing}.",
            "Name them client.pcap and backend.pcap.",
        )
    from lbtrace.options import Options, check_captures
    from lbtrace.pipeline import compare
    from lbtrace.points import points

    check_captures([*clients, *backends])
    with ProgressBar() as progress:
        report = compare(
            points(clients, progress),
            [[path] for path in backends],
            Options(keylogs=keylogs),
            progress,
        )
    assert report.behaviour is not None
    return report.behaviour
