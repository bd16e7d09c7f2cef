"""Who talks to whom, drawn: client ─▶ balancer ┆ source behind it ─▶ backend. Layout only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest

from rich.cells import cell_len, set_cell_size

from lbtrace.language import N, tr
from lbtrace.model.pairing import AddressMapping
from lbtrace.model.report import Kind, Report
from lbtrace.render.terminal.page import Page
from lbtrace.render.wording import units
from lbtrace.render.wording.escape import shown

_SHOWN_ADDRESSES = 4
_SHOWN_CLIENTS = 2  # behind one NAT
CLIENT, BACKEND, SOURCE = N("client"), N("backend"), N("source behind it")
BALANCER, CONNECTS = N("load balancer"), N("connects to")
_MOST_ARROW = 12  # columns
_LEAST_ARROW = 3
_NO_BALANCER = (Kind.DIRECT, Kind.UNRELATED, Kind.INCONCLUSIVE)


def drawing(page: Page, report: Report, most: int = _SHOWN_ADDRESSES) -> None:
    """The addresses of the topology, `most` of each kind, and what else the balancer calls the
    clients.
    """
    t = report.correlation.topology
    columns = [
        _few(t.clients, most),
        _few(map(str, t.fronts), most),
        _few(t.sources, most),
        _few(map(str, t.backends), most),
    ]
    if not any(columns):
        return
    page.blank()
    between = BALANCER if report.verdict.kind not in _NO_BALANCER else CONNECTS
    titles = [tr(title) for title in (CLIENT, between, SOURCE, BACKEND)]
    widths = [
        max(map(cell_len, [title, *column])) for title, column in zip(titles, columns, strict=True)
    ]
    arrow = min((page.width - 2 - sum(widths) - 7) // 2, _MOST_ARROW)
    if arrow < _LEAST_ARROW:
        _list(page, titles, columns)
    else:
        _picture(page, titles, columns, widths, arrow)
    told = together(report)
    for mappings in told[:most]:
        nat = mappings[0].seen_as in report.summary.behind_nat
        page.prose(mapping_told(mappings, nat), indent=3, style="note")
    hidden = sum(map(len, told[most:]))
    if hidden:
        more = units.counted(
            "+{n} more client is seen under another address",
            "+{n} more clients are seen under another address",
            hidden,
        )
        page.line((more, "note"), indent=3)


def _few(addresses: Iterable[str], most: int) -> list[str]:
    every = [shown(address) for address in addresses]
    hidden = len(every) - most
    return every if hidden <= 1 else [*every[:most], tr("+{n} more").format(n=hidden)]


def _picture(
    page: Page,
    titles: Sequence[str],
    columns: Sequence[Sequence[str]],
    widths: Sequence[int],
    arrow: int,
) -> None:
    gap, shaft = " " * (arrow + 2), f" {'─' * (arrow - 1)}▶ "
    page.line((_row(titles, widths, gap, "   "), "label"))
    for number, row in enumerate(zip_longest(*columns, fillvalue="")):
        page.line(_row(row, widths, gap if number else shaft, " ┆ "))


def _row(cells: Sequence[str], widths: Sequence[int], between: str, middle: str) -> str:
    client, balancer, source = (
        set_cell_size(cell, width) for cell, width in zip(cells[:3], widths[:3], strict=True)
    )
    return f"{client}{between}{balancer}{middle}{source}{between}{cells[3]}"


def _list(page: Page, titles: Sequence[str], columns: Sequence[Sequence[str]]) -> None:
    """The same one below the other, where the page is too narrow."""
    for title, column in zip(titles, columns, strict=True):
        for number, address in enumerate(column or [tr("unknown")]):
            page.line((set_cell_size(title if number == 0 else "", 18), "note"), address)


def together(report: Report) -> list[list[AddressMapping]]:
    """Other addresses of clients; those of clients behind one NAT together."""
    found: dict[tuple[str, str, str], list[AddressMapping]] = {}
    for m in report.correlation.topology.mappings:
        if m.client != m.seen_as:
            nat = m.stated_by is not None and m.seen_as in report.summary.behind_nat
            found.setdefault((m.seen_as, m.stated_in, "" if nat else m.client), []).append(m)
    return list(found.values())


def mapping_told(mappings: Sequence[AddressMapping], nat: bool) -> str:
    """What clients that `together` takes as one are called behind the balancer."""
    m = mappings[0]
    count, of = sum(each.count for each in mappings), sum(each.of for each in mappings)
    if m.stated_by is None:
        said = tr("{client} appears as {seen_as} behind the balancer (source address, {seen}).")
    elif nat:
        said = tr(
            "A NAT sits between client and balancer: it saw {seen_as}, not {client} "
            "({stated_in}, {seen})."
        )
    else:
        said = tr("{stated_in} states {seen_as} for {client} ({seen}).")
    return said.format(
        client=", ".join(_few((each.client for each in mappings), _SHOWN_CLIENTS)),
        seen_as=shown(m.seen_as),
        stated_in=shown(m.stated_in),
        seen=tr("{count} of {of}").format(count=units.count(count), of=units.count(of)),
    )
