"""Facts → the same without credentials.

Facts of different captures are held side by side, and kept in files. So what stands in place of a
credential is its length, and no digest: digests of different captures are not to be compared.
Which text is a field, a line or a target is masked as such (`lbtrace.http_fields.masking`); the
sentences of a fact are searched for what was masked in its values.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from lbtrace.http_fields.masking import Mask
from lbtrace.model.behaviour import Fact, Share
from lbtrace.model.report import Evidence

_HEADERS = ("request.headers.", "response.headers.")
_BETWEEN = (" → ", " becomes ")


def masked(facts: Iterable[Fact]) -> tuple[Fact, ...]:
    """The facts, for people to read and for files to keep."""
    return tuple(map(_fact, facts))


def _fact(fact: Fact) -> Fact:
    mask = Mask(None)
    field = next((fact.name.removeprefix(h) for h in _HEADERS if fact.name.startswith(h)), "")
    values = tuple(mask.value(field, v) if field else mask.line(v) for v in fact.values)
    shares = tuple(_share(mask, share) for share in fact.shares)
    evidence = _evidence(mask, fact.evidence)
    value = _searched(mask, fact.value) if isinstance(fact.value, str) else fact.value
    return replace(
        fact,
        value=value,
        values=values,
        shares=shares,
        evidence=evidence,
        seen=_searched(mask, fact.seen),
    )


def _share(mask: Mask, share: Share) -> Share:
    return replace(
        share, example=_lines(mask, share.example), evidence=_evidence(mask, share.evidence)
    )


def _evidence(mask: Mask, evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
    return tuple(replace(e, note=_lines(mask, e.note)) if e.note else e for e in evidence)


def _lines(mask: Mask, text: str) -> str:
    """A line, or one before and one after a change."""
    for between in _BETWEEN:
        if between in text:
            return between.join(mask.line(part) for part in text.split(between))
    return mask.line(text)


def _searched(mask: Mask, text: str) -> str:
    """A sentence without the values that were masked."""
    for known in (mask.values, mask.hidden):
        for secret in sorted(known, key=len, reverse=True):
            if known[secret] != secret:
                text = text.replace(secret, known[secret])
    return mask.url(text)
