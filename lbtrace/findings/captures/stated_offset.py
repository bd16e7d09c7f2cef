"""Stated clock offset.

Meaning:
    The clock offset that was given with --clock-offset is not that of these captures: under it
    (nearly) no pair fits, and another offset fits many. All times across the captures, and pairs
    that rest on times, are wrong as long as it is used.
Decided by:
    The pairs whose backend exchange lies inside the client exchange under the stated offset, and
    those that bound the offset which lbtrace finds itself.
Evidence:
    Requests that belong together under the other offset.
Remedy:
    Leave --clock-offset away, or give the other offset. A whole number of hours points to a time
    zone, the opposite sign to the sides exchanged.
"""

from __future__ import annotations

from collections.abc import Iterator

from lbtrace.comparison import Comparison
from lbtrace.findings._kind import FindingKind
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.TIME, FramePart.START_LINE)
REMEDY = "Leave --clock-offset away, or give the other offset."


def find(comparison: Comparison) -> Iterator[Finding]:
    """At most one finding."""
    other = comparison.correlation.other_offset
    if other is None:
        return
    offset = _signed(other.offset_ns)
    yield KIND.finding(
        "",
        Severity.HIGH,
        Confidence.HIGH,
        "With the clock offset you stated ({stated}) {fitting} pairs fit; with {offset} "
        "{there} do.",
        (
            frame
            for client, backend in other.examples
            for frame in (
                comparison.request_frame(Side.CLIENT, client),
                comparison.request_frame(Side.BACKEND, backend),
            )
        ),
        note="requests that belong together under the other offset",
        remedy=REMEDY,
        stated=_signed(other.stated_ns),
        fitting=other.fitting,
        offset=offset,
        there=other.fitting_there,
    )


def _signed(ns: int) -> str:
    """An offset in seconds, as --clock-offset takes it, to the millisecond."""
    milliseconds = round(abs(ns) / 1_000_000)
    sign = "-" if ns < 0 else "+"
    return f"{sign}{milliseconds // 1000}.{milliseconds % 1000:03d} s"
