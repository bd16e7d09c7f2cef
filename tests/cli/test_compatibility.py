"""docs/compatibility.md names every command, option and exit code, and the JSON format version."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest

from lbtrace.cli import COULD_NOT_RUN, DONE, INTERRUPTED, cli
from lbtrace.cli.man import commands

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/compatibility.md").read_text("utf-8")


COMMANDS = dict(commands(cli))


def options_beside(name: str) -> str:
    """The second cell of each table row that names a command in its first."""
    rows = [row.split("|") for row in PAGE.splitlines() if row.startswith("| `")]
    return "".join(
        cells[2]
        for cells in rows
        if any(code == name or code.startswith(f"{name} ") for code in cells[1].split("`"))
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_the_options_beside_a_command_are_those_it_has(name: str) -> None:
    options = [p for p in COMMANDS[name].params if isinstance(p, click.Option)]
    stated = re.findall(r"`(-[-a-z0-9]+)`", options_beside(name))
    assert sorted(stated) == sorted(word for option in options for word in option.opts)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_named(name: str) -> None:
    assert any(row.startswith((f"| `{name}`", f"| `{name} ")) for row in PAGE.splitlines())


@pytest.mark.parametrize("code", [DONE, COULD_NOT_RUN, INTERRUPTED])
def test_every_exit_code_has_its_row(code: int) -> None:
    assert f"\n| {code} | " in PAGE


def test_the_format_version_is_that_of_the_schema() -> None:
    schema = json.loads((ROOT / "lbtrace/render/schema/lbtrace-1.schema.json").read_text("utf-8"))
    versions = {
        node["properties"]["format_version"]["const"]
        for node in schema["$defs"].values()
        if "format_version" in node.get("properties", {})
    }
    assert versions == {1}
    assert "The current `format_version` is 1" in PAGE
    assert "Format version 1 is specified here" in (ROOT / "docs/json-format.md").read_text("utf-8")
