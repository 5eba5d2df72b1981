"""Draws the README's pictures of the report and of the follow-up on synthetic chests, in a real browser.

Run: ``.venv/bin/python Resources/draw_report.py`` (needs Debian's package chromium; takes a minute).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "Resources/Screenshots"
VISITS = {0: 0, 3: 12, 5: 96}
"""Seeds of the synthetic chests, and the days on which they were "taken"."""


def covidseg(*arguments: object) -> None:
    """Run the command line."""
    subprocess.run([sys.executable, "-m", "CovidSegLib.cli", *map(str, arguments), "--quiet"], check=True)


def main() -> None:
    """Draw both."""
    sys.path.insert(0, str(ROOT))
    from PIL import Image

    from Testing.kit.browser import Browser

    TARGET.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for seed in VISITS:
            covidseg("sample", folder / f"{seed}.nii.gz", "--seed", seed, "--slices", 80 if seed == 0 else 40)
        scans = [folder / f"{seed}.nii.gz" for seed in VISITS]
        covidseg("segment", scans[0], "-o", folder / "masks.seg.nrrd", "--report", folder / "report.html")
        covidseg("followup", *scans, "--days", *VISITS.values(), "-o", folder / "followup.html")
        browser = Browser(folder)
        for page in ("report", "followup"):
            text = (folder / f"{page}.html").read_text(encoding="utf-8")
            height = browser.look(text, 1120, 300).height
            picture = browser.screenshot(text, 1120, height, folder / f"{page}.png")
            Image.open(picture).convert("RGB").save(TARGET / f"{page}.png", optimize=True)


if __name__ == "__main__":
    main()
