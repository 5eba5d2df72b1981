"""The notebook that this project began from, reproduced, to show what its 99.24 % pixel accuracy means.

A frozen MobileNetV2 under the decoder of TensorFlow's segmentation tutorial (after pix2pix, Isola et al. 2017,
arXiv:1611.07004), on the middle 60 % of the slices of each scan, split 70/30 at random. Neighbouring slices are near
copies, so a random split tests on what was trained on; the second split is by patient. Only slices whose lungs are
known count. Nothing else of this package works like this.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from CovidSegLib.errors import InputError
from CovidSegLib.progress import Progress

from ..data.cases import Case
from ..data.dataset import DrawnLabel, grey_to_hu, is_grey_picture, open_files
from ..fit.config import RunSettings
from ..fit.run_folder import COMMAND, LOG, METRICS, WEIGHTS, clear_results, goes_on, read_log, write_json, write_split
from ..fit.trained_on import start_of
from ..judge.evaluation import Overlap
from ..network.architecture import build_encoder

SKIPS = ("block_1_expand_relu", "block_3_expand_relu", "block_6_expand_relu", "block_13_expand_relu")
BOTTOM = "block_16_project"
DECODER = (512, 256, 128, 64)
CLASSES = 3
SIZE_STEP = 32
"""The encoder halves its input five times."""

MIDDLE = 0.6
TRAINED_SHARE = 0.7
_LUNG, _INFECTION = 1, 2


@dataclass(frozen=True)
class SeedSettings(RunSettings):
    """``split``: "random" (by slice, as the notebook) or "patient"; ``size``: rows and columns of the input."""

    split: str = "random"
    epochs: int = 20
    batch: int = 16
    size: int = 224
    learning_rate: float = 1e-3
    seed: int = 20260501

    def __post_init__(self) -> None:
        if self.size < SIZE_STEP or self.size % SIZE_STEP:
            raise InputError(f"--size must be a multiple of {SIZE_STEP}, not {self.size}.", "Choose 224, for instance.")
        if self.epochs < 1:
            raise InputError(f"--epochs must be at least 1, not {self.epochs}.", "Choose 20, for instance.")


@dataclass(frozen=True)
class SeedResult:
    """Scores on the slices that were not trained on. ``accuracy``: share of pixels, as the notebook reports it.

    ``never_accuracy``: the accuracy of a network that is right everywhere but calls all infection lung. Dice: over all
    slices together, and the mean over the scans with infection.
    """

    split: str
    slices: int
    accuracy: float
    never_accuracy: float
    infection_dice: float
    infection_dice_by_scan: float
    lung_dice: float


def build_seed_network(size: int, encoder_weights: str | Path | None) -> keras.Model:
    """Network (n, size, size, 3) → logits (n, size, size, 3); the encoder does not learn."""
    base = build_encoder((size, size), encoder_weights)
    encoder = keras.Model(base.input, [base.get_layer(name).output for name in (*SKIPS, BOTTOM)], name="encoder")
    encoder.trainable = False
    inputs = keras.Input((size, size, 3))
    *skips, features = encoder(inputs, training=False)
    for channels, skip in zip(DECODER, reversed(skips), strict=True):
        features = keras.layers.Conv2DTranspose(
            channels, 3, strides=2, padding="same", use_bias=False,
            kernel_initializer=keras.initializers.RandomNormal(0.0, 0.02),
        )(features)  # fmt: skip
        features = keras.layers.ReLU()(keras.layers.BatchNormalization()(features))
        features = keras.layers.Concatenate()([features, skip])
    logits = keras.layers.Conv2DTranspose(CLASSES, 3, strides=2, padding="same", dtype="float32")(features)
    return keras.Model(inputs, logits, name="seed")


class SeedSlices:
    """The slices that count, resized, on disk: pictures float16 and classes uint8, both (n, size, size)."""

    def __init__(self, cases: Sequence[Case], size: int, folder: Path, progress: Progress) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        files = [open_files(case) for case in cases]
        addresses = []
        for number, (_, labels) in enumerate(files):
            progress.step("looking at cases", number, len(files))
            count = len(labels)
            first = round(count * (1 - MIDDLE) / 2)
            for k in range(first, count - first):
                if labels.labels(k).max() < DrawnLabel.LUNG_NOT_DRAWN:
                    addresses.append((number, k))
        if not addresses:
            raise InputError("No slice has known lungs.", "The preset needs labels 1 and 2.")
        shape = (len(addresses), size, size)
        self.pictures = np.lib.format.open_memmap(folder / "pictures.npy", "w+", np.float16, shape)
        self.classes = np.lib.format.open_memmap(folder / "classes.npy", "w+", np.uint8, shape)
        self.scans = np.array([number for number, _ in addresses])
        self.patients = np.array([cases[number].group for number, _ in addresses])
        for index, (number, k) in enumerate(addresses):
            image, labels = files[number]
            self.pictures[index] = _resized(image.plane(k), size, "bilinear") / 1000
            self.classes[index] = _classes(_resized(labels.labels(k), size, "nearest"))

    def __len__(self) -> int:
        return len(self.scans)

    def inputs(self, indices: np.ndarray) -> np.ndarray:
        """Pictures, each standardised to mean 0 and deviation 1 and three times: float32 (n, size, size, 3)."""
        pictures = self.pictures[indices].astype(np.float32)[..., None]
        return np.repeat(tf.image.per_image_standardization(pictures).numpy(), 3, axis=-1)

    def split(self, settings: SeedSettings) -> tuple[np.ndarray, np.ndarray]:
        """Indices to train on and to test on, about 70 to 30."""
        random = np.random.default_rng(settings.seed)
        if settings.split == "random":
            order = random.permutation(len(self))
            count = round(TRAINED_SHARE * len(self))
            return np.sort(order[:count]), np.sort(order[count:])
        trained: set[str] = set()
        for patient in random.permutation(np.unique(self.patients)):
            if np.isin(self.patients, [*trained, patient]).mean() <= TRAINED_SHARE or not trained:
                trained.add(patient)
        chosen = np.isin(self.patients, list(trained))
        if chosen.all():
            raise InputError("One patient cannot be split by patient.", "Use --split random.")
        return np.flatnonzero(chosen), np.flatnonzero(~chosen)


def _resized(plane: np.ndarray, size: int, method: str) -> np.ndarray:
    if method == "bilinear" and is_grey_picture(float(plane.min()), float(plane.max())):
        plane = grey_to_hu(plane)
    return tf.image.resize(plane[..., None], (size, size), method).numpy()[..., 0]


def _classes(labels: np.ndarray) -> np.ndarray:
    return np.select([labels == DrawnLabel.INFECTION, labels > 0], [_INFECTION, _LUNG], 0).astype(np.uint8)


class _Batches(keras.utils.PyDataset):
    def __init__(self, slices: SeedSlices, indices: np.ndarray, settings: SeedSettings, *, shuffled: bool) -> None:
        super().__init__()
        self._slices, self._indices, self._batch = slices, indices, settings.batch
        self._random = np.random.default_rng(settings.seed) if shuffled else None

    def __len__(self) -> int:
        return -(-len(self._indices) // self._batch)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = self._indices[index * self._batch : (index + 1) * self._batch]
        return self._slices.inputs(chosen), self._slices.classes[chosen]

    def on_epoch_end(self) -> None:
        if self._random is not None:
            self._random.shuffle(self._indices)


def train_seed(
    cases: Sequence[Case],
    settings: SeedSettings,
    encoder: str | Path | None,
    command: str,
    run: Path,
    progress: Progress,
) -> SeedResult:
    """Train and judge one split; settings, ``command`` (the call), log, weights and pictures go to ``run``.

    Called again it goes on; with other settings, cases or encoder weights than it began with it raises InputError.
    """
    parts = (cases, (), ())
    start = start_of(None, None if encoder is None else str(encoder))
    if not goes_on(run, settings, parts, command, start):
        clear_results(run)
    elif (run / METRICS).is_file():
        return SeedResult(**json.loads((run / METRICS).read_text(encoding="utf-8"))["result"])
    run.mkdir(parents=True, exist_ok=True)
    settings.save(run)
    (run / COMMAND).write_text(command, encoding="utf-8")
    write_split(run, parts, start)
    keras.utils.set_random_seed(settings.seed)
    slices = SeedSlices(cases, settings.size, run / "cache", progress)
    trained, tested = slices.split(settings)
    network = build_seed_network(settings.size, encoder)
    before = _predict(network, slices, _shown(slices, tested), settings)
    network.compile(
        keras.optimizers.Adam(settings.learning_rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    network.fit(
        _Batches(slices, trained.copy(), settings, shuffled=True),
        validation_data=_Batches(slices, tested, settings, shuffled=False),
        epochs=settings.epochs,
        verbose=2,
        callbacks=[
            keras.callbacks.CSVLogger(run / LOG, append=True),
            keras.callbacks.BackupAndRestore(run / "state"),
        ],
    )
    network.save_weights(run / WEIGHTS)
    result = _judge(network, slices, tested, settings)
    write_json(run / METRICS, {"settings": asdict(settings), "result": asdict(result)})
    _draw(network, slices, _shown(slices, tested), before, settings, run)
    for file in (run / "cache").iterdir():
        file.unlink()
    (run / "cache").rmdir()
    return result


def _predict(network: keras.Model, slices: SeedSlices, indices: np.ndarray, settings: SeedSettings) -> np.ndarray:
    found = []
    for first in range(0, len(indices), settings.batch):
        logits = network(slices.inputs(indices[first : first + settings.batch]), training=False)
        found.append(np.asarray(logits).argmax(axis=-1).astype(np.uint8))
    return np.concatenate(found)


def _judge(network: keras.Model, slices: SeedSlices, tested: np.ndarray, settings: SeedSettings) -> SeedResult:
    found, truth = _predict(network, slices, tested, settings), slices.classes[tested]
    scans = slices.scans[tested]
    by_scan = []
    for scan in np.unique(scans):
        overlap = Overlap()
        overlap.add(found[scans == scan] == _INFECTION, truth[scans == scan] == _INFECTION)
        if (truth[scans == scan] == _INFECTION).any():
            by_scan.append(overlap.dice)
    infection, lung = Overlap(), Overlap()
    infection.add(found == _INFECTION, truth == _INFECTION)
    lung.add(found > 0, truth > 0)
    return SeedResult(
        split=settings.split,
        slices=len(tested),
        accuracy=float((found == truth).mean()),
        never_accuracy=float((truth != _INFECTION).mean()),
        infection_dice=infection.dice,
        infection_dice_by_scan=float(np.mean(by_scan)) if by_scan else float("nan"),
        lung_dice=lung.dice,
    )


def _shown(slices: SeedSlices, tested: np.ndarray) -> np.ndarray:
    """Three slices to draw: of those with most infection, from different scans where there are."""
    sizes = np.array([np.count_nonzero(slices.classes[index] == _INFECTION) for index in tested])
    best: dict[int, int] = {}
    for index in tested[np.argsort(-sizes, kind="stable")]:
        best.setdefault(slices.scans[index], index)
    return np.array(list(best.values())[:3])


def _draw(
    network: keras.Model, slices: SeedSlices, shown: np.ndarray, before: np.ndarray, settings: SeedSettings, run: Path
) -> None:
    from ..judge.figures import FigurePanel, curves, panels

    as_labels = np.array([0, 1, 3], np.uint8)  # both lungs in one colour: the network does not tell them apart
    after = _predict(network, slices, shown, settings)
    pictures = [
        FigurePanel(
            f"slice {number + 1}",
            slices.pictures[index].astype(np.float32) * 1000,
            {
                "true mask": as_labels[slices.classes[index]],
                "predicted before training": as_labels[before[number]],
                "predicted after": as_labels[after[number]],
            },
        )
        for number, index in enumerate(shown)
    ]
    panels(pictures, run / "figures" / "slices.png", {1: "lung", 3: "infection"})
    rows = [{**row, "epoch": row["epoch"] + 1} for row in read_log(run, "epoch")]
    names = ("loss", "val_loss", "accuracy", "val_accuracy")
    curves(rows, run / "figures" / "curves.png", names=names, x="epoch", score="share of pixels that are right")


def seed_table(results: Sequence[SeedResult]) -> str:
    """What the accuracy means, as a Markdown table."""
    from ..tables import markdown

    header = (
        "split", "test slices", "pixel accuracy", "accuracy of never finding infection",
        "infection Dice, all slices", "infection Dice, mean of scans", "lung Dice",
    )  # fmt: skip
    rows = [
        (
            result.split,
            str(result.slices),
            f"{100 * result.accuracy:.2f} %",
            f"{100 * result.never_accuracy:.2f} %",
            *(f"{v:.3f}" for v in (result.infection_dice, result.infection_dice_by_scan, result.lung_dice)),
        )
        for result in results
    ]
    return markdown(header, rows)
