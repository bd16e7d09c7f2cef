"""Forwarding fields, checked.

Meaning:
    Whether the balancer's statements in X-Forwarded-For, X-Real-IP, Forwarded, X-Forwarded-Port,
    X-Forwarded-Proto, X-Forwarded-Host and similar fields are true: the client's address, the port
    and protocol it used, the host it asked for. A backend uses them for redirects and logs.
Decided by:
    Each value that the balancer wrote is compared with the client's connection and request. A
    client behind a NAT is known by the address that its NAT gives it, if all its pairs agree on
    one.
Evidence:
    The requests of a pair with true values, or of one with a false value if there is one, on both
    sides.
Remedy:
    A wrong protocol or port usually comes from another proxy before this balancer. Let the balancer
    set these fields itself.
Variants:
    right: the field is true.
    wrong: it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from lbtrace.comparison import (
    ABSENT,
    Comparison,
    FieldValues,
    Pairs,
    confidence_of,
    field_values,
    present,
)
from lbtrace.findings._kind import FindingKind
from lbtrace.findings._scheme import SCHEMES, scheme_used
from lbtrace.http_fields import HOST, Meaning, fields_of, spelling
from lbtrace.http_fields.addresses import stated_addresses
from lbtrace.http_fields.lines import field_value
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.net import Side
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column, first_met
from lbtrace.tables.words import joint

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.ADDRESSES, FramePart.FORWARDING, HOST)
UNKNOWN, FALSE, TRUE = -1, 0, 1
REMEDY = (
    "Let the balancer set this field itself, and find the proxy in front of it that is not "
    "accounted for."
)


# The field, what the client did, what the client stated itself, what the balancer stated → whether
# that is true; None when the captures cannot tell.
_Check = Callable[[Comparison, str, str | None, str, str], bool | None]
_Facts = tuple[Column, Sequence[str | None]]  # per pair a number, and what the numbers stand for


class _Checked(NamedTuple):
    meaning: str
    check: _Check


def find(comparison: Comparison) -> Iterator[Finding]:
    """One finding per field that the balancer wrote: right in all cases, or wrong in some."""
    heads = comparison.request_heads
    if not len(heads):
        return
    checked = present(comparison, fields_of(*CHECKS))
    stated = {name: field_values(comparison, name).of(heads) for name in checked}
    facts = _client_facts(comparison, heads)
    server = comparison.sides[0].server_address[heads.client_connection]
    did = (server, *(column for column, _ in facts.values()))
    mixed = _in_mixed_groups(heads, (*did, *(field.client for field in stated.values())))
    for name, field in stated.items():
        about = _checked_meaning(name)
        rows, verdict = _verdicts(comparison, name, field, CHECKS[about].check, facts[about])
        # what is wrong may be true of another client of the group
        right, wrong = rows[verdict == TRUE], rows[(verdict == FALSE) & ~mixed[rows]]
        if len(right) or len(wrong):
            meaning = CHECKS[about].meaning
            yield _finding(comparison, name, meaning, heads.where(right), heads.where(wrong))


def _verdicts(
    comparison: Comparison, name: str, field: FieldValues, check: _Check, facts: _Facts
) -> tuple[Column, Column]:
    """The pairs in which the balancer wrote the field, and of each TRUE, FALSE or UNKNOWN."""
    before, after, texts = field
    number, fact = facts
    # as the client sent it: not the balancer's statement
    rows = np.flatnonzero((after != ABSENT) & (before != after))
    first, which = first_met(joint(before[rows] * len(texts) + after[rows], number[rows]))
    judged = [
        check(
            comparison, name, fact[number[row]], texts[before[row]] or "", texts[after[row]] or ""
        )
        for row in rows[first].tolist()
    ]
    verdict = np.array([UNKNOWN if true is None else int(true) for true in judged], np.int64)
    return rows, verdict[which]


def _client_facts(comparison: Comparison, heads: Pairs) -> dict[Meaning, _Facts]:
    """What the client's capture shows of what a field may state."""
    client, connection = comparison.sides[0], heads.client_connection
    used = scheme_used(comparison, Side.CLIENT)
    ports = client.of_connections("server_port")[connection].astype(np.int64)
    met, port = first_met(ports)
    host, _, hosts = field_values(comparison, HOST).of(heads)
    return {
        Meaning.CLIENT_ADDRESS: (client.client_address[connection], client.words.text_list),
        Meaning.CLIENT_PORT: (port, list(map(str, ports[met].tolist()))),
        Meaning.CLIENT_PROTOCOL: (used[connection], SCHEMES),
        Meaning.CLIENT_HOST: (host, hosts),
    }


