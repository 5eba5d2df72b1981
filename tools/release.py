"""Writes the address of the repository wherever it stands: ``python tools/release.py --address https://…``.

Until there is one, the placeholder of the reserved domain ``example`` stands there. The files are those of
:data:`FILES`; a test holds that no other file names the address.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
FILES = (
    "CITATION.cff",
    "CMakeLists.txt",
    "CovidSeg/Resources/Schemas/covidseg-followup-1.schema.json",
    "CovidSeg/Resources/Schemas/covidseg-result-1.schema.json",
    "Resources/CovidSeg.json",
    "mkdocs.yml",
    "pyproject.toml",
)
_ADDRESS = re.compile(r"https://[a-z0-9.-]+(?:/[A-Za-z0-9_.-]+)+")


def address(root: Path = REPOSITORY) -> str:
    """The address that stands there now."""
    return str(json.loads((root / "Resources/CovidSeg.json").read_text(encoding="utf-8"))["scm_url"])


def set_address(new: str, root: Path = REPOSITORY) -> list[str]:
    """Put ``new`` in the place of the address, in every file below ``root`` that names it; returns these files.

    Raises ValueError for what is no https address without a slash at its end.
    """
    if not _ADDRESS.fullmatch(new):
        raise ValueError(f"not an address such as https://host/owner/name: {new}")
    old, changed = address(root), []
    for name in FILES:
        file = root / name
        text = file.read_text(encoding="utf-8")
        if old in text:
            file.write_text(text.replace(old, new), encoding="utf-8")
            changed.append(name)
    return changed


def main() -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(description="Set the address of the repository in every file that names it.")
    parser.add_argument("--address", required=True, metavar="https://HOST/OWNER/NAME")
    try:
        print("\n".join(set_address(parser.parse_args().address.rstrip("/"))))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
