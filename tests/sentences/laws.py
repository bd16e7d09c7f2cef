"""A finished report and the captures it is about → the sentences that the packets contradict.

Each law is a function from a `Case` to complaints. The packets are read by `packets`, not by
lbtrace; of the report only its published JSON is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from tests.sentences.handshakes import HELLO, Keys, handshake, keys_beside
from tests.sentences.packets import End, Packet, Talk, packets, talks
from tests.sentences.streams import (
    CODES,
    DATA,
    GOAWAY,
    PING,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    StreamFrame,
    frames,
    has_hole,
    heads,
    sent,
)

Json = dict[str, Any]
MINUTE_NS = 60_000_000_000
MILLISECOND_NS = 1_000_000
MOST_NAMED = 5  # of what is counted by name, more are left out
NOTHING = "Nothing was seen to happen behind it"


@dataclass
class Recording:
    """The files of one capture point."""

    paths: list[Path]

    @cached_property
    def packets(self) -> list[Packet]:
        """Of its only file: a point of several files is not judged."""
        return list(packets(self.paths[0])) if len(self.paths) == 1 else []

    @cached_property
    def talks(self) -> list[Talk]:
        """Its connections."""
        return talks(self.packets)

    @cached_property
    def keys(self) -> Keys:
        """The key logs that lie beside its files."""
        return keys_beside(self.paths)

    @cached_property
    def by_number(self) -> dict[int, Packet]:
        """Packets by frame number."""
        return {p.number: p for p in self.packets}


class Seen(NamedTuple):
    """A side that a finding is about: its connections, the packets that the finding shows, and the
    key logs that lie beside the captures.
    """

    side: str
    talks: list[Talk]
    shown: list[Packet]
    keys: Keys


class Witnessed(Protocol):
    """Findings and the packets they are about."""

    def findings(self, slug: str) -> Iterator[Json]:
        """The findings of a slug and its variants."""

    def seen(self, finding: Json) -> Iterator[Seen]:
        """The sides that a finding shows packets of."""


class Told:
    """A report and its captures."""

    def __init__(self, report: Json) -> None:
        self.report = report
        self.sides: dict[str, list[Recording]] = {"client": [], "backend": []}
        for capture in report["captures"]:
            paths = [Path(f["path"]) for f in capture["files"]]
            self.sides[capture["side"]].append(Recording(paths))

    def findings(self, slug: str) -> Iterator[Json]:
        """The findings of a slug and its variants."""
        for finding in self.report["findings"]:
            if finding["slug"] == slug or finding["slug"].startswith(slug + "."):
                yield finding

    def shown(self, finding: Json, side: str) -> list[Packet]:
        """The packets of a side that a finding rests on."""
        found = []
        for evidence in finding["evidence"]:
            for frame in evidence["frames"]:
                if frame["side"] == side:
                    packet = self.sides[side][frame["point"]].by_number.get(frame["frame"])
                    if packet is not None:
                        found.append(packet)
        return found

    def seen(self, finding: Json) -> Iterator[Seen]:
        """The sides that a finding shows packets of."""
        for side, recordings in self.sides.items():
            shown = self.shown(finding, side)
            if shown:
                keys = {random: labels for r in recordings for random, labels in r.keys.items()}
                yield Seen(side, [t for r in recordings for t in r.talks], shown, keys)


def value(finding: Json, name: str) -> Any:
    """A value of a finding."""
    return next(v["value"] for v in finding["values"] if v["name"] == name)


def missing_bytes_were_acknowledged(told: Told) -> Iterator[str]:
    """Missing are bytes that the other end acknowledged and the capture does not hold."""
    for finding in told.findings("capture-quality.missing"):
        at = finding["evidence"][0]["frames"][0]
        talks = told.sides[at["side"]][at["point"]].talks
        lack = sum(d.lacking() for t in talks for d in t.directions.values())
        if value(finding, "bytes") > lack:
            yield f"{finding['text']} Acknowledged and not captured: {lack}"


def what_is_called_lost_was_repeated_before_it_was_acknowledged(told: Told) -> Iterator[str]:
    """Lost or late is only what was sent again while nothing in the capture acknowledged it. A SYN
    that nobody ever answered came to nobody, or was refused in silence.
    """
    for finding in told.findings("tcp-facts"):
        if "lost or late" not in finding["text"]:
            continue
        side = value(finding, "side")
        again = [
            (packet, known)
            for r in told.sides[side]
            for t in r.talks
            for d in t.directions.values()
            for packet, known in d.repeated()
        ]
        attempts = {
            p.number for r in told.sides[side] for t in r.talks if _unanswered(t) for p in t.packets
        }
        lost = {p.number for p, known in again if not known} - attempts
        if value(finding, "again") > len(lost):
            yield f"{finding['text']} Sent again before an acknowledgement: {len(lost)}"
        if any(p.number not in lost for p in told.shown(finding, side)):
            yield f"{finding['slug']}: its evidence is not what was sent again"


def _unanswered(talk: Talk) -> bool:
    """Whether an attempt to connect met silence."""
    return talk.opened and all(p.source == talk.client for p in talk.packets)


def who_half_closes_closes_first(told: Told) -> Iterator[str]:
    """A FIN of the client end half-closes only while the other end has not closed."""
    for finding in told.findings("half-closed"):
        for side, recordings in told.sides.items():
            shown = [p for p in told.shown(finding, side) if p.fin]
            for talk in (t for r in recordings for t in r.talks):
                ends = [p for p in talk.packets if p.fin or p.rst]
                if any(p in talk.packets for p in shown) and ends[0].source != talk.client:
                    yield f"{finding['text']} The server closed first, #{ends[0].number}"


def a_close_that_had_begun_precedes_the_request(told: Told) -> Iterator[str]:
    """Where a server had begun to close, its FIN stands before the request."""
    for finding in told.findings("keep-alive-race"):
        if "had begun to close" not in finding["text"]:
            continue
        for side, recordings in told.sides.items():
            shown = told.shown(finding, side)
            for talk in (t for r in recordings for t in r.talks):
                about = [p for p in shown if p in talk.packets and p.source == talk.client]
                fins = [p.number for p in talk.packets if p.fin and p.source == talk.server]
                for packet in about if any(p in talk.packets and p.fin for p in shown) else ():
                    if not fins or fins[0] > packet.number:
                        yield f"{finding['text']} #{packet.number} came before the FIN"


def no_backend_was_tried_while_a_syn_is_called_lost(told: Told) -> Iterator[str]:
    """A request did not wait for a lost SYN if a backend had got the same request meanwhile."""
    captures = {(c["side"], c["point"]): c for c in told.report["captures"]}
    tried = [
        captures["backend", item["exchange"]["point"]]["exchanges"][item["exchange"]["exchange"]]
        for item in told.report["unpaired"]
        if item["side"] == "backend"
    ]
    same = {(e["request"]["method"], e["request"]["target"]) for e in tried if e["request"]}
    for finding in told.findings("lost-syn.before-backend-capture"):
        for packet in told.shown(finding, "client"):
            asked = tuple(packet.payload.decode("latin-1").split(" ")[:2])
            if asked in same:
                yield f"{finding['text']} A backend got #{packet.number} too, and no pair has it"


def what_stands_behind_was_not_made_in_between(told: Told) -> Iterator[str]:
    """The balancer did not make an answer whose bytes a backend capture holds."""
    kind = told.report["verdict"]["kind"]
    held = {
        p.payload
        for r in told.sides["backend"]
        for p in r.packets
        if p.payload.startswith(b"HTTP/1.")
    }
    for finding in told.findings("answered-by-balancer"):
        if kind.startswith("l4"):
            yield f"under {kind}: {finding['text']}"
        for packet in told.shown(finding, "client"):
            if packet.payload in held and packet.payload[9:10] in (b"4", b"5"):
                yield f"{finding['text']} A backend capture holds #{packet.number}"


def nothing_happened_means_no_connection(told: Told) -> Iterator[str]:
    """Nothing happened behind the balancer only where, while the client waited, no connection began
    there and no request came that is unexplained; without a common clock, in the minute around.
    """
    happened = list(_unexplained(told.report))
    clocks = {
        (c["client_point"], c["backend_point"]): c
        for c in told.report["clocks"]
        if not c["refused"]
    }
    for finding in told.report["findings"]:
        if NOTHING not in finding["text"] + finding["remedy"]:
            continue
        shown = {p.number for p in told.shown(finding, "client")}
        for point, asked, answered in _waits(told.report, shown):
            for behind, time_ns in happened:
                clock = clocks.get((point, behind))
                width = clock["half_width_ns"] if clock else MINUTE_NS
                ahead = (clock["low_ns"] + clock["high_ns"]) // 2 if clock else 0
                if asked - width <= time_ns + ahead <= answered + width:
                    yield f"{finding['text']} {finding['remedy']} Something began at {time_ns}"


def _waits(report: Json, frames: set[int]) -> Iterator[tuple[int, int, int]]:
    """(point, asked, answered) of the client exchanges whose request is shown."""
    for capture in report["captures"]:
        for e in capture["exchanges"] if capture["side"] == "client" else ():
            asked, got = e["request"], e["response"]
            if asked and got and asked["head_frame"] in frames:
                yield capture["point"], asked["first_ns"], got["first_ns"]


def _unexplained(report: Json) -> Iterator[tuple[int, int]]:
    """(point, time) of the backend connections and requests that no pair and no check explains."""
    explained = {
        (a["backend"]["point"], a["backend"]["exchange"])
        for pair in report["pairs"]
        for a in pair["attempts"]
    } | {
        (check["point"], exchange)
        for check in report["health_checks"]
        for exchange in check.get("exchanges", [])
    }
    whole = {(c["point"], n) for c in report["health_checks"] for n in c["connections"]}
    whole |= {
        (c["backend"]["point"], c["backend"]["connection"]) for c in report["connection_pairs"]
    }
    for capture in (c for c in report["captures"] if c["side"] == "backend"):
        point = capture["point"]
        known = {e["connection"] for e in capture["exchanges"] if (point, e["id"]) in explained}
        for c in capture["connections"]:
            if c["id"] not in known and (point, c["id"]) not in whole:
                yield point, c["first_ns"]
        for e in capture["exchanges"]:
            on_known = e["connection"] in known or (point, e["connection"]) in whole
            if e["request"] and on_known and (point, e["id"]) not in explained:
                yield point, e["request"]["first_ns"]


def no_stranger_where_a_client_asked_the_same(told: Told) -> Iterator[str]:
    """A backend request is another client's only if no unexplained client request is the same."""
    asked: dict[str, set[tuple[str, str]]] = {"client": set(), "backend": set()}
    captures = {(c["side"], c["point"]): c for c in told.report["captures"]}
    strange = []
    for item in told.report["unpaired"]:
        capture = captures[item["side"], item["exchange"]["point"]]
        exchange = next(
            (e for e in capture["exchanges"] if e["id"] == item["exchange"]["exchange"]), None
        )
        request = exchange and exchange["request"]
        if not request:
            continue
        key = (request["method"], request["target"])
        if item["side"] == "client" and item["reason"] == "unknown":
            asked["client"].add(key)
        if item["side"] == "backend" and item["reason"] == "other-client":
            strange.append(key)
    for key in strange:
        if key in asked["client"]:
            yield f"{' '.join(key)} is called another client's, and a client asked the same"


