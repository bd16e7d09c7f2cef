"""Comparison → whether message heads are the same bytes on both sides. A head that is cut is
unknown, never equal and never different.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtrace.comparison import Comparison, Pair, Pairs
from lbtrace.comparison.field_values import Spelling
from lbtrace.http_fields import Meaning, fields_of
from lbtrace.model.http import Mark, Request, Response
from lbtrace.tables.columns import Column, among, distinct
from lbtrace.tables.words import MARKS, joint
from lbtrace.verdict.weigh import Observation

START = ("start", "method", "version")  # what a start line says
# a proxy must not pass these on (RFC 9110 §7.6.1); Transfer-Encoding it may have written itself
HOP_FIELDS = fields_of(Meaning.CONNECTION) - fields_of(Meaning.FRAMING)
# one pair of identical heads may be chance: a short request has nothing that a proxy must change
MIN_IDENTICAL_HEADS = 2
NO_LINE = "(no such line)"


def head_differences(comparison: Comparison) -> Iterator[Observation]:
    """Whether request and response heads are the same bytes on both sides.

    What a proxy does to heads it does to most of them; a head that differs here and there may be a
    wrong pair. Interchangeable pairs testify only when no head behind the balancer has the field
    names of any head in front of it, or when all of them have a line that none of those has.
    """
    alone = _whole(comparison, comparison.distinct_pairs)
    if not alone:
        yield from _names_of_sets(comparison)
        return
    both = alone.answered & _answered(comparison, alone)
    differ = _differ(comparison, alone, responses=False)
    differ[both] |= _differ(comparison, alone.where(both), responses=True)
    changed = alone.where(differ)
    if changed:
        before, after = _example(changed[0])
        yield Observation.of(
            "head-differences",
            "changed" if 2 * len(changed) >= len(alone) else "changed-in-some",
            "In {count} of {of} exchanges head lines differ between the two sides of the balancer, "
            "for example {before} → {after}.",
            comparison.request_frames(changed),
            count=len(changed),
            of=len(alone),
            before=before,
            after=after,
        )
        return
    identical = alone.where(both)
    if identical:
        telling = identical.where(_telling(comparison, identical))
        variant = "identical-hop-fields" if len(telling) >= MIN_IDENTICAL_HEADS else "identical"
        yield Observation.of(
            "head-differences",
            variant,
            "Request and response heads are the same bytes on both sides in {count} of {count} "
            "exchanges"
            + (
                ", fields of the hop and the HTTP version included."
                if variant == "identical-hop-fields"
                else "."
            ),
            comparison.request_frames(telling or identical),
            count=len(identical),
        )


def _whole(comparison: Comparison, pairs: Pairs) -> Pairs:
    """The pairs that have both requests and no head that was cut: what was cut is unknown, never
    equal and never different.
    """
    whole = np.ones(len(pairs), bool)
    for table, exchanges in zip(comparison.sides, (pairs.client, pairs.backend), strict=True):
        cut = (table.requests.marks | table.responses.marks) & MARKS[Mark.HEAD_TRUNCATED]
        whole &= table.requests.there[exchanges] & (cut[exchanges] == 0)
    return pairs.where(whole)


def _answered(comparison: Comparison, pairs: Pairs) -> Column:
    """Whether both responses are there."""
    client, backend = comparison.sides
    there: Column = client.responses.there[pairs.client] & backend.responses.there[pairs.backend]
    return there


def _differ(comparison: Comparison, pairs: Pairs, responses: bool) -> Column:
    """Whether the requests (the responses) of each pair have other start lines or other lines on
    the two sides.
    """
    rows_in_front, rows_behind = pairs.client, pairs.backend
    a, b = (t.responses if responses else t.requests for t in comparison.sides)
    differ: Column = np.logical_or.reduce(
        [getattr(a, name)[rows_in_front] != getattr(b, name)[rows_behind] for name in START]
    )
    (size, _), (size_behind, _) = a.heads.of(rows_in_front), b.heads.of(rows_behind)
    differ |= size != size_behind
    rows = np.flatnonzero(~differ)
    other = a.heads.of(rows_in_front[rows])[1] != b.heads.of(rows_behind[rows])[1]
    differ[np.repeat(rows, size[rows])[other]] = True
    return differ


def _names_of_sets(comparison: Comparison) -> Iterator[Observation]:
    both, spelled = _whole(comparison, comparison.pairs), Spelling(comparison.sides[0].words)
    if not both:
        return
    every = _who_may_ask(comparison, both), distinct(both.backend)
    names, names_behind = (
        spelled.heads(t.requests.heads, e) for t, e in zip(comparison.sides, every, strict=True)
    )
    if not names & names_behind:
        yield Observation.of(
            "head-differences",
            "changed",
            "No request head behind the balancer ({after}, for example) has the field names of "
            "any in front of it ({before}), "
            "in {count} exchanges.",
            comparison.request_frames(both),
            count=len(both),
            before=", ".join(min(names)),
            after=", ".join(min(names_behind)),
        )
    elif (line := _only_behind(comparison, *every)) is not None:
        yield Observation.of(
            "head-differences",
            "changed",
            "Every request head behind the balancer has {after}, and none in front of it, in "
            "{count} exchanges.",
            comparison.request_frames(both),
            count=len(both),
            after=line,
        )
    elif _same_set(comparison, both, responses=False):
        answered = both.where(both.answered & _answered(comparison, both))
        if answered and _same_set(comparison, answered, responses=True):
            yield Observation.of(
                "head-differences",
                "identical-hop-fields"
                if _telling(comparison, answered).sum() >= MIN_IDENTICAL_HEADS
                else "identical",
                "Both sides have the same request and response heads, byte for byte ({count} "
                "exchanges).",
                comparison.request_frames(answered),
                count=len(answered),
            )


def _who_may_ask(comparison: Comparison, pairs: Pairs) -> Column:
    """The client exchanges (their numbers) that some of these backend exchanges may be for: those
    with the start line of one that is paired.
    """
    q = comparison.sides[0].requests
    asked = joint(*(getattr(q, name) for name in START))
    cut = q.marks & MARKS[Mark.HEAD_TRUNCATED]
    return np.flatnonzero(q.there & (cut == 0) & among(asked, asked[pairs.client]))


def _only_behind(comparison: Comparison, fronts: Column, backs: Column) -> str | None:
    """A line that every one of these requests behind has and none of those in front; None without.
    Whoever is whose, the balancer wrote it.
    """
    (client, backend), words = comparison.sides, comparison.sides[0].words
    _, sent = client.requests.heads.of(fronts)
    size, lines = backend.requests.heads.of(backs)
    held = np.unique(joint(np.repeat(np.arange(len(backs)), size), lines), return_index=True)[1]
    counted = np.bincount(lines[held], minlength=len(words.line_list))
    written = np.setdiff1d(np.flatnonzero(counted == len(backs)), sent)
    return words.line_list[int(written[0])].raw if len(written) else None


def _same_set(comparison: Comparison, pairs: Pairs, responses: bool) -> bool:
    """Whether the same heads are on both sides, whoever is whose."""
    heads = []
    for table, exchanges in zip(comparison.sides, (pairs.client, pairs.backend), strict=True):
        messages = table.responses if responses else table.requests
        start = [getattr(messages, name)[exchanges].tolist() for name in START]
        heads.append(set(zip(*start, messages.heads.taken(exchanges).rows(), strict=True)))
    return heads[0] == heads[1]


def _telling(comparison: Comparison, pairs: Pairs) -> Column:
    """Which heads hold something an HTTP proxy would not have passed on: a field of the hop, or a
    response of HTTP/1.0. HTTP/2 has no field of the hop but TE, which proxies of gRPC pass on (RFC
    9113 §8.2.2).
    """
    client = comparison.sides[0]
    streams = client.requests.version == client.words.texts.get("HTTP/2", -1)
    hop = client.words.fields_named(HOP_FIELDS.__contains__)
    old = client.responses.version == client.words.texts.get("HTTP/1.0", -1)
    fields = client.requests.heads.having(hop) | client.responses.heads.having(hop)
    telling: Column = ((fields & ~streams) | old)[pairs.client]
    return telling


def _example(pair: Pair) -> tuple[str, str]:
    """The first line that differs, as it was and as it is behind the balancer."""
    for sent, arrived in (
        (pair.client.request, pair.backend.request),
        (pair.backend.response, pair.client.response),
    ):
        if sent is None or arrived is None:
            continue
        before = [_start(sent), *(line.raw for line in sent.lines)]
        after = [_start(arrived), *(line.raw for line in arrived.lines)]
        gone = [line for line in before if line not in after]
        new = [line for line in after if line not in before]
        if gone or new:
            line = gone[0] if gone else new[0]
            mates = [n for n in new if _field(n) == _field(line)] if gone else [line]
            return line if gone else NO_LINE, mates[0] if mates else NO_LINE
    return "one order of lines", "another"


def _field(line: str) -> str:
    return line.partition(":")[0].lower() if ":" in line else ""


def _start(message: Request | Response) -> str:
    if isinstance(message, Request):
        return f"{message.method} {message.target} {message.version}"
    return f"{message.version} {message.status} {message.reason}".rstrip()
