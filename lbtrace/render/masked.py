"""Report or CaptureReport → the same with its credentials masked, for every format.

`lbtrace.render.get_format` calls this, so a format cannot forget it: what a format gets is masked
unless the user asked for the secrets. Objects of the Python API keep the raw values.

Field lines and targets are masked by what they are (`lbtrace.http_fields.masking`). Other texts
(the values of a finding, notes, the evidence for a pair) no longer say which field they come from,
so each credential that the captures hold is looked for in them. Words and names that a report needs
are left alone: a host, an address, a short word in small letters. A cookie `side=backend` must not
blot out the word.

Invariant: what is not masked is the same object as before; masking is linear in the distinct lines
of the captures and in the texts of the report.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from hashlib import blake2b
from ipaddress import ip_address
from itertools import chain, islice
from typing import Final, Protocol, TypeVar

import numpy as np

from lbtrace import compiled
from lbtrace.http_fields import HOST
from lbtrace.http_fields.masking import (
    Mask,
    any_names_secret,
    holds_cookies,
    is_public,
    may_hold_userinfo,
)
from lbtrace.model.behaviour import Behaviour
from lbtrace.model.http import Exchange, HeaderLine, Interim, Request, Response
from lbtrace.model.pairing import (
    Clue,
    Correlation,
    ExchangePair,
    HeaderChange,
    HealthCheck,
    Reason,
    Unpaired,
)
from lbtrace.model.report import (
    CaptureReport,
    Evidence,
    Finding,
    ProfileMatch,
    Report,
    Value,
    Verdict,
    Witness,
)
from lbtrace.model.trace import Diagnostic, Trace
from lbtrace.tables.columns import Column, among, distinct, running
from lbtrace.tables.exchanges import Exchanges, ExchangeTable, HeadTexts
from lbtrace.tables.pairs import PairTable

LEAST: Final = 6  # characters of a credential that is looked for in other texts
WORD: Final = 12  # a word in small letters is shorter
_WORD: Final = re.compile(r"[a-z]+")
_PIECE: Final = re.compile(r"[^,;\s]+")
_NAMED: Final = re.compile(r"[^\s:]+:")
_PORT: Final = re.compile(r":\d+\Z")
_FACTOR: Final = np.uint32(2654435761)  # odd, and its bits look drawn (Knuth 1973, §6.4)
_BITS: Final = 22  # of a place in a table of them
_FACTOR_OF_LEAST: Final = np.uint32(pow(int(_FACTOR), LEAST, 1 << 32))
_BETWEEN: Final = re.compile(r"( → )")  # a line before and after a change
_VALUE, _NAME, _ENCODED, _SLASH = range(1, 5)  # what marks that a line may hold a URL
_MARKS: Final = np.zeros(256, np.uint8)
for _letters, _mark in ((b"=", _VALUE), (b"?&#;", _NAME), (b"%", _ENCODED), (b"/", _SLASH)):
    _MARKS[list(_letters)] = _mark
_TOGETHER: Final = 1 << 14  # lines or texts looked at together
_OF_URLS: Final = {Clue.TARGET, Clue.TARGET_END, Clue.LAST_SEGMENT, Clue.QUERY}
_OF_FIELDS: Final = {Clue.REQUEST_FIELD, Clue.RESPONSE_FIELD}
_Message = TypeVar("_Message", Request, Response)


def masked_report(report: Report) -> Report:
    """The result of `compare`, masked."""
    traces = _Traces((*report.clients, *report.backends))
    clients = tuple(map(traces.masked, report.clients))
    backends = tuple(map(traces.masked, report.backends))
    texts = traces.texts()
    return replace(
        report,
        clients=tuple(map(texts.trace, clients)),
        backends=tuple(map(texts.trace, backends)),
        correlation=texts.correlation(report.correlation),
        findings=tuple(map(texts.finding, report.findings)),
        verdict=texts.verdict(report.verdict),
        behaviour=report.behaviour and texts.behaviour(report.behaviour),
        summary=replace(
            report.summary,
            tiers=tuple(
                t if t.example is None else replace(t, example=texts.reason(t.example))
                for t in report.summary.tiers
            ),
        ),
    )


def masked_capture_report(report: CaptureReport) -> CaptureReport:
    """The result of `show`, masked."""
    traces = _Traces([alone.trace for alone in report.captures])
    masked = [traces.masked(alone.trace) for alone in report.captures]
    texts = traces.texts()
    return CaptureReport(
        tuple(
            replace(
                alone,
                trace=texts.trace(trace),
                findings=tuple(map(texts.finding, alone.findings)),
            )
            for alone, trace in zip(report.captures, masked, strict=True)
        )
    )


def masked_finding(finding: Finding) -> Finding:
    """A finding that stands alone: what shows by itself that it is a credential is masked. No
    capture keys its digest, so only its length is told.
    """
    return _Texts(Mask(None), set()).finding(finding)


def _key(traces: Iterable[Trace]) -> bytes:
    """What the captures have that nobody else has: their bytes."""
    files = b"".join(file.fingerprint for trace in traces for file in trace.files)
    return blake2b(files, digest_size=32).digest()


class _Traces:
    """Masks heads, and remembers what it hid."""

    def __init__(self, traces: Sequence[Trace]) -> None:
        self.mask = Mask(_key(traces))
        self._said: set[str] = set()  # hosts: a report must name them
        self._line = lru_cache(maxsize=65536)(self._new_line)
        self._hidden: dict[bytes, bytes] = {}  # field lines that hold a credential: one cookie
        # comes in front of the balancer and behind it

    def masked(self, trace: Trace) -> Trace:
        """A trace whose heads are masked."""
        exchanges = trace.exchanges
        if not isinstance(exchanges, Exchanges):
            return replace(trace, exchanges=tuple(map(self._exchange, exchanges)))
        table = self._table(exchanges.table)
        objects = list(map(self._exchange, exchanges.objects))
        return replace(trace, exchanges=Exchanges(table, objects))

    def texts(self) -> _Texts:
        """What masks the other texts of a report, once all heads are masked."""
        return _Texts(self.mask, self._said)

    def _table(self, table: ExchangeTable) -> ExchangeTable:
        heads: HeadTexts = table.heads
        return table.with_columns(
            heads=heads.with_columns(
                lines=self._field_lines(heads),
                requests=self._request_lines(heads.requests),
                statuses=[
                    self.mask.url(line.decode("latin-1")).encode("latin-1")
                    for line in heads.statuses
                ],
            )
        )

    def _field_lines(self, heads: HeadTexts) -> list[bytes]:
        """Field lines. Nearly all are surely shown as they are sent."""
        lines, (held, of) = heads.lines, heads.names
        names = [name.decode("latin-1") for name in held]
        secret, cookies, hosts = (
            np.array([named(name) for name in names], bool)[of]
            for named in (lambda n: not is_public(n), holds_cookies, lambda n: n.lower() == HOST)
        )
        for i in np.flatnonzero(hosts).tolist():
            self._note_host(lines[i].decode("latin-1"))
        some = [i for i in np.flatnonzero(cookies).tolist() if b":" in lines[i]]
        secret[some] = False
        others = _like_urls(lines)
        others[some] = others[secret] = False
        rest = np.flatnonzero(secret).tolist() + np.flatnonzero(others).tolist()
        shown, hidden = list(lines), self._hidden
        for chosen, masked in (
            (some, self.mask.cookie_lines(lines, some, hidden)),
            (rest, self.mask.sent_lines([lines[i] for i in rest], hidden)),
        ):
            for i, line in zip(chosen, masked, strict=True):
                shown[i] = line
        return shown

    def _note_host(self, line: str) -> None:
        """Remember the host that a field line names."""
        name, _, value = line.partition(":")
        if name.lower() == HOST:
            self._said.add(value.strip())

    def _request_lines(self, lines: list[bytes]) -> list[bytes]:
        """Request lines. Most captures have none in which a credential could stand."""
        if any_names_secret(lines):
            return list(map(self._request_line, lines))
        if not may_hold_userinfo(b"\n".join(lines)):
            return lines
        return [self._request_line(line) if may_hold_userinfo(line) else line for line in lines]

    def _request_line(self, line: bytes) -> bytes:
        text = line.decode("latin-1")
        masked = self.mask.start_line(text)
        return line if masked == text else masked.encode("latin-1")

    def _exchange(self, exchange: Exchange) -> Exchange:
        request, response = exchange.request, exchange.response
        if request is not None:
            request = self._message(request)
            target, method = self.mask.target(request.target), self.mask.url(request.method)
            if (target, method) != (request.target, request.method):
                request = request._replace(target=target, method=method)
        if response is not None:
            response = self._message(response)
            reason = self.mask.url(response.reason)
            response = response if reason == response.reason else response._replace(reason=reason)
        interim = tuple(map(self._interim, exchange.interim))
        if request is exchange.request and response is exchange.response and not interim:
            return exchange
        return exchange._replace(request=request, response=response, interim=interim)

    def _message(self, message: _Message) -> _Message:
        lines, trailers = self._lines(message.lines), self._lines(message.trailers)
        if lines is message.lines and trailers is message.trailers:
            return message
        return message._replace(lines=lines, trailers=trailers)

    def _interim(self, interim: Interim) -> Interim:
        return interim._replace(lines=self._lines(interim.lines))

    def _lines(self, lines: tuple[HeaderLine, ...]) -> tuple[HeaderLine, ...]:
        masked = tuple(map(self._line, lines))
        return lines if lines == masked else masked

    def _new_line(self, line: HeaderLine) -> HeaderLine:
        self._note_host(line.raw)
        raw = self.mask.line(line.raw)
        # a line without a name has its value, and no other text
        value = self.mask.value(line.name, line.value) if line.name else raw
        if raw == line.raw and value == line.value:
            return line
        return HeaderLine(line.name, value, raw)


def _like_urls(lines: list[bytes]) -> Column:
    """Per line, whether `may_hold_url` is true (bool), looked at many together."""
    out = np.zeros(len(lines), bool)
    if compiled.core is not None:
        out[:] = np.frombuffer(compiled.core.like_urls(lines), bool)
        return out
    for low in range(0, len(lines), _TOGETHER):
        some = lines[low : low + _TOGETHER]
        end = running(np.fromiter(map(len, some), np.int64, len(some)))[1:]
        data = np.frombuffer(b"".join(some), np.uint8)
        marks = _MARKS[data]
        at = np.flatnonzero(marks)
        owner, mark = np.searchsorted(end, at, "right"), marks[at]
        equals, parameter, found = (np.zeros(len(some), bool) for _ in range(3))
        equals[owner[mark == _VALUE]] = True
        parameter[owner[mark == _NAME]] = True
        found[owner[mark == _ENCODED]] = True
        slash = mark == _SLASH
        double = slash[1:] & slash[:-1] & (np.diff(at) == 1) & (owner[1:] == owner[:-1])
        found[owner[1:][double]] = True
        out[low : low + _TOGETHER] = found | (equals & parameter)
    return out


class _Texts:
    """Masks the texts of a report that are no heads: every credential that the heads hold."""

    def __init__(self, mask: Mask, said: set[str]) -> None:
        self._mask = mask
        self._said = said
        held = [secret for secret in mask.hidden if len(secret) >= LEAST]
        for secret in [secret for secret in mask.hidden if not secret.isalnum()]:
            for piece in {*_PIECE.findall(secret)} - {secret}:
                if len(piece) >= LEAST:
                    mask.hide(piece)
                    held.append(piece)
        # of the credentials that begin with these letters
        self._sizes: dict[str, tuple[int, ...]] = {}
        shared: dict[tuple[int, ...], tuple[int, ...]] = {}
        for piece in held:
            begin, size = piece[:LEAST], len(piece)
            known = self._sizes.get(begin, ())
            if size not in known:
                sizes = (*known, size)
                self._sizes[begin] = shared.setdefault(sizes, sizes)
        self._beginnings = _beginnings(held)
        self._orders: dict[str, list[int]] = {}
        self.text = lru_cache(maxsize=4096)(self._text)
        """Any text → the text to show."""

    def trace(self, trace: Trace) -> Trace:
        """A trace with masked heads → all of it masked."""
        return replace(trace, diagnostics=tuple(map(self._diagnostic, trace.diagnostics)))

    def correlation(self, c: Correlation) -> Correlation:
        """What belongs together, and why."""
        return replace(
            c,
            pairs=self._pairs(c.pairs),
            unpaired=tuple(map(self._unpaired, c.unpaired)),
            changes=tuple(map(self._change, c.changes)),
            health_checks=tuple(map(self._check, c.health_checks)),
        )

    def finding(self, f: Finding) -> Finding:
        """A finding: its values and its evidence. Its sentences are lbtrace's own."""
        return replace(f, values=self._values(f.values), evidence=self._evidence(f.evidence))

    def verdict(self, v: Verdict) -> Verdict:
        """The verdict, its witnesses and profiles."""
        return replace(
            v,
            reason=self.text(v.reason),
            witnesses=tuple(map(self._witness, v.witnesses)),
            profiles=tuple(map(self._profile, v.profiles)),
        )

    def behaviour(self, behaviour: Behaviour) -> Behaviour:
        """The facts, which hold no credential by themselves, and their evidence."""
        return replace(
            behaviour,
            facts=tuple(
                replace(
                    fact,
                    seen=self.text(fact.seen),
                    values=tuple(map(self.text, fact.values)),
                    unknown=self.text(fact.unknown),
                    evidence=self._evidence(fact.evidence),
                    shares=tuple(
                        replace(
                            share,
                            example=self.text(share.example),
                            evidence=self._evidence(share.evidence),
                        )
                        for share in fact.shares
                    ),
                )
                for fact in behaviour.facts
            ),
        )

    def reason(self, reason: Reason) -> Reason:
        """A piece of evidence for a pair: a value of some field, or a part of one."""
        return self._reasons([reason])[0]

    def _reasons(self, reasons: list[Reason]) -> list[Reason]:
        """Pieces of evidence; those in which nothing is hidden are the same objects."""
        values = [reason.value for reason in reasons]
        shown = self._evident(reasons, values)
        for i in np.flatnonzero(np.frombuffer(self._beginnings.found_in(shown), bool)).tolist():
            shown[i] = self._searched(shown[i], words=True)
        if shown == values:
            return reasons
        return [
            reason if text == reason.value else reason._replace(value=text)
            for reason, text in zip(reasons, shown, strict=True)
        ]

    def _evident(self, reasons: Sequence[Reason], values: list[str]) -> list[str]:
        """What each says, masked by the field it comes from."""
        shown = list(map(self._mask.values.get, values, values))
        of_urls = [i for i, reason in enumerate(reasons) if reason.clue in _OF_URLS]
        urls = [values[i] for i in of_urls]
        plain = self._surely_plain(urls)
        for i, value in zip(of_urls, urls, strict=True):
            shown[i] = value if plain else self._url(reasons[i].clue, value)
        for i, reason in enumerate(reasons):
            if reason.clue in _OF_FIELDS:
                shown[i] = self._mask.value(reason.field, reason.value)
        return shown

    def _surely_plain(self, urls: Sequence[str]) -> bool:
        """Whether no credential can stand in any of these targets and queries."""
        text = "?" + "\n?".join(urls)
        if "@" in text or "%" in text or "//" in text or not text.isascii():
            return False
        return not any_names_secret([text.encode("ascii")])

    def _url(self, clue: Clue, value: str) -> str:
        """A target, a part of one, or a query."""
        if not value:
            return value
        return self._mask.url(f"?{value}")[1:] if clue is Clue.QUERY else self._mask.target(value)

    def _pairs(self, pairs: Sequence[ExchangePair]) -> PairTable:
        table = PairTable.of(pairs)
        every = list(chain.from_iterable(table.reasons))
        masked = self._reasons(every)
        if masked is every:
            return table
        each = iter(masked)
        return table.with_columns(
            reasons=[tuple(islice(each, len(reasons))) for reasons in table.reasons]
        )

    def _unpaired(self, unpaired: Unpaired) -> Unpaired:
        if not unpaired.value:
            return unpaired
        return unpaired._replace(value=self.text(unpaired.value))

    def _change(self, c: HeaderChange) -> HeaderChange:
        return replace(
            c,
            before=self._mask.line(c.before),
            after=self._mask.line(c.after),
            values=tuple(self._mask.value(c.name, value) for value in c.values),
        )

    def _check(self, check: HealthCheck) -> HealthCheck:
        return replace(
            check,
            path=self._mask.target(check.path),
            user_agent=self.text(check.user_agent),
            reasons=tuple(map(self.text, check.reasons)),
        )

    def _witness(self, w: Witness) -> Witness:
        return replace(w, values=self._values(w.values), evidence=self._evidence(w.evidence))

    def _profile(self, p: ProfileMatch) -> ProfileMatch:
        return replace(
            p,
            matched=tuple((rule, self.text(example)) for rule, example in p.matched),
            contradicted=tuple((rule, self.text(example)) for rule, example in p.contradicted),
        )

    def _diagnostic(self, d: Diagnostic) -> Diagnostic:
        return replace(d, text=self.text(d.text))

    def _values(self, values: Iterable[Value]) -> tuple[Value, ...]:
        return tuple(
            v._replace(value=self.text(v.value)) if isinstance(v.value, str) else v for v in values
        )

    def _evidence(self, evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
        return tuple(
            replace(
                e,
                note=self.text(e.note),
                client_filter=self.text(e.client_filter),
                backend_filter=self.text(e.backend_filter),
            )
            for e in evidence
        )

    def _text(self, text: str) -> str:
        if text in self._mask.values and text not in self._said:
            return self._mask.values[text]
        return "".join(map(self._searched, map(self._structured, _BETWEEN.split(text))))

    def _structured(self, text: str) -> str:
        """What a field line or a target in the text shows by itself."""
        return self._mask.line(text) if _NAMED.match(text) else self._mask.url(text)

    def _searched(self, text: str, words: bool = False) -> str:
        """The text without the credentials that stand in it. `words`: not even words stay."""
        if self._sizes.keys().isdisjoint(map(text.__getitem__, _windows(len(text)))):
            return text
        shown: list[str] = []
        begin = 0
        for at, window in enumerate(_windows(len(text))):
            end = self._end(text, at, words) if at >= begin and text[window] in self._sizes else at
            if end > at:
                shown += text[begin:at], self._mask.hidden[text[at:end]]
                begin = end
        return "".join(shown) + text[begin:]

    def _end(self, text: str, at: int, words: bool) -> int:
        """Where the longest credential that begins here ends; `at` if none does."""
        start = text[at : at + LEAST]
        order = self._orders.get(start)
        if order is None:
            order = self._orders[start] = sorted(self._sizes[start], reverse=True)
        for size in order:
            found = text[at : at + size]
            if len(found) == size and found in self._mask.hidden and (words or self._tells(found)):
                return at + size
        return at

    def _tells(self, secret: str) -> bool:
        """Whether a text that holds this credential gives it away. A word, an address, or the name
        of a host may stand there for itself.
        """
        word = len(secret) < WORD and _WORD.fullmatch(secret) is not None
        return not (word or secret in self._said or _is_address(secret))


class _Found(Protocol):
    """The first letters of credentials, to be looked for in many texts at once."""

    def found_in(self, texts: list[str], /) -> bytes:
        """Per text a byte that is not 0 where it may hold one of them; no other does."""


def _beginnings(secrets: list[str]) -> _Found:
    """The first letters of credentials, of LEAST letters at least."""
    return _Beginnings(secrets) if compiled.core is None else compiled.core.Beginnings(secrets)


class _Beginnings:
    """The first letters of credentials, to be looked for in many texts at once: LEAST of a short
    one, and twice as many of any other, as ids that count up begin alike.
    """

    def __init__(self, secrets: Collection[str]) -> None:
        short = {secret[:LEAST] for secret in secrets if len(secret) < 2 * LEAST}
        long = [secret[: 2 * LEAST] for secret in secrets if len(secret) >= 2 * LEAST]
        mixed = (
            _mixed("".join(begin))[k][:: (k + 1) * LEAST] for k, begin in enumerate((short, long))
        )
        self._known = list(map(distinct, mixed))
        self._there = [np.zeros(1 << _BITS, bool) for _ in self._known]
        for there, known in zip(self._there, self._known, strict=True):
            there[_places(known)] = True

    def found_in(self, texts: Sequence[str]) -> bytes:
        """Per text a byte that is not 0 where it may hold one of them; no other does."""
        found = np.zeros(len(texts), bool)
        for low in range(0, len(texts), _TOGETHER):
            some = texts[low : low + _TOGETHER]
            ends = np.cumsum(np.fromiter(map(len, some), np.int64, len(some)))
            rows = np.searchsorted(ends, self._begun("".join(some)), "right") + low
            found[rows] = True
        return found.tobytes()

    def _begun(self, text: str) -> Column:
        """Where one of them may begin in a text."""
        places = []
        held = zip(self._there, self._known, _mixed(text), strict=True)
        for there, known, mixed in held:
            at = np.flatnonzero(there[_places(mixed)])  # sooner than to look for each
            places.append(at[among(mixed[at], known)])
        return np.concatenate(places)


def _mixed(text: str) -> tuple[Column, Column]:
    """A number for each LEAST letters in a row, and for each twice as many: equal letters, equal
    numbers.
    """
    letters = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    count = max(len(letters) - LEAST + 1, 0)
    mixed = np.zeros(count, np.uint32)
    for k in range(LEAST):
        mixed = mixed * _FACTOR + letters[k : k + count]
    return mixed, mixed[:-LEAST] * _FACTOR_OF_LEAST + mixed[LEAST:]


def _places(mixed: Column) -> Column:
    return mixed * _FACTOR >> np.uint32(32 - _BITS)


@lru_cache(maxsize=1024)
def _windows(size: int) -> list[slice]:
    """Where the first letters of a credential may stand in a text of that size."""
    return [slice(at, at + LEAST) for at in range(size - LEAST + 1)]


def _is_address(text: str) -> bool:
    try:
        ip_address(_PORT.sub("", text).strip("[]") if text.count(":") == 1 else text.strip("[]"))
    except ValueError:
        return False
    return True
