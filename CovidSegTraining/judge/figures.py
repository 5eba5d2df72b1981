"""Pictures of what was measured: panels of slices, training curves, scores by case, Bland-Altman plots.

Pictures show CT slices of the data set: mind its licence before one is published.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from CovidSegLib.segmentation import SEGMENTS, Label
from CovidSegLib.system.atomic_files import replace_file
from CovidSegLib.system.file_states import file_state

HU_SHOWN = (-1250.0, 250.0)
NAMES: dict[int, str] = {segment.label: segment.name for segment in SEGMENTS}
_INCH = 2.6
_GREY, _ACCENT = "#555555", "#b3261e"


@dataclass(frozen=True)
class FigurePanel:
    """One slice: ``hu`` and ``masks`` (rows, columns), uint8 of :class:`CovidSegLib.segmentation.Label`, by title."""

    name: str
    hu: np.ndarray
    masks: Mapping[str, np.ndarray]


def panels(shown: Sequence[FigurePanel], file: Path, names: Mapping[int, str] = NAMES) -> None:
    """A row for each slice: input, every mask, and the last mask over the input; ``names``: what labels are called."""
    from matplotlib.patches import Patch

    columns = 2 + max(len(panel.masks) for panel in shown)
    figure, axes = _figure(len(shown), columns, (_INCH * columns, _INCH * len(shown)))
    for row, panel in zip(axes, shown, strict=True):
        row[0].imshow(panel.hu, cmap="gray", vmin=HU_SHOWN[0], vmax=HU_SHOWN[1])
        row[0].set_ylabel(panel.name, fontsize=8)
        for axis, mask in zip(row[1:], panel.masks.values(), strict=False):
            axis.imshow(colors(mask))
        row[-1].imshow(overlay(panel.hu, list(panel.masks.values())[-1]))
    low, high = HU_SHOWN
    *others, last = shown[0].masks
    for axis, title in zip(axes[0], [f"CT, {low:g} to {high:g} HU", *others, last, f"CT and {last}"], strict=False):
        axis.set_title(title, fontsize=9)
    for axis in axes.ravel():
        axis.set_xticks([])
        axis.set_yticks([])
        # Columns run to the patient's left.
        axis.text(0.02, 0.98, "R", transform=axis.transAxes, va="top", fontsize=8, color="white")
    patches = [Patch(color=segment.color, label=names[segment.label]) for segment in SEGMENTS if segment.label in names]
    figure.legend(handles=patches, loc="outside lower center", ncols=len(patches), fontsize=8, frameon=False)
    _save(figure, file)


def colors(mask: np.ndarray) -> np.ndarray:
    """RGB (rows, columns, 3), 0 to 1: segments in their own colours on black."""
    picture = np.zeros((*mask.shape, 3))
    for segment in SEGMENTS:
        picture[mask == segment.label] = segment.color
    return picture


def overlay(hu: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """RGB (rows, columns, 3), 0 to 1: the slice, with lungs tinted and infection painted."""
    low, high = HU_SHOWN
    grey = np.repeat(((hu.astype(float) - low) / (high - low)).clip(0, 1)[..., None], 3, axis=-1)
    weight = np.where(mask == Label.INFECTION, 0.55, np.where(mask > 0, 0.25, 0.0))[..., None]
    return grey * (1 - weight) + colors(mask) * weight


def curves(rows: Sequence[Mapping[str, float]], file: Path, *, names: Sequence[str], x: str, score: str) -> None:
    """Columns ``names`` of a log over its column ``x``: losses, and in a plot of their own scores (0 to 1).

    ``score``: what the scores are, in words.
    """
    scores = [name for name in names if "loss" not in name]
    losses = [name for name in names if "loss" in name]
    groups = [group for group in (losses, scores) if any(name in row for name in group for row in rows)]
    figure, axes = _figure(1, max(1, len(groups)), (5.0 * max(1, len(groups)), 3.4))
    for axis, group in zip(axes[0], groups, strict=False):
        for name in group:
            points = [(row[x], row[name]) for row in rows if name in row]
            if points:
                axis.plot(
                    *zip(*points, strict=True), marker="o" if len(points) < 30 else None, ms=3, label=_words(name)
                )
        axis.set_xlabel(_words(x))
        axis.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        axis.set_ylabel("loss" if group is losses else score)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    _save(figure, file)


def bars(rows: Sequence[Mapping[str, object]], names: Mapping[str, str], file: Path) -> None:
    """Scores (0 to 1) of every case as bars, the worst by the first of them on top; what measures nothing comes last.

    ``names``: the column of each score, by its title.
    """
    first = next(iter(names.values()))
    rows = sorted(rows, key=lambda row: np.nan_to_num(_value(row, first), nan=np.inf))
    figure, axes = _figure(1, 1, (8.0, 0.34 * len(rows) * len(names) / 2 + 1.2))
    axis = axes[0, 0]
    height = 0.8 / len(names)
    for index, (title, name) in enumerate(names.items()):
        places = np.arange(len(rows)) + (index - (len(names) - 1) / 2) * height
        values = [_value(row, name) for row in rows]
        axis.barh(places, np.nan_to_num(values), height, label=title)
        for place, value in zip(places, values, strict=True):
            if np.isnan(value):
                axis.text(0.01, place, "nothing to measure", va="center", fontsize=6, color=_GREY)
    axis.set_yticks(range(len(rows)), [str(row["case"]) for row in rows], fontsize=8)
    axis.invert_yaxis()  # the first is on top
    axis.set_xlim(0, 1)
    axis.set_xlabel("Dice")
    axis.grid(axis="x", alpha=0.3)
    axis.set_axisbelow(True)
    axis.legend(fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(names), frameon=False)
    _save(figure, file)


def bland_altman(rows: Sequence[Mapping[str, object]], pairs: Mapping[str, tuple[str, str]], file: Path) -> None:
    """Difference over mean for each pair (measured, truth) of columns, by its title (Bland and Altman 1986).

    Lines: the mean difference, and 1.96 standard deviations above and below it.
    """
    figure, axes = _figure(1, len(pairs), (4.6 * len(pairs), 3.6))
    for axis, (title, (measured, truth)) in zip(axes[0], pairs.items(), strict=True):
        mine, true = (np.array([_value(row, name) for row in rows]) for name in (measured, truth))
        known = np.isfinite(mine) & np.isfinite(true)
        mean, difference = (mine + true)[known] / 2, (mine - true)[known]
        axis.scatter(mean, difference, s=18, color=_GREY)
        axis.axhline(0, color=_GREY, lw=0.8)
        if difference.size:
            middle = difference.mean()
            axis.axhline(middle, color=_ACCENT, label=f"mean {middle:.2f}")
            if difference.size > 1:
                spread = 1.96 * difference.std(ddof=1)
                label = f"limits of agreement {middle - spread:.2f} to {middle + spread:.2f}"
                axis.axhline(middle - spread, color=_ACCENT, ls="--", label=label)
                axis.axhline(middle + spread, color=_ACCENT, ls="--")
            # Below the plot: within, it would lie on a line or a scan.
            axis.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=2, frameon=False)
        axis.set_title(title, fontsize=9)
        axis.set_xlabel("mean of network and reader", fontsize=8)
        axis.set_ylabel("network - reader", fontsize=8)
        axis.grid(alpha=0.3)
    _save(figure, file)


def memory(counts: Sequence[int], peaks: Mapping[str, Sequence[float]], file: Path) -> None:
    """Peak memory in MiB over the number of volumes, a line for each way of training."""
    figure, axes = _figure(1, 1, (5.4, 3.6))
    axis = axes[0, 0]
    for name, values in peaks.items():
        axis.plot(counts, values, marker="o", label=name)
    axis.set_xscale("log")
    axis.set_xticks(counts, [str(count) for count in counts])
    axis.set_ylim(0, 1.25 * max(max(values) for values in peaks.values()))
    axis.set_xlabel("volumes")
    axis.set_ylabel("peak memory (MiB)")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
    _save(figure, file)


def _value(row: Mapping[str, object], name: str) -> float:
    value = row.get(name)
    return float(value) if isinstance(value, int | float) else float("nan")


def _words(name: str) -> str:
    return name.replace("_", " ")


def _figure(rows: int, columns: int, size: tuple[float, float]):
    from matplotlib.figure import Figure

    # Not pyplot: no window, and no state that the next picture inherits.
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def _save(figure, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    replace_file(file, lambda place: figure.savefig(place, dpi=110), file_state(file))
