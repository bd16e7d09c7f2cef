"""Every case of the accuracy table: nothing confidently wrong, and as much found as the packets
allow.
"""

import pytest

from lbtrace.correlate import correlate
from lbtrace.options import DEFAULT
from tests.play.scenarios import LEAST, SCENARIOS
from tests.play.score import score


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name: str) -> None:
    shown = SCENARIOS[name]().perform()
    found = correlate(shown.clients, shown.backends, DEFAULT)
    counted, said = score(shown, found)
    assert not said
    assert counted.covered >= LEAST[name]
    named = [p.client for p in found.pairs] + [u.ref for u in found.unpaired if u.side == "client"]
    assert sorted(named) == [(i, e.id) for i, t in enumerate(shown.clients) for e in t.exchanges]
    behind = [a.backend for p in found.pairs for a in p.attempts] + [
        u.ref for u in found.unpaired if u.side == "backend"
    ]
    assert sorted(behind) == [(i, e.id) for i, t in enumerate(shown.backends) for e in t.exchanges]
