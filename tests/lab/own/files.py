"""Configurations as people write them for their own machines, and what the lab makes of them."""

from __future__ import annotations

from pathlib import Path

from lbtrace.lab.own import Configuration, Wish
from lbtrace.lab.registry import find_balancer

FILES = Path(__file__).with_name("configurations")
SHOP = Path(__file__).resolve().parents[3] / "docs" / "ci" / "shop.conf"  # the documented example


def adapted(balancer: str, file: Path | str, wish: Wish = Wish()) -> Configuration:  # noqa: B008
    """The configuration in a file."""
    own = find_balancer(balancer).own
    assert own is not None
    return own.adapt(FILES / file, wish)


def adapted_text(balancer: str, folder: Path, text: str, wish: Wish = Wish()) -> Configuration:  # noqa: B008
    """The configuration that is this text."""
    file = folder / "my.conf"
    file.write_text(text, "utf-8")
    return adapted(balancer, file, wish)
