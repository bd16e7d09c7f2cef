"""Report → what its page says, and the data that its script draws."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from lbtrace.ladder import ladder, refs_of
from lbtrace.listing import ListedExchanges, Row, sampled
from lbtrace.model.http import Exchange
from lbtrace.model.net import Side
from lbtrace.model.pairing import AttemptOutcome, Ref
from lbtrace.model.report import Report, Witness
from lbtrace.pair_times import PairTimes, pair_times
from lbtrace.render import View
from lbtrace.render.html import told, topology
from lbtrace.render.html.rows import Cells, ColumnWriter, Dot, ShownHeads, begin_ns
from lbtrace.render.terminal import drawing, exchanges, headers, limits, overview, zoom
from lbtrace.render.terminal.cells import answer, duration, request
from lbtrace.render.terminal.findings import weight
from lbtrace.render.terminal.labels import Labels
from lbtrace.render.terminal.page import Cell
from lbtrace.render.wording import names, times, units
from lbtrace.render.wording.escape import shown
from lbtrace.render.wording.statements import filled

LANES = ("client", "balancer", "backend")
_TRIES = ("", "backend", "frame", "how it ended", "status", "took")
_SAME = (AttemptOutcome.ANSWERED, AttemptOutcome.EITHER)


def content(report: Report, view: View, most: int) -> tuple[dict[str, object], dict[str, Any]]:
    """(values of the template, data of the script). At most so many exchanges."""
    labels = Labels(report.clients, report.backends)
    listed = ListedExchanges(report)
    rows = sampled(found := listed.listing(), most)
    problems = {
        problem.id: [listed.row(i).number for i in listed.rows_of(problem.frames)]
        for problem in report.problems
    }
    writer = _PairWriter(report, view, labels, problems, set(found.rows[: found.troubled]))
    for row in rows:
        writer.add(row)
    latency = report.latency
    data = {
        **writer.data(),
        **told.plots(report.window_ns, view),
        "lanes": LANES,
        "tries": _TRIES,
        "sides": ["in front of the balancer", "behind it"],
        "prefix": "pair-",
        "band": _band(report),
        "series": [
            ["total", "client waited"],
            *([["added", "added by the balancer"]] if writer.times else []),
            *(
                [["way_in", "way to the backend"], ["way_back", "way back"]]
                if _band(report)
                else []
            ),
        ],
    }
    counts, verdict = report.client_counts, report.verdict
    values: dict[str, object] = {
        "summary": overview.of_requests(len(report.problems), counts.requests, counts.connections),
        "window": times.window(*report.window_ns, view.zone),
        "verdict": _verdict(report),
        "kind_told": overview.kind_told(report),
        "reason": shown(verdict.reason),
        "next_step": shown(verdict.next_step),
        "swapped": report.correlation.swapped,
        "problems": told.problems(report, labels, view, lambda p: problems[p.id]),
        "picture": topology.picture(report),
        "mappings": [
            drawing.mapping_told(clients, clients[0].seen_as in report.summary.behind_nat)
            for clients in drawing.together(report)
        ],
        "sides": [list(map(_plain, row)) for row in overview.side_rows(report)],
        "changes": list(_changes(report)),
        "times": _times(report, labels),
        "latency": latency,
        "list": _list(len(rows), len(found.rows), found.troubled, most),
        "tiers": _kinds(rows, report),
        "unpaired": list(_unpaired(report, labels)),
        "facts": told.facts(report.findings, labels),
        "witnesses": [_witness(w, labels) for w in verdict.witnesses],
        "profiles": [p for p in verdict.profiles if p.named],
        "shown": shown,
        "unknown": limits.sentences(report, labels),
        "captures": told.captures([*report.clients, *report.backends], labels),
        "command": shown(view.command),
        "secrets": told.note(view),
    }
    return values, data


def _verdict(report: Report) -> tuple[str, str]:
    """(what it is, how sure that is)."""
    verdict = report.verdict
    looks = next((f", looks like {shown(p.name)}" for p in verdict.profiles if p.named), "")
    return names.KIND[verdict.kind] + looks, names.CONFIDENCE[verdict.confidence]


def _band(report: Report) -> list[Any] | None:
    """The error of a time that is carried from one capture to the other: number and text."""
    width = None if report.latency is None else report.latency.half_width_ns
    return None if width is None else [width, units.half_width(width)]


def _list(listed: int, of: int, wrong: int, most: int) -> str:
    """What the list holds."""
    if listed == of:
        return f"{units.plural(of, 'exchange')}, {units.count(wrong)} of which went wrong"
    kept = (
        f"all {units.count(wrong)} that went wrong, and a sample of the others, evenly spread"
        if wrong <= most
        else f"the first of the {units.count(wrong)} that went wrong"
    )
    return (
        f"This page has {units.count(listed)} of {units.count(of)} exchanges: {kept}. "
        "Counts and sentences are about all of them; --format json has every one"
    )


def _kinds(rows: Sequence[Row], report: Report) -> list[str]:
    return list(dict.fromkeys(_kind(report, row) for row in rows))


def _kind(report: Report, row: Row) -> str:
    """What the list can be filtered by: the evidence for a pair."""
    if not row.paired:
        return "one side only"
    return names.TIER[report.correlation.pairs[row.place].tier]


class ChangesOnWay(NamedTuple):
    """The header changes of one way."""

    title: str
    note: str
    rows: tuple[tuple[str, str, str, str, str], ...]  # style, what, line, behaviour, how often
    legal: str
    example: str  # of a pair


def _changes(report: Report) -> Iterator[ChangesOnWay]:
    if not report.correlation.pairs:
        return
    summary = report.summary
    for request_, title, compared in (
        (True, "Requests, on the way to the backend", summary.requests_compared),
        (False, "Responses, on the way back", summary.responses_compared),
    ):
        every = [c for c in report.correlation.changes if c.request is request_]
        own = [c for c in every if not c.hop_by_hop]
        nothing = (
            "no header line differs" if compared else "not known: no sure pair with whole heads"
        )
        legal = [
            f"{shown(c.name)} {c.kind.value} ({c.count} of {c.of})" for c in every if c.hop_by_hop
        ]
        yield ChangesOnWay(
            title,
            "" if every else nothing,
            tuple(
                (_style(word), _plain(word).strip(), *map(_plain, rest))  # type: ignore[misc]
                for change in own
                for word, *rest in headers.rows(change)
            ),
            ", ".join(legal),
            f"{own[0].example + 1}" if own and own[0].example >= 0 else "",
        )


def _plain(cell: Cell) -> str:
    return cell if isinstance(cell, str) else cell[0]


def _style(cell: Cell) -> str:
    return "" if isinstance(cell, str) else cell[1]


def _times(report: Report, labels: Labels) -> list[tuple[str, str]]:
    """(label, text) of what was added and of the clocks."""
    found = [] if report.latency is None else limits.latency_rows(report.latency)
    rows = [(_plain(label), _plain(text)) for label, text in found]
    clocks = report.correlation.clocks if report.correlation.pairs else ()
    for clock in clocks:
        label = f"clocks {limits.clock_of(clock, labels)}" if len(clocks) > 1 else "clocks"
        rows.append((label, limits.clock_told(clock, report.summary.one_capture)))
    return rows


def _unpaired(report: Report, labels: Labels) -> Iterator[tuple[str, str, str, str, str]]:
    """How many, on which side, why, an example, its frame."""
    for counted in report.summary.unpaired:
        exchange = labels.exchange(counted.side, counted.first)
        asked = request(exchange, labels.connection(counted.side, counted.first))
        yield (
            units.count(counted.count),
            counted.side.value,
            names.UNPAIRED[counted.reason],
            f"{asked} → {answer(labels.trace(counted.side, counted.first.point), exchange)}",
            labels.begin(counted.side, counted.first),
        )


def _witness(w: Witness, labels: Labels) -> tuple[str, str, str]:
    """What was observed, what it speaks for and against, its frames."""
    frames = labels.frames([f for e in w.evidence for f in e.frames], most=4)
    return filled(w.statement, w.values), weight(w), frames


class _PairWriter:
    """Rows of a report → columns of the page."""

    def __init__(
        self,
        report: Report,
        view: View,
        labels: Labels,
        problems: Mapping[str, Sequence[str]],
        wrong: set[Row],
    ) -> None:
        self._report, self._view, self._labels, self._wrong = report, view, labels, wrong
        self._writer = ColumnWriter(labels, report.window_ns[0])
        self.times: dict[int, PairTimes] = pair_times(report)
        self._problems: dict[str, list[str]] = {}
        for id_, exchanges_ in problems.items():
            for name in exchanges_:
                self._problems.setdefault(name, []).append(id_)

    def data(self) -> dict[str, Any]:
        """All rows."""
        return self._writer.data()

    def add(self, row: Row) -> None:
        """The next row."""
        report, labels = self._report, self._labels
        front, tried = refs_of(report, row)
        side, ref = (Side.CLIENT, front) if front is not None else (Side.BACKEND, tried[0][0])
        exchange = labels.exchange(side, ref)
        steps = ladder(report, row)
        times_ = self.times.get(row.place) if row.paired else None
        self._writer.add(
            self._cells(row, side, ref, exchange, front, tried),
            Dot(
                begin_ns(exchange) if side is Side.CLIENT else None,
                exchange.total_ns,
                times_ and times_.added_ns,
                times_ and times_.ways_ns,
            ),
            steps,
            self._heads(front, tried),
        )

    def _cells(
        self,
        row: Row,
        side: Side,
        ref: Ref,
        exchange: Exchange,
        front: Ref | None,
        tried: Sequence[tuple[Ref, AttemptOutcome | None]],
    ) -> Cells:
        report, labels, correlation = self._report, self._labels, self._report.correlation
        if row.paired:
            pair = correlation.pairs[row.place]
            behind, frames = exchanges.behind(pair), exchanges.frames(pair, labels)
        else:
            alone = correlation.unpaired[row.place]
            behind, frames = names.UNPAIRED[alone.reason], exchanges.frame_alone(alone, labels)
        begun, status = begin_ns(exchange), names.status(exchange.response)
        usual = front is None or [outcome for _, outcome in tried] == [AttemptOutcome.ANSWERED]
        return Cells(
            name=row.number,
            time="" if begun is None else times.clock(begun, self._view.zone),
            request=request(exchange, labels.connection(side, ref)),
            answer=answer(labels.trace(side, ref.point), exchange),
            behind=behind,
            frames=frames,
            took=duration(exchange),
            kind=_kind(report, row),
            status=status_class(status),
            why=zoom.why(report, row),
            wrong=row in self._wrong,
            problems=" ".join(self._problems.get(row.number, ())),
            tries=() if usual else list(zoom.attempts(tried, labels)),
        )

    def _heads(
        self, front: Ref | None, tried: Sequence[tuple[Ref, AttemptOutcome | None]]
    ) -> Iterator[ShownHeads]:
        labels = self._labels
        last, outcome = tried[-1] if tried else (None, None)
        here = front and labels.exchange(Side.CLIENT, front)
        there = last and labels.exchange(Side.BACKEND, last)
        ends = ("client" if front else "", "backend" if last else "")
        asked = ShownHeads("Request", here and here.request, there and there.request, ends)
        yield _labelled(asked)
        answers = here and here.response, there and there.response
        if outcome in _SAME or None in answers:
            yield _labelled(ShownHeads("Response", *answers, ends))
            return
        yield _labelled(ShownHeads("Response to the client", answers[0], None, ends))
        yield _labelled(ShownHeads("Response of the backend", None, answers[1], ends))


def _labelled(heads: ShownHeads) -> ShownHeads:
    """With labels of the sides that there are, the first of them first."""
    sides = ("in front of the balancer", "behind it")
    there = [
        label
        for label, head in zip(sides, (heads.front, heads.behind), strict=True)
        if head is not None
    ]
    return heads._replace(labels=(there[0] if there else "", there[1] if len(there) > 1 else ""))


def status_class(status: str) -> str:
    """ "5xx"; "none" for no answer."""
    return f"{status[0]}xx" if status.isdigit() else status
