"""TLS that was opened.

Meaning:
    TLS connections whose secrets were looked for: how many could be read with them, and why the
    others could not. The exchanges inside are counted and compared like any other.
Decided by:
    The secrets given with --keylog or in the capture (pcapng decryption secrets), found by the
    client random of the ClientHello. A record is read if its authentication tag fits. Where bytes
    of a record are missing, the rest of it is decrypted around them, and no tag proves it. Where
    the ClientHello itself is missing, the secrets of the key log are tried on the first record
    that the server encrypted: its tag proves which fit.
Evidence:
    The ClientHellos, those of connections that were not opened first; the ServerHello where it is
    missing.
Remedy:
    Log the secrets where the connections begin or end: docs/tls.md says how. Start the log before
    the connections, and the capture before their handshakes.
Variants:
    client, backend: on that side.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from lbtrace.comparison import FRAMES_PER_SIDE, Comparison
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._side import named, told, variant
from lbtrace.findings.tls._not_opened import most_frequent, reasons
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.http import ClientHello
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.model.tls_session import EarlyData, TlsSession
from lbtrace.model.trace import Trace

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.TLS,)
ONE_CAPTURE = True


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding a side."""
    for side in comparison.captured:
        seen = list(_sessions(comparison.traces(side)))
        if seen:
            yield _told(comparison, side, seen)


def _sessions(
    traces: Sequence[Trace],
) -> Iterator[tuple[Trace, ClientHello, TlsSession]]:
    """The TLS connections whose secrets were looked for."""
    for trace in traces:
        for application in trace.applications:
            hello = application.tls
            if hello is not None and hello.session is not None:
                yield trace, hello, hello.session


def _told(
    comparison: Comparison,
    side: Side,
    seen: list[tuple[Trace, ClientHello, TlsSession]],
) -> Finding:
    sessions = [session for *_, session in seen]
    whole = [s for s in sessions if s.not_opened is None]
    statement = "Opened with their secrets: {count} of {of} TLS connections on the {side} side"
    statement += " ({versions})." if whole else "."
    why_not = reasons(sessions)
    versions = Counter(f"{s.version}, {s.suite}" for s in whole)
    parts = sum(1 for s in sessions if s.not_opened is not None and s.records)
    statement += " Not opened: {reasons}." if why_not else ""
    statement += " {parts} of these were opened in part." if parts else ""
    unproved = sum(s.unauthenticated for s in sessions)
    statement += (
        " {unproved} of {records} records were read around bytes that are not in the capture, so "
        "no tag proves them."
        if unproved
        else ""
    )
    refused = sum(s.early_data is EarlyData.REFUSED for s in sessions)
    statement += (
        " On {refused} the server refused early data (0-RTT): what it held is no exchange."
        if refused
        else ""
    )
    return KIND.finding(
        variant(comparison, "", side),
        Severity.INFO,
        Confidence.CERTAIN,
        told(comparison, statement),
        _frames(seen),
        note="where the handshake begins",
        count=len(whole),
        of=len(sessions),
        side=named(comparison, side),
        versions=most_frequent(versions) if whole else None,
        reasons=why_not,
        parts=parts or None,
        unproved=unproved or None,
        records=sum(s.records for s in sessions) if unproved else None,
        refused=refused or None,
        remedy="docs/tls.md says how clients, balancers and servers log their secrets."
        if why_not
        else "",
    )


def _frames(seen: list[tuple[Trace, ClientHello, TlsSession]]) -> list[FrameRef]:
    """The first ClientHellos, those of connections that were not opened first."""
    shown = sorted(seen, key=lambda one: one[2].not_opened is None)[:FRAMES_PER_SIDE]
    return [trace.ref(hello.frame, hello.time_ns) for trace, hello, _ in shown]
