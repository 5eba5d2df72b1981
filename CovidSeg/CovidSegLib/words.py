"""Numbers as people read them: one way for the console, the pages and the panel."""

from __future__ import annotations


def in_ml(volume: float) -> str:
    """A volume (mL) with its unit, inside a sentence."""
    return f"{ml(volume)} mL".replace("<", "less than")


def ml(volume: float, separator: str = "") -> str:
    """A volume (mL): whole numbers from 10 on, else two decimals; what is there but rounds to nothing is "< 0.01".

    ``separator`` stands between thousands.
    """
    if 0 < volume < 0.005:
        return "< 0.01"
    return f"{volume:,.0f}".replace(",", separator) if volume >= 9.995 or volume == 0 else f"{volume:.2f}"


def percent(value: float) -> str:
    """A share in percent, without its sign: one decimal; what is there but rounds to nothing is "< 0.1"."""
    return "< 0.1" if 0 < value < 0.05 else f"{value:.1f}"
