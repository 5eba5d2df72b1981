"""Data sets in the layouts that are out there: scans and labels find each other by name, never by order."""

from __future__ import annotations

from pathlib import Path

import pytest

from CovidSegLib.errors import InputError
from CovidSegTraining.data.cases import Case, assign_folds, case_key, find_cases, look


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def pairs(folder: Path) -> dict[str, tuple[str, str]]:
    found = look(folder)
    assert not found.refused
    return {
        case.name: (str(case.image.relative_to(folder)), str(case.labels.relative_to(folder))) for case in found.cases
    }


def test_the_zenodo_folders_are_paired_by_case_number(tmp_path):
    """In sorted order the radiopaedia half would be paired wrongly: 10 comes before 4, and names differ."""
    images = ["coronacases_org_002.nii", "radiopaedia_org_covid-19-pneumonia-4_85506_1-dcm.nii"]
    images += [
        "radiopaedia_org_covid-19-pneumonia-10_85902_1-dcm.nii",
        "radiopaedia_org_covid-19-pneumonia-29_86490_1-dcm.nii",
    ]
    masks = [
        "coronacases_002.nii",
        "radiopaedia_10_85902_1.nii",
        "radiopaedia_29_86490_1.nii",
        "radiopaedia_4_85506_1.nii",
    ]
    touch(tmp_path, *(f"ct_scans/{name}" for name in images), *(f"lung_and_infection_mask/{name}" for name in masks))
    found = pairs(tmp_path)
    assert sorted(found) == [name.removesuffix(".nii") for name in masks]
    for name, (image, mask) in found.items():
        number = name.removeprefix("radiopaedia_").removeprefix("coronacases_")
        assert number in image, name
        assert mask == f"lung_and_infection_mask/{name}.nii"


def test_zenodos_own_archives_are_read_too(tmp_path):
    touch(
        tmp_path,
        "COVID-19-CT-Seg_20cases/coronacases_001.nii.gz",
        "COVID-19-CT-Seg_20cases/radiopaedia_7_85703_0.nii.gz",
    )
    touch(
        tmp_path,
        "Lung_and_Infection_Mask/coronacases_001.nii.gz",
        "Lung_and_Infection_Mask/radiopaedia_7_85703_0.nii.gz",
    )
    touch(tmp_path, "Lung_Mask/coronacases_001.nii.gz")
    assert list(pairs(tmp_path)) == ["coronacases_001", "radiopaedia_7_85703_0"]


def test_two_scans_of_one_radiopaedia_patient_belong_together(tmp_path):
    touch(tmp_path, *(f"{kind}/radiopaedia_29_8649{n}_1.nii.gz" for kind in ("images", "labels") for n in (0, 1)))
    assert {case.group for case in look(tmp_path).cases} == {"radiopaedia_29"}


def test_the_public_table_names_files_from_a_folder_that_is_elsewhere_now(tmp_path):
    touch(tmp_path, "ct_scans/coronacases_org_001.nii", "masks/a.nii.gz", "../outside.nii")
    (tmp_path / "metadata.csv").write_text(
        "ct_scan,lung_mask,lung_and_infection_mask\n"
        "../input/covid19-ct-scans/ct_scans/coronacases_org_001.nii,x.nii,../input/covid19-ct-scans/masks/a.nii\n"
        "../outside.nii,x.nii,masks/a.nii\n"
    )
    found = look(tmp_path)
    (case,) = found.cases
    assert (case.name, case.image.name, case.labels.name) == ("coronacases_001", "coronacases_org_001.nii", "a.nii.gz")
    (refusal,) = found.refused  # a table cannot reach out of its folder
    assert "scan file named in metadata.csv is not in the data set" in refusal.why


def test_a_table_gives_names_patients_and_folds(tmp_path):
    touch(tmp_path, "images/a.nii.gz", "labels/a.nii.gz")
    (tmp_path / "metadata.csv").write_text("case,ct_scan,mask,patient,fold\none,images/a.nii.gz,labels/a.nii.gz,p7,3\n")
    assert find_cases(tmp_path) == [Case("one", tmp_path / "images/a.nii.gz", tmp_path / "labels/a.nii.gz", 3, "p7")]


PLAIN = "case,ct_scan,mask,patient,fold\none,images/a.nii.gz,labels/a.nii.gz,p7,3\n"

