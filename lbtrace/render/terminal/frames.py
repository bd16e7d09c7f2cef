"""Frames, layer by layer: what `lbtrace frame` prints. ▶…◀ stands around what a finding rests on.

Of the payload only the lines that are known are shown, masked. What else there is may hold
credentials that nothing marks as such: its bytes are counted, and shown on request.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TextIO

from lbtrace.frame.dissection import Dissection, Layer
from lbtrace.frame.evidence import MarkedFrame, in_words, marked
from lbtrace.frame.payload_lines import PayloadLine
from lbtrace.http_fields.masking import BLANKS, Mask
from lbtrace.model.frame_parts import ANY, FramePart, RestsOn
from lbtrace.render import View
from lbtrace.render.terminal.page import Cell, Page
from lbtrace.render.wording import frame_fields, times, units
from lbtrace.render.wording.escape import shown

_ROW = 16  # bytes of a hex dump
_HIDDEN = "may hold credentials: --show-secrets shows them"
_BEGIN, _END, _STYLE = "▶", "◀", "marked"


class ShownFrame(NamedTuple):
    """`dissection` is None for a record that is no packet. `key` is for masking."""

    path: str
    number: int
    time_ns: int
    wire: int
    data: bytes
    link: str
    dissection: Dissection | None
    key: bytes


class FramesWanted(NamedTuple):
    """What to show of each frame: its bytes (`hex`), and marks at what a finding rests on. `slug`
    is that of the finding, "" for what most of them rest on.
    """

    hex: bool = False
    rests_on: RestsOn = ANY
    slug: str = ""


def write_frames(
    frames: Sequence[ShownFrame], out: TextIO, view: View, wanted: FramesWanted
) -> None:
    """One after the other."""
    page, told = Page(out, view), False
    for place, frame in enumerate(frames):
        if place:
            page.blank()
        told |= _frame(page, frame, wanted)
    page.blank()
    if told:
        what = wanted.slug or "findings"
        page.line((f"{_BEGIN} {_END}: what {what} {_rest(wanted)}", "note"))
    elif wanted.slug:
        page.prose(f"{wanted.slug} rests on {in_words(wanted.rests_on)}: not here.")


def _rest(wanted: FramesWanted) -> str:
    return f"rests on: {in_words(wanted.rests_on)}" if wanted.slug else "rest on here"


def _frame(page: Page, frame: ShownFrame, wanted: FramesWanted) -> bool:
    """One frame; whether something is marked in it."""
    if frame.dissection is None:
        _head(page, frame, False)
        page.line("This record is no packet.")
        return False
    found = marked(frame.dissection, wanted.rests_on)
    _head(page, frame, found.time)
    for place, layer in enumerate(frame.dissection.layers):
        _layer(page, layer, {name for at, name in found.fields if at == place})
    _payload(page, frame, found)
    if wanted.hex:
        _hex(page, frame, found)
    return bool(found.ranges) or found.time


def _head(page: Page, frame: ShownFrame, time: bool) -> None:
    cut = len(frame.data) < frame.wire
    size = f"{len(frame.data)} of {frame.wire} bytes captured" if cut else f"{frame.wire} bytes"
    when = times.moment(frame.time_ns, page.view.zone)
    page.line(
        (f"#{frame.number}", "heading"),
        f" of {shown(frame.path)} · ",
        _told(when, time),
        f" · {size}",
        indent=0,
    )
    page.line((f"link type {frame.link}", "note"))


def _told(text: str, mark: bool) -> Cell:
    return (f"{_BEGIN}{text}{_END}", _STYLE) if mark else text


def _layer(page: Page, layer: Layer, told: set[str]) -> None:
    """A paragraph."""
    fields: list[Cell] = []
    for name, value in layer.fields:
        fields += [" · "] if fields else []
        fields.append(_told(shown(frame_fields.told(layer.name, name, value)), name in told))
    page.hanging([(f"{shown(layer.name):<8}  ", "bold")], *fields)


def _payload(page: Page, frame: ShownFrame, found: MarkedFrame) -> None:
    assert frame.dissection is not None
    payload, secrets = frame.dissection.payload, page.view.show_secrets
    if not payload:
        return
    page.line(("payload   ", "bold"), units.plural(len(payload), "byte"))
    mask, field = Mask(frame.key), ""
    for line, told in found.lines:
        text = line.text
        if line.secret and not secrets:
            text = _masked(mask, line, field)
            field = field if line.text.startswith(tuple(BLANKS)) else line.text
        page.line(_told(shown(text), told), indent=2 if told else 3)
    rest = payload[_read(found.lines, payload) :]
    if secrets and rest:
        for text in rest.decode("latin-1").split("\n"):
            page.line(shown(text.removesuffix("\r")), indent=3)
    elif rest:
        page.line((f"{units.plural(len(rest), 'byte')} that {_HIDDEN}", "note"), indent=3)


def _masked(mask: Mask, line: PayloadLine, field: str) -> str:
    """A line of a head. `field`: the field line before it, which it may continue."""
    if FramePart.START_LINE in line.parts:
        return mask.start_line(line.text)
    if line.text.startswith(tuple(BLANKS)):
        return mask.continued(field, line.text)
    return mask.line(line.text)


def _read(lines: Sequence[tuple[PayloadLine, bool]], payload: bytes) -> int:
    """How many bytes of the payload the lines take: of a head with the ends of its lines."""
    end = lines[-1][0].end if lines else 0
    while end and payload.startswith(b"\r\n", end):
        end += 2
    return end


def _hex(page: Page, frame: ShownFrame, found: MarkedFrame) -> None:
    """The bytes; of the payload only those that hold no credentials, unless secrets are shown."""
    assert frame.dissection is not None
    payload = frame.dissection.payload
    hidden = 0 if page.view.show_secrets else len(payload) - _open(found.lines)
    told = frame.data[: frame.dissection.begin + len(payload) - hidden] if hidden else frame.data
    page.line(("bytes", "bold"))
    for at in range(0, len(told), _ROW):
        page.line(*_row(told, at, found.ranges), indent=3)
    if hidden:
        page.line((f"{units.plural(hidden, 'byte')} of payload that {_HIDDEN}", "note"), indent=3)


def _open(lines: Sequence[tuple[PayloadLine, bool]]) -> int:
    """How many bytes the payload begins with that hold no credentials: they are read whole."""
    return next((line.begin for line, _ in lines if line.secret), lines[-1][0].end if lines else 0)


def _row(data: bytes, at: int, ranges: Sequence[tuple[int, int]]) -> Iterator[Cell]:
    """A row of a hex dump; the blanks around marked bytes become marks."""
    row = data[at : at + _ROW]
    told = [any(begin <= at + n < end for begin, end in ranges) for n in range(len(row))]
    yield f"{at:04x} "
    before = False
    for byte, mark in zip(row, told, strict=True):
        yield (_BEGIN, _STYLE) if mark and not before else (_END, _STYLE) if before > mark else " "
        yield f"{byte:02x}", _STYLE if mark else ""
        before = mark
    yield (_END, _STYLE) if before else " "
    text = "".join(chr(b) if 0x20 <= b < 0x7F else "." for b in row)
    yield f"{'   ' * (_ROW - len(row))} {text}"
