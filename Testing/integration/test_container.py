"""The command in a container: built and run where docker is; its recipe is looked at by a linter elsewhere."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import nibabel
import pytest

from Testing.kit.small_phantom import small_phantom


def test_the_recipe_of_the_container_passes_the_linter(repository: Path) -> None:
    linter = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if linter is None:
        pytest.skip("needs hadolint")
    done = subprocess.run([linter, "Dockerfile"], cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_the_recipe_copies_is_there_and_sent_to_the_builder(repository: Path) -> None:
    recipe = (repository / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = [
        name for line in recipe if line.startswith("COPY ") and "--from" not in line for name in line.split()[1:-1]
    ]
    sent = {
        line[1:] for line in (repository / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] == "!"
    }
    assert copied
    assert set(copied) == sent
    assert all((repository / name).exists() for name in copied)


@pytest.mark.slow
def test_the_container_segments_without_network_as_an_ordinary_user(repository: Path, tmp_path: Path) -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "info"], capture_output=True, check=False).returncode != 0:
        pytest.skip("needs docker, and its daemon")
    subprocess.run(["docker", "build", "--quiet", "--tag", "covidseg-test", "."], cwd=repository, check=True)
    volume = small_phantom().volume
    nibabel.save(nibabel.Nifti1Image(volume.voxels.T, volume.affine), tmp_path / "CT.nii.gz")
    tmp_path.chmod(0o777)
    command = ["docker", "run", "--rm", "--network", "none", "--volume", f"{tmp_path}:/data", "covidseg-test"]
    subprocess.run([*command, "segment", "CT.nii.gz", "-o", "CT.seg.nrrd"], check=True)
    assert (tmp_path / "CT.seg.nrrd").is_file()
