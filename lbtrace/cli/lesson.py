"""The lesson at a terminal: `--explain` and `--no-pause` of `demo` and `lab run`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import click

from lbtrace.cli.output import Target
from lbtrace.errors import OptionError
from lbtrace.lesson import Act
from lbtrace.render import Detail

_Command = Callable[..., None]


def lesson_options(command: _Command) -> _Command:
    """`explain` and `pause`."""
    explain = click.option(
        "--explain",
        is_flag=True,
        help="The lesson: a question, your guess, the answer from the packets.",
    )
    pause = click.option(
        "--no-pause",
        is_flag=True,
        help="With --explain: do not wait for Enter. Without a terminal it never waits.",
    )
    return explain(pause(command))


def check_lesson(target: Target) -> None:
    """OptionError when something else than the lesson is asked for as well."""
    if (
        target.format != "terminal"
        or target.zoom
        or target.selection
        or target.detail is not Detail.FIRST_SCREEN
    ):
        raise OptionError(
            "explain-alone",
            "--explain is the lesson alone: it takes no --format, --zoom, -v, -q or --all, and "
            "lists all exchanges.",
        )


def teach(
    target: Target, acts: Sequence[Act], no_pause: bool, preface: str = "", own: str = ""
) -> None:
    """Tell the lesson. Credentials are masked first, as in every format."""
    from lbtrace.language import speaking
    from lbtrace.lesson import lesson
    from lbtrace.render.masked import masked_report
    from lbtrace.render.terminal.page import Page

    if not target.show_secrets:
        acts = [Act(act.name, masked_report(act.report)) for act in acts]
    with target.open() as (out, view), speaking(view.language):
        waits = not no_pause and out is sys.stdout and out.isatty() and sys.stdin.isatty()
        lesson(Page(out, view), acts, _ask if waits else lambda _words: None, preface, own)


def _ask(words: str) -> None:
    """Wait for Enter; whoever closes the input wants to read on."""
    click.echo(f"\n   [{words}] ", nl=False)
    sys.stdout.flush()
    sys.stdin.readline()
