"""A Trace → what it adds up to, counted in columns."""

from __future__ import annotations

from collections.abc import Sequence

from lbtrace.model.http import Application, Protocol
from lbtrace.model.report import CaptureCounts, Encrypted
from lbtrace.model.trace import Trace
from lbtrace.tables.connections import ConnectionTable
from lbtrace.tables.exchanges import by_connection, requests_there


def capture_counts(trace: Trace) -> CaptureCounts:
    """SYNs, requests, and exchanges per connection of one capture point."""
    connections = ConnectionTable.of(trace.connections)
    return CaptureCounts(
        syns=int(connections.syns.sum()),
        already_open=int((connections.syns == 0).sum()),
        requests=requests_there(trace),
        exchanges=by_connection(trace).sizes.tolist(),
    )


def encrypted(applications: Sequence[Application]) -> Encrypted:
    """The connections that carry what TLS hides."""
    tls = [a.tls for a in applications if a.protocol is Protocol.TLS and a.hidden]
    return Encrypted(len(tls), next((hello for hello in tls if hello is not None), None))
