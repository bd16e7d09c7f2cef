"""What the messages that a proxy refused have, and those that worked have not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.comparison import Comparison
from lbtrace.findings._message_sizes import HEAD, Part, _number, gap
from lbtrace.findings.answers import refused_messages
from lbtrace.findings.answers._message_forms import forms
from lbtrace.model.net import Side
from lbtrace.model.pairing import Confidence, Correlation
from lbtrace.model.report import Finding
from tests.findings.protocols.test_protocol_mismatch import error, frames, told
from tests.findings.simulated import four, values
from tests.simulator import Balancer
from tests.simulator.script import Script

TOO_LARGE = error("400 Bad Request", "<title>400 Request Header Or Cookie Too Large</title>")
TOO_LONG = error("414 Request-URI Too Large", "<title>414 Request-URI Too Large</title>")
TOO_MUCH = error("413 Request Entity Too Large", "<title>413 Request Entity Too Large</title>")
BAD = error("400 Bad Request", "<title>400 Bad Request</title>")
GATEWAY = error("502 Bad Gateway", "<title>502 Bad Gateway</title>")


def request(target: str, *lines: str, method: str = "GET", body: str = "") -> bytes:
    head = f"{method} {target} HTTP/1.1\r\nHost: a.example\r\n"
    return (head + "".join(f"{line}\r\n" for line in lines) + "\r\n" + body).encode("latin-1")


def ok(body: str, *lines: str) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n"
    return (head + "".join(f"{line}\r\n" for line in lines) + "\r\n" + body).encode("latin-1")


def refusing(
    refused: Sequence[bytes], answer: bytes, worked: Sequence[bytes] | None = None
) -> Script:
    """Requests that work, through the balancer, then requests that it refuses itself."""
    play = Script()
    for n, ask in enumerate([request(f"/{n}") for n in range(3)] if worked is None else worked):
        front = play.front().asks(ask)
        play.back().asks(ask[:-2] + b"X-Forwarded-For: 198.51.100.10\r\n\r\n").answers(
            ok(f"page {n}")
        )
        front.answers(ok(f"page {n}")).leaves()
        play.wait(200)
    for ask in refused:
        play.front().asks(ask).answers(answer).closes()
        play.wait(200)
    return play


def found(play: Script, folder: Path, snaplen: int = 65535) -> list[Finding]:
    return told(play.report(folder, snaplen=snaplen), "refused-messages")


def test_a_cookie_that_is_too_large(tmp_path: Path) -> None:
    ask = request("/0", "Cookie: id=" + "x" * 9000)
    (finding,) = found(refusing([ask, ask], TOO_LARGE), tmp_path)
    assert (finding.slug, finding.confidence) == (
        "refused-messages.request-size-client",
        Confidence.HIGH,
    )
    said = values(finding)
    assert (said["part"], said["field"]) == ("longest field line", "Cookie")
    assert (said["failed"], said["worked"], said["good"]) == (9013, 17, 3)
    assert said["limits"] == "4096, 8192"
    assert said["reason"] == "400 Request Header Or Cookie Too Large"
    assert len(frames(finding)) == 5


def test_a_target_that_is_too_long(tmp_path: Path) -> None:
    (finding,) = found(refusing([request("/" + "a" * 20_000)], TOO_LONG), tmp_path)
    assert (values(finding)["part"], values(finding)["failed"]) == ("target", 20_001)


def test_of_many_servers_those_that_refused_most_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each costs a look at all exchanges. Here it is one server with two statuses."""
    long = request("/" + "a" * 20_000)
    play = refusing([long], TOO_LONG)
    for ask in [request("/0", "Cookie: id=" + "x" * 9000)] * 2:
        play.front().asks(ask).answers(TOO_LARGE).closes()
        play.wait(200)
    both = [values(finding)["part"] for finding in found(play, tmp_path)]
    assert both == ["target", "longest field line"]
    monkeypatch.setattr(refused_messages, "_SERVERS", 1)
    (finding,) = found(play, tmp_path)
    assert values(finding)["part"] == "longest field line"


def test_a_body_that_is_too_large_as_it_is_declared(tmp_path: Path) -> None:
    ask = request("/up", "Content-Length: 3000000", method="POST", body="x" * 1000)
    (finding,) = found(refusing([ask], TOO_MUCH), tmp_path)
    assert str(values(finding)["part"]).startswith("declared body")
    assert "client_max_body_size" in finding.remedy
    assert values(finding)["failed"] == 3_000_000


def test_a_status_that_names_the_part_needs_no_usual_limit(tmp_path: Path) -> None:
    ask = request("/up", "Content-Length: 20000", method="POST", body="x" * 1000)
    (finding,) = found(refusing([ask], TOO_MUCH), tmp_path)
    assert (values(finding)["failed"], values(finding)["worked"]) == (20_000, 0)
    assert "imits" not in finding.text
    (alone,) = found(refusing([ask], TOO_MUCH, worked=[]), tmp_path)
    assert alone.text.endswith("bytes or more.")


