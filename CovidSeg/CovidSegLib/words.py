"""Numbers as people read them."""

from __future__ import annotations


def in_ml(volume: float) -> str:
    """A volume (mL) with its unit; small ones with two digits."""
    return f"{volume:.0f} mL" if volume >= 10 or volume == 0 else f"{volume:.2f} mL"
