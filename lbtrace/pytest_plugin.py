"""The fixture `lbtrace` for pytest: what a balancer must do, as a test beside others.

    def test_balancer(lbtrace):
        report = lbtrace.compare("client.pcap", "backend.pcap")
        lbtrace.assert_balancer(report, profile="aws-alb", expect="lb.toml")

A test that fails shows the check and the first screen of the report as sections of their own.
pytest finds this module by the entry point `pytest11`; it imports nothing else of lbtrace before
the fixture is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lbtrace.model.expectation import CheckResult
    from lbtrace.model.report import Report

Path = str | PathLike[str]
_SECTIONS = pytest.StashKey[list[tuple[str, str]]]()
_WIDTH = 100


class BalancerChecks:
    """What the fixture offers."""

    def __init__(self, sections: list[tuple[str, str]]) -> None:
        self._sections = sections

    def compare(self, *captures: Any, **how: Any) -> Report:
        """As `lbtrace.compare`."""
        import lbtrace

        return lbtrace.compare(*captures, **how)

    def check(self, report: Report, **expected: Any) -> CheckResult:
        """As `lbtrace.check`: hold a report against `expect`, `profile`, `baseline`."""
        import lbtrace

        return lbtrace.check(report, **expected)

    def assert_balancer(self, report: Report, **expected: Any) -> CheckResult:
        """The same, and the test fails unless everything holds. What is inconclusive fails it too:
        there is no silent pass.
        """
        __tracebackhide__ = True
        result = self.check(report, **expected)
        if result.exit_code:
            from lbtrace.render.check._words import summary

            self._sections.append(("lbtrace check", _check_page(result)))
            self._sections.append(("lbtrace compare", _report_page(report)))
            pytest.fail(summary(result), pytrace=False)
        return result


@pytest.fixture
def lbtrace(request: pytest.FixtureRequest) -> BalancerChecks:
    """Compare captures and check what the balancer between them does."""
    sections = request.node.stash.setdefault(_SECTIONS, [])
    return BalancerChecks(sections)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Iterator[None]:  # the value of a wrapper is what it returns
    """Add the pages to the report of a test that failed."""
    report = yield
    if report.when == "call" and report.failed:  # type: ignore[attr-defined]
        report.sections += item.stash.get(_SECTIONS, [])  # type: ignore[attr-defined]
    return report


def _check_page(result: CheckResult) -> str:
    from io import StringIO

    from lbtrace.render import View
    from lbtrace.render.check import get_format

    out = StringIO()
    get_format("terminal").write(result, out, View(width=_WIDTH))
    return out.getvalue()


def _report_page(report: Report) -> str:
    from io import StringIO

    from lbtrace.render import View, get_format

    out = StringIO()
    get_format("terminal").write_report(report, out, View(width=_WIDTH))
    return out.getvalue()
