"""What is wrong in a file of expectations is named with file, line, key and the nearest name."""

from __future__ import annotations

import pytest

from lbtrace.errors import OptionError
from lbtrace.model.behaviour import Behaviour
from tests.expect.files import outcomes


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[balancer]\nkind = "l7"\n', r'line 2: balancer\.kind: "l7" is none of direct'),
        ('[balancer]\nknd = "l7-proxy"\n', r'balancer\.knd.*Did you mean "balancer\.kind"\?'),
        ('[balance]\nkind = "x"\n', r'line 1: balance: .*Did you mean "balancer"\?'),
        ("[errors]\nmade_by_balancer = true\n", r"line 2: .*not true"),
        ('[errors]\nmade_by_balancer = "< 0"\n', r"nothing is below 0"),
        ('[latency]\nadded_p95 = "5"\n', r"a time like"),
        ('[request.headers]\nHost = "unchangd"\n', r'Did you mean "unchanged"\?'),
        ("[request.headers]\nHost = { presnt = true }\n", r'Did you mean "present"\?'),
        ("[request.headers]\nHost = { present = false, unique = true }\n", r"no other property"),
        ('[request.headers]\nHost = { present = false, equals = "a" }\n', r"no other property"),
        ("[balancer]\nkind = 3\n", r"kind: a text is expected, not 3\."),
        ("[balancer]\nkind = true\n", r"kind: a text is expected, not true\."),
        ('[latency]\nadded_p95 = "soon"\n', r'is expected, not "soon"\.'),
        ('[request.headers]\nAccept = "client-address"\n', r"it is in .*x-forwarded-for"),
        ('[response.headers]\nX-Forwarded-For = "client-address"\n', r"responses do not state"),
        ("[request.headers]\nHost = 3\n", r"a word like"),
        ('[balancer]\nkind = { value = "l7-proxy", warn = 1 }\n', r"true or false"),
        ("balancer = 3\n", r"line 1: balancer: is a section: write \[balancer\] above its keys"),
        ("[request]\nheaders = 3\n", r"line 2: request.headers: is a section"),
        ('[request.header]\nHost = "x"\n', r'Did you mean "request.headers"'),
        ('[request.headers]\n"Ho st" = "present"\n', r'"Ho st" is no name of a header field'),
        ('[balancer]\nlooks_like = "ngnix"\n', r'there is no "ngnix". Did you mean "nginx"'),
        ('[distribution]\nlargest_share = "<= 160%"\n', r"a share is at most 100%"),
        ('[distribution]\nlargest_share = "> 100%"\n', r"a share is at most 100%"),
        ("[trust]\nclient_sent_forwarded = []\n", r"at least one of append, keep, remove, replace"),
        ("# nothing\n", r"expects nothing"),
        ('[findings]\nfail_on = "info"\n', r"none of critical, high, low, medium"),
    ],
)
def test_what_is_wrong_is_one_line(text: str, says: str) -> None:
    with pytest.raises(OptionError, match=says) as caught:
        outcomes(text, Behaviour())
    assert "\n" not in str(caught.value)


ALLOW = '[[allow]]\nfinding = "retries.repeated"\nuntil = 2027-03-01\nreason = "known"\n'


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("until = 2027-03-01\n", "", r"line 4: allow: an allowance needs until"),
        ('reason = "known"\n', "", r"needs reason"),
        ('"known"', '" "', r"needs a reason"),
        ("2027-03-01", '"2027-03-01"', r"a day like"),
        ("2027-03-01", "2027-03-01T00:00:00Z", r"a day like"),
        ("retries.repeated", "retires", r'no finding "retires"\. Did you mean "retries"\?'),
        ("retries.repeated", "retries.repeatd", r'Did you mean "retries.repeated"'),
        ("reason", "raison", r'line 7: allow: there is no "raison"'),
    ],
)
def test_an_allowance_needs_an_end_and_a_reason(old: str, new: str, says: str) -> None:
    text = '[balancer]\nkind = "l7-proxy"\n\n' + ALLOW
    with pytest.raises(OptionError, match=says):
        outcomes(text.replace(old, new), Behaviour())
    outcomes(text, Behaviour())


def test_a_mark_of_byte_order_is_no_mistake() -> None:
    (outcome,) = outcomes('\ufeff[balancer]\nkind = "l7-proxy"\n', Behaviour())
    assert outcome.place.line == 2
