"""Simulated captures of every kind of balancer, compared: what the laws of this room range over."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import strategies as st

from lbtrace.comparison import Comparison
from lbtrace.correlate import correlate
from lbtrace.model.http import Exchange
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import Correlation, Ref
from lbtrace.model.report import Evidence
from lbtrace.model.stream import Connection
from lbtrace.options import Options
from lbtrace.verdict.weigh import Observation
from tests.simulator import Balancer, Recording, Simulation

XFF = [("X-Forwarded-For", "{client}")]
KINDS = ("l7", "l4-proxy", "dnat", "snat", "dsr", "direct", "tls", "tls-pass")


def compared(recorded: Recording, found: Correlation | None = None) -> Comparison:
    """Both sides, and what was found (or is given) to belong together."""
    found = found or correlate(recorded.clients, recorded.backends, Options())
    return Comparison(recorded.clients, recorded.backends, found)


def simulation(balancer: Balancer, count: int = 6, seed: int = 7) -> Simulation:
    """A client that asks `count` things, each on a connection of its own."""
    made = Simulation(seed=seed, balancer=balancer)
    laptop = made.client("192.168.0.5")
    for n in range(count):
        laptop.asks("GET", f"/divide/{n}", at_ms=60 * n, answer=b"answer %d" % n)
    return made


@st.composite
def comparisons(draw: st.DrawFn) -> Comparison:
    """Any balancer, any traffic, any loss."""
    balancer = Balancer(
        kind=draw(st.sampled_from(KINDS)),
        add=draw(st.sampled_from([(), XFF, [("x-request-id", "{fresh}")]])),
        keep_alive=draw(st.booleans()),
        recase=draw(st.booleans()),
        version=draw(st.sampled_from(["HTTP/1.1", "HTTP/1.1", "HTTP/1.0"])),
        refuse=draw(st.sampled_from([0.0, 0.0, 0.3])),
        retry=draw(st.sampled_from([0.0, 0.0, 0.4])),
        proxy=draw(st.sampled_from([0, 0, 1, 2])),
        check_ms=draw(st.sampled_from([0, 0, 40])),
    )
    loss = draw(st.sampled_from([0.0, 0.0, 0.2]))
    made = Simulation(
        seed=draw(st.integers(0, 999)), balancer=balancer, client_loss=loss, backend_loss=loss
    )
    same, kept = draw(st.booleans()), draw(st.booleans())
    for c in range(draw(st.integers(1, 3))):
        client = made.client(f"192.168.0.{c + 5}")
        for n in range(draw(st.integers(1, 5))):
            client.asks(
                "GET",
                "/same" if same else f"/page/{c}/{n}",
                at_ms=9 * n,
                connection="kept" if kept else "",
            )
    return compared(made.run())


def told(observations: Iterator[Observation]) -> dict[tuple[str, str], dict[str, object]]:
    """What a witness said: (name, variant) → the values of its sentence."""
    return {
        (o.name, o.variant): {value.name: value.value for value in o.values} for o in observations
    }


def frames(observation: Observation, side: Side) -> set[int]:
    """The frames of one side that an observation shows."""
    return {f.number for e in observation.evidence for f in _frames(e) if f.side is side}


def _frames(evidence: Evidence) -> tuple[FrameRef, ...]:
    return evidence.frames


def used(comparison: Comparison, side: Side) -> list[Connection]:
    """The connections of a side that pairs name, each once."""
    number = 0 if side is Side.CLIENT else 1
    refs: dict[Ref, None] = {}
    for pair in comparison.pairs:
        exchange = pair.client if number == 0 else pair.backend
        refs[Ref((pair.client_ref, pair.backend_ref)[number].point, exchange.connection)] = None
    for joined in comparison.connection_pairs:
        refs[(joined.client_ref, joined.backend_ref)[number]] = None
    return [comparison.connection(side, ref) for ref in refs]


def both(pair: tuple[Exchange, Exchange]) -> bool:
    """Both exchanges have a request."""
    return all(exchange.request is not None for exchange in pair)
