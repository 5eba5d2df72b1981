"""Numbers as people read them."""

from __future__ import annotations


def in_ml(volume: float) -> str:
    """A volume (mL) with its unit; small ones with two digits."""
    if 0 < volume < 0.005:
        return "less than 0.01 mL"
    return f"{volume:.0f} mL" if volume >= 10 or volume == 0 else f"{volume:.2f} mL"
