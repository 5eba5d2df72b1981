"""The model card: what was measured put into it, and the page that people read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from CovidSegLib.errors import InputError
from CovidSegLib.network import models
from CovidSegLib.network.card import FINISH, ModelCard, checked_card, is_model_name
from CovidSegLib.network.models import Model
from CovidSegLib.system.file_states import file_state
from CovidSegLib.system.locks import one_at_a_time
from CovidSegLib.system.typed_json import LEFT_OUT, Form, FormError, read_typed, write_typed

from ..fit.config import STRIDE
from ..fit.run_folder import write_json
from ..fit.trained_on import was_trained_on
from ..tables import markdown

SEEN = "trained_on_cases"
"""In scores: how many of the cases the network learned from."""

CHANNELS = "the slice below, the slice, the slice above (upright axial)"
"""What every network is given."""

_Side = Annotated[int, Form(STRIDE, 1024)]


@dataclass(frozen=True)
class InputSizes:
    """What facts may say of a card's inputs: rows and columns of each look, None where there is no second one.

    A network learns in several sizes, and which of them it answers in best is seen when it is judged.
    """

    shape: tuple[_Side, _Side]
    second_look: tuple[_Side, _Side] | None = None

    def __post_init__(self) -> None:
        if any(side % STRIDE for size in (self.shape, self.second_look or ()) for side in size):
            raise InputError(f"Sizes of slices must be multiples of {STRIDE}.", "Correct inputs in the facts.")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What can be put into a card, None for what stays as it is; the rest is measured, or comes from the run.

    ``training_data``: of each set its name, source and licence; ``finish``: thresholds, those of :data:`FINISH`.
    """

    description: str | None = field(default=None, metadata=LEFT_OUT)
    licence: str | None = field(default=None, metadata=LEFT_OUT)
    limits: str | None = field(default=None, metadata=LEFT_OUT)
    training_note: str | None = field(default=None, metadata=LEFT_OUT)
    training_data: tuple[dict[str, Any], ...] | None = field(default=None, metadata=LEFT_OUT)
    finish: dict[str, Annotated[float, Form()]] | None = field(default=None, metadata=LEFT_OUT)
    inputs: InputSizes | None = field(default=None, metadata=LEFT_OUT)

    def __post_init__(self) -> None:
        if set(self.finish or ()) - set(FINISH):
            raise InputError("finish is not a table of thresholds.", f"Known are {', '.join(sorted(FINISH))}.")


def check_name(name: str) -> None:
    """Raise InputError where no model can be called ``name``, since no file can."""
    if not is_model_name(name):
        raise InputError(
            "The model has a name that no file can have.", "Give --name letters, digits and - alone, without an ending."
        )


def checked_facts(data: Mapping[str, Any]) -> Facts:
    """``data`` as facts of a card. Raises InputError for anything else."""
    try:
        return read_typed(Facts, data)
    except FormError as error:
        raise InputError(f"The facts of a card are wrong: {error}.", error.hint or "Correct the facts.") from error


def with_facts(card: dict[str, Any], facts: Facts) -> dict[str, Any]:
    """``card`` with ``facts`` in the place of its own; of its inputs the sizes alone."""
    told = write_typed(facts)
    return {**card, **told, "inputs": {**card["inputs"], **told.get("inputs", {})}}


def update_card(model: Model, change: Callable[[dict[str, Any]], dict[str, Any]]) -> ModelCard:
    """``change`` the card of ``model`` on the disk, as it is by now, and return it. Raises ModelError or OutputError.

    Several judgements may enter theirs at once: while one does, the others wait.
    """
    file = model.folder / f"{model.name}.json"
    with one_at_a_time(file.with_name(f".{file.name}.lock")):
        state = file_state(file)
        card = change(models.find(str(file)).card)
        write_json(file, card, state)
    return checked_card(card)


def with_metrics(card: dict[str, Any], metrics: dict[str, Any]) -> dict[str, Any]:
    """``card`` with scores as ``evaluate --json`` writes them, of one data set or of a cross-validation.

    How many cases its own network has learned from is counted anew: the scores may come from an earlier version.
    Raises InputError for what holds no scores.
    """
    if not isinstance(metrics.get("mean"), dict) or not ("table" in metrics or "cases" in metrics):
        raise InputError("The file holds no scores.", "Give a file of covidseg-train evaluate --json.")
    if "table" not in metrics:
        about = checked_card(card)
        seen = sum(was_trained_on(about, str(row.get("case", ""))) for row in metrics["cases"])
        return {**card, "metrics": {**metrics, SEEN: max(seen, metrics.get(SEEN, 0))}}
    rows = [{name: value for name, value in row.items() if name != "values"} | _mean(row) for row in metrics["table"]]
    kept = {name: metrics[name] for name in ("folds", "mean")}
    return {**card, "metrics": {**kept, "table": rows, "cases": metrics["scans"]}}


def _mean(row: dict[str, Any]) -> dict[str, Any]:
    from ..judge.metrics import mean_with_interval

    values = [float("nan") if value is None else value for value in row["values"]]
    mean, low, high = mean_with_interval(values)
    return {"mean": mean, "interval": [low, high], "scans": sum(value == value for value in values)}


def as_markdown(card: ModelCard) -> str:
    """The card as a page."""
    inputs = card.inputs
    rows, columns = inputs.shape
    facts = [
        ("date", card.date),
        ("licence", card.licence),
        ("parameters", f"{card.parameters:,}" if card.parameters else ""),
        ("classes", ", ".join(card.classes)),
        ("input", f"{rows} x {columns}, {CHANNELS}"),
        ("window", f"{inputs.hu_window[0]:g} to {inputs.hu_window[1]:g} HU"),
        ("trained with", f"`{card.command}`" if card.command else ""),
    ]
    parts = [f"# {card.name}", card.description, markdown(("", ""), [fact for fact in facts if fact[1]])]
    if card.training_data:
        names = ("name", "source", "licence")
        sets = [tuple(str(data.get(name, "")) for name in names) for data in card.training_data]
        parts += ["## Trained on", markdown(("data", "source", "licence"), sets)]
    if card.metrics:
        parts += ["## Measured", _metrics(card.metrics)]
    if card.limits:
        parts += ["## Limits", card.limits]
    files = [(kind, weights.name, weights.sha256) for kind, weights in card.files.items()]
    parts += ["## Files", markdown(("format", "file", "SHA-256"), files)]
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
