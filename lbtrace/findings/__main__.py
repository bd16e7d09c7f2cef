"""Docstrings of the findings → the page docs/findings.md (`make docs` writes it)."""

from __future__ import annotations

import inspect

from lbtrace.findings import FindingModule, registry

HEAD = """# What lbtrace can tell

This page is made from the docstrings in `lbtrace/findings/`. Do not edit it: `make docs` writes it.

A finding has a severity (how much it matters) and a confidence (how sure it is). Each carries the
frames that prove it, at most five a side, and a Wireshark display filter that finds them. A slug
may have a variant after a dot: `source-address.rewritten`.

| slug | finding |
|---|---|
"""


def document() -> str:
    """The whole page."""
    findings = registry()
    rows = "".join(f"| [`{f.slug}`](#{f.slug}) | {f.title} |\n" for f in findings)
    return HEAD + rows + "".join(section(f) for f in findings)


def section(finding: FindingModule) -> str:
    """One finding: its slug as heading, then the parts of its docstring."""
    parts = sections(finding.doc)
    text = "".join(f"**{name}.** {body}\n\n" for name, body in parts.items() if name)
    return f"\n## {finding.slug}\n\n{finding.title}\n\n{text}".rstrip("\n") + "\n"


def sections(doc: str) -> dict[str, str]:
    """A docstring → its parts: {"": the summary, "Meaning": …, "Decided by": …, "Evidence": …,
    "Remedy": …}.
    """
    parts: dict[str, list[str]] = {"": []}
    name = ""
    for line in inspect.cleandoc(doc).splitlines():
        if line and not line.startswith(" ") and line.endswith(":"):
            name = line[:-1]
            parts[name] = []
        else:
            parts[name].append(line.strip())
    return {key: " ".join(part for part in lines if part) for key, lines in parts.items()}


if __name__ == "__main__":
    print(document(), end="")
