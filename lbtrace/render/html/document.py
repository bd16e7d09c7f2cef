"""A template and its values → one HTML file that needs nothing else: styles, script and data stand
in it.

Text of a capture cannot leave its place. Jinja escapes what the templates show; the data are JSON
in which no character begins a tag or ends a line of a script, and the script makes text nodes of
them.
If something did get out, the policy of the page would stop it: nothing may be fetched, and of
styles and scripts only those whose digests the policy names are used (W3C, CSP Level 3 §2.3.1).
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from lbtrace._version import __version__

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER = Path(__file__).with_name("page")
# what HTML or JavaScript could take for markup or for the end of a line
_ESCAPED = tuple((c, f"\\u{ord(c):04x}") for c in "<>&\u2028\u2029")


def write(
    out: TextIO,
    template: str,
    values: Mapping[str, object],
    data: Mapping[str, Any] | None = None,
) -> None:
    """Write a page. `data` are for the script; without them the page has none."""
    style, script = text("page.css"), text("page.js") if data is not None else ""
    page = environment().get_template(template)
    for part in page.generate(
        values,
        version=__version__,
        policy=policy(style, script),
        style=style,
        script=script,
        data=None if data is None else inert(data),
    ):
        out.write(part)


def policy(style: str, script: str) -> str:
    """The content security policy of a page with this style and this script."""
    rules = ["default-src 'none'", f"style-src {_digest(style)}"]
    rules += [f"script-src {_digest(script)}"] if script else []
    return "; ".join([*rules, "base-uri 'none'", "form-action 'none'"])


def _digest(source: str) -> str:
    return f"'sha256-{b64encode(sha256(source.encode()).digest()).decode()}'"


def inert(data: Mapping[str, Any]) -> str:
    """JSON that can stand in a script element."""
    written = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    for character, escaped in _ESCAPED:
        written = written.replace(character, escaped)
    return written


@cache
def text(name: str) -> str:
    """A file of the page."""
    return FOLDER.joinpath(name).read_text("utf-8")


@cache
def environment() -> Environment:
    """Where the templates are; whatever they show is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
