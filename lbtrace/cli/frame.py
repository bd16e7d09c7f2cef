"""`lbtrace frame CAPTURE NUMBER…`: the packets themselves, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lbtrace.cli import completing
from lbtrace.cli.output import Target, page_options
from lbtrace.cli.progress import ProgressBar
from lbtrace.errors import OptionError

if TYPE_CHECKING:
    from lbtrace.render.terminal.frames import ShownFrame
    from lbtrace.tables.packets import Recording

MAX_FRAMES = 1000


@click.command("frame")
@click.argument("capture", metavar="CAPTURE", shell_complete=completing.files)
@click.argument("numbers", nargs=-1, required=True, metavar="NUMBER...")
@click.option("--hex", "hex_", is_flag=True, help="Show the bytes of the frame, too.")
@click.option(
    "--finding",
    metavar="SLUG",
    shell_complete=completing.findings,
    help="Mark what this finding rests on, like keep-alive-race. Default: what most rest on.",
)
@page_options
def command(
    capture: str, numbers: tuple[str, ...], hex_: bool, finding: str | None, target: Target
) -> None:
    """Show packets of a capture, layer by layer; what a finding rests on is marked.

    NUMBER is a frame number, as lbtrace and Wireshark count, or a range: 14 16 20-25. Of the
    payload the head of an HTTP message is shown, with its credentials masked.
    """
    from lbtrace.capture import read
    from lbtrace.render.terminal.frames import FramesWanted, write_frames

    numbered = frame_numbers(numbers)
    wanted = FramesWanted(hex_)
    if finding is not None:
        from lbtrace.findings import finding_of

        wanted = FramesWanted(hex_, finding_of(finding).rests_on, finding)
    with ProgressBar() as progress:
        recording = read([capture], progress)
    frames = [frame_of(recording, number, capture) for number in numbered]
    with target.open() as (out, view):
        target.show(out, lambda page: write_frames(frames, page, view, wanted))


def frame_numbers(texts: Sequence[str]) -> list[int]:
    """ "14", "#16", "20-25" → each number once, in the order given. OptionError for anything
    else.
    """
    found: dict[int, None] = {}
    for text in texts:
        low, dash, high = text.removeprefix("#").partition("-")
        ends = [low, high] if dash else [low]
        if not all(end.isascii() and end.isdigit() and len(end) < 12 for end in ends):
            raise OptionError(
                "bad-frame",
                f"{text}: not a frame number.",
                "Write it like 14 or 20-25.",
            )
        first, last = int(ends[0]), int(ends[-1])
        if last < first:
            raise OptionError(
                "bad-frame", f"{text}: no range of frames.", "Write the smaller number first."
            )
        if last - first >= MAX_FRAMES:
            raise OptionError(
                "too-many-frames", f"{text}: more than {MAX_FRAMES} frames.", "Ask for fewer."
            )
        found.update(dict.fromkeys(range(first, last + 1)))
    return list(found)


def frame_of(recording: Recording, number: int, path: str) -> ShownFrame:
    """A frame of the file. OptionError when there is none of that number."""
    from lbtrace.frame.dissection import dissect
    from lbtrace.render.terminal.frames import ShownFrame
    from lbtrace.tables.packets import NO_PACKET

    records = recording.records
    if not 1 <= number <= len(records):
        have = f"It has frames 1 to {len(records)}." if len(records) else "It has no frame."
        raise OptionError("no-such-frame", f"{Path(path).name}: there is no frame {number}.", have)
    row = number - 1
    offset, captured = int(records.offset[row]), int(records.captured[row])
    link = int(records.link[row])
    data = bytes(recording.buffers[int(records.buffer[row])][offset : offset + captured])
    return ShownFrame(
        path,
        number,
        int(records.time_ns[row]),
        int(records.wire[row]),
        data,
        recording.link_names.get(link, f"link type {link}"),
        None if link >= NO_PACKET else dissect(data, link),
        recording.files[0].fingerprint,
    )
