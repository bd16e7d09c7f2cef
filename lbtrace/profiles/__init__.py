"""What known load balancers do: one TOML each, and how well one fits what was seen.

A profile is a list of rules. A rule looks in one `place` (see `PLACES`) for a line that its
`pattern` matches whole, case included, and is one of

    sign    its presence supports the profile
    must    the default behaviour: its presence supports the profile, its absence contradicts it
    never   its presence contradicts the profile

A `distinctive` rule is one that no other balancer satisfies by accident; without one a profile is
"consistent with" what was seen and is never named. `certainty` is "documented" (by the maker),
"source" (read in the program), "observed" (in captures) or "unsure"; unsure rules are shown and
never scored. Every rule carries an `example` line it matches and may carry an `unlike` line it must
not match; a test holds both.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from lbtrace.model.report import ProfileMatch

PLACES: Mapping[str, str] = {
    "request-written": "a request line behind the balancer that is not as the client sent it: "
    "added, changed, or a second line of its name",
    "request-added": "a request line behind the balancer of a name the client did not send",
    "request-removed": "a request line the client sent that is missing behind the balancer",
    "response-written": "a response line the client got that is not as the backend sent it",
    "response-removed": "a response line the backend sent that the client did not get",
    "own-answer": "a line of the head of a response that the balancer made itself",
    "health-check": "a line of the head of a health check",
    "proxy-header": "PROXY v1, PROXY v2, or PROXY v2 TLV 0x…",
    "trait": "a trait of the traffic as a whole, see lbtrace.verdict.traits",
}
ROLES = ("sign", "must", "never")
CERTAINTIES = ("documented", "source", "observed", "unsure")
SEEN_IN_PAIRS = (
    "request-written",
    "request-added",
    "request-removed",
    "response-written",
    "response-removed",
    "trait",
)
DISTINCTIVE_WEIGHT, WEIGHT = 4, 1
MOST_LISTED = 8


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing a balancer does, with an example of it."""

    place: str
    role: str
    text: str
    pattern: re.Pattern[str]
    certainty: str
    example: str
    unlike: str = ""
    distinctive: bool = False

    @property
    def weight(self) -> int:
        """What it counts in the score."""
        return (
            0 if self.certainty == "unsure" else DISTINCTIVE_WEIGHT if self.distinctive else WEIGHT
        )


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known of one balancer. `kinds` are the verdicts it can stand behind (values of
    model.report.Kind).
    """

    id: str
    name: str
    kinds: tuple[str, ...]
    summary: str
    sources: tuple[str, ...]
    rules: tuple[Rule, ...]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Observed:
    """What was seen, as lines by place. `pairs` is the number of exchanges (or connections)
    compared: with none, a missing line means nothing.
    """

    kind: str
    pairs: int
    lines: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@cache
def profiles() -> tuple[Profile, ...]:
    """Every profile there is, by id."""
    folder = resources.files(__name__)
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    return tuple(_profile(tomllib.loads(f.read_text(encoding="utf-8"))) for f in files)


def _profile(table: Mapping[str, object]) -> Profile:
    rules = table.get("rule", [])
    assert isinstance(rules, list)
    return Profile(
        id=str(table["id"]),
        name=str(table["name"]),
        kinds=_texts(table["kinds"]),
        summary=str(table["summary"]),
        sources=_texts(table["sources"]),
        rules=tuple(_rule(r) for r in rules),
        remarks=_texts(table.get("remarks", [])),
    )


def _texts(value: object) -> tuple[str, ...]:
    assert isinstance(value, list)
    return tuple(str(v) for v in value)


def _rule(table: Mapping[str, object]) -> Rule:
    return Rule(
        place=str(table["place"]),
        role=str(table["role"]),
        text=str(table["text"]),
        pattern=re.compile(str(table["pattern"])),
        certainty=str(table["certainty"]),
        example=str(table["example"]),
        unlike=str(table.get("unlike", "")),
        distinctive=bool(table.get("distinctive", False)),
    )


def rank(observed: Observed) -> tuple[ProfileMatch, ...]:
    """How well each profile fits, best first; profiles that nothing supports are left out. At most
    one is named.

    The score is the weight of the rules that support a profile, in percent of all rules that could
    be decided. A profile is named only when something distinctive was seen, nothing contradicts it,
    and the next that could be named has both less that is distinctive and a lower score.
    """
    fits = [_fit(profile, observed) for profile in profiles() if observed.kind in profile.kinds]
    fits = sorted(
        (f for f in fits if f.matched),
        key=lambda f: (not f.can_be_named, -f.gained, -f.score, f.profile.id),
    )
    named = ""
    if fits and fits[0].can_be_named:
        rivals = [f for f in fits[1:] if f.can_be_named and f.gained >= fits[0].gained]
        named = "" if rivals else fits[0].profile.id
    if named:
        close = [f for f in fits if f.profile.id == named or f.distinctive]
    else:
        close = [
            f
            for f in fits
            if f.distinctive or (not f.contradicted and f.gained >= _enough(observed.kind))
        ]
    return tuple(f.match(f.profile.id == named) for f in close[:MOST_LISTED])


def _enough(kind: str) -> int:
    """What it takes to be listed as consistent with what was seen: every packet NAT looks alike, an
    HTTP proxy shows at least two habits.
    """
    return 2 if kind == "l7-proxy" else 1


@dataclass(frozen=True, slots=True)
class _Fit:
    """One profile compared with what was seen: the rules that support it and those that contradict
    it, each with its line, and the weights of both.
    """

    profile: Profile
    matched: tuple[tuple[Rule, str], ...]
    contradicted: tuple[tuple[str, str], ...]
    gained: int
    lost: int

    @property
    def score(self) -> int:
        """The share in favour, in percent."""
        return 100 * self.gained // (self.gained + self.lost) if self.gained + self.lost else 0

    @property
    def can_be_named(self) -> bool:
        """Something distinctive was seen, and nothing against it."""
        return not self.contradicted and self.distinctive

    @property
    def distinctive(self) -> bool:
        """Something was seen that no other balancer does by accident."""
        return any(rule.distinctive and rule.weight for rule, _ in self.matched)

    def match(self, named: bool) -> ProfileMatch:
        """As the report shows it; `forgiven` counts the changes that are normal for this
        balancer.
        """
        lines = tuple((rule.text, line) for rule, line in self.matched)
        forgiven = len(
            {
                line
                for rule, line in self.matched
                if rule.place.startswith(("request-", "response-"))
            }
        )
        return ProfileMatch(
            self.profile.id,
            self.profile.name,
            self.score,
            named,
            lines,
            self.contradicted,
            forgiven,
        )


def _fit(profile: Profile, observed: Observed) -> _Fit:
    matched: list[tuple[Rule, str]] = []
    contradicted: list[tuple[str, str]] = []
    gained = lost = 0
    for rule in profile.rules:
        line = next(
            (text for text in observed.lines.get(rule.place, ()) if rule.pattern.fullmatch(text)),
            None,
        )
        if rule.role == "never":
            if line is not None and rule.weight:
                contradicted.append((rule.text, line))
                lost += rule.weight
        elif line is not None:
            matched.append((rule, line))
            gained += rule.weight
        elif (
            rule.role == "must"
            and rule.weight
            and (rule.place not in SEEN_IN_PAIRS or observed.pairs)
        ):
            contradicted.append((f"{rule.text}: not seen", ""))
            lost += rule.weight
    return _Fit(profile, tuple(matched), tuple(contradicted), gained, lost)
