"""`lbtrace lab`: the experiment on this machine, with real balancers in network namespaces."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from lbtrace.cli.output import Target, result_options
from lbtrace.errors import LabError, OptionError
from lbtrace.model.report import Report


@click.group("lab")
def command() -> None:
    """Run the experiment on this machine, with real balancers.

    The lab builds client, home router, load balancer and backends in network namespaces. tcpdump
    captures both sides, and lbtrace compares them. No packet leaves the namespaces, and nothing
    remains afterwards. The lab needs Linux and root.
    """


@command.command("run")
@click.argument("balancer")
@click.option(
    "--traffic",
    default="four",
    show_default=True,
    help="What the clients do; see `lbtrace lab list`.",
)
@click.option(
    "--keep",
    metavar="DIR",
    help="Keep the captures, truth.json and the logs in DIR (new or empty).",
)
@click.option(
    "--explain",
    is_flag=True,
    help="Show every command with its host, and the configuration of the balancer.",
)
@click.option(
    "--check",
    "expectations",
    metavar="FILE",
    help="Hold the run against a file of expectations; exit code as of `lbtrace check`.",
)
@result_options
def run_command(
    balancer: str,
    traffic: str,
    keep: str | None,
    explain: bool,
    expectations: str | None,
    target: Target,
) -> None:
    """Run one experiment and compare its two sides."""
    from lbtrace.lab.run import require_experiment, run
    from lbtrace.lab.scratch import scratch_directory

    target.check([])
    if expectations is not None:
        from lbtrace.expect import read

        read(expectations)  # what is wrong in it is said before the experiment
    code = 0
    with ExitStack() as stack:
        empty = None if keep is None else empty_directory(keep)
        require_experiment(balancer, traffic)
        directory = stack.enter_context(scratch_directory()) if empty is None else made(empty)
        click.echo(f"Running the traffic {traffic!r} through {balancer!r} ...", err=True)
        run(balancer, traffic, directory, ["--explain"] if explain else [])
        report = compare_and_print(directory, target)
        if expectations is not None:
            code = check_and_print(report, expectations)
    if keep is None:
        click.echo(
            "The captures are deleted. To look at their packets, run this again with --keep DIR.",
            err=True,
        )
    else:
        click.echo(
            f"Kept in {keep}: {', '.join(sorted(p.name for p in directory.iterdir()))}", err=True
        )
    if code:
        click.get_current_context().exit(code)


def check_and_print(report: Report, expect: str) -> int:
    """Hold a report against a file of expectations, and print what became of them on stderr: the
    report itself is on stdout. Returns the exit code of `lbtrace check`.
    """
    import sys

    from lbtrace.expect import check
    from lbtrace.render import View
    from lbtrace.render.check import get_format

    assert report.behaviour is not None
    result = check(report.behaviour, expect)
    get_format("terminal").write(result, sys.stderr, View())
    return result.exit_code


def compare_and_print(directory: Path, target: Target) -> Report:
    """Compare a recorded pair and print the report. Say on stderr whether the logs of the programs
    that took part agree with it.
    """
    from lbtrace.lab.agree import agree
    from lbtrace.lab.ground_truth import GroundTruth
    from lbtrace.pipeline import compare

    backends = [[str(path)] for path in sorted(directory.glob("backend*.pcap"))]
    report = compare([[str(directory / "client.pcap")]], backends)
    target.write_report(report)
    agreement = agree(report, GroundTruth.read(directory / "truth.json"))
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
    return directory.absolute()  # a program that is told to read it may run elsewhere


def made(directory: Path) -> Path:
    """The directory, made when it is not there yet; OptionError when it cannot be."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise OptionError(
            "keep-unwritable", f"--keep {directory}: {error.strerror or error}."
        ) from error
    return directory


@command.command("list")
def list_command() -> None:
    """List the balancers and traffics, and what is missing on this machine."""
    from lbtrace.lab.registry import balancers, traffics
    from lbtrace.lab.run import require_runnable

    click.echo("Balancers")
    for balancer in balancers().values():
        try:
            require_runnable(balancer)
            note = ""
        except LabError as error:
            note = (
                ""
                if error.slug in ("lab-not-root", "lab-not-linux", "lab-no-namespaces")
                else f"  [{error.message}]"
            )
        click.echo(f"  {balancer.name:20} {balancer.summary}{note}")
    click.echo("\nTraffic")
    for traffic in traffics().values():
        needs = f"  [{', '.join(sorted(traffic.needs))}]" if traffic.needs else ""
        click.echo(f"  {traffic.name:20} {traffic.summary}{needs}")
    click.echo("\nIn brackets: what is missing here, or what the balancer must be able to do.")


@command.command("record")
@click.argument("names", nargs=-1)
@click.option(
    "--into", metavar="DIR", default="samples", show_default=True, help="The folder of the samples."
)
def record_command(names: tuple[str, ...], into: str) -> None:
    """Record the samples again: all of them, or NAMES."""
    from lbtrace.lab.run import SAMPLES, record_sample

    for name in names:
        if name not in SAMPLES:
            raise OptionError(
                "unknown-sample", f"There is no sample {name!r}.", f"Samples: {', '.join(SAMPLES)}."
            )
    for name in names or SAMPLES:
        click.echo(f"{record_sample(name, Path(into))}")


lab = command
