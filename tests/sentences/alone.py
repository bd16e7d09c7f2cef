"""What `lbtrace show` says of one capture, held against its packets and against the report on both.

The same witness as in `laws`: packets as dpkt reads them, and the published JSON.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from tests.sentences.laws import OF_STREAMS, Json, Recording, Seen, name_of, value
from tests.sentences.packets import Packet, Talk
from tests.sentences.streams import sent

SECOND = 0.999  # times of packets are floats
NAMES_A_SIDE = re.compile(
    r"\bbackend|\bclient (side|capture)|the (load )?balancer\b(?! at the same time)|behind it"
)


class Alone:
    """The document of one capture, and its packets."""

    def __init__(self, document: Json, recording: Recording) -> None:
        self.document, self.recording = document, recording

    def findings(self, slug: str) -> Iterator[Json]:
        """The findings of a slug and its variants."""
        for finding in self.document["findings"]:
            if finding["slug"] == slug or finding["slug"].startswith(slug + "."):
                yield finding

    def shown(self, finding: Json) -> list[Packet]:
        """The packets that a finding rests on, as far as they are TCP."""
        numbers = [f["frame"] for e in finding["evidence"] for f in e["frames"]]
        known = self.recording.by_number
        return [known[n] for n in numbers if n in known]

    def seen(self, finding: Json) -> Iterator[Seen]:
        """The connections of the capture, and the packets that a finding shows."""
        yield Seen("", self.recording.talks, self.shown(finding), self.recording.keys)


def no_side_is_named(alone: Alone) -> Iterator[str]:
    """One capture does not tell on which side of a balancer it was taken."""
    for finding in alone.document["findings"]:
        if NAMES_A_SIDE.search(finding["text"]):
            yield f"{finding['slug']}: {finding['text']}"


def what_it_rests_on_is_there(alone: Alone) -> Iterator[str]:
    """Every finding shows packets of this capture."""
    for finding in alone.document["findings"]:
        if not alone.shown(finding):
            yield f"{finding['slug']} shows no packet"


def who_reset_sent_a_reset(alone: Alone) -> Iterator[str]:
    """The end that is said to have reset sent the RST that is shown, and not more often."""
    for finding in alone.findings("resets"):
        server = finding["slug"].endswith("server-end")
        count = sum(_sent_reset(talk, server) for talk in alone.recording.talks)
        if value(finding, "count") < 1 or not count:
            yield f"{finding['text']} Connections that this end reset: {count}"
        ends = {talk.server if server else talk.client for talk in alone.recording.talks}
        if any(p.rst and p.source not in ends for p in alone.shown(finding)):
            yield f"{finding['text']} Another end sent the RST that is shown"


def _sent_reset(talk: Talk, server: bool) -> bool:
    """Whether an end sent a RST, and no FIN before it: a RST behind a FIN ended nothing."""
    end = talk.server if server else talk.client
    ended = next((p for p in talk.packets if p.source == end and (p.rst or p.fin)), None)
    return ended is not None and ended.rst


def who_closed_without_an_answer_said_nothing(alone: Alone) -> Iterator[str]:
    """Behind a request that is shown its server sent a FIN, and not a byte before it."""
    for finding in alone.findings("closed-unanswered"):
        shown = {p.number for p in alone.shown(finding)}
        for talk in alone.recording.talks:
            asked = [p for p in talk.packets if p.number in shown and p.source == talk.client]
            for request in asked:
                after = [p for p in talk.packets if p.number > request.number]
                answer = [p for p in after if p.source == talk.server and (p.size or p.fin)]
                if not answer or answer[0].size or not answer[0].fin:
                    yield f"{finding['text']} Behind {request.number} is no FIN, or an answer"
        if not any(p.fin for p in alone.shown(finding)):
            yield f"{finding['text']} No FIN is shown"


def refused_is_a_syn_answered_by_a_reset(alone: Alone) -> Iterator[str]:
    """No more connections were refused than SYNs were answered by nothing but a RST."""
    refused = sum(
        talk.opened
        and any(p.rst and p.source == talk.server for p in talk.packets)
        and not any(p.syn and p.source == talk.server for p in talk.packets)
        for talk in alone.recording.talks
    )
    for finding in alone.findings("connection-failures.refused"):
        if value(finding, "count") > refused:
            yield f"{finding['text']} Refused: {refused}"


def what_is_lost_was_repeated_before_it_was_acknowledged(alone: Alone) -> Iterator[str]:
    """Lost or late is only what was sent again while nothing acknowledged it."""
    again = [
        (packet, known)
        for talk in alone.recording.talks
        for direction in talk.directions.values()
        for packet, known in direction.repeated()
    ]
    lost = {p.number for p, known in again if not known}
    for finding in alone.findings("tcp-facts.loss"):
        if value(finding, "again") > len(lost):
            yield f"{finding['text']} Sent again before an acknowledgement: {len(lost)}"
        if any(p.number not in lost for p in alone.shown(finding)):
            yield f"{finding['slug']}: its evidence is not what was sent again"


def a_slow_request_is_slow(alone: Alone) -> Iterator[str]:
    """From the first packet that is shown to the last there is a second or more."""
    for finding in alone.findings("slow-requests"):
        times = [p.time for p in alone.shown(finding)]
        if value(finding, "longest") < 1_000_000_000 or not times:
            yield finding["text"]
        if value(finding, "waiting") >= 1_000_000_000 and max(times) - min(times) < SECOND:
            yield f"{finding['text']} Shown: {max(times) - min(times)} s"


def an_error_is_in_the_packets(alone: Alone) -> Iterator[str]:
    """Of plain HTTP/1 errors, at least one that is shown has a status of 400 or more."""
    plain = all(e["stream_id"] is None for e in alone.document["capture"]["exchanges"])
    for finding in alone.findings("errors.seen"):
        heads = [p.payload for p in alone.shown(finding) if p.payload.startswith(b"HTTP/1.")]
        if plain and heads and not any(head[9:10] in (b"4", b"5") for head in heads):
            yield f"{finding['text']} None of what is shown is an error"


def names_of_a_certificate_are_in_it(alone: Alone) -> Iterator[str]:
    """Before TLS 1.3 a certificate is sent in clear: the names that are told of it stand in what
    the server sent.
    """
    talks = {(name_of(t.client), name_of(t.server)): t for t in alone.recording.talks}
    for connection in alone.document["capture"]["connections"]:
        session = ((connection["application"] or {}).get("tls") or {}).get("session") or {}
        ends = connection["client"], connection["server"]
        if session.get("version", "TLS 1.3") == "TLS 1.3" or ends not in talks:
            continue
        talk = talks[ends]
        clear = sent(talk, talk.server)[0]
        for name in session["names"]:
            if name.encode() not in clear:
                yield f"{ends}: {name} is not in the bytes of the server"


LAWS: tuple[Callable[[Alone], Iterator[str]], ...] = (
    *OF_STREAMS,
    no_side_is_named,
    what_it_rests_on_is_there,
    who_reset_sent_a_reset,
    who_closed_without_an_answer_said_nothing,
    refused_is_a_syn_answered_by_a_reset,
    what_is_lost_was_repeated_before_it_was_acknowledged,
    a_slow_request_is_slow,
    an_error_is_in_the_packets,
    names_of_a_certificate_are_in_it,
)


def contradictions(alone: Alone, report: Json, side: str) -> Iterator[str]:
    """Where one capture says another number than the report on both captures."""

    def told(*slugs: str) -> int:
        return sum(value(f, "count") for f in report["findings"] if f["slug"] in slugs)

    pairs: list[tuple[str, tuple[str, ...]]] = [
        (f"connection-failures.{kind}", (f"connection-failures.{kind}-{side}",))
        for kind in ("refused", "no-answer")
    ]
    if side == "client":
        pairs += [
            ("errors.seen", ("errors.backend", "errors.balancer", "errors.open")),
            ("errors.unanswered", ("errors.unanswered",)),
        ]
    for slug, others in pairs:
        mine = sum(value(f, "count") for f in alone.document["findings"] if f["slug"] == slug)
        if mine != told(*others):
            yield f"{slug}: {mine} in one capture, {told(*others)} in both ({', '.join(others)})"
    # behind a backend there may be a proxy, too
    if side == "client" and alone.document["not_captured"] == "in-front":
        yield "the client capture says that it was taken behind a proxy"
