"""The recorded pairs that are damaged: the samples and some plays, each with what is true of it.

`truth` names exchanges as the whole captures number them. A damaged capture has numbers of its own;
what leads back is the packet in which a message begins.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lbtrace import pipeline
from lbtrace.lab.agree import ExchangeIndex, located_attempts, located_requests
from lbtrace.lab.ground_truth import GroundTruth
from lbtrace.model.net import Side
from lbtrace.model.pairing import Ref
from lbtrace.model.trace import Trace
from tests.sentences.damage import Record, records_of
from tests.simulator import Clockwork, Simulation
from tests.simulator.random_simulations import random_simulation
from tests.simulator.scenarios import SCENARIOS

SAMPLES = Path(__file__).parents[2] / "samples"
# one play of each shape of traffic, small enough to be compared several times a second
PLAYS = (
    "founding-alb", "founding-nlb-snat", "tcp-proxy", "proxy-protocol-2", "direct", "dsr",
    "identical-curls", "minted-id", "retry-reset", "retry-identical", "posted-twice", "refusals",
    "mirrored", "two-points-identical", "several-client-captures", "gzip-added", "continued",
    "tls-passed-on", "whole-connections", "keep-alive-race",
)  # fmt: skip
SEEDS = range(400, 420)  # of random simulations
MOST = 24  # requests of a play

Point = tuple[Side, int]
Truth = dict[Ref, frozenset[Ref]]  # client exchange → the backend exchanges that it caused


@dataclass(frozen=True, eq=False)
class Recorded:
    """One recorded pair. `begins`: per capture point, the exchanges of which a message begins in a
    packet. `unlogged`: backend exchanges of which no log tells, for the backend's application never
    saw them. `delta_ns`: the client clock minus the backend clock, None where there are several.
    """

    name: str
    files: Mapping[Point, bytes]
    records: Mapping[Point, list[Record]]
    begins: Mapping[Point, Mapping[int, set[int]]]
    truth: Truth
    unlogged: frozenset[Ref]
    delta_ns: int | None


def recorded(
    name: str,
    files: Mapping[Point, bytes],
    truth_of: Callable[[Mapping[Point, Trace]], Truth],
    delta_ns: int | None,
) -> Recorded:
    """Files, and how the truth names what is read from them."""
    read = {point: _inspected(data, point) for point, data in files.items()}
    truth = truth_of(read)
    caused = {backend for backends in truth.values() for backend in backends}
    silent = {
        Ref(point, e.id)
        for (side, point), trace in read.items()
        for e in trace.exchanges
        if side is Side.BACKEND and e.response is None
    }
    return Recorded(
        name,
        files,
        {point: records_of(data) for point, data in files.items()},
        {point: _begins(trace) for point, trace in read.items()},
        truth,
        frozenset(silent - caused),
        delta_ns,
    )


def _inspected(data: bytes, point: Point) -> Trace:
    with tempfile.NamedTemporaryFile(suffix=".pcap") as file:
        file.write(data)
        file.flush()
        return pipeline.inspect([file.name], *point)


def _begins(trace: Trace) -> Mapping[int, set[int]]:
    found: dict[int, set[int]] = defaultdict(set)
    for exchange in trace.exchanges:
        for message in (exchange.request, exchange.response):
            if message is not None:
                found[message.first_frame].add(exchange.id)
    return found


def sample(folder: Path) -> Recorded:
    """A sample of the lab with its ground truth. Both captures have one clock."""
    paths = [(side, path) for side in Side for path in sorted(folder.glob(f"{side}*.pcap"))]
    numbers = {Side.CLIENT: iter(range(9)), Side.BACKEND: iter(range(9))}
    files = {(side, next(numbers[side])): path.read_bytes() for side, path in paths}
    known = GroundTruth.read(folder / "truth.json")

    def truth_of(read: Mapping[Point, Trace]) -> Truth:
        behind = [ExchangeIndex(trace) for (side, _), trace in read.items() if side is Side.BACKEND]
        requests = located_requests(ExchangeIndex(read[Side.CLIENT, 0]), known)
        attempts = located_attempts(behind, known)
        truth = {}
        for number, request in enumerate(known.requests):
            mine, caused = requests[number], [attempts[a] for a in request.attempts]
            if mine is not None and None not in caused:
                truth[Ref(0, mine)] = frozenset(ref for ref in caused if ref is not None)
        return truth

    return recorded(folder.name, files, truth_of, delta_ns=0)


def play(name: str, simulation: Simulation) -> Recorded:
    """A simulated pair of which every packet was captured, as far as its first requests."""
    for client in simulation.clients:
        client.asked = client.asked[: MOST // len(simulation.clients)]
    simulation.client_loss = simulation.backend_loss = 0
    simulation.client_window = simulation.backend_window = None
    simulation.client_clock.drift_ppb, simulation.backend_clock = 0, Clockwork()
    run = simulation.run(pcaps=True)
    captures = [(Side.CLIENT, run.client_pcaps), (Side.BACKEND, run.backend_pcaps)]
    files = {(side, n): data for side, pcaps in captures for n, data in enumerate(pcaps)}
    made = {Side.CLIENT: run.clients, Side.BACKEND: run.backends}

    def truth_of(read: Mapping[Point, Trace]) -> Truth:
        for (side, point), trace in read.items():
            assert _places(trace) == _places(made[side][point]), f"{name}: numbered otherwise"
        return {client: frozenset(backends) for client, backends in run.truth.items()}

    one_clock = not simulation.other_clocks
    return recorded(name, files, truth_of, simulation.client_clock.offset_ns if one_clock else None)


def _places(trace: Trace) -> list[tuple[int, int]]:
    return [(e.connection, e.ordinal) for e in trace.exchanges]


@cache
def pool() -> tuple[Recorded, ...]:
    """All of them."""

    def each() -> Iterator[Recorded]:
        for path in sorted(SAMPLES.glob("*/truth.json")):
            yield sample(path.parent)
        for name in PLAYS:
            yield play(name, SCENARIOS[name]())
        for seed in SEEDS:
            yield play(f"random-{seed}", random_simulation(seed, most=60))

    return tuple(each())
