"""`python -m tests.bench.page`: the page for a browser of a generated pair of captures. How large
it is, how much processor time it takes to write beside the JSON of the same report, and how long
Chromium takes to open and to search it. Nothing here passes or fails.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from pathlib import Path

from lbtrace.model.report import Report
from lbtrace.pipeline import compare
from lbtrace.render import View, get_format
from tests.bench.generate import write_pair
from tests.render.html.browser import PROGRAM, browser

_SEARCH = """(async () => {
  const find = document.getElementById("find"), count = document.getElementById("count");
  const before = count.textContent, start = performance.now();
  find.value = "00000042"; find.dispatchEvent(new Event("input"));
  while (count.textContent === before) await new Promise(done => setTimeout(done, 0));
  return Math.round(performance.now() - start);
})()"""


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exchanges", type=int, default=12_800)
    wanted = parser.parse_args().exchanges
    with tempfile.TemporaryDirectory() as folder:
        front, back, page = (Path(folder) / name for name in ("c.pcap", "b.pcap", "page.html"))
        exchanges, _ = write_pair(front, back, "reuse", wanted)
        report = compare([[str(front)]], [[str(back)]])
        json_s, _ = _written(report, "json")
        page_s, text = _written(report, "html")
        print(f"{exchanges} exchanges: {len(text.encode())} bytes")
        print(
            f"written in {page_s:.1f} s of processor time, {page_s / json_s:.1f} times that of JSON"
        )
        page.write_text(text, "utf-8")
        if PROGRAM is not None:
            _open(page)


def _written(report: Report, name: str) -> tuple[float, str]:
    out, start = io.StringIO(), time.process_time()
    get_format(name).write_report(report, out, View())
    return time.process_time() - start, out.getvalue()


def _open(page: Path) -> None:
    with browser() as chromium:
        chromium.open(page.as_uri())
        chromium.wait("document.documentElement.dataset.ready")
        ready = chromium.value("document.documentElement.dataset.ready")
        print(f"ready after {ready} ms, first search {chromium.value(_SEARCH)} ms")


if __name__ == "__main__":
    main()
