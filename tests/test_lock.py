"""requirements-dev.lock pins everything that pyproject.toml asks for, with hashes."""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "requirements-dev.lock").read_text(encoding="utf-8")
PINNED = re.compile(
    r"^(\S+)==(\S+)(?: ; [^\\]+)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.M
)


def asked_for() -> list[Requirement]:
    """What lbtrace needs to run, to be developed and to be released."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    names = [*project["dependencies"]]
    for extra in extras.keys() - {"lab"}:
        names += (name for name in extras[extra] if not name.startswith("lbtrace["))
    return [Requirement(name) for name in names]


def test_every_line_is_a_version_with_its_hashes() -> None:
    """No address of a registry is in it: the files are known by their hashes."""
    assert PINNED.sub("", LOCK) == ""
    assert PINNED.search(LOCK)


def test_what_is_asked_for_is_pinned() -> None:
    """After a change of pyproject.toml: make lock."""
    pinned = defaultdict(list)
    for name, version, _ in PINNED.findall(LOCK):
        pinned[canonicalize_name(name)].append(version)
    for wanted in asked_for():
        versions = pinned[canonicalize_name(wanted.name)]
        assert versions, f"{wanted} is not pinned"
        assert all(wanted.specifier.contains(v) for v in versions), f"{wanted}: {versions}"
