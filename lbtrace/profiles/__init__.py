"""What known load balancers do: one TOML each, and how well one fits what was seen.

A profile is a list of rules. A rule looks in one `place` (see `PLACES`) for a line that its `pattern` matches whole, case
included, and is one of

    sign    its presence speaks for the profile
    must    the default behaviour: its presence speaks for it, its absence against
    never   its presence speaks against it

A `distinctive` rule is one that no other balancer satisfies by accident; without one a profile is "consistent with" what was
seen and is never named. `certainty` is "documented" (by the maker), "source" (read in the program), "observed" (in captures) or
"unsure"; unsure rules are shown and never scored. Every rule carries an `example` line it matches and may carry an `unlike`
line it must not match; a test holds both."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from lbtrace.model.report import ProfileMatch

PLACES: Mapping[str, str] = {
    "request-added": "a request line behind the balancer that the client did not send",
    "request-changed": "a request line as it is behind the balancer, where the client sent another value",
    "request-repeated": "a second request line of a name the client sent too",
    "request-removed": "a request line the client sent that is missing behind the balancer",
    "response-added": "a response line the client got that the backend did not send",
    "response-changed": "a response line the client got in place of another",
    "own-answer": "a line of the head of a response that the balancer made itself",
    "health-check": "a line of the head of a health check",
    "trait": "a trait of the traffic as a whole, see lbtrace.verdict.likeness",
}
ROLES = ("sign", "must", "never")
CERTAINTIES = ("documented", "source", "observed", "unsure")
NEEDS: Mapping[str, str] = {
    "request-added": "pairs",
    "request-changed": "pairs",
    "request-repeated": "pairs",
    "response-added": "pairs",
    "trait": "pairs",
}
DISTINCTIVE_WEIGHT, WEIGHT = 4, 1
NAMED_SCORE, NAMED_LEAD = 50, 15


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
        return 0 if self.certainty == "unsure" else DISTINCTIVE_WEIGHT if self.distinctive else WEIGHT


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known of one balancer. `kinds` are the verdicts it can stand behind (values of model.report.Kind)."""

    id: str
    name: str
    kinds: tuple[str, ...]
    summary: str
    sources: tuple[str, ...]
    rules: tuple[Rule, ...]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Observed:
    """What was seen, as lines by place. `pairs` is the number of exchanges compared: with none, a missing line means nothing."""

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
    """How well each profile fits, best first; those with nothing in their favour are left out. At most one is named.

    The score is the share of the weight in favour in all that was decided, in percent. One is named only when something
    distinctive was seen, nothing speaks against it, and the next named candidate is well behind."""
    fits = [fit for profile in profiles() if observed.kind in profile.kinds for fit in [_fit(profile, observed)] if fit is not None]
    fits.sort(key=lambda f: (-f[1], -f[0].score, f[0].id))
    candidates = [(match, strength) for match, strength in fits if strength and not match.contradicted and match.score >= NAMED_SCORE]
    named = None
    if candidates:
        best, strength = candidates[0]
        rivals = [s for m, s in candidates[1:] if s >= strength]
        named = best.id if not rivals else None
    return tuple(
        ProfileMatch(m.id, m.name, m.score, m.id == named, m.matched, m.contradicted, m.forgiven)
        for m, _ in fits
        if m.matched or m.id == named
    )


def _fit(profile: Profile, observed: Observed) -> tuple[ProfileMatch, int] | None:
    """(the match, how many points distinctive rules gave); None when nothing could be decided."""
    matched, contradicted = [], []
    gained = lost = distinctive = 0
    for rule in profile.rules:
        line = _first_line(rule, observed.lines.get(rule.place, ()))
        if rule.role == "never":
            if line is not None:
                contradicted.append((rule.text, line))
                lost += max(rule.weight, WEIGHT)
        elif line is not None:
            matched.append((rule.text, line))
            gained += rule.weight
            distinctive += rule.weight if rule.distinctive else 0
        elif rule.role == "must" and rule.weight and (rule.place not in NEEDS or observed.pairs):
            contradicted.append((rule.text, ""))
            lost += rule.weight
    if not gained + lost:
        return None
    return ProfileMatch(profile.id, profile.name, 100 * gained // (gained + lost), False, tuple(matched), tuple(contradicted)), distinctive


def _first_line(rule: Rule, lines: Sequence[str]) -> str | None:
    return next((line for line in lines if rule.pattern.fullmatch(line)), None)
