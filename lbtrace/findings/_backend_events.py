"""What happened behind the balancer while a client waited: connections refused, unanswered, reset or closed under a request."""

from __future__ import annotations

from bisect import bisect_left
from typing import NamedTuple

from lbtrace.case import Case, Match
from lbtrace.model.http import Mark
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import AttemptOutcome, Ref
from lbtrace.model.stream import Connection

PATIENCE_NS = 1_000_000_000  # after which a SYN is sent again (RFC 6298 §2); a capture that ends sooner does not show that nobody answers


class BackendEvent(NamedTuple):
    """`slug` is stable, `text` says it to people."""

    slug: str
    text: str
    frames: tuple[FrameRef, ...]


TEXT = {
    "refused": "a connection was refused (SYN answered by RST)",
    "no-answer": "a connection attempt was not answered (SYN without SYN-ACK)",
    "reset": "the backend reset the connection under the request",
    "closed": "the backend closed the connection without an answer",
    "keep-alive-race": "the request was sent on a connection the backend had begun to close",
    "timeout": "the backend had not answered when the balancer gave up",
    "client-left": "the client had closed its connection before it was answered",
    "malformed": "the backend's response was malformed",
    "replaced": "the backend answered, and the balancer put its own answer in place",
}


def handshake_failure(connection: Connection, capture_end_ns: int) -> str:
    """ "refused", "no-answer", or "" for a connection that was opened, whose start was not captured, or of which too little was."""
    front, back = connection.from_client, connection.from_server
    if connection.syns == 0 or connection.synacks or connection.opened:
        return ""
    if front.packets > connection.syns + connection.syn_retransmissions + front.rsts or back.packets > back.rsts:
        return ""  # it went on, so there was an answer that is not in the capture
    if back.rsts:
        return "refused"
    waited = connection.syn_retransmissions or capture_end_ns - connection.first_ns >= PATIENCE_NS
    return "no-answer" if waited else ""


class FailedHandshakes:
    """The backend connections that were never opened, by time, so that a client exchange finds those of its own time."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.by_point: list[list[tuple[int, int, str]]] = []
        for point, trace in enumerate(case.backends):
            slugs = [
                (c.first_ns, c.id, handshake_failure(c, trace.last_ns))
                for c in trace.connections
                if Ref(point, c.id) not in case.check_connections
            ]
            self.by_point.append(sorted(s for s in slugs if s[2]))

    def during(self, client: Ref) -> BackendEvent | None:
        """A failed backend handshake in the time of a client exchange. Without a clock between the captures nothing can be said."""
        exchange = self.case.exchange(Side.CLIENT, client)
        if exchange.request is None or exchange.response is None:
            return None
        for point, failed in enumerate(self.by_point):
            clock = self.case.clock(client.point, point)
            if clock is None or not failed:
                continue
            begin = exchange.request.first_ns - clock.half_width_ns
            end = exchange.response.first_ns + clock.half_width_ns
            at = bisect_left(failed, (begin - clock.delta_ns(failed[0][0]), 0, ""))
            if at < len(failed) and failed[at][0] + clock.delta_ns(failed[at][0]) <= end:
                _, connection, slug = failed[at]
                return BackendEvent(slug, TEXT[slug], (self.case.connection_frame(Side.BACKEND, Ref(point, connection)),))
        return None


def event_of_attempt(case: Case, match: Match) -> BackendEvent | None:
    """How the last backend attempt of a pair failed."""
    request, trace = match.back.request, case.backends[match.backend.point]
    server = match.back_connection.from_server
    frames = [case.request_frame(Side.BACKEND, match.backend)]
    if request is not None and server.fin_ns is not None and server.fin_frame is not None and server.fin_frame < request.first_frame:
        return BackendEvent("keep-alive-race", TEXT["keep-alive-race"], (trace.ref(server.fin_frame, server.fin_ns), *frames))
    if match.outcome is AttemptOutcome.RESET and server.rst_frame is not None and server.rst_ns is not None:
        return BackendEvent("reset", TEXT["reset"], (*frames, trace.ref(server.rst_frame, server.rst_ns)))
    if match.outcome is AttemptOutcome.CLOSED and server.fin_frame is not None and server.fin_ns is not None:
        return BackendEvent("closed", TEXT["closed"], (*frames, trace.ref(server.fin_frame, server.fin_ns)))
    if match.outcome is AttemptOutcome.SUPERSEDED and match.back.response is not None:
        slug = "malformed" if Mark.MALFORMED in match.back.response.marks else "replaced"
        return BackendEvent(slug, TEXT[slug], (case.response_frame(Side.BACKEND, match.backend),))
    left = _client_left(case, match)
    if left is not None:
        return BackendEvent("client-left", TEXT["client-left"], (*frames, left))
    if match.outcome in (AttemptOutcome.TIMEOUT, AttemptOutcome.UNKNOWN):
        return BackendEvent("timeout", TEXT["timeout"], tuple(frames))
    return None


def _client_left(case: Case, match: Match) -> FrameRef | None:
    """The client's FIN or RST when it came before any answer: then nobody's patience ended but the client's."""
    client, answer = match.front_connection.from_client, match.front.response
    ends = [(client.fin_frame, client.fin_ns), (client.rst_frame, client.rst_ns)]
    known = [(frame, time_ns) for frame, time_ns in ends if frame is not None and time_ns is not None]
    if not known or (answer is not None and min(known)[0] > answer.first_frame):
        return None
    return case.clients[match.pair.client.point].ref(*min(known))
