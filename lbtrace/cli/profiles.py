"""`lbtrace profiles [NAME]`: the load balancers lbtrace can recognise, and by what."""

from __future__ import annotations

from importlib import resources

import click

from lbtrace.errors import OptionError


@click.command("profiles")
@click.argument("name", required=False)
def command(name: str | None) -> None:
    """The load balancers lbtrace can recognise; with NAME, what it knows about one."""
    folder = resources.files("lbtrace.profiles")
    known = sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml"))
    if name is None:
        click.echo("\n".join(known))
        return
    if name not in known:
        raise OptionError("unknown-profile", f"There is no profile {name!r}.", f"Profiles: {', '.join(known)}.")
    click.echo(folder.joinpath(f"{name}.toml").read_text(encoding="utf-8"), nl=False)
