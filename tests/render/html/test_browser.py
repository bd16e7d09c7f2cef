"""The page in a headless Chromium: nothing to complain of, hostile bytes inert, addresses and keys
open what they name.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.behaviour.samples import report_of
from tests.render.html.browser import PROGRAM, Browser, browser
from tests.render.html.test_html import HOSTILE, pages_with, written

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Chromium here")
READY = "document.documentElement.dataset.ready"
SHOWN = "document.querySelector('#detail h3').textContent"
LISTED = "document.getElementById('count').textContent"
WIDTHS = (400, 900, 1600)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as found:
        yield found


@pytest.fixture(autouse=True)
def calm(chromium: Browser) -> Iterator[None]:
    """Whatever a test does, the browser has nothing to complain of and asks for no other file."""
    chromium.complaints.clear()
    chromium.requests.clear()
    yield
    assert chromium.complaints == []
    assert not [url for url in chromium.requests if not url.startswith(("file:", "about:"))]


@pytest.fixture
def race(tmp_path: Path, chromium: Browser) -> str:
    """The address of a page with a problem."""
    path = tmp_path / "race.html"
    path.write_text(written(report_of("nginx-race")), "utf-8")
    chromium.size(1200, 900)
    return path.as_uri()


def opened(chromium: Browser, address: str) -> None:
    chromium.open(address)
    chromium.wait(READY)


def test_it_opens_at_the_exchange_that_went_wrong(chromium: Browser, race: str) -> None:
    opened(chromium, race)
    assert chromium.value(SHOWN).startswith("Exchange 2: GET /divide/50")
    assert chromium.value("document.querySelectorAll('#rows .row').length") == 3
    assert chromium.value("document.querySelectorAll('#detail .ladder .arrow').length") > 5


@pytest.mark.parametrize("number", ["1", "3"])
def test_an_address_opens_a_pair(chromium: Browser, race: str, number: str) -> None:
    opened(chromium, f"{race}#pair-{number}")
    assert chromium.value(SHOWN).startswith(f"Exchange {number}: ")


def test_a_link_on_the_page_opens_a_pair(chromium: Browser, race: str) -> None:
    opened(chromium, race)
    chromium.value("location.hash = 'pair-3'")
    chromium.wait(f"{SHOWN}.startsWith('Exchange 3: ')")


@pytest.mark.parametrize("odd", ["#pair-99", "#pair-", "#u1", "#%", "#pair-<b>"])
def test_an_address_that_names_nothing_breaks_nothing(
    chromium: Browser, race: str, odd: str
) -> None:
    opened(chromium, race + odd)
    assert chromium.value("document.getElementById('detail').textContent")
    assert not chromium.value("document.querySelector('#detail b')")


def test_an_address_opens_a_problem(chromium: Browser, race: str) -> None:
    opened(chromium, f"{race}#P1")
    assert chromium.value("document.querySelector('.problem:target').id") == "P1"


def test_search_and_filters(chromium: Browser, race: str) -> None:
    opened(chromium, race)

    def search(text: str) -> str:
        chromium.value(
            f"(() => {{ const f = document.getElementById('find'); f.value = {text!r};"
            "f.dispatchEvent(new Event('input')); })()"
        )
        chromium.value("new Promise(done => setTimeout(() => done(1), 150))")
        found: str = chromium.value(LISTED)
        return found

    assert search("divide/10") == "1 of 3"
    assert search("user-agent: lbtrace-lab") == "3 of 3"
    assert search("P1") == "1 of 3"
    assert search("#4") == "1 of 3"
    assert search("nowhere") == "0 of 3"
    chromium.press("w")
    assert search("") == "1 of 3"


def test_keys(chromium: Browser, race: str) -> None:
    opened(chromium, race)
    chromium.press("j")
    assert chromium.value(SHOWN).startswith("Exchange 1: ")
    assert chromium.value("location.hash") == "#pair-1"
    chromium.press("k")
    assert chromium.value(SHOWN).startswith("Exchange 2: ")
    chromium.press("n")
    assert chromium.value("location.hash") == "#P1"
    chromium.press("/")
    assert chromium.value("document.activeElement.id") == "find"
    chromium.press("j")  # a letter of the search
    assert chromium.value("location.hash") == "#P1"
    chromium.press("Escape")
    assert chromium.value(LISTED) == "3 of 3"


def test_a_point_of_the_plot_is_an_exchange(chromium: Browser, race: str) -> None:
    opened(chromium, race)
    picture = "document.getElementById('plot').toDataURL()"
    seen = set()
    every = "[...document.getElementById('series').options].map(o => o.value)"
    for series in chromium.value(every):
        chromium.value(
            f"(() => {{ const s = document.getElementById('series'); s.value = '{series}';"
            "s.dispatchEvent(new Event('change')); })()"
        )
        seen.add(chromium.value(picture))
    assert len(seen) == 4  # what clients waited, what was added, the way there, the way back
    chromium.value("document.getElementById('series').value = 'total'")
    clicked = (
        "(() => { const c = document.getElementById('plot'), box = c.getBoundingClientRect();"
        "for (let y = 0; y < box.height && location.hash !== '#pair-3'; y += 12)"
        "c.dispatchEvent(new MouseEvent('click', {clientX: box.right - 16, clientY: box.top + y}));"
        "return location.hash === '#pair-3'; })()"
    )
    assert chromium.value(clicked)


@pytest.mark.parametrize("kind", ["report", "captures", "check", "diff"])
def test_hostile_bytes_run_nothing(chromium: Browser, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "hostile.html"
    path.write_text(pages_with(HOSTILE)[kind], "utf-8")
    chromium.open(path.as_uri())
    if kind in ("report", "captures"):
        chromium.wait(READY)
        for _ in range(4):
            chromium.press("j")
        assert "<script>alert(1)" in chromium.value("document.getElementById('detail').textContent")
    assert chromium.value("document.querySelectorAll('main script, main img').length") == 0


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_window(
    chromium: Browser, race: str, width: int, dark: bool
) -> None:
    chromium.size(width, 900, dark)
    opened(chromium, race)
    assert chromium.value("document.documentElement.scrollWidth") == width
    background = chromium.value("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(20, 23, 26)" if dark else "rgb(255, 255, 255)")


def test_paper_has_the_list(chromium: Browser, race: str) -> None:
    opened(chromium, race)
    chromium.value("window.dispatchEvent(new Event('beforeprint'))")
    assert chromium.value("document.querySelectorAll('#rows .row').length") == 3


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The files of a folder over HTTP, on this machine."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_page_on_a_server_asks_for_nothing_but_itself(chromium: Browser, tmp_path: Path) -> None:
    (tmp_path / "race.html").write_text(written(report_of("nginx-race")), "utf-8")
    with served(tmp_path) as address:
        opened(chromium, f"{address}/race.html#pair-1")
        assert chromium.value(SHOWN).startswith("Exchange 1: ")
        asked = [url for url in chromium.requests if url.startswith("http")]
        assert asked == [f"{address}/race.html"]
        chromium.requests.clear()
