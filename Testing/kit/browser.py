"""A real browser (headless Chromium of Debian) that looks at a page: what it says, and whether it fits."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_ALONE = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-quic", "--hide-scrollbars",
)  # fmt: skip

# The page is put into frames of the wanted widths: a window of Chromium cannot be narrower than 500 pixels.
_FRAME = '<iframe width="{width}" height="{height}" srcdoc="{page}"></iframe>'
_FRAMES = """<!DOCTYPE html><meta charset="utf-8">
<style>body {{ margin: 0 }} iframe {{ border: 0; display: block }}</style>
{frames}
<pre id="found"></pre>
<script>
function seen(frame) {{
  const page = frame.contentDocument, width = Number(frame.width);
  const wide = [...page.querySelectorAll("body *")].filter((element) =>
    element.getBoundingClientRect().right > width + 0.5 ||
    (element.clientWidth > 0 && element.scrollWidth > element.clientWidth + 1 && !element.closest("svg")));
  const pictures = [...page.images].map((image) => image.complete && image.naturalWidth);
  return {{
    text: page.body.innerText, width: page.documentElement.scrollWidth, height: page.documentElement.scrollHeight,
    overflowing: wide.map((element) => element.outerHTML.slice(0, 120)), pictures,
    loaded: page.defaultView.performance.getEntriesByType("resource").map((entry) => entry.name.slice(0, 60)),
  }};
}}
addEventListener("load", () => {{
  document.getElementById("found").textContent = JSON.stringify([...document.querySelectorAll("iframe")].map(seen));
}});
</script>"""


@dataclass(frozen=True)
class Seen:
    """A page at one width: its text, its size in pixels, what sticks out, its pictures' widths, what it loaded."""

    text: str
    width: int
    height: int
    overflowing: list[str]
    pictures: list[int]
    loaded: list[str]


class Browser:
    """Opens pages from files in ``folder``; skips the test where there is no Chromium."""

    def __init__(self, folder: Path) -> None:
        program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
        if program is None:
            pytest.skip("needs Debian's package chromium")
        self.program, self.folder = program, folder

    def look(self, page: str, width: int, height: int = 900) -> Seen:
        """Open ``page`` (HTML) ``width`` pixels wide."""
        return self.look_at_widths(page, (width,), height)[width]

    def look_at_widths(self, page: str, widths: Sequence[int], height: int = 900) -> dict[int, Seen]:
        """Open ``page`` (HTML) in each of ``widths``: to start a browser takes a second."""
        document = self._run(self._frames(page, widths, height), "--dump-dom")
        found = re.search(r'<pre id="found">(.*?)</pre>', document, re.DOTALL)
        assert found, document[-2000:]
        seen = json.loads(html.unescape(found[1]))
        return {width: Seen(**each) for width, each in zip(widths, seen, strict=True)}

    def screenshot(self, page: str, width: int, height: int, path: Path) -> Path:
        """Save a picture (PNG) of the first ``height`` pixels of ``page``."""
        framed = self._frames(page, (width,), height)
        self._run(framed, f"--window-size={max(width, 500)},{height}", f"--screenshot={path}")
        return path

    def printed_pages(self, page: str, path: Path) -> int:
        """Print ``page`` to ``path`` (PDF); returns the number of sheets."""
        place = self.folder / "printed.html"
        place.write_text(page, encoding="utf-8")
        self._run(place, "--no-pdf-header-footer", f"--print-to-pdf={path}")
        return len(re.findall(rb"/Type\s*/Page\b", path.read_bytes()))

    def _frames(self, page: str, widths: Sequence[int], height: int) -> Path:
        place, content = self.folder / "frames.html", html.escape(page)
        frames = "\n".join(_FRAME.format(width=width, height=height, page=content) for width in widths)
        place.write_text(_FRAMES.format(frames=frames), encoding="utf-8")
        return place

    def _run(self, place: Path, *options: str) -> str:
        with tempfile.TemporaryDirectory(dir=self.folder) as profile:
            command = [self.program, *_ALONE, f"--user-data-dir={profile}", *options, place.as_uri()]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        return done.stdout
