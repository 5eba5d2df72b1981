"""Where the marks, lines and ticks of a small plot lie; the page draws them as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 360, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 14, 12, 30


@dataclass(frozen=True)
class Plot:
    """One plot over time, in SVG units. ``marks``: x, y, text; ``ticks``: place and text; ``line``: an SVG path."""

    title: str
    color: str
    line: str
    marks: tuple[tuple[float, float, str], ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]

    left, right, top, bottom = _LEFT, WIDTH - _RIGHT, _TOP, HEIGHT - _BOTTOM


def make_plot(title: str, color: str, days: Sequence[int], values: Sequence[float | None], digits: int = 0) -> Plot:
    """``values`` (None: a gap) over ``days`` since the first scan; the y axis begins at 0, so that sizes compare."""
    known = [value for value in values if value is not None]
    y_ticks = nice_ticks(max(known, default=0.0))
    last = max(days[-1], 1)

    def x(day: float) -> float:
        return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * day / last, 1)

    def y(value: float) -> float:
        return round(HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * value / y_ticks[-1], 1)

    marks, steps, pen_down = [], [], False
    for day, value in zip(days, values, strict=True):
        if value is None:
            pen_down = False
            continue
        marks.append((x(day), y(value), f"{value:.{digits}f}"))
        steps.append(f"{'L' if pen_down else 'M'}{x(day)} {y(value)}")
        pen_down = True
    decimals = next(number for number in range(6) if all(abs(t - round(t, number)) < 1e-9 for t in y_ticks))
    return Plot(
        title,
        color,
        " ".join(steps),
        tuple(marks),
        tuple((x(day), str(day)) for day in _apart(days, last)),
        tuple((y(tick), f"{tick:.{decimals}f}") for tick in y_ticks),
    )


def nice_ticks(highest: float) -> list[float]:
    """About four round numbers from 0 to ``highest`` or a little more (0, 1 where there is nothing)."""
    if highest <= 0:
        return [0.0, 1.0]
    rough = highest / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * (1 - 1e-9))
    return [step * number for number in range(math.ceil(highest / step - 1e-9) + 1)]


def _apart(days: Sequence[int], last: int) -> list[int]:
    """The days that can be written under the axis without touching each other; first and last always."""
    chosen = [days[0]]
    for day in days[1:-1]:
        if day - chosen[-1] >= 0.07 * last and days[-1] - day >= 0.07 * last:
            chosen.append(day)
    return [*chosen, days[-1]] if days[-1] != days[0] else chosen
