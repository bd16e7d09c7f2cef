"""What lbtrace says of each bundled sample, word for word: one file per sample and format beside
this one.

The first screen and the page with all its sections are kept for every sample; for some, and for an
incident with five problems, the first screens of `compare` and `show` in three widths; the JSON for
those of the founding experiment (the schema and the tests of the lab hold the others).

A golden file changes only when somebody means it to: `python -m tests.golden` rewrites them, and
the diff is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from click.testing import CliRunner

from lbtrace._version import __version__
from lbtrace.cli import cli
from tests.golden import incident

GOLDEN = Path(__file__).parent
SAMPLES = GOLDEN.parent.parent / "samples"
FOUNDING = ("alb-like", "nlb-like", "nlb-like-snat")
WIDE = ("alb-like", "haproxy", "nginx-race", "nginx-timeout", incident.NAME)
SHOWN = ("alb-like", "nginx-race", "nginx-timeout", incident.NAME)
# what a file is called behind the name of its sample → how its page is asked for
KINDS = {
    "txt": ["--width", "80"],
    "verbose.txt": ["--width", "80", "--verbose"],
    "100.txt": ["--width", "100"],
    "200.txt": ["--width", "200"],
    "json": ["--format", "json"],
}
KINDS |= {f"show.{kind}": KINDS[kind] for kind in ("txt", "100.txt", "200.txt")}
_ONLY = {"json": FOUNDING, "100.txt": WIDE, "200.txt": WIDE}
_ONLY |= {kind: SHOWN for kind in KINDS if kind.startswith("show.")}
_NAMES = [folder.name for folder in sorted(SAMPLES.iterdir()) if (folder / "client.pcap").exists()]
CASES = [
    (name, kind)
    for name in (*_NAMES, incident.NAME)
    for kind in KINDS
    if name in _ONLY.get(kind, (name,))
]


def say(sample: str, kind: str) -> str:
    """What `lbtrace compare`, or `lbtrace show` of the client capture, prints for a sample, with
    the version left out.
    """
    with _captures(sample) as folder:
        backends = [str(p) for p in sorted(folder.glob("backend*.pcap"))]
        keys = [word for p in sorted(folder.glob("*.keys")) for word in ("--keylog", str(p))]
        client = str(folder / "client.pcap")
        command = ["show", client] if kind.startswith("show.") else ["compare", client, *backends]
        done = CliRunner().invoke(
            cli,
            [*command, *keys, *KINDS[kind]],
            env={"NO_COLOR": "1", "LC_ALL": "C.UTF-8"},
            catch_exceptions=False,
        )
    assert done.exit_code == 0, done.stderr
    return done.stdout.replace(f'"{__version__}"', '"VERSION"')


@contextmanager
def _captures(sample: str) -> Iterator[Path]:
    """The folder of its captures. The working directory is above it: no line breaks elsewhere
    because a checkout has a longer name.
    """
    if sample != incident.NAME:
        with chdir(SAMPLES.parent):
            yield SAMPLES.relative_to(SAMPLES.parent) / sample
        return
    with TemporaryDirectory() as above, chdir(above):
        folder = Path(incident.NAME)
        folder.mkdir()
        incident.recorded(folder)
        yield folder
