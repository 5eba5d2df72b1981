"""Draws the follow-up of a synthetic chest as a real browser shows it.

Run by ``make screenshots``, or ``python Testing/report_pictures.py FOLDER``; needs Debian's package chromium.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from Testing.kit.browser import Browser
from Testing.kit.stamps import save_stamped

VISITS = {3: 0, 0: 12}
"""Seeds of the synthetic chests, and the days on which they were "taken"."""

PAGE_WIDTH, LARGEST_BYTES = 1120, 500_000


def covidseg(*arguments: object) -> None:
    """Run the command line."""
    subprocess.run([sys.executable, "-m", "CovidSegLib.cli", *map(str, arguments), "--quiet"], check=True)


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
    """Draw ``followup.png`` into ``target``."""
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for seed in VISITS:
            covidseg("sample", folder / f"{seed}.nii.gz", "--seed", seed, "--slices", 80)
        scans = [folder / f"{seed}.nii.gz" for seed in VISITS]
        covidseg("followup", *scans, "--days", *VISITS.values(), "-o", folder / "followup.html")
        draw_page(folder / "followup.html", target / "followup.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
