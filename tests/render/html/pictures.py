"""`python -m tests.render.html.pictures`: the picture of docs/html.md, of the sample nginx-race.

Fonts differ from machine to machine: no test compares pixels.
"""

from __future__ import annotations

import tempfile
from base64 import b64decode
from pathlib import Path

from tests.behaviour.samples import report_of
from tests.render.html.browser import browser
from tests.render.html.test_html import written

PICTURE = Path(__file__).resolve().parents[3] / "docs/pictures/report.png"
WIDTH, HEIGHT, SCALE = 1160, 900, 0.75


def main() -> None:
    """Draw it."""
    with tempfile.TemporaryDirectory() as folder, browser() as chromium:
        page = Path(folder) / "report.html"
        page.write_text(written(report_of("nginx-race")), "utf-8")
        chromium.size(WIDTH, HEIGHT)
        chromium.open(page.as_uri())
        chromium.wait("document.documentElement.dataset.ready")
        top = chromium.value("document.getElementById('exchanges').offsetTop")
        parts = {"x": 0, "y": top, "width": WIDTH, "height": HEIGHT, "scale": SCALE}
        shot = chromium.ask(
            "Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=parts
        )
        PICTURE.write_bytes(b64decode(shot["data"]))


if __name__ == "__main__":
    main()
