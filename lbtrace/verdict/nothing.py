"""No pairs: unrelated captures, or not enough captured to tell. What was looked for is said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lbtrace.comparison import Comparison, Pairs
from lbtrace.http_fields import USER_AGENT, VIA
from lbtrace.http_fields.addresses import is_loopback, is_public
from lbtrace.language import N
from lbtrace.language.plurals import noun
from lbtrace.match.exchange_times import body_keys
from lbtrace.model.http import MIN_SERVER_ERROR, Protocol
from lbtrace.model.net import Side
from lbtrace.model.pairing import (
    Clock,
    ClockRefusal,
    Confidence,
    ConnectionBasis,
    Tier,
    UnpairedReason,
)
from lbtrace.model.report import Kind
from lbtrace.model.trace import Trace
from lbtrace.tables.columns import Column, among, distinct, first_met
from lbtrace.tables.digest_numbers import NO_DIGEST
from lbtrace.tables.pairs import PairTable
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.words import joint
from lbtrace.verdict.dates import same_moments
from lbtrace.verdict.unrelated import apart_by_own_clocks, why_not
from lbtrace.verdict.weigh import Judgement, undecided

# what a web server speaks with an application server, as the reader names it
GATEWAYS = {"fastcgi": "FastCGI", "uwsgi": "uwsgi", "scgi": "SCGI", "ajp": "AJP"}
LOOKED_FOR = (
    "equal sequence numbers, stated client addresses, shared rare values in heads and bodies, "
    "equal requests and responses, and nesting in time"
)


ALL_OWN = N("As far as it shows, the balancer answered every request itself.")
ENOUGH_PAIRS = 3  # of MEDIUM confidence; fewer may be chance
ENOUGH_TELLING = 2  # with the same target of some length and the same body
TELLING_TARGET = 4  # bytes
CONTRADICTING_PERCENT = (
    40  # of the pairs between two points; a client that left early, say, accounts for some
)
ENOUGH_PERCENT = 10  # of the requests of the smaller side
OWN = UnpairedReason.ANSWERED_BY_BALANCER
SHOWN_BY = (
    ConnectionBasis.SAME_PACKETS,
    ConnectionBasis.STATED_ADDRESS,
    ConnectionBasis.TLS_CLIENT_HELLO,
    ConnectionBasis.SAME_BYTES,
)


def belong_together(comparison: Comparison) -> bool:
    """Whether the pairs show that both captures are of the same traffic, or may be a few likenesses
    between unrelated ones.

    Shown by connections that are paired by more than their exchanges, by a clock that several pairs
    agree on, or by enough pairs that more than shape supports, as a share of what could have been
    paired.
    """
    matches = comparison.pairs
    if (
        comparison.connection_pairs.by(*SHOWN_BY).any()
        or (matches.tier <= Tier.STATED_ADDRESS).any()
    ):
        return True
    if any(_contradicted(clock) for clock in comparison.correlation.clocks):
        return False
    if not at_one_time(comparison):
        return False
    possible = min(
        _together(comparison, Side.CLIENT, matches.client),
        _together(comparison, Side.BACKEND, matches.backend),
    )
    if len(matches) * 100 < ENOUGH_PERCENT * possible:
        return False
    everyone = len(matches) == possible
    if matches and (_names_clients(comparison, everyone) or one_proxy(comparison, everyone)):
        return True
    are_telling = is_telling(comparison, matches)
    telling = int(are_telling.sum())
    if telling >= ENOUGH_TELLING and 2 * telling >= possible:
        return True
    clocked = any(
        not clock.refused and clock.pairs >= ENOUGH_PAIRS for clock in comparison.correlation.clocks
    )
    # time proves nothing here: with the clocks free, one exchange fits inside any other that is
    # longer
    by_token = matches.tier <= Tier.RARE_TOKEN
    supported = int((by_token & ((matches.rank >= Confidence.HIGH.rank) | are_telling)).sum())
    tokens = int(by_token.sum())
    if tokens >= ENOUGH_TELLING and 2 * tokens >= possible:
        return True
    return (
        clocked
        or supported >= min(ENOUGH_PAIRS, possible)
        or (not matches and bool(comparison.connection_pairs))
    )


def at_one_time(comparison: Comparison) -> bool:
    """Whether the captures may show the same moments: they overlap by their own clocks, some pair
    shares a value that is rare, or the answers name one moment on both sides. Requests that only
    look alike, an address and a name are those of a place, on any day.
    """
    alike = not (comparison.all_pairs.tier <= Tier.RARE_TOKEN).any()
    return not (alike and apart_by_own_clocks(comparison)) or same_moments(comparison)


def _names_clients(comparison: Comparison, everyone: bool) -> bool:
    """Whether the balancer names a captured client by its own address in all of its requests. Many
    networks share private addresses; those count where `everyone` on one side has a partner.
    """
    return any(
        m.client == m.seen_as
        and m.stated_by is not None
        and m.count == m.of
        and (everyone or is_public(m.client))
        for m in comparison.correlation.topology.mappings
    )


def one_proxy(comparison: Comparison, everyone: bool) -> bool:
    """Whether the clients ask the very host whose requests the backends get, or one that names
    itself alike in both. Many networks share private addresses, and many proxies a name; those
    count where `everyone` on one side has a partner. A loopback address is each machine's own.
    """
    if everyone and _one_name(comparison):
        return True
    client, backend = comparison.sides
    asked = distinct(client.server_address[client.connection[client.requests.there]])
    asks = distinct(backend.client_address[backend.connection[backend.requests.there]])
    if len(asked) != 1 or len(asks) != 1 or asked[0] != asks[0]:
        return False
    address = client.words.text_list[int(asked[0])]
    return is_public(address) or (everyone and not is_loopback(address))


def _one_name(comparison: Comparison) -> bool:
    """Whether a proxy writes one name into the backends' requests and into the clients' answers
    (RFC 9110 §7.6.3), which no client sends and no backend answers.
    """
    client, backend = comparison.sides
    words = client.words
    said = [
        set(words.value_of[lines[words.fields_named(VIA.__eq__)[lines]]].tolist())
        for lines in (
            messages.heads.line
            for messages in (backend.requests, client.responses, client.requests, backend.responses)
        )
    ]
    return bool((said[0] & said[1]) - said[2] - said[3])


def _together(comparison: Comparison, side: Side, paired: Column) -> int:
    """How many exchanges of a side are paired or could have had a partner."""
    return len(distinct(np.concatenate((paired, unpaired(comparison, side)))))


def _contradicted(clock: Clock) -> bool:
    """Whether so many pairs contradict each other's times that there is no clock: one script that
    ran twice looks like that. A clock that was set explains all of them.
    """
    many = (
        clock.pairs >= ENOUGH_PAIRS and 100 * clock.outliers >= CONTRADICTING_PERCENT * clock.pairs
    )
    return many and clock.refused not in (None, ClockRefusal.CLOCK_SET)


def taken_on_balancer(comparison: Comparison) -> str:
    """Why a backend capture that holds the client's own connections was taken on the balancer, ""
    when nothing says so.

    Then it also holds connections to other servers with the same requests: what the balancer made
    of them.
    """
    backend, pairs = comparison.sides[1], comparison.connection_pairs
    own = distinct(pairs.backend[comparison.same_endpoints(pairs.client, pairs.backend)])
    server_of = backend.servers
    is_own = among(backend.connection, own) & backend.requests.there
    is_onward = ~is_own & ~among(server_of, server_of[own])[backend.connection]
    is_onward &= ~comparison.check_connections[backend.connection] & backend.requests.there
    text = backend.words.text_list
    asked, onward = (
        {text[i].rpartition("/")[2] for i in distinct(backend.requests.start[rows]).tolist()}
        for rows in (is_own, is_onward)
    )
    targets = [
        str(backend.endpoint(server))
        for server in distinct(server_of[backend.connection[is_onward]]).tolist()
    ]
    if not asked & onward:
        return ""
    return (
        "The backend capture holds the client's own connections, and the same requests on "
        "connections to "
        f"{', '.join(sorted(targets)[:3])}: it seems to have been taken on the balancer, not "
        "behind it."
    )


def mostly_elsewhere(comparison: Comparison) -> str:
    """Why connections that reach the backend unchanged say little, "" when they do not: most
    requests went to other servers, and may have gone through a balancer there.
    """
    client = comparison.sides[0]
    server_of = client.servers
    to = among(server_of, server_of[comparison.connection_pairs.client])[
        client.connection[client.requests.there]
    ]
    others = int((~to).sum())
    if 2 * others <= len(to):
        return ""
    return (
        f"Some connections reach the backend unchanged, but {others} of {len(to)} requests "
        "went to other servers: perhaps a balancer."
    )


def is_telling(comparison: Comparison, matches: Pairs) -> Column:
    """Which requests and responses say more than any request for "/" would: a target of some
    length, kept at its end, and the same body.
    """
    (client, backend), text = comparison.sides, comparison.sides[0].words.text_list
    r, s = client.responses, backend.responses
    content = body_keys(r)[matches.client]
    same = _same_request(comparison, matches) & (content > 0)
    same &= content == body_keys(s)[matches.backend]
    target = client.requests.start[matches.client]
    long = np.zeros(len(text), bool)
    for i in distinct(target[same]).tolist():
        long[i] = len(text[i]) >= TELLING_TARGET
    telling: Column = same & long[target]
    return telling


def _same_request(comparison: Comparison, matches: Pairs) -> Column:
    """Which have all four messages, the same method, and a target that ends alike."""
    (client, backend), text = comparison.sides, comparison.sides[0].words.text_list
    fronts, backs = matches.client, matches.backend
    q, p, r, s = client.requests, backend.requests, client.responses, backend.responses
    same = (
        q.there[fronts]
        & p.there[backs]
        & r.there[fronts]
        & s.there[backs]
        & (client.method[fronts] == backend.method[backs])
    )
    rows = np.flatnonzero(same)
    first, which = first_met(joint(q.start[fronts[rows]], p.start[backs[rows]]))
    targets = zip(
        q.start[fronts[rows[first]]].tolist(), p.start[backs[rows[first]]].tolist(), strict=True
    )
    kept = [a == b or text[b].endswith(text[a].rpartition("/")[2] or text[a]) for a, b in targets]
    same[rows] = np.array(kept, bool)[which]
    alike: Column = same
    return alike


def as_a_set(comparison: Comparison) -> Comparison:
    """Pairs of LOW confidence, when nine of ten client exchanges have one and request and response
    are the same on both sides, testify as one set. So they do when nine of ten backend exchanges
    have one, and each names the software of its client: then others were answered in front.

    Nothing is known of who is whose, but much of all of them: the result holds them as MEDIUM and
    interchangeable. Otherwise it holds no pair.
    """
    # those that count as knowledge stand first, as where pairs are shown
    matches = comparison.all_pairs.where(
        np.argsort(comparison.all_pairs.rank == Confidence.LOW.rank, kind="stable")
    )
    agree = _agree(comparison, matches)
    telling, agreeing = int(is_telling(comparison, matches).sum()), int(agree.sum())
    own = [
        u.ref
        for u in comparison.correlation.unpaired
        if u.reason is OWN and u.side == Side.CLIENT and u.confidence is not Confidence.LOW
    ]
    alone = unpaired(comparison, Side.CLIENT)
    without = alone[~among(alone, comparison.numbers(Side.CLIENT, own))]
    fronts = len(distinct(np.concatenate((matches.client, without))))
    if _same_software(comparison, matches):  # no health checks: a cache may have answered the rest
        fronts = min(fronts, _together(comparison, Side.BACKEND, matches.backend))
    possible = not any(_contradicted(clock) for clock in comparison.correlation.clocks)
    possible = possible and at_one_time(comparison)
    enough = (
        possible
        and (
            (telling >= ENOUGH_PAIRS and 2 * telling >= agreeing)
            or one_proxy(comparison, everyone=agreeing == fronts)
        )
        and 10 * agreeing >= 9 * fronts
    )
    pairs = PairTable.of(comparison.correlation.pairs).taken(
        matches.place[agree] if enough else np.zeros(0, np.int64)
    )
    as_one = np.full(len(pairs), Confidence.MEDIUM.rank, np.uint8)
    pairs = pairs.with_columns(confidence=as_one, group=np.maximum(pairs.group, 0))
    return comparison.with_correlation(replace(comparison.correlation, pairs=pairs))


def _same_software(comparison: Comparison, matches: Pairs) -> bool:
    """Whether the requests on both sides of every match name the same software (User-Agent)."""
    client, backend = comparison.sides
    mine = client.requests.value_of(client.words, USER_AGENT)[matches.client]
    theirs = backend.requests.value_of(client.words, USER_AGENT)[matches.backend]
    return bool(((mine >= 0) & (mine == theirs)).all())


def _agree(comparison: Comparison, matches: Pairs) -> Column:
    """Where nothing in request and response speaks against the pair: the same method, end of the
    target, status and body, be it an empty one.
    """
    r, s = comparison.sides[0].responses, comparison.sides[1].responses
    alike = [
        getattr(r, name)[matches.client] == getattr(s, name)[matches.backend]
        for name in ("start", "digest")
    ]
    agree: Column = _same_request(comparison, matches) & alike[0] & alike[1]
    return agree


def unpaired(comparison: Comparison, side: Side) -> Column:
    """The exchanges of a side (their numbers) that could have had a partner."""
    without = (UnpairedReason.HEALTH_CHECK, UnpairedReason.OUTSIDE_OTHER_CAPTURE)
    return comparison.numbers(
        side,
        [
            u.ref
            for u in comparison.correlation.unpaired
            if u.side == side and u.reason not in without
        ],
    )


def without_pairs(comparison: Comparison) -> Judgement:
    """UNRELATED, or the first reason why the captures cannot tell."""
    for reason in (
        _no_connection,
        _no_overlap,
        _no_request,
        _cut,
        _likenesses,
        _not_shown,
        _lacking,
        _hidden,
    ):
        why = reason(comparison)
        if why:
            return undecided(Kind.INCONCLUSIVE, why)
    return Judgement(
        Kind.UNRELATED,
        Confidence.MEDIUM,
        f"{_numbers(comparison)}, and no target (but perhaps /) or body is on both sides. Looked "
        f"for: {LOOKED_FOR}.",
    )


def _requests(comparison: Comparison) -> tuple[int, int]:
    """How many requests of clients each side holds."""
    client, backend = comparison.sides
    checks = int(comparison.check_exchanges.sum())
    return int(client.requests.there.sum()), int(backend.requests.there.sum()) - checks


def _numbers(comparison: Comparison) -> str:
    front, back = _requests(comparison)
    return f"No client request (of {front}) could be paired with a backend request (of {back})"


def _no_connection(comparison: Comparison) -> str:
    """A side without any connection."""
    if not any(len(t.connections) for t in comparison.clients):
        return N("The client capture holds no TCP connection.")
    if any(len(t.connections) for t in comparison.backends):
        return ""
    if comparison.one_capture:
        return N(
            "The capture holds no connection that the balancer opened: it sent nothing on, or a "
            "filter left that out."
        )
    if not comparison.sides[0].responses.there.any():
        return N("The backend capture holds no TCP connection.")
    return N(
        "The backend capture holds no TCP connection: if it ran all the time, and there is no "
        "other backend, the balancer itself answered every request."
    )


def _no_overlap(comparison: Comparison) -> str:
    """Captures that did not run at the same time."""
    reasons = {u.reason for u in comparison.correlation.unpaired}
    reasons.discard(UnpairedReason.HEALTH_CHECK)
    if reasons != {UnpairedReason.OUTSIDE_OTHER_CAPTURE}:
        return ""
    return N("The two captures do not overlap in time, so no exchange can be on both.")


def _no_request(comparison: Comparison) -> str:
    """A side without a request of a client."""
    front, back = _requests(comparison)
    if not front:
        return _silent(comparison, front=True)
    if back:
        return ""
    said = (
        N("The backend capture holds no request of a client, only health checks.")
        if comparison.check_exchanges.any()
        else N("The backend capture holds no request of a client.")
    )
    if all_own(comparison):
        said = f"{said} {ALL_OWN}"
    return f"{said} {_silent(comparison, front=False)}".rstrip()


def all_own(comparison: Comparison) -> bool:
    """Whether the balancer answered every captured request itself and well, as far as a capture
    shows that ran behind it meanwhile.
    """
    client = comparison.sides[0]
    own = comparison.numbers(
        Side.CLIENT,
        [
            u.ref
            for u in comparison.correlation.unpaired
            if u.reason is OWN and u.side == Side.CLIENT
        ],
    )
    every = 0 < int(client.requests.there.sum()) == len(own)
    return every and bool((client.responses.start[own] < MIN_SERVER_ERROR).all())


def _cut(comparison: Comparison) -> str:
    """Packets without their end."""
    if not any(trace.packets.truncated for trace in (*comparison.clients, *comparison.backends)):
        return ""
    return (
        f"{_numbers(comparison)}; packets were cut by the snapshot length, so too little of them "
        "is known."
    )


def _likenesses(comparison: Comparison) -> str:
    """Requests that may be on both sides."""
    alike, front, back = _alike(comparison), *_requests(comparison)
    if not comparison.correlation.pairs:
        if not alike:
            return ""
        return f"{_numbers(comparison)}, though both sides have requests like {alike}."
    if front == back == 1:
        return N(
            "Too little tells whether the only request behind is the client's, though both are "
            "alike."
        )
    though = f"though both sides have requests like {alike or 'some of them'}."
    if back == 1:
        return (
            f"Too little tells to which of {front} client requests the only backend request "
            f"belongs, {though}"
        )
    if front == 1:
        return (
            f"Too little tells which of {back} backend requests belongs to the only client "
            f"request, {though}"
        )
    return (
        f"Too little tells which of {back} backend requests belong to which of {front} client "
        f"requests, {though}"
    )


def _not_shown(comparison: Comparison) -> str:
    """Nothing speaks against it that the captures belong together."""
    why = why_not(comparison)
    return f"{_numbers(comparison)}. {why}" if why else ""


def _lacking(comparison: Comparison) -> str:
    """Requests whose answer is there, and which are not."""
    if all(table.requests.there.all() for table in comparison.sides):
        return ""
    return f"{_numbers(comparison)}; but a capture lacks requests that were answered in it."


def _hidden(comparison: Comparison) -> str:
    """Connections that may carry what the other side shows."""
    encrypted = _encrypted(comparison.clients) or _encrypted(comparison.backends)
    if not encrypted:
        return ""
    return (
        f"{_numbers(comparison)}; but TLS hides what {encrypted} {noun(encrypted, 'connection')} "
        "of a side carried, and that may be what the other side shows."
    )


def _alike(comparison: Comparison) -> str:
    """A request that may be on both sides, "" when there is none.

    Either a body is on both sides, or the last two parts of a path (a prefix may have been
    rewritten, a query reordered), or the whole of a target (a balancer may have written into the
    responses), or method and last part agree and the content of the responses does not speak
    against it.
    """
    client, backend = comparison.sides
    front, back = _contents(client), _contents(backend)
    bodies = {d for digests in front.values() for d in digests} & {
        d for digests in back.values() for d in digests
    } - {NO_DIGEST}
    for key in sorted(front):
        if front[key] & bodies:
            return f"{key[0]} …/{key[1]}"
    shared = _long_ends(client) & _long_ends(backend)
    if shared:
        return f"…/{min(shared)}"
    whole = _targets(client) & _targets(backend)
    if whole:
        return " ".join(min(whole))
    for key in sorted(front.keys() & back.keys()):
        if NO_DIGEST in front[key] or NO_DIGEST in back[key]:
            return f"{key[0]} …/{key[1]}"
    return ""


def _long_ends(table: SideTable) -> set[str]:
    """The last two parts of the paths that have two: long enough not to be alike by chance,
    whatever the content.
    """
    text = table.words.text_list
    paths = (
        text[i].partition("?")[0]
        for i in distinct(table.requests.start[table.requests.there]).tolist()
    )
    found = ("/".join(path.split("/")[-2:]) for path in paths if path.count("/") > 1)
    return {end for end in found if len(end) >= TELLING_TARGET}


def _targets(table: SideTable) -> set[tuple[str, str]]:
    """Methods with the targets they were sent with, bare "/" left out: anybody asks for that."""
    q, text = table.requests, table.words.text_list
    asked = set(zip(table.method[q.there].tolist(), q.start[q.there].tolist(), strict=True))
    return {(text[method], text[target]) for method, target in asked if text[target] != "/"}


def _contents(table: SideTable) -> dict[tuple[str, str], set[int]]:
    """(method, last part of the path) → digests of the responses' content (their numbers),
    NO_DIGEST for one that is not known.
    """
    q, r, text = table.requests, table.responses, table.words.text_list
    content = np.where(
        r.there & (r.length > 0), np.where(r.content_digest > 0, r.content_digest, r.digest), 0
    )
    found: dict[tuple[str, str], set[int]] = {}
    for method, target, digest in set(
        zip(*(column[q.there].tolist() for column in (table.method, q.start, content)), strict=True)
    ):
        last = text[target].partition("?")[0].rpartition("/")[2]
        found.setdefault((text[method], last), set()).add(digest)
    return found


def _encrypted(traces: Sequence[Trace]) -> int:
    return sum(a.hidden for t in traces for a in t.applications)


def _silent(comparison: Comparison, front: bool) -> str:
    traces = comparison.clients if front else comparison.backends
    encrypted, side = _encrypted(traces), "client" if front else "backend"
    spoken = [a for t in traces for a in t.applications if a.protocol is Protocol.TLS]
    if spoken and not encrypted:
        number = f"{len(spoken)} {noun(len(spoken), 'connection')}"
        if all(a.fatal_alert for a in spoken):
            return f"The TLS handshakes of {number} on the {side} side ended in an alert."
        return f"Nothing was asked on {number} with TLS on the {side} side."
    if encrypted:
        number = f"{encrypted} {noun(encrypted, 'connection')}"
        return (
            f"TLS hides the exchanges of {number} on the {side} side; no connection "
            "corresponds either."
        )
    if front:
        return f"No HTTP request was found in the client capture. Looked for: {LOOKED_FOR}."
    names = Counter(a.name for t in traces for a in t.applications if a.name in GATEWAYS)
    return " ".join(
        f"{GATEWAYS[name]}, which lbtrace does not read, is spoken on {count} "
        f"{noun(count, 'connection')} of it."
        for name, count in names.most_common()
    )
