"""Protocol mismatch.

Meaning:
    The two ends of a connection do not speak the same protocol: plain HTTP to a port of TLS, TLS to
    a plain port, HTTP/2 to a server of HTTP/1 or the other way round, a PROXY header to a server
    that does not expect one. Or a server closes each connection at its first bytes, as one does
    that waits for a PROXY header or for TLS.
Decided by:
    The first bytes of both ends: a TLS record (RFC 8446 §5.1), the preface or SETTINGS of HTTP/2
    (RFC 9113 §3.4), a start line (RFC 9112 §2.1), a PROXY header. Or the server says so: "The plain
    HTTP request was sent to HTTPS port". A PROXY header counts as refused if no connection to that
    server that begins with one was answered but by 400, an alert or the end of the connection. An
    answer that comes before any request can only be about the header. A server does not speak TLS,
    or hangs, if it acknowledged every ClientHello and sent no byte for a second or longer.
Evidence:
    What the client said first, and the answer or the end of the connection.
Remedy:
    Configure the balancer and the backend alike. TLS: `proxy_pass https://` (nginx), `ssl` on the
    server line (HAProxy), a `transport_socket` (Envoy). PROXY header, at the sender:
    `proxy_protocol on` (nginx stream), `send-proxy` or `send-proxy-v2` (HAProxy); at the receiver:
    `listen … proxy_protocol` (nginx), `accept-proxy` on the bind line (HAProxy), the proxy_protocol
    listener filter (Envoy). HTTP/2: `proto h2` (HAProxy), `http2_protocol_options` (Envoy).
Variants:
    http1-to-tls, http1-to-tls-client, http1-to-tls-backend: plain HTTP to a port of TLS.
    http2-to-tls, http2-to-tls-client, http2-to-tls-backend: HTTP/2 in the clear to a port of TLS.
    tls-to-http1, tls-to-http1-client, tls-to-http1-backend: TLS to a plain port.
    tls-to-http2, tls-to-http2-client, tls-to-http2-backend: TLS to a plain port of HTTP/2.
    http1-to-http2, http1-to-http2-client, http1-to-http2-backend: HTTP/1 to a server of HTTP/2.
    http2-to-http1, http2-to-http1-client, http2-to-http1-backend: HTTP/2 to a server of HTTP/1.
    proxy-header, proxy-header-client, proxy-header-backend: a PROXY header that was refused.
    proxy-header-missing, proxy-header-missing-client, proxy-header-missing-backend: a server that
        answers only connections with a PROXY header.
    tls-missing, tls-missing-client, tls-missing-backend: a server that answers only TLS.
    unanswered, unanswered-client, unanswered-backend: a server that ended every connection without
        a byte of answer.
    tls-unheard, tls-unheard-client, tls-unheard-backend: a server that acknowledged each
        ClientHello and sent nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.comparison.claims import ns
from lbtrace.findings._first_words import (
    SPOKEN,
    Opening,
    answer,
    closed_unanswered,
    exchanges_of,
    first_words,
    listed,
    openings,
    shown,
    silent_servers,
)
from lbtrace.findings._hellos import begun_in_tls, unanswered_for_ns
from lbtrace.findings._kind import FindingKind, compared_with
from lbtrace.findings._side import named, variant
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.http import Exchange, Protocol
from lbtrace.model.known_reasons import PLAIN_TO_TLS
from lbtrace.model.known_reasons import among as among_reasons
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column, RowsByKey, among, distinct
from lbtrace.tables.connections import NEVER

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.START_LINE, FramePart.PROXY_HEADER, FramePart.TLS, FramePart.END)
ONE_CAPTURE = True
PLAIN_HTTP = (Protocol.HTTP1, Protocol.HTTP2)
BAD_REQUEST = 400  # RFC 9110 §15.5.1
VARIANTS = {
    (Protocol.HTTP1, Protocol.TLS): "http1-to-tls",
    (Protocol.HTTP2, Protocol.TLS): "http2-to-tls",
    (Protocol.TLS, Protocol.HTTP1): "tls-to-http1",
    (Protocol.TLS, Protocol.HTTP2): "tls-to-http2",
    (Protocol.HTTP1, Protocol.HTTP2): "http1-to-http2",
    (Protocol.HTTP2, Protocol.HTTP1): "http2-to-http1",
}
PLAIN = (
    "That port expects TLS: send TLS to it (proxy_pass https:// in nginx, ssl on the server line "
    "in HAProxy, a transport_socket in Envoy), or name its plain port."
)
ENCRYPTED = (
    "That port does not expect TLS: send plain HTTP to it, or let it end TLS (ssl on the listen or "
    "bind line)."
)
UNHEARD = (
    "Look at whether that port is one of TLS. If it is not, send plain HTTP to it, or let it end "
    "TLS (ssl on the listen or bind line); if it is, look at why that server hangs."
)
OLD = (
    "That port does not expect HTTP/2: send HTTP/1.1 to it, or switch HTTP/2 without TLS (h2c) on "
    "there."
)
NEW = "That port expects HTTP/2: send it (proto h2 in HAProxy, http2_protocol_options in Envoy)."
REMEDY = {
    (Protocol.HTTP1, Protocol.TLS): PLAIN,
    (Protocol.HTTP2, Protocol.TLS): PLAIN,
    (Protocol.TLS, Protocol.HTTP1): ENCRYPTED,
    (Protocol.TLS, Protocol.HTTP2): ENCRYPTED,
    (Protocol.HTTP2, Protocol.HTTP1): OLD,
    (Protocol.HTTP1, Protocol.HTTP2): NEW,
}
EXPECT = (
    "Let that server expect the header (listen … proxy_protocol in nginx, accept-proxy in HAProxy, "
    "the proxy_protocol listener filter in Envoy), or do not send it (proxy_protocol, send-proxy)."
)
TWICE = (
    "Two proxies in a row each put a header of their own in front of what came, and that server "
    "reads one. Let the second proxy read the header of the first (accept-proxy on the bind line "
    "in HAProxy, proxy_protocol on the listen line in nginx), or let one of the two send none."
)
SEND = (
    "Let every sender to that port begin with the header, checks too (send-proxy and "
    "check-send-proxy in HAProxy, proxy_protocol on in nginx), or do not let the server demand it."
)
SILENT = (
    "Look at what that server expects first: a PROXY header (send-proxy in HAProxy, proxy_protocol "
    "on in nginx), TLS, plain HTTP, or what an application server speaks (fastcgi_pass and "
    "uwsgi_pass in nginx). Its log says why it closed."
)


def find(comparison: Comparison) -> Iterator[Finding]:
    """For each side what its ends speak, PROXY headers that were refused, ends without an
    answer.
    """
    for side in comparison.captured:
        odd = list(openings(comparison, side))
        yield from _mixed(comparison, side, [o for o in odd if o.application.mismatch])
        yield from _said_so(comparison, side)
        yield from _refused(comparison, side, [o for o in odd if o.application.proxy])
        yield from _missing(comparison, side)
        yield from _unanswered(comparison, side)
        yield from _unheard(comparison, side)


def _spoke_to(comparison: Comparison, side: Side, server: int) -> int:
    """How many connections to a server carry bytes of the client."""
    table = comparison.table(side)
    return int(((table.servers == server) & (table.of_ends("bytes", False) > 0)).sum())


def _severity(side: Side, count: int, of: int) -> Severity:
    """In front of a balancer some clients are scanners."""
    return Severity.MEDIUM if side is Side.BACKEND or count == of else Severity.LOW


def _mixed(comparison: Comparison, side: Side, odd: list[Opening]) -> Iterator[Finding]:
    """Client and server that speak different protocols. What a balancer passed on both ways is told
    of its backend.
    """
    table, passed_on = comparison.table(side), _behind(comparison, side)
    groups: dict[tuple[int, Protocol, Protocol], list[Opening]] = defaultdict(list)
    for opening in odd:
        if (mismatch := opening.application.mismatch) is not None:
            server = int(table.servers[opening.number])
            groups[server, mismatch.client, mismatch.server].append(opening)
    for (server, client, spoken), those in groups.items():
        if (client, spoken) in passed_on:
            continue
        of = _spoke_to(comparison, side, server)
        answers = [answer(o, exchanges_of(comparison, side, o.number)) for o in those]
        yield KIND.finding(
            variant(comparison, VARIANTS[client, spoken], side),
            _severity(side, len(those), of),
            Confidence.CERTAIN,
            "{count} of {of} connections to {server} {count:begins|begin} in {client} and "
            "{count:is|are} answered in {spoken}" + (": {answers}." if any(answers) else "."),
            shown(_first_frames(comparison, side, o) for o in those),
            note="the first bytes of both ends",
            remedy=REMEDY[client, spoken],
            count=len(those),
            of=of,
            server=str(table.endpoint(server)),
            client=SPOKEN[client],
            spoken=SPOKEN[spoken],
            answers=listed(answers) or None,
            side=named(comparison, side),
        ).on(comparison.failed(side, np.array([o.number for o in those])))


def _behind(comparison: Comparison, side: Side) -> set[tuple[Protocol, Protocol]]:
    """What ends on the backend side speak that do not understand each other, for the client side
    of the same balancer.
    """
    if side is Side.BACKEND or Side.BACKEND not in comparison.captured:
        return set()
    found = (o.application.mismatch for o in openings(comparison, Side.BACKEND))
    return {(m.client, m.server) for m in found if m is not None}


def _first_frames(comparison: Comparison, side: Side, o: Opening) -> tuple[FrameRef, ...]:
    asked, mismatch = first_words(comparison, side, o.number), o.application.mismatch
    table = comparison.table(side)
    unanswered = [
        comparison.request_frame(side, table.ref(row))
        for row in table.by_connection[o.number]
        if table.requests.there[row] and not table.responses.there[row]
    ]
    said = [o.trace.ref(mismatch.frame, mismatch.time_ns)] if mismatch else []
    return (asked, *said, *unanswered[:1])


def _said_so(comparison: Comparison, side: Side) -> Iterator[Finding]:
    """Servers that say that the port is one of TLS."""
    both = side is Side.CLIENT and Side.BACKEND in comparison.captured
    if both and len(_saying(comparison, Side.BACKEND)):
        return  # what clients got was passed on
    table, rows = comparison.table(side), _saying(comparison, side)
    for server in dict.fromkeys(table.servers[table.connection[rows]].tolist()):
        those = rows[table.servers[table.connection[rows]] == server]
        of = int((table.servers[table.connection] == server).sum())
        trace = table.trace_of(int(those[0]))
        response = table.exchange(int(those[0])).response
        yield KIND.finding(
            variant(comparison, "http1-to-tls", side),
            _severity(side, len(those), of),
            Confidence.HIGH,
            '{server} answers {count} of {of} requests with {status} "{reason}": '
            + ("" if side is Side.BACKEND else "that port, or one behind it, ")
            + "expects TLS and was sent plain HTTP.",
            shown(_both(comparison, side, row) for row in those.tolist()),
            remedy=PLAIN,
            server=str(table.endpoint(server)),
            count=len(those),
            of=of,
            status=str(response.status if response else ""),
            reason=trace.reason_of(response),
            side=named(comparison, side),
        ).on(comparison.failed(side, table.connection[those]))


def _saying(comparison: Comparison, side: Side) -> Column:
    """The exchanges of a side whose response says that plain HTTP came to a port of TLS."""
    table = comparison.table(side)
    said = table.words.digests.of_texts(
        [
            digest
            for trace in comparison.traces(side)
            for digest, reason in trace.reasons.items()
            if among_reasons(reason, PLAIN_TO_TLS)
        ]
    )
    rows: Column = np.flatnonzero(table.responses.there & np.isin(table.responses.digest, said))
    return rows


def _both(comparison: Comparison, side: Side, row: int) -> tuple[FrameRef, ...]:
    ref = comparison.table(side).ref(row)
    return comparison.request_frame(side, ref), comparison.response_frame(side, ref)


def _refused(comparison: Comparison, side: Side, odd: list[Opening]) -> Iterator[Finding]:
    """Servers that refused every connection with a PROXY header."""
    table = comparison.table(side)
    closed = closed_unanswered(comparison, side) if odd else np.zeros(0, bool)
    groups: dict[int, list[tuple[Opening, list[Exchange]]]] = defaultdict(list)
    for opening in odd:
        exchanges = list(exchanges_of(comparison, side, opening.number))
        groups[int(table.servers[opening.number])].append((opening, exchanges))
    for server, those in groups.items():
        answers = [_refusal(o, exchanges, bool(closed[o.number])) for o, exchanges in those]
        if None in answers or not any(answers):
            continue
        refused = [pair for pair, said in zip(those, answers, strict=True) if said]
        unasked = [(o, _unasked(comparison, side, o, exchanges)) for o, exchanges in refused]
        early = [pair for pair in unasked if pair[1]] or unasked
        before = sum(response is not None for _, response in unasked)
        twice = all(len(o.application.proxy) > 1 for o, _ in refused)
        yield KIND.finding(
            variant(comparison, "proxy-header", side),
            Severity.MEDIUM,
            Confidence.HIGH if before else Confidence.MEDIUM,
            "{server} refused {count} of {of} connections that began with "
            + ("several PROXY headers, one behind the other" if twice else "a PROXY header")
            + ": {answers}."
            + (
                " What follows the first header is taken for the request."
                if twice
                else " {before} of these answers came before any request, so the header is what "
                "was refused."
                if before
                else " No such connection was answered well."
            ),
            shown(_of_refused(comparison, side, o, response) for o, response in early),
            note="the PROXY header and the answer",
            remedy=TWICE if twice else EXPECT,
            server=str(table.endpoint(server)),
            count=len(refused),
            of=len(those),
            answers=listed(filter(None, answers)),
            before=None if twice else before or None,
            side=named(comparison, side),
        ).on(comparison.failed(side, np.array([o.number for o, _ in refused])))


def _missing(comparison: Comparison, side: Side) -> Iterator[Finding]:
    """Servers that answered every connection with a PROXY header, or with TLS, and ended every one
    without.
    """
    table, closed = comparison.table(side), closed_unanswered(comparison, side)
    if not closed.any():
        return
    header = table.proxied > 0
    for began, plain, in_tls in (
        (header, ~header, False),
        (*_tls_and_plain(comparison, side), True),
    ):
        for server, ended, good in _ended_without(comparison, side, began, plain):
            found = KIND.finding(
                variant(comparison, "tls-missing" if in_tls else "proxy-header-missing", side),
                Severity.MEDIUM,
                Confidence.HIGH if len(ended) > 1 else Confidence.MEDIUM,
                "{server} ended {count} of {of} connections at once, without a byte of answer: "
                + (
                    "all those that began in plain HTTP. It answered those that began with TLS."
                    if in_tls
                    else "all those that began without a PROXY header. It answered those that "
                    "began with one."
                ),
                shown(
                    (first_words(comparison, side, row), *_server_end(comparison, side, row))
                    for row in ended.tolist()
                ),
                note="the first bytes and the end of the connection",
                remedy=PLAIN if in_tls else SEND,
                server=str(table.endpoint(server)),
                count=len(ended),
                of=len(ended) + len(good),
                side=named(comparison, side),
            ).on(comparison.failed(side, ended))
            yield compared_with(found, [first_words(comparison, side, int(good[0]))])


def _tls_and_plain(comparison: Comparison, side: Side) -> tuple[Column, Column]:
    """Per connection whether it begins with a ClientHello, and whether in plain HTTP."""
    in_tls = begun_in_tls(comparison, side)
    every = (a for trace in comparison.traces(side) for a in trace.applications)
    return in_tls, np.array([a.protocol in PLAIN_HTTP for a in every], bool) & ~in_tls


def _ended_without(
    comparison: Comparison, side: Side, began: Column, without: Column
) -> Iterator[tuple[int, Column, Column]]:
    """Servers that answered every connection that `began` in one way, and ended at once every one
    `without`; with the connections that they ended, and those that they answered.
    """
    table, closed = comparison.table(side), closed_unanswered(comparison, side)
    answered = table.of_ends("bytes", server=True) > 0
    spoke = table.of_ends("first_payload_ns", server=False) != NEVER
    wrong = (began & closed) | (spoke & ~began & answered)
    for server in distinct(table.servers[began & answered]).tolist():
        there = table.servers == server
        ended, good = (there & closed & without), (there & began & answered)
        if ended.any() and not (there & wrong).any():
            yield server, np.flatnonzero(ended), np.flatnonzero(good)


def _refusal(opening: Opening, exchanges: list[Exchange], closed: bool) -> str | None:
    """How a server refused a connection; "" when nothing is known, None when it did not."""
    if closed:
        return "closed without an answer"
    said = answer(opening, exchanges)
    carried = opening.application
    if carried.mismatch or any(not alert.from_client for alert in carried.alerts):
        return said or "another protocol"
    first = next((e.response for e in exchanges if e.response is not None), None)
    if first is None:
        return "" if opening.application.protocol in (Protocol.HTTP1, Protocol.NONE) else None
    return said if first.status == BAD_REQUEST else None


def _unasked(
    comparison: Comparison, side: Side, o: Opening, exchanges: list[Exchange]
) -> FrameRef | None:
    """The first response of a connection, if it came before any request; the capture holds
    everything that the client sent.
    """
    table, number = comparison.table(side), o.number
    whole = not int(table.of_ends("missing", server=False)[number])
    first = next((e for e in exchanges if e.response is not None), None)
    if not whole or first is None or first.request is not None or first.response is None:
        return None
    return o.trace.ref(first.response.first_frame, first.response.first_ns)


def _of_refused(
    comparison: Comparison, side: Side, o: Opening, response: FrameRef | None
) -> tuple[FrameRef, ...]:
    asked = first_words(comparison, side, o.number)
    if response is None:
        ref = comparison.table(side).connection_ref(o.number)
        ends = comparison.connection(side, ref).from_server
        if ends.first_payload_frame is None or ends.first_payload_ns is None:
            return (asked,)
        response = o.trace.ref(ends.first_payload_frame, ends.first_payload_ns)
    return asked, response


def _unanswered(comparison: Comparison, side: Side) -> Iterator[Finding]:
    """Servers that ended every connection at its first bytes. Where backends do, a balancer ends
    the connections of its clients too.
    """
    both = side is Side.CLIENT and Side.BACKEND in comparison.captured
    if both and closed_unanswered(comparison, Side.BACKEND).any():
        return
    table, every = comparison.table(side), silent_servers(comparison, side)
    servers, which = np.unique(table.servers, return_inverse=True)
    ends, of_server = np.flatnonzero(every), RowsByKey.of(which[every], len(servers))
    for number in np.flatnonzero(of_server.sizes).tolist():
        rows, server = ends[of_server[number]], int(servers[number])
        yield KIND.finding(
            variant(comparison, "unanswered", side),
            Severity.MEDIUM if len(rows) > 1 else Severity.LOW,
            Confidence.HIGH,
            "{server} ended {count} of {of} connections at once, without a byte of answer. What "
            "had come before: {words}.",
            shown(
                (first_words(comparison, side, row), *_server_end(comparison, side, row))
                for row in rows.tolist()
            ),
            note="the first bytes of the client and the end of the connection",
            remedy=SILENT,
            server=str(table.endpoint(server)),
            count=len(rows),
            of=len(rows),
            words=listed(_words(comparison, side, row) for row in rows.tolist()),
            side=named(comparison, side),
        ).on(comparison.failed(side, rows))


def _unheard(comparison: Comparison, side: Side) -> Iterator[Finding]:
    """Servers that took every ClientHello and sent nothing. Where backends do, the balancer in
    front of them that copies bytes does, too.
    """
    both = side is Side.CLIENT and Side.BACKEND in comparison.captured
    if both and len(_hellos_unheard(comparison, Side.BACKEND)[0]):
        return
    table, (rows, waited) = comparison.table(side), _hellos_unheard(comparison, side)
    for server in distinct(table.servers[rows]).tolist():
        mine = table.servers[rows] == server
        those, shortest = rows[mine], int(waited[mine].min())
        yield KIND.finding(
            variant(comparison, "tls-unheard", side),
            Severity.MEDIUM,
            Confidence.MEDIUM,
            "{server} answered none of {count} TLS {count:ClientHello|ClientHellos}: it "
            "acknowledged {count:it|them}, and sent no byte for {waited} or more. It may not speak "
            "TLS on that port, and wait for the end of a line.",
            shown(
                (
                    first_words(comparison, side, row),
                    *comparison.end_frames(side, np.array([row]), "fin_frame", "fin_ns", (False,)),
                )
                for row in those.tolist()
            ),
            note="the ClientHello, and the end of the connection",
            remedy=UNHEARD,
            server=str(table.endpoint(server)),
            count=len(those),
            waited=ns(shortest),
            side=named(comparison, side),
        ).on(comparison.failed(side, those))


def _hellos_unheard(comparison: Comparison, side: Side) -> tuple[Column, Column]:
    """The connections on which a server acknowledged a ClientHello and said nothing, of servers
    that answered none; and for how long at least.
    """
    table, waited = comparison.table(side), unanswered_for_ns(comparison, side)
    silent = waited != NEVER
    silent &= ~among(table.servers, table.servers[begun_in_tls(comparison, side) & ~silent])
    return np.flatnonzero(silent), waited[silent]


def _whole_request(comparison: Comparison, side: Side, number: int) -> bool:
    """Whether the client had sent a request to its end."""
    table = comparison.table(side)
    rows = table.by_connection[number]
    return bool((table.requests.there & table.requests.complete)[rows].any())


def _words(comparison: Comparison, side: Side, number: int) -> str:
    """What a connection begins with."""
    point, id_ = comparison.table(side).connection_ref(number)
    application = comparison.traces(side)[point].applications[id_]
    if _whole_request(comparison, side, number):
        return "a whole plain HTTP request"
    if application.protocol is Protocol.TLS:
        hello = application.tls
        asked = f"for {hello.server_name}" if hello and hello.server_name else "without server name"
        return f"a TLS ClientHello {asked}" if hello else "TLS"
    return SPOKEN.get(application.protocol, application.name or "bytes that are no HTTP")


def _server_end(comparison: Comparison, side: Side, number: int) -> list[FrameRef]:
    rows = np.array([number])
    found = comparison.end_frames(side, rows, "fin_frame", "fin_ns", (True,))
    return found or comparison.end_frames(side, rows, "rst_frame", "rst_ns", (True,))
