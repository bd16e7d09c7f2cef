"""The man page says what the commands say, and troff can set it."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from pathlib import Path

import click
import pytest

from lbtrace.cli import cli
from lbtrace.cli.man import commands, man_page

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/lbtrace.1"


def test_the_page_that_is_kept_is_the_one_that_is_made() -> None:
    assert PAGE.read_text("utf-8") == man_page(cli), "python -m lbtrace.cli.man > docs/lbtrace.1"


def test_every_command_and_option_is_there() -> None:
    plain = man_page(cli).replace("\\-", "-")
    for path, command in commands(cli):
        section = plain.partition(f'.SS "lbtrace {path} ')[2].partition(".SS ")[0]
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.opts[-1] in section, (path, option.opts)


def test_it_is_installed_where_man_looks() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]
    shared = build["targets"]["wheel"]["shared-data"]
    assert shared == {"docs/lbtrace.1": "share/man/man1/lbtrace.1"}


def test_text_is_no_request_and_no_escape() -> None:
    @click.command(help="'quoted' a\\b\n\n.dotted\n\n\b\n.one\n-two")
    def odd() -> None:
        """Nothing."""

    page = man_page(click.Group(commands={"odd": odd}))
    assert ".PP\n\\(aqquoted\\(aq a\\eb\n.PP\n\\&.dotted\n.PP\n.nf\n\\&.one\n\\-two\n.fi\n" in page


@pytest.mark.skipif(shutil.which("groff") is None, reason="no groff here")
def test_troff_sets_it_without_a_warning() -> None:
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", str(PAGE)], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
