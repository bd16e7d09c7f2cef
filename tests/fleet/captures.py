"""Captures to give a fleet, cut into rotated files."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from lbtrace import capture
from lbtrace.capture import writing
from lbtrace.fleet.plan import Plan, PlannedPoint
from lbtrace.model.fleet import FleetReport
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence, Tier
from lbtrace.model.report import Report
from lbtrace.options import quiet

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


def rotated(path: Path, folder: Path, shares: Sequence[float]) -> tuple[str, ...]:
    """The records of a capture in several files, cut at these shares of them."""
    recording = capture.read([str(path)], quiet)
    held, file = recording.records, recording.files[0]
    places = sorted({int(share * len(held)) for share in shares} | {0, len(held)})
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, (begin, end) in enumerate(pairwise(places)):
        records = (
            writing.WrittenRecord(
                int(held.time_ns[row]),
                bytes(
                    recording.buffers[held.buffer[row]][
                        held.offset[row] : held.offset[row] + held.captured[row]
                    ]
                ),
                int(held.wire[row]),
                int(held.link[row]),
            )
            for row in range(begin, end)
        )
        paths.append(folder / f"{path.stem}-{number:03}.pcap")
        paths[-1].write_bytes(b"".join(writing.pcap(records, file.resolution_ns, file.snaplen)))
    return tuple(map(str, paths))


def plan_of(
    clients: Sequence[tuple[str, ...]],
    backends: Sequence[tuple[str, ...]],
    output: Path,
    slice_exchanges: int = 200_000,
    shard_bytes: int = 256_000_000,
    clock_offset_ns: int | None = None,
) -> Plan:
    """A plan of these capture points."""
    return Plan(
        "plan.toml",
        str(output),
        tuple(PlannedPoint(f"c{k}", Side.CLIENT, files) for k, files in enumerate(clients)),
        tuple(PlannedPoint(f"b{k}", Side.BACKEND, files) for k, files in enumerate(backends)),
        slice_exchanges=slice_exchanges,
        shard_bytes=shard_bytes,
        clock_offset_ns=clock_offset_ns,
    )


class Told(NamedTuple):
    """What a report of `compare` and one of the fleet must both say."""

    counts: tuple[object, ...]
    pairs: dict[tuple[Tier, Confidence], int]
    unpaired: dict[tuple[Side, str], int]
    changes: dict[tuple[object, ...], int]
    latency: tuple[object, ...]
    findings: set[str]
    verdict: object


def of_fleet(report: FleetReport) -> Told:
    """What the fleet says."""
    times = report.latency
    return Told(
        (report.client_counts, report.backend_counts),
        {(p.tier, p.confidence): p.pairs for p in report.pairs},
        {(u.side, u.reason): u.exchanges for u in report.unpaired},
        {(c.request, c.kind, c.name, c.of): c.count for c in report.changes},
        times and (times.count, times.added_median_ns, times.added_p95_ns, times.client_median_ns),  # type: ignore[arg-type]
        {f.slug for f in report.findings},
        report.verdict.kind,
    )


def of_compare(report: Report) -> Told:
    """What `compare` says."""
    pairs: dict[tuple[Tier, Confidence], int] = {}
    for p in report.correlation.pairs:
        pairs[p.tier, p.confidence] = pairs.get((p.tier, p.confidence), 0) + 1
    unpaired: dict[tuple[Side, str], int] = {}
    for u in report.correlation.unpaired:
        key = Side(u.side), u.reason
        unpaired[key] = unpaired.get(key, 0) + 1
    times = report.latency
    return Told(
        (report.client_counts, report.backend_counts),
        pairs,
        unpaired,
        {(c.request, c.kind, c.name, c.of): c.count for c in report.correlation.changes},
        times and (times.count, times.added_median_ns, times.added_p95_ns, times.client_median_ns),  # type: ignore[arg-type]
        {f.slug for f in report.findings},
        report.verdict.kind,
    )
