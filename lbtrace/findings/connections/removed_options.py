"""TCP options that are removed on the way.

Meaning:
    A device between the captures passes packets on, but takes an option out of SYNs: a firewall or
    a NAT that "normalises" TCP. Without window scale, at most 65 535 bytes may be under way before
    an acknowledgement (RFC 7323 §2.2): a long path is slow, whatever its bandwidth. Where only the
    SYN-ACK loses it, one end scales its windows and the other does not. Without SACK, each lost
    segment costs more (RFC 2018).
Decided by:
    Connections whose packets are passed on: the same sequence numbers on both sides. The SYN (or
    the SYN-ACK) has the option where it comes from, and not where it goes to.
Evidence:
    The SYNs on both sides.
Remedy:
    Let the device pass the options of SYNs: turn its TCP normalisation off, or update it.
Variants:
    window-scale: window scale is removed from SYNs.
    window-scale-answer: it is removed from SYN-ACKs only.
    sack: SACK permitted is removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from lbtrace.comparison import Comparison, ConnectionPairs
from lbtrace.comparison.syn_options import SynOptionColumns, syn_option_columns
from lbtrace.findings._kind import FindingKind
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence, ConnectionBasis
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column
from lbtrace.tables.connections import NONE

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.SYN, FramePart.OPTIONS, FramePart.SEQUENCE)
UNSCALED = 65_535  # bytes: the largest window without scale (RFC 9293 §3.1)
REMEDY = (
    "Let the device between the captures pass the options of SYNs: turn its TCP normalisation off, "
    "or update it."
)


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding for each option."""
    passed = comparison.connection_pairs
    passed = passed.where(passed.by(ConnectionBasis.SAME_PACKETS))
    if not passed:
        return
    handshakes = [
        [syn_option_columns(table, server, {}) for table in comparison.sides]
        for server in (False, True)
    ]
    asked, answered = _removed(handshakes, passed, lambda syns: syns.window_scale != NONE)
    if asked.any():
        yield _window_scale(comparison, passed, passed.where(asked))
    if answered.any():
        yield KIND.finding(
            "window-scale-answer",
            Severity.MEDIUM,
            Confidence.HIGH,
            "Window scale is removed from the SYN-ACK of {count} of {of} connections on the way: "
            "the server scales its windows, and the client takes them for unscaled.",
            comparison.connection_frames(passed.where(answered)),
            count=int(answered.sum()),
            of=len(passed),
            remedy=REMEDY,
        )
    removed = np.logical_or(
        *_removed(handshakes, passed, lambda syns: syns.sack_permitted.astype(bool))
    )
    if removed.any():
        yield KIND.finding(
            "sack",
            Severity.LOW,
            Confidence.HIGH,
            "SACK is removed from the handshakes of {count} of {of} connections on the way: each "
            "lost segment costs more.",
            comparison.connection_frames(passed.where(removed)),
            count=int(removed.sum()),
            of=len(passed),
            remedy=REMEDY,
        )


def _removed(
    handshakes: Sequence[Sequence[SynOptionColumns]],
    passed: ConnectionPairs,
    has: Callable[[SynOptionColumns], Column],
) -> tuple[Column, Column]:
    """Per pair, whether the SYN loses an option on the way; and whether only the SYN-ACK does: one
    without it says nothing where the SYN lost it (RFC 7323 §2.2). `handshakes`: the SYNs of both
    sides, then the SYN-ACKs.
    """
    (front, back), (front_ack, back_ack) = handshakes
    c, b = passed.client, passed.backend
    asked: Column = front.there[c] & back.there[b] & has(front)[c] & ~has(back)[b]
    answered: Column = front_ack.there[c] & back_ack.there[b] & has(back_ack)[b]
    return asked, answered & ~has(front_ack)[c] & ~asked


def _window_scale(
    comparison: Comparison, passed: ConnectionPairs, those: ConnectionPairs
) -> Finding:
    client = comparison.table(Side.CLIENT)
    large = (client.of_ends("bytes", server=False)[those.client] > UNSCALED) | (
        client.of_ends("bytes", server=True)[those.client] > UNSCALED
    )
    return KIND.finding(
        "window-scale",
        Severity.MEDIUM if large.any() else Severity.LOW,
        Confidence.HIGH,
        "Window scale is removed from the SYN of {count} of {of} connections on the way: at "
        "most 64 kB can be under way before an acknowledgement."
        + (" {large} of them carried more than that." if large.any() else ""),
        comparison.connection_frames(those),
        count=len(those),
        of=len(passed),
        large=int(large.sum()) or None,
        remedy=REMEDY,
    )
