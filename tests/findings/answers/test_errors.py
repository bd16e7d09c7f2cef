"""Errors whose maker is open, and what is said of the time behind the balancer's own errors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lbtrace.correlate import correlate
from lbtrace.findings.answers.answered_by_balancer import NOTHING_BEHIND, SOMETHING_BEHIND
from lbtrace.model.pairing import (
    Confidence,
    Correlation,
    Unpaired,
    UnpairedDetail,
    UnpairedReason,
)
from lbtrace.model.report import Severity
from lbtrace.options import Options
from tests.findings.simulated import Judged, judge_alone, judge_recording, values
from tests.findings.through import STATED, message, request, told
from tests.findings.tls.test_tls_alerts import SERVER_HELLO
from tests.http.test_detect import hello
from tests.simulator import Balancer, Recording, Simulation
from tests.simulator.script import Script

ENCRYPTED = bytes((0x17, 3, 3, 1, 0)) + bytes(256)


def recorded(balancer: Balancer, *statuses: str) -> tuple[Recording, Correlation]:
    """One request for each status the backend answers with, each on its own connection."""
    simulation = Simulation(seed=5, balancer=balancer)
    laptop = simulation.client("192.168.0.5")
    for n, status in enumerate(statuses):
        laptop.asks("GET", f"/{n}", at_ms=200 * n, status=status, answer=b"answer %d" % n)
    run = simulation.run()
    return run, correlate(run.clients, run.backends, Options())


def without_pairs(run: Recording, found: Correlation, reason: UnpairedReason) -> Judged:
    """The findings when no pair is known and every client exchange is unpaired for a reason."""
    rest = [
        Unpaired("client", p.client, reason, Confidence.MEDIUM, UnpairedDetail.ALSO_ASKED)
        for p in found.pairs
    ]
    alone = replace(found, pairs=(), connection_pairs=(), changes=(), unpaired=tuple(rest))
    return judge_recording(run, alone)


def test_an_error_without_a_pair_is_counted_as_open() -> None:
    run, found = recorded(Balancer(refuse=1.0), "200 OK", "200 OK")
    assert len(found.unpaired) == 2
    unknown = [u._replace(reason=UnpairedReason.UNKNOWN) for u in found.unpaired]
    judged = judge_recording(run, replace(found, unpaired=tuple(unknown)))
    said = judged.one("errors.open")
    assert (values(said)["count"], values(said)["of"]) == (2, 2)
    assert "behind" not in values(said)
    assert not judged.of("errors.balancer")


@pytest.mark.parametrize("says", [False, True])
def test_what_an_open_error_says_is_told(says: bool) -> None:
    run, found = recorded(Balancer(refuse=1.0), "200 OK", "200 OK")
    (front,) = run.clients
    bodies = [e.response.body for e in front.exchanges if e.response is not None]
    reasons = {body.digest: "no route" for body in bodies if body.digest is not None}
    run.clients[0] = replace(front, reasons=reasons if says else {})
    unknown = [u._replace(reason=UnpairedReason.UNKNOWN) for u in found.unpaired]
    said = judge_recording(run, replace(found, unpaired=tuple(unknown))).one("errors.open")
    assert ('The answer says "{reason}".' in said.statement) is says
    assert values(said).get("reason") == ("no route" if says else None)


def test_an_error_that_was_explained_is_not_open() -> None:
    run, found = recorded(Balancer(refuse=1.0), "200 OK")
    judged = judge_recording(run, found)
    assert judged.of("errors.balancer")
    assert not judged.of("errors.open")
    run, found = recorded(Balancer(), "500 Oops", "404 Not Found")
    judged = judge_recording(run, found)
    assert judged.of("errors.backend")
    assert not judged.of("errors.open")


def test_an_error_whose_bytes_stand_behind_is_not_the_balancers() -> None:
    run, found = recorded(Balancer(), "500 Oops", "200 OK")
    judged = without_pairs(run, found, UnpairedReason.ANSWERED_BY_BALANCER)
    said = judged.one("errors.open")
    assert (values(said)["count"], values(said)["behind"]) == (1, 1)
    assert not judged.of("errors.balancer")
    statuses = {values(f)["status"] for f in judged.of("answered-by-balancer")}
    assert "500" not in statuses


def test_a_proxy_that_changes_the_head_may_have_made_the_error() -> None:
    balancer = Balancer(respond=[("Server", "edge")])
    run, found = recorded(balancer, "500 Oops", "200 OK", "200 OK", "200 OK")
    assert len(found.pairs) == 4
    judged = without_pairs(run, found, UnpairedReason.ANSWERED_BY_BALANCER)
    assert judged.of("errors.balancer")


def test_nothing_happened_behind_only_where_no_connection_is_unexplained() -> None:
    run, found = recorded(Balancer(refuse=1.0), "200 OK")
    assert judge_recording(run, found).of("answered-by-balancer")[0].remedy == NOTHING_BEHIND
    run, found = recorded(Balancer(refuse=0.5), *["200 OK"] * 8)
    own = [u for u in found.unpaired if u.reason is UnpairedReason.ANSWERED_BY_BALANCER]
    assert own
    assert found.pairs
    explained = judge_recording(run, found).of("answered-by-balancer")
    assert {f.remedy for f in explained} == {NOTHING_BEHIND}
    open_ones = judge_recording(
        run, replace(found, pairs=(), connection_pairs=(), changes=(), clocks=())
    ).of("answered-by-balancer")
    assert {f.remedy for f in open_ones} == {SOMETHING_BEHIND}
    assert {f.side.value for e in open_ones[0].evidence for f in e.frames} == {"client", "backend"}


def test_an_error_tells_every_request_that_it_is_about() -> None:
    run, found = recorded(Balancer(), *["404 Not Found"] * 9, "200 OK")
    said = judge_recording(run, found).one("errors.backend")
    assert said.requests == tuple(f"GET /{n}" for n in range(9))
    assert len(said.evidence[0].frames) < 2 * 9  # its frames are examples


@pytest.mark.parametrize(
    ("statuses", "severity", "said"),
    [
        (("200 OK", "404 Not Found"), Severity.LOW, "404"),
        (("404 Not Found", "499 Gone", "200 OK"), Severity.LOW, "404, 499"),
        (("404 Not Found", "500 Oops"), Severity.MEDIUM, "404, 500"),
        (("399 Fine", "200 OK"), None, ""),
    ],
)
def test_of_one_capture_a_server_error_is_worse_than_a_refusal(
    statuses: tuple[str, ...], severity: Severity | None, said: str
) -> None:
    run, _ = recorded(Balancer(), *statuses)
    found = judge_alone(run.clients[0]).of("errors.seen")
    assert [f.severity for f in found] == ([severity] if severity else [])
    for each in found:
        count = sum(status[:3] >= "400" for status in statuses)
        assert (values(each)["count"], values(each)["of"]) == (count, len(statuses))
        assert all(status in str(values(each)["statuses"]) for status in said.split(", "))


@pytest.mark.parametrize(
    ("kept", "said", "remedy"),
    [
        (2, " A backend capture holds {behind} of them, byte for byte", False),
        (1, " A backend capture holds {behind} of them, byte for byte", True),
        (0, " The packets do not show whether", True),
    ],
)
def test_of_open_errors_those_that_stand_behind_are_told(
    kept: int, said: str, remedy: bool
) -> None:
    """Some, all or none of them: only where all do, nothing is left to look for."""
    run, found = recorded(Balancer(), "500 Oops", "500 Oops", "200 OK")
    (back,) = run.backends
    errors = [e for e in back.exchanges if e.response is not None and e.response.status == 500]
    lost = {e.id for e in errors[kept:]}
    run.backends[0] = replace(
        back,
        exchanges=[e._replace(response=None) if e.id in lost else e for e in back.exchanges],
    )
    told = without_pairs(run, found, UnpairedReason.UNKNOWN).one("errors.open")
    assert values(told).get("behind", 0) == kept
    assert said in told.statement
    assert bool(told.remedy) == remedy


@pytest.mark.parametrize(
    ("statuses", "of_a_gateway"),
    [
        (("504 Gateway Timeout", "502 Bad Gateway", "200 OK"), True),
        (("504 Gateway Timeout", "400 Bad Request", "200 OK"), False),
        (("500 Oops", "200 OK"), False),
    ],
)
def test_what_a_gateway_says_lies_behind_it(statuses: tuple[str, ...], of_a_gateway: bool) -> None:
    """No field and no size of the requests explains it."""
    run, _ = recorded(Balancer(), *statuses)
    (found,) = judge_alone(run.clients[0]).of("errors.seen")
    assert ("gateway" in found.remedy) == of_a_gateway
    assert ("which field" in found.remedy) != of_a_gateway


@pytest.mark.parametrize(
    ("failing", "sick"),
    [
        ({1: 4}, True),
        ({1: 3}, False),  # it answers well at times
        ({0: 1, 1: 4}, False),  # others fail, too
    ],
)
def test_a_backend_that_fails_alone_is_named_with_its_check(
    failing: dict[int, int], sick: bool, tmp_path: Path
) -> None:
    """Two backends take turns; so many of the first answers of each are errors."""
    play = Script()
    oops, fine = message("500 Oops", "db gone"), "page {}"
    for turn in range(4):
        for server in (0, 1):
            bad = turn < failing.get(server, 0)
            answer = oops if bad else message("200 OK", fine.format(2 * turn + server))
            ask = f"/{turn}/{server}"
            front = play.front().asks(request(ask))
            play.back(8080 + server).asks(request(ask, STATED)).answers(answer)
            front.answers(answer).leaves()
            play.wait(100)
    (said,) = told(play, tmp_path, "errors.backend")
    assert values(said)["reason"] == "db gone"
    assert ("One backend alone fails" in said.remedy) is sick
    assert ("option httpchk" in said.remedy) is sick
    assert ("log of the backend" in said.remedy) is not sick


@pytest.mark.parametrize(
    ("statuses", "severity", "log"),
    [
        (("400 Bad Request", "200 OK", "200 OK"), Severity.LOW, True),
        (("404 Not Found", "200 OK", "200 OK"), Severity.INFO, False),
        (("404 Not Found", "200 OK"), Severity.LOW, True),
        (("404 Not Found", "400 Bad Request", "200 OK", "200 OK", "200 OK"), Severity.LOW, True),
        (("412 Precondition Failed", "200 OK", "200 OK"), Severity.INFO, False),
        (("404 Not Found", "500 Oops", "200 OK", "200 OK", "200 OK"), Severity.MEDIUM, True),
    ],
)
def test_what_a_backend_refuses_is_a_problem_but_a_few_missing_pages_are_not(
    statuses: tuple[str, ...], severity: Severity, log: bool
) -> None:
    run, found = recorded(Balancer(), *statuses)
    said = judge_recording(run, found).one("errors.backend")
    assert said.severity is severity
    assert ("log" in said.remedy) is log


@pytest.mark.parametrize(("after", "severity"), [("200 OK", "info"), ("401 Unauthorized", "low")])
def test_a_login_that_succeeds_is_no_error_of_the_backend(
    after: str, severity: str, tmp_path: Path
) -> None:
    play = Script()
    front, back = play.front(), play.back()
    login = "Authorization: Basic eDp5"
    for lines, status in (((), "401 Unauthorized"), ((login,), after)):
        front.asks(request("/me", *lines))
        back.asks(request("/me", STATED, *lines))
        back.answers(message(status, "x"))
        front.answers(message(status, "x"))
        play.wait(20)
    (said,) = told(play, tmp_path, "errors.backend")
    assert said.severity.value == severity


@pytest.mark.parametrize(
    ("status", "page", "advice"),
    [
        ("400 Bad Request", "Session ID unknown", "keep a client with its backend"),
        ("404 Not Found", "No Connection with that ID", "keep a client with its backend"),
        ("426 Upgrade Required", "", "proxy_http_version 1.1"),
        ("400 Bad Request", "no such thing", "compare them"),
    ],
)
def test_what_the_answer_of_a_backend_says_has_its_own_advice(
    status: str, page: str, advice: str, tmp_path: Path
) -> None:
    play = Script()
    front, back = play.front(), play.back()
    front.asks(request("/socket.io/?EIO=4&sid=abc"))
    back.asks(request("/socket.io/?EIO=4&sid=abc", STATED)).answers(message(status, page))
    front.answers(message(status, page))
    (said,) = told(play, tmp_path, "errors.backend")
    assert advice in said.remedy


@pytest.mark.parametrize(
    ("statuses", "severity"),
    [
        (("403 Forbidden", "200 OK"), Severity.LOW),
        (("500 Oops", "200 OK"), Severity.MEDIUM),
        (("404 Not Found", "200 OK", "200 OK"), Severity.INFO),
        (("200 OK", "200 OK"), None),
    ],
)
def test_what_a_backend_says_behind_tls_is_told_of_it_alone(
    statuses: tuple[str, ...], severity: Severity | None, tmp_path: Path
) -> None:
    """The client side is encrypted: who got the errors is not known."""
    play = Script()
    for n, status in enumerate(statuses):
        front = play.front(443).asks(hello("a.example", [])).answers(SERVER_HELLO)
        front.asks(ENCRYPTED)
        play.back().asks(request(f"/{n}", STATED)).answers(message(status, "why")).closes()
        front.answers(ENCRYPTED).leaves()
        play.wait(100)
    found = told(play, tmp_path, "errors.behind")
    assert [f.severity for f in found] == ([severity] if severity else [])
    for said in found:
        assert (values(said)["count"], values(said)["of"]) == (1, len(statuses))
        assert "TLS hides" in said.statement
