"""TCP facts.

Meaning:
    What the SYNs of paired connections say on both sides: initial sequence number, MSS, window scale, options, TTL. Equal
    values mean that packets were passed on; different ones, that the balancer opened a connection of its own. Segments sent
    again mean loss on the path.
Decided by:
    The SYNs of paired connections side by side; for requests dealt out to shared connections, those of an example pair. Repeated segments
    as each capture shows them.
Evidence:
    The SYNs on both sides.
Remedy:
    An MSS that shrinks between the sides is a tunnel or a clamping router. Many repeated segments: look for loss between this
    capture and the other end.
"""

from __future__ import annotations

from collections.abc import Iterator

from lbtrace.case import Case, Joined, evidence
from lbtrace.model.net import FrameRef, Side, SynFingerprint
from lbtrace.model.pairing import Confidence, Ref
from lbtrace.model.report import Finding, Severity, Value

TITLE = "TCP facts"
ENOUGH = 3  # segments; one or two tell nothing
LOSS_PERCENT = 1  # of all segments; below that, loss is part of any network


def find(case: Case) -> Iterator[Finding]:
    """The two SYNs of an example, then loss on each side."""
    both = [(a, b, f) for a, b, f in case.joined if a.from_client.syn is not None and b.from_client.syn is not None]
    if both:
        yield _syns(case, both)
    for side in Side:
        yield from _loss(case, side)


def _syns(case: Case, both: list[Joined]) -> Finding:
    equal = sum(a.from_client.isn == b.from_client.isn for a, b, _ in both)
    front, back, _ = both[0]
    first, second = front.from_client.syn, back.from_client.syn
    assert first is not None
    assert second is not None
    return Finding(
        "tcp-facts.syn",
        TITLE,
        Severity.INFO,
        Confidence.HIGH,
        "The initial sequence number is the same in {equal} of {of} pairs of connections that belong together. "
        "SYN in front of the balancer: {front}; behind it: {back}.",
        (
            Value("equal", equal, "count"),
            Value("of", len(both), "count"),
            Value("front", described(first)),
            Value("back", described(second)),
        ),
        evidence(case.joined_frames(both)),
    )


def described(syn: SynFingerprint) -> str:
    """A SYN's offer in words."""
    parts = [f"TTL {syn.ttl}", f"window {syn.window}", f"MSS {syn.mss}" if syn.mss is not None else "no MSS"]
    parts.append(f"window scale {syn.window_scale}" if syn.window_scale is not None else "no window scale")
    parts.append("SACK" if syn.sack_permitted else "no SACK")
    parts.append("timestamps" if syn.timestamp is not None else "no timestamps")
    return ", ".join(parts)


def _loss(case: Case, side: Side) -> Iterator[Finding]:
    again = packets = 0
    frames: list[FrameRef] = []
    for point, trace in enumerate(case.traces(side)):
        for c in trace.connections:
            repeated = c.from_client.retransmissions + c.from_server.retransmissions
            again += repeated
            packets += c.from_client.packets + c.from_server.packets
            if repeated and len(frames) < 5:
                frames.append(case.connection_frame(side, Ref(point, c.id)))
    if again >= ENOUGH and again * 100 >= packets * LOSS_PERCENT:
        yield Finding(
            f"tcp-facts.loss-{side.value}",
            TITLE,
            Severity.LOW,
            Confidence.HIGH,
            "On the {side} side {again} of {packets} segments were sent again: packets were lost or late.",
            (Value("side", side.value), Value("again", again, "count"), Value("packets", packets, "count")),
            evidence(frames, "the first connections concerned"),
            "Look for loss between this capture and the other end. A capture that shows each packet twice looks the same.",
        )
