"""Plays → what the findings say of them, and the few plays that many tests start from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lbtrace.comparison import Comparison
from lbtrace.correlate import correlate
from lbtrace.findings import all_findings
from lbtrace.model.pairing import Correlation
from lbtrace.model.report import Finding
from lbtrace.model.trace import Trace
from lbtrace.options import Options
from tests.play import Balancer, Play, Shown

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
class Told:
    """A performance, what it correlates to, and what is said of it."""

    shown: Shown
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
) -> Play:
    """The founding experiment: a laptop that asks four times, each on a connection of its own."""
    play = Play(seed=7, balancer=balancer)
    for name, value in settings.items():
        setattr(play, name, value)
    laptop = play.client("192.168.0.5", seen_as=seen_as)
    for n, target in enumerate(targets):
        laptop.asks("GET", target, at_ms=100 * n, answer=b"answer %d" % n)
    return play


def tell(play: Play) -> Told:
    """Perform a play and say what there is to say."""
    shown = play.perform()
    return told(shown, correlate(shown.clients, shown.backends, Options()))


def told(shown: Shown, correlation: Correlation) -> Told:
    """What is said of a correlation."""
    return Told(
        shown, correlation, all_findings(Comparison(shown.clients, shown.backends, correlation))
    )


def values(finding: Finding) -> dict[str, int | str]:
    """The values of a finding by name."""
    return {v.name: v.value for v in finding.values}


def with_exchanges(trace: Trace, **changed: object) -> Trace:
    """A trace whose exchanges are replaced: {"e0": Exchange, …}."""
    exchanges = list(trace.exchanges)
    for name, exchange in changed.items():
        exchanges[int(name[1:])] = exchange  # type: ignore[call-overload]
    return replace(trace, exchanges=exchanges)
