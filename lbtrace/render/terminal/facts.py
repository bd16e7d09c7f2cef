"""What the balancer did, one line for each question: how connections are used, what changes in the
heads, how long it takes, what is seen on one side only, what cannot be known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lbtrace.language import N, Texts, tr
from lbtrace.model.pairing import ChangeKind, HeaderChange, Pattern, UnpairedReason
from lbtrace.model.report import Report, SideCounts, Summary
from lbtrace.render.terminal import limits
from lbtrace.render.terminal.labels import Labels
from lbtrace.render.terminal.page import Cell, Column, Page
from lbtrace.render.wording import names, units
from lbtrace.render.wording.escape import shown

_NAMES = 6  # of fields that changed alike
_SENTENCES = 3  # of what cannot be known
_CHANGED = Texts(
    {
        ChangeKind.ADDED: "added {fields}",
        ChangeKind.DUPLICATED: "added a second line of {fields}",
        ChangeKind.CHANGED: "changed {fields}",
        ChangeKind.REMOVED: "removed {fields}",
        ChangeKind.RECASED: "written in another case: {fields}",
    }
)
NOT_COMPARED = N("not known: no sure pair with whole heads")
NO_CHANGE = N("no header line differs")
_NOTED = (Pattern.CLIENT_ADDRESS, Pattern.FRESH, Pattern.APPENDED)


def facts(page: Page, report: Report, labels: Labels, brief: bool = False) -> None:
    """A table of labels and sentences; no line for what there is nothing of. `brief`: what
    cannot be known is only counted.
    """
    rows: list[list[Cell]] = [
        [(label, "label"), text]
        for label, texts in (
            (N("SYN : requests"), _connections(report)),
            *_of_heads(report),
            (N("time added"), _added(report)),
            (N("bypassed"), _past(report)),
            (N("one side only"), _alone(report)),
            (N("not known"), _unknown(report, labels, 0 if brief else _SENTENCES)),
        )
        for text in texts
    ]
    if rows:
        page.table([Column(), Column(flexible=True)], rows)


def _of_heads(report: Report) -> Iterator[tuple[str, list[str]]]:
    """A line for requests and one for responses; one for both, if it is the same."""
    asked, answered = (list(heads(report, request)) for request in (True, False))
    if asked == answered:
        yield N("both heads"), asked
    else:
        yield N("requests"), asked
        yield N("responses"), answered


def _connections(report: Report) -> Iterator[str]:
    """ "4 : 4 client side, 1 : 4 backend side: …"."""
    client, backend = report.client_counts, report.backend_counts
    if not (client.connections or backend.connections):
        return
    reuse = "" if report.summary.reuse is None else names.REUSE[report.summary.reuse]
    already_open = units.plural(backend.already_open, "connection")
    checks = backend.check_requests or backend.check_connections
    again = report.summary.sent_again
    notes = [
        reuse.format(already_open=already_open),
        tr("{n} sent again").format(n=units.count(again)) if again else "",
        tr("{n} not counted").format(n=units.plural(checks, "health check")) if checks else "",
    ]
    said = "; ".join(filter(None, notes))
    sides = tr("{client} client side, {backend} backend side").format(
        client=_syns(client), backend=_syns(backend)
    )
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
    target = [_target(summary)] if request and summary.targets_changed else []
    if not changes and not target:
        compared = summary.requests_compared if request else summary.responses_compared
        yield tr(NO_CHANGE if compared else NOT_COMPARED)
        return
    own = [c for c in changes if not c.hop_by_hop]
    parts = target + [
        word.format(fields=_fields([c for c in own if c.kind is kind]))
        for kind, word in ((kind, _CHANGED[kind]) for kind in _CHANGED)
        if any(c.kind is kind for c in own)
    ]
    parts += [tr("order of the fields changed")] * any(c.kind is ChangeKind.REORDERED for c in own)
    hop = [c for c in changes if c.hop_by_hop]
    if hop:
        parts.append(tr("per-hop fields (normal): {fields}").format(fields=_fields(hop)))
    yield " · ".join(parts)


def _past(report: Report) -> Iterator[str]:
    past = report.summary.past_the_balancer
    if past:
        yield tr("{requests} went straight to a backend").format(
            requests=units.plural(past, "request")
        )


def _target(summary: Summary) -> str:
    few = summary.targets_changed < summary.requests_compared
    note = tr("{count} of {of}").format(count=summary.targets_changed, of=summary.requests_compared)
    return tr("target changed") + (f" ({note})" if few else "")


def _fields(changes: Sequence[HeaderChange]) -> str:
    """The names of fields, with how each behaves where that says more."""
    some = dict.fromkeys(map(_field, changes[:_NAMES]))
    hidden = len(changes[_NAMES:])
    return ", ".join([*some, *([tr("+{n} more").format(n=hidden)] if hidden else [])])


def _field(change: HeaderChange) -> str:
    notes = [names.BEHAVIOUR[change.behaviour]] if change.behaviour in _NOTED else []
    if change.count < change.of:
        notes.append(tr("{count} of {of}").format(count=change.count, of=change.of))
    return shown(change.name) + (f" ({', '.join(notes)})" if notes else "")


def _added(report: Report) -> Iterator[str]:
    latency = report.latency
    if latency is not None:
        off = "".join(f"; {tr('not in it')}: {each}" for each in limits.taken_off(latency))
        yield f"{limits.added(latency)} ({units.plural(latency.count, 'pair')}){off}"


def _alone(report: Report) -> Iterator[str]:
    """Exchanges without a partner, by reason. Those without any are under "not known"; health
    checks are counted beside the requests.
    """
    elsewhere = (UnpairedReason.UNKNOWN, UnpairedReason.HEALTH_CHECK)
    counted = [u for u in report.summary.unpaired if u.reason not in elsewhere]
    if counted:
        yield " · ".join(
            f"{units.exchanges(u.side, u.count)}: {names.UNPAIRED[u.reason]}" for u in counted
        )


def _unknown(report: Report, labels: Labels, most: int) -> Iterator[str]:
    """As many sentences as `most` of what the packets cannot tell, and how many more there are."""
    sentences = limits.sentences(report, labels, beside_problems=True)
    hidden = len(sentences[most:])
    if sentences[:most]:
        more = tr(" +{n} more (-v)").format(n=hidden) if hidden else ""
        yield " ".join(sentences[:most]) + more
    elif hidden:
        yield units.counted("{n} thing: see -v", "{n} things: see -v", hidden)
