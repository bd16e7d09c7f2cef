"""Results of a check whose texts come from a hostile capture."""

from __future__ import annotations

from datetime import date

from lbtrace.model.behaviour import ShownHead
from lbtrace.model.expectation import Allowance, CheckResult, Fulfilment, Outcome, Place
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.report import Evidence

HOSTILE = "".join(map(chr, range(256))) + "\u202e ]]> <script> %0A::error::x | ` `` ``` \\ \ud800"
EVIDENCE = (
    Evidence(
        (FrameRef(Side.CLIENT, 0, 0, 4, 0), FrameRef(Side.BACKEND, 0, 0, 16, 0)),
        "",
        "frame.number == 4",
        "frame.number == 16",
    ),
)
ALLOWANCE = Allowance("retries", "", date(2027, 3, 1), f"known {HOSTILE}", Place("lb.toml", 9))


def _heads(text: str) -> tuple[ShownHead, ...]:
    """Both heads; the balancer changed one field and added another."""
    client, backend = EVIDENCE[0].frames
    start = f"GET /{text} HTTP/1.1"
    return (
        ShownHead(client, "1", True, (start, f"Host: {text}", "Accept: */*")),
        ShownHead(backend, "1", True, (start, f"X-{text}: `{text}", "Host: b", "Accept: */*")),
    )


def outcome(answer: Fulfilment, text: str = "", **more: object) -> Outcome:
    """An outcome with this text wherever text can stand."""
    return Outcome(
        f"request.headers.{text or 'Host'}",
        answer,
        f"expected {text}",
        f"seen {text}",
        EVIDENCE,
        f"because {text}" if answer is Fulfilment.INCONCLUSIVE else "",
        Place(f"lb{text}.toml", 9),
        example=f"Host: {text}",
        exchange="1",
        heads=_heads(text),
        **more,  # type: ignore[arg-type]
    )


def result(text: str = HOSTILE) -> CheckResult:
    """One outcome of each sort."""
    return CheckResult(
        (
            outcome(Fulfilment.FAILED, text),
            outcome(Fulfilment.FAILED, text, warns=True),
            outcome(Fulfilment.FAILED, text, allowed=ALLOWANCE),
            outcome(Fulfilment.INCONCLUSIVE, text),
            outcome(Fulfilment.INCONCLUSIVE, text, without_occasion=True),
            outcome(Fulfilment.HOLDS, text),
        ),
        12,
        warnings=(f"ended {text}",),
        command=f"lbtrace compare client.pcap b{text}.pcap",
    )
