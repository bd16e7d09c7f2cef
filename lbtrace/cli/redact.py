"""`lbtrace redact CAPTURE… -o DIR`: captures without credentials, to hand on."""

from __future__ import annotations

import secrets
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

import click

from lbtrace.cli import completing
from lbtrace.cli.folder import check_folder, made_folder
from lbtrace.cli.progress import ProgressBar
from lbtrace.errors import OptionError, unread

if TYPE_CHECKING:
    from lbtrace.redact import Redacted

LEAST_KEY_BYTES: Final = 16


@click.command("redact")
@click.argument(
    "captures", nargs=-1, required=True, metavar="CAPTURE...", shell_complete=completing.files
)
@click.option(
    "-o",
    "--output",
    "folder",
    required=True,
    metavar="DIR",
    shell_complete=completing.folders,
    help="The folder to write to; it is made if it is missing.",
)
@click.option("--bodies", is_flag=True, help="Mask what bodies hold, too.")
@click.option(
    "--addresses", is_flag=True, help="Mask IP and MAC addresses, too; prefixes stay prefixes."
)
@click.option(
    "--key",
    metavar="FILE",
    shell_complete=completing.files,
    help="A file of 16 bytes or more: runs with one key mask alike. Default: a key that is drawn "
    "for this run, and forgotten.",
)
def command(
    captures: tuple[str, ...], folder: str, bodies: bool, addresses: bool, key: str | None
) -> None:
    """Mask the credentials in captures, so that they can be handed on.

    Give all captures of a case at once: equal values get equal masks, so comparing the results
    gives the same report as before. Cookies, Authorization and other secret fields, tokens in
    queries and user names in URLs are masked, in every packet that carries them. What is not HTTP
    is blanked; TLS stays as it is, and its secrets are left out. SECURITY.md says what is promised.
    """
    from lbtrace.options import check_captures
    from lbtrace.points import points_of_any_side
    from lbtrace.redact import redact
    from lbtrace.redact.same_length import KEY_BYTES

    check_captures(captures)
    drawn = secrets.token_bytes(KEY_BYTES) if key is None else _key(key, KEY_BYTES)
    check_folder(folder, captures)
    with ProgressBar() as progress:
        points = points_of_any_side(captures, progress)
        check_folder(folder, [path for files in points for path in files])
        with made_folder(folder):
            done = redact(
                points, folder, drawn, bodies=bodies, addresses=addresses, progress=progress
            )
    for line in told(done):
        click.echo(line)


def told(done: Redacted) -> list[str]:
    """What was done, in a few lines."""
    lines = [f"{given} → {written}" for given, written in done.files]
    lines.append(f"Masked: {_several(done.credentials, 'credential')}.")
    if done.too_ordinary:
        lines.append(
            f"Not looked for elsewhere: {done.too_ordinary} of them, which are too short or too "
            "ordinary to tell from other text."
        )
    blanked = [
        (done.stream_bytes, "byte of TCP streams that no message holds"),
        (done.conflicts, "segment that is part of no stream"),
        (done.blocks, "header block or value of HTTP/2 that could not be read"),
        *((n, f"packet ({reason})") for reason, n in done.packets.most_common()),
    ]
    lines += [f"Blanked: {_several(n, what)}." for n, what in blanked if n]
    lines += [f"Left out: {n} {what}." for what, n in done.left_out.items() if n]
    return lines


def _several(number: int, what: str) -> str:
    noun, blank, rest = what.partition(" ")
    return f"{number:,} {noun if number == 1 else noun + 's'}{blank}{rest}"


def _key(path: str, size: int) -> bytes:
    """The key of so many bytes that a file stands for. OptionError when it holds too few."""
    try:
        with open(path, "rb") as file:
            held = file.read(1 << 20)
    except OSError as error:
        wrong, hint = unread(error)
        raise OptionError("key-unreadable", f"--key {path}: {wrong}", hint) from error
    if len(held) < LEAST_KEY_BYTES:
        raise OptionError(
            "key-too-short",
            f"--key {path}: {len(held)} bytes are no key.",
            "Make one with: head -c 32 /dev/urandom > key",
        )
    return blake2b(held, digest_size=size).digest()
