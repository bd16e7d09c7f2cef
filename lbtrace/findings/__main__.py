"""Docstrings of the findings → the page docs/findings.md (`make docs` writes it)."""

from __future__ import annotations

from lbtrace.findings import FindingModule, FindingRoom, rooms
from lbtrace.findings._document import PARTS, sections

HEAD = """# What lbtrace can tell

This page is made from the docstrings in `lbtrace/findings/`. Do not edit it: `make docs` writes it.
`lbtrace explain SLUG` prints one section of it.

A finding has a severity (how much it matters) and a confidence (how sure it is). Each carries the
frames that prove it, at most five a side, and a Wireshark display filter that finds them. A slug
may have a variant after a dot: `source-address.rewritten`. Variants that end in `-client` or
`-backend` speak of that side. What is marked ● can also be told from one capture alone
(`lbtrace show`), and then names no side.
"""


def document() -> str:
    """The whole page."""
    tables = "".join(contents(room) for room in rooms())
    return HEAD + tables + "".join(section(f) for room in rooms() for f in room.findings)


def contents(room: FindingRoom) -> str:
    """What a room can tell: its title, and a table of its findings."""
    rows = "".join(
        f"| [`{f.slug}`](#{f.slug}) | {f.title} | {'●' if f.one_capture else ''} |\n"
        for f in room.findings
    )
    return f"\n**{room.title}**\n\n| slug | finding | |\n|---|---|---|\n{rows}"


def section(finding: FindingModule) -> str:
    """One finding: its slug as heading, then the parts of its docstring, then its variants."""
    parts = sections(finding.doc)
    text = "".join(f"**{name}.** {parts[name]}\n\n" for name in PARTS)
    return f"\n## {finding.slug}\n\n{finding.title}\n\n{text}{_table(finding)}".rstrip("\n") + "\n"


def _table(finding: FindingModule) -> str:
    """The variants with what each says, those that say the same in one row."""
    alike: dict[str, list[str]] = {}
    for name, says in finding.variants.items():
        alike.setdefault(says, []).append(f"`{finding.slug}.{name}`")
    if not alike:
        return ""
    rows = "".join(f"| {', '.join(names)} | {says} |\n" for says, names in alike.items())
    return f"| variant | what it says |\n|---|---|\n{rows}"


if __name__ == "__main__":
    print(document(), end="")
