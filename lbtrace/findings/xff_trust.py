"""Client-sent forwarding fields.

Meaning:
    What becomes of an X-Forwarded-For (or Forwarded, X-Real-IP, X-Forwarded-Proto, …) that the client sent itself: appended to, replaced,
    removed, or passed on as if the balancer had said it. Whoever passes it on lets the client choose its own address.
Decided by:
    Comparing the values of the field on both sides in every pair where the client sent one.
Evidence:
    The requests of an example pair on both sides.
Remedy:
    Let the balancer replace the field, or let the backend believe only the entries its own balancers appended, counted from the right.
"""

from __future__ import annotations

from collections.abc import Iterator

from lbtrace.case import Case, Match, confidence_of, evidence, plural
from lbtrace.fields import field_lines, lowered
from lbtrace.model.http import Request
from lbtrace.model.pairing import Behaviour
from lbtrace.model.report import Finding, Severity, Value

TITLE = "Client-sent forwarding fields"
FIELDS = (
    "X-Forwarded-For",
    "Forwarded",
    "X-Real-IP",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "True-Client-IP",
    "X-Client-IP",
)
NAMES = {name.lower(): name for name in FIELDS}
INITIALS = "xXfFtT"  # of their names: most lines begin otherwise, and there are many
FATE = {
    "appended": "kept and something was appended: the leftmost entry is whatever the client claims",
    "passed-on": "passed on unchanged: the backend cannot tell it from a statement of the balancer",
    "replaced": "replaced: the client cannot choose it",
    "removed": "removed",
}
REMEDY = {
    "appended": "At the backend, count entries from the right: only those appended by your own balancers are true.",
    "passed-on": "Let the balancer replace or remove this field, or ignore it at the backend.",
}


def find(case: Case) -> Iterator[Finding]:
    """One finding per field and fate."""
    speaks = any(c.request and c.behaviour is Behaviour.CLIENT_ADDRESS for c in case.correlation.changes)
    fates: dict[tuple[str, str], list[Match]] = {}
    for m, front, back in case.request_heads:
        sent = [line.name for line in front.lines if line[0][:1] in INITIALS]
        for low in {lowered(name) for name in sent} & NAMES.keys() if sent else ():
            fates.setdefault((NAMES[low], _fate(front, back, NAMES[low])), []).append(m)
    for (name, fate), matches in sorted(fates.items(), key=lambda item: item[0]):
        yield _finding(case, name, fate, matches, speaks)


def _fate(front: Request, back: Request, name: str) -> str:
    before = [line.value for line in field_lines(front, name)]
    after = [line.value for line in field_lines(back, name)]
    if not after:
        return "removed"
    if after == before:
        return "passed-on"
    said, now = ",".join(before).replace(" ", ""), ",".join(after).replace(" ", "")
    if now == said:
        return "passed-on"  # lines joined, nothing added
    return "appended" if now.startswith(f"{said},") else "replaced"


def _finding(case: Case, name: str, fate: str, matches: list[Match], speaks: bool) -> Finding:
    front, back = matches[0].front.request, matches[0].back.request
    if fate == "passed-on":
        severity = Severity.MEDIUM if speaks and name.startswith("X-Forwarded-") else Severity.LOW
    else:
        severity = Severity.LOW if fate == "appended" and name in ("X-Forwarded-For", "Forwarded") else Severity.INFO
    return Finding(
        f"xff-trust.{fate}",
        TITLE,
        severity,
        confidence_of(matches),
        f"{{field}} sent by the client ({{before}}) is {FATE[fate]} ({{count}} {plural(len(matches), 'request')}"
        + (", {after} behind the balancer)." if fate in ("appended", "replaced") else ")."),
        (
            Value("field", name),
            Value("before", _joined(front, name)),
            Value("after", _joined(back, name)),
            Value("count", len(matches), "count"),
        ),
        evidence(case.request_frames(matches)),
        REMEDY.get(fate, ""),
    )


def _joined(request: Request | None, name: str) -> str:
    return " | ".join(line.raw for line in field_lines(request, name)) if request is not None else ""
