"""Why an exchange has no partner, and how sure that is."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from lbtrace.correlate import correlate
from lbtrace.explain.unmatched import client_reasons, open_questions
from lbtrace.match import match
from lbtrace.model.http import Mark
from lbtrace.model.net import Endpoint, Side
from lbtrace.model.pairing import Confidence, Ref, Unpaired, UnpairedDetail, UnpairedReason
from lbtrace.model.trace import Trace
from lbtrace.options import DEFAULT
from lbtrace.pipeline import inspect
from tests.findings.through import exchange, message, request
from tests.simulator import Balancer, Simulation
from tests.simulator.script import CLIENT, FRONT, Script

XFF = [("X-Forwarded-For", "{client}")]


def test_another_client_is_said_to_have_asked_only_where_the_balancer_names_it() -> None:
    for added, expected in ((XFF, Confidence.MEDIUM), ([], Confidence.LOW)):
        found = correlate(*asked_by_two(added, uncaptured=1), DEFAULT)
        said = [
            u
            for u in found.unpaired
            if u.side == "backend" and u.reason is UnpairedReason.OTHER_CLIENT
        ]
        assert {u.confidence for u in said} == {expected}


def test_a_client_that_was_captured_is_no_other_client() -> None:
    """Its connections are in the capture, its exchanges were not read: whatever it asked, it is no
    stranger.
    """
    fronts, backs = asked_by_two(XFF, uncaptured=0)
    (trace,) = fronts
    mine = {c.id for c in trace.connections if c.client.address == "192.168.0.5"}
    kept = [
        e._replace(id=n) for n, e in enumerate(e for e in trace.exchanges if e.connection in mine)
    ]
    found = correlate([replace(trace, exchanges=kept)], backs, DEFAULT)
    said = [u for u in found.unpaired if u.side == "backend"]
    assert len(said) == 6
    assert {u.confidence for u in said} == {Confidence.LOW}


def asked_by_two(
    added: Sequence[tuple[str, str]], uncaptured: int
) -> tuple[list[Trace], list[Trace]]:
    simulation = Simulation(seed=3, balancer=Balancer(add=added), uncaptured_clients=uncaptured)
    one, other = simulation.client("192.168.0.5"), simulation.client("192.168.0.6")
    for i in range(6):
        one.asks("GET", f"/mine/{i}", at_ms=100 * i)
        other.asks("GET", f"/theirs/{i}", at_ms=100 * i + 40)
    recorded = simulation.run()
    return recorded.clients, recorded.backends


def test_a_server_nobody_knows_is_no_balancer() -> None:
    """Two backends with names of their own, one captured: the other's answers are not the
    balancer's.
    """
    simulation = Simulation(
        seed=5,
        backends=(Endpoint("172.31.11.95", 8080), Endpoint("172.31.11.96", 8080)),
        uncaptured=1,
        separate_points=True,
    )
    client = simulation.client("192.168.0.5")
    for i in range(12):
        client.asks("GET", f"/{i}", at_ms=100 * i, answer_headers=[("Server", "app/1")])
    recorded = simulation.run()
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    assert not [
        u
        for u in found.unpaired
        if u.reason is UnpairedReason.ANSWERED_BY_BALANCER and u.confidence is not Confidence.LOW
    ]


def test_between_captures_that_nothing_holds_together_nobody_is_named() -> None:
    one, other = (
        Simulation(seed=6, balancer=Balancer(give_up=1.0)),
        Simulation(seed=7, balancer=Balancer(add=XFF)),
    )
    for i in range(5):
        (one.clients[0] if one.clients else one.client("192.168.0.5")).asks(
            "GET", f"/mine/{i}", at_ms=100 * i
        )
        (other.clients[0] if other.clients else other.client("192.168.0.6")).asks(
            "POST", f"/theirs/{i}", body=b"x" * i, at_ms=100 * i
        )
    found = correlate(one.run().clients, other.run().backends, DEFAULT)
    assert not found.pairs
    named = [
        u
        for u in found.unpaired
        if u.reason in (UnpairedReason.ANSWERED_BY_BALANCER, UnpairedReason.OTHER_CLIENT)
    ]
    assert named
    assert {u.confidence for u in named} == {Confidence.LOW}


def test_a_request_is_never_answered_only_where_every_backend_exchange_is_known() -> None:
    """The client leaves; its backend exchange is in the capture, without its request: it began
    before the capture did.
    """
    simulation = Simulation(seed=9, balancer=Balancer(add=XFF, refuse=0.0))
    client = simulation.client("192.168.0.5")
    for i in range(8):
        client.asks("GET", f"/{i}", at_ms=100 * i if i < 7 else 200_000, abandon=i == 4)
    recorded = simulation.run()
    (back,) = recorded.backends
    (left,) = (
        b
        for c, bs in recorded.truth.items()
        if recorded.clients[0].exchanges[c.id].response is None
        for b in bs
    )
    asked = next(c for c, bs in recorded.truth.items() if bs == (left,))
    for hidden, expected in (
        (False, UnpairedReason.NEVER_ANSWERED),
        (True, UnpairedReason.UNKNOWN),
    ):
        kept = [e for e in back.exchanges if e.id != left.id or hidden]
        items = [
            e._replace(id=n, request=None if e.id == left.id else e.request)
            for n, e in enumerate(kept)
        ]
        found = correlate(recorded.clients, [replace(back, exchanges=items)], DEFAULT)
        assert [u.reason for u in found.unpaired if (u.side, u.ref) == ("client", asked)] == [
            expected
        ]


def test_where_a_backend_was_not_captured_a_503_may_be_its_own() -> None:
    """nginx names itself in every answer that it passes on; one backend of two was captured, and
    either may answer 503.
    """
    backends = (Endpoint("172.31.11.95", 8080), Endpoint("172.31.11.96", 8080))
    for uncaptured in (0, 1):
        balancer = Balancer(
            respond=[("Server", "nginx/1.22.1")],
            refuse=0.0 if uncaptured else 0.2,
            server="nginx/1.22.1",
        )
        simulation = Simulation(
            seed=5,
            balancer=balancer,
            backends=backends,
            uncaptured=uncaptured,
            separate_points=True,
        )
        client = simulation.client("192.168.0.5")
        for i in range(40):
            client.asks(
                "GET",
                f"/{i}",
                at_ms=100 * i,
                status="503 Busy" if uncaptured and i % 5 == 0 else "200 OK",
                answer=b"answer %d" % i,
            )
        recorded = simulation.run()
        found = correlate(recorded.clients, recorded.backends, DEFAULT)
        own = [u for u in found.unpaired if u.reason is UnpairedReason.ANSWERED_BY_BALANCER]
        assert bool(own) is not bool(uncaptured)


def test_an_answer_to_a_client_that_sent_nothing_is_the_balancers() -> None:
    """A connection is opened and says nothing, as load generators do, or no HTTP; the balancer
    answers 400.
    """
    for shared, said_bytes, expected in (
        (True, 0, Confidence.MEDIUM),
        (False, 0, Confidence.LOW),
        (True, 7, Confidence.MEDIUM),
    ):
        simulation = Simulation(seed=11, balancer=Balancer(add=XFF, keep_alive=shared))
        client = simulation.client("192.168.0.5")
        for i in range(6):
            client.asks("GET", f"/{i}", at_ms=100 * i)
        client.asks("GET", "/unsaid", at_ms=50, status="400 Bad Request")
        recorded = simulation.run()
        (front,), (back,) = recorded.clients, recorded.backends
        unsaid = next(
            e for e in front.exchanges if e.request is not None and e.request.target == "/unsaid"
        )
        (caused,) = recorded.truth[Ref(0, unsaid.id)]
        connections = [
            c._replace(from_client=c.from_client._replace(bytes=said_bytes))
            if c.id == unsaid.connection
            else c
            for c in front.connections
        ]
        asked = [e._replace(request=None) if e is unsaid else e for e in front.exchanges]
        answered = [
            e._replace(id=n) for n, e in enumerate(e for e in back.exchanges if e.id != caused.id)
        ]
        found = correlate(
            [replace(front, connections=connections, exchanges=asked)],
            [replace(back, exchanges=answered)],
            DEFAULT,
        )
        (said,) = (u for u in found.unpaired if u.ref == Ref(0, unsaid.id) and u.side == "client")
        assert (said.reason, said.confidence) == (UnpairedReason.ANSWERED_BY_BALANCER, expected)
        assert {p.confidence for p in found.pairs} <= {
            Confidence.HIGH,
            Confidence.CERTAIN,
            Confidence.MEDIUM,
        }


def test_an_answer_without_the_date_of_all_backends_is_the_balancers() -> None:
    """HAProxy's own pages have neither Date nor Server, nor have its backends a Server; of a head
    that was cut nothing is known.
    """
    for cut in (False, True):
        simulation = Simulation(seed=12, balancer=Balancer(refuse=0.3, server="", add=XFF))
        client = simulation.client("192.168.0.5")
        for i in range(20):
            client.asks(
                "GET",
                f"/{i}",
                at_ms=100 * i,
                answer_headers=[("Date", "Sun, 22 Nov 2026 10:00:00 GMT")],
            )
        recorded = simulation.run()
        (front,) = recorded.clients
        own = {c for c in range(len(front.exchanges)) if Ref(0, c) in recorded.own}
        marks = (Mark.HEAD_TRUNCATED,) if cut else ()
        items = [
            e._replace(response=e.response._replace(status=429, marks=marks))
            if e.id in own and e.response is not None
            else e
            for e in front.exchanges
        ]
        backs = [_unnamed(t) for t in recorded.backends]
        found = correlate([replace(_unnamed(replace(front, exchanges=items)))], backs, DEFAULT)
        said = [u for u in found.unpaired if u.ref.id in own and u.side == "client"]
        assert len(own) > 2
        assert len(said) == len(own)
        assert all((u.reason is UnpairedReason.ANSWERED_BY_BALANCER) is not cut for u in said)


def _unnamed(trace: Trace) -> Trace:
    """The trace without any Server field."""
    items = [
        e._replace(
            response=e.response._replace(
                lines=tuple(x for x in e.response.lines if x.name != "Server")
            )
        )
        if e.response is not None
        else e
        for e in trace.exchanges
    ]
    return replace(trace, exchanges=items)


def test_an_answer_on_a_connection_that_goes_on_behind_the_balancer_may_be_the_backends() -> None:
    """Each connection is a backend's, by its PROXY header, which the backend does not understand:
    it answers 400 before it was asked.
    """
    simulation = Simulation(seed=13, balancer=Balancer(kind="l4-proxy", proxy=2))
    client = simulation.client("192.168.0.5")
    for i in range(6):
        client.asks("GET", f"/{i}", at_ms=100 * i, status="400 Bad Request")
    recorded = simulation.run()
    (front,), (back,) = recorded.clients, recorded.backends
    silent = [c._replace(from_client=c.from_client._replace(bytes=0)) for c in front.connections]
    asked = [e._replace(request=None) for e in front.exchanges]
    found = correlate(
        [replace(front, connections=silent, exchanges=asked)],
        [replace(back, exchanges=[])],
        DEFAULT,
    )
    assert len(found.connection_pairs) == 6
    assert {u.reason for u in found.unpaired} == {UnpairedReason.UNKNOWN}


def elsewhere(
    server: str,
    status: str,
    behind: Sequence[tuple[str, str]] = (),
    there: Sequence[tuple[str, str]] = (),
) -> list[Unpaired]:
    """Two backends, of which the second one is not captured and answers in its own manner; what is
    said of its answers.
    """
    backends = (Endpoint("172.31.11.95", 8080), Endpoint("172.31.11.96", 8080))
    simulation = Simulation(
        seed=5,
        balancer=Balancer(wander=False),
        backends=backends,
        uncaptured=1,
        separate_points=True,
    )
    client = simulation.client("192.168.0.5")
    date = ("Date", "Sun, 22 Nov 2026 10:00:00 GMT")
    for i in range(24):
        client.asks(
            "GET", f"/{i}", at_ms=100 * i, answer=b"answer %d" % i, answer_headers=[date, *behind]
        )
        if i % 2:  # what the second one gets, in turn
            message = client.asked[-1].answer
            code, _, reason = status.partition(" ")
            lines = [
                (n, v)
                for n, v in message.lines
                if n not in ("Server", "Date") and (n, v) not in behind
            ]
            client.asked[-1].answer = replace(
                message,
                start=(code, reason),
                lines=[*([("Server", server)] if server else []), *there, *lines],
            )
    recorded = simulation.run()
    found = correlate(recorded.clients, recorded.backends, DEFAULT)
    assert len([p for p in found.pairs if p.confidence is not Confidence.LOW]) >= 10
    return [u for u in found.unpaired if u.side == "client"]


@pytest.mark.parametrize("server", ["Kestrel", ""])
@pytest.mark.parametrize("status", ["404 Not Found", "401 Unauthorized", "302 Found"])
def test_a_backend_of_another_kind_that_was_not_captured_is_no_balancer(
    server: str, status: str
) -> None:
    """It sends no Date, as some application servers do."""
    said = elsewhere(server, status)
    assert said
    assert not [
        u
        for u in said
        if u.reason is UnpairedReason.ANSWERED_BY_BALANCER
        and u.confidence in (Confidence.HIGH, Confidence.CERTAIN)
    ]
    if server:
        assert not [
            u
            for u in said
            if u.reason is UnpairedReason.ANSWERED_BY_BALANCER
            and u.confidence is not Confidence.LOW
        ]


def test_the_mark_of_a_cache_tells_nothing_where_backends_are_caches() -> None:
    hit = [("Age", "300"), ("X-Cache", "HIT")]
    said = elsewhere("gunicorn", "200 OK", behind=hit, there=hit)
    assert said
    assert not [
        u
        for u in said
        if u.reason is UnpairedReason.ANSWERED_BY_BALANCER and u.confidence is not Confidence.LOW
    ]


@pytest.mark.parametrize("same", [True, False])
def test_a_request_is_not_a_strangers_while_a_client_asked_the_same(same: bool) -> None:
    simulation = Simulation(seed=5, balancer=Balancer())
    laptop = simulation.client("192.168.0.5")
    for n in range(4):
        laptop.asks("GET", f"/{n}", at_ms=200 * n, answer=b"answer %d" % n)
    run = simulation.run()
    found = correlate(run.clients, run.backends, DEFAULT)
    state = match(run.clients, run.backends, DEFAULT).pairs
    first, second = found.pairs[0], found.pairs[1]
    backend = first.attempts[0].backend
    rest = [
        Unpaired(
            "client",
            (first if same else second).client,
            UnpairedReason.UNKNOWN,
            Confidence.LOW,
            UnpairedDetail.ALSO_ASKED,
        ),
        Unpaired(
            "backend",
            backend,
            UnpairedReason.OTHER_CLIENT,
            Confidence.LOW,
            UnpairedDetail.NO_CLIENT_EXCHANGE,
        ),
    ]
    (_, told) = open_questions(state, rest)
    assert told.reason is (UnpairedReason.UNKNOWN if same else UnpairedReason.OTHER_CLIENT)


@pytest.mark.parametrize("same", [True, False])
def test_a_request_is_not_a_strangers_while_a_client_got_such_an_answer(
    same: bool, tmp_path: Path
) -> None:
    """The balancer writes /v1users for /api/users, and nothing of the two targets agrees."""
    play = Script()
    for n in range(4):
        exchange(play, f"/{n}")
    missing, other = message("404 Not Found", "nope"), message("404 Not Found", "gone")
    front = play.front().asks(request("/api/users"))
    play.back().asks(request("/v1users")).answers(missing).closes()
    front.answers(missing if same else other).leaves()
    play.wait(100)
    exchange(play, "/9")
    (told,) = (u for u in play.report(tmp_path).correlation.unpaired if u.side == "backend")
    assert (told.reason, told.detail) == (
        (UnpairedReason.UNKNOWN, UnpairedDetail.ANSWERED_ALIKE)
        if same
        else (UnpairedReason.OTHER_CLIENT, UnpairedDetail.NO_CLIENT_EXCHANGE)
    )


def test_a_redirect_that_the_balancer_follows_is_no_strangers_request(tmp_path: Path) -> None:
    """The backend is asked for what the client wants, then for what it was sent to."""
    play = Script()
    for n in range(4):
        line, host = b"GET %s/%d HTTP/1.1\r\n", b"Host: a\r\nX-Id: 7f3a9c0d51e24b8%d\r\n\r\n" % n
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\npage %02d" % n
        front = play.front().asks(line % (b"/old", n) + host)
        moved = b"HTTP/1.1 302 Found\r\nLocation: /new/%d\r\nContent-Length: 0\r\n\r\n" % n
        play.back().asks(line % (b"/old", n) + b"Host: a\r\n\r\n").answers(moved).closes()
        play.back().asks(line % (b"/new", n) + host).answers(answer).closes()
        front.answers(answer).leaves()
        play.wait(100)
    report = play.report(tmp_path)
    assert len(report.correlation.pairs) == 4
    left = [u for u in report.correlation.unpaired if u.side == "backend"]
    assert {(u.reason, u.detail) for u in left} == {
        (UnpairedReason.UNKNOWN, UnpairedDetail.ASKED_BY_CLIENT)
    }


@pytest.mark.parametrize(("status", "open_"), [(200, True), (404, False)])
def test_a_request_is_not_a_strangers_while_one_of_a_client_was_lost(
    status: int, open_: bool
) -> None:
    """The capture of the clients has the answer to the first one, 200, and not its request."""
    simulation = Simulation(seed=5, balancer=Balancer())
    laptop = simulation.client("192.168.0.5")
    for n in range(4):
        laptop.asks("GET", f"/{n}", at_ms=200 * n, answer=b"answer %d" % n)
        if n:
            laptop.asks("GET", f"/no/{n}", at_ms=200 * n + 90, status="404 Not Found")
    run = simulation.run()
    (clients,) = run.clients
    exchanges = [clients.exchanges[0]._replace(request=None), *list(clients.exchanges)[1:]]
    state = match([replace(clients, exchanges=exchanges)], run.backends, DEFAULT).pairs
    (answered,) = [
        e.id
        for e in run.backends[0].exchanges
        if e.request and e.request.target == ("/0" if status == 200 else "/no/1")
    ]
    unknown, stranger = UnpairedReason.UNKNOWN, UnpairedReason.OTHER_CLIENT
    lost, none = UnpairedDetail.REQUEST_NOT_CAPTURED, UnpairedDetail.NO_CLIENT_EXCHANGE
    rest = [
        Unpaired("client", Ref(0, 0), unknown, Confidence.LOW, lost),
        Unpaired("backend", Ref(0, answered), stranger, Confidence.LOW, none),
    ]
    (_, told) = open_questions(state, rest)
    assert (told.reason, told.detail) == (
        (unknown, UnpairedDetail.CLIENT_REQUEST_LOST) if open_ else (stranger, none)
    )


def test_an_answer_that_came_before_its_request_is_no_strangers(tmp_path: Path) -> None:
    """A backend refuses the PROXY header before the request arrives."""
    play, bad = Script(), b"HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\n"
    for n in range(3):
        ask = b"GET /%d HTTP/1.1\r\nHost: a.example\r\n\r\n" % n
        front = play.front()
        source = b"%s %s %d 80" % (CLIENT.encode(), FRONT.encode(), front.ends[0][1])
        back = play.back().asks(b"PROXY TCP4 " + source + b"\r\n")
        front.asks(ask)
        if n == 2:
            back.answers(bad + b"no%d" % n).asks(ask).closes(reset=True)
        else:
            back.asks(ask).answers(bad + b"no%d" % n).closes()
        front.answers(bad + b"no%d" % n).leaves()
        play.wait(100)
    report = play.report(tmp_path)
    assert len(report.correlation.pairs) == 3
    assert [a.outcome.value for p in report.correlation.pairs for a in p.attempts] == [
        "answered"
    ] * 3
    (left,) = report.correlation.unpaired
    assert (left.side, left.reason) == ("backend", UnpairedReason.NEVER_ANSWERED)
    assert left.detail is UnpairedDetail.ANSWERED_BEFORE


def test_a_request_after_the_balancers_fin_reached_nobody(tmp_path: Path) -> None:
    play, page = Script(), b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    front = play.front()
    for n in range(2):
        ask = b"GET /%d HTTP/1.1\r\nHost: a.example\r\n\r\n" % n
        front.asks(ask)
        play.back().asks(ask).answers(page)
        front.answers(page)
    front.server_closes_first()
    front.asks(b"GET /3 HTTP/1.1\r\nHost: a.example\r\n\r\n").closes(reset=True)
    (left,) = play.report(tmp_path).correlation.unpaired
    assert left.reason is UnpairedReason.NEVER_ANSWERED
    assert left.detail is UnpairedDetail.SENT_AFTER_CLOSE


@pytest.mark.parametrize("times", [2, 3, 7])
def test_a_request_that_nobody_acknowledged_reached_nobody(times: int, tmp_path: Path) -> None:
    """However long a capture of the other side might have gone on. Two sendings show nothing: an
    acknowledgement may be late.
    """
    play, page = Script(), b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    front = play.front()
    for n in range(2):
        ask = b"GET /%d HTTP/1.1\r\nHost: a.example\r\n\r\n" % n
        front.asks(ask)
        play.back().asks(ask).answers(page)
        front.answers(page)
    play.wait(6000)
    front.asks_in_vain(b"GET /3 HTTP/1.1\r\nHost: a.example\r\n\r\n", times)
    (left,) = play.report(tmp_path).correlation.unpaired
    in_vain = left.detail is UnpairedDetail.NOT_ACKNOWLEDGED
    assert in_vain == (times > 2)
    assert left.value == (str(times) if in_vain else "")
    assert (left.reason is UnpairedReason.NEVER_ANSWERED) == in_vain


@pytest.mark.parametrize("asked_behind", [False, True])
def test_an_error_about_the_request_in_the_balancers_name_is_its_own(
    asked_behind: bool, tmp_path: Path
) -> None:
    """The balancer writes its name into every answer, and refuses a cookie that is too large; not
    so where a backend was asked for the same by nobody else.
    """
    play, ok = Script(), b"HTTP/1.1 200 OK\r\nServer: %s\r\nContent-Length: 6\r\n\r\npage %d"
    bad = b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nContent-Length: 2\r\n\r\nno"
    for n in range(3):
        ask = b"GET /%d HTTP/1.1\r\nHost: a.example\r\n\r\n" % n
        front = play.front().asks(ask)
        play.back().asks(ask).answers(ok % (b"app", n)).closes()
        front.answers(ok % (b"nginx", n)).leaves()
        play.wait(100)
    large = b"GET /0 HTTP/1.1\r\nHost: a.example\r\nCookie: a=" + b"x" * 9000 + b"\r\n\r\n"
    front = play.front().asks(large)
    if asked_behind:
        play.back().asks(b"GET /0 HTTP/1.1\r\nHost: a.example\r\n\r\n").answers(ok % (b"app", 9))
    front.answers(bad).closes()
    report = play.report(tmp_path)
    told = [u for u in report.correlation.unpaired if u.side == "client"]
    if asked_behind:
        assert {u.reason for u in told} <= {UnpairedReason.UNKNOWN}
    else:
        assert [(u.reason, u.detail, u.value) for u in told] == [
            (UnpairedReason.ANSWERED_BY_BALANCER, UnpairedDetail.REFUSED_REQUEST, "400")
        ]


DATE = b"Date: Sun, 29 Nov 2026 10:00:00 GMT\r\n"
APP = b"HTTP/1.1 %s\r\n" + DATE + b"Server: app\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize("pause_ms", [1, 2000, 4000])
def test_an_error_after_the_backend_capture_ended_may_be_the_backends(
    tmp_path: Path, pause_ms: int
) -> None:
    """It bears the backends' name, and a capture runs for longer than its packets show."""
    play = Script()
    asked = b"GET /%d HTTP/1.1\r\nHost: a\r\nX-Id: 7f3a9c0d51e24b8%d\r\n\r\n"
    for n in range(4):
        front, back = play.front().asks(asked % (n, n)), play.back().asks(asked % (n, n))
        back.answers(APP % b"200 OK", pause_ms=3)
        front.answers(APP % b"200 OK", pause_ms=3)
    play.wait(pause_ms)
    play.front().asks(asked % (9, 9)).answers(APP % b"502 Bad Gateway", pause_ms=3)
    (left,) = play.report(tmp_path).correlation.unpaired
    assert (left.reason, left.detail) == (UnpairedReason.UNKNOWN, UnpairedDetail.CAPTURE_EDGE)