def a_known_connection_is_not_open_already(told: Told) -> Iterator[str]:
    """A segment that continues a connection from another address begins no other connection."""
    for side in ("client", "backend"):
        strays, already = 0, 0
        for capture in told.report["captures"]:
            if capture["side"] != side:
                continue
            recording = told.sides[side][capture["point"]]
            for connection in capture["connections"]:
                already += connection["already_open"]
                strays += connection["already_open"] and _is_stray(recording, connection)
        counted = told.report["counts"][side]["already_open"]
        if counted > already - strays:
            yield f"{side}: {counted} already open, {strays} of them part of other connections"


def _is_stray(recording: Recording, connection: Json) -> bool:
    """Whether the packets of a connection acknowledge what a client sent to another address."""
    ends = (connection["client"], connection["server"])
    for talk in recording.talks:
        if not talk.opened or name_of(talk.client) not in ends or name_of(talk.server) in ends:
            continue
        sent = talk.directions[talk.client]
        top = max((end for _, end, _ in sent.sent), default=0)
        for packet in recording.packets:
            other = packet.target == talk.client and name_of(packet.source) in ends
            if other and packet.acks and 0 < sent.place(packet.ack) <= top:
                return True
    return False


def an_alert_that_is_named_is_in_the_packets(told: Told) -> Iterator[str]:
    """A TLS alert that a finding names stands in the clear in one of its packets."""
    for finding in told.findings("tls-alerts"):
        end = bytes((0, 2, 2, int(value(finding, "number"))))
        record = re.compile(rb"\x15\x03[\0-\x04]" + re.escape(end), re.DOTALL)
        shown = told.shown(finding, value(finding, "side"))
        if not any(record.search(p.payload) for p in shown):
            yield f"{finding['text']} No packet of its evidence holds that alert"


