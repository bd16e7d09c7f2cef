"""What tables say of an exchange: when it began, what was asked and answered, how long it took."""

from __future__ import annotations

from lbtrace.language import tr
from lbtrace.model.grpc import status_name, status_of
from lbtrace.model.http import Exchange, Mark
from lbtrace.model.stream import Connection
from lbtrace.model.trace import Trace
from lbtrace.render.terminal.page import Page
from lbtrace.render.wording import names, times, units
from lbtrace.render.wording.escape import shown


def request(exchange: Exchange, connection: Connection) -> str:
    """ "GET /path". Where every byte of the client is in the capture, no request is missing: the
    answer came before any, or to something else.
    """
    if exchange.request is None:
        whole = connection.client_is_whole and Mark.LOST not in exchange.marks
        return tr("(no request)") if whole else tr("(request not captured)")
    return f"{shown(exchange.request.method)} {shown(exchange.request.target)}"


def answer(trace: Trace, exchange: Exchange) -> str:
    """ "200"; "200, UNAVAILABLE (14)" for a gRPC call that did not end well."""
    status, outcome = names.status(exchange.response), outcome_of(trace, exchange)
    return f"{status}, {outcome}" if outcome else status


def outcome_of(trace: Trace, exchange: Exchange) -> str:
    """ "UNAVAILABLE (14)" of a gRPC call that did not end well; "" of any other exchange."""
    outcome = status_of(trace.calls, exchange.id)
    if not outcome:
        return ""
    name = status_name(outcome)
    return f"{'gRPC' if name.isdigit() else name} ({outcome})"


def duration(exchange: Exchange) -> str:
    """From request to response, "?" when it is not known."""
    return "?" if exchange.total_ns is None else units.duration(exchange.total_ns)


def began(page: Page, exchange: Exchange, missing: str = "") -> str:
    """The time of day of its first packet."""
    first = exchange.request or exchange.response
    return times.clock(first.first_ns, page.view.zone) if first is not None else missing
