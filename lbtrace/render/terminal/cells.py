"""What tables say of an exchange: what was asked, what was answered, how long it took."""

from __future__ import annotations

from lbtrace.model.http import Exchange
from lbtrace.render.wording import units
from lbtrace.render.wording.escape import shown


def request(exchange: Exchange, missing: str = "(request not captured)") -> str:
    """ "GET /path"."""
    if exchange.request is None:
        return missing
    return f"{shown(exchange.request.method)} {shown(exchange.request.target)}"


def duration(exchange: Exchange) -> str:
    """From request to response, "?" when it is not known."""
    return "?" if exchange.total_ns is None else units.duration(exchange.total_ns)
