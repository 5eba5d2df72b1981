"""What a network takes: the sizes, the window and the neighbourhood that its card names, and those that are shipped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from ..errors import EngineError
from ..i18n import tr as _
from ..system.typed_json import Form

HU_WINDOW = (-1250.0, 250.0)
"""HU that the network sees, mapped to [-1, 1]: all of lung and infection, soft tissue without bone's detail."""

INPUT_SHAPE = (224, 288)
"""Rows and columns of the network's input. A chest is wider than deep (about 3 to 4), so a square would waste a
quarter of the work on air; both are multiples of 32, the encoder's total stride."""

SECOND_SHAPE = (256, 320)
"""The same of a second look (:mod:`.second_look`): lungs come in an eighth larger."""

NEIGHBOUR_MM = 2.0
"""How far below and above the neighbour channels look, where the slices allow it."""

FAR_MM = 3.0
"""Slices further apart than this show other anatomy than their neighbours: the centre slice is repeated."""

_Side = Annotated[int, Form(32, 1024)]


@dataclass(frozen=True)
class NetworkInputs:
    """What a network takes, as its card says under ``inputs``; the defaults are what this version trains with.

    ``shape``: rows and columns; ``second_look``: the same of a second look, None where there is none (see
    :mod:`.second_look`); ``hu_window``: what is mapped to [-1, 1]; ``neighbour_mm``, ``centre_repeated_above_mm``: see
    :data:`NEIGHBOUR_MM` and :data:`FAR_MM`. Raises ValueError for a window without width.
    """

    shape: tuple[_Side, _Side] = INPUT_SHAPE
    hu_window: tuple[Annotated[float, Form(-32768, 32767)], Annotated[float, Form(-32768, 32767)]] = HU_WINDOW
    second_look: tuple[_Side, _Side] | None = None
    neighbour_mm: Annotated[float, Form(0, 100)] = NEIGHBOUR_MM
    centre_repeated_above_mm: Annotated[float, Form(0, 1000)] = FAR_MM
    range: tuple[Literal[-1], Literal[1]] = (-1, 1)

    def __post_init__(self) -> None:
        if not self.hu_window[0] < self.hu_window[1]:
            raise ValueError(f"no window: {self.hu_window}")

    def check_network(self, takes: Sequence[object]) -> None:
        """Raise EngineError unless a network that ``takes`` (n, rows, columns, 3) can be given these sizes.

        Where it takes any number, there stands no whole number.
        """
        for size in (self.shape, self.second_look or self.shape):
            if any(isinstance(own, int) and own != said for own, said in zip(takes[1:3], size, strict=True)):
                raise EngineError(
                    _("The network takes pictures of another size than its card says."),
                    _("Correct the sizes under inputs in its card, or choose another model."),
                )


SHIPPED_INPUTS = NetworkInputs()
