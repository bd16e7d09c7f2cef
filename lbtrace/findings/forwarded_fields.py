"""Forwarding fields, checked.

Meaning:
    Whether what the balancer states in X-Forwarded-For, X-Real-IP, Forwarded, X-Forwarded-Port, X-Forwarded-Proto and X-Forwarded-Host is
    true: the client's address, the port and the protocol it used, the host it asked for. A backend builds redirects and logs from them.
Decided by:
    Comparing each value the balancer wrote with the client's connection and request. A client behind a NAT is known by the address its NAT
    gives it, when all its pairs agree on one.
Evidence:
    The requests of a right (or, when there is one, a wrong) pair on both sides.
Remedy:
    A wrong protocol or port is usually another proxy in front that is not told of: let the balancer set these fields itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lbtrace.case import Case, Match, confidence_of, evidence
from lbtrace.fields import addresses_in, field_value, lowered
from lbtrace.model.http import Protocol, Request
from lbtrace.model.net import Side
from lbtrace.model.report import Finding, Severity, Value

TITLE = "Forwarding fields, checked"
REMEDY = "Let the balancer set this field itself, and find the proxy in front of it that is not accounted for."


def find(case: Case) -> Iterator[Finding]:
    """One finding per field that the balancer wrote: right in all cases, or wrong in some."""
    right: dict[str, list[Match]] = {}
    wrong: dict[str, list[Match]] = {}
    mixed = _mixed_groups(case)
    for m, front, back in case.request_heads:
        before, after = _stated(front), _stated(back)
        for name, value in after.items():
            # as the client sent it: not the balancer's statement
            verdict = CHECKS[name][1](case, m, before.get(name, ""), value) if before.get(name) != value else None
            if verdict is False and m.pair.group in mixed:
                continue  # it may be true of another client of the group
            if verdict is not None:
                (right if verdict else wrong).setdefault(name, []).append(m)
    for name, (meaning, _) in CHECKS.items():
        if name in right or name in wrong:
            yield _finding(case, name, meaning, right.get(name, []), wrong.get(name, []))


def _mixed_groups(case: Case) -> set[int]:
    """The groups of interchangeable pairs whose clients differ in what the fields state: who is whose is not known there."""
    clients: dict[int, set[tuple[object, ...]]] = {}
    for m, front, _ in case.request_heads:
        if m.pair.group is not None:
            ends = (m.front_connection.client.address, m.front_connection.server)
            clients.setdefault(m.pair.group, set()).add((*ends, field_value(front, "Host"), *_stated(front).items()))
    return {group for group, seen in clients.items() if len(seen) > 1}


def _stated(request: Request) -> dict[str, str]:
    """The forwarding fields of a head, values joined."""
    found: dict[str, str] = {}
    for line in request.lines:
        name = NAMES.get(lowered(line.name)) if line[0][:1] in INITIALS else None
        if name is not None:
            found[name] = f"{found[name]}, {line.value}" if name in found else line.value
    return found


def _finding(case: Case, name: str, meaning: str, right: list[Match], wrong: list[Match]) -> Finding:
    shown = wrong or right
    request = shown[0].back.request
    value = (field_value(request, name) if request is not None else None) or ""
    known = case.addresses_of(shown[0].front_connection.client.address).intersection(addresses_in(value))
    one_of_several = not wrong and known and len(addresses_in(value)) > 1  # the client's own claims stand before it, perhaps
    return Finding(
        "forwarded-fields.wrong" if wrong else "forwarded-fields.right",
        TITLE,
        Severity.MEDIUM if wrong else Severity.INFO,
        confidence_of(shown),
        "{field} is not {meaning} in {count} of {of} requests, for example {value}."
        if wrong
        else "{field} holds {meaning}, {address}, in {count} of {of} requests, for example {value}."
        if one_of_several
        else "{field} is {meaning} in {count} of {of} requests: {value}.",
        (
            Value("field", name),
            Value("meaning", meaning),
            Value("count", len(shown), "count"),
            Value("of", len(right) + len(wrong), "count"),
            Value("value", value),
            *((Value("address", min(known)),) if one_of_several else ()),
        ),
        evidence(case.request_frames(shown)),
        REMEDY if wrong else "",
    )


def _address(case: Case, match: Match, sent: str, written: str) -> bool | None:
    before, after = addresses_in(sent), addresses_in(written)
    added = after[len(before) :] if after[: len(before)] == before else after
    client = match.front_connection.client.address
    if not added:
        return None
    if case.addresses_of(client).intersection(added):
        return True
    # an address that cannot be reached from outside says nothing about how a NAT shows it
    return None if client not in case.seen_as and case.may_be_behind_nat(client, added) else False


def _port(case: Case, match: Match, sent: str, written: str) -> bool | None:
    return written == str(match.front_connection.server.port)


def _protocol(case: Case, match: Match, sent: str, written: str) -> bool | None:
    application = case.traces(Side.CLIENT)[match.pair.client.point].applications[match.front.connection]
    encrypted = application.tls is not None or application.protocol is Protocol.TLS
    return written.lower() in (("https", "wss") if encrypted else ("http", "ws"))


def _host(case: Case, match: Match, sent: str, written: str) -> bool | None:
    asked = field_value(match.front.request, "Host") if match.front.request is not None else None
    return None if asked is None else asked.lower() in [part.strip().lower() for part in written.split(",")]


CHECKS: dict[str, tuple[str, Callable[[Case, Match, str, str], bool | None]]] = {
    "X-Forwarded-For": ("the client's address", _address),
    "X-Real-IP": ("the client's address", _address),
    "Forwarded": ("the client's address", _address),
    "X-Forwarded-Port": ("the port the client connected to", _port),
    "X-Forwarded-Proto": ("the protocol the client used", _protocol),
    "X-Forwarded-Host": ("the host the client asked for", _host),
}
NAMES = {name.lower(): name for name in CHECKS}
INITIALS = "xXfF"  # of their names: most lines begin otherwise, and there are many
