"""Logins that belong to one connection.

Meaning:
    NTLM, and Negotiate where it takes several steps, log a connection in, not a request (RFC 4559
    §6): the client answers a challenge, and only the server end that gave it, on that connection,
    can check the answer. A balancer that sends the steps over several backend connections makes
    every login fail: 401 again and again. One that shares a backend connection afterwards gives
    requests of others the rights of whoever logged in.
Decided by:
    Authorization with an answer to a challenge: an NTLM message of type 3, or a further token of
    SPNEGO (RFC 4178 §4.2). Split: the request before it on the client's connection, answered 401,
    has its partner on another backend connection; in one capture, no 401 came before it on its
    connection, which was captured whole from its SYN. Shared: behind an accepted answer, requests
    of another client connection without Authorization, answered below 400. Only pairs that stand
    alone count, and only connections of which no byte is missing: a lost challenge or a lost login
    would turn both round.
Evidence:
    The requests with challenge and answer, or the answer and the requests of others, on both sides.
Remedy:
    Give each client connection a backend connection of its own: `ntlm` in the upstream block (NGINX
    Plus), `http-reuse never` (HAProxy), TCP mode or a network balancer. Or log in by something that
    stands in each request: Kerberos in one step, a cookie, a token.
Variants:
    split: challenge and answer over different connections.
    shared: requests of others on a connection that is logged in.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import FRAMES_PER_SIDE, Comparison, confidence_of
from lbtrace.findings._kind import FindingKind
from lbtrace.http_fields import AUTHORIZATION
from lbtrace.model.http import MIN_ERROR, UNAUTHORIZED
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column
from lbtrace.tables.connections import NONE
from lbtrace.tables.side_table import SideTable

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (AUTHORIZATION,)
ONE_CAPTURE = True
SCHEMES = ("ntlm", "negotiate")
NTLM = b"NTLMSSP\0"
AUTHENTICATE = 3  # the NTLM message that answers a challenge
FURTHER_TOKEN = 0xA1  # NegTokenResp
HEAD = 16  # characters of base64 that tell which message it is
REMEDY = (
    "Give each client connection a backend connection of its own: ntlm in the upstream block "
    "(NGINX Plus), http-reuse never (HAProxy), TCP mode or a network balancer. Or log in by "
    "something that stands in each request: Kerberos in one step, a cookie, a token."
)


def find(comparison: Comparison) -> Iterator[Finding]:
    """Logins that were split, then connections that were shared after one."""
    if comparison.alone:
        yield from _without_challenge(comparison)
        return
    backend = comparison.sides[1]
    answers = _answers(backend)
    if len(answers):
        yield from _split(comparison, answers)
        yield from _shared(comparison, answers)


def is_answer(value: str) -> bool:
    """Whether the value of Authorization answers a challenge."""
    scheme, _, token = value.partition(" ")
    if scheme.lower() not in SCHEMES:
        return False
    try:
        data = b64decode(token.strip()[:HEAD])
    except (binascii.Error, ValueError):
        return False
    return data[:1] == bytes((FURTHER_TOKEN,)) or (
        data.startswith(NTLM) and data[len(NTLM) :][:1] == bytes((AUTHENTICATE,))
    )


def _answers(table: SideTable) -> Column:
    """The exchanges of a side whose request answers a challenge."""
    rows, lines = table.requests.heads.of_field(table.words, AUTHORIZATION)
    telling = [is_answer(table.words.line_list[line].value) for line in lines.tolist()]
    found: Column = rows[np.array(telling, bool)]
    return found


def _without_challenge(comparison: Comparison) -> Iterator[Finding]:
    """Answers in one capture on connections that gave no challenge."""
    (side,) = comparison.captured
    table = comparison.table(side)
    answers = _answers(table)
    held = table.connection[answers]
    asked = np.flatnonzero(table.responses.there & (table.responses.start == UNAUTHORIZED))
    challenged = np.full(len(table.client_address), len(table))
    np.minimum.at(challenged, table.connection[asked], asked)
    whole = table.whole_connections & (table.of_ends("isn", False) != NONE)
    split = answers[whole[held] & (challenged[held] >= answers)]
    if len(split):
        refused = int((table.responses.start[split] == UNAUTHORIZED).sum())
        yield KIND.finding(
            "split",
            Severity.MEDIUM,
            Confidence.HIGH,
            "{count} answers to a challenge of NTLM or Negotiate came on a connection that had "
            "given none: the steps of a login were spread over several connections."
            + (" The server refused {refused} of them with 401." if refused else ""),
            [
                comparison.request_frame(side, table.ref(row))
                for row in split[:FRAMES_PER_SIDE].tolist()
            ],
            count=len(split),
            refused=refused or None,
            remedy=REMEDY,
        )


def _split(comparison: Comparison, answers: Column) -> Iterator[Finding]:
    """Logins whose challenge went over another backend connection than the answer."""
    client, pairs = comparison.sides[0], comparison.distinct_pairs
    place = np.full(len(client), NONE)
    place[pairs.client] = np.arange(len(pairs))
    logins = np.flatnonzero(np.isin(pairs.backend, answers))
    order, again = client.next_on_connection
    before = np.full(len(client), NONE)
    before[order[1:][again[1:]]] = order[:-1][again[1:]]
    challenged = before[pairs.client[logins]]
    known = (
        (challenged != NONE)
        & (client.responses.start[challenged] == UNAUTHORIZED)
        & (place[challenged] != NONE)
        & client.whole_connections[client.connection[pairs.client[logins]]]
    )
    logins, first = logins[known], place[challenged[known]]
    apart = pairs.backend_connection[logins] != pairs.backend_connection[first]
    if not apart.any():
        return
    refused = int((client.responses.start[pairs.client[logins[apart]]] == UNAUTHORIZED).sum())
    shown = pairs.taken(np.column_stack((first[apart], logins[apart])).ravel())
    yield KIND.finding(
        "split",
        Severity.MEDIUM,
        confidence_of(shown),
        "In {count} of {of} logins by NTLM or Negotiate the answer to the challenge went over "
        "another backend connection than the challenge, though such a login belongs to one "
        "connection." + (" {refused} of them ended in 401." if refused else ""),
        comparison.request_frames(shown),
        count=int(apart.sum()),
        of=len(logins),
        refused=refused or None,
        remedy=REMEDY,
    ).about(comparison.asked(Side.CLIENT, pairs.client[logins[apart]]))


def _shared(comparison: Comparison, answers: Column) -> Iterator[Finding]:
    """Requests of others on backend connections that are logged in."""
    backend, pairs = comparison.sides[1], comparison.distinct_pairs
    owner = np.full(len(backend), NONE)
    owner[pairs.backend] = pairs.client_connection
    place = np.full(len(backend), NONE)
    place[pairs.backend] = np.arange(len(pairs))
    held = backend.requests.heads.of_field(backend.words, AUTHORIZATION)[0]
    with_login = np.zeros(len(backend), bool)
    with_login[held] = True
    accepted = np.zeros(len(backend), bool)
    accepted[answers] = True
    fine = backend.responses.there & (backend.responses.start < MIN_ERROR)
    accepted &= fine & (owner != NONE) & backend.whole_connections[backend.connection]
    found: list[int] = []
    logged_in: list[int] = []
    for connection in np.unique(backend.connection[accepted]).tolist():
        login = NONE
        for row in backend.by_connection[connection]:
            if with_login[row]:
                login = row if accepted[row] else NONE
            elif login != NONE and fine[row] and owner[row] not in (NONE, owner[login]):
                found.append(row)
                logged_in.append(login)
    if not found:
        return
    both = np.column_stack((place[logged_in], place[found])).ravel()
    shown = pairs.taken(both)
    yield KIND.finding(
        "shared",
        Severity.HIGH,
        confidence_of(shown),
        "Over {connections} backend connections that another client connection had logged in by "
        "NTLM or Negotiate went {count} requests without a login, and got an answer: the backend "
        "may have taken {count:it|them} for that user.",
        comparison.request_frames(shown),
        count=len(found),
        connections=len(np.unique(backend.connection[found])),
        remedy=REMEDY,
    ).about(comparison.asked(Side.CLIENT, pairs.client[place[found]]))
