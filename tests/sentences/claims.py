"""A report as JSON → what it claims, so that two reports on the same traffic can be compared: one
on the whole captures, one on captures that were cut, thinned or shifted.

A claim is (subject, value). Packets are named as in the whole capture, so that both reports name
them alike. Two reports contradict each other where one subject has two values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Json = dict[str, Any]
Origin = Mapping[tuple[str, int], Sequence[int]]  # (side, point) → per frame that in the whole
WHOLE = range(1, 1 << 30)  # of a capture without damage

DEFINITE = {"direct", "l4-passthrough", "l4-proxy", "l7-proxy", "unrelated"}
KNOWLEDGE = {"medium", "high", "certain"}
# variants of findings that say the opposite of each other: of the whole traffic, so that both
# cannot be true of it
OPPOSITES = (
    ("proxy-protocol.true-source", "proxy-protocol.wrong-source"),
    ("same-capture", "source-address.rewritten"),
    ("source-address.preserved", "source-address.rewritten"),
    ("host-and-target.host-kept", "host-and-target.host-changed"),
    ("host-and-target.target-kept", "host-and-target.target-changed"),
    ("request-headers.unchanged", "request-headers.added"),
    ("response-headers.unchanged", "response-headers.added"),
    ("responses.unchanged", "responses.status"),
    ("retries.repeated", "retries.mirrored"),
    ("retries.not-idempotent", "retries.mirrored"),
    ("protocol-changes.upgrade", "protocol-changes.upgrade-one-side"),
)
LEFT_OPEN = "could not be compared"
# what damage may add: sentences about the damage, and about what it left open
ABOUT_DAMAGE = (
    "capture-quality",
    "coverage",
    "errors.open",
    "errors.unanswered",
    "swapped-captures.unknown",
)
# what damage may put in the place of a sentence: the same, and less of it
WEAKER = {
    "one-backend": "one-backend.by-connection",
    "retries.repeated": "retries.not-idempotent",
    "encrypted-traffic.client": "opened-tls.client",
    "encrypted-traffic.backend": "opened-tls.backend",
}


def appeared(whole: Json, damaged: Json) -> list[str]:
    """The sentences that damage made: there is none like them about the whole captures, and they
    are not about the damage.
    """
    known = {finding["slug"] for finding in whole["findings"]}
    return [
        f"{finding['slug']}: {finding['text']}"
        for finding in damaged["findings"]
        if not {finding["slug"], WEAKER.get(finding["slug"])} & known
        and not any(
            finding["slug"] == slug or finding["slug"].startswith(slug + ".")
            for slug in ABOUT_DAMAGE
        )
    ]


def claims(report: Json, origin: Origin) -> Iterator[tuple[object, object]]:
    """Everything that a report claims."""
    yield from _of_the_whole(report)
    exchanges = {
        (c["side"], c["point"], e["id"]): e for c in report["captures"] for e in c["exchanges"]
    }

    def frame(side: str, ref: Json) -> tuple[int, int, str]:
        exchange = exchanges[side, ref["point"], ref["exchange"]]
        request = exchange["request"]
        number = request["first_frame"] if request else exchange["response"]["first_frame"]
        whole = origin[side, ref["point"]][number - 1]
        return ref["point"], whole, "request" if request else "response"

    yield from _of_pairs(report, frame)
    yield from _answered_by_balancer(report, frame)


def _of_the_whole(report: Json) -> Iterator[tuple[object, object]]:
    """The verdict, and the findings that have an opposite. A sentence that leaves some requests
    open claims nothing of the whole.
    """
    kind = report["verdict"]["kind"]
    if kind in DEFINITE:
        yield "verdict", kind
    slugs = {f["slug"] for f in report["findings"] if LEFT_OPEN not in f["text"]}
    for one, other in OPPOSITES:
        for slug in {one, other} & slugs:
            yield ("opposites", one, other), slug


def _answered_by_balancer(report: Json, frame: Any) -> Iterator[tuple[object, object]]:
    """By the findings, and by the reasons of what has no partner."""
    heads = {
        (c["point"], e["request"]["head_frame"]): {"point": c["point"], "exchange": e["id"]}
        for c in report["captures"]
        for e in c["exchanges"]
        if c["side"] == "client" and e["request"]
    }
    for finding in report["findings"]:
        if finding["slug"].startswith("answered-by-balancer."):
            for shown in (f for e in finding["evidence"] for f in e["frames"]):
                ref = heads.get((shown["point"], shown["frame"]))
                if shown["side"] == "client" and ref is not None:
                    yield ("answer to", frame("client", ref)), "the balancer's"
    for item in report["unpaired"]:
        own = item["side"] == "client" and item["reason"] == "answered-by-balancer"
        if own and item["confidence"] in KNOWLEDGE:
            yield ("answer to", frame("client", item["exchange"])), "the balancer's"


def _of_pairs(report: Json, frame: Any) -> Iterator[tuple[object, object]]:
    for pair in report["pairs"]:
        if pair["confidence"] not in KNOWLEDGE or pair["group"] is not None:
            continue
        asked = frame("client", pair["client"])
        if any(attempt["outcome"] == "answered" for attempt in pair["attempts"]):
            yield ("answer to", asked), "a backend's"
        for attempt in pair["attempts"]:
            subject = frame("backend", attempt["backend"])
            if asked[2] == "request":
                yield ("cause of", subject), asked
            if attempt["outcome"] in {"timeout", "superseded", "reset", "closed"}:
                yield ("end of", subject), attempt["outcome"]
            if attempt["outcome"] == "reset" and _closed(report, attempt["backend"]):
                yield ("end of", subject), "closed"  # both are true: a FIN, then an RST


def _closed(report: Json, ref: Json) -> bool:
    """Whether the server of a backend exchange sent a FIN, too."""
    (captured,) = (
        c for c in report["captures"] if c["side"] == "backend" and c["point"] == ref["point"]
    )
    connection = captured["exchanges"][ref["exchange"]]["connection"]
    return captured["connections"][connection]["from_server"]["fin_frame"] is not None


def contradictions(whole: Json, damaged: Json, origin: Origin) -> list[str]:
    """What the report on damaged captures claims, and the one on the whole captures contradicts."""
    frames = dict.fromkeys(origin, WHOLE)
    known: dict[object, set[object]] = {}
    for subject, said in claims(whole, frames):
        known.setdefault(subject, set()).add(said)
    return [
        f"{subject}: {said}, and of the whole captures {known[subject]}"
        for subject, said in claims(damaged, origin)
        if subject in known and said not in known[subject]
    ]
