"""Which connections of a side carry requests for https, as far as it is known."""

from __future__ import annotations

import numpy as np

from lbtrace.comparison import Comparison
from lbtrace.model.http import Application, Protocol
from lbtrace.model.net import Side
from lbtrace.tables.columns import Column

HTTP, HTTPS = "http", "https"
SCHEMES = HTTP, HTTPS, ""  # as `scheme_used` numbers them; the last is not known


def in_tls(application: Application) -> bool:
    """Whether a connection was encrypted, opened or not."""
    return application.tls is not None or application.protocol is Protocol.TLS


def stated(application: Application) -> str:
    """The scheme that all requests of a connection of HTTP/2 state; "" where there is none, or
    several.
    """
    return application.schemes[0].lower() if len(application.schemes) == 1 else ""


def applications(comparison: Comparison, side: Side) -> list[Application]:
    """What the connections of a side carried, by their numbers."""
    return [a for trace in comparison.traces(side) for a in trace.applications]


def for_https(comparison: Comparison, side: Side) -> Column:
    """Per connection, whether its requests are for https: they came in TLS, or say so."""
    return np.array([in_tls(a) or stated(a) == HTTPS for a in applications(comparison, side)], bool)


def scheme_used(comparison: Comparison, side: Side) -> Column:
    """Per connection, which of `SCHEMES` its client used. What is plain and says https ended TLS
    before, or states it wrongly: that is not known.
    """
    carried = applications(comparison, side)
    plain = [2 if stated(a) == HTTPS else 0 for a in carried]
    return np.array([1 if in_tls(a) else n for a, n in zip(carried, plain, strict=True)], np.int64)
