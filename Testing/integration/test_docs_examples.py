"""The examples of the book, as they stand there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nibabel
import pytest

from CovidSegLib.errors import ModelError
from CovidSegLib.network.card import checked_card
from Testing.kit.small_phantom import small_phantom


def examples(repository: Path) -> list[str]:
    """The page's blocks of Python."""
    return re.findall(r"```python\n(.*?)```", (repository / "docs/python.md").read_text(encoding="utf-8"), re.DOTALL)


def test_the_examples_do_what_the_page_says(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    volume = small_phantom().volume
    nibabel.save(nibabel.Nifti1Image(volume.voxels.T, volume.affine), "CT.nii.gz")
    said = []
    for block in examples(repository):
        exec(compile(block, "python.md", "exec"), {})
        said.append(capsys.readouterr().out)
    first, _array, lobes, masks, many = said
    assert float(first.split()[0]) > 0
    assert lobes == "The slices are too thick to tell lobes from the shape of the lungs.\n"
    assert str(volume.voxels.shape[::-1]) in masks
    assert (tmp_path / "CT.seg.nrrd").is_file()
    assert "Research use only" in (tmp_path / "CT.html").read_text(encoding="utf-8")
    assert "refused:" in many


def test_the_shortest_card_of_a_network_is_one(repository: Path) -> None:
    page = (repository / "docs/architecture.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    card = json.loads(block)
    assert checked_card(card).inputs.shape == (192, 256)
    for name in ("name", "files", "inputs", "means"):
        with pytest.raises(ModelError):
            checked_card({key: value for key, value in card.items() if key != name})
