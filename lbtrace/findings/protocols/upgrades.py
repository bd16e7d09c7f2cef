"""Upgrades that were not passed on.

Meaning:
    A client asks to change the protocol: WebSocket or h2c by Upgrade (RFC 9110 §7.8), a tunnel by
    CONNECT, WebSocket over HTTP/2 by extended CONNECT (RFC 8441). Upgrade and Connection belong to
    one hop, so a proxy that does nothing about them drops them: the backend sees a plain GET and
    answers 400, 426 or a page.
Decided by:
    Request heads that were captured whole. A pair whose client request asks, and whose backend
    request has no Upgrade, or no `upgrade` in Connection. Without a pair: a request that has
    Sec-WebSocket-Key and no Upgrade, or one that asks and is answered by something else than 101,
    or than 2xx for CONNECT.
Evidence:
    The requests on both sides, or the request and its answer.
Remedy:
    nginx: `proxy_http_version 1.1`, `proxy_set_header Upgrade $http_upgrade`, `proxy_set_header
    Connection "upgrade"`. Envoy: `upgrade_configs`. Apache httpd: `upgrade=websocket` on ProxyPass.
    Varnish: pipe it. HAProxy and Caddy pass upgrades on by themselves. For h2c nothing need be
    done: it concerns one hop.
Variants:
    not-passed-on: the backend got the request without Upgrade.
    no-option: the backend got Upgrade without the option in Connection.
    without-upgrade, without-upgrade-client, without-upgrade-backend: a request for a WebSocket that
        does not ask for it any more.
    declined, declined-client, declined-backend: asked for, and answered by something else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lbtrace.comparison import FRAMES_PER_SIDE, Comparison, confidence_of
from lbtrace.findings._first_words import listed
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._side import named, told, variant
from lbtrace.http_fields import CONNECTION, SEC_WEBSOCKET_KEY, UPGRADE, spelling
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column, distinct
from lbtrace.tables.messages import Messages
from lbtrace.tables.side_table import SideTable

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.START_LINE, FramePart.HOP)
ONE_CAPTURE = True
SWITCHED = 101  # RFC 9110 §15.2.2
H2C = "h2c"  # between two hops only: a proxy need not pass it on
CONNECT = "CONNECT"
TUNNEL = 1  # its number among the names of what is asked for
PASS_ON = (
    "Let the balancer pass the upgrade on: proxy_http_version 1.1 and proxy_set_header Upgrade "
    'and Connection "upgrade" (nginx), upgrade_configs (Envoy), upgrade=websocket (Apache httpd).'
)
LOOK_BEHIND = "Look at what the server that answered allows for this path, and at its log."


class _Asked(NamedTuple):
    """Per exchange of a side: what its request asks to change to, a number in `names`, 0 for
    nothing; whether Connection has the option `upgrade`.
    """

    to: Column
    names: list[str]
    option: Column


def find(comparison: Comparison) -> Iterator[Finding]:
    """What was not passed on; what was asked on one side and not granted there."""
    sides = comparison.captured
    asked = {side: _asked(comparison.table(side)) for side in sides}
    explained = {side: np.zeros(len(comparison.table(side)), bool) for side in sides}
    if not comparison.alone:
        yield from _not_passed_on(comparison, asked, explained)
    for side in sides:
        yield from _without_upgrade(comparison, side, explained[side])
        yield from _declined(comparison, side, asked[side], explained[side])


def _asked(table: SideTable) -> _Asked:
    q, words = table.requests, table.words
    names = {"": 0, CONNECT: TUNNEL}
    to = np.zeros(len(table), np.int64)
    line = q.line_of(words, UPGRADE)
    for number in distinct(line[line >= 0]).tolist():
        name = words.line_list[number].value.split(",")[0].strip().lower() or "nothing"
        to[line == number] = names.setdefault(name, len(names))
    connects = q.method == words.texts.get(CONNECT, -1)
    to[connects] = TUNNEL
    option = words.fields_named(CONNECTION.__eq__)
    for number in np.flatnonzero(option).tolist():
        option[number] = UPGRADE in words.line_list[number].value.lower()
    to[~(q.whole_heads & q.from_client)] = 0
    return _Asked(to, list(names), q.heads.having(option) | connects)


def _granted(asked: _Asked, responses: Messages) -> Column:
    """Per exchange, whether its response grants what is asked."""
    status = responses.start
    granted: Column = np.where(
        asked.to == TUNNEL, (status >= 200) & (status < 300), status == SWITCHED
    )
    return granted


def _not_passed_on(
    comparison: Comparison, asked: dict[Side, _Asked], explained: dict[Side, Column]
) -> Iterator[Finding]:
    """Pairs whose backend request does not ask. Sets in `explained` which exchanges are told of."""
    front, back = asked[Side.CLIENT], asked[Side.BACKEND]
    client = comparison.table(Side.CLIENT)
    pairs = comparison.request_heads
    wants = (front.to[pairs.client] > 0) & front.option[pairs.client]
    wants &= (front.to[pairs.client] != TUNNEL) & client.responses.there[pairs.client]
    wants &= ~_granted(front, client.responses)[pairs.client]
    # over HTTP/2 a WebSocket is asked for by CONNECT
    passed = back.to[pairs.backend] > 0
    for name, lost, missing in (
        ("not-passed-on", wants & ~passed, spelling(UPGRADE)),
        (
            "no-option",
            wants & passed & ~back.option[pairs.backend],
            f"{spelling(CONNECTION)}: upgrade",
        ),
    ):
        those = pairs.where(lost)
        explained[Side.CLIENT][those.client] = True
        explained[Side.BACKEND][those.backend] = True
        if len(those):
            names = [front.names[i] for i in front.to[those.client].tolist()]
            hop = set(names) == {H2C}
            yield (
                KIND.finding(
                    name,
                    Severity.INFO if hop else Severity.MEDIUM,
                    confidence_of(those),
                    "{count} of {of} requests that {of:asks|ask} to change to {names} "
                    "{count:reaches|reach} the backend "
                    "without {missing}: the balancer does not pass the upgrade on. The clients got "
                    "{statuses}.",
                    comparison.request_frames(those),
                    note="the requests on both sides",
                    remedy="" if hop else PASS_ON,
                    count=len(those),
                    of=int(wants.sum()),
                    names=", ".join(dict.fromkeys(names)),
                    missing=missing,
                    statuses=listed(map(str, client.responses.start[those.client].tolist())),
                )
            )


def _without_upgrade(comparison: Comparison, side: Side, explained: Column) -> Iterator[Finding]:
    """Requests for a WebSocket that do not ask for it any more."""
    table = comparison.table(side)
    q, words = table.requests, table.words
    keyed = q.having(words, SEC_WEBSOCKET_KEY) & ~q.having(words, UPGRADE)
    keyed &= q.whole_heads & (q.method != words.texts.get(CONNECT, -1))
    rows = np.flatnonzero(keyed & ~explained)
    if len(rows):
        yield KIND.finding(
            variant(comparison, "without-upgrade", side),
            Severity.MEDIUM,
            Confidence.HIGH,
            told(
                comparison,
                "{count} requests on the {side} side {count:has|have} Sec-WebSocket-Key and no "
                "Upgrade: a "
                "proxy in front did not pass the upgrade on. The answers were {statuses}.",
            ),
            [comparison.request_frame(side, table.ref(r)) for r in rows[:FRAMES_PER_SIDE].tolist()],
            remedy=PASS_ON,
            count=len(rows),
            side=named(comparison, side),
            statuses=_statuses(table, rows),
        )


def _declined(
    comparison: Comparison, side: Side, asked: _Asked, explained: Column
) -> Iterator[Finding]:
    """Requests that ask and are answered by something else."""
    table = comparison.table(side)
    wants = (asked.to > 0) & table.responses.there & ~_granted(asked, table.responses) & ~explained
    wants &= table.requests.there
    if side is Side.CLIENT and not comparison.alone:
        wants[comparison.pairs.client] = False  # told of the backend, which answered
    for number in distinct(asked.to[wants]).tolist():
        rows = np.flatnonzero(wants & (asked.to == number))
        hop = asked.names[number] == H2C
        yield KIND.finding(
            variant(comparison, "declined", side),
            Severity.INFO if hop else Severity.LOW,
            Confidence.CERTAIN,
            told(
                comparison,
                "{count} requests on the {side} side {count:asks|ask} to change to {name} and "
                "{count:is|are} not granted "
                "it: {statuses}.",
            )
            + (" A server may ignore this." if hop else ""),
            _both_frames(comparison, side, table, rows),
            note="the request and its answer",
            remedy="" if hop else LOOK_BEHIND,
            count=len(rows),
            side=named(comparison, side),
            name=asked.names[number],
            statuses=_statuses(table, rows),
        )


def _both_frames(
    comparison: Comparison, side: Side, table: SideTable, rows: Column
) -> list[FrameRef]:
    refs = [table.ref(row) for row in rows[: FRAMES_PER_SIDE // 2].tolist()]
    asked = [comparison.request_frame(side, ref) for ref in refs]
    return asked + [comparison.response_frame(side, ref) for ref in refs]


def _statuses(table: SideTable, rows: Column) -> str:
    there = rows[table.responses.there[rows]]
    return listed(map(str, table.responses.start[there].tolist())) or "none"
