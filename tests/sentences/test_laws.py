"""No sentence of a report is contradicted by the packets it is about; each law has its fault."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from lbtrace.options import Options
from lbtrace.pipeline import compare
from lbtrace.render import View, get_format
from tests.sentences.laws import (
    LAWS,
    NOTHING,
    Told,
    a_backend_that_got_nothing_was_sent_nothing,
    a_close_that_had_begun_precedes_the_request,
    a_known_connection_is_not_open_already,
    a_server_without_an_answer_sent_no_byte,
    a_syn_that_is_called_sent_again_was,
    an_alert_that_is_named_is_in_the_packets,
    an_answer_before_any_request_follows_the_header_alone,
    denominators_agree,
    missing_bytes_were_acknowledged,
    no_backend_was_tried_while_a_syn_is_called_lost,
    no_stranger_where_a_client_asked_the_same,
    nothing_happened_means_no_connection,
    the_clients_own_sending_is_not_the_balancers,
    what_is_called_lost_was_repeated_before_it_was_acknowledged,
    what_stands_behind_was_not_made_in_between,
    what_was_sent_in_vain_was_not_answered,
    who_half_closes_closes_first,
)
from tests.simulator.scenarios import SCENARIOS
from tests.simulator.script import Script

ROOT = Path(__file__).parents[2]
SAMPLES = sorted(p.parent for p in (ROOT / "samples").glob("*/client.pcap*"))
PLAYS = ("retry-reset", "retry-identical", "bad-gateway", "refusals", "cache", "keep-alive-race")
REPORTS = sorted(p.parent for p in (ROOT / "../shared/reports").resolve().glob("*/client.pcap"))


def told(folder: Path) -> Told:
    """The report on the captures of a folder, with the keys that lie beside them."""
    clients, backends = (
        ([str(p)] for p in sorted(folder.glob("client*.pcap*"))),
        ([str(p)] for p in sorted(folder.glob("backend*.pcap*"))),
    )
    out = io.StringIO()
    keys = Options(keylogs=tuple(map(str, sorted(folder.glob("*.keys")))))
    get_format("json").write_report(compare(list(clients), list(backends), keys), out, View())
    return Told(json.loads(out.getvalue()))


@pytest.mark.parametrize("folder", SAMPLES, ids=lambda p: p.name)
def test_no_sentence_about_a_sample_is_contradicted(folder: Path) -> None:
    about = told(folder)
    assert any(r.packets for rs in about.sides.values() for r in rs)
    assert [complaint for law in LAWS for complaint in law(about)] == []


@pytest.mark.parametrize("folder", REPORTS, ids=lambda p: p.name)
def test_no_sentence_about_a_public_report_is_contradicted(folder: Path) -> None:
    assert [complaint for law in LAWS for complaint in law(told(folder))] == []


@pytest.mark.parametrize("name", PLAYS)
def test_no_sentence_about_a_play_is_contradicted(name: str, tmp_path: Path) -> None:
    """Two captures of a simulated conversation, as files."""
    recorded = SCENARIOS[name]().run(pcaps=True)
    for side, captures in (("client", recorded.client_pcaps), ("backend", recorded.backend_pcaps)):
        for point, data in enumerate(captures):
            (tmp_path / f"{side}{point}.pcap").write_bytes(data)
    assert [complaint for law in LAWS for complaint in law(told(tmp_path))] == []


def finding(told: Told, slug: str, text: str, frames: dict[str, int], **values: object) -> None:
    """Put a finding of our own into a report."""
    shown = [{"side": s, "point": 0, "file": 0, "frame": n} for s, n in frames.items()]
    told.report["findings"] = [
        {
            "slug": slug,
            "text": text,
            "remedy": "",
            "values": [{"name": name, "value": value} for name, value in values.items()],
            "evidence": [{"frames": shown}],
        }
    ]


def told_of(play: Script, folder: Path) -> Told:
    """The report on a play."""
    play.write(folder)
    return told(folder)


@pytest.fixture
def about() -> Told:
    """The report on a sample in which all is well, to be made false."""
    return told(ROOT / "samples" / "nlb-like")


def test_bytes_nobody_acknowledged_are_not_missing(about: Told) -> None:
    path = str(about.sides["backend"][0].paths[0])
    finding(about, "capture-quality.missing", "5 bytes", {"backend": 1}, capture=path, bytes=5)
    assert list(missing_bytes_were_acknowledged(about))


def test_a_segment_that_was_sent_once_is_not_lost(about: Told) -> None:
    text = "1 of 9 was sent again: lost or late"
    finding(about, "tcp-facts.loss-client", text, {"client": 1}, side="client", again=1)
    assert len(list(what_is_called_lost_was_repeated_before_it_was_acknowledged(about))) == 2


def test_a_syn_that_nobody_answered_is_not_lost(tmp_path: Path) -> None:
    play = Script()
    play.attempts(4)
    play.back().asks(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    about = told_of(play, tmp_path)
    text = "3 of 4 were sent again: lost or late"
    finding(about, "tcp-facts.loss-client", text, {"client": 2}, side="client", again=3)
    assert len(list(what_is_called_lost_was_repeated_before_it_was_acknowledged(about))) == 2


@pytest.mark.parametrize("first", ["client", "server"])
def test_a_fin_that_answers_a_fin_half_closes_nothing(first: str, tmp_path: Path) -> None:
    play = Script()
    front = play.front().asks(b"GET / HTTP/1.1\r\n\r\n")
    front = front.closes() if first == "server" else front.leaves()
    about = told_of(play, tmp_path)
    finding(about, "half-closed.unanswered-client", "1", {"client": 6 if first == "client" else 7})
    assert bool(list(who_half_closes_closes_first(about))) == (first == "server")


@pytest.mark.parametrize("before", [False, True])
def test_a_close_that_had_begun_is_in_the_capture_before(before: bool, tmp_path: Path) -> None:
    play = Script()
    front = play.front()
    front = front.server_closes_first() if before else front
    front = front.asks(b"GET / HTTP/1.1\r\n\r\n")
    front = front if before else front.closes()
    about = told_of(play, tmp_path)
    fin, request = (4, 6) if before else (6, 4)
    finding(about, "keep-alive-race.client", "it had begun to close", {"client": request})
    about.report["findings"][0]["evidence"] += [
        {"frames": [{"side": "client", "point": 0, "file": 0, "frame": fin}]}
    ]
    assert bool(list(a_close_that_had_begun_precedes_the_request(about))) == (not before)


def test_a_second_try_is_no_lost_syn(tmp_path: Path) -> None:
    play = Script()
    play.front().asks(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
    play.back().asks(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
    about = told_of(play, tmp_path)
    about.report["unpaired"] = [{"side": "backend", "exchange": {"point": 0, "exchange": 0}}]
    finding(about, "lost-syn.before-backend-capture", "1 of 1 waited", {"client": 4})
    assert list(no_backend_was_tried_while_a_syn_is_called_lost(about))


def test_an_answer_that_a_backend_sent_is_not_the_balancers(about: Told) -> None:
    assert about.report["verdict"]["kind"] == "l4-passthrough"
    finding(about, "answered-by-balancer", "It answered itself", {"client": 4})
    assert list(what_stands_behind_was_not_made_in_between(about))


def test_a_connection_behind_is_something_that_happened(about: Told) -> None:
    about.report["pairs"] = []
    finding(about, "answered-by-balancer", NOTHING, {"client": 4})
    assert list(nothing_happened_means_no_connection(about))


def test_the_same_request_of_a_captured_client_is_no_strangers(about: Told) -> None:
    first = {"point": 0, "exchange": 0}
    about.report["unpaired"] = [
        {"side": "client", "exchange": first, "reason": "unknown"},
        {"side": "backend", "exchange": first, "reason": "other-client"},
    ]
    assert list(no_stranger_where_a_client_asked_the_same(about))


def test_a_segment_from_another_address_opens_nothing(about: Told) -> None:
    (recording,) = about.sides["client"]
    (talk, *_) = recording.talks
    stray = replace(recording.packets[1], source=("10.9.9.9", 8080))
    recording.packets.append(stray)
    host, port = talk.client
    connection = {
        "id": 9,
        "already_open": True,
        "client": f"{host}:{port}",
        "server": "10.9.9.9:8080",
    }
    about.report["captures"][0]["connections"].append(connection)
    about.report["counts"]["client"]["already_open"] += 1
    assert list(a_known_connection_is_not_open_already(about))


def test_a_backend_that_was_sent_a_request_did_not_get_nothing(about: Told) -> None:
    finding(about, "one-backend", "All went to one", {"backend": 4}, server="10.0.9.99:8080")
    assert list(a_backend_that_got_nothing_was_sent_nothing(about))


def test_a_syn_that_was_sent_once_was_not_lost(about: Told) -> None:
    finding(about, "lost-syn.client", "It was sent again", {"client": 1})
    assert list(a_syn_that_is_called_sent_again_was(about))


def test_time_before_the_last_byte_of_a_request_is_not_added(about: Told) -> None:
    about.report["latency"]["added_max_ns"] += 5_000_000
    assert list(the_clients_own_sending_is_not_the_balancers(about))


@pytest.mark.parametrize("slug", ["idle-limits.forgotten-client", "large-segments.from-client"])
def test_a_segment_that_was_acknowledged_was_not_sent_in_vain(about: Told, slug: str) -> None:
    finding(about, slug, "It was sent in vain", {"client": 4}, least=1)
    assert list(what_was_sent_in_vain_was_not_answered(about))


def test_an_alert_that_no_packet_holds_is_not_named(about: Told) -> None:
    finding(
        about, "tls-alerts.by-server-client", "alert", {"client": 4}, side="client", number="112"
    )
    assert list(an_alert_that_is_named_is_in_the_packets(about))


def test_a_server_that_sent_bytes_answered(about: Told) -> None:
    slug = "protocol-mismatch.unanswered-client"
    (recording,) = about.sides["client"]
    ends = {talk.server for talk in recording.talks}
    spoken = next(p.number for p in recording.packets if p.size and p.source in ends)
    finding(about, slug, "no byte", {"client": spoken}, side="client")
    assert list(a_server_without_an_answer_sent_no_byte(about))


def test_an_answer_to_a_request_is_not_about_a_header(about: Told) -> None:
    slug = "protocol-mismatch.proxy-header-client"
    finding(about, slug, "refused", {"client": 4}, side="client", before=1)
    assert list(an_answer_before_any_request_follows_the_header_alone(about))


def test_requests_without_a_partner_are_spoken_of(about: Told) -> None:
    assert not list(denominators_agree(about))
    about.report["counts"]["client"]["requests"] += 5
    assert list(denominators_agree(about))
    of = about.report["counts"]["client"]["requests"]
    finding(about, "coverage", "7 of 12", {}, paired=of - 5, left=5, of=of, reasons="lost ×4")
    assert list(denominators_agree(about))
