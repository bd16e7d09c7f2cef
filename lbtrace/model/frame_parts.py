"""The parts of a frame that a finding can rest on.

A finding says which with `RESTS_ON`: parts, and names of HTTP fields in lower case.
`lbtrace frame` marks them.
"""

from __future__ import annotations

from enum import Enum


class FramePart(Enum):
    """One part; the text names it for people."""

    TIME = "the time"
    ADDRESSES = "addresses and ports"
    SYN = "SYN"
    OPTIONS = "what a SYN offers"
    END = "FIN or RST"
    SEQUENCE = "sequence numbers"
    WINDOW = "a closed window"
    PROXY_HEADER = "the PROXY protocol"
    TLS = "TLS hellos and alerts"
    START_LINE = "the first line of a message"
    FIELDS = "all header fields"
    FORWARDING = "fields that proxies write"
    FRAMING = "fields that say where the body ends"
    HOP = "fields for this connection"


RestsOn = tuple[FramePart | str, ...]

ANY: RestsOn = (
    FramePart.SYN,
    FramePart.END,
    FramePart.WINDOW,
    FramePart.PROXY_HEADER,
    FramePart.TLS,
    FramePart.START_LINE,
    FramePart.FORWARDING,
    FramePart.HOP,
)
"""What most findings rest on: for a frame that is shown without naming a finding."""
