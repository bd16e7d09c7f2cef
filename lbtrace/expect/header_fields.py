"""`[request.headers]`, `[response.headers]`: what becomes of a header field.

    X-Forwarded-For  = "client-address"            what the balancer states in it is true
    X-Request-Id     = { present = true, unique = true }
    Host             = "unchanged"
    X-Internal-Token = "absent"                    no message behind the balancer has it
    Server           = "replaced"

A direction is that of travel: "behind" is at the backend for requests, at the client for responses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from lbtrace.errors import nearest
from lbtrace.expect._judged import ONE_SIDE, Judged, extent, known, open_, verdict
from lbtrace.expect._wanted import Unfit, one_of, shown, text_of, truth
from lbtrace.http_fields import HOST, Meaning, fields_of
from lbtrace.http_fields.lines import lowered
from lbtrace.model.behaviour import Behaviour, Fact, Share
from lbtrace.model.expectation import Fulfilment
from lbtrace.model.pairing import ChangeKind

KEYS = ("request.headers.*", "response.headers.*")
STATEMENTS = {
    "client-address": Meaning.CLIENT_ADDRESS,
    "client-port": Meaning.CLIENT_PORT,
    "client-protocol": Meaning.CLIENT_PROTOCOL,
    "client-host": Meaning.CLIENT_HOST,
}
WORDS = {
    "present": "is in every message",
    "absent": "is in no message",
    "unchanged": "passes unchanged",
    "added": "is added by the balancer",
    "removed": "is removed by the balancer",
    "replaced": "gets another value from the balancer",
    "unique": "never has the same value twice",
}
OPTIONS = ("present", "unique", "equals", "is")
PINNED = (HOST,)  # worth pinning though nothing happens to it
HOP = fields_of(Meaning.CONNECTION, Meaning.ONE_HOP, Meaning.FRAMING)
CHANGES = tuple(kind.value for kind in ChangeKind if kind is not ChangeKind.RECASED)


_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2


class Wanted(NamedTuple):
    """Every one of `words` must hold, and every value must be `equals`, unless that is None."""

    words: tuple[str, ...]
    equals: str | None = None


def parse(key: str, value: object) -> Wanted:
    """A word, or a table of several."""
    name = key.split(".", 2)[2]
    if not _TOKEN.fullmatch(name):
        raise Unfit(f"{shown(name)} is no name of a header field")
    if isinstance(value, str):
        return Wanted((_word(key, value),))
    if not isinstance(value, dict) or not value:
        raise Unfit('a word like "unchanged" or a table like { present = true } is expected')
    words: list[str] = []
    equals = None
    for option, given in value.items():
        if option == "equals":
            equals = text_of(given)
        else:
            words += _words(key, option, given)
    if "absent" in words and (len(words) > 1 or equals is not None):
        raise Unfit("a field that is absent can have no other property")
    return Wanted(tuple(words), equals)


def _words(key: str, option: str, given: object) -> list[str]:
    """What an entry of a table demands: `present = false` → `["absent"]`."""
    match option:
        case "present":
            return ["present" if truth(given) else "absent"]
        case "unique":
            return ["unique"] if truth(given) else []
        case "is":
            return [_word(key, given)]
    raise Unfit(f'there is no "{option}" for a header field{nearest(option, OPTIONS)}')


def _word(key: str, value: object) -> str:
    word = one_of(value, [*WORDS, *STATEMENTS])
    name = lowered(key.rpartition(".")[2])
    if word in STATEMENTS:
        if not key.startswith("request."):
            raise Unfit(f'"{word}" is for requests: responses do not state the client')
        if name not in fields_of(STATEMENTS[word]):
            known_names = ", ".join(sorted(fields_of(STATEMENTS[word])))
            raise Unfit(f'no "{word}" is stated in this field; it is in {known_names}')
    return word


def said(key: str, wanted: Wanted) -> str:
    """The expectation as a sentence."""
    name = key.split(".", 2)[2]
    parts = [
        f"states the {word.replace('-', chr(39) + 's ', 1)}" if word in STATEMENTS else WORDS[word]
        for word in wanted.words
    ]
    if wanted.equals is not None:
        parts.append(f'is always "{wanted.equals}"')
    return f"{name} {' and '.join(parts)}"


def judge(key: str, wanted: Wanted, behaviour: Behaviour) -> Judged:
    """The first property that failed, else the first that is open, else what was seen."""
    direction, _, name = key.split(".", 2)
    heads = known(behaviour, f"{direction}.headers")
    if heads is None:
        return open_(f"no two whole {direction} heads could be compared")
    fact = behaviour.fact(f"{direction}.headers.{lowered(name)}")
    if fact is None and heads.value != "complete":
        return open_("more fields were seen than are counted")
    judged = [_judge(word, name, fact, heads) for word in wanted.words]
    if wanted.equals is not None:
        judged.append(_equal(wanted.equals, name, fact, heads))
    order = (Fulfilment.FAILED, Fulfilment.INCONCLUSIVE, Fulfilment.HOLDS)
    return min(judged, key=lambda j: order.index(j.answer))


def _judge(word: str, name: str, fact: Fact | None, heads: Fact) -> Judged:
    if fact is None:
        return _of_nothing(word, name, heads)
    present = fact.share("present")
    assert present is not None
    if word == "present":
        return verdict(present.all, f"{name} is in {extent(present)}", present.evidence)
    if word == "absent":
        return verdict(present.none, f"{name} is in {extent(present)}", fact.evidence)
    if word == "unique":
        unique = fact.share("unique")
        if unique is None or unique.of < 2:
            return open_("one message cannot show that values differ", f"{name}: {fact.seen}")
        seen = f"{unique.count} values of {name} in {unique.of} messages"
        return verdict(unique.all, seen, unique.evidence)
    sent = fact.share("sent")
    if sent is None:
        return open_(ONE_SIDE, fact.seen)
    if word in STATEMENTS:
        return _statement(name, fact, present, sent)
    return _changed(word, name, fact, sent, present)


def _of_nothing(word: str, name: str, heads: Fact) -> Judged:
    """No message on either side has the field."""
    if word == "absent":
        return verdict(True, f"none of {heads.seen} has it", heads.evidence)
    if word in ("unchanged", "removed", "replaced", "unique"):
        return open_(f"no message had {name}: nothing could show it")
    return verdict(False, f"{name} is in no message ({heads.seen})", heads.evidence)


def _statement(name: str, fact: Fact, present: Share, sent: Share) -> Judged:
    """Every message must have the field, and every value of the balancer's must be true."""
    if not present.all:
        return verdict(False, f"{name} is in {extent(present)} requests", present.evidence)
    stated = [share for share in fact.shares if share.name == "statement"]
    wrong = next((share for share in stated if share.count < share.of), None)
    if wrong is not None:
        seen = f"{name} is right in {extent(wrong)} requests"
        return verdict(False, seen, wrong.evidence, f"{name}: {wrong.example}")
    judged = sum(share.of for share in stated)
    if judged >= present.of:
        return verdict(True, f"right in {judged} of {present.of} requests", stated[0].evidence)
    if sent.count and not any(share.name in CHANGES for share in fact.shares):
        seen = f"{name} passes as the client sent it, in {extent(sent)} requests"
        return verdict(False, seen, fact.evidence)
    return open_(f"only {judged} of {present.of} values could be checked")


