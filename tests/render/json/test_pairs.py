"""Pairs and exchanges without a partner are written from columns as their objects say."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lbtrace.model.http import Interim
from lbtrace.model.pairing import (
    Attempt,
    AttemptOutcome,
    Confidence,
    ConnectionBasis,
    ConnectionPair,
    Ref,
    Unpaired,
    UnpairedDetail,
    UnpairedReason,
)
from lbtrace.model.report import Report
from lbtrace.render.json import pairs as written
from lbtrace.render.wording import names
from tests.render import founding
from tests.tables.test_pairs import pair as any_pair

REPORT = founding.report()
clients = st.integers(0, 3).map(lambda id_: Ref(0, id_))
backends = st.integers(0, 4).map(lambda id_: Ref(0, id_))
attempts = st.builds(Attempt, backends, st.sampled_from(AttemptOutcome))
found = st.tuples(any_pair, clients, st.lists(attempts, max_size=3).map(tuple)).map(
    lambda drawn: drawn[0]._replace(client=drawn[1], attempts=drawn[2])
)
unpaired = st.builds(
    Unpaired,
    st.just("client"),
    clients,
    st.sampled_from(UnpairedReason),
    st.sampled_from(Confidence),
    st.none() | st.sampled_from(UnpairedDetail),
    st.text(max_size=3),
) | st.builds(
    Unpaired,
    st.just("backend"),
    backends,
    st.sampled_from(UnpairedReason),
    st.sampled_from(Confidence),
)


def of(**correlation: object) -> Report:
    return replace(REPORT, correlation=replace(REPORT.correlation, **correlation))  # type: ignore[arg-type]


def read(texts: Any) -> list[dict[str, Any]]:
    parsed: list[dict[str, Any]] = json.loads(f"[{','.join(texts)}]")
    return parsed


def begin(ref: Ref, backend: bool = False) -> dict[str, int | None]:
    trace = (REPORT.backends if backend else REPORT.clients)[ref.point]
    frame = trace.ref(trace.exchanges[ref.id].first_frame, 0)
    return {
        "point": ref.point,
        "exchange": ref.id,
        "first_frame": frame.number,
        "first_file": frame.file,
    }


@given(st.lists(found, max_size=5))
def test_pairs_say_what_their_objects_say(pairs: list[Any]) -> None:
    told = read(written.pairs(of(pairs=tuple(pairs))))
    assert [(p["id"], p["number"]) for p in told] == [(n, n + 1) for n in range(len(pairs))]
    for p, expected in zip(told, pairs, strict=True):
        assert p["client"] == begin(expected.client)
        assert p["attempts"] == [
            {"backend": begin(a.backend, backend=True), "outcome": a.outcome.value}
            for a in expected.attempts
        ]
        assert (p["tier"], p["tier_rank"]) == (names.TIER_SLUG[expected.tier], expected.tier)
        assert (p["confidence"], p["group"]) == (expected.confidence, expected.group)
        assert [(r["kind"], r["value"]) for r in p["reasons"]] == list(
            map(names.reason, expected.reasons)
        )


@given(st.lists(unpaired, max_size=6))
def test_exchanges_without_a_partner_say_why(every: list[Unpaired]) -> None:
    told = read(written.unpaired(of(unpaired=tuple(every))))
    for number, (one, u) in enumerate(zip(told, every, strict=True), 1):
        assert one == {
            "number": f"u{number}",
            "side": u.side,
            "exchange": begin(u.ref, backend=u.side == "backend"),
            "reason": u.reason.value,
            "confidence": u.confidence.value,
            "detail": names.unpaired_detail(u),
        }


def test_pairs_of_connections() -> None:
    pair = ConnectionPair(Ref(0, 3), Ref(1, 4), ConnectionBasis.SAME_BYTES, Confidence.MEDIUM)
    assert read(written.connection_pairs(of(connection_pairs=(pair, pair)))) == 2 * [
        {
            "client": {"point": 0, "connection": 3},
            "backend": {"point": 1, "connection": 4},
            "basis": "same-bytes",
            "confidence": "medium",
        }
    ]


def test_an_exchange_of_which_nothing_was_captured_begins_in_no_frame() -> None:
    (client,) = REPORT.clients
    nothing = client.exchanges[0]._replace(request=None, response=None)
    interim = nothing._replace(id=1, interim=(Interim(100, (), 7, 0),))
    report = replace(of(), clients=(replace(client, exchanges=[nothing, interim]),), backends=())
    alone = tuple(
        Unpaired("client", Ref(0, i), UnpairedReason.UNKNOWN, Confidence.LOW) for i in range(2)
    )
    report = replace(report, correlation=replace(report.correlation, unpaired=alone))
    first, second = (u["exchange"] for u in read(written.unpaired(report)))
    assert (first["first_frame"], first["first_file"]) == (None, None)
    assert (second["first_frame"], second["first_file"]) == (7, 0)


def test_more_pairs_than_are_written_at_a_time() -> None:
    pairs = REPORT.correlation.pairs[:2]
    many = [*pairs] * (written._ROWS // 2 + 1)
    texts = list(written.pairs(of(pairs=tuple(many))))
    assert len(texts) == 2
    assert [p["id"] for p in read(texts)] == list(range(len(many)))
