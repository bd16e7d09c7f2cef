"""A simulation → what lbtrace concludes of it, as a short text: one line for each conclusion.

The texts of some scenarios are kept in `scenarios/`, so that a change shows what it changes: which
pairs are how sure and why, what has no partner for which reason, what is found with which values
and frames. `python -m tests.golden` writes them anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path

from lbtrace import behaviour, verdict
from lbtrace.comparison import Comparison
from lbtrace.correlate import correlate
from lbtrace.findings import all_findings
from lbtrace.model.net import Endpoint, FrameRef, Side
from lbtrace.model.pairing import Correlation, Ref
from lbtrace.model.report import Evidence, Finding, Value, Verdict
from lbtrace.options import DEFAULT
from tests.simulator.scenarios import SCENARIOS

FOLDER = Path(__file__).with_name("scenarios")
TOLD = (
    *("rewriting", "gzip-added", "gzip-removed", "http-1-0", "xff-replaced", "fields-merged"),
    *("target-normalised", "continued", "head-as-get", "http2-in-front", "trailers-dropped"),
    *("step", "step-late", "loss-identical", "drift", "shared-backend-connection"),
    *("checks-without-a-name", "minted-id", "client-behind-nat", "two-behind-nat", "spoofed-xff"),
    *("proxy-protocol-2-before-http", "proxy-protocol-ipv6", "named-client", "foreign-servers"),
    *("founding-alb", "founding-nlb", "founding-nlb-snat", "source-kept-by-proxy", "dsr", "direct"),
    *("tls-passed-on", "tls-ends", "tls-ends-crowd", "whole-connections", "another-protocol"),
    *("retry-reset", "retry-500", "bad-gateway", "hedged", "cache", "refusals", "redirects"),
    *("fixed-answers", "keep-alive-race", "mirrored", "mirrored-all-alike", "client-stopped-early"),
    *("backend-started-late", "nat-started-late", "apart", "two-points-identical"),
    *("two-front-nodes", "several-client-captures"),
)


def told(scenario: str) -> str:
    """What is concluded of a scenario."""
    recorded = SCENARIOS[scenario]().run()
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    comparison = Comparison(recorded.clients, recorded.backends, found)
    findings, judged = all_findings(comparison), verdict.judge(comparison)
    facts = behaviour.behaviour(comparison, findings, judged)
    lines = [
        *_correlated(found),
        f"client: {_plain(comparison.client_counts)}",
        f"backend: {_plain(comparison.backend_counts)}",
        f"summary: {_plain(comparison.summary)}",
        f"latency: {_plain(comparison.latency)}",
        *_judged(judged),
        *map(_finding, findings),
        "facts: " + ", ".join(f"{fact.name}={fact.value}" for fact in facts.facts),
    ]
    return "\n".join(lines) + "\n"


def _correlated(found: Correlation) -> Iterator[str]:
    """What belongs together, counted."""
    clues = (tuple(reason.clue for reason in p.reasons) for p in found.pairs)
    why = ((p.confidence, p.tier.name, *of) for p, of in zip(found.pairs, clues, strict=True))
    yield from _counted("pairs", why)
    yield from _counted("attempts", (a.outcome for p in found.pairs for a in p.attempts))
    yield from _counted("sets", ((len(s.clients), len(s.backends)) for s in found.sets))
    yield from _counted("without a partner", (u._replace(ref=None) for u in found.unpaired))  # type: ignore[arg-type]
    yield from _counted("connections", ((p.confidence, p.basis) for p in found.connection_pairs))
    for name in ("clocks", "changes", "trailer_changes", "health_checks"):
        yield from (f"{name}: {_plain(each)}" for each in getattr(found, name))
    yield f"topology: {_plain(found.topology)}"
    yield f"completeness: {_plain(found.completeness)}"


def _counted(what: str, things: Iterable[object]) -> Iterator[str]:
    """The most frequent first; values that are seldom the same are counted together."""
    counted = Counter(map(_plain, things))
    frequent = {thing: n for thing, n in counted.items() if n > 1 or len(counted) <= FEW}
    yield from (f"{what}: {n} {thing}" for thing, n in sorted(frequent.items(), key=_order))
    if len(frequent) < len(counted):
        yield f"{what}: {len(counted) - len(frequent)} others"


FEW = 8  # different things that are each listed


def _order(counted: tuple[str, int]) -> tuple[int, str]:
    return -counted[1], counted[0]


def _judged(judged: Verdict) -> Iterator[str]:
    yield f"verdict: {judged.kind} {judged.confidence} {_plain(judged.modifiers)}"
    for w in judged.witnesses:
        speaks = f"for {', '.join(w.speaks_for)}, against {', '.join(w.speaks_against)}"
        yield f"witness: {w.name} {speaks} ({_values(w.values)}) {_frames(w.evidence)}"
    yield from (f"profile: {p.id} {p.score}" for p in judged.profiles[:3])


def _finding(found: Finding) -> str:
    sure = f"{found.severity} {found.confidence}{', with a remedy' if found.remedy else ''}"
    return f"finding: {found.slug} {sure} ({_values(found.values)}) {_frames(found.evidence)}"


def _values(values: Iterable[Value]) -> str:
    return ", ".join(f"{v.name}={v.value}" for v in values)


def _frames(shown: Iterable[Evidence]) -> str:
    """How many frames are shown, and the first of each side."""
    frames = [f for evidence in shown for f in evidence.frames]
    first = {f.side: f for f in reversed(frames)}
    return " ".join([str(len(frames)), *(_plain(first[side]) for side in Side if side in first)])


def _plain(thing: object) -> str:
    """A value as text: fields that say nothing are left out."""
    match thing:
        case Endpoint() | Ref() | str() | int() | None:
            return str(thing.value if isinstance(thing, Enum) else thing)
        case FrameRef():
            return f"{thing.side}{thing.point or ''} {thing.number}"
        case [int(), int(), int(), *_]:
            return f"{len(thing)} from {thing[0]} to {thing[-1]}"
        case float():
            return f"{thing:.6g}"
        case frozenset() | set():
            return _plain(sorted(map(_plain, thing)))
    if is_dataclass(thing):
        held = {f.name: getattr(thing, f.name) for f in fields(thing) if f.repr}
    elif hasattr(thing, "_asdict"):
        held = thing._asdict()
    elif isinstance(thing, dict):
        held = thing
    elif isinstance(thing, Iterable):
        return f"[{'; '.join(map(_plain, thing))}]"
    else:
        return str(thing)
    return " ".join(f"{name}={_plain(v)}" for name, v in held.items() if v or v == 0)
