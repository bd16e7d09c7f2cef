"""What the shells are told may follow: asked as they ask, and each word that takes a value has an
answer.
"""

from __future__ import annotations

import os
import subprocess
import sys

import click
import pytest
from click.shell_completion import ShellComplete

from lbtrace.cli import COMMANDS, cli
from lbtrace.cli.demo import sample_names, samples_folder
from lbtrace.cli.man import commands
from lbtrace.cli.profiles import profile_names
from lbtrace.findings import registry
from lbtrace.lab.registry import balancers, traffics
from lbtrace.lab.run import SAMPLES


def completed(*words: str) -> list[tuple[str, str]]:
    """(kind, value) of all that may stand in place of the last word."""
    *before, begun = words
    items = ShellComplete(cli, {}, "lbtrace", "_LBTRACE_COMPLETE").get_completions(before, begun)
    return [(item.type, item.value) for item in items]


def values(*words: str) -> list[str]:
    return [value for kind, value in completed(*words) if kind == "plain"]


def test_commands() -> None:
    assert values("") == list(COMMANDS)
    assert values("sh") == ["show"]
    assert values("lab", "") == ["list", "record", "run"]


def test_a_word_that_begins_no_command_may_be_a_file() -> None:
    assert completed("pac") == [("file", "pac")]
    assert completed(__file__, "oth") == [("file", "oth")]


def test_options() -> None:
    assert values("show", "--no") == ["--no-pager"]
    assert values("--ver") == ["--version"]
    formats = ["github", "html", "json", "markdown", "ndjson", "parquet", "terminal"]
    assert values("compare", "a", "b", "--format", "") == formats


def test_names() -> None:
    assert values("demo", "") == sample_names(samples_folder())
    assert values("demo", "ng") == [n for n in sample_names(samples_folder()) if n[:2] == "ng"]
    assert values("lab", "run", "") == list(balancers())
    assert values("lab", "run", "nginx", "ha") == [b for b in balancers() if b[:2] == "ha"]
    assert values("lab", "run", "nginx", "--traffic", "") == list(traffics())
    assert values("lab", "record", "") == list(SAMPLES)
    assert values("lab", "list", "") == [*balancers(), *traffics()]
    places = ["docker:", "kubectl:", "local:", "netns:", "ssh://"]
    assert values("capture", "--backend", "") == places
    assert values("profiles", "") == sorted(profile_names())
    assert values("check", "a", "b", "--profile", "aws-a") == ["aws-alb", "aws-api-gateway"]
    assert values("explain", "") == [f.slug for f in registry()]
    assert "redirects.loop" in values("explain", "redirects.")
    assert values("explain", "nothing.") == []


def test_a_sample_or_files_to_compare() -> None:
    assert values("diff", "alb-like", "nlb") == ["nlb-like", "nlb-like-snat"]
    assert completed("diff", "alb-like", "./") == [("file", "./")]


@pytest.mark.parametrize(
    "words",
    [
        ("compare", ""),
        ("compare", "--client", "a.pcap", "b.p"),
        ("compare", "--backend", ""),
        ("compare", "--lb", ""),
        ("show", "a.pcap", ""),
        ("frame", ""),
        ("check", "--expect", ""),
        ("show", "a.pcap", "-o", ""),
        ("lab", "run", "nginx", "--config", ""),
    ],
)
def test_files(words: tuple[str, ...]) -> None:
    assert completed(*words) == [("file", words[-1])]


def test_folders() -> None:
    assert completed("lab", "run", "nginx", "--keep", "") == [("dir", "")]


FREE = {  # what only the user knows
    "--lb-address", "--lb-port", "--clock-offset", "--tz", "--width", "--zoom", "--method",
    "--path", "--status", "--from", "--to", "--since", "--until", "--min-exchanges", "--host",
    "--below", "--jobs", "numbers", "--filter", "--for", "command_", "--pair", "--problem",
    "--budget", "--engine", "--max-memory",
}  # fmt: skip


@pytest.mark.parametrize("name", [path for path, _ in commands(cli)])
def test_every_value_can_be_completed_or_is_free(name: str) -> None:
    command = dict(commands(cli))[name]
    context = click.Context(command)
    for param in command.params:
        word = param.opts[-1] if isinstance(param, click.Option) else param.name
        if isinstance(param, click.Option) and param.is_flag:
            continue
        assert (word in FREE) != bool(param.shell_complete(context, "")), word


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script_and_its_answers(shell: str) -> None:
    def asked(**told: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "lbtrace"],
            env={**os.environ, **told},
            capture_output=True,
            text=True,
            check=False,
        ).stdout

    source = asked(_LBTRACE_COMPLETE=f"{shell}_source")
    assert f"_LBTRACE_COMPLETE={shell}_complete" in source
    words = {"COMP_WORDS": "lbtrace demo nlb-like-s", "COMP_CWORD": "2"}
    if shell == "fish":
        words["COMP_CWORD"] = "nlb-like-s"
    assert "nlb-like-snat" in asked(_LBTRACE_COMPLETE=f"{shell}_complete", **words)
