"""`lbtrace explain [SLUG]`: what a finding means, how it is detected, what to do.

The text is the finding's own docstring, the one that docs/findings.md is made of.
"""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from lbtrace.cli import completing

if TYPE_CHECKING:
    from lbtrace.findings import FindingModule

_WIDTH = 100


@click.command("explain")
@click.argument("slug", required=False, shell_complete=completing.findings)
def command(slug: str | None) -> None:
    """Say what the finding SLUG means, how it is detected, and what to do.

    SLUG is as in the JSON, with or without a variant: redirects or redirects.loop. Without it, list
    every finding.
    """
    from lbtrace.findings import finding_of

    if slug is None:
        for line in listed():
            click.echo(line)
        return
    for line in explained(finding_of(slug), slug.partition(".")[2]):
        click.echo(line)


def listed() -> Iterator[str]:
    """Every finding, below what it is about."""
    from lbtrace.findings import rooms

    width = max(len(finding.slug) for room in rooms() for finding in room.findings)
    for number, room in enumerate(rooms()):
        yield from ([""] if number else [])
        yield room.title
        for finding in room.findings:
            yield f"  {finding.slug:<{width}}  {finding.title}"


def explained(finding: FindingModule, variant: str) -> Iterator[str]:
    """Title, parts and variants, or only the one that was asked for."""
    from lbtrace.findings._document import PARTS, sections

    parts = sections(finding.doc)
    yield f"{finding.slug}{'.' if variant else ''}{variant}: {finding.title}"
    if variant:
        says = finding.variants[variant]
        yield from _paragraph("", says[0].upper() + says[1:])
    for name in PARTS:
        yield from _paragraph(f"{name}. ", parts[name])
    if finding.one_capture:
        yield from _paragraph("One capture. ", "lbtrace show tells it too, without naming a side.")
    if finding.variants and not variant:
        yield from ("", "Variants")
        width = max(map(len, finding.variants))
        for name, says in finding.variants.items():
            yield f"  {name:<{width}}  {says}"


def _paragraph(name: str, text: str) -> list[str]:
    width = min(shutil.get_terminal_size().columns, _WIDTH)
    return ["", *textwrap.wrap(f"{name}{text}", width, break_on_hyphens=False)]
