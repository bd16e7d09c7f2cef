"""Server names that are not served.

Meaning:
    A server, or a balancer that chooses by the server name (SNI), ends TLS connections for some
    names right after their ClientHello and answers those for others: it has no certificate, no
    route or no backend for these names.
Decided by:
    The server name of each ClientHello (RFC 6066 §3), and whether a byte of answer followed. Every
    connection for such a name was ended unanswered, and one for another name was answered.
Evidence:
    The ClientHellos, and the FIN or RST.
Remedy:
    Add the name to what the server routes: `use_backend … if { req.ssl_sni … }` (HAProxy), `map
    $ssl_preread_server_name` (nginx stream), a certificate for it; or give it a default.
Variants:
    client, backend: on that side.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lbtrace.comparison import FRAMES_PER_SIDE, Comparison
from lbtrace.findings._first_words import closed_unanswered, first_words
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._names import counted
from lbtrace.findings._side import named, told, variant
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.TLS, FramePart.END)
ONE_CAPTURE = True
NO_NAME = "(no server name)"
REMEDY = (
    "Look whether it routes or serves these names (SNI): use_backend with req.ssl_sni (HAProxy), "
    "map $ssl_preread_server_name (nginx stream), a certificate for each."
)


class _Hello(NamedTuple):
    """A TLS connection: its number on its side, and the name that it asks for."""

    number: int
    name: str
    ended: bool  # unanswered
    answered: bool


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding a side and server."""
    for side in comparison.captured:
        table = comparison.table(side)
        of_server: dict[int, list[_Hello]] = defaultdict(list)
        for hello in _hellos(comparison, side):
            of_server[int(table.servers[hello.number])].append(hello)
        for server, hellos in of_server.items():
            ended = {h.name for h in hellos} - {h.name for h in hellos if not h.ended}
            others = [h.name for h in hellos if h.answered]
            refused = [h for h in hellos if h.name in ended]
            if refused and others:
                yield KIND.finding(
                    variant(comparison, "", side),
                    Severity.MEDIUM,
                    Confidence.HIGH,
                    told(
                        comparison,
                        "{server} ended {count} of {of} TLS connections on the {side} side right "
                        "after their ClientHello, without a byte of answer: all those for {names}. "
                        "It answered those for {others}.",
                    ),
                    [first_words(comparison, side, h.number) for h in refused[:FRAMES_PER_SIDE]],
                    note="the ClientHellos",
                    remedy=REMEDY,
                    server=str(table.endpoint(server)),
                    count=len(refused),
                    of=len(hellos),
                    names=counted(h.name for h in refused),
                    others=counted(others),
                    side=named(comparison, side),
                ).on(comparison.failed(side, np.array([h.number for h in refused])))


def _hellos(comparison: Comparison, side: Side) -> Iterator[_Hello]:
    """The connections of a side that begin with a ClientHello."""
    table, ended = comparison.table(side), closed_unanswered(comparison, side)
    sent = table.of_ends("bytes", server=True)
    number = 0
    for trace in comparison.traces(side):
        for application in trace.applications:
            if application.tls is not None:
                name = application.tls.server_name or NO_NAME
                yield _Hello(number, name, bool(ended[number]), bool(sent[number] > 0))
            number += 1
