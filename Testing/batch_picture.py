"""Makes Resources/Screenshots/batch.png: the index of a real batch over synthetic chests (`make screenshots`)."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from Testing.kit.browser import Browser
from Testing.kit.stamps import save_stamped

SEEDS = (0, 1, 2, 3, 5, 8, 9)
SIZE = (1280, 1020)
COLORS = 192
"""As many as it takes; the picture has half the size of one with all colours."""


def main(folder: Path) -> None:
    """Make the scans, run the batch, take the picture."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "scans").mkdir()
        for number, seed in enumerate(SEEDS, start=1):
            covidseg("sample", place / "scans" / f"sample {number}.nii.gz", "--seed", seed, "--slices", 60)
        (place / "scans" / "sample 8.nii.gz").write_text("cut off")
        covidseg("batch", place / "scans", place / "results", may_fail=True)
        page = (place / "results" / "index.html").read_text(encoding="utf-8")
        picture = Browser(place / "results").screenshot(page, *SIZE, place / "batch.png")
        save_stamped(Image.open(picture).convert("RGB").quantize(COLORS), folder / "batch.png")


def covidseg(*arguments: object, may_fail: bool = False) -> None:
    """Run the command."""
    subprocess.run([sys.executable, "-m", "CovidSegLib.cli", *map(str, arguments)], check=not may_fail)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
