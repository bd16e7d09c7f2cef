"""Both sides of a recording → the state that pairing begins with."""

from __future__ import annotations

from collections.abc import Sequence

from lbtrace.match.exchange_times import read
from lbtrace.match.pairing import Pairing
from lbtrace.model.net import Side
from lbtrace.model.trace import Trace
from lbtrace.tables.sides import both_sides


def unpaired(clients: Sequence[Trace], backends: Sequence[Trace]) -> Pairing:
    """No exchange has a partner yet."""
    client, backend = both_sides(clients, backends)
    return Pairing(read(Side.CLIENT, client), read(Side.BACKEND, backend))