def _in_mixed_groups(heads: Pairs, stated: Sequence[Column]) -> Column:
    """Which pairs are interchangeable with pairs of other clients, so that what is false of one
    client may be true of another.
    """
    mixed = np.zeros(len(heads), bool)
    rows = np.flatnonzero(~heads.alone)
    if len(rows):
        client = joint(*(column[rows] for column in stated))
        first, group = first_met(heads.group[rows])
        mixed[rows] = (
            np.bincount(group[client != client[first][group]], minlength=len(first))[group] > 0
        )
    return mixed


def _finding(
    comparison: Comparison, name: str, meaning: str, right: Pairs, wrong: Pairs
) -> Finding:
    shown = wrong if len(wrong) else right
    example = shown[0]
    value = field_value(example.requests[1], name) or ""
    addresses = stated_addresses(name, value)
    known = comparison.addresses_of(example.client_connection.client.address).intersection(
        addresses
    )
    # the client's own claims stand before it, perhaps
    one_of_several = not len(wrong) and known and len(addresses) > 1
    return KIND.finding(
        "wrong" if len(wrong) else "right",
        Severity.MEDIUM if len(wrong) else Severity.INFO,
        confidence_of(shown),
        "{field} is not {meaning} in {count} of {of} requests, for example {value}."
        if len(wrong)
        else "{field} holds {meaning}, {address}, in {count} of {of} requests, for example {value}."
        if one_of_several
        else "{field} is {meaning} in {count} of {of} requests: {value}.",
        comparison.request_frames(shown),
        field=spelling(name),
        meaning=meaning,
        count=len(shown),
        of=len(right) + len(wrong),
        value=value,
        address=min(known) if one_of_several else None,
        remedy=REMEDY if len(wrong) else "",
    )


def _checked_meaning(name: str) -> Meaning:
    """Which statement of a field is checked: of Forwarded, which states more, the address."""
    return next(meaning for meaning in CHECKS if name in fields_of(meaning))


def _address(
    comparison: Comparison, name: str, client: str | None, sent: str, written: str
) -> bool | None:
    before, after = stated_addresses(name, sent), stated_addresses(name, written)
    added = after[len(before) :] if after[: len(before)] == before else after
    if client is None or not added:
        return None
    if comparison.addresses_of(client).intersection(added):
        return True
    # an address that cannot be reached from outside says nothing about how a NAT shows it
    return (
        None
        if client not in comparison.seen_as and comparison.may_be_behind_nat(client, added)
        else False
    )


def _port(
    comparison: Comparison, name: str, asked: str | None, sent: str, written: str
) -> bool | None:
    return None if _overwritten(sent, written) else written == asked


def _protocol(
    comparison: Comparison, name: str, spoken: str | None, sent: str, written: str
) -> bool | None:
    if not spoken or _overwritten(sent, written):
        return None
    return written.lower() in (("https", "wss") if spoken == "https" else ("http", "ws"))


def _host(
    comparison: Comparison, name: str, asked: str | None, sent: str, written: str
) -> bool | None:
    return (
        None
        if asked is None or _overwritten(sent, written)
        else asked.lower() in [part.strip().lower() for part in written.split(",")]
    )


def _overwritten(sent: str, written: str) -> bool:
    """Whether the request said something else when it reached the balancer: a proxy in front may
    have said it, and then what the client's capture shows is not what the client did.
    """
    return sent != "" and sent.strip().lower() != written.strip().lower()


CHECKS: dict[Meaning, _Checked] = {
    Meaning.CLIENT_ADDRESS: _Checked("the client's address", _address),
    Meaning.CLIENT_PORT: _Checked("the port the client connected to", _port),
    Meaning.CLIENT_PROTOCOL: _Checked("the protocol the client used", _protocol),
    Meaning.CLIENT_HOST: _Checked("the host the client asked for", _host),
}
