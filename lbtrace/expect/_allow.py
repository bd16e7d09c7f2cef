"""`[[allow]]`: findings that are let pass, until a day, for a reason.

[[allow]]
finding = "retries.repeated"     a slug; "retries" stands for all of its variants
where   = "GET /health"          only if all its requests are these; * stands for any text. A
                                 finding that is not about requests is not let pass by it.
until   = 2027-03-01             the last day (UTC) on which it is let pass
reason  = "known, TICKET-12"
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from fnmatch import fnmatchcase

from lbtrace.errors import nearest
from lbtrace.expect._wanted import Unfit, shown, text_of
from lbtrace.model.expectation import Allowance, Place
from lbtrace.toml_document import Document

KEYS = ("finding", "where", "until", "reason")
REQUIRED = ("finding", "until", "reason")


def parse(document: Document, slugs: Sequence[str]) -> Iterator[Allowance]:
    """The allowances of a file. Unfit, with the line, when one is not as above."""
    tables = document.content.get("allow", [])
    if not isinstance(tables, list):
        raise _Unfit(document.line("allow"), "allow is written [[allow]]: there may be several")
    for number, table in enumerate(tables):
        line = document.line("allow", number)
        for name in table:
            if name not in KEYS:
                where = document.line("allow", number, name)
                raise _Unfit(where, f'there is no "{name}" in [[allow]]{nearest(name, KEYS)}')
        for name in REQUIRED:
            if name not in table:
                raise _Unfit(line, f"an allowance needs {name}")
        try:
            yield _allowance(table, slugs, Place(document.file, line))
        except Unfit as error:
            raise _Unfit(line, str(error)) from error


class _Unfit(Unfit):
    """With the line."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def _allowance(table: dict[str, object], slugs: Sequence[str], place: Place) -> Allowance:
    finding, reason = text_of(table["finding"]), text_of(table["reason"]).strip()
    if finding not in slugs:
        raise Unfit(f'there is no finding "{finding}"{nearest(finding, slugs)}')
    if not reason:
        raise Unfit("an allowance needs a reason")
    until = table["until"]
    if isinstance(until, datetime) or not isinstance(until, date):
        raise Unfit(f"until is a day like 2027-03-01, not {shown(until)}")
    return Allowance(finding, text_of(table.get("where", "")), until, reason, place)


def find(
    allowances: Sequence[Allowance], slug: str, requests: Sequence[str], today: date
) -> Allowance | None:
    """The first allowance that lets a finding pass: it has not ended, and each of the finding's
    requests is what it names. Without known requests only an allowance without `where` does.
    """
    for allowance in allowances:
        if (
            _names(allowance, slug)
            and today <= allowance.until
            and _fits(allowance.where, requests)
        ):
            return allowance
    return None


def why_not(
    allowances: Sequence[Allowance], slug: str, requests: Sequence[str], today: date
) -> str:
    """Why the first allowance that names a finding does not let it pass, "" when none names it."""
    for allowance in allowances:
        if _names(allowance, slug):
            line = f"the allowance in line {allowance.place.line}"
            if today > allowance.until:
                return f"{line} ended on {allowance.until}"
            other = next((r for r in requests if not fnmatchcase(r, allowance.where)), None)
            if other is None:
                return f"{line} is for {allowance.where}; this finding tells no requests"
            return f"{line} is for {allowance.where}, but it is about {other}, too"
    return ""


def _names(allowance: Allowance, slug: str) -> bool:
    return slug == allowance.finding or slug.startswith(f"{allowance.finding}.")


def _fits(where: str, requests: Sequence[str]) -> bool:
    return not where or (bool(requests) and all(fnmatchcase(text, where) for text in requests))


def ended(allowances: Sequence[Allowance], today: date) -> Iterator[str]:
    """A warning for each allowance that is over."""
    for allowance in allowances:
        if allowance.until < today:
            yield (
                f"{allowance.place.file}, line {allowance.place.line}: the allowance for "
                f"{allowance.finding} ended on {allowance.until} and is ignored."
            )
