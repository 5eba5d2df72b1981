"""The published forms of our JSON: made from the classes that it is read into and written from.

``python -m CovidSegLib.report.schemas`` writes them anew into Resources/Schemas of a checkout.
"""

from __future__ import annotations

import json
from typing import Any

from ..system.resource_files import resource
from ..system.typed_json import schema_of
from .followup import FOLLOWUP_SCHEMA, FollowUpRecord
from .result_record import SCHEMA, ResultRecord

_RESULT = """What covidseg writes with --json and into .json reports: numbers of one chest CT. Names neither patient \
nor file. Research use only."""

_FOLLOWUP = """What covidseg followup writes into .json: two or more chest CTs of one patient, the earliest first. mL \
and percent; infection counts as lung. Research use only."""

_KINDS: dict[str, tuple[type, str, str]] = {
    SCHEMA: (ResultRecord, "CovidSeg result, version 1", _RESULT),
    FOLLOWUP_SCHEMA: (FollowUpRecord, "CovidSeg follow-up, version 1", _FOLLOWUP),
}
"""Class, title and description."""


def published_schema(name: str) -> dict[str, Any]:
    """The schema called ``name`` as it stands in Resources/Schemas."""
    return json.loads(resource(f"Schemas/{name}.schema.json").read_text(encoding="utf-8"))


def made_schema(name: str) -> dict[str, Any]:
    """The schema called ``name`` as it follows from the classes, at the address where it is published."""
    kind, title, description = _KINDS[name]
    published = published_schema(name)
    head = {"$schema": published["$schema"], "$id": published["$id"], "title": title, "description": description}
    # A result may be part of something else: of a batch's list, with the name of its case.
    return head | schema_of(kind) | ({"additionalProperties": True} if kind is ResultRecord else {})


if __name__ == "__main__":
    for name in _KINDS:
        text = json.dumps(made_schema(name), indent=1, ensure_ascii=False) + "\n"
        resource(f"Schemas/{name}.schema.json").write_text(text, encoding="utf-8")
