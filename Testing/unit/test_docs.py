"""The book: it builds strictly, loads nothing from the network, and its sentences can be read."""

from __future__ import annotations

import html
import os
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import covidseg
from CovidSegLib.cli import main as covidseg_command
from CovidSegLib.errors import CovidSegError
from CovidSegLib.network import models
from CovidSegLib.segfiles import registry
from CovidSegTraining.cli import command as training_command
from tools import docs_messages as MESSAGES  # noqa: N812

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
TEXTS = [*PAGES, REPOSITORY / "CovidSegTraining/README.md", *sorted(REPOSITORY.glob("*.md"))]
"""Every text for people."""
MOST_WORDS, MEAN_WORDS = 40, 25
PARSERS = {"covidseg": covidseg_command.build_parser, "covidseg-train": training_command.build_parser}
HOOKS = runpy.run_path(str(REPOSITORY / "tools/docs_hooks.py"))

SLICERS_OWN = {
    "Accept", "Add DICOM Data", "Add Data", "Additional module paths", "Application Settings", "Completed", "Edit",
    "Modules", "Sample Data", "Segment Editor", "Segment Statistics", "Segmentation", "CovidSeg", "Undo", "Redo",
    "Show 3D",
}  # fmt: skip
"""Words in italics on the pages about Slicer that are Slicer's, not the panel's."""


