"""What a release says of itself: one version, licences that tell the truth, files that a stranger looks for."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from CovidSegLib import __version__

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"


def _text(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


def test_the_version_is_the_same_in_the_library_the_citation_and_the_changelog() -> None:
    cited = re.search(r"^version: (.+)$", _text("CITATION.cff"), re.MULTILINE)
    newest = re.search(r"^## \[(\d.+?)\] - \d{4}-\d\d-\d\d$", _text("CHANGELOG.md"), re.MULTILINE)
    assert cited
    assert newest
    wheels = re.findall(r"covidseg-(\d[\d.]*)-py3", "".join(path.read_text("utf-8") for path in DOCS.rglob("*.md")))
    assert wheels
    assert {cited[1], newest[1], *wheels} == {__version__}


def test_the_date_of_the_citation_is_that_of_the_changelog() -> None:
    dates = re.findall(r"^## \[\d.+?\] - (\d{4}-\d\d-\d\d)$", _text("CHANGELOG.md"), re.MULTILINE)
    assert f"\ndate-released: {dates[0]}\n" in _text("CITATION.cff")


def test_the_licence_names_the_codes_and_the_weights_and_all_texts_come_along() -> None:
    project = tomllib.loads(_text("pyproject.toml"))["project"]
    assert project["license"] == "Apache-2.0 AND CC-BY-NC-SA-4.0"
    code, weights, lobes = map(_text, project["license-files"])
    assert "Apache License" in code
    for text in (weights, lobes):
        assert "Attribution-NonCommercial-ShareAlike 4.0 International Public License" in text
    assert "arXiv 1903.09879" in lobes
    for folder in ("Models", "Lobes"):
        assert f"CovidSeg/Resources/{folder}/LICENSE.txt" in project["license-files"]


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md", "CHANGELOG.md"])
def test_links_between_the_pages_of_the_repository_lead_somewhere(name: str) -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)", _text(name)) if "://" not in link]
    assert not [link for link in links if not (REPOSITORY / link).is_file()]


def test_what_the_workflows_call_exists() -> None:
    workflows = "".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / ".github/workflows").glob("*.yml"))
    named = set(re.findall(r"(?:Testing/unit\S*|\.ci/\w+)", workflows))
    assert named
    assert not [name for name in named if not (REPOSITORY / name.rpartition("=")[2]).exists()]
    extras = tomllib.loads(_text("pyproject.toml"))["project"]["optional-dependencies"]
    wanted = {extra for found in re.findall(r"\.\[([\w,]+)\]", workflows) for extra in found.split(",")}
    assert wanted
    assert wanted <= set(extras)


def test_the_workflows_name_what_they_use_by_its_hash() -> None:
    workflows = "".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / ".github/workflows").glob("*.yml"))
    used = re.findall(r"uses: (\S+)", workflows)
    assert used
    assert not [name for name in used if not re.search(r"@[0-9a-f]{40}$", name)]


def test_every_promise_of_privacy_names_tests_that_exist() -> None:
    named = set(re.findall(r"`(Testing/\S+\.py)`", (DOCS / "privacy.md").read_text(encoding="utf-8")))
    assert len(named) > 5
    assert not [name for name in named if not (REPOSITORY / name).is_file()]


RELEASE = runpy.run_path(str(REPOSITORY / "tools/release.py"))


def test_only_the_files_that_a_release_writes_name_the_address_of_the_repository() -> None:
    if shutil.which("git") is None or not (REPOSITORY / ".git").exists():
        pytest.skip("needs a git checkout")
    host = RELEASE["address"]().split("/")[2]
    command = ["git", "-C", str(REPOSITORY), "grep", "-lI", "--fixed-strings", host]
    named = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert sorted(named) == sorted(RELEASE["FILES"])


def test_what_slicers_catalogue_shows_is_asked_of_the_address_as_a_file_and_is_there() -> None:
    """A page about a picture is no picture: the Extensions Manager wants the file itself."""
    urls = re.findall(rf"{re.escape(RELEASE['address']())}/(\S+?\.png)", _text("CMakeLists.txt"))
    assert len(urls) >= 3
    assert not [url for url in urls if not (REPOSITORY / url.removeprefix("raw/main/")).is_file()]
    assert all(url.startswith("raw/main/") for url in urls)


def test_the_entry_of_the_index_pins_no_revision_and_has_no_key_that_slicers_schema_lacks() -> None:
    entry = json.loads(_text("Resources/CovidSeg.json"))
    assert entry["scm_revision"] == "main"
    assert entry["tier"] in (1, 3, 5)
    assert set(entry) <= {"$schema", "build_dependencies", "build_subdirectory", "category", "enabled",
                          "scm_revision", "scm_type", "scm_url", "tier"}  # fmt: skip
    assert {"$schema", "category", "scm_url"} <= set(entry)


def test_the_workflows_check_style_tests_systems_lowest_versions_book_wheel_and_extension() -> None:
    workflows = "".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / ".github/workflows").glob("*.yml"))
    for job in ("lint", "everything", "systems", "lowest-versions", "docs", "wheel", "slicer-extension"):
        assert f"\n  {job}:\n" in workflows, job
    sources = re.search(r"^sources := (.+?) \$", _text("Makefile"), re.MULTILINE)
    assert sources
    assert f"ruff check {sources[1]} " in workflows


def test_a_release_writes_the_address_everywhere(tmp_path: Path) -> None:
    for name in RELEASE["FILES"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, tmp_path / name)
    old, new = RELEASE["address"](), "https://host.example/somebody/SlicerCovidSeg"
    assert RELEASE["set_address"](new, tmp_path) == list(RELEASE["FILES"])
    texts = [(tmp_path / name).read_text(encoding="utf-8") for name in RELEASE["FILES"]]
    assert all(new in text and old not in text for text in texts)
    assert RELEASE["address"](tmp_path) == new
    for wrong in ("http://host.example/a/b", "https://host.example", 'https://host/a"b', ""):
        with pytest.raises(ValueError, match="not an address"):
            RELEASE["set_address"](wrong, tmp_path)
