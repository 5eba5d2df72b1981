"""Training cases on disk, streamed slice by slice: memory does not grow with the number of scans.

Scans are NIfTI files in HU (scaled by slope and intercept), or grey pictures as in the radiopaedia half of Zenodo
3757476; labels have the values of :class:`DrawnLabel` on the same grid. ``cases`` says where they are looked for.
"""

from __future__ import annotations

import dataclasses
from enum import IntEnum
from io import BufferedReader, FileIO
from pathlib import Path

import numpy as np

from CovidSegLib.errors import InputError
from CovidSegLib.geometry.grid import Grid
from CovidSegLib.geometry.volume import AIR_HU
from CovidSegLib.network.input_form import INPUT_SHAPE
from CovidSegLib.network.inputs import SliceFraming

from .cases import Case, find_cases
from .silent_nibabel import nibabel

__all__ = ["Case", "DrawnLabel", "FramedCase", "SliceFile", "find_cases", "grey_to_hu", "is_grey_picture"]

_READ_BUFFER = 2**18
_LOOK_SLICES = 9
_GREY_LEVELS = 255.0
_GREY_WINDOW = (-1250.0, 250.0)
"""HU of level 0 and 255: how the makers of Zenodo 3757476 windowed its radiopaedia half, and recommend to."""


_AGAIN = "Copy or download it again completely."
_UNITS_MM = {1: 1000.0, 3: 0.001}
"""NIfTI's codes for metre and micrometre; all else is taken as mm, as CovidSegLib does."""

_READING_FAILS = (
    OSError,
    ValueError,
    EOFError,
    nibabel.filebasedimages.ImageFileError,
    nibabel.spatialimages.HeaderDataError,
    nibabel.wrapstruct.WrapStructError,
)
"""What nibabel and indexed_gzip raise for a file that is cut off or damaged."""


class DrawnLabel(IntEnum):
    """Values in a training label file."""

    NEITHER = 0
    LEFT_LUNG = 1
    RIGHT_LUNG = 2
    INFECTION = 3
    LUNG_NOT_DRAWN = 254
    """Nobody drew lungs here; that there is no infection is known."""
    UNKNOWN = 255


DISPUTED = 4
"""In what a training sees, never in a file: one of two readers drew infection here, the other drew lung."""

LABELS = frozenset(int(label) for label in DrawnLabel)
LABELS_IN_WORDS = ", ".join(map(str, sorted(LABELS)))
_IS_LABEL = np.isin(np.arange(256), sorted(LABELS))
_CHECK = "covidseg-train check says more."


def is_drawn(labels: np.ndarray) -> bool:
    """Whether ``labels`` (uint8) tell anything: more than "neither" and "unknown"."""
    return bool(((labels != DrawnLabel.NEITHER) & (labels != DrawnLabel.UNKNOWN)).any())


def is_infected(labels: np.ndarray) -> np.ndarray:
    """Where any reader drew infection: bool, of ``labels`` as a training sees them."""
    return (labels == DrawnLabel.INFECTION) | (labels == DISPUTED)


