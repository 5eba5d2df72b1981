"""What a recipe can ask for beside steps and rates: sizes, readers, borders, lesions of others, single pictures."""

from __future__ import annotations

import csv
import dataclasses
import json

import nibabel
import numpy as np
import pytest
from PIL import Image

from CovidSegLib.errors import InputError
from CovidSegLib.network.input_form import INPUT_SHAPE, SECOND_SHAPE
from CovidSegLib.progress import Progress
from CovidSegTraining.cli import main
from CovidSegTraining.data.augmentation import Augmentation
from CovidSegTraining.data.cases import find_cases
from CovidSegTraining.data.dataset import DISPUTED, DrawnLabel, FramedCase, of_both_readers
from CovidSegTraining.data.lesion_transfer import carry_lesions
from CovidSegTraining.data.pictures import FOLDS, case_name, write_cases
from CovidSegTraining.data.streams import Sampling, TrainingStream
from CovidSegTraining.fit.config import TrainingConfig
from Testing.kit.training_data import write_case


def test_slices_of_a_batch_have_one_size_and_batches_have_all(tmp_path):
    cases = [write_case(tmp_path, "one")]
    sampling = Sampling((INPUT_SHAPE, SECOND_SHAPE), batch=2)
    for cache in (None, tmp_path / "cache"):
        stream = TrainingStream(cases, Augmentation(), 1, Progress(), cache=cache, sampling=sampling)
        sizes = [stream.sample(number)[1].shape for number in range(8)]
        assert sizes[::2] == sizes[1::2]
        assert set(sizes) == {INPUT_SHAPE, SECOND_SHAPE}
    larger = FramedCase(cases[0], SECOND_SHAPE)
    assert larger.slice(1)[0].shape == (*SECOND_SHAPE, 3)


def test_single_pictures_count_as_much_as_is_asked_for(tmp_path):
    cases = [write_case(tmp_path, "scan", slices=9), write_case(tmp_path, "picture", slices=1, slice_mm=1)]
    shares = []
    for weight in (1.0, 0.0):
        sampling = Sampling(picture_weight=weight)
        stream = TrainingStream(cases, Augmentation(), 0, Progress(), sampling=sampling)
        shares.append(np.diff(stream._chances, prepend=0)[-1])
    assert shares[0] > 0.1
    assert shares[1] == 0


def test_infection_that_one_of_two_readers_drew_is_disputed_and_lungs_stay_the_first_readers():
    first = np.array([3, 3, 1, 2, 0, 254, 1], np.uint8)
    second = np.array([3, 0, 3, 2, 3, 3, 0], np.uint8)
    assert of_both_readers(first, second).tolist() == [3, DISPUTED, DISPUTED, 2, 0, 254, 1]


def test_a_second_reader_in_the_table_is_taken_where_the_configuration_says_so(tmp_path):
    write_case(tmp_path, "one")
    labels = nibabel.load(tmp_path / "labels/one.nii.gz")
    less = np.asarray(labels.dataobj).copy()
    less[:, :60][less[:, :60] == DrawnLabel.INFECTION] = DrawnLabel.LEFT_LUNG
    nibabel.save(nibabel.Nifti1Image(less, labels.affine), tmp_path / "labels/other.nii.gz")
    row = "case,ct_scan,mask,reader2\none,images/one.nii.gz,labels/one.nii.gz,{}\n"
    (tmp_path / "metadata.csv").write_text(row.format("labels/other.nii.gz"))
    (case,) = find_cases(tmp_path)
    assert set(np.unique(FramedCase(case).label_plane(1))) == {0, 1, 2, 3, DISPUTED}
    assert DISPUTED not in FramedCase(dataclasses.replace(case, second=None)).label_plane(1)
    (tmp_path / "metadata.csv").write_text(row.format("labels/nobody.nii.gz"))
    with pytest.raises(InputError, match="second label file named in metadata"):
        find_cases(tmp_path)


def chest(level: float) -> tuple[np.ndarray, np.ndarray]:
    """A square of lung with noise in a slice of soft tissue: inputs and labels."""
    labels = np.zeros((64, 64), np.uint8)
    labels[8:56, 8:56] = DrawnLabel.LEFT_LUNG
    noise = np.random.default_rng(0).normal(0, 0.02, labels.shape)
    inputs = np.where(labels > 0, level + noise, 0.7).astype(np.float32)
    return inputs[..., None].repeat(3, axis=-1), labels


def test_a_lesion_that_is_carried_over_stands_as_far_above_the_new_lung_as_above_its_own():
    inputs, labels = chest(-0.5)
    given, given_labels = chest(-0.7)
    given[20:40, 40:64], given_labels[20:40, 40:60] = -0.3, DrawnLabel.INFECTION  # past the lung's border too
    inputs[30, 45:50] = 0.5  # a vessel
    made, made_labels = carry_lesions(inputs, labels, given, given_labels)
    assert (made_labels[20:40, 40:56] == DrawnLabel.INFECTION).all()
    assert (made_labels[:, 56:] == 0).all()
    np.testing.assert_array_equal(made[:, 57:], inputs[:, 57:])
    assert np.median(made[24:28, 42:54, 1]) == pytest.approx(-0.1, abs=0.03)
    assert made[24:28, 42:54, 1].std() == pytest.approx(inputs[24:28, 42:54, 1].std(), rel=0.4), "noise of the new lung"
    np.testing.assert_allclose(made[30, 46:49], inputs[30, 46:49], atol=0.25)
    np.testing.assert_array_equal(made[:, :30], inputs[:, :30])


