"""`lbtrace mcp --root DIR…`: captures for assistants, over the Model Context Protocol."""

from __future__ import annotations

import gc
import sys

import click

from lbtrace import guard
from lbtrace.cli import completing
from lbtrace.cli.assistants.parts import BUDGET, MAX_BUDGET, MIN_BUDGET
from lbtrace.cli.whole_number import WholeNumber
from lbtrace.errors import OptionError


@click.command("mcp")
@click.option(
    "--root",
    "roots",
    multiple=True,
    required=True,
    metavar="DIR",
    shell_complete=completing.folders,
    help="A directory whose captures may be read, with all below it; repeatable.",
)
@click.option(
    "--budget",
    type=WholeNumber(MIN_BUDGET, MAX_BUDGET),
    default=BUDGET,
    show_default=True,
    metavar="CHARACTERS",
    help="The most that one answer may have; what is longer comes in parts.",
)
def command(roots: tuple[str, ...], budget: int) -> None:
    """Let an assistant read captures: tools over standard input and output (MCP).

    An assistant starts this program by itself. Its tools compare, show and check captures below
    --root. They write nothing, start nothing, capture nothing, and mask credentials.

    It needs the extra mcp: pip install "lbtrace[mcp]".
    """
    from lbtrace.cli.assistants.kept_results import KeptResults
    from lbtrace.cli.assistants.roots import Roots
    from lbtrace.cli.assistants.tools import Desk

    if sys.stdin is None or sys.stdout is None:
        raise OptionError(
            "mcp-closed",
            "Standard input or output is closed.",
            "An assistant asks on the one, and gets its answers on the other.",
        )
    allowed = Roots(roots)
    try:
        from lbtrace.cli.assistants.server import serve
    except ImportError as error:
        raise OptionError(
            "mcp-missing",
            "lbtrace mcp needs the Python package mcp.",
            'Install it: pip install "lbtrace[mcp]".',
        ) from error
    gc.enable()  # this process stays
    guard.set_outlived()
    serve(Desk(allowed, KeptResults()), budget)
