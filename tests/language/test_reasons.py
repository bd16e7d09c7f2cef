"""The reason for a verdict, in the language that is spoken."""

from __future__ import annotations

import pytest

from lbtrace.language import speaking
from lbtrace.language.reasons import joined, reason_in
from lbtrace.verdict.weigh import AS_UNCHANGED, TABLE

REWRITTEN, CHANGED, SHARED = (
    (TABLE[name].because, TABLE[name].needs_http)
    for name in (
        ("addresses", "rewritten"),
        ("head-differences", "changed"),
        ("connection-mapping", "shared"),
    )
)


def test_parts_are_joined_to_a_sentence() -> None:
    assert joined([REWRITTEN]) == "Addresses were rewritten."
    assert joined([CHANGED, REWRITTEN]) == (
        "Start lines or header fields are changed, which needs a proxy that reads HTTP; addresses "
        "were rewritten."
    )
    assert joined([CHANGED, SHARED]).endswith("on the other: both need a proxy that reads HTTP.")


@pytest.mark.parametrize("first", list(TABLE))
def test_every_reason_is_told_in_korean(first: tuple[str, str]) -> None:
    weight = TABLE[first]
    for other in (REWRITTEN, CHANGED):
        for parts in ([(weight.because, weight.needs_http)], [(weight.because, True), other]):
            reason = joined(parts)
            with speaking("ko"):
                told = reason_in(f"{reason} {AS_UNCHANGED}")
            assert all(part not in told for part, _ in parts)
            assert "balancer" not in told
            assert "proxy that reads" not in told


def test_a_reason_without_a_translation_stays_whole() -> None:
    reason = "Addresses were rewritten; nobody knows this."
    with speaking("ko"):
        assert reason_in(reason) == reason
    assert reason_in(joined([CHANGED])) == joined([CHANGED])
