"""Redirects and cookies that a client cannot use, as conversations: who asked what, and where it is
sent.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtrace.findings.messages.redirects.cookies import _refused_domain
from lbtrace.findings.messages.redirects.urls import (
    Asked,
    asked_for,
    is_https,
    split_host,
    writes_port,
)
from lbtrace.model.report import Severity
from lbtrace.pipeline import show
from tests.findings.http2_talks import Http2Talk, of, told
from tests.findings.simulated import Judged, judge_simulation, values
from tests.findings.through import exchange, message
from tests.simulator import Balancer, Simulation
from tests.simulator.script import Script

OWN = "http://172.31.11.95:8080"


def visit(
    balancer: Balancer,
    *answers: tuple[str, str, tuple[tuple[str, str], ...]],
    times: int = 1,
    sent: tuple[tuple[str, str], ...] = (),
) -> Judged:
    """(target, status, response fields) of each request, then one that is answered 200."""
    simulation = Simulation(seed=11, balancer=balancer)
    laptop = simulation.client("192.168.0.5")
    at = 0
    for _ in range(times):
        for target, status, fields in answers:
            laptop.asks(
                "GET",
                target,
                at_ms=at,
                status=status,
                answer=b"at %d" % at,
                answer_headers=fields,
                headers=sent,
            )
            at += 200
    laptop.asks("GET", "/ok", at_ms=at, answer=b"fine", headers=sent)
    return judge_simulation(simulation)


def found(location: str) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    return "/login", "302 Found", (("Location", location),)


def test_a_location_with_the_backends_address_leads_nowhere_outside() -> None:
    judged = visit(Balancer(host="172.31.11.95:8080"), found(f"{OWN}/login/"), times=2)
    said = judged.one("redirects.own-address")
    assert said.severity is Severity.MEDIUM
    assert (values(said)["count"], values(said)["of"]) == (2, 2)
    assert values(said)["got"] == "172.31.11.95:8080"
    assert {f.side.value for e in said.evidence for f in e.frames} == {"client", "backend"}


def test_a_host_that_was_kept_is_not_blamed() -> None:
    said = visit(Balancer(), found(f"{OWN}/login/")).one("redirects.own-address")
    assert "got" not in values(said)
    assert "proxy_redirect" in said.remedy


def test_the_backends_port_under_the_clients_host_leads_nowhere_either() -> None:
    host = "lb.example.com"
    said = visit(Balancer(), found(f"http://{host}:8080/login/")).one("redirects.own-address")
    assert "the backend's own port" in said.statement
    assert values(said)["port"] == "80"


@pytest.mark.parametrize("location", ["/login/", "login/", "https://other.example.com/", "?a=1"])
def test_other_redirects_are_no_news(location: str) -> None:
    assert not visit(Balancer(), found(location)).of("redirects")


def test_an_upgrade_to_https_is_no_loop_however_often_it_is_asked_for() -> None:
    host = "lb.example.com"
    assert not visit(Balancer(), found(f"https://{host}/login"), times=5).of("redirects")


def test_a_request_that_came_over_https_and_is_sent_to_https_again_loops() -> None:
    host = "lb.example.com"
    judged = visit(
        Balancer(add=[("X-Forwarded-Proto", "http")]),
        found(f"https://{host}/login"),
        times=2,
        sent=(("X-Forwarded-Proto", "https"),),
    )
    said = judged.one("redirects.loop")
    assert said.severity is Severity.HIGH
    assert (values(said)["count"], values(said)["of"]) == (2, 2)
    assert (values(said)["sent"], values(said)["got"]) == ("https", "http")
    assert not judged.of("forwarded-fields.right"), "bad news is not told as good"


SCHEME = "X-Forwarded-Proto"


@pytest.mark.parametrize(
    ("balancer", "told_of"),
    [
        (Balancer(), "https"),  # passed on, and the backend does not trust it
        (Balancer(add=[(SCHEME, "http")]), "http"),
        (Balancer(drop=(SCHEME,)), None),
    ],
)
def test_a_redirect_from_https_to_http_gives_tls_up(
    balancer: Balancer, told_of: str | None
) -> None:
    """Whoever ended TLS in front of the balancer said that it was https."""
    redirect = found("http://lb.example.com/home")
    said = visit(balancer, redirect, times=2, sent=((SCHEME, "https"),)).one("redirects.plain-http")
    assert (said.severity, values(said)["count"]) == ("medium", 2)
    assert (values(said).get("got"), values(said)["field"]) == (told_of, SCHEME)
    assert ("trust the" in said.remedy) == (told_of == "https")


@pytest.mark.parametrize("location", ["/home", "https://lb.example.com/", "http://other.example/"])
def test_a_redirect_that_keeps_https_or_leaves_the_host_is_no_news(location: str) -> None:
    judged = visit(Balancer(), found(location), sent=((SCHEME, "https"),))
    assert not judged.of("redirects.plain-http")


def test_a_redirect_to_http_of_a_client_that_asked_for_http_is_no_news() -> None:
    assert not visit(Balancer(), found("http://lb.example.com/home")).of("redirects")


def moved(*targets: str, location: str, strip: str = "/app") -> Judged:
    """Requests below /app that are redirected, and what is asked for then."""
    simulation = Simulation(seed=11, balancer=Balancer(strip=strip))
    laptop = simulation.client("192.168.0.5")
    for n in range(4):
        laptop.asks("GET", f"/app/page/{n}", at_ms=400 * n, answer=b"page %d" % n)
        answer = (("Location", location),)
        laptop.asks("GET", "/app/", at_ms=400 * n + 100, status="302 Found", answer_headers=answer)
        for target in targets:
            laptop.asks("GET", target, at_ms=400 * n + 200, status="404 Not Found")
    return judge_simulation(simulation)


@pytest.mark.parametrize(("followed", "severity"), [(("/login",), "medium"), ((), "low")])
def test_a_redirect_without_the_prefix_that_the_balancer_takes_off(
    followed: tuple[str, ...], severity: str
) -> None:
    said = moved(*followed, location="/login").one("redirects.prefix")
    assert (said.severity, values(said)["prefix"], values(said)["count"]) == (severity, "/app", 4)
    assert values(said).get("statuses") == ("404 ×4" if followed else None)


@pytest.mark.parametrize(
    ("location", "strip"),
    [
        ("/app/login", "/app"),
        ("login", "/app"),
        ("https://login.example/", "/app"),
        ("/login", ""),
    ],
)
def test_a_redirect_that_keeps_the_prefix_is_no_news(location: str, strip: str) -> None:
    assert not moved(location=location, strip=strip).of("redirects.prefix")


def test_a_protocol_that_is_passed_on_is_not_called_overwritten() -> None:
    host = "lb.example.com"
    judged = visit(
        Balancer(), found(f"https://{host}/login"), sent=(("X-Forwarded-Proto", "https"),)
    )
    assert "sent" not in values(judged.one("redirects.loop"))


@pytest.mark.parametrize(("times", "loops"), [(1, 0), (2, 0), (3, 3), (4, 4)])
def test_a_redirect_to_itself_that_sets_a_cookie_loops_from_the_third_time(
    times: int, loops: int
) -> None:
    fields = (("Location", "/login"), ("Set-Cookie", "seen=1"))
    judged = visit(Balancer(), ("/login", "302 Found", fields), times=times)
    assert [values(f)["count"] for f in judged.of("redirects.loop")] == [loops][: bool(loops)]


@pytest.mark.parametrize(
    ("cookie", "brought", "said_of_it"),
    [
        ("seen=1; Path=/app; HttpOnly", "", "its Path /app does not cover /login."),
        ("seen=1; Path=/login; Secure", "", "it is Secure, and clients asked for plain http."),
        ("seen=1; Path=/", "", "no request brings it back."),
        ("seen=1; Path=/", "seen=1", ""),
        ("seen=1; Path=/app", "other=2; seen=1", ""),
    ],
)
def test_a_cookie_that_does_not_come_back_is_why_a_login_loops(
    cookie: str, brought: str, said_of_it: str
) -> None:
    fields = (("Location", "/login"), ("Set-Cookie", cookie))
    sent = (("Cookie", brought),) if brought else ()
    judged = visit(Balancer(), ("/login", "302 Found", fields), times=3, sent=sent)
    said = judged.one("redirects.loop")
    if said_of_it:
        assert said.text.endswith(said_of_it)
        assert "3 of them set the cookie seen" in said.text
        assert "proxy_cookie_path" in said.remedy
    else:
        assert "cookie" not in said.text
        assert "X-Forwarded-Proto" in said.remedy


def test_a_cookie_for_the_backends_own_host_is_refused() -> None:
    fields = (("Set-Cookie", "sid=1; Path=/; Domain=app.internal"),)
    judged = visit(Balancer(host="app.internal"), ("/login", "200 OK", fields))
    said = judged.one("redirects.cookie-domain")
    assert (values(said)["domain"], values(said)["count"]) == ("app.internal", 1)


@pytest.mark.parametrize(
    ("domain", "refused"),
    [("example.com", ""), ("shop.example.com", ""), ("app.example.com", "app.example.com")],
)
def test_a_cookie_for_a_domain_above_both_hosts_is_taken(domain: str, refused: str) -> None:
    cookie = f"sid=1; Domain=.{domain}; Path=/"
    assert _refused_domain(cookie, "shop.example.com", "app.example.com:8080") == refused


def test_of_several_refused_cookies_the_first_is_named() -> None:
    judged = visit(
        Balancer(host="shop.app.internal"),
        ("/login", "200 OK", (("Set-Cookie", "sid=1; Domain=app.internal"),)),
        ("/fine", "200 OK", (("Set-Cookie", "sid=1"),)),
        ("/later", "200 OK", (("Set-Cookie", "sid=2; Domain=shop.app.internal"),)),
    )
    said = values(judged.one("redirects.cookie-domain"))
    assert (said["domain"], said["count"], said["of"]) == ("app.internal", 2, 3)


@pytest.mark.parametrize("domain", ["elb.amazonaws.com", "other.example.com", ""])
def test_a_cookie_for_another_domain_is_not_the_balancers_affair(domain: str) -> None:
    fields = (("Set-Cookie", f"sid=1; Domain={domain}"),)
    assert not visit(Balancer(host="app.internal"), ("/login", "200 OK", fields)).of("redirects")


@pytest.mark.parametrize(
    ("host", "parts"),
    [
        ("Example.com", ("example.com", None)),
        ("example.com:81", ("example.com", 81)),
        ("[2001:db8::1]:80", ("2001:db8::1", 80)),
        ("[2001:db8::1]", ("2001:db8::1", None)),
        ("2001:db8::1", ("2001:db8::1", None)),
        ("", ("", None)),
        ("a:b", ("a:b", None)),
    ],
)
def test_a_host_and_its_port(host: str, parts: tuple[str, int | None]) -> None:
    assert split_host(host) == parts


@pytest.mark.parametrize(
    ("stated", "https"),
    [
        ("https", True),
        ("HTTPS", True),
        ("http", False),
        ("for=192.0.2.1;proto=https", True),
        ('proto="https"', True),
        ("proto=http", False),
        ("http, https", True),
        ("on", True),
        ("off", False),
        ("", False),
    ],
)
def test_which_values_say_https(stated: str, https: bool) -> None:
    assert is_https(stated) is https


def test_what_a_request_asks_for() -> None:
    assert asked_for("http", "a.example", 80, "/x?y=1") == Asked("http", "a.example", 80, "/x?y=1")
    assert asked_for("http", "a.example:8", 80, "/") == Asked("http", "a.example", 8, "/")
    absolute = asked_for("http", "", 3128, "http://B.example/z")
    assert absolute == Asked("http", "b.example", 80, "/z")


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_no_host_target_or_value_raises(host: str, target: str, stated: str) -> None:
    asked_for("http", host, 80, target)
    is_https(stated)


@given(st.sampled_from(["http://[", "http://a:99999/", "http://[::1", "\x00", "http://a:b/"]))
def test_a_location_that_is_no_url_is_no_news(location: str) -> None:
    assert not visit(Balancer(), found(location)).of("redirects")


def test_a_redirect_whose_request_was_not_captured_tells_nothing_of_the_host(
    tmp_path: Path,
) -> None:
    play = Script()
    for n in range(4):
        ask = b"GET /%d HTTP/1.1\r\nHost: a.example\r\nX-Request-Id: 77%d\r\n\r\n" % (n, n)
        to = (
            b"HTTP/1.1 302 Found\r\nLocation: http://10.0.9.11:8080/%d\r\nContent-Length: 6\r\n" % n
        )
        front = play.front().asks(ask)
        begun = len(play.backend)
        play.back().asks(ask.replace(b"a.example", b"10.0.9.11:8080")).answers(
            to + b"\r\npage %d" % n
        )
        if n == 0:
            play.backend = [p for p in play.backend if p is not play.backend[begun + 3]]
        front.answers(to + b"\r\npage %d" % n).leaves()
        play.wait(100)
    found = [f.slug for f in play.report(tmp_path).findings if f.slug.startswith("redirects")]
    assert found == ["redirects.own-address"]


@pytest.mark.parametrize(
    ("method", "status", "location", "lost"),
    [
        ("POST", "301 Moved Permanently", "https://a/form", True),
        ("POST", "302 Found", "http://b/form", True),
        ("POST", "308 Permanent Redirect", "https://a/form", False),
        ("POST", "303 See Other", "https://a/form", False),
        ("POST", "302 Found", "/done", False),  # that is how a form ends
        ("GET", "301 Moved Permanently", "https://a/form", False),
    ],
)
@pytest.mark.parametrize("followed", ["GET", "POST", ""])
def test_a_post_that_becomes_a_get(
    method: str, status: str, location: str, lost: bool, followed: str, tmp_path: Path
) -> None:
    play = Script()
    moved = f"HTTP/1.1 {status}\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    ask = f"{method} /form HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na=b".encode()
    play.front().asks(ask).answers(moved).leaves()
    if followed:
        again = f"{followed} /form HTTP/1.1\r\nHost: a\r\n\r\n".encode()
        front = play.front(81).asks(again)
        play.back().asks(again).answers(ok).closes()
        front.answers(ok).leaves()
    play.write(tmp_path)
    (alone,) = show([[str(tmp_path / "client.pcap")]]).captures
    found = [f for f in alone.findings if f.slug == "redirects.method"]
    assert bool(found) == lost
    for said in found:
        assert (values(said)["count"], values(said)["of"]) == (1, 1)
        assert ("followed" in said.statement) == (followed == "GET")


@pytest.mark.parametrize(("scheme", "loops"), [("https", True), ("http", False)])
def test_a_request_of_http2_says_whether_it_is_for_https(scheme: str, loops: bool) -> None:
    """Behind what ended TLS, `:scheme` still says it: a redirect to https leads nowhere new."""
    talk = Http2Talk()
    talk.scheme = scheme
    for _ in range(3):
        talk.answers(talk.asks("/login"), b"", ("location", "https://a/login"), status="301")
    assert bool(of(told(talk), "redirects.loop")) is loops


@pytest.mark.parametrize(
    ("location", "writes"),
    [
        ("http://a.example:8080/", True),
        ("http://a.example:80/", False),
        ("http://a.example/", False),
        ("/login", False),
        ("", False),
        ("http://a.example:port/", False),
    ],
)
def test_only_a_port_that_is_spelled_out_is_written(location: str, writes: bool) -> None:
    assert writes_port(location, 8080) == writes


@pytest.mark.parametrize(("location", "of"), [("", 1), ("Location: /elsewhere\r\n", 2)])
def test_what_leads_nowhere_is_not_counted_among_redirects(
    location: str, of: int, tmp_path: Path
) -> None:
    """Without a Location there is nothing to follow (RFC 9110 §15.4)."""
    play = Script()
    lost = "HTTP/1.1 301 Moved\r\nLocation: https://a/form\r\nContent-Length: 0\r\n\r\n"
    other = f"HTTP/1.1 302 Found\r\n{location}Content-Length: 0\r\n\r\n"
    play.front().asks(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").answers(other.encode()).leaves()
    ask = b"POST /form HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na=b"
    play.front().asks(ask).answers(lost.encode()).leaves()
    play.write(tmp_path)
    (alone,) = show([[str(tmp_path / "client.pcap")]]).captures
    (said,) = (f for f in alone.findings if f.slug == "redirects.method")
    assert (values(said)["count"], values(said)["of"]) == (1, of)


@pytest.mark.parametrize(
    ("asked", "passed", "location", "lost"),
    [
        ("shop.example:8000", "shop.example", "http://shop.example/login", True),
        ("shop.example:8000", "backend", "http://shop.example/login", False),  # another name
        ("shop.example:8000", "shop.example:8000", "http://shop.example/login", False),
        ("shop.example", "shop.example", "http://shop.example/login", False),
        ("shop.example:8000", "shop.example", "http://shop.example:8000/login", False),
        ("shop.example:8000", "shop.example", "https://shop.example/login", False),
        ("shop.example:8000", "shop.example", "http://other.example/login", False),
    ],
)
def test_a_port_that_the_balancer_takes_off_host_is_missed_in_redirects(
    asked: str, passed: str, location: str, lost: bool, tmp_path: Path
) -> None:
    play = Script()
    answer = message("302 Found", "", f"Location: {location}")
    for n in range(3):
        front = play.front(8000)
        exchange(play, f"/{n}", host=asked, sent_host=passed, given=answer, front=front)
    found = [f for f in play.report(tmp_path).findings if f.slug == "redirects.port"]
    assert bool(found) is lost
    for said in found:
        assert (values(said)["count"], values(said)["port"]) == (3, "8000")
        assert "$http_host" in said.remedy