@pytest.mark.parametrize(
    ("status", "captured", "pause_ms", "detail"),
    [
        (b"400", True, 0, UnpairedDetail.REFUSED_REQUEST),
        (b"400", False, 0, UnpairedDetail.BACKEND_REQUEST_LOST),
        (b"404", False, 0, UnpairedDetail.REFUSED_REQUEST),  # no such answer
        (b"400", False, 900, UnpairedDetail.REFUSED_REQUEST),  # it came too late for this client
    ],
)
def test_an_answer_to_a_request_that_the_backend_capture_lost_may_be_the_clients(
    status: bytes, captured: bool, pause_ms: float, detail: UnpairedDetail, tmp_path: Path
) -> None:
    """The balancer writes its name into every answer, also into those of a backend."""
    play, ok = Script(), b"HTTP/1.1 200 OK\r\nServer: %s\r\nContent-Length: 6\r\n\r\npage %d"
    bad = b"HTTP/1.1 %s No\r\nServer: %s\r\nContent-Length: 2\r\n\r\nno"
    ask = b"GET /%d HTTP/1.1\r\nHost: a.example\r\n\r\n"
    for n in range(3):
        front = play.front().asks(ask % n)
        play.back().asks(ask % n).answers(ok % (b"app", n)).closes()
        front.answers(ok % (b"nginx", n)).leaves()
        play.wait(100)
    front = play.front().asks(ask % 7)
    if pause_ms:
        front.answers(bad % (b"400", b"nginx")).leaves()
        play.wait(pause_ms)
    if not captured:
        back, before = play.back(), len(play.backend)
        back.asks(ask % 7)
        del play.backend[before]
        back.answers(bad % (status, b"app")).closes()
    if not pause_ms:
        front.answers(bad % (b"400", b"nginx")).leaves()
    play.front().asks(ask % 8)
    play.back().asks(ask % 8)
    front_file, back_file = map(str, play.write(tmp_path))
    clients = [inspect([front_file], Side.CLIENT)]
    backends = [inspect([back_file], Side.BACKEND)]
    found = match(clients, backends, DEFAULT)
    (asked,) = (e.id for e in clients[0].exchanges if e.response and e.response.status == 400)
    if asked in found.pairs.caused:
        found.pairs.remove(asked)
    told = client_reasons(found.pairs, found.clocks)
    assert [u.detail for u in told if u.ref.id == asked] == [detail]


REDIRECTED = b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n"
PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage"


def own_redirects(play: Script, folder: Path) -> list[UnpairedReason]:
    """Why two redirects of clients have no partner."""
    for n in range(2):
        play.front().asks(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % n).answers(REDIRECTED).leaves()
    found = play.report(folder).correlation.unpaired
    return [u.reason for u in found if u.side == "client"]


@pytest.mark.parametrize(
    ("behind", "in_front", "own"),
    [
        (False, False, True),
        (True, False, False),  # the exchange behind may be one of a time that is not in front
        (False, True, False),  # a page comes from a backend, and no capture shows it
    ],
)
def test_that_nothing_lies_behind_is_seen_where_all_that_lies_behind_is_known(
    behind: bool, in_front: bool, own: bool, tmp_path: Path
) -> None:
    """A redirect without a partner, where nothing was paired."""
    play = Script()
    if behind:
        other = b"POST /other HTTP/1.1\r\nHost: b\r\nContent-Length: 3\r\n\r\nabc"
        play.back().asks(other).answers(PAGE).closes()
    if in_front:
        play.front().asks(b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n").answers(PAGE).leaves()
    reasons = own_redirects(play, tmp_path)
    assert (UnpairedReason.ANSWERED_BY_BALANCER in reasons) is own
