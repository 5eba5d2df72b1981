"""Small training cases as NIfTI files: an elliptic body, two lungs, patches of infection."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np

from CovidSegTraining.data.dataset import Case


def chest_slices(slices: int, seed: int, *, infected: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """HU int16 and labels uint8, both (z, y, x), of 96 x 128 pixels; infection on all slices but the last."""
    random = np.random.default_rng(seed)
    _, y, x = np.indices((slices, 96, 128))
    voxels = np.full(y.shape, -1000, np.int16)
    labels = np.zeros(y.shape, np.uint8)
    voxels[((y - 48) / 42) ** 2 + ((x - 64) / 58) ** 2 < 1] = 40
    # Columns run to the patient's left.
    for label, centre in ((2, 38), (1, 90)):
        lung = ((y - 48) / 30) ** 2 + ((x - centre) / 18) ** 2 < 1
        voxels[lung], labels[lung] = -860, label
        patch = lung & (((y - 60) / 9) ** 2 + ((x - centre) / 8) ** 2 < 1)
        patch[-1] = False
        if infected:
            voxels[patch], labels[patch] = -200, 3
    voxels += random.normal(0, 12, voxels.shape).astype(np.int16)
    return np.maximum(voxels, np.int16(-1024)), labels  # a scanner stores no less


def write_case(
    folder: Path, name: str, *, slices: int = 5, slice_mm: float = 5.0, seed: int = 0, infected: bool = True
) -> Case:
    """Write one case as ``images/NAME.nii.gz`` and ``labels/NAME.nii.gz`` in ``folder``."""
    voxels, labels = chest_slices(slices, seed, infected=infected)
    # Upright: I to the left, J to the back, K to the head, in RAS.
    affine = np.diag([-3.0, -3.0, slice_mm, 1.0])
    files = []
    for kind, array in (("images", voxels), ("labels", labels)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        files.append(folder / kind / f"{name}.nii.gz")
        nibabel.save(nibabel.Nifti1Image(array.transpose(2, 1, 0), affine), files[-1])
    image, labels_file = files
    return Case(name, image, labels_file)
