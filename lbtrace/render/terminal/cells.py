"""What tables say of an exchange: when it began, what was asked, how long it took."""

from __future__ import annotations

from lbtrace.model.http import Exchange
from lbtrace.render.terminal.page import Page
from lbtrace.render.wording import times, units
from lbtrace.render.wording.escape import shown


def request(exchange: Exchange, missing: str = "(request not captured)") -> str:
    """ "GET /path"."""
    if exchange.request is None:
        return missing
    return f"{shown(exchange.request.method)} {shown(exchange.request.target)}"


def duration(exchange: Exchange) -> str:
    """From request to response, "?" when it is not known."""
    return "?" if exchange.total_ns is None else units.duration(exchange.total_ns)


def began(page: Page, exchange: Exchange, missing: str = "") -> str:
    """The time of day of its first packet."""
    first = exchange.request or exchange.response
    return times.clock(first.first_ns, page.view.zone) if first is not None else missing
