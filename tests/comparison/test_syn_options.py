"""The options of SYNs as columns: as each connection has them."""

from __future__ import annotations

from dataclasses import replace

from lbtrace.comparison.syn_options import syn_option_columns
from lbtrace.model.net import Side
from lbtrace.tables.connections import NONE
from tests.comparison.test_frames import comparison


def test_each_connection_has_its_own_options_and_none_without_a_syn() -> None:
    whole = comparison(4)
    layouts: dict[tuple[int, ...], int] = {}
    (trace,) = whole.clients
    changed = [
        c._replace(
            from_client=c.from_client._replace(
                syn=None
                if c.id == 1
                else c.from_client.syn
                and c.from_client.syn._replace(ttl=60 + c.id, options=(2, c.id + 3))
            )
        )
        for c in trace.connections
    ]
    sides = type(whole)([replace(trace, connections=changed)], whole.backends, whole.correlation)
    for side in Side:
        for server in (False, True):
            found = syn_option_columns(sides.table(side), server, layouts)
            (of,) = sides.traces(side)
            for number, c in enumerate(of.connections):
                syn = (c.from_server if server else c.from_client).syn
                assert found.there[number] == (syn is not None)
                if syn is None:
                    row = [column[number] for column in found[1:]]
                    assert row == [NONE] * 5
                    continue
                assert list(layouts)[found.options[number]] == syn.options
                assert found.ttl[number] == syn.ttl
                assert found.window_scale[number] == (
                    NONE if syn.window_scale is None else syn.window_scale
                )
                assert bool(found.sack_permitted[number]) == syn.sack_permitted
                assert found.timestamp[number] == (NONE if syn.timestamp is None else syn.timestamp)
    alike = syn_option_columns(sides.table(Side.BACKEND), False, layouts).options
    assert len(set(alike.tolist())) == 1, "equal layouts have one number on both sides"
