"""Simulations → their findings, and the few simulations that many tests start from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lbtrace.comparison import Comparison
from lbtrace.correlate import correlate
from lbtrace.findings import all_findings, registry
from lbtrace.model.net import Side
from lbtrace.model.pairing import Correlation
from lbtrace.model.report import Finding
from lbtrace.model.trace import Trace
from lbtrace.options import Options
from tests.simulator import Balancer, Recording, Simulation

ALB = Balancer(
    add=[
        ("X-Forwarded-For", "{client}"),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Port", "80"),
        ("X-Amzn-Trace-Id", "{fresh}"),
    ],
    check_ms=500,
)
FOUR = ("/divide/25", "/divide/50", "/divide/10", "/divide/4")


@dataclass(frozen=True)
class Judged:
    """A recording, its correlation, and its findings."""

    recorded: Recording
    correlation: Correlation
    findings: tuple[Finding, ...]

    def of(self, slug: str) -> list[Finding]:
        """The findings of a slug, or of one of its variants."""
        return [f for f in self.findings if f.slug == slug or f.slug.startswith(f"{slug}.")]

    def one(self, slug: str) -> Finding:
        """The only finding of a slug."""
        (finding,) = self.of(slug)
        return finding


def four(
    balancer: Balancer, seen_as: str = "", targets: Sequence[str] = FOUR, **settings: object
) -> Simulation:
    """The founding experiment: a laptop that asks four times, each on a connection of its own."""
    simulation = Simulation(seed=7, balancer=balancer)
    for name, value in settings.items():
        setattr(simulation, name, value)
    laptop = simulation.client("192.168.0.5", seen_as=seen_as)
    for n, target in enumerate(targets):
        laptop.asks("GET", target, at_ms=100 * n, answer=b"answer %d" % n)
    return simulation


def judge_simulation(simulation: Simulation) -> Judged:
    """Run a simulation, pair it, find."""
    recorded = simulation.run()
    return judge_recording(recorded, correlate(recorded.clients, recorded.backends, Options()))


def judge_recording(recorded: Recording, correlation: Correlation) -> Judged:
    """The findings of a correlation. Whatever a test makes lbtrace say has a slug that is
    documented.
    """
    found = all_findings(Comparison(recorded.clients, recorded.backends, correlation))
    missing = undocumented(found)
    assert not missing, f"name {missing} under Variants: in the docstring of its file"
    return Judged(recorded, correlation, found)


def undocumented(findings: Sequence[Finding]) -> list[str]:
    """The slugs whose variant the docstring of their file does not name under `Variants:`."""
    known = {f.slug: f.variants for f in registry()}
    parts = [f.slug.partition(".") for f in findings]
    return [f"{name}.{v}" for name, _, v in parts if v and v not in known[name]]


def values(finding: Finding) -> dict[str, int | str]:
    """The values of a finding by name."""
    return {v.name: v.value for v in finding.values}


def with_exchanges(trace: Trace, **changed: object) -> Trace:
    """A trace whose exchanges are replaced: {"e0": Exchange, …}."""
    exchanges = list(trace.exchanges)
    for name, exchange in changed.items():
        exchanges[int(name[1:])] = exchange  # type: ignore[call-overload]
    return replace(trace, exchanges=exchanges)


def judge_alone(trace: Trace) -> Judged:
    """The findings of one capture, as `lbtrace show` tells them."""
    read = replace(trace, side=Side.CLIENT, point=0)
    alone = Recording([read], [], {}, set(), set(), set(), {}, {})
    return judge_recording(alone, Correlation())
