"""Every case of the accuracy table: nothing confidently wrong, and as much found as the packets
allow.
"""

import pytest

from lbtrace.correlate import correlate
from lbtrace.options import DEFAULT
from tests.simulator.scenarios import LEAST, SCENARIOS
from tests.simulator.score import score


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name: str) -> None:
    recorded = SCENARIOS[name]().run()
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    counted, said = score(recorded, found)
    assert not said
    assert counted.covered >= LEAST[name]
    named = [p.client for p in found.pairs] + [u.ref for u in found.unpaired if u.side == "client"]
    assert sorted(named) == [(i, e.id) for i, t in enumerate(recorded.clients) for e in t.exchanges]
    behind = [a.backend for p in found.pairs for a in p.attempts] + [
        u.ref for u in found.unpaired if u.side == "backend"
    ]
    assert sorted(behind) == [
        (i, e.id) for i, t in enumerate(recorded.backends) for e in t.exchanges
    ]
