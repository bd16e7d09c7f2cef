"""Three logs → the ground truth: which request caused which backend exchanges.

    client's log ── the home router's connection tracking table ──▶ balancer's log
    balancer's log ── a request id, or the balancer's own port ──▶ backend's log

The client's log names its own port; the home router's table says which port the balancer saw. The
balancer's log names the request (an id it also sent to the backend) or the address it used; the
backend's log has the same id or address. No packet is read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from lbtrace.lab.addresses import address_of
from lbtrace.lab.ground_truth import (
    BackendLine,
    CheckLine,
    ClientLine,
    TrueAttempt,
    TrueCheck,
    TrueRequest,
)
from lbtrace.lab.plan import BalancerLine

HEALTH = "/health"


def join(
    clients: Sequence[ClientLine],
    seen_as: dict[str, str],
    balancer: Sequence[BalancerLine],
    backend: Sequence[BackendLine],
    points: dict[str, int],
    mirror: str = "",
) -> tuple[tuple[TrueRequest, ...], tuple[TrueAttempt, ...]]:
    """The logs → requests with their attempts, and the backend exchanges that no captured client
    caused.

    `seen_as`: a client's own "address:port" → the one that the balancer saw. `points`: a backend's
    address → its capture. `mirror`: the address of a backend that gets nothing but copies.
    """
    balancer = [line.spelt() for line in balancer]
    reads_http = any(line.method for line in balancer)
    caused = (
        _by_request(clients, seen_as, balancer, backend)
        if reads_http
        else _by_connection(clients, seen_as, balancer, backend)
    )
    claimed = {id(line) for lines in caused for line in lines}
    requests = tuple(
        _request(client, [_copy(attempt(line, points), mirror) for line in lines])
        for client, lines in zip(clients, caused, strict=True)
    )
    return requests, tuple(
        attempt(line, points) for line in backend if id(line) not in claimed and line["method"]
    )


def attempt(line: BackendLine, points: dict[str, int]) -> TrueAttempt:
    """A line of the backend's log as an attempt."""
    point = points[address_of(line["local"])]
    return TrueAttempt(
        line["peer"], line["local"], point, line["ordinal"], line["time_ns"], line["status"]
    )


def _copy(made: TrueAttempt, mirror: str) -> TrueAttempt:
    """An attempt, marked where its backend gets nothing but copies."""
    is_copy = address_of(made.server) == mirror
    return replace(made, copy=True) if is_copy else made


def split_checks(
    backend: Iterable[BackendLine],
    checker: Sequence[CheckLine],
    points: dict[str, int],
    tcp_checks: bool,
) -> tuple[list[BackendLine], tuple[TrueCheck, ...]]:
    """The backend's lines → those of client traffic, and the health checks. The lab's own checks
    are known by their log, a balancer's own by their request.
    """
    checks = [
        TrueCheck(
            c["local"],
            c["peer"],
            points[address_of(c["peer"])],
            c["kind"],
            c["time_ns"],
            c["status"],
        )
        for c in checker
    ]
    ours = {c["local"] for c in checker}
    traffic = []
    for line in backend:
        kind = (
            "http"
            if line["target"] == HEALTH
            else "tcp"
            if not line["method"] and tcp_checks
            else ""
        )
        if line["peer"] in ours:
            continue
        if kind:
            a = attempt(line, points)
            checks.append(TrueCheck(a.client, a.server, a.point, kind, a.time_ns, a.status))
        elif line["method"]:
            traffic.append(line)
    return traffic, tuple(sorted(checks, key=lambda c: c.time_ns))


def _request(client: ClientLine, attempts: list[TrueAttempt]) -> TrueRequest:
    status = client["status"]
    made = [a for a in attempts if not a.copy]
    last = made[-1].status if made else None
    answered_by = "nobody" if status is None else "backend" if last == status else "balancer"
    what = client["method"], client["target"], client["time_ns"]
    return TrueRequest(
        client["local"],
        client["remote"],
        client["ordinal"],
        *what,
        status,
        answered_by,
        tuple(attempts),
    )


def _by_request(
    clients: Sequence[ClientLine],
    seen_as: dict[str, str],
    balancer: Sequence[BalancerLine],
    backend: Sequence[BackendLine],
) -> list[list[BackendLine]]:
    """For a balancer that reads HTTP. It has one line for each request: the next one with this
    target on the client's connection.
    """
    waiting: dict[str, list[BalancerLine]] = defaultdict(list)
    for line in balancer:
        waiting[line.client].append(line)
    by_id: dict[str, list[BackendLine]] = defaultdict(list)
    by_peer: dict[str, list[BackendLine]] = defaultdict(list)
    for row in backend:
        for name in row["request_ids"]:
            by_id[name].append(row)
        by_peer[row["peer"]].append(row)
    given: dict[int, BalancerLine] = {}
    for index, client in sorted(enumerate(clients), key=lambda item: item[1]["ordinal"]):
        lines = waiting[seen_as.get(client["local"], client["local"])]
        place = next(
            (
                n
                for n, line in enumerate(lines)
                if (line.method, line.target) == (client["method"], client["target"])
            ),
            None,
        )
        if place is not None:
            given[index] = lines[place]
            del lines[: place + 1]
    sent: dict[int, list[BackendLine]] = {}
    for line in sorted(
        balancer, key=lambda line: line.time_ns
    ):  # all of them: clients that were not captured use the same ports
        if line.request_id:
            sent[id(line)] = by_id[line.request_id]
        elif line.from_:
            rows = by_peer[line.from_]
            place = next((n for n, row in enumerate(rows) if row["target"] == line.target), None)
            if place is not None:
                sent[id(line)] = [rows.pop(place)]
    return [
        sent.get(id(given[index]), []) if index in given else [] for index in range(len(clients))
    ]


def _by_connection(
    clients: Sequence[ClientLine],
    seen_as: dict[str, str],
    balancer: Sequence[BalancerLine],
    backend: Sequence[BackendLine],
) -> list[list[BackendLine]]:
    """For a balancer that does not read HTTP. It opens one backend connection for each client
    connection, and the n-th request stays the n-th.
    """
    became = {line.client: line.from_ for line in balancer}
    by_place = {(row["peer"], row["ordinal"]): row for row in backend if row["method"]}
    caused = []
    for client in clients:
        seen = seen_as.get(client["local"], client["local"])
        row = by_place.get((became.get(seen, seen), client["ordinal"]))
        caused.append([row] if row else [])
    return caused