TABLES = {
    "semicolons": PLAIN.replace(",", ";"),
    "tabs": PLAIN.replace(",", "\t"),
    "other letter case": PLAIN.replace("case,ct_scan,mask,patient,fold", "Case,CT_scan,Mask,PATIENT,Fold"),
    "blanks around cells": PLAIN.replace(",", " , "),
    "a fold as pandas writes it": PLAIN.replace(",3\n", ",3.0\n"),
    "a fold as Excel makes of that": PLAIN.replace(",", ";").replace(";3\n", ";3,0\n"),
    "blank rows and empty columns": PLAIN.replace("\n", ",,\n") + ",,,,,,\n\n",
    "ends of lines as on Windows": PLAIN.replace("\n", "\r\n"),
    "a mark of the byte order": "\ufeff" + PLAIN,
    "paths as on Windows": PLAIN.replace("/", "\\"),
}


@pytest.mark.parametrize("text", TABLES.values(), ids=TABLES)
def test_a_table_is_read_as_programs_write_it(tmp_path, text):
    touch(tmp_path, "images/a.nii.gz", "labels/a.nii.gz")
    (tmp_path / "metadata.csv").write_bytes(text.encode())
    assert find_cases(tmp_path) == [Case("one", tmp_path / "images/a.nii.gz", tmp_path / "labels/a.nii.gz", 3, "p7")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252"])
def test_letters_with_accents_are_read_in_whatever_encoding(tmp_path, encoding):
    touch(tmp_path, "images/a.nii.gz", "labels/a.nii.gz")
    (tmp_path / "metadata.csv").write_bytes(PLAIN.replace("p7", "Müller").encode(encoding))
    assert [case.patient for case in find_cases(tmp_path)] == ["Müller"]


def test_a_row_that_cannot_be_understood_is_refused_and_the_others_stay(tmp_path):
    touch(tmp_path, *(f"{kind}/{name}.nii" for kind in ("images", "labels") for name in "abcde"))
    rows = [
        "images/a.nii,labels/a.nii,1",
        "images/b.nii",
        "images/c.nii,labels/c.nii,one",
        "images/d.nii,labels/d.nii,1.5",
        "images/e.nii,labels/e.nii,2,3",
        f"images/{'long' * 99}.nii,,",
    ]
    (tmp_path / "metadata.csv").write_text("\n".join(("ct_scan,mask,fold", *rows)))
    found = look(tmp_path)
    assert [(case.name, case.fold) for case in found.cases] == [("a", 1)]
    refused = {refusal.name: refusal.why for refusal in found.refused}
    assert refused.pop("long" * 99) == "The scan and label file named in metadata.csv is not in the data set."
    assert refused == {
        "b": "Its row in metadata.csv has fewer cells than there are columns.",
        "c": "The fold in metadata.csv is no whole number.",
        "d": "The fold in metadata.csv is no whole number.",
        "e": "Its row in metadata.csv has more cells than there are columns.",
    }


def test_a_table_of_cases_gives_folds_and_patients_to_files_that_are_paired_by_name(tmp_path):
    touch(tmp_path, *(f"{kind}/{name}.nii" for kind in ("images", "labels") for name in "ab"))
    (tmp_path / "metadata.csv").write_text("Case;Patient;Fold\na;p1;1.0\nb;;\n")
    assert [(case.name, case.fold, case.patient) for case in find_cases(tmp_path)] == [("a", 1, "p1"), ("b", 0, "b")]


def test_a_table_of_cases_refuses_what_would_silently_lose_its_fold(tmp_path):
    touch(tmp_path, *(f"{kind}/{name}.nii" for kind in ("images", "labels") for name in "abcd"))
    (tmp_path / "metadata.csv").write_text("case,fold\na,1\nb,one\nc\nA,2\nd,1\nd,2\n,2\n")
    found = look(tmp_path)
    assert [(case.name, case.fold) for case in found.cases] == [("a", 1)]
    assert {refusal.name: refusal.why for refusal in found.refused} == {
        "b": "The fold in metadata.csv is no whole number.",
        "c": "Its row in metadata.csv has fewer cells than there are columns.",
        "A": "Its row in metadata.csv belongs to no scan of the data set.",
        "d": "It has two rows in metadata.csv.",
        "row 8": "Its row in metadata.csv belongs to no scan of the data set.",
    }


def test_the_public_names_of_a_table_of_cases_are_those_of_the_files(tmp_path):
    touch(tmp_path, "images/coronacases_org_001.nii", "labels/coronacases_001.nii")
    (tmp_path / "metadata.csv").write_text("case,fold\ncoronacases_org_001,4\n")
    assert [(case.name, case.fold) for case in find_cases(tmp_path)] == [("coronacases_001", 4)]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"ct_scan,fold\nimages/a.nii,1\n", "neither the columns ct_scan and mask nor the column case"),
        (b"mask,fold\nlabels/a.nii,1\n", "neither the columns ct_scan and mask nor the column case"),
        ("case,fold\na,1\n".encode("utf-16"), "neither the columns ct_scan and mask nor the column case"),
        (b"case,fold\n" + b"a" * 200_000 + b",1\n", "cannot be read as a table"),
    ],
    ids=["no mask", "no scan", "another encoding", "a cell without end"],
)
def test_a_table_that_cannot_be_understood_is_not_passed_over(tmp_path, content, why):
    touch(tmp_path, "images/a.nii", "labels/a.nii")
    (tmp_path / "metadata.csv").write_bytes(content)
    with pytest.raises(InputError, match=why):
        look(tmp_path)


