"""Protocol changes.

Meaning:
    What the balancer translates between its two sides: the HTTP version, the framing of bodies
    (chunked or Content-Length), the content coding of responses. All of this is legal. HTTP/1.0
    towards the backend loses keep-alive and chunked bodies.
Decided by:
    Both messages of every pair are compared after framing and coding are removed, so that only the
    form differs.
Evidence:
    Example messages on both sides.
Remedy:
    For HTTP/1.0 towards the backend: `proxy_http_version 1.1` (nginx before 1.29.7).
Variants:
    version: another HTTP version behind the balancer.
    framing: another framing of bodies.
    coding: another content coding.
    interim-own: an interim response of the balancer's own.
    interim-kept: an interim response that it did not pass on.
    upgrade: connections that left HTTP on both sides.
    upgrade-one-side: on one side only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import Comparison, Pairs, confidence_of, field_values
from lbtrace.findings._kind import FindingKind
from lbtrace.http_fields import CONTENT_ENCODING
from lbtrace.model.frame_parts import FramePart
from lbtrace.model.http import Framing
from lbtrace.model.report import Finding, Severity
from lbtrace.tables.columns import Column, first_met, parted
from lbtrace.tables.messages import FRAMINGS
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.words import joint, numbering

KIND = FindingKind.of(__name__, __doc__)
RESTS_ON = (FramePart.START_LINE, FramePart.FRAMING, CONTENT_ENCODING)
BODY = [
    FRAMINGS[framing] for framing in (Framing.CHUNKED, Framing.CONTENT_LENGTH, Framing.UNTIL_CLOSE)
]
WEB_SOCKET = "websocket"  # as Upgrade names it
OLD = (
    "Speak HTTP/1.1 to the backend to keep connections open: proxy_http_version 1.1 (nginx "
    "before 1.29.7)."
)


def find(comparison: Comparison) -> Iterator[Finding]:
    """Version, framing of requests and of responses, coding of responses, interim responses, and
    what left HTTP.
    """
    (client, backend), asked, answered = (
        comparison.sides,
        comparison.request_heads,
        comparison.response_heads,
    )
    q, p, r, s = client.requests, backend.requests, client.responses, backend.responses
    yield from _version(comparison, asked, q.version[asked.client], p.version[asked.backend])
    yield from _framing(
        comparison, "Request", asked, q.framing[asked.client], p.framing[asked.backend]
    )
    yield from _framing(
        comparison, "Response", answered, s.framing[answered.backend], r.framing[answered.client]
    )
    yield from _coding(comparison, answered)
    yield from _interim(comparison)
    yield from _upgrades(comparison)


def _version(
    comparison: Comparison, asked: Pairs, before: Column, after: Column
) -> Iterator[Finding]:
    texts = comparison.sides[0].words.text_list
    for was, now, pairs in _changes(asked, before, after):
        old = texts[now] == "HTTP/1.0"
        yield KIND.finding(
            "version",
            Severity.LOW if old else Severity.INFO,
            confidence_of(pairs),
            "Requests in {before} are sent to the backend in {after} ({count}).",
            comparison.request_frames(pairs),
            count=len(pairs),
            before=texts[was],
            after=texts[now],
            remedy=OLD if old else "",
        )


def _framing(
    comparison: Comparison, message: str, pairs: Pairs, before: Column, after: Column
) -> Iterator[Finding]:
    """Bodies that are framed in another way after the balancer."""
    known, names = (
        np.isin(before, BODY) & np.isin(after, BODY),
        [framing.value for framing in FRAMINGS],
    )
    for was, now, those in _changes(pairs.where(known), before[known], after[known]):
        yield KIND.finding(
            "framing",
            Severity.INFO,
            confidence_of(those),
            f"{message} bodies framed by {{before}} are framed by {{after}} after the "
            "balancer ({count}).",
            comparison.response_frames(those),
            count=len(those),
            before=names[was],
            after=names[now],
        )


def _coding(comparison: Comparison, answered: Pairs) -> Iterator[Finding]:
    """Responses whose content is coded in another way."""
    got, given, texts = field_values(comparison, CONTENT_ENCODING, response=True).of(answered)
    written, meant = numbering(), numbering()
    known = np.array(
        [(written[name], meant[name.lower()]) for name in (text or "identity" for text in texts)],
        np.int64,
    )
    changed, names = known[given, 1] != known[got, 1], list(written)
    for was, now, pairs in _changes(
        answered.where(changed), known[given[changed], 0], known[got[changed], 0]
    ):
        yield KIND.finding(
            "coding",
            Severity.INFO,
            confidence_of(pairs),
            "The content coding of responses changes from {before} to {after} ({count}).",
            comparison.response_frames(pairs),
            count=len(pairs),
            before=names[was],
            after=names[now],
        )


def _changes(pairs: Pairs, before: Column, after: Column) -> Iterator[tuple[int, int, Pairs]]:
    """(before, after, the pairs that have it) of every change, in the order they are first
    met.
    """
    rows = np.flatnonzero(before != after)
    first, which = first_met(joint(before[rows], after[rows]))
    for row, those in zip(rows[first].tolist(), parted(which, len(first)), strict=True):
        yield int(before[row]), int(after[row]), pairs.where(rows[those])


def _interim(comparison: Comparison) -> Iterator[Finding]:
    """Interim responses that are on one side only: a balancer may answer Expect: 100-continue
    itself. One may be among bytes that were not captured, or come after the capture.
    """
    own, kept = [], []
    statuses: Counter[int] = Counter()
    (client, backend), every = comparison.sides, comparison.pairs
    whole, whole_behind = (
        (table.of_ends("missing", server=True) == 0)[connections] & table.responses.there[rows]
        for table, connections, rows in (
            (client, every.client_connection, every.client),
            (backend, every.backend_connection, every.backend),
        )
    )
    for row in np.flatnonzero(
        client.interim[every.client] | backend.interim[every.backend]
    ).tolist():
        got = {i.status for i in client.exchange(int(every.client[row])).interim}
        given = {i.status for i in backend.exchange(int(every.backend[row])).interim}
        if got - given and whole_behind[row]:
            own.append(row)
            statuses.update(got - given)
        elif given - got and whole[row]:
            kept.append(row)
            statuses.update(given - got)
    for rows, variant, statement in (
        (
            own,
            "interim-own",
            "The balancer itself sent {statuses} before the final response ({count} times); the "
            "backend did not.",
        ),
        (
            kept,
            "interim-kept",
            "The backend sent {statuses} before the final response ({count} times); the balancer "
            "kept it to itself.",
        ),
    ):
        if rows:
            named = ", ".join(map(str, sorted(statuses)))
            yield _some(comparison, every, rows, variant, statement, statuses=named)


def _upgrades(comparison: Comparison) -> Iterator[Finding]:
    """Connections that left HTTP after a 101 or CONNECT, on both sides or on one only."""
    (client, backend), every = comparison.sides, comparison.pairs
    q, r = client.requests, client.responses
    switched = (r.start[every.client] == 101) | (
        q.method[every.client] == client.words.texts.get("CONNECT", -1)
    )
    left = every.where(switched)
    of_client, of_backend = (
        _upgraded(client, left.client, left.client_connection),
        _upgraded(backend, left.backend, left.backend_connection),
    )
    # where an answer or a part of a head is not in the capture, what became of the connection is
    # unknown
    answered = r.there[left.client] & backend.responses.there[left.backend]
    for table, rows_of in ((client, left.client), (backend, left.backend)):
        answered &= table.requests.whole_heads[rows_of] & table.responses.whole_heads[rows_of]
    both: list[int] = []
    one: list[int] = []
    names: Counter[str] = Counter()
    for row, (on_client, on_backend, known) in enumerate(
        zip(of_client, of_backend, answered.tolist(), strict=True)
    ):
        if (on_client and on_backend) or ((on_client or on_backend) and known):
            names[on_client or on_backend] += 1
            (both if on_client and on_backend else one).append(row)
    for rows, variant, statement in (
        (
            both,
            "upgrade",
            "Connections left HTTP for {names} on both sides ({count}); from there on the "
            "balancer passes bytes on.",
        ),
        (one, "upgrade-one-side", "Connections left HTTP for {names} on one side only ({count})."),
    ):
        if rows:
            yield _some(comparison, left, rows, variant, statement, names=", ".join(names))


def _upgraded(table: SideTable, exchanges: Column, connections: Column) -> list[str]:
    """What each of these exchanges left HTTP for, "" for nothing: its connection did, or its stream
    of HTTP/2.
    """
    by_stream = table.extended[exchanges] & (table.responses.start[exchanges] == 200)
    refs = table.connection_refs(connections)
    return [
        WEB_SOCKET if stream else table.traces[ref.point].applications[ref.id].upgraded
        for ref, stream in zip(refs, by_stream.tolist(), strict=True)
    ]


def _some(
    comparison: Comparison,
    pairs: Pairs,
    rows: list[int],
    variant: str,
    statement: str,
    **measured: str,
) -> Finding:
    """What holds of these rows of the pairs."""
    some = pairs.where(np.array(rows))
    return KIND.finding(
        variant,
        Severity.INFO,
        confidence_of(some),
        statement,
        comparison.request_frames(some),
        count=len(some),
        **measured,
    )
