"""Draws the module's icon: two lungs, one with a patch, as ``Icons/CovidSeg.svg`` (to look at) and as the PNG.

The shapes stand here once, as cubic Bézier curves in a box of 128 by 128; Pillow draws them eight times as large and
shrinks the picture, so that edges are smooth. Run: ``.venv/bin/python Resources/draw_icon.py``
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIZE, SCALE = 128, 8
HERE = Path(__file__).parent

Point = tuple[float, float]
Curve = tuple[Point, tuple[tuple[Point, Point, Point], ...]]
"""A start and, for each piece, two handles and an end."""

# The patient faces the reader, as in a frontal X-ray: his right lung is on the left of the picture.
RIGHT_LUNG: Curve = (
    (52, 30),
    (
        ((50, 17), (40, 14), (32, 25)),
        ((18, 43), (9, 74), (10, 104)),
        ((10, 113), (17, 115), (25, 111)),
        ((34, 106), (43, 104), (50, 105)),
        ((57, 106), (58, 102), (57, 95)),
        ((54, 74), (55, 52), (52, 30)),
    ),
)
# The left lung has a notch where the heart lies.
LEFT_LUNG: Curve = (
    (76, 30),
    (
        ((78, 17), (88, 14), (96, 25)),
        ((110, 43), (119, 74), (118, 104)),
        ((118, 113), (111, 115), (103, 111)),
        ((97, 107), (91, 105), (85, 104)),
        ((80, 103), (81, 98), (84, 93)),
        ((87, 86), (83, 80), (76, 76)),
        ((72, 73), (73, 52), (76, 30)),
    ),
)
INFECTION: Curve = (
    (24, 82),
    (
        ((26, 73), (36, 71), (42, 76)),
        ((48, 80), (48, 91), (43, 95)),
        ((37, 100), (26, 99), (20, 102)),
        ((17, 95), (23, 89), (24, 82)),
    ),
)
# Windpipe and its two branches, as lines.
AIRWAY: tuple[tuple[Point, ...], ...] = (((64, 10), (64, 42), (50, 56)), ((64, 42), (77, 55)))

SHAPES = ((RIGHT_LUNG, "#9cdea3"), (LEFT_LUNG, "#91c4f2"), (INFECTION, "#e6523b"))
AIRWAY_COLOR, AIRWAY_WIDTH = "#5b6b7b", 7
EDGE_COLOR, EDGE_WIDTH = "#34495e", 3


def outline(curve: Curve, steps: int = 40) -> list[Point]:
    """``curve`` as the points of a polygon."""
    start, pieces = curve
    points: list[Point] = []
    for first, second, end in pieces:
        for t in np.linspace(0, 1, steps, endpoint=False):
            weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
            corners = (start, first, second, end)
            points.append(tuple(sum(w * c[axis] for w, c in zip(weights, corners, strict=True)) for axis in (0, 1)))
        start = end
    return points


def png() -> Image.Image:
    """The icon as a picture with a transparent ground."""
    image = Image.new("RGBA", (SIZE * SCALE, SIZE * SCALE), (255, 255, 255, 0))
    draw = ImageDraw.Draw(image)
    for line in AIRWAY:
        _line(draw, line, AIRWAY_COLOR, AIRWAY_WIDTH)
    for curve, color in SHAPES:
        points = outline(curve)
        draw.polygon([(x * SCALE, y * SCALE) for x, y in points], fill=color)
        if curve is not INFECTION:
            _line(draw, (*points, points[0]), EDGE_COLOR, EDGE_WIDTH)
    return image.resize((SIZE, SIZE), Image.Resampling.LANCZOS)


def _line(draw: ImageDraw.ImageDraw, points: tuple[Point, ...], color: str, width: float) -> None:
    """Draw a line with round ends and corners."""
    scaled = [(x * SCALE, y * SCALE) for x, y in points]
    draw.line(scaled, fill=color, width=round(width * SCALE))
    radius = width * SCALE / 2
    for x, y in scaled:
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)


def svg() -> str:
    """The icon as SVG text."""
    round_line = 'fill="none" stroke-linecap="round" stroke-linejoin="round"'
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{SIZE}" height="{SIZE}" viewBox="0 0 {SIZE} {SIZE}">']
    for points in AIRWAY:
        text = " ".join(f"{x},{y}" for x, y in points)
        lines.append(
            f'  <polyline points="{text}" {round_line} stroke="{AIRWAY_COLOR}" stroke-width="{AIRWAY_WIDTH}"/>'
        )
    for (start, pieces), color in SHAPES:
        text = f"M {start[0]} {start[1]} " + " ".join("C " + " ".join(f"{x} {y}" for x, y in piece) for piece in pieces)
        edge = "" if color == SHAPES[-1][1] else f' stroke="{EDGE_COLOR}" stroke-width="{EDGE_WIDTH}"'
        lines.append(f'  <path d="{text} Z" fill="{color}"{edge}/>')
    return "\n".join([*lines, "</svg>", ""])


def main() -> None:
    """Write both files."""
    (HERE / "Icons").mkdir(exist_ok=True)
    (HERE / "Icons/CovidSeg.svg").write_text(svg(), encoding="utf-8")
    png().save(HERE.parent / "CovidSeg/Resources/Icons/CovidSeg.png", optimize=True)


if __name__ == "__main__":
    main()
