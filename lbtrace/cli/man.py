"""The commands → their man page, in the language of man(7): `python -m lbtrace.cli.man`.

It is kept in docs/lbtrace.1. A wheel installs it as share/man/man1/lbtrace.1 below the prefix that
has bin/lbtrace, where `man lbtrace` looks for it. A test holds that it says what the commands say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import click

EXIT_CODES = (
    ("0", "done, whatever the verdict"),
    ("1", "an expectation of check failed, or diff --fail-on-change found a difference"),
    ("2", "could not run: an input that cannot be read, or an option that makes no sense"),
    ("3", "check or diff is inconclusive: the captures do not tell"),
    ("70", "a bug in lbtrace"),
    ("130", "interrupted"),
    ("any other", "of the command behind capture ... --"),
)
ENVIRONMENT = (
    ("NO_COLOR", "if set, no colour"),
    ("FORCE_COLOR", "if set, colour in a file or a pipe, too"),
    ("COLUMNS", "the width of the page"),
    ("PAGER, LESS", "the pager for a page that is longer than the terminal, and its options"),
)
COMPLETION = (
    ("bash, in ~/.bashrc", 'eval "$(_LBTRACE_COMPLETE=bash_source lbtrace)"'),
    ("zsh, in ~/.zshrc", 'eval "$(_LBTRACE_COMPLETE=zsh_source lbtrace)"'),
    (
        "fish, in ~/.config/fish/completions/lbtrace.fish",
        "_LBTRACE_COMPLETE=fish_source lbtrace | source",
    ),
)


def man_page(group: click.Group) -> str:
    """The page of a group and all commands below it."""
    return "\n".join(_lines(group)) + "\n"


def commands(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command below a group that does something, with the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{path}{name} ")
        else:
            yield f"{path}{name}", command


def _lines(group: click.Group) -> Iterator[str]:
    yield '.TH LBTRACE 1 "" "lbtrace" "User Commands"'
    yield from (".SH NAME", "lbtrace \\- what did the load balancer do?", ".SH SYNOPSIS")
    yield _text("lbtrace COMMAND [OPTIONS] [ARGUMENTS]")
    yield ".SH DESCRIPTION"
    yield from _prose(group)
    yield ".SH COMMANDS"
    for path, command in commands(group):
        yield from _command(path, command)
    for title, rows in (
        ("EXIT STATUS", EXIT_CODES),
        ("ENVIRONMENT", ENVIRONMENT),
        ("SHELL COMPLETION", COMPLETION),
    ):
        yield f".SH {title}"
        yield from _pairs(rows)


def _command(path: str, command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=f"lbtrace {path}")
    usage = " ".join(command.collect_usage_pieces(context))
    yield f'.SS "{_text(f"lbtrace {path} {usage}")}"'
    yield from _prose(command)
    options = (option for option in command.params if isinstance(option, click.Option))
    records = (option.get_help_record(context) for option in options)
    yield from _pairs(record for record in records if record is not None)


def _prose(command: click.Command) -> Iterator[str]:
    """The paragraphs of its help; one that begins with \\b is an example and keeps its lines."""
    for paragraph in re.findall(r"(?:.+(?:\n|\Z))+", command.help or ""):
        # before Python 3.13 the indentation of the last line stays
        lines = [line.strip() for line in paragraph.rstrip().splitlines()]
        yield ".PP"
        if lines[0] == "\b":
            yield from (".nf", *map(_text, lines[1:]), ".fi")
        else:
            yield _text(" ".join(lines))


def _pairs(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    for term, meaning in rows:
        yield from (".TP", f'.B "{_text(term)}"', _text(meaning))


def _text(text: str) -> str:
    """Text that begins no request and holds no escape; its quotes and hyphens stay what they
    are.
    """
    plain = text
    for character, written in (("\\", "\\e"), ("-", "\\-"), ('"', "\\(dq"), ("\u2026", "...")):
        plain = plain.replace(character, written)
    for character, written in (("'", "\\(aq"), ("`", "\\(ga"), ("~", "\\(ti"), ("\u2212", "\\-")):
        plain = plain.replace(character, written)
    return f"\\&{plain}" if plain.startswith(".") else plain


if __name__ == "__main__":
    from lbtrace.cli import cli

    print(man_page(cli), end="")
