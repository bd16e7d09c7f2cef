"""`lbtrace extract CLIENT BACKEND… --pair 3 -o FILE|DIR`: whole connections of both sides."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC
from typing import TYPE_CHECKING

import click

from lbtrace.cli import completing, selecting
from lbtrace.cli.atomic import replaced_bytes
from lbtrace.cli.compare import CapturesGiven, FilesOfSides, side_options
from lbtrace.cli.folder import check_folder, made_folder
from lbtrace.cli.merge import (
    capture_options,
    check_packets,
    check_read_twice,
    tell,
    written,
)
from lbtrace.cli.progress import ProgressBar
from lbtrace.errors import OptionError
from lbtrace.language.plurals import noun
from lbtrace.model.selection import Selection
from lbtrace.render.wording.escape import shown

if TYPE_CHECKING:
    from lbtrace.listing import Row
    from lbtrace.model.report import Report
    from lbtrace.wireshark.story import StoryOptions

ONE_FILE = (".pcap", ".pcapng")


@click.command("extract", cls=FilesOfSides)
@click.option(
    "--pair", "pairs", multiple=True, metavar="NAME", help="An exchange: 12, u3; repeatable."
)
@click.option(
    "--problem", "named", multiple=True, metavar="NAME", help="The exchanges of a problem: P1."
)
@click.option(
    "--status", multiple=True, metavar="LIST", help='Exchanges so answered: "5xx", "502,504".'
)
@click.option("--path", multiple=True, metavar="GLOB", help='Exchanges with this path: "/api/*".')
@click.option("--method", multiple=True, metavar="NAME", help="Exchanges of this method.")
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE|DIR",
    shell_complete=completing.files,
    help="One merged file, if it ends in .pcapng or .pcap; else a folder.",
)
@capture_options
@side_options
def command(
    given: CapturesGiven,
    pairs: tuple[str, ...],
    named: tuple[str, ...],
    status: tuple[str, ...],
    path: tuple[str, ...],
    method: tuple[str, ...],
    output: str,
    no_shift: bool,
    with_secrets: bool,
    show_secrets: bool,
) -> None:
    """Write the whole connections, of both sides, that carry certain exchanges.

    What is chosen with --pair and --problem is written, and what --status, --path and --method
    together choose. Into a folder go client.pcap and backend.pcap (backend1.pcap, ...), with their
    own times, to be compared again.

    \b
    lbtrace extract client.pcap backend.pcap --problem P1 -o case.pcapng
    """
    from lbtrace.wireshark.story import StoryOptions

    chosen = selecting.selection(UTC, method, path, status, (), (), None, None, False)
    if not (pairs or named or chosen):
        raise OptionError(
            "nothing-chosen",
            "extract needs to know what: --pair, --problem, --status, --path or --method.",
            "All packets: lbtrace merge.",
        )
    one_file = output.lower().endswith(ONE_FILE)
    if one_file:
        check_packets(output, given.inputs)
    else:
        _check_folder(output, given.inputs, with_secrets)
    report = given.report()
    from lbtrace.wireshark.selected import connections

    wanted = connections(report, _rows(report, pairs, named, chosen))
    if not wanted:
        raise OptionError("nothing-there", "No exchange is what you asked for.")
    options = StoryOptions(not no_shift, wanted, given.keylogs, with_secrets)
    if one_file:
        tell(output, written(report, output, options, show_secrets))
    else:
        _write_folder(report, output, options)


def _rows(
    report: Report, pairs: Sequence[str], named: Sequence[str], chosen: Selection
) -> list[Row]:
    """What is to be written. OptionError when a name names nothing."""
    from lbtrace.listing import listing
    from lbtrace.render.terminal.zoom import row_of
    from lbtrace.wireshark.selected import rows_of_problem

    rows = [row_of(report, name, "--pair") for name in pairs]
    rows += [row for name in named for row in rows_of_problem(report, name)]
    return rows + (list(listing(report, chosen).rows) if chosen else [])


def _check_folder(folder: str, inputs: Sequence[str], with_secrets: bool) -> None:
    """OptionError when the folder cannot be written to, or when an input is in it."""
    if with_secrets:
        raise OptionError(
            "secrets-in-folder",
            "--with-secrets needs one file: a pcap file cannot hold secrets.",
            "For example: -o case.pcapng.",
        )
    check_read_twice(inputs)
    check_folder(folder, inputs, hint="Name a folder, or a file that ends in .pcapng.")


def _write_folder(report: Report, folder: str, options: StoryOptions) -> None:
    from lbtrace.wireshark.story import separate

    count = 0
    with made_folder(folder), ProgressBar() as progress:
        for name, parts in separate(report, options, progress):
            path = os.path.join(folder, name)
            with replaced_bytes(path) as out:
                out.writelines(parts)
            count += 1
            click.echo(shown(path))
    click.echo(f"{count} {noun(count, 'capture')}, to be compared again")
