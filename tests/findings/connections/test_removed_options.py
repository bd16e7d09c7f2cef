"""Options that a device takes out of the SYNs that it passes on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lbtrace.comparison import Comparison
from lbtrace.findings.connections import removed_options
from lbtrace.model.net import SynFingerprint
from lbtrace.model.report import Finding, Severity
from lbtrace.model.stream import Connection, Direction
from lbtrace.model.trace import Trace
from lbtrace.verdict.witnesses.packets import syn_options
from tests.findings.simulated import values
from tests.simulator import Balancer
from tests.verdict.recorded import compared, simulation

SYN = SynFingerprint(64, 64240, 1460, 10, True, 77, (2, 4, 8, 1, 3))


def end(direction: Direction, syn: SynFingerprint, size: int) -> Direction:
    return direction._replace(syn=syn, bytes=size)


def side(trace: Trace, asked: SynFingerprint, answered: SynFingerprint, size: int) -> Trace:
    made: list[Connection] = [
        c._replace(
            from_client=end(c.from_client, asked, 80),
            from_server=end(c.from_server, answered, size),
        )
        for c in trace.connections
    ]
    return replace(trace, connections=made)


def passed_on(
    lost: SynFingerprint = SYN,
    answer_lost: SynFingerprint = SYN,
    size: int = 400,
    kind: str = "dnat",
) -> Comparison:
    """Connections whose packets a device passes on: what is left of the SYN behind it, and of the
    SYN-ACK in front of it.
    """
    plain = compared(simulation(Balancer(kind=kind)).run())
    (front,), (back,) = plain.clients, plain.backends
    return Comparison(
        [side(front, SYN, answer_lost, size)], [side(back, lost, SYN, size)], plain.correlation
    )


def found(comparison: Comparison) -> list[Finding]:
    return list(removed_options.find(comparison))


UNSCALED = SYN._replace(window_scale=None, options=(2, 4, 8, 1))
NO_SACK = SYN._replace(sack_permitted=False, options=(2, 1, 8, 1, 3))


def test_what_is_passed_on_whole_is_nothing() -> None:
    assert found(passed_on()) == []


@pytest.mark.parametrize(("size", "severity"), [(65_535, Severity.LOW), (65_536, Severity.MEDIUM)])
def test_window_scale_that_is_taken_out_of_syns(size: int, severity: Severity) -> None:
    """The server does not offer it then; so its SYN-ACK tells nothing."""
    (said,) = found(passed_on(UNSCALED, UNSCALED, size=size))
    assert (said.slug, said.severity) == ("removed-options.window-scale", severity)
    assert values(said)["count"] == values(said)["of"]
    assert ("carried more" in said.text) == (severity is Severity.MEDIUM)


def test_window_scale_that_is_taken_out_of_syn_acks_only() -> None:
    (said,) = found(passed_on(answer_lost=UNSCALED))
    assert said.slug == "removed-options.window-scale-answer"


@pytest.mark.parametrize("asked", [True, False])
def test_sack_that_is_taken_out(asked: bool) -> None:
    (said,) = found(passed_on(NO_SACK) if asked else passed_on(answer_lost=NO_SACK))
    assert said.slug == "removed-options.sack"


def test_a_connection_of_the_balancer_has_options_of_its_own() -> None:
    assert found(passed_on(UNSCALED, kind="l7")) == []


def test_a_syn_without_an_option_it_had_is_still_the_same_syn() -> None:
    assert not list(syn_options(passed_on(UNSCALED)))
    (other,) = syn_options(passed_on(UNSCALED._replace(timestamp=78)))
    assert other.variant == "different"
