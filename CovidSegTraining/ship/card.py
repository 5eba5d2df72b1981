"""The model card: what was measured put into it, and the page that people read."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from CovidSegLib.anatomy.finish import FinishOptions
from CovidSegLib.errors import InputError
from CovidSegLib.network import models
from CovidSegLib.network.card import is_model_name
from CovidSegLib.network.input_form import NetworkInputs
from CovidSegLib.network.models import Model
from CovidSegLib.system.file_states import file_state
from CovidSegLib.system.locks import one_at_a_time
from CovidSegLib.system.typed_json import FormError, read_typed

from ..fit.config import STRIDE
from ..fit.run_folder import write_json
from ..fit.trained_on import count_seen
from ..tables import markdown

SEEN = "trained_on_cases"
"""In scores: how many of the cases the network learned from."""

TEXTS = ("description", "licence", "limits", "training_note")

FACTS = (*TEXTS, "training_data", "finish", "inputs")
"""What can be put into a card; the rest is measured, or comes from the run."""


LOOKS = ("shape", "second_look")
"""What facts may say of a card's inputs: rows and columns of each look. A network learns in several sizes, and which of
them it answers in best is seen when it is judged."""


def check_name(name: str) -> None:
    """Raise InputError where no model can be called ``name``, since no file can."""
    if not is_model_name(name):
        raise InputError(
            "The model has a name that no file can have.", "Give --name letters, digits and - alone, without an ending."
        )


def checked_facts(facts: dict[str, Any]) -> dict[str, Any]:
    """``facts`` that may go into a card.

    They are the texts of :data:`TEXTS`, ``training_data`` (a list of name, source and licence), ``finish`` (numbers
    of :class:`FinishOptions`) and ``inputs`` (sizes, :data:`LOOKS`). Raises InputError for anything else.
    """
    unknown = sorted(set(facts) - set(FACTS))
    if unknown:
        raise InputError(f"{unknown[0]} is no fact of a card.", f"Known are {', '.join(FACTS)}.")
    data, finish = facts.get("training_data", []), facts.get("finish", {})
    if not isinstance(data, list) or not all(isinstance(entry, dict) for entry in data):
        raise InputError("training_data is not a list of tables.", "Give each data set its name, source and licence.")
    known = {field.name for field in dataclasses.fields(FinishOptions)}
    if (
        not isinstance(finish, dict)
        or set(finish) - known
        or not all(isinstance(n, int | float) for n in finish.values())
    ):
        raise InputError("finish is not a table of thresholds.", f"Known are {', '.join(sorted(known))}.")
    if not all(isinstance(facts[name], str) for name in TEXTS if name in facts):
        raise InputError(f"{', '.join(TEXTS)} must be texts.", "Correct the facts.")
    if "inputs" in facts:
        _check_looks(facts["inputs"])
    return facts


def with_facts(card: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    """``card`` with ``facts`` (:func:`checked_facts`) in the place of its own; of its inputs the sizes alone."""
    looks = {"second_look": None, **facts["inputs"]} if "inputs" in facts else {}
    return {**card, **facts, "inputs": {**card["inputs"], **looks}}


def _check_looks(looks: Any) -> None:
    try:
        found = read_typed(NetworkInputs, looks, "inputs")
    except FormError as error:
        raise InputError(f"The facts are wrong: {error}.", error.hint or "Correct the facts.") from error
    if not {"shape"} <= set(looks) <= set(LOOKS):
        raise InputError("inputs is no table of sizes.", f"Known are {' and '.join(LOOKS)}.")
    if any(side % STRIDE for shape in (found.shape, found.second_look or ()) for side in shape):
        raise InputError(f"Sizes of slices must be multiples of {STRIDE}.", "Correct inputs in the facts.")


def update_card(model: Model, change: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    """``change`` the card of ``model`` on the disk, as it is by now, and return it. Raises ModelError or OutputError.

    Several judgements may enter theirs at once: while one does, the others wait.
    """
    file = model.folder / f"{model.name}.json"
    with one_at_a_time(file.with_name(f".{file.name}.lock")):
        state = file_state(file)
        card = change(models.find(str(file)).card)
        write_json(file, card, state)
    return card


def with_metrics(card: dict[str, Any], metrics: dict[str, Any]) -> dict[str, Any]:
    """``card`` with scores as ``evaluate --json`` writes them, of one data set or of a cross-validation.

    How many cases its own network has learned from is counted anew: the scores may come from an earlier version.
    Raises InputError for what holds no scores.
    """
    if not isinstance(metrics.get("mean"), dict) or not ("table" in metrics or "cases" in metrics):
        raise InputError("The file holds no scores.", "Give a file of covidseg-train evaluate --json.")
    if "table" not in metrics:
        seen = count_seen(card, [str(row.get("case", "")) for row in metrics["cases"]])
        return {**card, "metrics": {**metrics, SEEN: max(seen, metrics.get(SEEN, 0))}}
    rows = [{name: value for name, value in row.items() if name != "values"} | _mean(row) for row in metrics["table"]]
    kept = {name: metrics[name] for name in ("folds", "mean")}
    return {**card, "metrics": {**kept, "table": rows, "cases": metrics["scans"]}}


def _mean(row: dict[str, Any]) -> dict[str, Any]:
    from ..judge.metrics import mean_with_interval

    values = [float("nan") if value is None else value for value in row["values"]]
    mean, low, high = mean_with_interval(values)
    return {"mean": mean, "interval": [low, high], "scans": sum(value == value for value in values)}


def as_markdown(card: dict[str, Any]) -> str:
    """The card as a page."""
    inputs = card["inputs"]
    parts = [f"# {card['name']}", card.get("description", "")]
    facts = [
        ("date", card.get("date")),
        ("licence", card.get("licence")),
        ("parameters", f"{card['parameters']:,}" if "parameters" in card else None),
        ("classes", ", ".join(card["classes"])),
        ("input", f"{inputs['shape'][0]} x {inputs['shape'][1]}, {inputs.get('channels', '')}"),
        ("window", f"{inputs['hu_window'][0]:g} to {inputs['hu_window'][1]:g} HU"),
        ("trained with", f"`{card['command']}`" if "command" in card else None),
    ]
    parts.append(markdown(("", ""), [(name, str(value)) for name, value in facts if value]))
    if card.get("training_data"):
        columns = ("name", "source", "licence")
        rows = [tuple(str(data.get(name, "")) for name in columns) for data in card["training_data"]]
        parts += ["## Trained on", markdown(("data", "source", "licence"), rows)]
    if card.get("metrics"):
        parts += ["## Measured", _metrics(card["metrics"])]
    if card.get("limits"):
        parts += ["## Limits", card["limits"]]
    rows = [(kind, entry["name"], entry["sha256"]) for kind, entry in card["files"].items()]
    parts += ["## Files", markdown(("format", "file", "SHA-256"), rows)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _metrics(metrics: dict[str, Any]) -> str:
    if "table" in metrics:
        rows = [
            (row["name"], f"{row['mean']:.3f} ({row['interval'][0]:.3f}-{row['interval'][1]:.3f})", str(row["scans"]))
            for row in metrics["table"]
        ]
        return "Cross-validated; each scan judged by the network that did not learn from its patient.\n\n" + markdown(
            ("measure", "mean (95 % interval)", "n"), rows
        )
    means = [
        (name.replace("_", " "), f"{value:.3f}") for name, value in metrics.get("mean", {}).items() if value is not None
    ]
    return f"{_judged_on(metrics)}\n\n" + markdown(("measure", "mean of scans"), means)


def _judged_on(metrics: dict[str, Any]) -> str:
    """What the scores are of, in words; of an earlier version's it is not known whether the network learned from it."""
    if metrics.get(SEEN):
        where = f" of fold {metrics['fold']}" if metrics.get("fold") else ""
        return f"{metrics[SEEN]} of {len(metrics['cases'])} cases{where} were trained on: no fair judgement."
    if metrics.get("fold"):
        return f"Held-out fold {metrics['fold']}."
    return "Cases that were not in a fold of the training."
