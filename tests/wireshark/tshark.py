"""What tshark and capinfos say of a capture."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from lbtrace.wireshark.profile_files import FOLDER

needed = pytest.mark.skipif(shutil.which("tshark") is None, reason="no tshark here")
SEPARATOR = "\x1f"


def rows(
    path: Path, *fields: str, wanted: str = "", options: tuple[str, ...] = ()
) -> list[tuple[str, ...]]:
    """These fields of each packet, those of lbtrace among them."""
    command = ["tshark", "-X", f"lua_script:{FOLDER / 'lbtrace.lua'}", "-r", str(path)]
    command += ["-T", "fields", "-E", f"separator={SEPARATOR}", "-E", "aggregator=;", *options]
    command += [word for field in fields for word in ("-e", field)]
    command += ["-Y", wanted] if wanted else []
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Lua" not in done.stderr, done.stderr
    return [tuple(line.split(SEPARATOR)) for line in done.stdout.splitlines()]


def infos(path: Path) -> dict[str, str]:
    """What capinfos says of a file: the last value of each name."""
    done = subprocess.run(["capinfos", str(path)], capture_output=True, text=True, check=True)
    assert "cut short" not in done.stderr
    pairs = (line.partition(":" if ":" in line else "=") for line in done.stdout.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}
