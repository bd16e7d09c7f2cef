"""A finished Report (or CaptureReport) → text for people or a format for machines; one module per
format.

A format is a module of this package with

    SUMMARY: str                                           one line for --help
    def write_report(report, out, view) -> None            the result of `compare`
    def write_trace(report, out, view) -> None             the result of `show`

and its name is the module's name. Formats read; they never measure or judge. What `get_format`
hands out masks credentials first (`lbtrace.render.masked`), unless the view shows them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, tzinfo
from enum import IntEnum
from importlib import import_module
from pkgutil import iter_modules
from typing import Literal, Protocol, TextIO, cast

from lbtrace.errors import OptionError
from lbtrace.language import ENGLISH
from lbtrace.model.report import CaptureReport, Report
from lbtrace.model.selection import EVERYTHING, Selection

_SHARED = {
    "arrow",
    "check",
    "diff",
    "fleet",
    "masked",
    "wording",
    "schema",
}  # in this package, and no format


Ladder = Literal["", "text", "mermaid", "svg"]  # how to draw the steps of one exchange


class Detail(IntEnum):
    """How much to write, least first."""

    PROBLEMS = 0  # what is wrong and nothing else
    FIRST_SCREEN = 1
    REASONS = 2  # and why lbtrace says so
    EVERYTHING = 3  # and nothing is cut


@dataclass(frozen=True, slots=True)
class View:
    """How to write: `width` in columns, `detail`, `colour` allowed, `ascii_only` when the output
    cannot take other characters, `show_secrets` instead of masked credentials. Times of day are
    those of `zone`. `command` is what was typed, for what to type next. `zoom` names one problem or
    exchange to show instead, `ladder` how to draw its steps alone. `selection` chooses what is
    listed. `language` is that of the fixed words and of the findings. `jobs`: how many processes
    may write side by side; it changes no result.
    """

    width: int = 80
    detail: Detail = Detail.FIRST_SCREEN
    colour: bool = False
    ascii_only: bool = False
    show_secrets: bool = False
    zone: tzinfo = UTC
    command: str = "lbtrace compare …"
    zoom: str = ""
    ladder: Ladder = ""
    selection: Selection = EVERYTHING
    language: str = ENGLISH
    jobs: int = 1

    @property
    def everything(self) -> bool:
        """Whether nothing may be cut."""
        return self.detail is Detail.EVERYTHING


class Format(Protocol):
    """What a module of this package offers."""

    SUMMARY: str

    def write_report(self, report: Report, out: TextIO, view: View) -> None:
        """Write the result of `compare`."""

    def write_trace(self, report: CaptureReport, out: TextIO, view: View) -> None:
        """Write the result of `show`."""


def format_names() -> list[str]:
    """The formats there are."""
    return sorted(
        m.name
        for m in iter_modules(__path__)
        if m.name not in _SHARED and not m.name.startswith("_")
    )


def folder_formats() -> dict[str, str]:
    """The formats that are a folder of files: name, and one line for --help."""
    return {"parquet": "a folder of tables, for notebooks (docs/notebook.md)"}


def write_folder(report: Report | CaptureReport, folder: str, view: View) -> list[str]:
    """Write the tables of a result into a folder; the paths of the files. OptionError when pyarrow
    is not installed.
    """
    from lbtrace.render.arrow import write_parquet

    return write_parquet(report if view.show_secrets else without_credentials(report), folder)


def without_credentials(report: Report | CaptureReport) -> Report | CaptureReport:
    """A result with its credentials masked."""
    from lbtrace.render.masked import masked_capture_report, masked_report

    if isinstance(report, Report):
        return masked_report(report)
    return masked_capture_report(report)


def get_format(name: str) -> Format:
    """The format of that name; OptionError when there is none."""
    if name not in format_names():
        raise OptionError(
            "unknown-format",
            f"There is no format {name!r}.",
            f"Formats: {', '.join(format_names())}.",
        )
    return _Masking(cast(Format, import_module(f"{__name__}.{name}")))


class _Masking:
    """A format that gets its results masked."""

    def __init__(self, of: Format) -> None:
        self._of = of
        self.SUMMARY = of.SUMMARY

    def write_report(self, report: Report, out: TextIO, view: View) -> None:
        """Write the result of `compare`."""
        if not view.show_secrets:
            from lbtrace.render.masked import masked_report

            report = masked_report(report)
        self._of.write_report(report, out, view)

    def write_trace(self, report: CaptureReport, out: TextIO, view: View) -> None:
        """Write the result of `show`."""
        if not view.show_secrets:
            from lbtrace.render.masked import masked_capture_report

            report = masked_capture_report(report)
        self._of.write_trace(report, out, view)
