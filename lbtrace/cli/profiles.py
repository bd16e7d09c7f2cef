"""`lbtrace profiles [NAME]`: the load balancers that lbtrace can recognise, and how."""

from __future__ import annotations

import tomllib
from importlib import resources
from importlib.resources.abc import Traversable

import click

from lbtrace.cli import completing
from lbtrace.errors import unknown_name


@click.command("profiles")
@click.argument("name", required=False, shell_complete=completing.profiles)
def command(name: str | None) -> None:
    """List the load balancers that lbtrace can recognise; with NAME, show one profile."""
    known = _files()
    if name is None:
        width = max(map(len, known), default=0)
        for slug, title in profile_names().items():
            click.echo(f"{slug:<{width}}  {title}")
        return
    if name not in known:
        raise unknown_name("unknown-profile", "profile", name, sorted(known))
    click.echo(known[name].read_text(encoding="utf-8"), nl=False)


def profile_names() -> dict[str, str]:
    """The ids of the profiles, each with the name of the balancer."""
    return {
        slug: str(tomllib.loads(file.read_text(encoding="utf-8"))["name"])
        for slug, file in sorted(_files().items())
    }


def _files() -> dict[str, Traversable]:
    folder = resources.files("lbtrace.profiles")
    return {f.name.removesuffix(".toml"): f for f in folder.iterdir() if f.name.endswith(".toml")}
