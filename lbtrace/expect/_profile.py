"""A profile of a known balancer as expectations: does it behave as its maker documents?

The kind must be one of the profile's. Then each rule is an outcome:

    must    holds when its line was seen, fails when it was not though it could have been
    never   fails when its line was seen, holds when it was not though it could have been
    sign    holds when its line was seen; otherwise it had no occasion

What a rule does not name is forgiven: it never fails. A rule without occasion is listed and makes
no check inconclusive. `aws-nlb` stands for the profiles whose ids begin with it: it holds if one of
them does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lbtrace.errors import OptionError, nearest
from lbtrace.http_fields.lines import lowered
from lbtrace.language.plurals import noun
from lbtrace.model.behaviour import Behaviour
from lbtrace.model.expectation import Fulfilment, Outcome
from lbtrace.model.report import Evidence
from lbtrace.profiles import SEEN_IN_PAIRS, Profile, Rule, profiles

ALIASES = {"aws-nlb": ("aws-nlb-tcp", "aws-nlb-tls"), "aws-clb": ("aws-clb-http", "aws-clb-tcp")}


def judge_profile(name: str, behaviour: Behaviour) -> tuple[Outcome, ...]:
    """The outcomes of the profile of that id; of an alias those of the member that fits best.
    OptionError for an id that there is not.
    """
    every = [tuple(_outcomes(profile, behaviour)) for profile in _named(name)]
    return min(every, key=lambda outcomes: (_failures(outcomes), -_held(outcomes)))


def require_profile(name: str) -> None:
    """OptionError for an id that there is not."""
    _named(name)


def _named(name: str) -> Sequence[Profile]:
    known = {profile.id: profile for profile in profiles()}
    wanted = ALIASES.get(name, (name,))
    if any(each not in known for each in wanted):
        raise OptionError(
            "unknown-profile",
            f"There is no profile {name!r}{nearest(name, [*known, *ALIASES]) or '.'}",
            "See: lbtrace profiles.",
        )
    return [known[each] for each in wanted]


def _failures(outcomes: Sequence[Outcome]) -> int:
    return sum(outcome.fails for outcome in outcomes)


def _held(outcomes: Sequence[Outcome]) -> int:
    return sum(outcome.answer is Fulfilment.HOLDS for outcome in outcomes)


def _outcomes(profile: Profile, behaviour: Behaviour) -> Iterator[Outcome]:
    key = f"profile.{profile.id}"
    kind = behaviour.fact("balancer.kind")
    expected = f"{profile.name}: the balancer is of kind {' or '.join(profile.kinds)}"
    if behaviour.undecided or kind is None or kind.value is None:
        reason = behaviour.undecided or (kind.unknown if kind is not None else "not known")
        seen = "nothing was judged"
        yield Outcome(f"{key}.kind", Fulfilment.INCONCLUSIVE, expected, seen, reason=reason)
        return
    fits = kind.value in profile.kinds
    yield Outcome(
        f"{key}.kind",
        Fulfilment.HOLDS if fits else Fulfilment.FAILED,
        expected,
        kind.seen,
        kind.evidence,
    )
    for number, rule in enumerate(profile.rules, 1):
        if rule.weight:
            yield _rule(f"{key}.rule-{number}", profile, rule, behaviour)


def _rule(key: str, profile: Profile, rule: Rule, behaviour: Behaviour) -> Outcome:
    lines = behaviour.fact(f"habits.{rule.place}")
    texts = () if lines is None else lines.values
    line = next((text for text in texts if rule.pattern.fullmatch(text)), None)
    expected = f"{profile.name} {rule.text}"
    if line is not None:
        return Outcome(
            key,
            Fulfilment.FAILED if rule.role == "never" else Fulfilment.HOLDS,
            expected,
            f"seen: {line}",
            _evidence(line, rule, behaviour),
            example=line,
        )
    could = _had_occasion(rule, behaviour)
    if rule.role == "sign" or not could:
        return Outcome(
            key,
            Fulfilment.INCONCLUSIVE,
            expected,
            "not seen",
            reason="nothing in the captures could have shown it" if not could else "not seen",
            without_occasion=True,
        )
    missing = rule.role == "must"
    return Outcome(
        key,
        Fulfilment.FAILED if missing else Fulfilment.HOLDS,
        expected,
        f"not seen{_in_how_many(rule, behaviour)}"
        if missing
        else "nothing to the contrary was seen",
        _evidence("", rule, behaviour),
    )


def _in_how_many(rule: Rule, behaviour: Behaviour) -> str:
    """In how many pairs a line of the rule could have been."""
    pairs = behaviour.fact("habits")
    if rule.place not in SEEN_IN_PAIRS or pairs is None:
        return ""
    return f" in any of {pairs.value} {noun(int(pairs.value or 0), 'pair')} of exchanges"


def _had_occasion(rule: Rule, behaviour: Behaviour) -> bool:
    """Whether the captures could have shown a line of the rule."""
    if rule.place in SEEN_IN_PAIRS:
        pairs = behaviour.fact("habits")
        return pairs is not None and bool(pairs.value)
    return behaviour.fact(f"habits.{rule.place}") is not None


def _evidence(line: str, rule: Rule, behaviour: Behaviour) -> tuple[Evidence, ...]:
    """The packets of the field that a line is about, else those of the heads compared."""
    direction = "response" if rule.place.startswith("response") else "request"
    name = lowered(line.partition(":")[0])
    for fact in (
        behaviour.fact(f"{direction}.headers.{name}"),
        behaviour.fact(f"{direction}.headers"),
    ):
        if fact is not None and fact.evidence:
            return fact.evidence
    return ()
