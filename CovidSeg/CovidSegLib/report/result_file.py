"""A file with the numbers of one scan, read: those that somebody changed are not taken for CovidSeg's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..system.checksums import KEY, identity_in
from .result_record import ResultRecord, json_text

NO_CHECKSUM = "The file of its numbers has no checksum of CovidSeg's: whether somebody changed them is not known."
"""What is said of a file of an earlier version, or one out of which the checksum was taken."""


def read_result(file: Path) -> ResultRecord:
    """The record in a JSON file (``covidseg report -o FILE.json``, ``segment --json FILE``).

    Where the file has no checksum, a warning says so. Raises InputError where it cannot be read, is no result, or was
    changed since CovidSeg wrote it.
    """
    try:
        content = file.read_bytes()
        data = json.loads(content.decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError("A JSON file cannot be read.", "Write it again, or give the scan itself.") from error
    record = ResultRecord.from_json(data)
    identity = identity_in(content)
    if identity is None and not _only_set_anew(data):
        raise InputError(
            "A JSON file with numbers was changed since CovidSeg wrote it.",
            "Write it again from the scan and its masks: covidseg report … -o FILE.json. Or give the scan itself.",
        )
    return replace(record, warnings=(*record.warnings, NO_CHECKSUM)) if identity == "" else record


def _only_set_anew(data: dict[str, Any]) -> bool:
    """Whether the file holds what CovidSeg wrote, with other spaces and lines alone."""
    mark = data.get(KEY)
    if not isinstance(mark, str):
        return False
    _, _, rest = mark.partition(":")
    identity, _, _ = rest.partition(":")
    try:
        text = json_text({key: value for key, value in data.items() if key != KEY}, identity)
        return json.dumps(mark) in text and identity_in(text.encode()) == identity
    except (ValueError, RecursionError):  # a later version may hold anything; what we wrote has no NaN
        return False
