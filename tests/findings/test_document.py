"""The parts of a docstring, and the variants of a slug, which cannot go stale."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import lbtrace.findings
from lbtrace.findings import FindingModule, registry
from lbtrace.findings._document import sections, variants
from lbtrace.pipeline import compare, show
from tests.findings.simulated import undocumented

FOLDER = Path(lbtrace.findings.__file__).parent
SAMPLES = sorted(p.parent for p in (FOLDER.parents[1] / "samples").glob("*/client.pcap*"))
DOC = """Attempts.

Meaning:
    What they
    mean.
Variants:
    refused, refused-client: the SYN was
        answered.
    open: nothing is known.
"""


def test_a_docstring_has_its_parts() -> None:
    assert sections(DOC) == {
        "": "Attempts.",
        "Meaning": "What they mean.",
        "Variants": "refused, refused-client: the SYN was answered. open: nothing is known.",
    }


def test_variants_that_say_the_same_share_a_line() -> None:
    answered = "the SYN was answered."
    expected = {"refused": answered, "refused-client": answered, "open": "nothing is known."}
    assert variants(DOC) == expected
    assert variants("Nothing.") == {}


@pytest.mark.parametrize("folder", SAMPLES, ids=lambda p: p.name)
def test_what_is_said_of_a_sample_is_documented(folder: Path) -> None:
    clients, backends = (
        [[str(p)] for p in sorted(folder.glob(f"{side}*.pcap*"))] for side in ("client", "backend")
    )
    assert undocumented(compare(clients, backends).findings) == []
    for files in (*clients, *backends):
        assert undocumented(show([files]).findings) == []


@pytest.mark.parametrize("finding", registry(), ids=lambda f: f.slug)
def test_what_is_documented_stands_in_the_code(finding: FindingModule) -> None:
    """A variant is a text in its file, or the end of one of its side; those of kinds and changes
    stand in the helpers of the room.
    """
    name = finding.slug.replace("-", "_")
    files = [
        *FOLDER.glob(f"*/{name}.py"),
        *FOLDER.glob(f"*/{name}/*.py"),
        *FOLDER.rglob("_[a-z]*.py"),
    ]
    enums = FOLDER.parent / "model" / "pairing.py"
    texts = {
        re.sub(r"[ .]", "-", node.value).strip("-")
        for file in (*files, enums)
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    } | {"client", "backend"}
    gone = {v for v in finding.variants if re.sub("-(client|backend)$", "", v) not in texts}
    assert gone - texts == set()
