"""`lbtrace fleet`, from the plan to the page."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result

from lbtrace.cli import cli
from lbtrace.errors import OptionError
from tests.fleet.captures import SAMPLES, rotated

SCHEMA = Path(__file__).resolve().parents[2] / "lbtrace/render/schema/lbtrace-fleet-1.schema.json"
PLAN = """
output = "found"
slice_exchanges = {exchanges}

[[client]]
name = "edge"
files = ["in/client-*.pcap"]

[[backend]]
name = "app"
files = ["in/backend-*.pcap"]
"""


def lbtrace(*words: str) -> Result:
    return CliRunner().invoke(cli, ["fleet", *words], catch_exceptions=False)


@pytest.fixture
def plan(tmp_path: Path) -> str:
    for side in ("client", "backend"):
        rotated(SAMPLES / f"alb-like/{side}.pcap", tmp_path / "in", [0.3, 0.6])
    path = tmp_path / "plan.toml"
    path.write_text(PLAN.format(exchanges=100))
    return str(path)


def test_the_page_names_the_files_of_its_frames(plan: str, tmp_path: Path) -> None:
    page = lbtrace(plan, "--width", "100").output
    assert page.startswith("L7 proxy (high confidence)\n")
    assert "client edge: 3 files" in page
    assert "All was compared at once." in page
    assert "response fields: re-ordered in 4 of 4 pairs" in page
    assert f"of {tmp_path}/in/client-00" in page
    assert f"lbtrace compare --client {tmp_path}/in/client-000.pcap" in page


def test_the_json_is_as_the_schema_says(plan: str, tmp_path: Path) -> None:
    path = Path(plan)
    path.write_text(PLAN.format(exchanges=2))
    document = json.loads(lbtrace(plan, "--format", "json").output)
    schema = json.loads(SCHEMA.read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(document)
    assert set(document) == set(schema["properties"])
    assert document["format"] == "lbtrace-fleet"
    assert sum(s["exchanges"]["client"] for s in document["slices"]) == 4
    assert all(Path(table).is_file() for table in document["tables"])


def test_credentials_are_masked(plan: str, tmp_path: Path) -> None:
    for file in (tmp_path / "in").glob("*.pcap"):
        file.unlink()
    for side in ("client", "backend"):
        capture = SAMPLES / f"alb-like/{side}.pcap"
        held = capture.read_bytes().replace(b"User-Agent: curl/7", b"Cookie: s=OnlyMine")
        assert b"OnlyMine" in held
        (tmp_path / "in" / f"{side}-000.pcap").write_bytes(held)
    for words in (("--format", "json"), ("--verbose",)):
        assert "OnlyMine" not in lbtrace(plan, *words).output


def test_a_plan_with_a_slip_is_one_line(plan: str) -> None:
    Path(plan).write_text("outputs = 3\n")
    with pytest.raises(OptionError, match=r"plan.toml:1: there is no key 'outputs'\. Did you"):
        lbtrace(plan)


def test_a_page_of_slices_says_what_that_means(plan: str) -> None:
    Path(plan).write_text(PLAN.format(exchanges=2))
    page = " ".join(lbtrace(plan).output.split())
    assert "The captures were compared in slices of time." in page or "compared at once" in page