def a_server_without_an_answer_sent_no_byte(told: Told) -> Iterator[str]:
    """Connections that a server ended without a byte of answer hold no byte of it."""
    for finding in told.findings("protocol-mismatch"):
        if ".unanswered-" not in finding["slug"]:
            continue
        frames = [f for evidence in finding["evidence"] for f in evidence["frames"]]
        for point, recording in enumerate(told.sides[value(finding, "side")]):
            shown = {f["frame"] for f in frames if f["point"] == point}
            for talk in recording.talks:
                about = shown & {p.number for p in talk.packets}
                if about and any(p.size for p in talk.packets if p.source == talk.server):
                    yield f"{finding['text']} The server sent bytes, see #{min(about)}"


def an_answer_before_any_request_follows_the_header_alone(told: Told) -> Iterator[str]:
    """Answers about a PROXY header come when the client has sent nothing but the header."""
    for finding in told.findings("protocol-mismatch"):
        if ".proxy-header-" not in finding["slug"]:
            continue
        before = next((v["value"] for v in finding["values"] if v["name"] == "before"), 0)
        early = sum(
            _only_a_header_before_the_answer(talk)
            for recording in told.sides[value(finding, "side")]
            for talk in recording.talks
        )
        if before > early:
            yield f"{finding['text']} Such answers in the capture: {early}"