@pytest.mark.parametrize(
    ("image", "mask", "name"),
    [
        ("images/x.nii", "labels/x.nii.gz", "x"),
        ("imagesTr/x_0000.nii.gz", "labelsTr/x.nii.gz", "x"),
        ("x_image.nii.gz", "x_mask.nii.gz", "x"),
        ("case 7/image.nii", "case 7/mask.nii", "case 7"),
        ("case 7/ct.nii.gz", "case 7/labels.nii.gz", "case 7"),
    ],
)
def test_pairs_of_image_and_mask_are_found(tmp_path, image, mask, name):
    touch(tmp_path, image, mask)
    assert pairs(tmp_path) == {name: (image, mask)}


def test_what_has_no_partner_or_two_is_refused_and_said(tmp_path):
    touch(tmp_path, "images/a.nii", "images/b.nii", "labels/b.nii.gz", "labels/c.nii", "images/b.nii.gz")
    refused = {refusal.name: refusal.why for refusal in look(tmp_path).refused}
    assert refused == {
        "a": "It has a scan but no label file.",
        "b": "There are two scans of this name.",
        "c": "It has labels but no scan.",
    }
    with pytest.raises(InputError, match="c: It has labels but no scan"):
        find_cases(tmp_path)


def test_folds_hold_patients_together_and_do_not_change(tmp_path):
    cases = [Case(f"{patient}{scan}", tmp_path, tmp_path, 0, patient) for patient in "abcdefg" for scan in (1, 2)]
    folded = assign_folds(cases, 3, seed=4)
    assert folded == assign_folds(cases, 3, seed=4)
    folds = {case.patient: case.fold for case in folded}
    assert all(case.fold == folds[case.patient] for case in folded)
    assert sorted(folds.values()) == [1, 1, 1, 2, 2, 3, 3]
    with pytest.raises(InputError, match="7 patients cannot be parted into 8 folds"):
        assign_folds(cases, 8, seed=4)


def test_names_that_are_not_zenodos_stay_as_they_are():
    assert case_key("Patient_12") == "Patient_12"
    assert case_key("radiopaedia_org_covid-19-pneumonia-14_85914_0-dcm") == "radiopaedia_14_85914_0"


@pytest.mark.parametrize(
    ("stranger", "why"),
    [
        ("p2-image.nii.gz", "ends neither as that of an image nor as that of a mask"),
        ("p4/p4_lungmask.nii", "ends neither as that of an image nor as that of a mask"),
        ("P2/visit1/image.nii.gz", "lies deeper"),
    ],
)
def test_files_beside_pairs_that_no_case_is_made_of_are_refused(tmp_path, stranger, why):
    touch(tmp_path, "P0/image.nii.gz", "P0/mask.nii.gz", ".hidden/a/image.nii.gz", "P0/._image.nii.gz", stranger)
    found = look(tmp_path)
    assert [case.name for case in found.cases] == ["P0"]
    assert [refusal.name for refusal in found.refused] == [stranger]
    assert why in found.refused[0].why
    with pytest.raises(InputError, match="check shows all that is wrong"):
        find_cases(tmp_path)
    assert find_cases(tmp_path, ("P0",))


def test_scans_deeper_than_in_the_two_folders_are_refused_and_other_folders_are_not_looked_at(tmp_path):
    touch(tmp_path, "images/a.nii.gz", "labels/a.nii.gz", "images/visit2/b.nii.gz", "Lung_Mask/a.nii.gz")
    assert [refusal.name for refusal in look(tmp_path).refused] == ["images/visit2/b.nii.gz"]
