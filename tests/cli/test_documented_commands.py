"""Every command that README, quick start and lessons tell people to type works as it stands there;
of the other pages, every command of lbtrace alone.

A command is a line of a block marked ```sh, an indented line that begins with a program, or code in
a table that begins with lbtrace and leaves nothing open. It is run in a folder where the files it
names are there. What cannot be run here (it installs, captures or needs an account) stands behind
`<!-- not run: why -->`. Experiments are run if the machine can.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import takewhile
from pathlib import Path

import pytest

from lbtrace.cli import run
from lbtrace.errors import LabError
from lbtrace.lab.run import require_experiment

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *sorted(ROOT.glob("README*.md")),
    ROOT / "docs/quickstart.md",
    *sorted((ROOT / "docs/lessons").rglob("*.md")),
]
OTHER_PAGES = [page for page in sorted((ROOT / "docs").glob("*.md")) if page not in PAGES]
PROGRAMS = "lbtrace|sudo|tcpdump|cp|curl|pip|python3|aws|docker|kubectl|dig|scp|ssh|for"
INDENTED = re.compile(rf"^(?:    |        )((?:{PROGRAMS}|\.venv/bin/lbtrace) .+)$")
TABLED = re.compile(r"`(lbtrace [^`…A-Z]+)`")
OURS = re.compile(r"lbtrace [^|<>$;&]+$")  # a shell has nothing to do in it
LAB = "sudo .venv/bin/lbtrace lab run "
NOT_RUN = "<!-- not run: "
MARKERS = ("<!-- main-command -->", "<!-- test-command -->")  # .ci/run runs them
# what a page calls a capture → what it is here
FILES = {
    "client.pcap": "nginx/client.pcap",
    "backend.pcap": "nginx/backend.pcap",
    "capture.pcap": "nginx/client.pcap",
    "backend1.pcap": "envoy/backend.pcap",
    "backend2.pcap": "envoy/backend2.pcap",
    "a.pcap": "nginx/client.pcap",
    "b.pcap": "nginx/client.pcap",
    "c-0.pcap": "nginx/client.pcap",
    "c-1.pcap": "nginx-race/client.pcap",
    "b-0.pcap": "nginx/backend.pcap",
    "b-1.pcap": "nginx-race/backend.pcap",
    "c1.pcap": "nginx/client.pcap",
    "c2.pcap": "nginx-race/client.pcap",
    "b1.pcap": "nginx/backend.pcap",
    "b2.pcap": "nginx-race/backend.pcap",
    "client.keys": "haproxy-tls/keys.log",
    "alb": "alb-like",
    "nlb": "nlb-like",
    "good": "nginx",
    "now": "nginx-race",
    "before": "nginx",
    "after": "nginx-race",
}
NOBODY = "192.0.2."  # addresses for documents (RFC 5737): no capture here has them
PCAP_HEADER = 24  # bytes
FAILS = {"check": 1}  # what a lesson shows failing
CHECKED = (0, 1, 3)  # it holds, it does not, the captures do not tell


def commands(text: str) -> Iterator[str]:
    """The commands of a page that are to be run."""
    lines = iter(text.replace("\\\n", "").splitlines())
    marked = False
    for line in lines:
        if line.startswith("```"):
            block = []
            for inner in lines:
                if inner.startswith("```"):
                    break
                block.append(inner.partition("  #")[0].strip())
            if line == "```sh" and not marked:
                yield from (each for each in block if each and not each.startswith("#"))
        if line.startswith("|"):
            yield from TABLED.findall(line)
        found = INDENTED.match(line)
        if found and not marked:
            yield found[1].strip()
        if line.strip() and not found:
            marked = line.startswith((NOT_RUN, *MARKERS))


@cache
def everything() -> list[tuple[str, str]]:
    """(page, command), each command once."""
    found: dict[str, str] = {}
    for page in (*PAGES, *OTHER_PAGES):
        for command in commands(page.read_text("utf-8")):
            if page in OTHER_PAGES and (not OURS.match(command) or NOBODY in command):
                continue
            found.setdefault(command, page.relative_to(ROOT).as_posix())
    return [(page, command) for command, page in found.items()]


HERE = [(page, command) for page, command in everything() if not command.startswith(LAB)]
EXPERIMENTS = sorted({c.removeprefix(LAB) for _, c in everything() if c.startswith(LAB)})


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like a checkout after the earlier steps of each page."""
    folder = tmp_path_factory.mktemp("a checkout")
    (folder / "samples").symlink_to(ROOT / "samples")
    for name, sample in FILES.items():
        (folder / name).symlink_to(ROOT / "samples" / sample)
    both = [(ROOT / f"samples/nlb-like/{side}.pcap").read_bytes() for side in ("client", "backend")]
    (folder / "both.pcap").write_bytes(both[0] + both[1][PCAP_HEADER:])  # as on the balancer
    (folder / "xff.toml").write_text('[trust]\nclient_sent_forwarded = "replace"\n', "utf-8")
    (folder / "lb.toml").write_text('[balancer]\nkind = "l7-proxy"\n', "utf-8")
    points = "".join(f'[[{s}]]\nfiles = "{s}.pcap"\n' for s in ("client", "backend"))
    (folder / "plan.toml").write_text(points, "utf-8")
    (folder / "key").write_bytes(bytes(range(32)))
    (folder / "handed-on").mkdir()
    for side in ("client.pcap", "backend.pcap"):
        (folder / "handed-on" / side).write_bytes((ROOT / "samples/nginx" / side).read_bytes())
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "lbtrace").write_text(
        f'#!/bin/sh\nexec {sys.executable} -m lbtrace "$@"\n', "utf-8"
    )
    (programs / "lbtrace").chmod(0o755)
    return folder


