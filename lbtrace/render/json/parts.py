"""The parts of the JSON documents of which there are few: small dictionaries, encoded one by one
(docs/json-format.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lbtrace.model.net import FrameRef
from lbtrace.model.pairing import Clock, HeaderChange, HealthCheck, Topology
from lbtrace.model.report import (
    CaptureReport,
    Evidence,
    Finding,
    Latency,
    Report,
    SideCounts,
    Value,
    Verdict,
    Witness,
)
from lbtrace.model.trace import Trace
from lbtrace.render.json.frames import FrameWriter
from lbtrace.render.json.text import Json, encode, quoted
from lbtrace.render.wording import names
from lbtrace.render.wording.statements import filled


def trace_head(trace: Trace) -> str:
    """The beginning of a capture object, up to its arrays, without the closing brace."""
    head: Json = {
        "side": trace.side.value,
        "point": trace.point,
        "first_ns": trace.first_ns,
        "last_ns": trace.last_ns,
        "packets": {
            "read": trace.packets.read,
            "decoded": trace.packets.decoded,
            "truncated": trace.packets.truncated,
            "duplicates": trace.packets.duplicates,
            "skipped": [
                {"reason": reason, "count": count} for reason, count in trace.packets.skipped
            ],
            "peeled": [{"name": name, "count": count} for name, count in trace.packets.peeled],
        },
        "files": [
            {
                "path": f.path,
                "format": f.format,
                "compression": f.compression,
                "size_bytes": f.size_bytes,
                "frames": f.frames,
                "first_ns": f.first_ns,
                "last_ns": f.last_ns,
                "resolution_ns": f.resolution_ns,
                "link_types": list(f.link_types),
                "snaplen": f.snaplen,
                "dropped": f.dropped,
            }
            for f in trace.files
        ],
    }
    return encode(head)[:-1]


def diagnostics(trace: Trace) -> Iterator[str]:
    """What is worth saying about one capture point."""
    frames = FrameWriter(trace)
    for d in trace.diagnostics:
        first = frames.keys("first", d.frame)
        yield f'{{"slug":{quoted(d.slug)},"text":{encode(d.text)},"count":{d.count},{first}}}'


def verdict(report: Report) -> str:
    """Kind, confidence, witnesses, and which known balancers fit."""
    return encode(verdict_object(report.verdict))


def verdict_object(v: Verdict) -> Json:
    """The same, of a verdict alone."""
    return {
        "kind": v.kind.value,
        "candidates": [kind.value for kind in v.candidates],
        "confidence": v.confidence.value,
        "modifiers": list(v.modifiers),
        "reason": v.reason,
        "next_step": v.next_step,
        "witnesses": [_witness(w) for w in v.witnesses],
        "profiles": [
            {
                "id": p.id,
                "name": p.name,
                "score": p.score,
                "named": p.named,
                "matched": [{"rule": rule, "example": example} for rule, example in p.matched],
                "contradicted": [
                    {"rule": rule, "example": example} for rule, example in p.contradicted
                ],
                "forgiven": p.forgiven,
            }
            for p in v.profiles
        ],
    }


def _witness(w: Witness) -> Json:
    return {
        "name": w.name,
        "text": filled(w.statement, w.values),
        "statement": w.statement,
        "values": _values(w.values),
        "speaks_for": [k.value for k in w.speaks_for],
        "speaks_against": [k.value for k in w.speaks_against],
        "evidence": [evidence(e) for e in w.evidence],
    }


def _values(values: Iterable[Value]) -> list[Json]:
    return [{"name": v.name, "value": v.value, "unit": v.unit} for v in values]


def evidence(e: Evidence) -> Json:
    """The packets behind a claim."""
    return {
        "note": e.note,
        "frames": [frame(f) for f in e.frames],
        "client_filter": e.client_filter,
        "backend_filter": e.backend_filter,
    }


def frame(f: FrameRef) -> Json:
    """Where a packet is."""
    return {
        "side": f.side.value,
        "point": f.point,
        "file": f.file,
        "frame": f.number,
        "time_ns": f.time_ns,
    }


def findings(items: Iterable[Finding]) -> Iterator[str]:
    """Each finding with its sentence filled in, its measured values and its evidence."""
    for f in items:
        yield encode(
            {
                "slug": f.slug,
                "title": f.title,
                "severity": f.severity.value,
                "confidence": f.confidence.value,
                "text": filled(f.statement, f.values),
                "statement": f.statement,
                "values": _values(f.values),
                "remedy": f.remedy,
                "evidence": [evidence(e) for e in f.evidence],
            }
        )


def problems(report: Report | CaptureReport) -> Iterator[str]:
    """Each with the findings that tell of it."""
    for p in report.problems:
        cause = report.findings[p.findings[0]]
        yield encode(
            {
                "id": p.id,
                "severity": p.severity.value,
                "slugs": list(p.slugs),
                "findings": list(p.findings),
                "text": filled(cause.statement, cause.values),
                "count": p.count,
                "of": p.of,
                "since_ns": p.since.time_ns,
                "frames": [frame(f) for f in p.frames],
            }
        )


def counts(report: Report) -> str:
    """Both sides, counted."""
    return encode(
        {
            "client": side_counts(report.client_counts),
            "backend": side_counts(report.backend_counts),
        }
    )


def side_counts(c: SideCounts) -> Json:
    """One side, counted."""
    return {
        "packets": c.packets,
        "connections": c.connections,
        "syns": c.syns,
        "syn_retransmissions": c.syn_retransmissions,
        "opened": c.opened,
        "already_open": c.already_open,
        "requests": c.requests,
        "responses": c.responses,
        "http_connections": c.http_connections,
        "requests_per_connection": [
            {"requests": r, "connections": n} for r, n in c.requests_per_connection
        ],
        "check_connections": c.check_connections,
        "check_requests": c.check_requests,
    }


def topology(t: Topology) -> str:
    """Who is who."""
    return encode(
        {
            "clients": list(t.clients),
            "fronts": [str(e) for e in t.fronts],
            "balancer_back": list(t.balancer_back),
            "backends": [str(e) for e in t.backends],
            "mappings": [
                {
                    "client": m.client,
                    "seen_as": m.seen_as,
                    "stated_by": m.stated_in,
                    "count": m.count,
                    "of": m.of,
                }
                for m in t.mappings
            ],
        }
    )


def latency(times: Latency | None) -> str:
    """The numbers of Latency, or null."""
    if times is None:
        return "null"
    numbers = {name: getattr(times, name) for name in Latency.__dataclass_fields__}
    numbers["sending"], numbers["reading"] = times.sending._asdict(), times.reading._asdict()
    numbers["left_out"] = [{"reason": why, "count": count} for why, count in times.left_out]
    return encode(numbers)


def clocks(items: Iterable[Clock]) -> Iterator[str]:
    """One per client point and backend point."""
    for c in items:
        yield encode(
            {
                "client_point": c.client_point,
                "backend_point": c.backend_point,
                "low_ns": c.low_ns,
                "high_ns": c.high_ns,
                "half_width_ns": c.half_width_ns,
                "drift_ppb": c.drift_ppb,
                "reference_ns": c.reference_ns,
                "pairs": c.pairs,
                "outliers": c.outliers,
                "refused": names.clock_refusal(c),
                "stated": c.stated,
                "parts": _parts_of(c),
                "times_alone": c.times_alone._asdict() if c.times_alone is not None else None,
            }
        )


def _parts_of(clock: Clock) -> list[dict[str, int | None]]:
    """The two clocks, before and since one was set, where its place among the requests is known."""
    step = clock.step
    if step is None or not step.first_frame:
        return []
    before, since = step.before_ns, step.since_ns
    return [
        {
            "low_ns": before[0],
            "high_ns": before[1],
            "first_frame": None,
            "last_frame": step.last_frame,
        },
        {
            "low_ns": since[0],
            "high_ns": since[1],
            "first_frame": step.first_frame,
            "last_frame": None,
        },
    ]


def header_changes(changes: Iterable[HeaderChange]) -> Iterator[str]:
    """What happened to each header field, over all pairs."""
    for c in changes:
        yield encode(
            {
                "message": "request" if c.request else "response",
                "kind": c.kind.value,
                "name": c.name,
                "behaviour": c.behaviour.value,
                "count": c.count,
                "of": c.of,
                "before": c.before,
                "after": c.after,
                "values": list(c.values),
                "hop_by_hop": c.hop_by_hop,
                "example_pair": c.example,
            }
        )


def health_checks(checks: Iterable[HealthCheck]) -> Iterator[str]:
    """The balancer's own probing."""
    for h in checks:
        yield encode(
            {
                "source": h.source,
                "target": str(h.target),
                "point": h.point,
                "method": h.method,
                "path": h.path,
                "user_agent": h.user_agent,
                "period_ns": h.period_ns,
                "confidence": h.confidence.value,
                "reasons": list(h.reasons),
                "exchanges": list(h.exchanges),
                "connections": list(h.connections),
            }
        )
