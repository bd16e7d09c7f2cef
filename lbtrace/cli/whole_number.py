"""A whole number among the options of a command, told in words: "1 to 65535", not "1<=x<=65535"."""

from __future__ import annotations

import click


class WholeNumber(click.IntRange):
    """From `min` to `max`; without `max`, any that is not smaller."""

    name = "whole number"

    def _describe_range(self) -> str:
        return f"{self.min} and up" if self.max is None else f"{self.min} to {self.max}"