def _only_a_header_before_the_answer(talk: Talk) -> bool:
    asked = b""
    for packet in talk.packets:
        if packet.source == talk.client:
            asked += packet.payload
        elif packet.size:
            header = asked.startswith((b"PROXY ", b"\r\n\r\n\x00\r\nQUIT\n"))
            return header and b" HTTP/1." not in asked
    return False


def name_of(end: tuple[str, int]) -> str:
    return f"[{end[0]}]:{end[1]}" if ":" in end[0] else f"{end[0]}:{end[1]}"


def a_backend_that_got_nothing_was_sent_nothing(told: Told) -> Iterator[str]:
    """Where one backend got everything, no other captured one was sent a byte by a client."""
    checked = {
        (check["point"], c) for check in told.report["health_checks"] for c in check["connections"]
    }
    for finding in told.findings("one-backend"):
        for capture in told.report["captures"]:
            for c in capture["connections"] if capture["side"] == "backend" else ():
                other = c["server"] != value(finding, "server")
                if (
                    other
                    and c["from_client"]["bytes"]
                    and (capture["point"], c["id"]) not in checked
                ):
                    yield f"{finding['text']} {c['server']} was sent something too"


def a_syn_that_is_called_sent_again_was(told: Told) -> Iterator[str]:
    """A SYN that was lost beyond a capture stands in it at least twice."""
    for side in ("client", "backend"):
        for finding in told.findings(f"lost-syn.{side}"):
            for shown in told.shown(finding, side):
                copies = [
                    p
                    for r in told.sides[side]
                    for p in r.packets
                    if p.syn
                    and (p.source, p.target, p.seq) == (shown.source, shown.target, shown.seq)
                ]
                if not shown.syn or len(copies) < 2:
                    yield f"{finding['text']} #{shown.number} was sent once"


def the_clients_own_sending_is_not_the_balancers(told: Told) -> Iterator[str]:
    """No pair was given more than the time from the last byte of its request to the end, in front
    of the balancer and not behind it.
    """
    measured = told.report["latency"]
    if measured is None or measured["average"]:
        return
    exchanges = {
        (c["side"], c["point"], e["id"]): e for c in told.report["captures"] for e in c["exchanges"]
    }
    pair = told.report["pairs"][measured["slowest_pair"]]
    last = pair["attempts"][-1]["backend"]
    waits = []
    for side, ref in (("client", pair["client"]), ("backend", last)):
        exchange = exchanges[side, ref["point"], ref["exchange"]]
        waits.append(exchange["response"]["last_ns"] - exchange["request"]["last_ns"])
    if measured["added_max_ns"] > max(waits[0] - waits[1], 0) + MILLISECOND_NS:
        yield f"added {measured['added_max_ns']} ns at most, and the slowest pair waited {waits}"


