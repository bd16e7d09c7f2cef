"""Behaviour + expectations → what holds, what failed, what is open.

    lb.toml ─▶ read() ─▶ Expectations ─┐
    Behaviour ─────────────────────────┴▶ judge() ─▶ CheckResult

One file per section of lb.toml; each module here whose name has no leading underscore has

    KEYS                             the keys it knows, "section.name" ("section.*": any name)
    parse(key, value) -> wanted      raises Unfit
    said(key, wanted) -> str         the expectation as a sentence
    judge(key, wanted, behaviour) -> Judged
    observed(behaviour)              (key, value, what was seen), for --init

so a new expectation is a new file. The file holds typed keys and no expressions: what a pull
request brings is data, never code. Any value can be written `{ value = …, warn = true }`; it is
then reported and never fails the check.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

from lbtrace.errors import OptionError, nearest
from lbtrace.expect import _allow
from lbtrace.expect._baseline import judge_baseline
from lbtrace.expect._init import written
from lbtrace.expect._judged import ONE_SIDE
from lbtrace.expect._profile import judge_profile, require_profile
from lbtrace.expect._wanted import Unfit, truth
from lbtrace.findings import slugs_with_variants
from lbtrace.model.behaviour import Behaviour
from lbtrace.model.expectation import Allowance, CheckResult, Fulfilment, Outcome, Place
from lbtrace.model.report import Severity
from lbtrace.toml_document import Document
from lbtrace.toml_document import read as read_document

__all__ = [
    "Expectation",
    "Expectations",
    "Standard",
    "file_of",
    "judge",
    "judge_baseline",
    "judge_profile",
    "observed",
    "read",
    "result",
    "standard",
    "today",
    "warnings",
]


class Expectation(NamedTuple):
    """A key of the file with what is wanted, as its module parsed it."""

    key: str
    wanted: Any
    warns: bool
    place: Place


class Expectations(NamedTuple):
    """A file of expectations."""

    file: str
    wanted: tuple[Expectation, ...]
    allowances: tuple[Allowance, ...]


@cache
def _modules() -> dict[str, ModuleType]:
    """The module of each key."""
    names = sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    return {key: module for module in modules for key in module.KEYS}


def _module(key: str) -> ModuleType | None:
    """The module that knows a key."""
    modules = _modules()
    if key in modules:
        return modules[key]
    for known, module in modules.items():
        if known.endswith(".*") and key.startswith(known[:-1]):
            return module
    return None


def today() -> date:
    """The day by which allowances are judged: UTC."""
    return datetime.now(UTC).date()


def read(path: str) -> Expectations:
    """A file of expectations. OptionError, with file, line and key, when it cannot be read or asks
    for what there is not.
    """
    document = read_document(path, "expect-", "file of expectations")
    try:
        allowances = tuple(_allow.parse(document, slugs_with_variants()))
    except Unfit as error:
        raise _wrong(document, getattr(error, "line", 1), "allow", str(error)) from error
    sections = {k: v for k, v in document.content.items() if k != "allow"}
    wanted = tuple(_expectations(document, (), sections))
    if not wanted:
        raise OptionError(
            "expect-empty",
            f"{path}: expects nothing.",
            "Write what a good run shows: lbtrace check CLIENT BACKEND --init -o lb.toml",
        )
    return Expectations(path, wanted, allowances)


def _expectations(
    document: Document, path: tuple[str, ...], table: dict[str, Any]
) -> Iterator[Expectation]:
    for name, value in table.items():
        here = (*path, name)
        key = ".".join(here)
        module = _module(key)
        if module is None:
            if isinstance(value, dict) and any(k.startswith(f"{key}.") for k in _modules()):
                yield from _expectations(document, here, value)
                continue
            raise _wrong(document, document.line(*here), key, _no_such(key))
        yield _expectation(document, module, here, value)


def _no_such(key: str) -> str:
    """What is wrong with a key that no module knows."""
    names = [name.removesuffix(".*") for name in _modules()]
    sections = {name.rpartition(".")[0] for name in _modules()} | {"allow"}
    sections |= {section.partition(".")[0] for section in sections}
    if key in sections:
        return f"is a section: write [{key}] above its keys"
    return f"there is no such key{nearest(key, {*names, *sections})}"


def _expectation(
    document: Document, module: ModuleType, path: tuple[str, ...], value: Any
) -> Expectation:
    key, line = ".".join(path), document.line(*path)
    warns = False
    try:
        if isinstance(value, dict) and "warn" in value:
            warns = truth(value["warn"])
            value = {k: v for k, v in value.items() if k != "warn"}
        if isinstance(value, dict) and set(value) == {"value"}:
            value = value["value"]
        wanted = module.parse(key, value)
    except Unfit as error:
        raise _wrong(document, line, key, str(error)) from error
    return Expectation(key, wanted, warns, Place(document.file, line))


def _wrong(document: Document, line: int, key: str, message: str) -> OptionError:
    end = "" if message.endswith("?") else "."
    return OptionError("bad-expectation", f"{document.file}, line {line}: {key}: {message}{end}")


def judge(
    expectations: Expectations, behaviour: Behaviour, day: date | None = None
) -> tuple[Outcome, ...]:
    """Every expectation, in the order of the file; of findings one outcome for each that fails."""
    day = day or today()
    return tuple(
        outcome
        for expectation in expectations.wanted
        for outcome in _outcomes(expectation, expectations.allowances, behaviour, day)
    )


def _outcomes(
    expectation: Expectation, allowances: tuple[Allowance, ...], behaviour: Behaviour, day: date
) -> Iterator[Outcome]:
    module = _module(expectation.key)
    assert module is not None
    said = module.said(expectation.key, expectation.wanted)
    if behaviour.undecided:
        yield Outcome(
            expectation.key,
            Fulfilment.INCONCLUSIVE,
            said,
            "nothing was judged",
            reason=behaviour.undecided,
            place=expectation.place,
            warns=expectation.warns,
        )
        return
    judged = module.judge(expectation.key, expectation.wanted, behaviour)
    if behaviour.one_sided and judged.answer is Fulfilment.INCONCLUSIVE:
        others = () if judged.reason == judged.seen else (judged.reason,)
        judged = judged._replace(reason="; ".join(dict.fromkeys((ONE_SIDE, *others))))
    if judged.answer is Fulfilment.FAILED and isinstance(expectation.wanted, Severity):
        for slug, requests, each in module.each(expectation.wanted, behaviour):
            allowed = _allow.find(allowances, slug, requests, day)
            yield Outcome(
                f"findings.{slug}",
                each.answer,
                said,
                each.seen,
                each.evidence,
                "" if allowed else _allow.why_not(allowances, slug, requests, day),
                place=expectation.place,
                warns=expectation.warns,
                allowed=allowed,
            )
        return
    yield Outcome(
        expectation.key,
        judged.answer,
        said,
        judged.seen,
        judged.evidence,
        judged.reason,
        expectation.place,
        expectation.warns,
        example=judged.example,
    )


class Standard(NamedTuple):
    """What a Behaviour is held against: a file of expectations, a known balancer, a good run; all
    of them that are given. `day` is the day by which allowances are judged.
    """

    expectations: Expectations | None
    profile: str | None
    baseline: Behaviour | None
    day: date

    def check(self, behaviour: Behaviour, min_exchanges: int = 1) -> CheckResult:
        """What became of each expectation."""
        outcomes: list[Outcome] = []
        if self.expectations is not None:
            outcomes += judge(self.expectations, behaviour, self.day)
        if self.profile is not None:
            outcomes += judge_profile(self.profile, behaviour)
        if self.baseline is not None:
            outcomes += judge_baseline(self.baseline, behaviour)
        said = () if self.expectations is None else warnings(self.expectations, self.day)
        return result(outcomes, behaviour, min_exchanges, said)


def standard(
    expect: str | None = None, profile: str | None = None, baseline: Behaviour | None = None
) -> Standard:
    """Read what a Behaviour is to be held against. OptionError when a file or an id is not as it
    must be.
    """
    if profile is not None:
        require_profile(profile)
    return Standard(None if expect is None else read(expect), profile, baseline, today())


def warnings(expectations: Expectations, day: date | None = None) -> tuple[str, ...]:
    """What there is to say of the file itself."""
    return tuple(_allow.ended(expectations.allowances, day or today()))


def result(
    outcomes: Sequence[Outcome],
    behaviour: Behaviour,
    min_exchanges: int = 1,
    said: Sequence[str] = (),
) -> CheckResult:
    """All outcomes of a check, each with what shows it. With fewer exchanges than asked for, none
    of them counts.
    """
    undecided = behaviour.undecided
    if not undecided and behaviour.exchanges < min_exchanges:
        undecided = (
            f"{behaviour.exchanges} exchanges could be judged, and {min_exchanges} were asked for"
        )
        outcomes = [replace(o, answer=Fulfilment.INCONCLUSIVE, reason=undecided, allowed=None,
                            without_occasion=False, example="") for o in outcomes]  # fmt: skip
    shown = tuple(_with_heads(outcome, behaviour) for outcome in outcomes)
    return CheckResult(shown, behaviour.exchanges, undecided, tuple(said))


def _with_heads(outcome: Outcome, behaviour: Behaviour) -> Outcome:
    """The same with the exchange that shows it, and its two heads where heads matter."""
    heads = behaviour.heads_of(outcome.evidence)
    exchange = next((head.exchange for head in heads), "")
    shown = outcome.answer is not Fulfilment.HOLDS and bool(
        ABOUT_HEADS & set(outcome.key.split("."))
    )
    whole = tuple(head for head in heads if head.lines)
    return replace(outcome, exchange=exchange, heads=whole if shown else ())


def observed(behaviour: Behaviour) -> Iterator[tuple[str, object, str]]:
    """(key, value, what was seen) of everything that can be pinned, by section."""
    modules = dict.fromkeys(_modules().values())
    for module in sorted(modules, key=lambda m: SECTIONS.index(m.KEYS[0].partition(".")[0])):
        yield from module.observed(behaviour)


def file_of(behaviour: Behaviour) -> str:
    """The text of a file of expectations that pins a good run."""
    return written(behaviour.exchanges, observed(behaviour))


ABOUT_HEADS = {"headers", "trust", "profile"}  # a part of the keys that are about header fields
SECTIONS = (
    "balancer", "source", "request", "response", "trust", "protocol", "reuse", "errors",
    "health_checks", "idle_limits", "distribution", "latency", "findings",
)  # fmt: skip
