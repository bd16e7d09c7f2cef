"""What the balancer did, one line for each question: how connections are used, what changes in the
heads, how long it takes, what is seen on one side only, what cannot be known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lbtrace.model.pairing import ChangeKind, HeaderChange, Pattern, UnpairedReason
from lbtrace.model.report import Report, SideCounts
from lbtrace.render.terminal import limits
from lbtrace.render.terminal.labels import Labels
from lbtrace.render.terminal.page import Cell, Column, Page
from lbtrace.render.wording import names, units
from lbtrace.render.wording.escape import shown

_NAMES = 6  # of fields that changed alike
_SENTENCES = 3  # of what cannot be known
_CHANGED = {
    ChangeKind.ADDED: "added",
    ChangeKind.DUPLICATED: "duplicated",
    ChangeKind.CHANGED: "changed",
    ChangeKind.REMOVED: "removed",
    ChangeKind.RECASED: "written in another case:",
}
_NOTED = (Pattern.CLIENT_ADDRESS, Pattern.FRESH, Pattern.APPENDED)


def facts(page: Page, report: Report, labels: Labels) -> None:
    """A table of labels and sentences; no line for what there is nothing of."""
    rows: list[list[Cell]] = [
        [(label, "label"), text]
        for label, texts in (
            ("SYN : requests", _connections(report)),
            ("requests", heads(report, request=True)),
            ("responses", heads(report, request=False)),
            ("time added", _added(report)),
            ("one side only", _alone(report)),
            ("not known", _unknown(report, labels)),
        )
        for text in texts
    ]
    if rows:
        page.table([Column(), Column(flexible=True)], rows)


def _connections(report: Report) -> Iterator[str]:
    """ "4 : 4 client side, 1 : 4 backend side: …"."""
    client, backend = report.client_counts, report.backend_counts
    if not (client.connections or backend.connections):
        return
    reuse = "" if report.summary.reuse is None else names.REUSE[report.summary.reuse]
    already_open = units.plural(backend.already_open, "connection")
    checks = units.count(backend.check_requests or backend.check_connections)
    again = report.summary.sent_again
    notes = [
        reuse.format(already_open=already_open),
        f"{units.count(again)} sent again" if again else "",
        f"{checks} of health checks not counted" if checks != "0" else "",
    ]
    said = "; ".join(filter(None, notes))
    sides = f"{_syns(client)} client side, {_syns(backend)} backend side"
    yield f"{sides} ({said})" if said else sides


def _syns(counts: SideCounts) -> str:
    requests = units.count(counts.requests) if counts.requests else "none read"
    return f"{units.count(counts.syns)} : {requests}"


def heads(report: Report, request: bool) -> Iterator[str]:
    """What was changed in the requests, or in the responses."""
    if not report.correlation.pairs:
        return
    changes = [c for c in report.correlation.changes if c.request is request]
    summary = report.summary
    if not changes:
        compared = summary.requests_compared if request else summary.responses_compared
        yield "no header line differs" if compared else "not known: no sure pair with whole heads"
        return
    own = [c for c in changes if not c.hop_by_hop]
    parts = [
        f"{word} {_fields([c for c in own if c.kind is kind])}"
        for kind, word in _CHANGED.items()
        if any(c.kind is kind for c in own)
    ]
    parts += ["order of the fields changed"] * any(c.kind is ChangeKind.REORDERED for c in own)
    hop = [c for c in changes if c.hop_by_hop]
    if hop:
        parts.append(f"per-hop fields (normal): {_fields(hop)}")
    yield " · ".join(parts)


def _fields(changes: Sequence[HeaderChange]) -> str:
    """The names of fields, with how each behaves where that says more."""
    some = dict.fromkeys(map(_field, changes[:_NAMES]))
    hidden = len(changes[_NAMES:])
    return ", ".join([*some, *([f"+{hidden} more"] if hidden else [])])


def _field(change: HeaderChange) -> str:
    notes = [names.BEHAVIOUR[change.behaviour]] if change.behaviour in _NOTED else []
    if change.count < change.of:
        notes.append(f"{change.count} of {change.of}")
    return shown(change.name) + (f" ({', '.join(notes)})" if notes else "")


def _added(report: Report) -> Iterator[str]:
    latency = report.latency
    if latency is not None:
        off = "".join(f"; not in it: {text}" for text in limits.taken_off(latency))
        yield f"{limits.added(latency)} ({units.plural(latency.count, 'pair')}){off}"


def _alone(report: Report) -> Iterator[str]:
    """Exchanges without a partner, by reason; those without any are under "not known"."""
    counted = [u for u in report.summary.unpaired if u.reason is not UnpairedReason.UNKNOWN]
    if counted:
        yield " · ".join(
            f"{units.plural(u.count, f'{u.side.value} exchange')}: {names.UNPAIRED[u.reason]}"
            for u in counted
        )


def _unknown(report: Report, labels: Labels) -> Iterator[str]:
    """The first sentences of what the packets cannot tell."""
    sentences = limits.sentences(report, labels)
    if sentences:
        hidden = len(sentences[_SENTENCES:])
        yield " ".join(sentences[:_SENTENCES]) + (f" +{hidden} more (-v)" if hidden else "")