def _changed(word: str, name: str, fact: Fact, sent: Share, present: Share) -> Judged:
    """Whether the field changes as wanted in every message to which it can happen."""
    shares = {share.name: share for share in fact.shares}
    if word == "unchanged":
        if not sent.count:
            added = shares.get("added")
            if added is not None:
                return verdict(
                    False, f"{name} is added, {fact.seen}", added.evidence, added.example
                )
            return open_(f"no message had {name}: nothing could show it")
        worst = max(
            (shares[c] for c in CHANGES if c in shares), key=lambda s: s.count, default=None
        )
        if worst is None:
            return verdict(
                True, f"{name} is unchanged in {sent.count} of {sent.count}", fact.evidence
            )
        return verdict(
            False, f"{name} is {worst.name} in {extent(worst)}", worst.evidence, worst.example
        )
    kind, could = {
        "added": ("added", present.of - sent.count),
        "removed": ("removed", sent.count),
        "replaced": ("changed", sent.count),
    }[word]
    if not could:
        if word == "added":
            return verdict(False, f"the sender itself sent {name} each time", fact.evidence)
        return open_(
            f"no message had {name} before the balancer, which added it: nothing could show it"
        )
    share = shares.get(kind)
    count = 0 if share is None else share.count
    return verdict(
        share is not None and count >= could,
        f"{name} is {kind} in {count} of {could}",
        fact.evidence if share is None else share.evidence,
        fact.seen,
    )


def _equal(text: str, name: str, fact: Fact | None, heads: Fact) -> Judged:
    if fact is None:
        return verdict(False, f"{name} is in no message ({heads.seen})", heads.evidence)
    present = fact.share("present")
    assert present is not None
    if not present.all:
        return verdict(False, f"{name} is in {extent(present)}", present.evidence)
    if fact.values == (text,):
        return verdict(True, f'{name} is "{text}" in {extent(present)}', fact.evidence)
    seen = ", ".join(f'"{value}"' for value in fact.values) or "more than five different values"
    return verdict(False, f"{name} is {seen}", fact.evidence)


def observed(behaviour: Behaviour) -> Iterator[tuple[str, object, str]]:
    """(key, value, what was seen), for --init: every field that the balancer treats alike in all
    messages, and Host, if it is left alone.
    """
    for direction in ("request", "response"):
        for fact in behaviour.under(f"{direction}.headers"):
            spelled = fact.seen.partition(":")[0]
            key = f"{direction}.headers.{spelled}"
            word = _init_word(key, fact)
            if word is None:
                continue
            if judge(key, parse(key, word), behaviour).answer is Fulfilment.HOLDS:
                yield key, word, fact.seen


def _init_word(key: str, fact: Fact) -> object | None:
    """What a good run shows of a field that is worth pinning."""
    value = str(fact.value)
    name = fact.name.rpartition(".")[2]
    if name in HOP:
        return None
    if value.startswith(("added", "changed", "duplicated")):
        for word, meaning in STATEMENTS.items():
            if (
                key.startswith("request.")
                and name in fields_of(meaning)
                and fact.share("statement")
            ):
                return word
        if value.endswith("fresh"):
            return {"present": True, "unique": True}
        return "added" if value.startswith("added") else "replaced"
    if value == "removed":
        return "removed"
    return "unchanged" if name in PINNED and value == "unchanged" else None
