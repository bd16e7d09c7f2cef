"""An answer → whether the balancer made it itself, by how its answers differ from the backends'.

The balancer's answers are of another hand: another Server field, no Date where every backend sends
one, names of fields with capitals where it writes those that it passes on without, no word of
how long a server took where it writes that into what it got from one, a page that comes with its
software, an error that a balancer says of its backends, the mark of a cache. Nothing
here asks which backend exchange belongs to which client exchange.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from lbtrace.http_fields import AGE, DATE, SERVER, Meaning, fields_of, spelling
from lbtrace.http_fields.caches import age_of_fresh, age_s, is_cache_hit
from lbtrace.http_fields.lines import lowered
from lbtrace.match.exchange_times import Facts, cache_lines
from lbtrace.match.own_pages import maker
from lbtrace.match.pairing import Pairing
from lbtrace.model.http import MIN_ERROR, Mark, Response
from lbtrace.model.pairing import Confidence, UnpairedDetail
from lbtrace.tables.columns import among, distinct
from lbtrace.tables.messages import NO_VALUE, Heads
from lbtrace.tables.packets import Column
from lbtrace.tables.side_table import SideTable
from lbtrace.tables.words import marked

OWN_STATUS = {
    400,
    403,
    408,
    411,
    413,
    414,
    417,
    429,
    431,
    460,
    463,
    464,
    497,
    500,
    501,
    502,
    503,
    504,
    505,
    561,
}


SEVERAL = 4  # answers that show a manner


REDIRECT = {301, 302, 303, 307, 308}
# what is said of a request before it is passed on: its form or its size is at fault (RFC 9110
# §15.5, RFC 6585 §5; 494 and 497 are nginx's own)
ABOUT_THE_REQUEST = {400, 411, 413, 414, 417, 431, 494, 497}


BALANCERS = re.compile(  # in a Server field: software and services that stand in front of backends
    r"\b(nginx|openresty|tengine|awselb|apache|httpd|varnish|envoy|caddy|squid|traefik|haproxy|ats/|trafficserver|lighttpd|h2o|litespeed"
    r"|cloudflare|cloudfront|akamai|gse|google|gws|microsoft-azure|istio|kong|big-?ip|imperva|sucuri|fastly|netlify|vercel)",
    re.IGNORECASE,
)


UPSTREAM = tuple(sorted(fields_of(Meaning.UPSTREAM)))
SWITCHING_PROTOCOLS = 101  # what comes before it is no answer yet (RFC 9110 §15.2)


class Sign(NamedTuple):
    """What shows that the balancer made an answer, and how sure that is."""

    detail: UnpairedDetail
    confidence: Confidence
    value: str = ""


class Manner(NamedTuple):
    """How the backends answer."""

    got: set[str]  # the Server fields of answers that clients got from backends
    sent: set[str]  # … and those that backends sent, whoever got them
    given: set[str]  # those that backends sent alone
    # every answer that clients got from them, not one or two, has a Date (RFC 9110 §6.6.1)
    dated: bool
    keep: bool  # they are caches, or have one before them: the mark of a cache may be theirs
    # servers (their numbers) of clients at which the balancer writes every name of a field that it
    # passes on in lower case
    lowering: frozenset[int] = frozenset()
    # … and at which it writes a field into every answer of a backend: its name
    marking: Mapping[int, str] = MappingProxyType({})
    pages: frozenset[int] = frozenset()  # digests (their numbers) of the bodies that they send


def manner(state: Pairing) -> Manner:
    """What is common to the answers of the backends."""
    mine, theirs, words = (
        state.client.table.responses,
        state.backend.table.responses,
        state.client.table.words,
    )
    c, b = state.last()
    passed_on = mine.there[c] & theirs.there[b] & (mine.start[c] == theirs.start[b])
    c, b = c[passed_on], b[passed_on]
    got, sent = (
        {
            words.line_list[n].value if n != NO_VALUE else ""
            for n in distinct(messages.line_of(words, SERVER)[at]).tolist()
        }
        for messages, at in ((mine, c), (theirs, theirs.there))
    )
    dates = [
        words.line_list[n].value if n != NO_VALUE else ""
        for n in distinct(mine.line_of(words, DATE)[c]).tolist()
    ]
    return Manner(
        got,
        got | sent,
        sent,
        len(c) >= SEVERAL and all(dates),
        bool(state.backend.cached.any()),
        _lowering(state, c, b),
        _marking(state, c),
        frozenset(distinct(theirs.digest[theirs.there & (theirs.start >= MIN_ERROR)]).tolist()),
    )


def _lowering(state: Pairing, c: Column, b: Column) -> frozenset[int]:
    """The servers of clients all of whose answers have field names in lower case, where several of
    the backends' have not.
    """
    client, backend = state.client.table, state.backend.table
    server = client.servers[client.connection[c]]
    kept = _with_capitals(client)[c]
    changed = _with_capitals(backend)[b] & ~kept
    several = [
        n for n in distinct(server[changed]).tolist() if (server == n)[changed].sum() >= SEVERAL
    ]
    return frozenset(several) - frozenset(server[kept].tolist())


def _marking(state: Pairing, c: Column) -> dict[int, str]:
    """Per server of clients, all of whose answers from backends, several at least, have a field
    that proxies write into such ones and no backend here sends: its name.
    """
    client, backend, out = state.client.table, state.backend.table, dict[int, str]()
    server = client.servers[client.connection[c]]
    for name in UPSTREAM:
        has = client.responses.having(client.words, name)[c]
        if not has.any() or backend.responses.having(backend.words, name).any():
            continue
        for n in distinct(server[has]).tolist():
            if (server == n).sum() >= SEVERAL and has[server == n].all():
                out[n] = name
    return out


def _unmarked(table: SideTable, marking: Mapping[int, str]) -> Column:
    """Per exchange 1 more than the place in `UPSTREAM` of the field that its server writes into
    every answer of a backend, where this one lacks it; else 0.
    """
    out = np.zeros(len(table), np.int64)
    answers = table.responses
    for server, name in marking.items():
        lacks = ~answers.having(table.words, name) & (answers.start > SWITCHING_PROTOCOLS)
        out[lacks & (table.servers[table.connection] == server)] = UPSTREAM.index(name) + 1
    return out


def _with_capitals(table: SideTable) -> Column:
    """Per exchange, whether the name of some field of its response is not in lower case."""
    names, spelled = table.words.spelled
    capital = np.array([name != lowered(name) for name in names], bool)
    return table.responses.heads.having(capital[spelled])


def _own_case(table: SideTable, lowering: frozenset[int]) -> Column:
    """Per exchange, whether names of fields of its response have capitals, though its server lowers
    those that it passes on.
    """
    if not lowering:
        return np.zeros(len(table), bool)
    servers = table.servers[table.connection]
    return _with_capitals(table) & among(servers, np.array(sorted(lowering), np.int64))


class Signs:
    """What `hand` says of the answers of a side, asked for exchange by exchange.

    What it rests on is the same in many answers: each kind of answer is made as an object once.
    """

    def __init__(self, facts: Facts, backends: Manner) -> None:
        answers, words = facts.table.responses, facts.table.words
        date, age = answers.line_of(words, DATE), answers.line_of(words, AGE)
        empty = [n for n in distinct(date).tolist() if n != NO_VALUE and not words.said(n)[1]]
        hits, ages = cache_lines(words)
        took = facts.reply - facts.start
        what = (
            answers.there,
            answers.start,
            answers.line_of(words, SERVER),
            (date != NO_VALUE) & ~among(date, np.array(empty, np.int64)),
            marked(answers.marks, Mark.HEAD_TRUNCATED),
            age,
            (age != NO_VALUE) & (np.append(ages, 0)[age] > age_of_fresh(took)),
            _first_of(answers.heads, hits),
            answers.method,
            np.where(answers.start >= MIN_ERROR, answers.digest, 0),
            _own_case(facts.table, backends.lowering),
            _unmarked(facts.table, backends.marking),
        )
        self._what = np.stack([column.astype(np.int32) for column in what], axis=1)
        self._facts, self._backends, self._took = facts, backends, took
        self._known: dict[bytes, Sign | None] = {}

    def of(self, number: int) -> Sign | None:
        """Whether the balancer made the answer of an exchange."""
        what = self._what[number].tobytes()
        if what not in self._known:
            answer = self._facts.exchange(number).response
            took, page = int(self._took[number]), ""
            *_, digest, own_case, unmarked = self._what[number].tolist()
            if answer is not None and digest and digest not in self._backends.pages:
                page = maker(answer)
            lacks = UPSTREAM[unmarked - 1] if unmarked else ""
            self._known[what] = hand(answer, self._backends, took, bool(own_case), page, lacks)
        return self._known[what]


def _first_of(heads: Heads, wanted: Column) -> Column:
    """The number of the first wanted line of each head, NO_VALUE without."""
    owner, line = heads.which(wanted)
    out = np.full(len(heads), NO_VALUE, np.int64)
    out[owner[::-1]] = line[::-1]
    return out


def _field(r: Response, name: str) -> str:
    return next((x.value for x in r.lines if x.name.lower() == name), "")


def hand(
    r: Response | None,
    backends: Manner,
    took_ns: int,
    own_case: bool = False,
    page: str = "",
    lacks: str = "",
) -> Sign | None:
    """What shows that the balancer made this answer, None when nothing does, and how sure that is:
    another backend, one that was not captured, may bear any name and send any error; only the name
    of a balancer is beyond it, and the mark of a cache where no backend's answers bear one.
    `own_case`: names of fields are not written as the balancer writes those that it passes on,
    whichever backend they are from. `page`: the software whose built-in page the body is.
    `lacks`: the field that the balancer writes into every answer of a backend, if it is not here.
    """
    if r is None:
        return None
    mark = _mark_of_cache(r, took_ns)
    if mark is not None:
        return mark._replace(confidence=Confidence.LOW) if backends.keep else mark
    if own_case:
        return Sign(UnpairedDetail.OWN_CASE, Confidence.HIGH)
    if Mark.HEAD_TRUNCATED in r.marks:
        return None  # what it lacks may have been cut off
    server = _field(r, SERVER)
    if lacks:
        return Sign(UnpairedDetail.NO_UPSTREAM_FIELD, Confidence.MEDIUM, spelling(lacks))
    undated = _undated(r, server, backends)
    if undated is not None:
        return undated
    if backends.got and server not in backends.sent and r.status in OWN_STATUS | REDIRECT | {200}:
        sign = _of_another_server(r, server)
    else:
        sign = _of_its_status(r, server, backends)
    if (
        page
        and not (server and server in backends.given)
        and (sign is None or sign.confidence is Confidence.LOW)
    ):
        return Sign(UnpairedDetail.OWN_PAGE, Confidence.MEDIUM, page)
    return sign


def _undated(r: Response, server: str, backends: Manner) -> Sign | None:
    """An answer without Date where all from the backends have one, unless its Server field is that
    of a backend of another kind, one that was not captured.
    """
    named = BALANCERS.search(server)
    if not backends.dated or _field(r, DATE) or (server and not named):
        return None
    if r.status not in OWN_STATUS | REDIRECT | {401, 404, 407}:
        return None
    sure = Confidence.HIGH if named and server not in backends.sent else Confidence.MEDIUM
    return Sign(UnpairedDetail.NO_DATE, sure)


def _of_another_server(r: Response, server: str) -> Sign | None:
    """An answer with a Server field that no backend sends: none, or one that names a balancer."""
    sure = Confidence.HIGH if r.status != 200 else Confidence.MEDIUM
    if not server:
        return Sign(UnpairedDetail.NO_SERVER, sure)
    return Sign(UnpairedDetail.OTHER_SERVER, sure, server) if BALANCERS.search(server) else None


def _of_its_status(r: Response, server: str, backends: Manner) -> Sign | None:
    """An answer with a status that balancers send of their own accord."""
    got, sent, given = backends.got, backends.sent, backends.given
    if r.status in {502, 503, 504} and (server not in sent or server in got):
        sure = Confidence.HIGH if not server or BALANCERS.search(server) else Confidence.LOW
        return Sign(UnpairedDetail.GATEWAY_ERROR, sure, str(r.status))
    if r.status in ABOUT_THE_REQUEST and server in got - given and BALANCERS.search(server):
        return Sign(UnpairedDetail.REFUSED_REQUEST, Confidence.MEDIUM, str(r.status))
    if got or r.status not in REDIRECT | OWN_STATUS:
        return None
    return Sign(UnpairedDetail.UNPASSED_STATUS, Confidence.MEDIUM, str(r.status))


def _mark_of_cache(r: Response, took_ns: int) -> Sign | None:
    """What says that an answer comes from a cache, None when nothing does, and how sure that is."""
    age = age_s(_field(r, AGE))
    if age:
        sure = Confidence.HIGH if age > age_of_fresh(took_ns) else Confidence.MEDIUM
        return Sign(UnpairedDetail.CACHE_AGE, sure, str(age))
    line = next((x for x in r.lines if is_cache_hit(lowered(x.name), x.value)), None)
    if line is None:
        return None
    return Sign(UnpairedDetail.CACHE_HIT, Confidence.HIGH, f"{line.name}: {line.value}")