@pytest.mark.parametrize(
    ("ask", "answer", "part"),
    [
        (request("/0", "Cookie: id=" + "x" * 3000), TOO_LARGE, "longest field line"),
        (request("/" + "a" * 3000), BAD, None),
        (
            request("/" + "a" * 3000),
            error("400 Bad Request", "<title>Request-URI Too Long</title>"),
            "target",
        ),
    ],
)
def test_a_page_that_names_the_part_needs_no_usual_limit(
    tmp_path: Path, ask: bytes, answer: bytes, part: str | None
) -> None:
    said = [values(f) for f in found(refusing([ask], answer), tmp_path)]
    assert [(each["part"], each.get("limits")) for each in said] == ([(part, None)] if part else [])


@pytest.mark.parametrize("title", ["431 Too Large", "400 Request Header Or Cookie Too Large"])
def test_where_nothing_worked_no_small_line_is_called_too_large(tmp_path: Path, title: str) -> None:
    """A line or the whole head may be meant: only a usual limit tells which."""
    many = request("/0", *(f"X-Part-{n}: {'y' * 80}" for n in range(60)))
    answer = error(title, f"<title>{title}</title>")
    (finding,) = found(refusing([many], answer, worked=[]), tmp_path)
    assert values(finding)["part"] == "head"
    assert found(refusing([request("/0")], answer, worked=[]), tmp_path) == []


def test_a_head_of_many_small_fields(tmp_path: Path) -> None:
    ask = request("/0", *(f"X-Part-{n}: {'y' * 80}" for n in range(200)))
    (finding,) = found(refusing([ask], TOO_LARGE), tmp_path)
    assert values(finding)["part"] == "head"


@pytest.mark.parametrize("worked", [True, False])
def test_a_head_of_more_fields_than_servers_take(tmp_path: Path, worked: bool) -> None:
    """HAProxy takes 101, Envoy and Apache httpd 100: few bytes in all, or more than usual."""
    asks = [request("/0", *(f"X-Part-{n}: y" for n in range(count))) for count in (105, 420)]
    (finding,) = found(refusing(asks, BAD, worked=None if worked else []), tmp_path)
    said = values(finding)
    assert (said["part"], said["failed"]) == ("number of field lines", 106)
    assert said["limits"] == "100, 101"
    assert ("unusual" in finding.statement) != worked
    assert "tune.http.maxhdr" in finding.remedy


def test_a_server_that_wants_the_length_says_so_by_its_status(tmp_path: Path) -> None:
    ask = request("/0", "Transfer-Encoding: chunked", method="POST", body="0\r\n\r\n")
    (finding,) = found(refusing([ask], error("411 Length Required", "")), tmp_path)
    assert values(finding)["what"] == "Transfer-Encoding"
    assert "Content-Length" in finding.remedy


def test_without_any_that_worked_a_size_is_unusual(tmp_path: Path) -> None:
    ask = request("/0", "Cookie: id=" + "x" * 9000)
    (finding,) = found(refusing([ask], TOO_LARGE, worked=[]), tmp_path)
    assert finding.confidence is Confidence.MEDIUM
    assert "worked" not in values(finding)
    assert "unusual" in finding.statement


def test_sizes_that_worked_elsewhere_are_not_the_reason(tmp_path: Path) -> None:
    large = request("/0", "Cookie: id=" + "x" * 9000)
    play = refusing([large], BAD, worked=[request("/1", "Cookie: id=" + "x" * 9500)])
    assert found(play, tmp_path) == []


def test_a_size_below_all_usual_limits_is_not_the_reason(tmp_path: Path) -> None:
    (finding,) = found(refusing([request("/0", "Cookie: id=" + "x" * 900)], BAD), tmp_path)
    assert (finding.slug, values(finding)["what"]) == (
        "refused-messages.request-form-client",
        "Cookie",
    )


