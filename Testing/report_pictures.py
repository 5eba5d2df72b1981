"""Draws the README's pictures of synthetic chests: the first one, the report and the follow-up (in a real browser).

Run by ``make screenshots``, or ``python Testing/report_pictures.py FOLDER``; needs Debian's package chromium.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from kit.browser import Browser
from kit.stamps import save_stamped
from PIL import Image

VISITS = {0: 0, 3: 12, 5: 96}
"""Seeds of the synthetic chests, and the days on which they were "taken"."""

TILE = (600, 467)
"""Size of each of the four parts of the first picture."""

PAGE_WIDTH, LARGEST_BYTES = 1120, 500_000


def covidseg(*arguments: object) -> None:
    """Run the command line."""
    subprocess.run([sys.executable, "-m", "CovidSegLib.cli", *map(str, arguments), "--quiet"], check=True)


def draw_demo(scan: Path, labels: Path, target: Path) -> None:
    """What ``make demo`` draws (three slices and the 3-D view), as one picture."""
    with tempfile.TemporaryDirectory() as folder:
        program = ["-m", "CovidSegLib.report.demo", scan, labels, "--pictures", folder]
        subprocess.run([sys.executable, *map(str, program)], check=True, capture_output=True)
        canvas = Image.new("RGB", (2 * TILE[0], 2 * TILE[1]))
        for number, name in enumerate(("axial", "coronal", "sagittal", "3d")):
            part = Image.open(Path(folder) / f"result_{name}.png").convert("RGB").resize(TILE, Image.Resampling.LANCZOS)
            canvas.paste(part, (number % 2 * TILE[0], number // 2 * TILE[1]))
        save(canvas, target)


def draw_page(page: Path, target: Path) -> None:
    """The whole page as a reader's browser shows it."""
    browser, text = Browser(page.parent), page.read_text(encoding="utf-8")
    height = browser.look(text, PAGE_WIDTH, 300).height
    save(Image.open(browser.screenshot(text, PAGE_WIDTH, height, page.with_suffix(".png"))).convert("RGB"), target)


def save(picture: Image.Image, target: Path) -> None:
    """Write a PNG that is small enough for the repository: with fewer colours where it has to be."""
    save_stamped(picture, target)
    if target.stat().st_size > LARGEST_BYTES:
        save_stamped(picture.quantize(256), target)


def main(target: Path) -> None:
    """Draw all three into ``target``."""
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for seed in VISITS:
            covidseg("sample", folder / f"{seed}.nii.gz", "--seed", seed, "--slices", 80 if seed == 0 else 40)
        scans = [folder / f"{seed}.nii.gz" for seed in VISITS]
        covidseg("segment", scans[0], "-o", folder / "labels.nii.gz", "--report", folder / "report.html")
        covidseg("followup", *scans, "--days", *VISITS.values(), "-o", folder / "followup.html")
        draw_demo(scans[0], folder / "labels.nii.gz", target / "demo.png")
        for page in ("report", "followup"):
            draw_page(folder / f"{page}.html", target / f"{page}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
