"""`--max-memory SIZE`: how much memory a command may take for what it reads.

Sizes are those of decimal units, and of binary ones if they say so: 2GB are 2,000,000,000 bytes,
2GiB are 2,147,483,648.
"""

from __future__ import annotations

import re
from typing import Final

import click

from lbtrace.errors import OptionError

_SIZE: Final = re.compile(r"(\d{1,12})(?:\.(\d{1,6}))?\s*([kmgt]?)(i?)b?\Z", re.IGNORECASE)
_POWERS: Final = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def parse_memory(text: str | None) -> int | None:
    """ "2GB", "500MiB", "1.5g" → bytes; None stays None. OptionError when it is no size, or too
    little to work with.
    """
    from lbtrace.in_parts import LEAST_BYTES

    if text is None:
        return None
    match = _SIZE.match(text.strip())
    if match is None or (match[4] and not match[3]):
        raise OptionError(
            "bad-max-memory", f"--max-memory {text}: no size.", 'Write it like "2GB" or "500MiB".'
        )
    unit: int = (1024 if match[4] else 1000) ** _POWERS[match[3].lower()]
    part = match[2] or "0"
    size = int(match[1] + part) * unit // int("1" + "0" * len(part))
    if size < LEAST_BYTES:
        raise OptionError(
            "bad-max-memory",
            f"--max-memory {text}: too little; lbtrace itself needs more than half of "
            f"{LEAST_BYTES // 10**6}MB.",
            f"Give at least {LEAST_BYTES // 10**6}MB.",
        )
    return size


max_memory_option = click.option(
    "--max-memory",
    metavar="SIZE",
    help='How much memory to take at most, like "2GB" or "500MiB". Large captures are then read in '
    "parts. Default: what the machine has.",
)