FORMS: dict[str, bytes] = {
    "Content-Length twice": request("/0", "Content-Length: 0", "Content-Length: 0"),
    "a blank before a colon": request("/0", "Bad Name : 1"),
    "a field name that is no token": request("/0", "Bad(Name): 1"),
    "a field line without a colon": request("/0", "no colon here"),
    "a field line that goes on in the next line (obs-fold)": request("/0", "X-Odd: a\r\n b"),
    "a control character in a field line": request("/0", "X-Odd: a\x01b"),
    "a byte beyond ASCII in a field line": request("/0", "X-Odd: a\xe9b"),
    "an underscore in a field name": request("/0", "some_name: 1"),
    "Content-Length and Transfer-Encoding": request(
        "/0", "Content-Length: 5", "Transfer-Encoding: chunked", method="POST", body="0\r\n\r\n"
    ),
    "framing that can be read in two ways": request(
        "/0", "Content-Length: 5", "Transfer-Encoding: chunked", method="POST", body="0\r\n\r\n"
    ),
    "a malformed head, or a malformed body": request(
        "/0", "Transfer-Encoding: chunked", method="POST", body="no chunk\r\n\r\n"
    ),
    "Host twice": request("/0", "Host: b.example"),
    "no Host": b"GET /0 HTTP/1.1\r\nAccept: */*\r\n\r\n",
    "Transfer-Encoding": request(
        "/0", "Transfer-Encoding: chunked", method="POST", body="0\r\n\r\n"
    ),
    "Expect": request("/0", "Expect: 100-continue"),
    "Upgrade": request("/0", "Upgrade: websocket"),
    "a character in the target that RFC 3986 does not allow": request("/0{a}"),
    "an encoded slash (%2F) in the path": request("/a%2fb?c=%2F"),
}


def told_of(ask: bytes, folder: Path) -> list[str]:
    """What is said of a request that was refused."""
    (finding,) = found(refusing([ask], BAD), folder)
    assert finding.slug == "refused-messages.request-form-client"
    return str(values(finding)["what"]).split("; ")


@pytest.mark.parametrize("what", FORMS)
def test_a_form_that_only_the_refused_have(what: str, tmp_path: Path) -> None:
    assert what in told_of(FORMS[what], tmp_path)


@pytest.mark.parametrize(
    ("target", "odd"),
    [
        ("/0?filter[name]=a", True),
        ("/0[1]", True),
        ("http://[2001:db8::80]:8080/0", False),
        ("http://[2001:db8::80]/0?a[]=1", True),
    ],
)
def test_brackets_belong_around_an_address_alone(target: str, odd: bool, tmp_path: Path) -> None:
    """RFC 3986 §3.2.2; Tomcat refuses others."""
    (finding,) = found(refusing([request(target, "X-Odd: 1")], BAD), tmp_path)
    assert ("RFC 3986" in str(values(finding)["what"])) is odd


def test_every_form_has_its_example_and_an_ordinary_request_has_none() -> None:
    table = Comparison(four(Balancer()).run().clients, (), Correlation()).table(Side.CLIENT)
    known = dict(forms(table.requests, table.words, True))
    assert set(known) == set(FORMS)
    assert not any(has.any() for has in known.values())


def test_each_that_was_refused_may_have_a_form_of_its_own(tmp_path: Path) -> None:
    """A form that only messages have that a rarer one tells of says nothing more."""
    asks = [
        request("/0", "Content-Length: 0", "Content-Length: 0"),
        request("/1", "some name : 1"),
        request("/2", "some name : 1", "Host: b.example"),
        request("/3", "Host: b.example"),
    ]
    (finding,) = found(refusing(asks, BAD), tmp_path)
    assert finding.text.startswith("Each of 4 requests that were refused with 400 has something")
    assert values(finding)["what"] == (
        "Content-Length twice ×1; a blank before a colon ×2; Host twice ×2"
    )


def test_where_one_that_was_refused_has_nothing_of_its_own_no_form_is_told(tmp_path: Path) -> None:
    asks = [request("/0", "Host: b.example"), request("/1", "some_name: 1"), request("/2")]
    assert found(refusing(asks, BAD), tmp_path) == []


def test_a_form_that_worked_too_is_not_the_reason(tmp_path: Path) -> None:
    ask = request("/0", "some_name: 1")
    assert found(refusing([ask], BAD, worked=[request("/1", "some_name: 2")]), tmp_path) == []


def test_a_target_with_characters_that_do_not_belong_there(tmp_path: Path) -> None:
    (finding,) = found(refusing([request("/a|b")], BAD), tmp_path)
    assert "RFC 3986" in str(values(finding)["what"])


def test_an_error_that_a_backend_made_is_told_of_the_backend(tmp_path: Path) -> None:
    play = refusing([], b"")
    large = request("/large", "Cookie: id=" + "x" * 9000)
    for n in range(2):
        front = play.front().asks(large)
        said = error("400 Bad Request", f"<title>400 Header {n}</title>")
        play.back().asks(large[:-2] + b"X-Forwarded-For: 198.51.100.10\r\n\r\n").answers(said)
        front.answers(said).leaves()
        play.wait(200)
    (finding,) = found(play, tmp_path)
    assert finding.slug == "refused-messages.request-size-backend"
    assert values(finding)["server"] == "10.0.9.11:8080"


