"""What is printed, what is in the JSON file, and what a report takes from the written file are the same numbers."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from CovidSegLib.cli.console import in_words
from CovidSegLib.geometry.grid import Grid
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct
from CovidSegLib.reading.verdict import judge_scan
from CovidSegLib.report.request import ReportRequest
from CovidSegLib.report.result_record import ResultRecord
from CovidSegLib.segfiles import read_reviewed, write
from CovidSegLib.segfiles.labelmap import save_nifti
from CovidSegLib.segfiles.registry import read_masks
from CovidSegLib.segmentation import Label, Provenance, Segmentation
from Testing.kit.blocks import stored
from Testing.kit.cases import segment_case

MADE = Provenance("one", "ab" * 32, "onnx", "CPU", "CovidSeg 1.0")
SUFFIXES = (".seg.nrrd", ".nrrd", ".mha", ".nii", ".nii.gz")
UPRIGHT = ((0, 1, 2), (-1, -1, 1))
"""How a grid is stored that needs no turning: then what is made of it may be a view of it."""


@st.composite
def masks(draw: st.DrawFn) -> np.ndarray:
    """Two lungs with infection as boxes on an upright grid; often they reach to its very edges, or one is missing."""
    shape = tuple(draw(st.tuples(st.integers(1, 6), st.integers(8, 20), st.integers(12, 24))))
    labels = np.zeros(shape, np.uint8)
    middle = shape[2] // 2 + draw(st.integers(-2, 2))
    for label, low, high in ((Label.RIGHT_LUNG, 0, middle - 1), (Label.LEFT_LUNG, middle + 1, shape[2])):
        rim = draw(st.tuples(*[st.sampled_from((0, 0, 1, 2))] * 4))
        columns = slice(low + rim[0], max(high - rim[1], low + rim[0] + 1))
        labels[:, rim[2] : shape[1] - rim[3], columns] = label * draw(st.sampled_from((1, 1, 1, 0)))
    for _ in range(draw(st.integers(0, 3))):
        corner = [draw(st.integers(0, size - 1)) for size in shape]
        part = tuple(slice(at, at + draw(st.integers(1, 5))) for at in corner)
        labels[part][labels[part] > 0] = Label.INFECTION
    return labels


@settings(max_examples=30)
@given(
    upright=masks(),
    way=st.just(UPRIGHT) | st.tuples(st.permutations((0, 1, 2)), st.tuples(*[st.sampled_from((-1, 1))] * 3)),
    suffix=st.sampled_from(SUFFIXES),
)
def test_printed_numbers_those_in_json_and_those_of_the_written_file_are_equal(
    upright: np.ndarray, way: tuple[tuple, tuple], suffix: str
) -> None:
    labels, affine = stored(upright, *way)
    network = labels.copy()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scan, result, numbers = folder / "ct.nii", folder / f"a{suffix}", folder / "a.json"
        save_nifti(np.where(labels > 0, np.int16(-800), np.int16(40)), affine, scan)

        def segment(volume: CtVolume, progress: Progress, *_: object) -> Segmentation:
            return Segmentation(labels, volume.affine, MADE)

        record = segment_case(scan, [result], segment=segment, progress=Progress(), json_file=numbers)
        volume = read_ct(scan, Progress())
        written = read_masks(result, volume).segmentation
        again = ResultRecord.of(
            ReportRequest().measure(scan, volume, written, verdict=judge_scan(volume)), written.provenance, {}
        )
        np.testing.assert_array_equal(labels, network)
        np.testing.assert_array_equal(written.labels, network)
        assert ResultRecord.from_json(json.loads(numbers.read_text("utf-8"))) == record
    assert again.measurements == record.measurements
    assert in_words(again) == in_words(record)


def test_nothing_that_is_handed_on_can_be_written_into(tmp_path: Path) -> None:
    labels = np.random.default_rng(0).integers(0, 4, (3, 8, 9), dtype=np.uint8)
    affine = np.diag((-1.0, -1.0, 2.0, 1.0))
    made = Segmentation(labels, affine, MADE, np.zeros(3, np.uint8))
    save_nifti(labels.astype(np.int16), affine, tmp_path / "ct.nii")
    write(made, tmp_path / "a.seg.nrrd")
    volume = read_ct(tmp_path / "ct.nii", Progress())
    review = read_reviewed(tmp_path / "a.seg.nrrd", Grid(affine, labels.shape))
    merged, result = review.reviewed.join(made)
    arrays = [volume.voxels, volume.affine, made.labels, made.affine, made.certainty, result.labels, merged.bits]
    arrays += [
        merged.last.drawn,
        merged.last.agreed,
        review.reviewed.current,
        *review.layers,
        review.reviewed.last.drawn,
    ]
    arrays += [read_masks(tmp_path / "a.seg.nrrd", volume).segmentation.labels]
    assert not any(array.flags.writeable for array in arrays)
    assert labels.flags.writeable  # whose array it is may go on working on it
