"""`--max-memory SIZE`: how much memory a command may take for what it reads.

Sizes are those of decimal units, and of binary ones if they say so: 2GB are 2,000,000,000 bytes,
2GiB are 2,147,483,648.
"""

from __future__ import annotations

import click

from lbtrace.errors import OptionError
from lbtrace.options import parse_size


def parse_memory(text: str | None) -> int | None:
    """ "2GB", "500MiB", "1.5g" → bytes; None stays None. OptionError when it is no size, or too
    little to work with.
    """
    from lbtrace.in_parts import LEAST_BYTES

    if text is None:
        return None
    size = parse_size(text)
    if size is None:
        raise OptionError(
            "bad-max-memory", f"--max-memory {text}: no size.", 'Write it like "2GB" or "500MiB".'
        )
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
