"""A Report against the ground truth: every place where they disagree, in words.

In: `lbtrace.compare`'s Report and `truth.json`. Out: a list of Disagreements, empty when lbtrace
was right. An exchange is named by its connection and its place on it. A request of the ground truth
whose exchange is not in the capture (cut short, encrypted) cannot be judged and is left out. What
lbtrace calls unknown, interchangeable or of low confidence is no claim, so it cannot be wrong; it
is counted as unsure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from lbtrace.lab.ground_truth import GroundTruth, TrueAttempt, TrueRequest
from lbtrace.model.pairing import AttemptOutcome, Confidence, ExchangePair, Ref, UnpairedReason
from lbtrace.model.report import Kind, Report
from lbtrace.model.trace import Trace
from lbtrace.tables.exchanges import by_connection

# how far a log's time may be from the packet's when places on a connection cannot be compared
NEAR_NS = 60_000_000
# two captures on one machine are stamped by one clock, each to the microsecond
STAMPED_NS = 2_000


class Disagreement(NamedTuple):
    """`what` names the kind: "wrong-pair", "missed-pair", "invented-pair", "wrong-reason", …"""

    what: str
    detail: str


@dataclass
class Agreement:
    """The judgement of one recorded pair. `right` and `unsure` count requests; `disagreements` say
    what is wrong.
    """

    right: int = 0
    unsure: int = 0
    outside: int = 0
    disagreements: list[Disagreement] = field(default_factory=list)

    def summary(self) -> str:
        """One line for people."""
        total = self.right + self.unsure
        if self.disagreements:
            first = self.disagreements[0]
            return (
                f"{len(self.disagreements)} disagreements with this report; the first: "
                f"{first.what}: {first.detail}"
            )
        unsure = f", {self.unsure} declared undecidable" if self.unsure else ""
        return (
            f"agree with this report ({self.right} of {total} requests traced to what they "
            f"caused{unsure})."
        )

    def wrong(self, what: str, detail: str) -> None:
        """Note one disagreement."""
        self.disagreements.append(Disagreement(what, detail))


def agree(report: Report, truth: GroundTruth) -> Agreement:
    """Compare everything that the ground truth states with the report."""
    result = Agreement()
    clients = [ExchangeIndex(trace) for trace in report.clients]
    backends = [ExchangeIndex(trace) for trace in report.backends]
    requests = located_requests(clients[0], truth)
    attempts = located_attempts(backends, truth)
    _verdict(report, truth, result)
    if not truth.tls or any(trace.exchanges for trace in report.clients):
        _pairs(report, truth, requests, attempts, result)
        _others(report, truth, attempts, result)
    _checks(report, truth, backends, result)
    _syns(report, truth, result)
    _clock(report, truth, result)
    return result


class ExchangeIndex:
    """The exchanges of one trace by connection: (client, server) → their ids, in the order of the
    requests.

    That is not the order of the frames: the first frame of a request that was lost is that of its
    response.
    """

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.by_ends: dict[tuple[str, str], list[int]] = defaultdict(list)
        for exchange in sorted(trace.exchanges, key=lambda e: (e.connection, e.ordinal)):
            connection = trace.connections[exchange.connection]
            self.by_ends[(str(connection.client), str(connection.server))].append(exchange.id)

    def locate(self, ends: tuple[str, str], logged: list[tuple[int, str]]) -> list[int | None]:
        """The exchange of each logged request (time, target) of a connection, in order. The place
        on the connection decides if the capture has all of them; else the time.
        """
        ids = self.by_ends.get(ends, [])
        if len(ids) == len(logged):
            return list(ids)
        found: list[int | None] = [None] * len(logged)
        ids = [
            i for i in ids if self.trace.exchanges[i].request is not None
        ]  # a response alone does not say what was asked
        seen = [(self.began(i), self.target(i)) for i in ids]
        for here, there in align(seen, logged):
            if distance(seen[here], logged[there]) < NEAR_NS:
                found[there] = ids[here]
        return found

    def target(self, id_: int) -> str:
        """The target of an exchange; "" when the capture does not show it."""
        request = self.trace.exchanges[id_].request
        return request.target if request else ""

    def began(self, id_: int) -> int:
        """When an exchange began, ns."""
        exchange = self.trace.exchanges[id_]
        message = exchange.request or exchange.response
        return message.first_ns if message else 0


def distance(a: tuple[int, str], b: tuple[int, str]) -> int:
    """How much two (time, target) differ, in ns. The balancer may have removed a prefix from the
    target.
    """
    alike = not a[1] or not b[1] or a[1].endswith(b[1]) or b[1].endswith(a[1])
    return abs(a[0] - b[0]) + (0 if alike else NEAR_NS)


def align(first: list[tuple[int, str]], second: list[tuple[int, str]]) -> list[tuple[int, int]]:
    """Align two lists in order of time → pairs of places. The order is kept, every place of the
    shorter list is used, and the sum of distances is minimal.
    """
    if len(first) > len(second):
        return [(b, a) for a, b in align(second, first)]
    far = 1 << 100
    cost = [[0] * (len(second) + 1)] + [[far] * (len(second) + 1) for _ in first]
    for i, item in enumerate(first, 1):
        for j in range(i, len(second) + 1):
            cost[i][j] = min(cost[i][j - 1], cost[i - 1][j - 1] + distance(item, second[j - 1]))
    pairs = []
    i, j = len(first), len(second)
    while i:
        if cost[i][j] == cost[i][j - 1]:
            j -= 1
        else:
            i, j = i - 1, j - 1
            pairs.append((i, j))
    return pairs[::-1]


def located_requests(index: ExchangeIndex, truth: GroundTruth) -> dict[int, int | None]:
    """The place of each true request → the id of its exchange, None when it is not captured."""
    groups: dict[tuple[str, str], list[tuple[int, TrueRequest]]] = defaultdict(list)
    for number, request in enumerate(truth.requests):
        groups[(request.client, request.server)].append((number, request))
    found: dict[int, int | None] = {}
    for ends, group in groups.items():
        group.sort(key=lambda item: item[1].ordinal)
        ids = index.locate(ends, [(request.time_ns, request.target) for _, request in group])
        found.update({number: id_ for (number, _), id_ in zip(group, ids, strict=True)})
    return found


def located_attempts(
    backends: list[ExchangeIndex], truth: GroundTruth
) -> dict[TrueAttempt, Ref | None]:
    """Each true attempt, and each of a client that was not captured → where its exchange is."""
    attempts = [
        *((a, r.target) for r in truth.requests for a in r.attempts),
        *((a, "") for a in truth.others),
    ]
    groups: dict[tuple[int, str, str], list[tuple[TrueAttempt, str]]] = defaultdict(list)
    for attempt, target in attempts:
        groups[(attempt.point, attempt.client, attempt.server)].append((attempt, target))
    found: dict[TrueAttempt, Ref | None] = {}
    for (point, client, server), group in groups.items():
        group.sort(key=lambda item: item[0].ordinal)
        logged = [(a.time_ns, target) for a, target in group]
        ids = (
            backends[point].locate((client, server), logged)
            if point < len(backends)
            else [None] * len(group)
        )
        found.update(
            {
                a: None if id_ is None else Ref(point, id_)
                for (a, _), id_ in zip(group, ids, strict=True)
            }
        )
    return found


def _verdict(report: Report, truth: GroundTruth, result: Agreement) -> None:
    kind = report.verdict.kind
    if kind.value != truth.kind and kind not in (Kind.AMBIGUOUS, Kind.INCONCLUSIVE):
        result.wrong(
            "verdict",
            f"lbtrace says {kind.value} ({report.verdict.confidence.value}), it is {truth.kind}",
        )
    elif kind.value != truth.kind:
        result.wrong("verdict-unsure", f"lbtrace says {kind.value}, it is {truth.kind}")


def _pairs(
    report: Report,
    truth: GroundTruth,
    requests: dict[int, int | None],
    attempts: dict[TrueAttempt, Ref | None],
    result: Agreement,
) -> None:
    by_client = {p.client.id: p for p in report.correlation.pairs}
    groups = interchangeable(report.correlation.pairs)
    reasons = {u.ref.id: u for u in report.correlation.unpaired if u.side == "client"}
    for index, request in enumerate(truth.requests):
        id_ = requests[index]
        located = {attempts[a] for a in request.attempts}
        if id_ is None or None in located:
            result.outside += 1
            continue
        wanted = {ref for ref in located if ref is not None}
        name = (
            f"{request.method} {request.target} ({request.client} #{request.ordinal}, client "
            f"exchange {id_})"
        )
        pair = by_client.get(id_)
        if pair is None:
            unpaired = reasons.get(id_)
            _judge_unpaired(name, request, wanted, unpaired.reason if unpaired else None, result)
            continue
        got = {a.backend for a in pair.attempts}
        extra_failed = {
            a.backend
            for a in pair.attempts
            if a.outcome in (AttemptOutcome.RESET, AttemptOutcome.CLOSED)
        } - wanted
        if got == wanted or got - extra_failed == wanted:
            result.right += 1
            _copies(name, pair, {attempts[a] for a in request.attempts if a.copy}, result)
        elif pair.confidence is Confidence.LOW or (
            pair.group is not None and wanted <= groups[pair.group]
        ):
            result.unsure += 1
        else:
            what = (
                "wrong-pair"
                if wanted and got - wanted
                else "invented-pair"
                if not wanted
                else "incomplete-pair"
            )
            tier = f"tier {pair.tier.name}, {pair.confidence.value}, group {pair.group}"
            result.wrong(
                what, f"{name}: lbtrace says {_refs(got)} ({tier}), it was {_refs(wanted)}"
            )


def _copies(name: str, pair: ExchangePair, copies: set[Ref | None], result: Agreement) -> None:
    """Nobody gets what a copy is answered, and nothing else is a copy."""
    for attempt in pair.attempts:
        said = attempt.outcome
        is_copy = attempt.backend in copies
        if (is_copy and said is AttemptOutcome.ANSWERED) or (
            not is_copy and said is AttemptOutcome.COPY
        ):
            detail = f"{name}: lbtrace says {said.value} of {_refs([attempt.backend])}"
            result.wrong("wrong-copy", detail)


def interchangeable(pairs: Iterable[ExchangePair]) -> dict[int, set[Ref]]:
    """Group number → every backend exchange in that set."""
    groups: dict[int, set[Ref]] = defaultdict(set)
    for pair in pairs:
        if pair.group is not None:
            groups[pair.group] |= {a.backend for a in pair.attempts}
    return groups


def _judge_unpaired(
    name: str,
    request: TrueRequest,
    wanted: set[Ref],
    reason: UnpairedReason | None,
    result: Agreement,
) -> None:
    if wanted:
        if reason in (UnpairedReason.UNKNOWN, UnpairedReason.OUTSIDE_OTHER_CAPTURE):
            result.unsure += 1
        else:
            result.wrong("missed-pair", f"{name}: lbtrace says {reason}, it caused {_refs(wanted)}")
        return
    expected = {
        "balancer": UnpairedReason.ANSWERED_BY_BALANCER,
        "nobody": UnpairedReason.NEVER_ANSWERED,
    }.get(request.answered_by)
    if reason is expected:
        result.right += 1
    elif reason is UnpairedReason.UNKNOWN or expected is None:
        result.unsure += 1
    else:
        result.wrong(
            "wrong-reason", f"{name}: lbtrace says {reason}, answered by {request.answered_by}"
        )


def _others(
    report: Report, truth: GroundTruth, attempts: dict[TrueAttempt, Ref | None], result: Agreement
) -> None:
    claimed = {a.backend: p for p in report.correlation.pairs for a in p.attempts}
    for other in truth.others:
        ref = attempts[other]
        pair = claimed.get(ref) if ref else None
        if pair and pair.group is None and pair.confidence is not Confidence.LOW:
            result.wrong(
                "invented-pair",
                f"backend exchange {ref} ({other.client} #{other.ordinal}) belongs to no captured "
                f"client, paired with {pair.client}",
            )


def _checks(
    report: Report, truth: GroundTruth, backends: list[ExchangeIndex], result: Agreement
) -> None:
    reported = {(c.point, e) for c in report.correlation.health_checks for e in c.exchanges}
    reported_connections = {
        (c.point, n) for c in report.correlation.health_checks for n in c.connections
    }
    true: set[tuple[int, int]] = set()
    missed = 0
    for check in truth.checks:
        trace = backends[check.point].trace
        on = by_connection(trace)
        for connection in trace.connections:
            if (str(connection.client), str(connection.server)) == (check.client, check.server):
                true.add((check.point, connection.id))
                ids = {(check.point, e) for e in on[connection.id]}
                missed += not (
                    ids & reported or (check.point, connection.id) in reported_connections
                )
    if missed:
        result.wrong(
            "missed-checks", f"{missed} of {len(truth.checks)} health checks not recognised"
        )
    for point, exchange in reported:
        connection_id = backends[point].trace.exchanges[exchange].connection
        if (point, connection_id) not in true:
            result.wrong(
                "invented-check", f"backend exchange {exchange} (point {point}) is no health check"
            )
    for point, connection_id in reported_connections - true if truth.checks_complete else ():
        result.wrong(
            "invented-check",
            f"backend connection {connection_id} (point {point}) is no health check",
        )


def _syns(report: Report, truth: GroundTruth, result: Agreement) -> None:
    if result.outside:
        return  # the capture was cut short: how many of the connections are in it is not known
    connections = {(r.client, r.server) for r in truth.requests}
    counts = report.client_counts
    if counts.syns + counts.already_open < len(connections):
        result.wrong(
            "syns",
            f"client side: lbtrace counts {counts.syns} SYNs, the client opened "
            f"{len(connections)} connections",
        )


def _clock(report: Report, truth: GroundTruth, result: Agreement) -> None:
    """The difference of the clocks is 0 at the first packet of a backend capture, and what was
    gained at its last.
    """
    for clock in report.correlation.clocks:
        trace = report.backends[clock.backend_point]
        if clock.refused:
            continue
        for at in (trace.first_ns, trace.last_ns):
            gained = (at - trace.first_ns) * truth.gained_ppm // (1_000_000 + truth.gained_ppm)
            off = abs(clock.delta_ns(at) + gained)
            if off > clock.half_width_ns + STAMPED_NS:
                detail = f"{off} ns off, ± {clock.half_width_ns} ns was said"
                result.wrong("wrong-clock", detail)


def _refs(refs: Iterable[Ref]) -> str:
    return ", ".join(f"backend {r.point}:{r.id}" for r in sorted(refs)) or "nothing"
