"""`lbtrace mcp`, asked by the SDK's own client over standard input and output.

python -m tests.cli.assistants.asked          writes the transcript into docs/assistants.md
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, StdioServerParameters, types

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs/assistants.md"
BEGIN, END = "<!-- transcript: made by tests/cli/assistants/asked.py -->", "<!-- end -->"
RACE = {"client": ["nginx-race/client.pcap"], "backend": ["nginx-race/backend.pcap"]}
LINES = 14  # of an answer that the transcript shows
CONVERSATION: tuple[tuple[str, dict[str, Any]], ...] = (
    ("captures", {}),
    ("compare", RACE),
    ("problems", RACE),
    ("pair", RACE | {"name": "2"}),
    ("frame", {"capture": "nginx-race/backend.pcap", "frames": [10]}),
    ("explain", {"slug": "keep-alive-race"}),
    ("show", {"captures": ["/etc/passwd"]}),
)
Calls = Sequence[tuple[str, dict[str, Any]]]


def answers(roots: Sequence[Path | str], calls: Calls, *options: str) -> list[tuple[str, bool]]:
    """The text of each answer, and whether it is an error; from one server."""
    return anyio.run(_answers, roots, calls, options)


async def _answers(
    roots: Sequence[Path | str], calls: Calls, options: Sequence[str]
) -> list[tuple[str, bool]]:
    found = []
    async with Client(server(roots, *options)) as client:
        for name, arguments in calls:
            result = await client.call_tool(name, arguments)
            (content,) = result.content
            assert isinstance(content, types.TextContent)
            found.append((content.text, bool(result.is_error)))
    return found


def server(roots: Sequence[Path | str], *options: str) -> StdioServerParameters:
    """How the server is started."""
    words = [word for root in roots for word in ("--root", str(root))]
    return StdioServerParameters(
        command=sys.executable, args=["-m", "lbtrace", "mcp", *words, *options], cwd=str(ROOT)
    )


def transcript() -> str:
    """The conversation, as the documentation shows it."""
    written = []
    samples = ROOT / "samples"
    for (name, arguments), (text, failed) in zip(
        CONVERSATION, answers([samples], CONVERSATION), strict=True
    ):
        asked = f"{name} {json.dumps(arguments)}" if arguments else name
        lines = text.replace(str(samples), "/captures").strip("\n").split("\n")
        shown = lines if len(lines) <= LINES else [*lines[:LINES], "…"]
        head = ">>> " + asked + ("\n(error)" if failed else "")
        written.append("\n".join([head, *(line.rstrip() for line in shown)]))
    return "```text\n" + "\n\n".join(written) + "\n```"


def with_transcript(page: str) -> str:
    """The page, with the conversation as it is now."""
    made = f"{BEGIN}\n{transcript()}\n{END}"
    return re.sub(f"{BEGIN}.*?{END}", lambda _: made, page, flags=re.S)


if __name__ == "__main__":
    PAGE.write_text(with_transcript(PAGE.read_text("utf-8")), "utf-8")