def of_both_readers(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The labels (uint8) of the ``first`` reader, with :data:`DISPUTED` where the ``second`` sees infection otherwise.

    What is lung and what is known stays the first reader's: infection that only the second drew counts inside lung.
    """
    mine, other = first == DrawnLabel.INFECTION, second == DrawnLabel.INFECTION
    lung = (first == DrawnLabel.LEFT_LUNG) | (first == DrawnLabel.RIGHT_LUNG)
    return np.where((mine & ~other) | (other & lung), np.uint8(DISPUTED), first)


def is_grey_picture(lowest: float, highest: float) -> bool:
    """Whether values, as rounded as those of a scan that is read, are of a picture in 0 to 255 rather than HU.

    No CT lacks values below 0.
    """
    return round(lowest) >= 0 and 1 < round(highest) <= _GREY_LEVELS


def grey_to_hu(values: np.ndarray) -> np.ndarray:
    """Levels 0 to 255 → HU, float32, by the window of Zenodo 3757476: an estimate."""
    low, high = _GREY_WINDOW
    return values.astype(np.float32) * ((high - low) / _GREY_LEVELS) + low


class SliceFile:
    """One NIfTI file whose upright axial slices are read one at a time, each decompressed only when asked for.

    ``name``: what errors call it, as "Image of case one". ``grid``: as stored, one voxel wide where the file has fewer
    dimensions; ``shape``: (z, y, x) upright. Raises InputError, here and where slices are read, for what cannot be
    read.
    """

    def __init__(self, path: Path, name: str = "") -> None:
        self._path, self._name = path, name
        self._image: nibabel.Nifti1Image | None = None
        image = self._opened()
        if max(image.shape[3:], default=1) > 1:
            raise self._refusal("The image has more than three dimensions.", "Split the file first.")
        if image.get_data_dtype().kind not in "iuf":
            raise self._refusal("The image holds colours or several numbers per voxel.", "Give one number per voxel.")
        x, y, z = (*image.shape, 1, 1)[:3]
        try:
            self.grid = Grid(_affine_in_mm(image), (z, y, x))
        except ValueError as error:
            raise self._refusal("The geometry of the image is unusable.", "Export it again.") from error
        self._order = self.grid.order
        self.shape = self.grid.upright.shape

    def __len__(self) -> int:
        return self.shape[0]

    def _opened(self) -> nibabel.Nifti1Image:
        image = self._image
        if image is None:
            try:
                image = self._image = _open(self._path)
            except _READING_FAILS as error:
                raise self._refusal("The file cannot be read.", _CHECK) from error
        return image

    def _refusal(self, sentence: str, hint: str) -> InputError:
        return InputError(f"{self._name}: {sentence}" if self._name else sentence, hint)

    def release(self) -> None:
        """Close the file and forget its index; the next read opens it again."""
        self._image = None

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Upright (column, row, slice) distances in mm, as x, y, z."""
        return self.grid.upright.spacing

    def plane(self, k: int) -> np.ndarray:
        """Upright axial slice ``k`` (0 nearest to the feet), float32 (rows to the back, columns to the left).

        What is no number (NaN or infinite) is air, as where CovidSegLib reads a scan.
        """
        values = self.numbers(k)
        return np.where(np.isfinite(values), values, np.float32(AIR_HU))

    def labels(self, k: int) -> np.ndarray:
        """Upright axial slice ``k`` of a label file, uint8; raises InputError for what is no :class:`DrawnLabel`."""
        numbers = self.numbers(k)
        # What comes of NaN and of numbers outside 0 to 255 differs from the number, whatever it is.
        with np.errstate(invalid="ignore"):
            labels = numbers.astype(np.uint8)
        known = (labels == numbers) & _IS_LABEL[labels]
        if not known.all():
            strange = f"{numbers[~known][0]:g}"
            raise self._refusal(f"The value {strange} is no label; known are {LABELS_IN_WORDS}.", _CHECK)
        return labels

    def numbers(self, k: int) -> np.ndarray:
        """Upright axial slice ``k`` as :meth:`plane` gives it, but with what is no number left as it is."""
        axis = self._order.permutation[0]
        wanted = [slice(None)] * 3
        index = len(self) - 1 - k if self._order.flips[0] else k
        wanted[2 - axis] = slice(index, index + 1)
        image = self._opened()
        try:
            values = np.asarray(image.dataobj[(*wanted, *[0] * len(image.shape))[: len(image.shape)]], np.float32)
        except _READING_FAILS as error:
            raise self._refusal(f"The file is cut off or damaged: its slice {k} cannot be read.", _AGAIN) from error
        grid = values.reshape((*values.shape, 1, 1)[:3]).transpose(2, 1, 0)
        # The flip along the slice axis is already in the index; on one slice it changes nothing.
        return self._order.to_upright(grid)[0]


def _affine_in_mm(image: nibabel.Nifti1Image) -> np.ndarray:
    factor = _UNITS_MM.get(int(image.header["xyzt_units"]) & 7, 1.0)
    return np.diag([factor, factor, factor, 1.0]) @ image.affine


def _open(path: Path) -> nibabel.Nifti1Image:
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    return nibabel.Nifti1Image.from_file_map({"image": _holder(path, compressed=compressed)})


def _holder(path: Path, *, compressed: bool) -> nibabel.FileHolder:
    if not compressed:
        return nibabel.FileHolder(fileobj=BufferedReader(FileIO(path), _READ_BUFFER))
    from indexed_gzip import IndexedGzipFile

    # Random access is cheap as long as the index is kept; a buffer of 4 MB for each of thousands of files is not.
    return nibabel.FileHolder(fileobj=IndexedGzipFile(str(path), buffer_size=_READ_BUFFER))


def open_files(case: Case) -> tuple[SliceFile, SliceFile]:
    """Image and labels of ``case``; errors, now and later, say whose they are."""
    return SliceFile(case.image, f"Image of case {case.name}"), SliceFile(case.labels, f"Labels of case {case.name}")


class FramedCase:
    """A case as the network sees it: inputs and labels of one slice at a time.

    Raises InputError, naming the case, for what ``covidseg-train check`` refuses: at once for what its headers and a
    few slices tell, and for the rest where a slice is read. ``seen``: rows and columns of a slice.
    """

    def __init__(self, case: Case, seen: tuple[int, int] = INPUT_SHAPE) -> None:
        self.case = case
        self._image, self._labels = open_files(case)
        self._second = SliceFile(case.second, f"Second labels of case {case.name}") if case.second else None
        if self._second and self._second.shape != self._labels.shape:
            raise InputError(f"Both readers' labels of case {case.name} differ in size.", "Bring them to one grid.")
        if self._image.shape != self._labels.shape:
            raise InputError(
                f"Image and labels of case {case.name} have different sizes, {self._image.shape} and "
                f"{self._labels.shape} (z, y, x).",
                "Bring them to one grid.",
            )
        looked = [self._image.plane(int(k)) for k in np.linspace(0, len(self._image) - 1, _LOOK_SLICES)]
        lowest, highest = min(map(np.min, looked)), max(map(np.max, looked))
        if round(lowest) == round(highest) and self._is_all(round(lowest)):
            raise InputError(f"All voxels of the image of case {case.name} have the same value.", "Leave it out.")
        self.is_grey = is_grey_picture(lowest, highest)
        try:
            framing = SliceFraming.of_scan(self._plane, len(self._image), self._image.spacing)
        except InputError as error:
            raise InputError(f"Image of case {case.name}: {error.sentence}", error.hint) from error
        self.framing = dataclasses.replace(framing, seen=seen)

    def __len__(self) -> int:
        return len(self._image)

    def slice(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Slice ``k``: float32 (rows, columns, 3) in [-1, 1] and uint8 labels (rows, columns)."""
        inputs = self.framing.channels(self.picture, k, len(self))
        return inputs, self.framing.labels_to_network(self.label_plane(k), int(DrawnLabel.LUNG_NOT_DRAWN))

    def release(self) -> None:
        """Close the files until the next read."""
        self._image.release()
        self._labels.release()
        if self._second:
            self._second.release()

    def picture(self, k: int) -> np.ndarray:
        """Slice ``k`` alone as the network sees it: float32 (rows, columns) in [-1, 1]."""
        return self.framing.to_network(self._plane(k))

    def _is_all(self, hu: int) -> bool:
        return all((self._image.plane(k).round() == hu).all() for k in range(len(self)))

    def _plane(self, k: int) -> np.ndarray:
        plane = self._image.plane(k)
        return grey_to_hu(plane) if self.is_grey else plane

    def label_plane(self, k: int) -> np.ndarray:
        """Labels of slice ``k`` on the scan's own grid, uint8 (rows, columns)."""
        labels = self._labels.labels(k)
        return of_both_readers(labels, self._second.labels(k)) if self._second else labels

    def infected_slices(self) -> np.ndarray:
        """Which slices show infection: bool (slices,). Reads the label file once, slice by slice.

        Raises InputError where nothing is drawn at all.
        """
        looks = [(is_infected(labels).any(), is_drawn(labels)) for labels in map(self.label_plane, range(len(self)))]
        infected, drawn = np.array(looks, bool).T
        if not drawn.any():
            raise self.nothing_drawn()
        return infected

    def nothing_drawn(self) -> InputError:
        """The error for labels that tell nothing."""
        return InputError(
            f"Nothing is drawn in the labels of case {self.case.name}.", "Draw its lungs, or leave it out."
        )