def what_was_sent_in_vain_was_not_answered(told: Told) -> Iterator[str]:
    """After a silence nothing came back; a segment that vanished was never acknowledged."""
    for slug in ("idle-limits.forgotten", "large-segments"):
        for finding in told.report["findings"]:
            if finding["slug"].startswith(slug):
                for side, recordings in told.sides.items():
                    talks = [t for r in recordings for t in r.talks]
                    for packet in told.shown(finding, side):
                        (talk,) = (t for t in talks if packet in t.packets)
                        yield from _answered(finding, packet, talk)


def _answered(finding: Json, packet: Packet, talk: Talk) -> Iterator[str]:
    sent = talk.directions[packet.source]
    if any(sent.place(packet.seq) < upto for upto, _ in sent.acked):
        yield f"{finding['text']} #{packet.number} was acknowledged"
    if finding["slug"].startswith("large"):
        if packet.size < value(finding, "least"):
            yield f"{finding['text']} #{packet.number} is smaller"
        return
    before = max(p.time for p in talk.packets if p.number < packet.number)
    if packet.time - before < value(finding, "least") / 1e9 - 0.001:
        yield f"{finding['text']} #{packet.number} came after {packet.time - before} s"
    if any(p.source != packet.source and p.number > packet.number for p in talk.packets):
        yield f"{finding['text']} #{packet.number} was answered"


def denominators_agree(told: Told) -> Iterator[str]:
    """A page has one number of requests; where a sentence is about fewer, it is said which are
    missing, and why.
    """
    of_clients = told.report["counts"]["client"]["requests"]
    covered = list(told.findings("coverage"))
    for finding in covered:
        paired, left = value(finding, "paired"), value(finding, "left")
        reasons = sum(map(int, re.findall(r"×(\d+)", value(finding, "reasons"))))
        if not value(finding, "of") == of_clients == paired + left or reasons != left:
            yield f"{finding['text']} There are {of_clients} requests"
    pairs = sum(1 for pair in told.report["pairs"] if pair["confidence"] != "low")
    if 0 < pairs < of_clients and not covered:
        yield f"{pairs} pairs, {of_clients} requests, and no word on the others"
    for finding in told.report["findings"]:
        for number in re.findall(r" of (\d+) (?:client )?requests(?! to)", finding["text"]):
            if int(number) > of_clients:
                yield f"{finding['text']} There are {of_clients} requests"


def no_part_is_larger_than_the_whole(told: Told) -> Iterator[str]:
    """What a sentence counts is among what it says it is a part of."""
    for finding in told.report["findings"]:
        counts = {v["name"]: v["value"] for v in finding["values"] if v["unit"] == "count"}
        if counts.get("count", 0) > counts.get("of", counts.get("count", 0)):
            yield finding["text"]


def _end(talk: Talk, who: str, side: str) -> End:
    """The end of a connection that a sentence names."""
    client = who.startswith("client") or (who == "balancer" and side == "backend")
    return talk.client if client else talk.server


def _in_clear(seen: Seen) -> bool:
    """Whether the frames of each connection that is shown can be read from the first to the
    last.
    """
    numbers = {p.number for p in seen.shown}
    about = [t for t in seen.talks if numbers & {p.number for p in t.packets}]
    ends = [(t, end) for t in about for end in (t.client, t.server)]
    return all(frames(t, end) and not has_hole(t, end) for t, end in ends)


def _codes(told: Witnessed, slug: str, kind: int) -> Iterator[str]:
    """Who is said to have sent a code sent it, in what is shown, and so often at least."""
    for finding in told.findings(slug):
        code = value(finding, "code")
        for seen in filter(_in_clear, told.seen(finding)):
            said = [
                frame
                for talk in seen.talks
                for frame in frames(talk, _end(talk, value(finding, "sender"), seen.side))
                if frame.kind == kind and (frame.code >= len(CODES) or CODES[frame.code] == code)
            ]
            if value(finding, "count") > len(said):
                yield f"{finding['text']} Such frames in the capture: {len(said)}"
            if not {f.packet.number for f in said} & {p.number for p in seen.shown}:
                yield f"{finding['text']} None of them is shown"