def test_commands_are_found_and_what_cannot_run_is_marked() -> None:
    page = f"""
    lbtrace demo

{NOT_RUN}needs an account -->
    aws s3 ls
    aws s4 ls

text
```sh
lbtrace show a.pcap   # a comment
# nothing else
lbtrace show \\
  b.pcap
```
{NOT_RUN}captures -->
```sh
sudo tcpdump
```
```python
lbtrace = 1
```
    no program
| `lbtrace demo x` | `lbtrace show …` |
"""
    assert list(commands(page)) == [
        "lbtrace demo",
        "lbtrace show a.pcap",
        "lbtrace show   b.pcap",
        "lbtrace demo x",
    ]


@pytest.mark.parametrize("page", [*PAGES, *OTHER_PAGES], ids=lambda page: page.name)
def test_blocks_say_what_they_hold_by_one_word_each(page: Path) -> None:
    """Commands by another name would not be found, and not be run."""
    fences = re.findall(r"^```(.*)$", page.read_text("utf-8"), re.MULTILINE)[::2]
    assert {*fences} <= {"sh", "text", "pycon", "python", "toml", "json", "yaml"}


@pytest.fixture
def inside(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """In the checkout; what a command writes there is gone for the next one."""
    monkeypatch.chdir(checkout)
    before = set(checkout.iterdir())
    yield checkout
    for entry in set(checkout.iterdir()) - before:
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


@pytest.mark.parametrize(("page", "command"), [here for here in HERE if OURS.match(here[1])])
def test_it_works_as_written(
    page: str, command: str, inside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = shlex.split(command)
    wanted = FAILS.get(words[1], 0) if "xff.toml" in words else 0
    code = run(words[1:])
    out, err = capsys.readouterr()
    if words[1] == "check" and ROOT / page in OTHER_PAGES:  # of captures that these pages know
        assert code in CHECKED, f"{page}: {err}"
    else:
        assert code == wanted, f"{page}: {err}"
    assert out or "-o" in words


@pytest.mark.parametrize(("page", "command"), [here for here in HERE if not OURS.match(here[1])])
def test_what_the_shell_runs_works_as_written(page: str, command: str, inside: Path) -> None:
    program = shlex.split(command)[0]
    if program != "lbtrace" and shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    path = f"{inside / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        shell=True,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, f"{page}: {done.stderr}"


def experiment(arguments: str, folder: Path) -> subprocess.CompletedProcess[str] | str:
    """What came of it, or why it cannot be run here."""
    names = shlex.split(arguments)
    traffic = names[names.index("--traffic") + 1] if "--traffic" in names else "four"
    try:
        for balancer in takewhile(lambda name: not name.startswith("-"), names):
            require_experiment(balancer, traffic)
    except LabError as error:
        return error.message
    return subprocess.run(
        [sys.executable, "-m", "lbtrace", "lab", "run", *names],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@pytest.fixture(scope="module")
def experiments(
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, subprocess.CompletedProcess[str] | str]:
    """All of them, several at a time: mostly they wait."""
    folder = tmp_path_factory.mktemp("kept")
    with ThreadPoolExecutor(5) as pool:
        done = pool.map(partial(experiment, folder=folder), EXPERIMENTS)
        return dict(zip(EXPERIMENTS, done, strict=True))


@pytest.mark.lab
@pytest.mark.parametrize("arguments", EXPERIMENTS)
def test_the_experiment_runs(
    arguments: str, experiments: dict[str, subprocess.CompletedProcess[str] | str]
) -> None:
    done = experiments[arguments]
    if isinstance(done, str):
        pytest.skip(done)
    assert done.returncode == 0, done.stderr
    assert "The logs of client, balancer and backend: " in done.stderr
    assert done.stdout
