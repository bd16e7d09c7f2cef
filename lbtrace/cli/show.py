"""`lbtrace show CAPTURE…`: capture points, each read alone."""

from __future__ import annotations

import click

from lbtrace.cli.output import Target, result_options
from lbtrace.cli.progress import ProgressBar
from lbtrace.errors import OptionError


@click.command("show")
@click.argument("captures", nargs=-1, required=True, metavar="CAPTURE...")
@result_options
def command(captures: tuple[str, ...], target: Target) -> None:
    """Show captures, each alone: what is wrong in it, its connections and HTTP exchanges.

    Files of one machine that follow each other in time are one rotated capture. All others are
    captures of their own: nothing is compared. "-" is standard input.
    """
    from lbtrace.pipeline import show
    from lbtrace.points import points_of_any_side

    if captures.count("-") > 1:
        raise OptionError("stdin-twice", 'Standard input ("-") can be only one of the captures.')
    target.check(captures)
    with ProgressBar() as progress:
        report = show(points_of_any_side(captures, progress), progress=progress)
    target.write_trace(report)
