"""Case → observations: independent witnesses, each of which looks at one thing only.

A witness that has nothing to look at says nothing. Interchangeable pairs never testify about who is whose.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from lbtrace.case import FRAMES_PER_SIDE, RANK, Case, ConnectionMatch, Match, evidence, field_lines, field_value
from lbtrace.model.http import Mark, Protocol, Request, Response
from lbtrace.model.net import FrameRef, Side, SynFingerprint
from lbtrace.model.pairing import Confidence, ConnectionBasis, Ref, UnpairedReason
from lbtrace.model.report import Value
from lbtrace.model.stream import Connection
from lbtrace.verdict.weigh import Observation

FORWARDING = ("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP")
HOP_FIELDS = ("connection", "keep-alive", "proxy-connection", "te", "upgrade")
CROSSING_PERCENT = 25  # of the pairs of MEDIUM confidence, before they show that connections are shared
ENOUGH_HEADS = 2  # one pair of identical heads may be chance: a short request has nothing that a proxy must change


def observe(case: Case) -> tuple[Observation, ...]:
    """What every witness has to say, in the order of `WITNESSES`."""
    return tuple(o for witness in WITNESSES for o in witness(case))


def _count(name: str, count: int) -> Value:
    return Value(name, count, "count")


def isn(case: Case) -> Iterator[Observation]:
    """Initial sequence numbers; without a captured SYN, the sequence numbers by which the connections were paired."""
    same = [c for c in case.connection_matches if c.pair.basis is ConnectionBasis.SAME_PACKETS]
    if same:
        yield Observation(
            "isn",
            "same",
            "The sequence numbers are the same on both sides in {count} of {of} pairs of connections.",
            (_count("count", len(same)), _count("of", len(case.connection_matches))),
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
            (_count("fronts", len(fronts)), _count("backs", len(backs)), Value("front", str(front_isn)), Value("back", str(back_isn))),
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
            (_count("count", len(same)),),
            evidence(f for _, _, frames in same[:5] for f in frames),
        )
    elif not same:
        yield Observation(
            "syn-options",
            "different",
            "In {count} of {count} pairs of connections the two SYNs differ in options or timestamp.",
            (_count("count", len(known)),),
            evidence(f for _, _, frames in known[:5] for f in frames),
        )


def _offer(syn: SynFingerprint | None) -> tuple[object, ...]:
    assert syn is not None  # the callers look first
    return syn.options, syn.window_scale, syn.sack_permitted, syn.timestamp


def addresses(case: Case) -> Iterator[Observation]:
    """Whether both ends of the connections have the same addresses on both sides."""
    known = case.joined
    if not known:
        known = [
            (
                m.front_connection,
                m.back_connection,
                (case.request_frame(Side.CLIENT, m.pair.client), case.request_frame(Side.BACKEND, m.backend)),
            )
            for m in case.matches
        ]
    if not known:
        return
    same = [k for k in known if (k[0].client, k[0].server) == (k[1].client, k[1].server)]
    proof = evidence(f for _, _, frames in known[:5] for f in frames)
    if len(same) == len(known):
        yield Observation(
            "addresses",
            "same",
            "Client and server address and port are the same on both sides, for {count} connections.",
            (_count("count", len(same)),),
            proof,
        )
        return
    rewritten = next(k for k in known if (k[0].client, k[0].server) != (k[1].client, k[1].server))
    front, back = rewritten[0], rewritten[1]
    yield Observation(
        "addresses",
        "rewritten",
        "{front_client} → {front_server} on the client side is {back_client} → {back_server} on the backend side "
        "({count} of {of} connections).",
        (
            Value("front_client", str(front.client)),
            Value("front_server", str(front.server)),
            Value("back_client", str(back.client)),
            Value("back_server", str(back.server)),
            _count("count", len(known) - len(same)),
            _count("of", len(known)),
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
    proof = evidence(f for _, _, frames in same[:5] for f in frames)
    if shared:
        yield Observation(
            "direct-return",
            "several-backends",
            "{count} backends answer for the same address, which no packet between the captures had rewritten.",
            (_count("count", len(points)),),
            proof,
        )
    elif detours and len(detours) == len(hops):
        there, back = detours[0]
        yield Observation(
            "direct-return",
            "detour" if back == 0 and there > 0 else "asymmetric",
            "Packets pass {there} hops on the way to the backend and {back} on the way back, as their TTLs tell.",
            (_count("there", there), _count("back", back)),
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


def connection_mapping(case: Case) -> Iterator[Observation]:
    """Whether requests of one client connection stay together, and apart from those of others.

    A single wrong pair must not decide: pairs of MEDIUM confidence count only when many of them cross. For interchangeable pairs only the
    numbers of requests per connection count, and only when no exchange is left over on either side.
    """
    single = [m for m in case.distinct_matches if len(m.pair.attempts) == 1]
    sure = [m for m in single if RANK[m.pair.confidence] >= RANK[Confidence.HIGH]]
    for matches, enough in ((sure, 0), (single, CROSSING_PERCENT)):
        merged, split, crossing = _crossings(matches)
        if crossing and crossing * 100 >= enough * len(matches):
            widest = merged if len(merged) >= len(split) else split
            yield Observation(
                "connection-mapping",
                "shared",
                "One backend connection carried requests of {count} client connections."
                if widest is merged
                else "The requests of one client connection went over {count} backend connections.",
                (_count("count", len(widest)),),
                evidence(case.request_frames(widest)),
            )
            return
    if any(m.pair.group is not None for m in case.matches):
        yield from _by_numbers(case)
    elif not _crossings(single)[2]:
        fronts = {(m.pair.client.point, m.front.connection): m for m in single}
        if len(fronts) > 1:
            yield Observation(
                "connection-mapping",
                "one-to-one",
                "Each of {count} client connections has one backend connection of its own.",
                (_count("count", len(fronts)),),
                evidence(case.request_frames(fronts.values())),
            )


def _crossings(matches: Sequence[Match]) -> tuple[list[Match], list[Match], int]:
    """(a match for each client connection of the backend connection with most, a match for each backend connection of the client connection
    with most, how many matches are outside the pairing of connections that most matches agree on)."""
    fronts: dict[tuple[int, int], dict[tuple[int, int], Match]] = {}
    backs: dict[tuple[int, int], dict[tuple[int, int], Match]] = {}
    weight: Counter[tuple[tuple[int, int], tuple[int, int]]] = Counter()
    for m in matches:
        front, back = (m.pair.client.point, m.front.connection), (m.backend.point, m.back.connection)
        fronts.setdefault(front, {}).setdefault(back, m)
        backs.setdefault(back, {}).setdefault(front, m)
        weight[front, back] += 1
    of_front: dict[tuple[int, int], tuple[int, int]] = {}
    of_back: dict[tuple[int, int], tuple[int, int]] = {}
    for (front, back), _ in weight.most_common():
        if front not in of_front and back not in of_back:
            of_front[front], of_back[back] = back, front
    agreed = sum(weight[front, back] for front, back in of_front.items())
    merged = max(backs.values(), key=len, default={})
    split = max(fronts.values(), key=len, default={})
    return list(merged.values()), list(split.values()), len(matches) - agreed


def _by_numbers(case: Case) -> Iterator[Observation]:
    """The numbers of requests per connection: a proxy of byte streams has the same on both sides, whoever is paired with whom."""
    per_front = Counter((m.pair.client.point, m.front.connection) for m in case.matches)
    per_back = Counter((m.backend.point, m.back.connection) for m in case.matches)
    if _left_over(case):
        return
    if sorted(per_front.values()) != sorted(per_back.values()):
        yield Observation(
            "connection-mapping",
            "shared",
            "{fronts} client connections with at most {most_front} requests each, "
            "but {backs} backend connections with at most {most_back}.",
            (
                _count("fronts", len(per_front)),
                _count("most_front", max(per_front.values())),
                _count("backs", len(per_back)),
                _count("most_back", max(per_back.values())),
            ),
            evidence(case.request_frames(case.matches)),
        )
    elif len(per_front) > 1:
        yield Observation(
            "connection-mapping",
            "one-to-one",
            "As many connections with as many requests each on both sides ({count}).",
            (_count("count", len(per_front)),),
            evidence(case.request_frames(case.matches)),
        )


def _left_over(case: Case) -> bool:
    """True when something that could have a partner has none, or was captured in part only: then numbers per connection prove nothing."""
    if any(u.reason not in (UnpairedReason.HEALTH_CHECK, UnpairedReason.ANSWERED_BY_BALANCER) for u in case.correlation.unpaired):
        return True
    if len(case.matches) < len(case.correlation.pairs):
        return True
    connections = {id(c): c for m in case.matches for c in (m.front_connection, m.back_connection)}
    return any(c.already_open or c.from_client.missing or c.from_server.missing for c in connections.values())


def head_differences(case: Case) -> Iterator[Observation]:
    """Whether request and response heads are the same bytes on both sides.

    What a proxy does to heads it does to most of them; a head that differs here and there may be a wrong pair. Interchangeable
    pairs testify only when no head behind the balancer has the field names of any head in front of it."""
    alone = [m for m in case.distinct_matches if _whole(m)]
    if not alone:
        yield from _names_of_sets(case)
        return
    changed = [m for m in alone if _head(m.front.request) != _head(m.back.request) or (m.answered and _responses_differ(m))]
    if changed:
        yield Observation(
            "head-differences",
            "changed" if 2 * len(changed) >= len(alone) else "changed-in-some",
            "{count} of {of} exchanges have other heads behind the balancer than in front of it, for example {before} → {after}.",
            (_count("count", len(changed)), _count("of", len(alone)), *_example(changed[0])),
            evidence(case.request_frames(changed)),
        )
        return
    identical = [m for m in alone if m.answered and m.front.response is not None and m.back.response is not None]
    if identical:
        telling = [m for m in identical if _telling(m)]
        variant = "identical-hop-fields" if len(telling) >= ENOUGH_HEADS else "identical"
        yield Observation(
            "head-differences",
            variant,
            "Request and response heads are the same bytes on both sides in {count} of {count} exchanges"
            + (", fields of the hop and the HTTP version included." if variant == "identical-hop-fields" else "."),
            (_count("count", len(identical)),),
            evidence(case.request_frames(telling or identical)),
        )


def _whole(match: Match) -> bool:
    """True when no head of the pair is cut: what was cut is unknown, never equal and never different."""
    messages = (match.front.request, match.back.request, match.front.response, match.back.response)
    there = match.front.request is not None and match.back.request is not None
    return there and not any(m is not None and Mark.HEAD_TRUNCATED in m.marks for m in messages)


def _names_of_sets(case: Case) -> Iterator[Observation]:
    both = [m for m in case.matches if _whole(m)]
    fronts = {_names(m.front.request) for m in both}
    backs = {_names(m.back.request) for m in both}
    if both and not fronts & backs:
        yield Observation(
            "head-differences",
            "changed",
            "No request head behind the balancer ({after}, for example) has the field names of any in front of it ({before}), "
            "in {count} exchanges.",
            (_count("count", len(both)), Value("before", ", ".join(min(fronts))), Value("after", ", ".join(min(backs)))),
            evidence(case.request_frames(both)),
        )
    elif {_head(m.front.request) for m in both} == {_head(m.back.request) for m in both}:
        answered = [m for m in both if m.answered and m.front.response is not None and m.back.response is not None]
        if answered and {_head(m.front.response) for m in answered} == {_head(m.back.response) for m in answered}:
            yield Observation(
                "head-differences",
                "identical-hop-fields" if sum(map(_telling, answered)) >= ENOUGH_HEADS else "identical",
                "Both sides have the same request and response heads, byte for byte ({count} exchanges).",
                (_count("count", len(answered)),),
                evidence(case.request_frames(answered)),
            )


def _names(request: Request | None) -> tuple[str, ...]:
    return tuple(line.name for line in request.lines) if request is not None else ()


def _head(message: Request | Response | None) -> tuple[object, ...]:
    if message is None:
        return ()
    start: tuple[object, ...] = (
        (message.method, message.target, message.version)
        if isinstance(message, Request)
        else (message.status, message.reason, message.version)
    )
    return (*start, tuple(line.raw for line in message.lines))


def _responses_differ(match: Match) -> bool:
    both = match.front.response is not None and match.back.response is not None
    return both and _head(match.front.response) != _head(match.back.response)


def _telling(match: Match) -> bool:
    """True when the heads hold something an HTTP proxy would not have passed on: a field of the hop, or a response of HTTP/1.0."""
    messages = (match.front.request, match.front.response)
    hop = any(message is not None and any(field_lines(message, name) for name in HOP_FIELDS) for message in messages)
    response = match.front.response
    return hop or (response is not None and response.version == "HTTP/1.0")


def _example(match: Match) -> tuple[Value, Value]:
    """The first line that differs, on both sides."""
    for front, back in ((match.front.request, match.back.request), (match.back.response, match.front.response)):
        if front is None or back is None:
            continue
        before = [_start(front), *(line.raw for line in front.lines)]
        after = [_start(back), *(line.raw for line in back.lines)]
        gone = [line for line in before if line not in after]
        new = [line for line in after if line not in before]
        if gone or new:
            line = gone[0] if gone else new[0]
            mates = [n for n in new if _field(n) == _field(line)] if gone else [line]
            return Value("before", line if gone else "(no such line)"), Value("after", mates[0] if mates else "(no such line)")
    return Value("before", "one order of lines"), Value("after", "another")


def _field(line: str) -> str:
    return line.partition(":")[0].lower() if ":" in line else ""


def _start(message: Request | Response) -> str:
    if isinstance(message, Request):
        return f"{message.method} {message.target} {message.version}"
    return f"{message.version} {message.status} {message.reason}".rstrip()


def proxy_header(case: Case) -> Iterator[Observation]:
    """PROXY headers that only the backend side has."""
    if any(a.proxy for trace in case.clients for a in trace.applications):
        return
    frames: list[FrameRef] = []
    versions: set[int] = set()
    count = 0
    for trace in case.backends:
        for connection, application in zip(trace.connections, trace.applications, strict=True):
            if not application.proxy:
                continue
            count += 1
            versions.add(application.proxy[0].version)
            if len(frames) < FRAMES_PER_SIDE:
                frames.append(trace.ref(application.proxy[0].frame, connection.from_client.first_payload_ns or connection.first_ns))
    if frames:
        yield Observation(
            "proxy-header",
            "added",
            "{count} backend connections begin with a PROXY header of version {version}, no client connection does.",
            (_count("count", count), Value("version", " and ".join(str(v) for v in sorted(versions)))),
            evidence(frames),
        )


def byte_streams(case: Case) -> Iterator[Observation]:
    """Connections that carried the same bytes though their packets differ."""
    same = [c for c in case.connection_matches if c.pair.basis is ConnectionBasis.SAME_BYTES]
    if same:
        yield Observation(
            "byte-streams",
            "same",
            "{count} pairs of connections carried the same bytes.",
            (_count("count", len(same)),),
            evidence(case.connection_frames(same)),
        )


def tls(case: Case) -> Iterator[Observation]:
    """What became of TLS."""
    hello = [c for c in case.connection_matches if c.pair.basis is ConnectionBasis.TLS_CLIENT_HELLO]
    if hello:
        yield Observation(
            "tls",
            "passed",
            "{count} pairs of connections carry the same TLS ClientHello: the balancer passes TLS on.",
            (_count("count", len(hello)),),
            evidence(case.connection_frames(hello)),
        )
        return
    removed, renewed = [], []
    for c in case.connection_matches:
        front = case.clients[c.pair.client.point].applications[c.front.id]
        back = case.backends[c.pair.backend.point].applications[c.back.id]
        if front.protocol is Protocol.TLS and back.protocol in (Protocol.HTTP1, Protocol.HTTP2, Protocol.OTHER):
            removed.append(c)
        elif front.tls is not None and back.tls is not None and front.tls.random != back.tls.random:
            renewed.append(c)
    for variant, matches, statement in (
        ("removed", removed, "{count} connections are encrypted in front of the balancer and plain behind it."),
        ("renewed", renewed, "{count} pairs of connections are encrypted on both sides with different ClientHellos."),
    ):
        if matches:
            yield _tls(case, variant, matches, statement)


def _tls(case: Case, variant: str, matches: list[ConnectionMatch], statement: str) -> Observation:
    return Observation("tls", variant, statement, (_count("count", len(matches)),), evidence(case.connection_frames(matches)))


def server_name(case: Case) -> Iterator[Observation]:
    """Without any pair, because the client side is encrypted: the server name that clients ask for in TLS is the Host of plain
    requests behind.

    Then TLS ends between the captures. Forwarding fields in those requests are written by who reads HTTP; a client in TLS
    hardly sends them."""
    if case.matches or case.connection_matches:
        return
    asked: dict[str, FrameRef] = {}
    for trace in case.clients:
        for connection, application in zip(trace.connections, trace.applications, strict=True):
            name = application.tls.server_name if application.tls is not None else None
            if name and application.tls is not None:
                asked.setdefault(
                    name.lower(), trace.ref(application.tls.frame, connection.from_client.first_payload_ns or connection.first_ns)
                )
    plain = [
        (Ref(point, e.id), e.request)
        for point, trace in enumerate(case.backends)
        for e in trace.exchanges
        if e.request is not None and Ref(point, e.id) not in case.check_exchanges
    ]
    same = [(ref, request) for ref, request in plain if (field_value(request, "Host") or "").lower().partition(":")[0] in asked]
    if not asked or not same:
        return
    host = (field_value(same[0][1], "Host") or "").lower().partition(":")[0]
    frames = [asked[host], *(case.request_frame(Side.BACKEND, ref) for ref, _ in same[:5])]
    yield Observation(
        "tls",
        "removed",
        "Clients ask for {host} in TLS, and {count} plain requests on the backend side are for that host.",
        (Value("host", host), _count("count", len(same))),
        evidence(frames),
    )
    https = [ref for ref, request in same if (field_value(request, "X-Forwarded-Proto") or "").lower() == "https"]
    client = [ref for ref, request in same if any(field_lines(request, name) for name in FORWARDING)]
    if https or len(client) == len(same):
        yield Observation(
            "forwarding-fields",
            "state-https" if https else "state-client",
            "{count} of these requests state https in X-Forwarded-Proto."
            if https
            else "All {count} of these requests state a client or a proxy.",
            (_count("count", len(https or client)),),
            evidence(case.request_frame(Side.BACKEND, ref) for ref in (https or client)[:5]),
        )


def own_answers(case: Case) -> Iterator[Observation]:
    """Requests the balancer answered itself. An uncaptured backend would look the same, so this never decides alone."""
    own = [
        u.ref
        for u in case.correlation.unpaired
        if u.side == Side.CLIENT and u.reason is UnpairedReason.ANSWERED_BY_BALANCER and u.confidence.value in ("certain", "high")
    ]
    if own and case.matches:
        yield Observation(
            "own-answers",
            "some",
            "{count} requests were answered without a backend exchange.",
            (_count("count", len(own)),),
            evidence(case.response_frame(Side.CLIENT, ref) for ref in own[:5]),
        )


def attempts(case: Case) -> Iterator[Observation]:
    """Requests that were sent to a backend more than once."""
    several = [m for m in case.distinct_matches if len(m.pair.attempts) > 1]
    if several:
        frames = []
        for m in several[:2]:
            frames.append(case.request_frame(Side.CLIENT, m.pair.client))
            frames += [case.request_frame(Side.BACKEND, a.backend) for a in m.pair.attempts[:2]]
        yield Observation(
            "attempts",
            "several",
            "{count} requests were sent to a backend more than once.",
            (_count("count", len(several)),),
            evidence(frames),
        )


WITNESSES: tuple[Callable[[Case], Iterator[Observation]], ...] = (
    isn,
    syn_options,
    addresses,
    direct_return,
    connection_mapping,
    head_differences,
    proxy_header,
    byte_streams,
    tls,
    server_name,
    own_answers,
    attempts,
)
