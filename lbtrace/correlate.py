"""Two sides → what belongs together (`match`), and what explains it (`explain`).

Every client exchange ends in exactly one pair or in `unpaired`, and so does every backend exchange.
"""

from __future__ import annotations

from collections.abc import Sequence

from lbtrace.explain import explain, split
from lbtrace.match import match
from lbtrace.match.legs import apart
from lbtrace.model.pairing import Correlation
from lbtrace.model.trace import Trace
from lbtrace.options import UNKNOWN, Options, Progress, quiet
from lbtrace.tables.side_table import SideTable

__all__ = ["apart", "correlate", "split"]


def correlate(
    clients: Sequence[Trace],
    backends: Sequence[Trace],
    options: Options,
    tables: tuple[SideTable, SideTable] | None = None,
    progress: Progress = quiet,
) -> Correlation:
    """Client traces and backend traces → Correlation. `tables`: their exchanges, when they are at
    hand.
    """
    progress("pairing", UNKNOWN)
    matching = match(clients, backends, options, tables)
    progress("explaining", UNKNOWN)
    return explain(clients, backends, matching)
