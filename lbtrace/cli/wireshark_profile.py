"""`lbtrace wireshark-profile -o DIR`: what shows lbtrace's comments in Wireshark."""

from __future__ import annotations

import os

import click

from lbtrace.cli import completing
from lbtrace.cli.atomic import replaced_bytes
from lbtrace.cli.folder import made_folder
from lbtrace.errors import OptionError
from lbtrace.render.wording.escape import shown


@click.command("wireshark-profile")
@click.option(
    "-o",
    "--output",
    "folder",
    default="lbtrace-profile",
    show_default=True,
    metavar="DIR",
    shell_complete=completing.folders,
    help="The folder to write to; it is made if it is missing.",
)
def command(folder: str) -> None:
    """Write a Lua post-dissector, colour rules and columns for Wireshark.

    lbtrace.lua makes fields of the comments that merge and extract write: lbtrace.pair == 2,
    lbtrace.problem == "P1", lbtrace.finding contains "race". Wireshark says under Help, About,
    Folders where its personal Lua plugins and its configuration (profiles) are.
    """
    from lbtrace.wireshark.profile_files import profile_files

    if os.path.exists(folder) and not os.path.isdir(folder):
        raise OptionError("output-no-folder", f"-o {folder}: this is a file.", "Name a folder.")
    with made_folder(folder):
        for name, content in profile_files().items():
            path = os.path.join(folder, name)
            with replaced_bytes(path) as out:
                out.write(content)
            click.echo(shown(path))
