"""`lbtrace show CAPTURE…`: one capture point."""

from __future__ import annotations

import click

from lbtrace.cli.output import Target, result_options
from lbtrace.cli.progress import ProgressBar


@click.command("show")
@click.argument("captures", nargs=-1, required=True, metavar="CAPTURE...")
@result_options
def command(captures: tuple[str, ...], target: Target) -> None:
    """Show one capture: what is wrong in it, its connections and HTTP exchanges.

    Several files are one rotated capture, in the order given. "-" is standard input.
    """
    from lbtrace.pipeline import show

    target.check(captures)
    with ProgressBar() as progress:
        report = show(list(captures), progress=progress)
    target.write_trace(report)
