"""Encrypted traffic.

Meaning:
    TLS connections, with the server names and application protocols that the clients offered. The
    packets do not show what they carry, so exchanges on them are neither counted nor compared.
Decided by:
    The ClientHello (RFC 8446 §4.1.2) at the start of a connection. A handshake that ended in a
    fatal alert carried nothing, and is not counted.
Evidence:
    The ClientHellos.
Remedy:
    Give the secrets with --keylog (docs/tls.md says where they come from), or capture where the
    traffic is plain: on the backend side of the point where TLS ends.
Variants:
    client, backend: on that side.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from lbtrace.comparison import FRAMES_PER_SIDE, Comparison
from lbtrace.findings._first_words import LISTED
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._names import counted, few
from lbtrace.findings._side import named, told, variant
from lbtrace.findings.tls._not_opened import no_secrets_help, reasons
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.net import FrameRef
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.model.tls_session import TlsSession

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.TLS,)
ONE_CAPTURE = True


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding a side."""
    for side in comparison.captured:
        names: Counter[str] = Counter()
        protocols: dict[str, None] = {}
        frames: list[FrameRef] = []
        tried: list[TlsSession] = []
        count = exchanges = total = 0
        for trace in comparison.traces(side):
            exchanges += len(trace.exchanges)
            total += len(trace.connections)
            for number, application in enumerate(trace.applications):
                if not application.hidden:
                    continue
                count += 1
                hello = application.tls
                if hello is not None:
                    names[hello.server_name or "none"] += 1
                    protocols |= dict.fromkeys(hello.alpn)
                    if hello.session is not None:
                        tried.append(hello.session)
                if len(frames) < FRAMES_PER_SIDE:
                    c = trace.connections[number]
                    begin = (hello.frame, hello.time_ns) if hello else (c.first_frame, c.first_ns)
                    frames.append(trace.ref(*begin))
        if count:
            why_not = reasons(tried)
            yield KIND.finding(
                variant(comparison, "", side),
                Severity.INFO if exchanges else Severity.LOW,
                Confidence.CERTAIN,
                told(
                    comparison,
                    "{count} of {of} connections on the {side} side {count:is|are} encrypted with "
                    "TLS: what {count:it carries|they carry} cannot be read.",
                )
                + " Server names asked for: {names}."
                + (" Protocols offered: {protocols}." if protocols else "")
                + (" The secrets given do not open {count:it|them}: {reasons}." if why_not else ""),
                frames,
                count=count,
                of=total,
                side=named(comparison, side),
                names=counted(names.elements(), LISTED) or "not captured",
                protocols=few(protocols, LISTED),
                reasons=why_not,
                remedy=(
                    "Capture where the traffic is plain: behind the point where TLS ends."
                    if len(tried) == count and no_secrets_help(tried)
                    else "Give the secrets with --keylog (docs/tls.md says where they come from), "
                    "or capture where the traffic is plain: behind the point where TLS ends."
                ),
            )
