"""The exchanges that rarer evidence left → classes of equal fingerprint, by who asked where the
balancer says so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import cast

from lbtrace.match.fingerprint import Kept, TargetForm, request_keys
from lbtrace.match.pairing import Pairing
from lbtrace.tables.side_table import SideTable


@dataclass(slots=True)
class Class:
    """Unpaired exchanges of one request shape."""

    clients: list[int]
    backends: list[int]


def classes(
    state: Pairing, form: TargetForm, kept: Kept | None, askers: tuple[dict[str, str], list[str]]
) -> list[Class]:
    """The unpaired exchanges of both sides by request shape; those whose request is not known are
    in none.
    """
    out: dict[Hashable, Class] = defaultdict(lambda: Class([], []))
    mine, theirs = state.free_clients(), state.free_backends()
    named = set(state.pinned.values())
    mine = (
        [c for c in mine if not state.client.cached[c]] if not state.backend.cached.any() else mine
    )
    late = unread(state.client.table)
    for c, key in zip(mine, request_keys(state.client, mine, form, kept), strict=True):
        if key is not None and not late[c]:
            connection = state.client.connection_ref(c) if named else None
            out[key, connection if connection in named else None].clients.append(c)
    for b, key in zip(theirs, request_keys(state.backend, theirs, form, kept), strict=True):
        if key is not None:
            out[key, state.pinned.get(b)].backends.append(b)
    _ask_in_full(state, out)
    made = [
        part
        for k in out.values()
        if k.clients and k.backends
        for part in _by_asker(state, k, *askers)
    ]
    state.shared.update(b for k in made for b in k.backends)
    return [k for k in made if k.clients and k.backends]


def _ask_in_full(state: Pairing, found: dict[Hashable, Class]) -> None:
    """Move requests with HEAD, where backends got none of that kind, to the class of the same
    request with GET, where no client sent any: a cache asks in full to keep the answer.
    """
    texts = state.client.table.words.texts
    head, get = texts.get("HEAD", -1), texts.get("GET", -1)
    for key, asked in list(found.items()) if head >= 0 and get >= 0 else ():
        request, connection = cast(tuple[tuple[Hashable, ...], Hashable], key)
        if request[0] != head or asked.backends or not asked.clients:
            continue
        in_full = found.get(((get, *request[1:]), connection))
        if in_full is not None and in_full.backends and not in_full.clients:
            in_full.clients, asked.clients = asked.clients, []


def unread(table: SideTable) -> list[bool]:
    """Per client exchange, whether its request was sent after the balancer's FIN and got no answer:
    it reached nobody.
    """
    q = table.requests
    fin, fin_ns = (table.of_ends(f"fin_{u}", True)[table.connection] for u in ("frame", "ns"))
    late: list[bool] = (
        q.there
        & ~table.responses.there
        & (fin > 0)
        & (fin < q.first_frame)
        & (fin_ns < q.last_ns)  # which is not so where the FIN acknowledges the request
    ).tolist()
    return late


def _by_asker(
    state: Pairing, whole: Class, known: dict[str, str], told: Sequence[str]
) -> list[Class]:
    """A class split by who asked, where the balancer states it for every exchange and it is known
    for every client.
    """
    if not known or not all(told[b] for b in whole.backends):
        return [whole]
    hosts = {c: state.client.client_address(c) for c in whole.clients}
    if not all(h in known for h in hosts.values()):
        return [whole]
    parts: dict[str, Class] = defaultdict(lambda: Class([], []))
    for c in whole.clients:
        parts[known[hosts[c]]].clients.append(c)
    for b in whole.backends:
        parts[told[b]].backends.append(b)
    return [p for p in parts.values() if p.clients]
