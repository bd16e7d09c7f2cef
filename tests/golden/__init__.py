"""What lbtrace says of each bundled sample, word for word: one file per sample and format beside
this one.

The first screen and the page with all its sections are kept for every sample, the first screen in
other widths for some, the JSON for those of the founding experiment (the schema and the tests of
the lab hold the others).

A golden file changes only when somebody means it to: `python -m tests.golden` rewrites them, and
the diff is read.
"""

from __future__ import annotations

from contextlib import chdir
from pathlib import Path

from click.testing import CliRunner

from lbtrace._version import __version__
from lbtrace.cli import cli

GOLDEN = Path(__file__).parent
SAMPLES = GOLDEN.parent.parent / "samples"
FOUNDING = ("alb-like", "nlb-like", "nlb-like-snat")
WIDE = ("alb-like", "haproxy", "nginx-race", "nginx-timeout")
# what a file is called behind the name of its sample → how its page is asked for
KINDS = {
    "txt": ["--width", "80"],
    "verbose.txt": ["--width", "80", "--verbose"],
    "100.txt": ["--width", "100"],
    "200.txt": ["--width", "200"],
    "json": ["--format", "json"],
}
_ONLY = {"json": FOUNDING, "100.txt": WIDE, "200.txt": WIDE}
CASES = [
    (folder.name, kind)
    for folder in sorted(SAMPLES.iterdir())
    if (folder / "client.pcap").exists()
    for kind in KINDS
    if folder.name in _ONLY.get(kind, (folder.name,))
]


def say(sample: str, kind: str) -> str:
    """What `lbtrace compare` prints for a sample, at the root of the checkout, with the version
    left out.
    """
    folder = SAMPLES.relative_to(SAMPLES.parent) / sample
    with chdir(
        SAMPLES.parent
    ):  # so that no line breaks elsewhere because the checkout has a longer name
        backends = [str(p) for p in sorted(folder.glob("backend*.pcap"))]
        keys = [word for p in sorted(folder.glob("*.keys")) for word in ("--keylog", str(p))]
        done = CliRunner().invoke(
            cli,
            ["compare", str(folder / "client.pcap"), *backends, *keys, *KINDS[kind]],
            env={"NO_COLOR": "1", "LC_ALL": "C.UTF-8"},
            catch_exceptions=False,
        )
    assert done.exit_code == 0, done.stderr
    return done.stdout.replace(f'"{__version__}"', '"VERSION"')
