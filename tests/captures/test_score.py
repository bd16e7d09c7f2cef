"""Captures that others made, scored against an oracle that others made; skipped where they are not
beside the checkout.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lbtrace import pipeline
from tests.captures.neutral import neutral

CAPTURES = Path(__file__).resolve().parents[2] / "../shared/captures"

pytestmark = pytest.mark.skipif(
    not CAPTURES.is_dir(), reason="the captures are not beside the checkout"
)


def test_at_least_99_5_percent_of_what_the_oracles_agree_on(tmp_path: Path) -> None:
    found = tmp_path / "found"
    found.mkdir()
    manifest = [json.loads(line) for line in (CAPTURES / "manifest.jsonl").read_text().splitlines()]
    for entry in manifest:
        trace = pipeline.inspect([str(CAPTURES / entry["file"])])
        (found / f"{entry['id']}.json").write_text(json.dumps(neutral(trace)))
    scorer = [sys.executable, str(CAPTURES / "compare.py"), str(CAPTURES / "oracle"), str(found)]
    done = subprocess.run(
        [
            *scorer,
            "--manifest",
            str(CAPTURES / "manifest.jsonl"),
            "--json",
            str(tmp_path / "score.json"),
        ],
        capture_output=True,
        check=True,
    )
    score = json.loads((tmp_path / "score.json").read_text())
    assert score["missing"] == [], done.stdout.decode()
    assert score["overall"] >= 99.5, done.stdout.decode()[-3000:]
