"""`python -m tests.simulator.bench [EXCHANGES]`: CPU seconds that pairing takes, with unique ids
and with identical requests.

Never a timed test.
"""

from __future__ import annotations

import gc
import random
import sys
import time

from lbtrace.correlate import correlate
from lbtrace.options import DEFAULT
from tests.simulator import Balancer, Simulation
from tests.simulator.score import score


def busy(exchanges: int, unique: bool) -> Simulation:
    """64 connections of one client, one after another on each."""
    added = [("X-Forwarded-For", "{client}"), ("X-Amzn-Trace-Id", "Root=1-{fresh}")]
    simulation = Simulation(seed=1, balancer=Balancer(add=added, check_ms=10_000))
    dice = random.Random(2)
    client = simulation.client("192.168.0.5", "198.51.100.1")
    for i in range(exchanges):
        ids = [("X-Request-Id", f"{dice.getrandbits(64):016x}")] if unique else []
        client.asks(
            "GET",
            f"/x/{i}" if unique else "/x",
            connection=f"k{i % 64}",
            think_ms=dice.random() * 5,
            headers=ids,
        )
    return simulation


def main() -> None:
    """Print one line per kind."""
    exchanges = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    for unique in (True, False):
        recorded = busy(exchanges, unique).run()
        gc.disable()
        begin = time.process_time()
        found = correlate(recorded.clients, recorded.backends, DEFAULT)
        spent = time.process_time() - begin
        gc.enable()
        counted, _ = score(recorded, found)
        kind = "unique" if unique else "identical"
        print(
            f"{kind}: {exchanges} exchanges, {spent:.2f} s CPU, {counted.right} alone, "
            f"{counted.grouped} in sets"
        )


if __name__ == "__main__":
    main()
