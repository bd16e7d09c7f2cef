"""The stages in order: what only the whole road shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbtrace.model.net import Side
from lbtrace.pipeline import compare

SAMPLES = Path(__file__).resolve().parents[1] / "samples"


@pytest.mark.parametrize("sample", ["alb-like", "haproxy", "nlb-like"])
def test_swapped_captures_tell_the_same_as_in_order(sample: str) -> None:
    client, backend = ([str(SAMPLES / sample / f"{side}.pcap")] for side in ("client", "backend"))
    given, turned = compare([client], [backend]), compare([backend], [client])
    assert not given.correlation.swapped
    assert turned.correlation.swapped
    assert [t.name for t in turned.clients] == client
    assert [t.side for t in (*turned.clients, *turned.backends)] == [Side.CLIENT, Side.BACKEND]
    assert turned.verdict == given.verdict
    assert turned.correlation.pairs == given.correlation.pairs
    assert turned.client_counts == given.client_counts
