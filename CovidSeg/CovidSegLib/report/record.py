"""The record of one scan's result: what the JSON files hold. Its form is published in Resources/Schemas."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..measures import Measurements
from ..measures.table import as_record
from ..segmentation import Provenance
from ..system.resource_files import resource

SCHEMA = "covidseg-result-1"
"""Name and version of the form; the file ``Resources/Schemas/<SCHEMA>.schema.json`` describes it."""


def result_schema(name: str = SCHEMA) -> dict[str, Any]:
    """The published JSON schema called ``name`` (that of :func:`result_record`, or of a follow-up)."""
    return json.loads(resource(f"Schemas/{name}.schema.json").read_text(encoding="utf-8"))


def result_record(
    measured: Measurements, made: Provenance, seconds: Mapping[str, float], notes: Sequence[str] = ()
) -> dict[str, Any]:
    """``measured`` and how it came about as plain data; it names neither patient nor file.

    ``made``: how the masks were made; ``seconds`` per stage; ``notes``: sentences from the reading of the scan, which
    stand before the other warnings. Volumes are in mL, ``infection_percent`` in % of both lungs (None without lung).
    """
    total = measured.total
    percent = total.infection_percent
    return {
        "schema": SCHEMA,
        "lung_ml": {
            "left": round(measured.left.lung_ml, 3),
            "right": round(measured.right.lung_ml, 3),
            "total": round(total.lung_ml, 3),
        },
        "infection_ml": round(total.infection_ml, 3),
        "infection_percent": None if percent is None else round(percent, 3),
        "infection_counts_as_lung": True,
        "measurements": as_record(measured),
        "model": {"name": made.model, "sha256": made.sha256},
        "engine": made.engine,
        "device": made.device,
        "software": made.software,
        "seconds": {stage: round(float(value), 3) for stage, value in seconds.items()},
        "kept_edits_ml": round(made.kept_ml, 3),
        "edited_segments": list(made.edited),
        # A batch keeps a thousand records: mere text takes a tenth of what can still be translated.
        "warnings": [str(text) for text in dict.fromkeys([*notes, *made.warnings, *measured.flags])],
    }


def json_text(content: Any) -> str:
    """``content`` as JSON that every program reads (no NaN)."""
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
