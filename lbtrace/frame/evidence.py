"""A frame, layer by layer, and what a finding rests on → what to mark of it: fields of its layers,
lines of its payload, and the bytes of both.

Where nothing is named (`ANY`) and the frame has none of it, it can be evidence only by its place in
the stream: its sequence numbers are marked. docs/design/0014 says why this is the rule.

The places of TCP's fields are those of RFC 9293 §3.1, of the addresses those of RFC 791 §3.1 and
RFC 8200 §3.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from lbtrace.frame.dissection import Dissection
from lbtrace.frame.payload_lines import PayloadLine, payload_lines
from lbtrace.http_fields import spelling
from lbtrace.model.frame_parts import ANY, FramePart, RestsOn

_TCP: Final = "TCP"
_LAST: Final = 60  # bytes of a TCP head at most
_PLACES: Final = {
    (_TCP, "sport"): (0, 2),
    (_TCP, "dport"): (2, 4),
    (_TCP, "seq"): (4, 8),
    (_TCP, "ack"): (8, 12),
    (_TCP, "flags"): (13, 14),
    (_TCP, "window"): (14, 16),
    (_TCP, "options"): (20, _LAST),
    ("IP", "ttl"): (8, 9),
    ("IP", "src"): (12, 16),
    ("IP", "dst"): (16, 20),
    ("IPv6", "hlim"): (7, 8),
    ("IPv6", "src"): (8, 24),
    ("IPv6", "dst"): (24, 40),
}
_FIELDS: Final = {
    FramePart.ADDRESSES: ("src", "dst", "sport", "dport"),
    FramePart.SYN: ("seq", "flags"),
    FramePart.OPTIONS: ("window", "options", "ttl", "hlim"),
    FramePart.END: ("flags",),
    FramePart.SEQUENCE: ("seq", "ack"),
    FramePart.WINDOW: ("window",),
}


class MarkedFrame(NamedTuple):
    """`fields` are (place of the layer, name of the field); `ranges` are the bytes of all that is
    marked, in order, none touching the next. `time`: the moment of the frame is marked, too.
    """

    fields: frozenset[tuple[int, str]]
    lines: tuple[tuple[PayloadLine, bool], ...]
    ranges: tuple[tuple[int, int], ...]
    time: bool = False


def marked(dissection: Dissection, rests_on: RestsOn = ANY) -> MarkedFrame:
    """What to mark of a frame."""
    lines = [
        (line, any(part in rests_on for part in line.parts))
        for line in payload_lines(dissection.payload)
    ]
    names = _names(dissection, rests_on)
    found = MarkedFrame(
        frozenset((place, name) for place, name, _ in names),
        tuple(lines),
        tuple(_joined([*(bytes_ for *_, bytes_ in names), *_of_lines(lines, dissection.begin)])),
        FramePart.TIME in rests_on,
    )
    if rests_on is ANY and not found.ranges:
        return marked(dissection, (FramePart.SEQUENCE,))
    return found


def in_words(rests_on: RestsOn) -> str:
    """ "the first line of a message, FIN or RST, Server"."""
    return ", ".join(
        part.value if isinstance(part, FramePart) else spelling(part) for part in rests_on
    )


def _of_lines(lines: list[tuple[PayloadLine, bool]], begin: int) -> Iterator[tuple[int, int]]:
    return ((begin + line.begin, begin + line.end) for line, told in lines if told)


def _names(dissection: Dissection, rests_on: RestsOn) -> list[tuple[int, str, tuple[int, int]]]:
    """(place of the layer, name of the field, bytes of the frame) of each field to mark."""
    parts = [p for p in rests_on if isinstance(p, FramePart) and _applies(p, dissection)]
    wanted = {name for part in parts for name in _FIELDS.get(part, ())}
    return [
        (place, name, (layer.begin + begin, min(layer.begin + end, layer.end)))
        for place, layer in enumerate(dissection.layers)
        for name, _ in layer.fields
        if name in wanted and (layer.name, name) in _PLACES
        for begin, end in [_PLACES[layer.name, name]]
        if layer.begin + begin < layer.end
    ]


def _applies(part: FramePart, dissection: Dissection) -> bool:
    """Whether the frame has what the part is about."""
    tcp = next((dict(layer.fields) for layer in dissection.layers if layer.name == _TCP), {})
    flags = tcp.get("flags", "")
    match part:
        case FramePart.SYN | FramePart.OPTIONS:
            return "S" in flags
        case FramePart.END:
            return "F" in flags or "R" in flags
        case FramePart.WINDOW:
            return tcp.get("window") == "0" and "R" not in flags
        case _:
            return True


def _joined(ranges: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The same bytes in as few ranges as there can be."""
    begin = end = -1
    for first, last in sorted(ranges):
        if first > end:
            if end > begin:
                yield begin, end
            begin, end = first, last
        end = max(end, last)
    if end > begin:
        yield begin, end
