"""Label layers out of an NRRD file, and what its header says besides: what a segmentation of Slicer is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..geometry.grid import Grid
from .affine_checks import checked_affine
from .itk import unreadable
from .nrrd import read_nrrd
from .voxel_files import Planes

_WIDEST = np.dtype(np.int32)
"""Labels in more bytes are kept in these."""


@dataclass(frozen=True)
class LabelLayers:
    """``layers``: whole numbers (z, y, x); ``grid``: theirs; ``pairs``: what else the header says."""

    layers: tuple[np.ndarray, ...]
    grid: Grid
    pairs: Mapping[str, str]


def read_layers(path: Path, check: Callable[[Mapping[str, str], int], object] = lambda *_: None) -> LabelLayers:
    """The layers in the NRRD file ``path``.

    ``check``: called with the pairs and the number of layers before a voxel is read, to refuse the file.
    Raises InputError when it is none, or not whole; memory is taken only for what the file can hold by its length.
    """
    try:
        if not path.is_file():
            raise InputError("The file with the segmentation is missing, or no ordinary file.", "Check its name.")
        image = read_nrrd(path)
        if image.dtype.kind not in "iu":
            raise unreadable()
        check(image.pairs, image.layers)
        affine = checked_affine(image.affine)
        planes = Planes(image)
        kind = image.dtype.newbyteorder("=") if image.dtype.itemsize < _WIDEST.itemsize else _WIDEST
        layers = tuple(np.empty(image.shape, kind) for _layer in range(image.layers))
        for index, plane in enumerate(planes):
            if plane.min() < np.iinfo(kind).min or plane.max() > np.iinfo(kind).max:
                raise unreadable()
            for number, layer in enumerate(layers):
                layer[index] = plane if image.layers == 1 else plane[..., number]
    except OSError:
        raise InputError("The file cannot be read.", "Check that it is there and that you may open it.") from None
    return LabelLayers(layers, Grid(affine, image.shape), image.pairs)
