"""The fields that state who the client is, behind the balancer."""

from __future__ import annotations

from lbtrace.comparison import Comparison
from lbtrace.http_fields.addresses import addresses_in, node
from lbtrace.model.pairing import Pattern

MAX_PAIRS_READ = 1000  # a balancer that states the client does so in each


def stated_in(comparison: Comparison) -> list[str]:
    """Names of the request fields and headers in which the balancer states the client's address."""
    names = {
        c.name: None
        for c in comparison.correlation.changes
        if c.request and c.behaviour is Pattern.CLIENT_ADDRESS
    }
    names |= {
        m.stated_by: None
        for m in comparison.correlation.topology.mappings
        if m.stated_by is not None
    }
    (client, backend), pairs = comparison.sides, comparison.pairs[:MAX_PAIRS_READ]
    words = client.words
    asked = client.client_address[pairs.client_connection].tolist()
    for sent, arrived, address in zip(
        pairs.client.tolist(), pairs.backend.tolist(), asked, strict=True
    ):
        if not (client.requests.there[sent] and backend.requests.there[arrived]):
            continue
        own = comparison.addresses_of(words.text_list[address])
        before = {line.raw for line in client.requests.heads.lines(words, sent)}
        for line in backend.requests.heads.lines(words, arrived):
            if (
                line.name not in names
                and line.raw not in before
                and own.intersection(addresses_in(line.value))
            ):
                names[line.name] = None
    # without pairs the client's own requests cannot be read
    connections = comparison.connection_pairs[: 0 if len(comparison.pairs) else MAX_PAIRS_READ]
    for connection, on_it in zip(
        connections, backend.by_connection.lists(connections.backend), strict=True
    ):
        requests = (backend.exchange(b).request for b in on_it)
        own = comparison.addresses_of(connection.client.client.address)
        for line in (line for request in requests if request is not None for line in request.lines):
            if line.name not in names and own.intersection(addresses_in(line.value)):
                names[line.name] = None
    if _stated_by_proxy(comparison):
        names.setdefault("PROXY", None)
    unique: dict[str, str] = {}
    for name in names:
        unique.setdefault(name.lower(), name)
    return sorted(unique.values(), key=str.lower)


def _stated_by_proxy(comparison: Comparison) -> bool:
    """Whether PROXY headers name the client: in any pair of connections that tells, else whether
    they name anybody.
    """
    stated_truly = []
    (client_side, backend), connections = (
        comparison.sides,
        comparison.connection_pairs[:MAX_PAIRS_READ],
    )
    clients = map(
        client_side.words.text_list.__getitem__,
        client_side.client_address[connections.client].tolist(),
    )
    for client, (point, connection) in zip(
        clients, backend.connection_refs(connections.backend), strict=True
    ):
        headers = comparison.backends[point].applications[connection].proxy
        sources = (node(header.source) for header in headers if header.source)
        stated = {source.address for source in sources if source is not None}
        if stated:
            stated_truly.append(
                bool(stated & comparison.addresses_of(client))
                or (
                    not comparison.is_stated(client)
                    and comparison.may_be_behind_nat(client, stated)
                )
            )
    return (
        any(stated_truly)
        if stated_truly
        else any(
            h.source for trace in comparison.backends for a in trace.applications for h in a.proxy
        )
    )
