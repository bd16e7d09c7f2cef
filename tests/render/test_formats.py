"""Formats are modules of the room."""

from __future__ import annotations

import dataclasses

from lbtrace.render import format_names, get_format

replace = dataclasses.replace


def test_formats_are_found_by_their_files() -> None:
    assert format_names() == ["github", "html", "json", "markdown", "ndjson", "terminal"]
    assert all(get_format(name).SUMMARY for name in format_names())
