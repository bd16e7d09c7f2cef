"""Marks of known balancers in one capture."""

from __future__ import annotations

from lbtrace.findings.backends.balancer_likeness import IN_REQUESTS
from lbtrace.findings.backends.sessions import STICKY
from lbtrace.http_fields import OF_MANY_PROXIES
from lbtrace.profiles import profiles
from tests.findings.simulated import ALB, four, judge_alone, values
from tests.simulator import Balancer

TRACE_ID = ("X-Amzn-Trace-Id", "Root=1-610bd1a5-3b1f0c2d4e5f60718293a4b5")


def names(balancer: Balancer, behind: bool) -> list[str]:
    """The balancers whose marks the capture in front, or behind, shows."""
    recorded = four(balancer).run()
    trace = (recorded.backends if behind else recorded.clients)[0]
    return [str(values(f)["balancer"]) for f in judge_alone(trace).of("balancer-likeness")]


def test_a_field_that_only_one_balancer_writes_names_it() -> None:
    alb = next(p.name for p in profiles() if p.id == "aws-alb")
    assert names(Balancer(add=[TRACE_ID]), behind=True) == [alb]
    assert names(Balancer(add=[TRACE_ID]), behind=False) == []


def test_its_health_checks_name_it() -> None:
    assert "AWS Application Load Balancer" in names(ALB, behind=True)


def test_a_cookie_of_its_own_names_it_in_front() -> None:
    cookie = ("Set-Cookie", "AWSALB=Qx0aBc; Path=/")
    assert names(Balancer(respond=[cookie]), behind=False) == ["AWS Application Load Balancer"]


def test_fields_that_every_proxy_writes_name_nobody() -> None:
    assert names(Balancer(add=[("X-Forwarded-For", "{client}")]), behind=True) == []


def test_server_names_nobody_for_the_backend_may_be_the_same_program() -> None:
    assert names(Balancer(respond=[("Server", "nginx")]), behind=False) == []


def test_no_mark_is_a_field_of_many() -> None:
    marks = {
        rule.example.partition(":")[0].lower()
        for profile in profiles()
        for rule in profile.rules
        if rule.distinctive and rule.place in IN_REQUESTS
    }
    assert marks
    assert not marks & OF_MANY_PROXIES


def test_every_cookie_that_is_a_mark_is_looked_at() -> None:
    cookies = [
        rule.example.partition(": ")[2]
        for profile in profiles()
        for rule in profile.rules
        if rule.distinctive and rule.example.lower().startswith("set-cookie")
    ]
    assert len(cookies) >= 3
    assert all(cookie.startswith(tuple(STICKY)) for cookie in cookies)
