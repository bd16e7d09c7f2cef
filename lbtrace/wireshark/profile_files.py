"""The files that show lbtrace's comments in Wireshark: name → content.

lbtrace.lua         the post-dissector: a field for each word of a comment
colorfilters        colours by severity, then by side
preferences         columns: capture, frame there, pair, problem
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).with_name("profile")


def profile_files() -> dict[str, bytes]:
    """All of them."""
    return {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir())}
