"""The pairs of a slice → a Parquet file (zstd), for notebooks: a row per attempt.

Frames are those that Wireshark shows in their file; times are those of their capture point.
Credentials in targets are masked.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.guard import unfinished
from lbtrace.model.pairing import CONFIDENCES, Tier
from lbtrace.model.report import Report
from lbtrace.model.trace import Trace
from lbtrace.render.wording import names
from lbtrace.tables.columns import Column
from lbtrace.tables.pairs import OUTCOMES, PairTable
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.sides import side_table
from lbtrace.tables.words import Words

COLUMNS: Final = {
    "slice": "the slice, from 1",
    "pair": "the pair in its slice, from 0",
    "client_point": "capture point of the client exchange, from 0",
    "client_file": "its file in that point, from 0",
    "client_frame": "frame its request begins in",
    "client_ns": "time of that frame, ns since the epoch",
    "client_total_ns": "from the first byte of the request to the last of the response",
    "method": "method of the request",
    "target": "its target, credentials masked",
    "status": "status of the response; none without a response",
    "attempt": "which attempt of the pair, from 0",
    "backend_point": "capture point of the backend exchange, from 0",
    "backend_file": "its file in that point, from 0",
    "backend_frame": "frame its request begins in",
    "backend_ns": "time of that frame, ns since the epoch",
    "backend_total_ns": "from the first byte of the request to the last of the response",
    "outcome": "how the attempt ended",
    "confidence": "how sure the pair is",
    "tier": "the evidence that decided it",
    "group": "the set of interchangeable pairs it is in; none where it stands alone",
}


def write_pairs(path: str, comparison: Comparison, masked: Report, number: int) -> None:
    """Write the pairs of a slice. `masked`: the report of it, with its credentials masked."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    columns = {
        name: pa.array(values, mask=None if there is None else ~there)
        for name, (values, there) in _columns(comparison, masked, number).items()
    }
    beside = f"{path}.{os.getpid()}.part"
    with unfinished(beside):
        parquet.write_table(pa.table(columns), beside, compression="zstd")
        os.replace(beside, path)


_Values = tuple[Any, Column | None]  # values, and which of them there are


def _columns(comparison: Comparison, masked: Report, number: int) -> dict[str, _Values]:
    client, backend = comparison.sides
    pairs = PairTable.of(masked.correlation.pairs)
    pair = np.repeat(np.arange(len(pairs)), pairs.attempts)
    one = client.numbers(pairs.client_point, pairs.client)[pair]
    other = backend.numbers(pairs.backend_point, pairs.backend)
    asked = side_table(masked.clients, Words())
    texts = asked.words.text_list
    group = pairs.group[pair]
    confidence = [c.value for c in CONFIDENCES]
    tiers = {tier.value: names.TIER_SLUG[tier] for tier in Tier}
    told: dict[str, _Values] = {
        "slice": (np.full(len(pair), number + 1), None),
        "pair": (pair, None),
        "attempt": (np.arange(len(pair)) - pairs.first[pair], None),
        "method": ([texts[n] for n in asked.requests.method[one].tolist()], None),
        "target": ([texts[n] for n in asked.requests.start[one].tolist()], None),
        "status": (client.responses.start[one], client.responses.there[one]),
        "outcome": ([OUTCOMES[n].value for n in pairs.outcome.tolist()], None),
        "confidence": ([confidence[n] for n in pairs.confidence[pair].tolist()], None),
        "tier": ([tiers[n] for n in pairs.tier[pair].tolist()], None),
        "group": (group, group >= 0),
        **_places("client", client, masked.clients, one),
        **_places("backend", backend, masked.backends, other),
    }
    return {name: told[name] for name in COLUMNS}


def _places(
    side: str, table: SideTable, traces: Sequence[Trace], rows: Column
) -> dict[str, _Values]:
    """Where exchanges of a side are, and how long they took."""
    frame, point = table.requests.first_frame[rows], table.point[rows]
    file = np.zeros(len(rows), np.int64)
    for number, trace in enumerate(traces):
        mine = np.flatnonzero(point == number)
        starts = np.array([f.first_frame for f in trace.files], np.int64)
        file[mine] = np.maximum(np.searchsorted(starts, frame[mine], "right") - 1, 0)
        frame[mine] -= starts[file[mine]] - 1
    asked = table.requests.there[rows]
    total = table.responses.last_ns[rows] - table.requests.first_ns[rows]
    return {
        f"{side}_point": (point, None),
        f"{side}_file": (file, asked),
        f"{side}_frame": (frame, asked),
        f"{side}_ns": (table.requests.first_ns[rows], asked),
        f"{side}_total_ns": (total, asked & table.responses.there[rows]),
    }
