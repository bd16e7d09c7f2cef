"""Frames, layer by layer: what `lbtrace frame` prints.

Of the payload only the head of an HTTP message is shown, line by line and masked. What else there
is may hold credentials that nothing marks as such: its bytes are counted, and shown on request.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TextIO

from lbtrace.dissection import Dissection
from lbtrace.http_fields.masking import Mask
from lbtrace.render import View
from lbtrace.render.terminal.page import Page
from lbtrace.render.wording import times, units
from lbtrace.render.wording.escape import shown

_START = re.compile(rb"(?:HTTP/\d\.\d \d{3}|[!-~]+ \S+ HTTP/\d\.\d\r?$)")
_ROW = 16  # bytes of a hex dump
_HIDDEN = "may hold credentials: --show-secrets shows them"


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


def write_frames(frames: Sequence[ShownFrame], out: TextIO, view: View, hex_: bool) -> None:
    """One after the other."""
    page = Page(out, view)
    for place, frame in enumerate(frames):
        if place:
            page.blank()
        _head(page, frame)
        if frame.dissection is None:
            page.line("This record is no packet.")
            continue
        _layers(page, frame.dissection)
        _payload(page, frame.dissection.payload, Mask(frame.key), view.show_secrets)
        if hex_:
            _hex(page, frame, view.show_secrets)


def _head(page: Page, frame: ShownFrame) -> None:
    cut = len(frame.data) < frame.wire
    size = f"{len(frame.data)} of {frame.wire} bytes captured" if cut else f"{frame.wire} bytes"
    when = times.moment(frame.time_ns, page.view.zone)
    page.line(
        (f"#{frame.number}", "heading"), f" of {shown(frame.path)} · {when} · {size}", indent=0
    )
    page.line((f"link type {frame.link}", "note"))


def _layers(page: Page, dissection: Dissection) -> None:
    """A paragraph for each layer."""
    for layer in dissection.layers:
        fields = " · ".join(f"{name} {shown(value)}" for name, value in layer.fields)
        page.hanging([(f"{shown(layer.name):<8}  ", "bold")], fields)


def _payload(page: Page, payload: bytes, mask: Mask, secrets: bool) -> None:
    if not payload:
        return
    page.line(("payload   ", "bold"), units.plural(len(payload), "byte"))
    if secrets:
        for text in payload.decode("latin-1").split("\n"):
            page.line(shown(text.removesuffix("\r")), indent=3)
        return
    head = list(_head_lines(payload))
    for line in head:
        page.line(shown(mask.line(line)), indent=3)
    rest = len(payload) - sum(len(line) + 2 for line in head)
    if not head or rest > 2:
        page.line((f"{units.plural(rest, 'byte')} that {_HIDDEN}", "note"), indent=3)


def _head_lines(payload: bytes) -> Iterator[str]:
    """The lines of the head that the payload begins with, up to the last whole one."""
    lines = payload.split(b"\r\n")
    if not _START.match(lines[0]):
        return
    for line in lines[:-1]:
        if not line:
            return
        yield line.decode("latin-1")


def _hex(page: Page, frame: ShownFrame, secrets: bool) -> None:
    """The bytes, without the payload unless secrets are shown."""
    assert frame.dissection is not None
    payload = 0 if secrets else len(frame.dissection.payload)
    told = frame.data[: len(frame.data) - payload]
    page.line(("bytes", "bold"))
    for at in range(0, len(told), _ROW):
        row = told[at : at + _ROW]
        text = "".join(chr(b) if 0x20 <= b < 0x7F else "." for b in row)
        page.line(f"{at:04x}  {row.hex(' '):<{_ROW * 3 - 1}}  {text}", indent=3)
    if payload:
        page.line((f"{units.plural(payload, 'byte')} of payload that {_HIDDEN}", "note"), indent=3)