def who_reset_a_stream_sent_that_code(told: Witnessed) -> Iterator[str]:
    """RST_STREAM with the code, from the end that is named."""
    yield from _codes(told, "streams-reset", RST_STREAM)


def who_ended_a_connection_sent_that_code(told: Witnessed) -> Iterator[str]:
    """GOAWAY with the code, from the end that is named."""
    yield from _codes(told, "goaway", GOAWAY)


def who_waited_for_window_sent_and_then_got_some(told: Witnessed) -> Iterator[str]:
    """What is shown ends DATA of the sender, or a frame of the other end that gives window."""
    for finding in told.findings("flow-control"):
        for seen in filter(_in_clear, told.seen(finding)):
            for packet in seen.shown:
                (talk,) = (t for t in seen.talks if packet in t.packets)
                sender = _end(talk, value(finding, "sender"), seen.side)
                kinds = (DATA,) if packet.source == sender else (WINDOW_UPDATE, SETTINGS)
                if not _ends_one(frames(talk, packet.source), packet, *kinds):
                    yield f"{finding['text']} #{packet.number} is not of that kind"
            wait = seen.shown[-1].time - seen.shown[0].time
            if len(seen.shown) == 2 and abs(wait - value(finding, "longest") / 1e9) > 0.001:
                yield f"{finding['text']} What is shown lies {wait} s apart"


def _ends_one(those: list[StreamFrame], packet: Packet, *kinds: int) -> bool:
    return any(f.packet.number == packet.number and f.kind in kinds for f in those)


def a_limit_of_streams_was_set_by_the_server(told: Witnessed) -> Iterator[str]:
    """Each limit stands in SETTINGS that the server end sent, and so many requests were made."""
    for finding in told.findings("stream-limit"):
        for seen in filter(_in_clear, told.seen(finding)):
            limits = {
                f.setting(3)
                for talk in seen.talks
                for f in frames(talk, _end(talk, value(finding, "server"), seen.side))
                if f.kind == SETTINGS
            }
            for limit in map(int, value(finding, "limit").split(", ")):
                if limit not in limits:
                    yield f"{finding['text']} The limits in the capture: {limits}"


def a_status_of_grpc_is_in_the_packets(told: Witnessed) -> Iterator[str]:
    """As many field sections as are told have a grpc-status of that number."""
    for finding in told.findings("grpc-errors"):
        if ".no-status" in finding["slug"]:
            continue
        for seen in filter(_in_clear, told.seen(finding)):
            said = [
                (packet.number, fields["grpc-status"])
                for talk in seen.talks
                for packet, fields in heads(talk, talk.server)
                if "grpc-status" in fields
            ]
            for code, times in re.findall(r"\((\d+)\) ×(\d+)", value(finding, "statuses")):
                if seen.side != "backend" and [c for _, c in said].count(code) < int(times):
                    yield f"{finding['text']} The statuses in the capture: {said}"
            if not {n for n, c in said if c != "0"} & {p.number for p in seen.shown}:
                yield f"{finding['text']} None of the errors is shown"


def _calls(seen: Seen) -> list[tuple[Packet, dict[str, str]]]:
    """The heads of gRPC requests on a side, with the packet that ends each."""
    return [
        (packet, fields)
        for talk in seen.talks
        for packet, fields in heads(talk, talk.client)
        if fields.get("content-type", "").startswith("application/grpc")
    ]


def _limit_ns(fields: dict[str, str]) -> int | None:
    """What grpc-timeout says: up to eight digits and a unit."""
    units = {"H": 3600 * 10**9, "M": 60 * 10**9, "S": 10**9, "m": 10**6, "u": 10**3, "n": 1}
    text = fields.get("grpc-timeout", "")
    return int(text[:-1]) * units[text[-1]] if re.fullmatch(r"\d{1,8}[HMSmun]", text) else None