def test_no_lesion_is_carried_where_no_lung_was_drawn():
    inputs, labels = chest(-0.5)
    given, given_labels = chest(-0.7)
    given_labels[20:40, 20:40] = DrawnLabel.INFECTION
    unknown = np.full_like(labels, DrawnLabel.LUNG_NOT_DRAWN)
    assert carry_lesions(inputs, unknown, given, given_labels)[1] is unknown


def test_lesions_are_carried_as_often_as_the_configuration_says(tmp_path):
    cases = [write_case(tmp_path, "ill"), write_case(tmp_path, "well", infected=False, seed=1)]
    infected = []
    for chance in (0.0, 1.0):
        still = Augmentation(warp_chance=0, cut_chance=0, transfer_chance=chance)
        stream = TrainingStream(cases, still, 0, Progress())
        infected.append(np.mean([(stream.sample(n)[1] == DrawnLabel.INFECTION).any() for n in range(30)]))
    assert infected[1] == 1
    assert infected[0] < 0.9


def write_pictures(folder) -> None:
    for part in ("images", "infection"):
        (folder / part).mkdir(parents=True)
    for number in (4, 10, 99):
        grey = np.full((60, 80), 40, np.uint8)
        grey[20:30, 20:40] = 180
        Image.fromarray(grey).save(folder / "images" / f"{number}.jpg")
        Image.fromarray(np.uint8(255 * (grey > 100))).save(folder / "infection" / f"{number}.png")


def test_pictures_become_cases_that_show_them_upright_and_patients_stay_in_one_fold(tmp_path):
    write_pictures(tmp_path / "pictures")
    assert write_cases(tmp_path / "pictures", tmp_path / "cases") == 3
    cases = {case.name: case for case in find_cases(tmp_path / "cases")}
    assert {name: case.fold for name, case in cases.items() if name != case_name("99")} == {
        "picture_4": 1, "picture_10": 2,
    }  # fmt: skip
    framed = FramedCase(cases["picture_4"])
    assert len(framed) == 1
    labels = framed.label_plane(0)
    assert labels.shape == (60, 80)
    assert (labels[20:30, 20:40] == DrawnLabel.INFECTION).all()
    assert (labels == DrawnLabel.LUNG_NOT_DRAWN).sum() == 60 * 80 - 200
    assert sorted(number for numbers in FOLDS.values() for number in numbers) == sorted(set(sum(FOLDS.values(), ())))


def test_a_folder_without_pictures_or_with_masks_of_another_size_is_refused(tmp_path, capsys):
    (tmp_path / "none").mkdir()
    assert main(["pictures", str(tmp_path / "none"), "--to", str(tmp_path / "cases")]) == 2
    write_pictures(tmp_path / "pictures")
    Image.new("L", (5, 5)).save(tmp_path / "pictures/infection/10.png")
    assert main(["pictures", str(tmp_path / "pictures"), "--to", str(tmp_path / "cases")]) == 2
    assert "Picture 10 and its mask differ in size" in capsys.readouterr().err


def test_a_set_with_folds_of_its_own_gives_all_but_the_test_folds_cases(tmp_path):
    from argparse import Namespace

    from CovidSegTraining.cli.fit_command import _parts

    for name in ("a", "b"):
        write_case(tmp_path / "data", name, seed=ord(name))
        write_case(tmp_path / "more", f"more_{name}", seed=ord(name) + 9)
    for folder, names in (("data", ("a", "b")), ("more", ("more_a", "more_b"))):
        with (tmp_path / folder / "metadata.csv").open("w", newline="") as table:
            csv.writer(table).writerows([("case", "fold"), *zip(names, (1, 2), strict=True)])
    args = Namespace(data=tmp_path / "data", also=[], also_by_fold=[tmp_path / "more"])
    for fold, wanted in ((1, ["b", "more_b"]), (2, ["a", "more_a"]), (0, ["a", "b", "more_a", "more_b"])):
        trained, _, _ = _parts(args, TrainingConfig(test_fold=fold))
        assert [case.name for case in trained] == wanted


def test_a_size_that_the_network_cannot_take_is_refused():
    assert TrainingConfig.from_json('{"other_shapes": [[256, 320], [288, 352]]}').shapes[1:] == ((256, 320), (288, 352))
    with pytest.raises(InputError, match="multiples of 32"):
        TrainingConfig.from_json('{"other_shapes": [[250, 320]]}')
    with pytest.raises(InputError, match="other_shapes in the configuration must be"):
        TrainingConfig.from_json('{"other_shapes": [[256]]}')


def test_the_recipe_that_is_kept_beside_the_code_can_be_read(repository):
    text = (repository / "CovidSegTraining/recipe.json").read_text()
    assert TrainingConfig.from_json(text).steps == json.loads(text)["steps"]
