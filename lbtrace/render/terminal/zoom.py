"""Zoom: one problem or one exchange in full. Both heads side by side, the attempts, the ladder, and
filters for Wireshark with all the evidence.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence

from lbtrace.errors import OptionError
from lbtrace.ladder import Step, ladder, ladder_alone, refs_of
from lbtrace.language import N, tr
from lbtrace.listing import ListedExchanges, Row, exchanges_at
from lbtrace.model.http import Exchange, Request, Response
from lbtrace.model.net import FrameRef, Side
from lbtrace.model.pairing import AttemptOutcome, Ref
from lbtrace.model.problems import Problem
from lbtrace.model.report import CaptureReport, Report
from lbtrace.model.stream import Connection
from lbtrace.model.trace import Trace
from lbtrace.render.terminal import heads, ladders, problems
from lbtrace.render.terminal.cells import answer, began, duration, request
from lbtrace.render.terminal.labels import Labels
from lbtrace.render.terminal.page import Cell, Column, Page
from lbtrace.render.wording import names, units
from lbtrace.render.wording.escape import shown

_EXCHANGES = 3  # of a problem
_LOOKED_AT = 6  # packets of a file, for a command that shows them
_LEGEND = N("the balancer: + added, - removed, ~ changed")


def zoom(page: Page, report: Report, name: str, labels: Labels) -> None:
    """What `name` names: P1, 12 or u3. OptionError when there is no such thing."""
    found = _problem(report, name)
    if found is None:
        _exchange(page, report, row_of(report, name), labels)
        return
    problems.in_full(page, report, found, labels)
    rows = _rows(report, found)
    for row in rows[: None if page.view.everything else _EXCHANGES]:
        _exchange(page, report, row, labels)
    if not page.view.everything:
        _hidden(page, found, [row.number for row in rows[_EXCHANGES:]])
    _evidence(page, report, found, labels)


def _evidence(page: Page, report: Report | CaptureReport, found: Problem, labels: Labels) -> None:
    """All frames of a problem: how to find them in Wireshark, and how to look at them here."""
    page.heading("All evidence", "display filters for Wireshark; the packets, at this terminal")
    cause = report.findings[found.said[0]].slug.partition(".")[0]
    rows: list[list[Cell]] = []
    for file, numbers in _by_file(("", frame) for frame in found.frames):
        path, every = labels.path(*file), sorted(numbers[""])
        rows.append([("capture" if labels.alone else file[0].value, "label"), shown(path)])
        rows.append([tr("frames"), (numbered(every), "filter")])
        if path != "-":
            some = " ".join(map(str, page.some(every, _LOOKED_AT)))
            command = f"lbtrace frame {shlex.quote(path)} {some} --finding {cause}"
            rows.append([tr("packets"), shown(command)])
    page.table([Column(), Column(flexible=True)], rows)


def drawn(page: Page, report: Report, name: str, how: str, labels: Labels) -> None:
    """The ladder alone: of an exchange, or of the first one that a problem names."""
    found = _problem(report, name)
    rows = [row_of(report, name)] if found is None else _rows(report, found)
    if not rows:
        raise OptionError("no-ladder", f"--ladder: {name} names no exchange.")
    _draw(page, ladder(report, rows[0]), how, labels, ladders.LANES)


def _draw(
    page: Page, steps: Sequence[Step], how: str, labels: Labels, lanes: Sequence[str]
) -> None:
    """As text, or as a diagram that another program draws."""
    if how == "mermaid":
        for line in ladders.mermaid(steps, labels, lanes):
            page.raw(page.plain(line))
    elif how == "svg":
        for line in ladders.svg(steps, labels, lanes):
            page.raw(line)
    else:
        ladders.text(page, steps, labels, lanes)


def _problem(report: Report | CaptureReport, name: str) -> Problem | None:
    return next((p for p in report.problems if p.id == name.upper()), None)


def alone(page: Page, report: CaptureReport, name: str, labels: Labels) -> None:
    """A problem or an exchange of captures that are not compared."""
    found = _problem(report, name)
    if found is None:
        _exchange_alone(page, *_of_capture(report, name), name, labels)
        return
    problems.in_full(page, report, found, labels)
    trace, numbers = _named_alone(report, found)
    of = f"{trace.point + 1}:" if len(report.captures) > 1 else ""
    some = page.some(numbers, _EXCHANGES)
    for number in some:
        _exchange_alone(page, trace, number, f"{of}{number}", labels)
    hidden = [f"{of}{number}" for number in numbers[len(some) :]]
    _hidden(page, found, hidden)
    _evidence(page, report, found, labels)


def _named_alone(report: CaptureReport, found: Problem) -> tuple[Trace, list[int]]:
    """The capture that a problem is in, and the numbers of the exchanges that it names."""
    trace = report.captures[found.since.point].trace
    frames = (trace.files[f.file].first_frame + f.number - 1 for f in found.frames)
    return trace, [exchange + 1 for exchange in exchanges_at(trace, frames)]


def _exchange_alone(page: Page, trace: Trace, number: int, name: str, labels: Labels) -> None:
    exchange = trace.exchanges[number - 1]
    asked = request(exchange, trace.connections[exchange.connection])
    _exchange_title(page, name, asked, trace, exchange)
    for title, head in (
        (N("Request head"), exchange.request),
        (N("Response head"), exchange.response),
    ):
        if head is not None:
            page.heading(title)
            frame = labels.frame_of(trace.side, trace.point, head.first_frame)
            heads.alone(page, frame, head)
    page.heading("Ladder", "times count from the request")
    ladders.text(page, ladder_alone(trace, number - 1), labels, ladders.LANES_ALONE)


def _hidden(page: Page, found: Problem, numbers: Sequence[str]) -> None:
    """The exchanges of a problem that are not shown."""
    if numbers:
        page.blank()
        more = units.counted(
            "{n} more exchange of {id}", "{n} more exchanges of {id}", len(numbers), id=found.id
        )
        page.line((f"+{more}: {', '.join(numbers)} (--zoom {numbers[-1]})", "note"))


def drawn_alone(page: Page, report: CaptureReport, name: str, how: str, labels: Labels) -> None:
    """The ladder alone of an exchange of one capture, or of the first one that a problem names."""
    found = _problem(report, name)
    if found is None:
        trace, number = _of_capture(report, name)
    else:
        trace, numbers = _named_alone(report, found)
        if not numbers:
            raise OptionError("no-ladder", f"--ladder: {name} names no exchange.")
        number = numbers[0]
    steps = ladder_alone(trace, number - 1)
    _draw(page, steps, how, labels, ladders.LANES_ALONE)


def _of_capture(report: CaptureReport, name: str) -> tuple[Trace, int]:
    """The capture and the number of an exchange: "12"; "2:12", where there are several captures.
    OptionError when there is none.
    """
    traces = [alone.trace for alone in report.captures]
    place, colon, digits = name.rpartition(":")
    which = _number(place, len(traces)) if colon else 1
    if which is not None and bool(colon) == (len(traces) > 1):
        number = _number(digits, len(traces[which - 1].exchanges))
        if number is not None:
            return traces[which - 1], number
    of = [""] if len(traces) == 1 else [f"{n}:" for n in range(1, len(traces) + 1)]
    every = [(o, len(t.exchanges)) for o, t in zip(of, traces, strict=True)]
    raise OptionError(
        "unknown-zoom",
        f"--zoom {name}: there is no such thing here.",
        _known(("P", len(report.problems)), *every),
    )


def row_of(report: Report, name: str, option: str = "--zoom") -> Row:
    """The row of that number, as an option names it. OptionError when there is none."""
    paired, correlation = not name.startswith("u"), report.correlation
    of = correlation.pairs if paired else correlation.unpaired
    number = _number(name.removeprefix("u"), len(of))
    if number is not None:
        return Row(paired, number - 1)
    raise OptionError(
        "unknown-zoom",
        f"{option} {name}: there is no such thing here.",
        _known(
            ("P", len(report.problems) if option == "--zoom" else 0),
            ("", len(correlation.pairs)),
            ("u", len(correlation.unpaired)),
        ),
    )


def _number(digits: str, most: int) -> int | None:
    """A number from 1 to `most`, None for any other text."""
    if not (digits.isascii() and digits.isdigit() and len(digits) < 10):
        return None
    return int(digits) if 1 <= int(digits) <= most else None


def _known(*every: tuple[str, int]) -> str:
    """What can be named."""
    parts = [
        f"{letter}1" if count == 1 else f"{letter}1 to {letter}{count}"
        for letter, count in every
        if count
    ]
    return f"There is {', '.join(parts)}." if parts else "There is no problem and no exchange."


def _rows(report: Report, found: Problem) -> list[Row]:
    """The exchanges that a problem names."""
    exchanges = ListedExchanges(report)
    return [exchanges.row(i) for i in exchanges.rows_of(found.frames)]


def _exchange(page: Page, report: Report, row: Row, labels: Labels) -> None:
    front, tried = refs_of(report, row)
    _title(page, report, row, front, labels)
    _attempts(page, report, front, tried, labels)
    last, outcome = tried[-1] if tried else (None, None)
    asked = [(side, exchange.request) for side, exchange in _ends(front, last, labels)]
    answered = [(side, exchange.response) for side, exchange in _ends(front, last, labels)]
    same = outcome in (AttemptOutcome.ANSWERED, AttemptOutcome.EITHER)
    _heads(page, N("Request head"), asked, (front, last), labels, same=True)
    _heads(page, N("Response head"), answered, (front, last), labels, same)
    steps = ladder(report, row)
    page.heading("Ladder", _clock(steps))
    ladders.text(page, steps, labels)
    refs = [(Side.CLIENT, front)] if front is not None else []
    refs += [(Side.BACKEND, ref) for ref, _ in tried]
    _wireshark(page, report, refs, steps, labels)


def _exchange_title(page: Page, number: str, asked: str, trace: Trace, exchange: Exchange) -> None:
    page.heading(
        tr("Exchange {n}: {asked} → {status}").format(
            n=number, asked=asked, status=answer(trace, exchange)
        ),
        tr("at {time}, took {duration}").format(
            time=began(page, exchange, "?"), duration=duration(exchange)
        ),
    )


def _title(page: Page, report: Report, row: Row, front: Ref | None, labels: Labels) -> None:
    side, ref = (
        (Side.CLIENT, front)
        if front is not None
        else (Side.BACKEND, report.correlation.unpaired[row.place].ref)
    )
    exchange = labels.exchange(side, ref)
    asked = request(exchange, labels.connection(side, ref))
    _exchange_title(page, row.number, asked, labels.trace(side, ref.point), exchange)
    page.prose(why(report, row))


def why(report: Report, row: Row) -> str:
    """Why the exchanges of a row are a pair, or why one has no partner."""
    if row.paired:
        pair = report.correlation.pairs[row.place]
        text = tr("Paired by: {tier} (confidence: {sure}).").format(
            tier=names.TIER_SENTENCE[pair.tier], sure=names.CONFIDENCE[pair.confidence]
        )
        group = tr("Others fit as well (interchangeable).")
        return f"{text} {group}" if pair.group is not None else text
    alone = report.correlation.unpaired[row.place]
    detail = names.unpaired_detail(alone)
    reason = names.UNPAIRED[alone.reason] + (f" ({shown(detail)})" if detail else "")
    text = tr("On the client side only: {why}.")
    if alone.side == Side.BACKEND:
        text = tr("On the backend side only: {why}.")
    return text.format(why=reason)


def _attempts(
    page: Page,
    report: Report,
    front: Ref | None,
    tried: Sequence[tuple[Ref, AttemptOutcome | None]],
    labels: Labels,
) -> None:
    """How each backend exchange ended, where there is more to say than that it was answered."""
    if front is None or [outcome for _, outcome in tried] == [AttemptOutcome.ANSWERED]:
        return
    page.heading("Attempts")
    rows: list[list[Cell]] = []
    for number, server, frame, *rest in attempts(tried, labels):
        rows.append([number, server, (frame, "frame"), *rest])
    if rows:
        page.table(
            [
                Column(right=True),
                Column("backend"),
                Column("frame"),
                Column("how it ended", flexible=True),
                Column("status"),
                Column("took", right=True),
            ],
            rows,
        )
    else:
        page.line(tr("none: no request in a backend capture is known to belong to it"))


def attempts(
    tried: Sequence[tuple[Ref, AttemptOutcome | None]], labels: Labels
) -> Iterator[list[str]]:
    """Of each backend exchange its number, server and frame, how it ended, status and time."""
    for number, (ref, outcome) in enumerate(tried, 1):
        exchange = labels.exchange(Side.BACKEND, ref)
        yield [
            str(number),
            str(labels.connection(Side.BACKEND, ref).server),
            labels.begin(Side.BACKEND, ref),
            "" if outcome is None else names.OUTCOME[outcome],
            answer(labels.trace(Side.BACKEND, ref.point), exchange),
            duration(exchange),
        ]


def _ends(front: Ref | None, behind: Ref | None, labels: Labels) -> Iterator[tuple[Side, Exchange]]:
    """The exchange in front of the balancer and the last one behind it, as far as there are."""
    for side, ref in ((Side.CLIENT, front), (Side.BACKEND, behind)):
        if ref is not None:
            yield side, labels.exchange(side, ref)


def _heads(
    page: Page,
    title: str,
    found: Sequence[tuple[Side, Request | Response | None]],
    refs: tuple[Ref | None, Ref | None],
    labels: Labels,
    same: bool,
) -> None:
    """The heads of both sides beside each other, if they are those of the same message; else what
    there is.
    """
    there = [(_where(side, head, refs, labels), head) for side, head in found if head is not None]
    match there:
        case [(front, Request() as asked), (behind, Request() as passed)]:
            page.heading(title, _LEGEND)
            heads.requests(page, (front, behind), asked, passed)
        case [(front, Response() as got), (behind, Response() as given)] if same:
            page.heading(title, _LEGEND)
            heads.responses(page, (front, behind), got, given)
        case _:
            for where, head in there:
                page.heading(title)
                heads.alone(page, where, head)


def _where(
    side: Side, head: Request | Response, refs: tuple[Ref | None, Ref | None], labels: Labels
) -> str:
    """ "client #4"."""
    ref = refs[side is Side.BACKEND]
    assert ref is not None
    return f"{tr(side.value)} {labels.frame_of(side, ref.point, head.first_frame)}"


def _clock(steps: Sequence[Step]) -> str:
    """What the times are."""
    if all(step.after_ns is not None for step in steps):
        return N("times count from the request of the client")
    return N("no common clock: in the order in which it must have been")


def _filters(told: Iterable[tuple[str, FrameRef]], labels: Labels) -> list[list[Cell]]:
    """A display filter for each file and kind of evidence: (kind, frame) each."""
    rows: list[list[Cell]] = []
    for file, kinds in _by_file(told):
        rows.append([(file[0].value, "label"), shown(labels.path(*file))])
        rows += [[tr(kind), (numbered(sorted(held)), "filter")] for kind, held in kinds.items()]
    return rows


_File = tuple[Side, int, int]  # of a capture point


def _by_file(told: Iterable[tuple[str, FrameRef]]) -> list[tuple[_File, dict[str, set[int]]]]:
    """The numbers of the frames of each kind in each file, those of the client side first."""
    files: dict[_File, dict[str, set[int]]] = {}
    for kind, frame in told:
        file = files.setdefault((frame.side, frame.point, frame.file), {})
        file.setdefault(kind, set()).add(frame.number)
    return sorted(files.items(), key=_client_first)


def _client_first(item: tuple[_File, object]) -> tuple[bool, int, int]:
    (side, point, file), _ = item
    return side is Side.BACKEND, point, file


def numbered(numbers: Sequence[int]) -> str:
    """A display filter for frames."""
    if len(numbers) == 1:
        return f"frame.number == {numbers[0]}"
    return f"frame.number in {{{', '.join(map(str, numbers))}}}"


def _wireshark(
    page: Page,
    report: Report,
    refs: Sequence[tuple[Side, Ref]],
    steps: Sequence[Step],
    labels: Labels,
) -> None:
    """Filters for the messages, for all steps, and for the connections as a whole."""
    told = [pair for side, ref in refs for pair in _messages(report, side, ref)]
    told += [(N("all steps"), step.frame) for step in steps]
    rows = _filters(told, labels)
    for side, ref in refs:
        label = tr("connection of {frame}").format(frame=labels.begin(side, ref))
        rows.append([label, (_stream(report, side, labels.connection(side, ref), ref), "filter")])
    page.heading("Wireshark", "display filters")
    page.table([Column(), Column(flexible=True)], rows)


def _messages(report: Report, side: Side, ref: Ref) -> Iterator[tuple[str, FrameRef]]:
    trace = report.trace(side, ref.point)
    exchange = trace.exchanges[ref.id]
    for kind, message in (
        (N("requests"), exchange.request),
        (N("responses"), exchange.response),
    ):
        if message is not None:
            yield kind, trace.ref(message.first_frame, message.first_ns)
            yield kind, trace.ref(message.head_frame, message.head_ns)
            yield kind, trace.ref(message.last_frame, message.last_ns)


def _stream(report: Report, side: Side, c: Connection, ref: Ref) -> str:
    """Wireshark numbers the connections of a file as lbtrace does, unless there are tunnels or
    several files; then only addresses and ports name one.
    """
    if len(report.trace(side, ref.point).files) == 1 and not c.network:
        return f"tcp.stream == {c.id}"
    return " && ".join(
        f"{'ipv6' if ':' in end.address else 'ip'}.addr == {end.address} && tcp.port == {end.port}"
        for end in (c.client, c.server)
    )