def what_calls_are_told_of_was_asked(told: Witnessed) -> Iterator[str]:
    """What `grpc-calls` shows holds requests of gRPC, and these say what is told of them: how often
    they were sent before, which limit they had in front of the balancer, and which behind it.
    """
    for finding in told.findings("grpc-calls"):
        for seen in filter(_in_clear, told.seen(finding)):
            asked, numbers = _calls(seen), [p.number for p in seen.shown]
            shown = [fields for packet, fields in asked if packet.number in numbers]
            if not shown:
                yield f"{finding['text']} No call is shown"
            elif ".retried" in finding["slug"]:
                yield from _sent_before(finding, [fields for _, fields in asked], shown)
            else:
                first = [_limit_ns(f) for p, f in asked if p.number == numbers[0]]
                limits = [_limit_ns(fields) for _, fields in asked]
                yield from _limited(finding, seen.side, first, limits)


def _sent_before(
    finding: Json, asked: list[dict[str, str]], shown: list[dict[str, str]]
) -> Iterator[str]:
    """As many calls as are told say that they were sent before, and so often."""
    attempts = [int(f.get("grpc-previous-rpc-attempts", 0)) for f in asked]
    again = [n for n in attempts if n]
    if value(finding, "count") > len(again) or value(finding, "of") > len(asked):
        yield f"{finding['text']} {len(again)} of {len(asked)} say so"
    if value(finding, "most") not in again:
        yield f"{finding['text']} They say {again}"
    if not any(int(f.get("grpc-previous-rpc-attempts", 0)) for f in shown):
        yield f"{finding['text']} No such call is shown"


def _limited(
    finding: Json, side: str, first: list[int | None], limits: list[int | None]
) -> Iterator[str]:
    """The limits of a side: `first` are those in the first packet that is shown."""
    dropped = finding["slug"].endswith("timeout-dropped")
    known = sum(limit is not None for limit in limits)
    fits = {
        ("client", True): known >= value(finding, "count") and any(first),
        ("backend", True): len(limits) - known >= value(finding, "count") and None in first,
        ("client", False): not dropped and value(finding, "before") in first,
        ("backend", False): not dropped and value(finding, "after") in first,
    }
    if not fits[side, dropped]:
        yield f"{finding['text']} The limits on the {side} side: {limits}"


def who_pings_sent_pings(told: Witnessed) -> Iterator[str]:
    """So many PINGs as are told were sent by the end that is named, and as many as are called
    unacknowledged have no acknowledgement of the other end.
    """
    for finding in told.findings("pings"):
        for seen in filter(_in_clear, told.seen(finding)):
            ends = [(t, _end(t, value(finding, "sender"), seen.side)) for t in seen.talks]
            asked = [f for t, end in ends for f in frames(t, end) if f.kind == PING and not f.acks]
            acks = [
                f
                for t, end in ends
                for f in frames(t, t.server if end == t.client else t.client)
                if f.kind == PING and f.acks
            ]
            if value(finding, "pings") > len(asked):
                yield f"{finding['text']} PINGs in the capture: {len(asked)}"
            if not {f.packet.number for f in asked} & {p.number for p in seen.shown}:
                yield f"{finding['text']} None of them is shown"
            missed = next((v["value"] for v in finding["values"] if v["name"] == "missed"), 0)
            open_ = {f.payload for f in asked} - {f.payload for f in acks}
            if missed > len(open_):
                yield f"{finding['text']} Without an acknowledgement: {len(open_)}"
            if "Each was acknowledged" in finding["text"] and value(finding, "pings") > len(acks):
                yield f"{finding['text']} Acknowledgements: {len(acks)}"


def a_scheme_that_is_told_is_stated(told: Witnessed) -> Iterator[str]:
    """What is shown holds requests with the scheme that is told of their side."""
    for finding in told.findings("stated-scheme"):
        changed = finding["slug"].endswith(".changed")
        for seen in filter(_in_clear, told.seen(finding)):
            name = "after" if seen.side == "backend" else "before"
            want = value(finding, name) if changed else "https"
            stated = [
                fields.get(":scheme")
                for talk in seen.talks
                for packet, fields in heads(talk, talk.client)
                if packet.number in {p.number for p in seen.shown}
            ]
            if not stated or set(stated) != {want}:
                yield f"{finding['text']} What is shown states {stated}"


