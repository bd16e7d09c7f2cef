"""`lbtrace merge CLIENT BACKEND… -o story.pcapng`: both sides as one capture, on one clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from lbtrace.cli import completing
from lbtrace.cli.atomic import replaced_bytes
from lbtrace.cli.compare import CapturesGiven, FilesOfSides, side_options
from lbtrace.cli.output import Target
from lbtrace.cli.progress import ProgressBar
from lbtrace.errors import OptionError
from lbtrace.language.plurals import noun
from lbtrace.render.wording.escape import shown

if TYPE_CHECKING:
    from lbtrace.model.report import Report
    from lbtrace.wireshark.story import StoryOptions, Written

_OF_CAPTURES = (
    click.option(
        "--no-shift", is_flag=True, help="Keep the times of each capture: do not align the clocks."
    ),
    click.option(
        "--with-secrets",
        is_flag=True,
        help="Write the TLS secrets (--keylog, or in the captures) of the connections included.",
    ),
    click.option(
        "--show-secrets",
        is_flag=True,
        help="Show credentials in the comments. The packets hold them in any case.",
    ),
)


def capture_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """How packets are written: of merge and extract."""
    for option in reversed(_OF_CAPTURES):
        command = option(command)
    return command


@click.command("merge", cls=FilesOfSides)
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    shell_complete=completing.files,
    help="The pcapng file to write.",
)
@capture_options
@side_options
def command(
    given: CapturesGiven,
    output: str,
    no_shift: bool,
    with_secrets: bool,
    show_secrets: bool,
) -> None:
    """Write both sides as one capture for Wireshark.

    Each capture point is an interface. The backends' times are moved to the client's clock, the
    addresses have names, and comments say which exchange and which finding a packet belongs to.
    `lbtrace wireshark-profile` writes what makes fields of the comments: lbtrace.pair == 2.

    \b
    lbtrace merge client.pcap backend.pcap -o story.pcapng
    """
    from lbtrace.wireshark.story import StoryOptions

    check_packets(output, given.inputs)
    options = StoryOptions(not no_shift, None, given.keylogs, with_secrets)
    tell(output, written(given.report(), output, options, show_secrets))


def check_packets(output: str, inputs: Sequence[str]) -> None:
    """OptionError when a file cannot be written, or when an input cannot be read twice."""
    check_read_twice(inputs)
    Target("pcapng", output).check(inputs)


def check_read_twice(inputs: Sequence[str]) -> None:
    """OptionError for standard input."""
    if "-" in inputs:
        raise OptionError(
            "input-not-again",
            "Standard input cannot be read twice, and the packets are needed again.",
            "Give a file.",
        )


def written(report: Report, output: str, options: StoryOptions, show_secrets: bool) -> Written:
    """Write the merged file."""
    from lbtrace.render.masked import masked_report
    from lbtrace.wireshark.story import write_merged

    told = report if show_secrets else masked_report(report)
    try:
        private = options.with_secrets
        with ProgressBar() as progress, replaced_bytes(output, private) as out:
            return write_merged(told, out, options, progress)
    except OSError as error:
        raise OptionError(
            "output-unwritable", f"-o {output}: {error.strerror or error}."
        ) from error


def tell(output: str, done: Written) -> None:
    """What was written, on stdout."""
    packets = f"{done.packets} {noun(done.packets, 'packet')}"
    comments = f"{done.comments} {noun(done.comments, 'comment')}"
    click.echo(f"{shown(output)}: {packets}, {comments}")
    for line in done.clocks:
        click.echo(f"  {line}")
