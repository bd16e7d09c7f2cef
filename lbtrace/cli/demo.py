"""`lbtrace demo [SAMPLE]`: compare the captures that come with lbtrace.

The samples are in lbtrace/samples in an installed wheel and in samples/ beside the package in a
source checkout.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from lbtrace.cli import completing
from lbtrace.cli.lesson import check_lesson, lesson_options, teach
from lbtrace.cli.output import Target, keylog_option, result_options
from lbtrace.errors import InputError, unknown_name
from lbtrace.language import N
from lbtrace.lesson import Act
from lbtrace.model.report import Report

FIRST = "alb-like"  # the founding experiment
LESSON = (FIRST, "nlb-like", "nlb-like-snat")
PREFACE = N(
    "The same requests go through three load balancers, and each time two captures are taken: in "
    "front of it and behind it. nginx and nftables play the balancers, set up as AWS documents its "
    "own; they are not AWS."
)


def samples_folder() -> Path:
    """The folder of the samples; InputError when this installation has none."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "samples", package.parent / "samples"):
        if any(folder.glob("*/client.pcap*")):
            here = Path.cwd()
            return folder.relative_to(here) if folder.is_relative_to(here) else folder
    raise InputError(
        "no-samples",
        "This installation of lbtrace has no samples.",
        "Install it from a wheel or a source checkout.",
    )


def sample_names(folder: Path) -> list[str]:
    """The names of the samples, the founding experiment first."""
    return sorted(
        (p.parent.name for p in folder.glob("*/client.pcap*")),
        key=lambda name: (name != FIRST, name),
    )


def sample_files(folder: Path, name: str) -> tuple[list[str], list[list[str]]]:
    """The client capture and the backend captures (one per point) of a sample."""
    client = sorted(str(p) for p in (folder / name).glob("client*.pcap*"))
    backends = sorted(str(p) for p in (folder / name).glob("backend*.pcap*"))
    return client, [[b] for b in backends]


def sample_keylogs(folder: Path, name: str) -> list[str]:
    """The key logs of a sample, which are used by themselves."""
    return sorted(str(p) for p in (folder / name).glob("*.keys"))


def title(folder: Path, name: str) -> str:
    """What a sample shows, in a few words: the heading of its README, "" when there is none."""
    readme = folder / name / "README.md"
    heading = readme.read_text("utf-8").partition("\n")[0] if readme.is_file() else ""
    return heading.removeprefix("# ").removeprefix(f"{name}: ")


@click.command("demo")
@click.argument("sample", required=False, shell_complete=completing.samples)
@click.option("--list", "list_", is_flag=True, help="List the samples and what each shows.")
@lesson_options
@keylog_option
@result_options
def command(
    sample: str | None,
    list_: bool,
    explain: bool,
    no_pause: bool,
    keylogs: tuple[str, ...],
    target: Target,
) -> None:
    """Compare the captures that come with lbtrace: SAMPLE, or the founding experiment."""
    folder = samples_folder()
    names = sample_names(folder)
    if list_:
        width = max(map(len, names))
        for name in names:
            click.echo(f"{name:<{width}}  {title(folder, name)}".rstrip())
        return
    if sample is not None and sample not in names:
        raise unknown_name("unknown-sample", "sample", sample, names)
    if explain:
        _lesson(folder, (sample,) if sample else LESSON, no_pause, keylogs, target)
        return
    name = sample or names[0]
    report = _compared(folder, name, keylogs, target)
    click.echo(f"Sample {name}: {title(folder, name)}", err=True)
    target.write_report(report)


def _compared(folder: Path, name: str, keylogs: tuple[str, ...], target: Target) -> Report:
    from lbtrace.options import Options
    from lbtrace.pipeline import compare

    client, backends = sample_files(folder, name)
    keylogs = (*sample_keylogs(folder, name), *keylogs)
    target.check([*client, *(f for files in backends for f in files), *keylogs])
    return compare([client], backends, Options(keylogs=keylogs))


def _lesson(
    folder: Path,
    samples: Sequence[str],
    no_pause: bool,
    keylogs: tuple[str, ...],
    target: Target,
) -> None:
    """The three acts, or the one of a sample."""
    check_lesson(target)
    acts = [Act(name, _compared(folder, name, keylogs, target)) for name in samples]
    if samples is LESSON:
        from lbtrace.lab.confine import program

        own = f"sudo {program()} lab run alb-like nat snat --traffic four-checked --explain"
        teach(target, acts, no_pause, PREFACE, own)
    else:
        teach(target, acts, no_pause)
