"""The documents name only what there is: links, paths, tests, modules, experiments and options."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from lbtrace.cli import cli
from lbtrace.lab.registry import find_balancer, find_traffic, require_match
from tests.cli.readme import printed
from tests.cli.test_compatibility import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("samples/**/*.md")])
TEXTS = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in DOCUMENTS}
EVERYTHING = "\n".join(TEXTS.values())


@pytest.mark.parametrize("name", TEXTS)
def test_links_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", TEXTS[name]):
        assert ((ROOT / name).parent / target).exists(), target


@pytest.mark.parametrize("name", TEXTS)
def test_paths_exist(name: str) -> None:
    for path in re.findall(r"`((?:lbtrace|tests|samples|changelog\.d)/[\w./*-]*)`", TEXTS[name]):
        assert list(ROOT.glob(path)), path


@pytest.mark.parametrize("module", sorted(set(re.findall(r"python -m ([\w.]+)", EVERYTHING))))
def test_modules_that_are_run_exist(module: str) -> None:
    assert find_spec(module) is not None


def test_tests_that_are_named_exist() -> None:
    files = {path.name for path in ROOT.glob("tests/**/test_*.py")}
    functions = set()
    for path in ROOT.glob("tests/**/test_*.py"):
        functions |= set(re.findall(r"^def (test_\w+)", path.read_text("utf-8"), re.MULTILINE))
    named = set(re.findall(r"\b(test_\w+\.py)\b", EVERYTHING))
    assert named <= files
    assert set(re.findall(r"(?:::|`)(test_\w+)`", EVERYTHING)) <= functions


@pytest.mark.parametrize(
    ("balancer", "traffic"),
    sorted(set(re.findall(r"lbtrace lab run ([\w-]+)(?: --traffic ([\w-]+))?", EVERYTHING))),
)
def test_experiments_can_be_run(balancer: str, traffic: str) -> None:
    require_match(find_balancer(balancer), find_traffic(traffic or "four"))


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_are_shown_with_options_they_have(name: str) -> None:
    known = {opt for p in COMMANDS[name].params if isinstance(p, click.Option) for opt in p.opts}
    for line in re.findall(rf"\blbtrace {name}\b([^\n`|]*)", EVERYTHING):
        assert set(re.findall(r"(?<=\s)--?[a-z][a-z-]*", line)) <= known | {"--help"}, line


LESSONS = [name for name in TEXTS if name.endswith("01-founding-experiment.md")]
SAMPLE = {"alb": "alb-like", "nlb": "nlb-like"}  # the directories of the lesson


@pytest.mark.parametrize("name", LESSONS)
def test_the_lesson_shows_what_lbtrace_prints(name: str) -> None:
    shown = re.findall(r"^    lbtrace ((?:show|compare) .+)\n\n((?:     .*\n)+)", TEXTS[name], re.M)
    assert len(shown) == 4
    for command, excerpt in shown:
        arguments = [
            re.sub(r"^(\w+)/", lambda m: f"{ROOT}/samples/{SAMPLE[m[1]]}/", word)
            for word in command.split()
        ]
        printed = CliRunner().invoke(cli, arguments, env={"NO_COLOR": "1"}).output.splitlines()
        for line in excerpt.splitlines():
            assert line.strip() == "…" or line[4:] in printed, line


@pytest.mark.parametrize("name", [name for name in TEXTS if "<!-- printed: " in TEXTS[name]])
def test_what_a_lesson_shows_is_printed(name: str) -> None:
    assert printed(TEXTS[name]) == TEXTS[name], "run python -m tests.cli.readme"


def test_every_design_note_is_in_the_index_under_its_title() -> None:
    notes = {name: text for name, text in TEXTS.items() if re.match(r"docs/design/\d", name)}
    for name, text in notes.items():
        title = text.partition("\n")[0].removeprefix("# ")
        assert f"\n- [{title}]({Path(name).name})\n" in TEXTS["docs/design/README.md"]
    numbers = [Path(name).name[:4] for name in notes]
    assert len(set(numbers)) == len(numbers)