def _id(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The book, built strictly."""
    pytest.importorskip("mkdocs", reason="needs the extra docs")
    folder = tmp_path_factory.mktemp("site")
    # Not --quiet: MkDocs then counts no warnings, and a broken link would pass.
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_book_builds_and_has_every_page(site: Path) -> None:
    built = {path.relative_to(site).with_suffix(".md") for path in site.rglob("*.html")}
    assert {page.relative_to(DOCS) for page in PAGES} <= built


def test_the_book_is_read_and_searched_without_a_network(site: Path) -> None:
    loads = re.compile(r'<(?:script|img|link|iframe)[^>]*(?:src|href)="?(?:https?:)?//')
    wrong = {page.name: found for page in site.rglob("*.html") if (found := loads.findall(page.read_text("utf-8")))}
    assert not wrong
    assert (site / "search" / "search_index.js").is_file()  # a script, which a page may load from a disk


def test_the_book_has_the_help_of_every_command_and_the_errors_of_the_code(site: Path) -> None:
    commands = (site / "command_line.html").read_text("utf-8")
    assert all(f"covidseg {name}" in commands for name in ("segment", "report", "followup", "batch", "sample"))
    errors = (site / "troubleshooting.html").read_text("utf-8")
    assert "<!-- made:" not in commands + errors
    rows = _rows(errors)
    found = [message for message in MESSAGES.Code().messages() if isinstance(message, MESSAGES.Message)]
    assert len(found) > 350
    assert not [one for one in found if not any(_matches(one.sentence, said) for said in rows)]
    assert not [said for said, what_to_do in rows.items() if not what_to_do]


def test_the_words_of_every_error_are_found_and_every_room_that_makes_one_has_its_section() -> None:
    found = MESSAGES.Code().messages()
    assert not [one for one in found if isinstance(one, MESSAGES.Unread)]
    rooms = [one.room for one in found if isinstance(one, MESSAGES.Message)]
    sections = [room for section in HOOKS["SECTIONS"].values() for room in section]
    assert sorted(sections) == sorted(set(rooms))
    hintless = {one.room for one in found if isinstance(one, MESSAGES.Message) and not one.hint}
    assert hintless <= set(HOOKS["DO"])


def test_an_error_that_a_user_meets_stands_on_the_page_as_it_is_said(site: Path, tmp_path: Path) -> None:
    rows = _rows((site / "troubleshooting.html").read_text("utf-8"))
    (tmp_path / "notes.txt").write_text("no scan", encoding="utf-8")
    (tmp_path / "cut off.nii.gz").write_bytes(b"\x1f\x8b\x08")
    (tmp_path / "folder.nrrd").mkdir()
    met = [
        _told(lambda: covidseg.segment(tmp_path / "missing.nii.gz")),
        _told(lambda: covidseg.segment(tmp_path / "notes.txt")),
        _told(lambda: covidseg.segment(tmp_path / "cut off.nii.gz")),
        _told(lambda: covidseg.segment(tmp_path)),
        _told(lambda: covidseg.segment(np.zeros((3, 4, 5)))),
        _told(lambda: covidseg.segment(np.zeros((4, 5)), affine=np.eye(4))),
        _told(lambda: registry.check_suffix(tmp_path / "folder.nrrd")),
        _told(lambda: registry.check_suffix(tmp_path / "result.tar")),
        _told(lambda: registry.check_suffix(tmp_path / "nowhere" / "result.nii.gz")),
    ]
    assert not [error.sentence for error in met if not any(_matches(said, error.sentence) for said in rows)]


def _told(call: Callable[[], object]) -> CovidSegError:
    with pytest.raises(CovidSegError) as caught:
        call()
    return caught.value


def _rows(page: str) -> dict[str, str]:
    """What is said, and what to do, as a browser shows it."""
    cells = re.findall(r"<tr>\s*<td>(.*?)</td>\s*<td>(.*?)</td>", page, re.DOTALL)
    return {html.unescape(re.sub("<[^>]*>", "", said)): what_to_do.strip() for said, what_to_do in cells}


def _matches(pattern: str, said: str) -> bool:
    """Whether ``said`` is what ``pattern`` says, with a value for each of its names in curly or pointed brackets."""
    names = "{[^}]*}|\u2039[^\u203a]*\u203a"
    parts = [re.escape(part) for part in re.split(names, " ".join(pattern.split()))]
    return re.fullmatch(".*".join(parts) + r"\.?", said) is not None


def sentences(text: str) -> list[str]:
    """Sentences of running text: without code, tables, pictures and headings."""
    text = re.sub(r"```.*?```|<!--.*?-->", "", text, flags=re.DOTALL)
    lines = []
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or stripped.startswith(("|", "#", "![", "===", "!!!", ":::", "options:", "members:", "<")):
            lines.append(".")  # ends what stood before
        else:
            lines.append(re.sub(r"^(?:\d+\.|[-*])\s", ". ", stripped))
    words = re.sub(r"!?\[([^\]]*)\]\([^)]*\)(?:\{[^}]*\})?", r"\1", " ".join(lines))
    words = re.sub(r"`[^`]*`", "code", words)
    return [part.strip() for part in re.split(r"[.!?:](?:\s|\*|$)", words) if len(part.split()) > 1]


@pytest.mark.parametrize("page", TEXTS, ids=_id)
def test_sentences_are_short(page: Path) -> None:
    lengths = {part: len(part.split()) for part in sentences(page.read_text("utf-8"))}
    assert not [part for part, length in lengths.items() if length > MOST_WORDS]
    assert sum(lengths.values()) <= MEAN_WORDS * max(1, len(lengths))


def test_the_readme_is_one_page() -> None:
    assert len((REPOSITORY / "README.md").read_text("utf-8").split()) <= 700


def commands(text: str) -> Iterator[list[str]]:
    """Every call of our two commands in the blocks for a shell, as words."""
    for block in re.findall(r"```(?:sh|powershell)\n(.*?)```", text, re.DOTALL):
        for line in re.split(r"\n|&&", re.sub(r"\\\n", " ", block)):
            words = shlex.split(line.replace("\\", "/"), comments=True)
            program = words[0].rpartition("/")[2] if words else ""
            if program in PARSERS:
                yield [program, *words[1:]]


def _is_understood(program: str, words: list[str]) -> bool:
    try:
        PARSERS[program]().parse_args(words)
    except SystemExit as ended:
        return not ended.code  # --help and --version
    return True


@pytest.mark.parametrize("page", TEXTS, ids=_id)
def test_every_command_on_a_page_is_one_that_the_program_understands(page: Path) -> None:
    found = commands(page.read_text("utf-8"))
    assert not [[program, *words] for program, *words in found if not _is_understood(program, words)]


def test_the_look_for_commands_finds_them() -> None:
    found = [words for page in TEXTS for words in commands(page.read_text("utf-8"))]
    assert {words[0] for words in found} == set(PARSERS)
    assert len(found) > 40


NUMBERS = {
    "infection, infected slices, without radiopaedia_29_86490_1": ".3f",
    "lung": ".3f",
    "percent of lung infected, absolute error in points": ".1f",
    "false infection on clean/, normal001, % of lung": ".2f",
    "false infection on clean/, LIDC-IDRI-1011, % of lung": ".2f",
}
"""Rows of the card's table that the README and the book tell, and how they are rounded."""


@pytest.mark.parametrize("page", ["README.md", "docs/how_good.md"])
def test_how_good_the_network_is_stands_there_as_on_its_card(page: str) -> None:
    table = models.find("default").card["metrics"]["table"]
    means = {row["name"]: row["mean"] for row in table}
    cells = " ".join(line for line in (REPOSITORY / page).read_text("utf-8").splitlines() if line.startswith("|"))
    told = set(re.findall(r"\d+\.\d+", cells))
    assert {format(means[name], form) for name, form in NUMBERS.items()} <= told


def test_the_count_of_words_sees_a_long_sentence() -> None:
    long = " ".join(["word"] * 50)
    assert max(len(part.split()) for part in sentences(f"Short. {long}.\n\n| {long} {long} |\n")) == 50


def test_what_the_pages_about_slicer_name_is_in_the_panel() -> None:
    panel = (REPOSITORY / "CovidSeg/Resources/UI/CovidSeg.ui").read_text("utf-8").replace("&amp;", "")
    panel += "".join(path.read_text("utf-8") for path in (REPOSITORY / "CovidSeg/CovidSegLib/gui").rglob("*.py"))
    panel += (REPOSITORY / "CovidSeg/CovidSegLib/segmentation.py").read_text("utf-8")
    for page in (DOCS / "slicer").glob("*.md"):
        text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
        named = {part.strip() for found in re.findall(r"(?<!\*)\*([^*\n]+)\*(?!\*)", text) for part in found.split("→")}
        missing = {name for name in named - SLICERS_OWN if name.rstrip(".") not in panel}
        assert not missing, page.name
