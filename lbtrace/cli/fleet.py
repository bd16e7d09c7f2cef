"""`lbtrace fleet plan.toml`: many captures, on this machine or on a cluster."""

from __future__ import annotations

import click

from lbtrace.cli import completing
from lbtrace.cli.output import Target, jobs_option, written_options
from lbtrace.cli.progress import ProgressBar
from lbtrace.render.fleet import format_names


@click.command("fleet")
@click.argument("plan", metavar="PLAN", shell_complete=completing.files)
@click.option(
    "--engine",
    metavar="ENGINE",
    default="local",
    show_default=True,
    help="Who does the work: local, or dask://HOST:PORT, the scheduler of a Dask cluster.",
)
@jobs_option
@click.option("-v", "--verbose", is_flag=True, help="All findings.")
@written_options(format_names())
def command(
    plan: str,
    engine: str,
    jobs: int,
    verbose: bool,
    format_: str,
    output: str | None,
    width: int | None,
) -> None:
    """What did the balancers of a fleet do?

    PLAN is a TOML file that names capture points with their files: clients, balancers, backends.
    Captures are read in shards and compared in slices of time, each as compare does it. What was
    done is kept in the output folder of the plan: a second run does what is missing.

    \b
    lbtrace fleet plan.toml
    lbtrace fleet plan.toml --engine dask://10.0.0.5:8786
    """
    from lbtrace.fleet.engine import engine_named
    from lbtrace.fleet.plan import read_plan
    from lbtrace.fleet.run import run
    from lbtrace.render import Detail
    from lbtrace.render.fleet import get_format

    target = Target(
        format_, output, Detail.EVERYTHING if verbose else Detail.FIRST_SCREEN, width=width
    )
    read = read_plan(plan)
    inputs = [f for point in (*read.clients, *read.backends) for f in point.files]
    target.check([plan, *inputs, *read.keylogs])
    made = engine_named(engine, jobs)
    try:
        with ProgressBar() as progress:
            report = run(read, made, progress)
    finally:
        made.close()
    with target.open() as (out, view):
        get_format(format_).write(report, out, view)
