"""`lbtrace profiles [NAME]`: the load balancers that lbtrace can recognise, and how."""

from __future__ import annotations

import tomllib
from importlib import resources

import click

from lbtrace.errors import OptionError


@click.command("profiles")
@click.argument("name", required=False)
def command(name: str | None) -> None:
    """List the load balancers that lbtrace can recognise; with NAME, show one profile."""
    folder = resources.files("lbtrace.profiles")
    known = {f.name.removesuffix(".toml"): f for f in folder.iterdir() if f.name.endswith(".toml")}
    if name is None:
        width = max(map(len, known), default=0)
        for slug in sorted(known):
            profile = tomllib.loads(known[slug].read_text(encoding="utf-8"))
            click.echo(f"{slug:<{width}}  {profile['name']}")
        return
    if name not in known:
        raise OptionError(
            "unknown-profile",
            f"There is no profile {name!r}.",
            f"Profiles: {', '.join(sorted(known))}.",
        )
    click.echo(known[name].read_text(encoding="utf-8"), nl=False)