def replacing(*answers: bytes, same: bool = False) -> Script:
    """Answers that the balancer does not pass on, behind three that it does."""
    play = refusing([], b"")
    for n, said in enumerate(answers):
        ask = request("/login" if same else f"/login/{n}", f"X-Request-Id: {7919 * (n + 3)}")
        front = play.front().asks(ask)
        play.back().asks(ask[:-2] + b"X-Forwarded-For: 198.51.100.10\r\n\r\n").answers(said).leaves(
            reset=True
        )
        front.answers(GATEWAY).leaves()
        play.wait(200)
    return play


def test_a_response_head_that_is_too_large(tmp_path: Path) -> None:
    said = ok("welcome", "Set-Cookie: a=" + "x" * 9000)
    (finding,) = found(replacing(said, said), tmp_path)
    assert (finding.slug, finding.confidence) == ("refused-messages.response-head", Confidence.HIGH)
    measured = values(finding)
    assert (measured["count"], measured["good"], measured["limits"]) == (2, 3, "4096, 8192")
    assert int(measured["failed"]) > 9000 > 100 > int(measured["worked"])
    assert {side for side, _ in frames(finding)} == {"client", "backend"}


def test_a_response_with_two_lengths(tmp_path: Path) -> None:
    said = ok("welcome", "Content-Length: 7")
    (finding,) = found(replacing(said), tmp_path)
    assert finding.slug == "refused-messages.response-form"
    assert "Content-Length twice" in str(values(finding)["what"])


def test_a_response_that_is_like_the_others_says_nothing(tmp_path: Path) -> None:
    assert found(replacing(ok("welcome")), tmp_path) == []


def test_a_head_that_was_cut_says_nothing(tmp_path: Path) -> None:
    said = ok("welcome", "Set-Cookie: a=" + "x" * 9000)
    assert found(replacing(said, said), tmp_path, snaplen=150) == []
    cookie = request("/0", "Cookie: id=" + "x" * 9000)
    assert found(refusing([cookie], TOO_LARGE), tmp_path, snaplen=150) == []


@pytest.mark.parametrize("without", [0, 1])
def test_names_with_an_underscore_that_do_not_arrive(without: int, tmp_path: Path) -> None:
    """Requests that never had the field say nothing about it."""
    (finding,) = found(underscored(3, without), tmp_path)
    assert finding.slug == "refused-messages.dropped-names"
    assert values(finding)["names"] == "api_key_id (3 requests)"


def test_a_name_with_an_underscore_that_arrives_once_is_not_dropped_for_it(tmp_path: Path) -> None:
    assert not found(underscored(3, 0, arriving=1), tmp_path)


def underscored(having: int, without: int, arriving: int = 0) -> Script:
    """Requests with an underscore in a field's name, and some without such a field."""
    play, odd, plain = Script(), "api_key_id: 7", "Accept: */*"
    for n in range(having + without + arriving):
        asked = [plain] if having <= n < having + without else [odd, plain]
        arrived = [odd, plain] if n >= having + without else [plain]
        front = play.front().asks(request(f"/{n}", *asked))
        back = request(f"/{n}", *arrived, "X-Forwarded-For: 198.51.100.10")
        play.back().asks(back).answers(ok(f"page {n}"))
        front.answers(ok(f"page {n}")).leaves()
        play.wait(200)
    return play


def test_an_interim_response_that_was_taken_for_the_final_one(tmp_path: Path) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
    play = refusing([], b"")
    front = play.front().asks(request("/hints", "X-Request-Id: 31337"))
    back = request("/hints", "X-Request-Id: 31337", "X-Forwarded-For: 198.51.100.10")
    play.back().asks(back).answers(hints + ok("page"))
    front.answers(hints).closes()
    (finding,) = found(play, tmp_path)
    assert finding.slug == "refused-messages.interim-as-final"
    assert values(finding)["statuses"] == "103 ×1"


@given(st.text(max_size=18) | st.integers(0, 10**17).map(str) | st.from_regex(r"\d{1,17}"))
def test_a_length_that_is_no_number_is_none(text: str) -> None:
    """Whatever a client declares, nothing raises."""
    digits = text.strip()
    number = set(digits) <= set("0123456789") and 0 < len(digits) < 16
    assert _number(text) == (int(digits) if number else 0)


@pytest.mark.parametrize("kib", [4, 8, 15, 16, 32, 60, 64, 1024])
def test_a_buffer_is_full_at_its_size(kib: int) -> None:
    """What needs the whole of it failed, and what leaves a byte of it free worked."""
    full = kib * 1024
    part = Part(HEAD, "head", np.array([full - 1, full]))
    zero, one, none = np.array([0]), np.array([1]), np.array([], np.int64)
    assert gap(part, one, zero) == (part, full, full - 1, (full,))
    for failed, worked in ((zero, one), (one, one), (none, zero)):
        assert gap(part, failed, worked) is None
    unusual = gap(part, zero, none)
    assert unusual is None or full not in unusual.limits
