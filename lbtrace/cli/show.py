"""`lbtrace show CAPTURE…`: capture points, each read alone."""

from __future__ import annotations

from dataclasses import replace

import click

from lbtrace.cli import completing
from lbtrace.cli.memory import max_memory_option, parse_memory
from lbtrace.cli.output import Target, jobs_option, keylog_option, result_options
from lbtrace.cli.progress import ProgressBar


@click.command("show")
@click.argument(
    "captures",
    nargs=-1,
    required=True,
    metavar="CAPTURE...",
    shell_complete=completing.files,
)
@keylog_option
@jobs_option
@max_memory_option
@result_options
def command(
    captures: tuple[str, ...],
    keylogs: tuple[str, ...],
    jobs: int,
    max_memory: str | None,
    target: Target,
) -> None:
    """Show captures, each alone: what is wrong in it, its connections and HTTP exchanges.

    Files of one machine that follow each other in time are one rotated capture. All others are
    captures of their own: nothing is compared. "-" is standard input.
    """
    from lbtrace.in_parts import on_disk
    from lbtrace.options import Options, check_captures
    from lbtrace.pipeline import show
    from lbtrace.points import points_of_any_side

    check_captures(captures)
    target.check([*captures, *keylogs])
    options = Options(keylogs=keylogs, jobs=jobs, max_memory=parse_memory(max_memory))
    with ProgressBar() as progress, on_disk(options):
        points = points_of_any_side(captures, progress)
        report = show(points, options, progress)
    replace(target, jobs=jobs).write_trace(report)