def who_closed_a_web_socket_sent_it(told: Witnessed) -> Iterator[str]:
    """What is shown is of the end that is named: a Close frame, or else a FIN or RST."""
    for finding in told.findings("web-sockets"):
        coded = any(f".{name}" in finding["slug"] for name in ("closed", "failed"))
        for seen in told.seen(finding):
            for packet in seen.shown:
                (talk,) = (t for t in seen.talks if packet in t.packets)
                if packet.source != _end(talk, value(finding, "sender"), seen.side):
                    yield f"{finding['text']} The other end sent #{packet.number}"
                if not (b"\x88" in packet.payload if coded else packet.fin or packet.rst):
                    yield f"{finding['text']} #{packet.number} ends none"


def a_handshake_begins_where_it_is_shown(told: Witnessed) -> Iterator[str]:
    """A record of a handshake, with a hello, begins in each packet that is shown."""
    for finding in told.findings("opened-tls"):
        for seen in told.seen(finding):
            for packet in seen.shown:
                if not HELLO.search(packet.payload):
                    yield f"{finding['text']} No hello begins in #{packet.number}"
            of = sum(any(HELLO.search(sent(t, e)[0]) for e in t.directions) for t in seen.talks)
            if value(finding, "of") > of:
                yield f"{finding['text']} Handshakes in the capture: {of}"


def what_is_called_opened_has_its_secrets(told: Witnessed) -> Iterator[str]:
    """The key logs have what as many connections need as are called opened, of each version and
    cipher suite. As many as are said to have no secrets have none. Each connection is opened, or a
    reason is told.
    """
    for finding in told.findings("opened-tls"):
        named = {v["name"]: v["value"] for v in finding["values"]}
        for seen in told.seen(finding):
            shaken = [h for h in map(handshake, seen.talks) if h is not None]
            known = [h.agreed for h in shaken if h.is_known(seen.keys)]
            strange = sum(h.random not in seen.keys for h in shaken)
            agreed, reasons = (_counts(named.get(name) or "") for name in ("versions", "reasons"))
            if seen.keys and any(known.count(what) < n for what, n in agreed.items()):
                yield f"{finding['text']} The key logs are for: {known}"
            if seen.keys and reasons.get("no secrets for their client random", 0) != strange:
                yield f"{finding['text']} Without a line in the key logs: {strange}"
            if len(agreed) < MOST_NAMED and named.get("count", 0) != sum(agreed.values()):
                yield f"{finding['text']} By version and suite: {agreed}"
            closed = named.get("of", 0) - named.get("count", 0)
            if len(reasons) < MOST_NAMED and closed != sum(reasons.values()):
                yield f"{finding['text']} With a reason: {reasons}"


def _counts(listed: str) -> dict[str, int]:
    """ "this: 2; that: 1" → how many of each."""
    pairs = (each.rpartition(": ") for each in listed.split("; ") if each)
    return {what: int(number) for what, _, number in pairs}


OF_STREAMS: tuple[Callable[[Witnessed], Iterator[str]], ...] = (
    who_reset_a_stream_sent_that_code,
    who_ended_a_connection_sent_that_code,
    who_waited_for_window_sent_and_then_got_some,
    a_limit_of_streams_was_set_by_the_server,
    a_status_of_grpc_is_in_the_packets,
    what_calls_are_told_of_was_asked,
    who_pings_sent_pings,
    a_scheme_that_is_told_is_stated,
    who_closed_a_web_socket_sent_it,
    a_handshake_begins_where_it_is_shown,
    what_is_called_opened_has_its_secrets,
)

LAWS: tuple[Callable[[Told], Iterator[str]], ...] = (
    *OF_STREAMS,
    missing_bytes_were_acknowledged,
    what_is_called_lost_was_repeated_before_it_was_acknowledged,
    who_half_closes_closes_first,
    a_close_that_had_begun_precedes_the_request,
    no_backend_was_tried_while_a_syn_is_called_lost,
    what_stands_behind_was_not_made_in_between,
    nothing_happened_means_no_connection,
    no_stranger_where_a_client_asked_the_same,
    a_known_connection_is_not_open_already,
    a_backend_that_got_nothing_was_sent_nothing,
    a_syn_that_is_called_sent_again_was,
    the_clients_own_sending_is_not_the_balancers,
    what_was_sent_in_vain_was_not_answered,
    an_alert_that_is_named_is_in_the_packets,
    a_server_without_an_answer_sent_no_byte,
    an_answer_before_any_request_follows_the_header_alone,
    denominators_agree,
    no_part_is_larger_than_the_whole,
)
