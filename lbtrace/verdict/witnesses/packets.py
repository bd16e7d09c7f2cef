"""Case → what the packets of the connections say: sequence numbers, SYNs, addresses, hops (RFC 9293 §3.1, RFC 791 §3.2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from lbtrace.case import Case, evidence
from lbtrace.model.net import Side, SynFingerprint
from lbtrace.model.pairing import ConnectionBasis, Ref
from lbtrace.model.report import Value
from lbtrace.model.stream import Connection
from lbtrace.verdict.weigh import Observation


def isn(case: Case) -> Iterator[Observation]:
    """Initial sequence numbers; without a captured SYN, the sequence numbers by which the connections were paired."""
    same = [c for c in case.connection_matches if c.pair.basis is ConnectionBasis.SAME_PACKETS]
    if same:
        yield Observation(
            "isn",
            "same",
            "The sequence numbers are the same on both sides in {count} of {of} pairs of connections.",
            (Value("count", len(same), "count"), Value("of", len(case.connection_matches), "count")),
            evidence(case.connection_frames(same)),
        )
        return
    # a passed-on connection has its number on both sides, whoever is paired with whom: so interchangeable pairs testify as well
    fronts = {c.from_client.isn: (point, c) for point, c in _connections(case, Side.CLIENT) if c.from_client.isn is not None}
    backs = {c.from_client.isn: (point, c) for point, c in _connections(case, Side.BACKEND) if c.from_client.isn is not None}
    if fronts and backs and not fronts.keys() & backs.keys():
        (front_isn, front), (back_isn, back) = next(iter(fronts.items())), next(iter(backs.items()))
        yield Observation(
            "isn",
            "different",
            "No initial sequence number of {fronts} client connections ({front}, for example) occurs on their {backs} backend connections "
            "({back}).",
            (
                Value("fronts", len(fronts), "count"),
                Value("backs", len(backs), "count"),
                Value("front", str(front_isn)),
                Value("back", str(back_isn)),
            ),
            evidence(
                [
                    case.connection_frame(Side.CLIENT, Ref(front[0], front[1].id)),
                    case.connection_frame(Side.BACKEND, Ref(back[0], back[1].id)),
                ]
            ),
        )


def _connections(case: Case, side: Side) -> Iterator[tuple[int, Connection]]:
    """The connections of a side that are part of any pair, with their capture point."""
    seen: set[tuple[int, int]] = set()
    for m in case.matches:
        point, connection = (m.pair.client.point, m.front_connection) if side is Side.CLIENT else (m.backend.point, m.back_connection)
        if (point, connection.id) not in seen:
            seen.add((point, connection.id))
            yield point, connection
    for c in case.connection_matches:
        point, connection = (c.pair.client.point, c.front) if side is Side.CLIENT else (c.pair.backend.point, c.back)
        if (point, connection.id) not in seen:
            seen.add((point, connection.id))
            yield point, connection


def syn_options(case: Case) -> Iterator[Observation]:
    """What the SYNs offer: option kinds and order, window scale, timestamp. The MSS is left out, because routers clamp it."""
    known = [(a, b, f) for a, b, f in case.joined if a.from_client.syn is not None and b.from_client.syn is not None]
    if not known:
        return
    same = [k for k in known if _offer(k[0].from_client.syn) == _offer(k[1].from_client.syn)]
    stamped = [k for k in same if k[0].from_client.syn is not None and k[0].from_client.syn.timestamp is not None]
    if len(same) == len(known) and stamped:
        yield Observation(
            "syn-options",
            "same",
            "In {count} of {count} pairs of connections the two SYNs carry the same options and the same timestamp.",
            (Value("count", len(same), "count"),),
            evidence(case.joined_frames(same)),
        )
    elif not same:
        yield Observation(
            "syn-options",
            "different",
            "In {count} of {count} pairs of connections the two SYNs differ in options or timestamp.",
            (Value("count", len(known), "count"),),
            evidence(case.joined_frames(known)),
        )


def _offer(syn: SynFingerprint | None) -> tuple[object, ...]:
    assert syn is not None  # the callers look first
    return syn.options, syn.window_scale, syn.sack_permitted, syn.timestamp


def addresses(case: Case) -> Iterator[Observation]:
    """Whether both ends of the connections have the same addresses on both sides."""
    known = [(front, back) for front, back, _ in case.joined]
    if not known:
        # who is whose is not known: ends that any client connection has are taken for that one's
        fronts = {(m.front_connection.client, m.front_connection.server): m.front_connection for m in case.matches}
        known = [
            (fronts.get((m.back_connection.client, m.back_connection.server), m.front_connection), m.back_connection) for m in case.matches
        ]
    if not known:
        return
    same = [k for k in known if (k[0].client, k[0].server) == (k[1].client, k[1].server)]
    proof = evidence(case.joined_frames(case.joined) or case.request_frames(case.matches))
    if len(same) == len(known):
        yield Observation(
            "addresses",
            "same",
            "Client and server address and port are the same on both sides, for {count} connections.",
            (Value("count", len(same), "count"),),
            proof,
        )
        return
    rewritten = next(k for k in known if (k[0].client, k[0].server) != (k[1].client, k[1].server))
    front, back = rewritten[0], rewritten[1]
    yield Observation(
        "addresses",
        "rewritten",
        "What goes from {front_client} to {front_server} on the client side goes from {back_client} to {back_server} on the backend side "
        "({count} of {of} pairs of connections that belong together).",
        (
            Value("front_client", str(front.client)),
            Value("front_server", str(front.server)),
            Value("back_client", str(back.client)),
            Value("back_server", str(back.server)),
            Value("count", len(known) - len(same), "count"),
            Value("of", len(known), "count"),
        ),
        proof,
    )


def direct_return(case: Case) -> Iterator[Observation]:
    """Signs of a balancer that hands packets on with their addresses (direct server return), among connections that look direct.

    Two backends that answer for one address; or a way to the backend that is longer than the way back, as the hop counts (TTL) tell.
    """
    same = [(a, b, f) for a, b, f in case.joined if (a.client, a.server) == (b.client, b.server) and a.from_client.isn == b.from_client.isn]
    if not same:
        return
    per_server = Counter(b.server for _, b, _ in same)
    points = {f[1].point for _, b, f in same if per_server[b.server] > 1}
    shared = len(points) > 1 and len({b.server for _, b, _ in same}) < len(points)
    hops = [h for a, b, _ in same for h in [_hops(a, b)] if h is not None]
    detours = [(there, back) for there, back in hops if there != back]
    proof = evidence(case.joined_frames(same))
    if shared:
        yield Observation(
            "direct-return",
            "several-backends",
            "{count} backends answer for the same address, which no packet between the captures had rewritten.",
            (Value("count", len(points), "count"),),
            proof,
        )
    elif detours and len(detours) == len(hops):
        there, back = detours[0]
        yield Observation(
            "direct-return",
            "detour" if back == 0 and there > 0 else "asymmetric",
            "Packets pass {there} hops on the way to the backend and {back} on the way back, as their TTLs tell.",
            (Value("there", there, "count"), Value("back", back, "count")),
            proof,
        )


def _hops(front: Connection, back: Connection) -> tuple[int, int] | None:
    """(hops from client to backend, hops back) by the TTL of SYN and SYN-ACK on both sides; None when one is missing or makes no sense."""
    syns = (front.from_client.syn, back.from_client.syn, back.from_server.syn, front.from_server.syn)
    if any(syn is None for syn in syns):
        return None
    sent, arrived, answered, returned = (syn.ttl for syn in syns if syn is not None)
    there, home = sent - arrived, answered - returned
    return (there, home) if there >= 0 and home >= 0 else None
