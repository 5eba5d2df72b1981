"""A line of ``manifest.jsonl``: what became of a case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..report.result_record import ResultRecord

DONE, FAILED, KEPT, BEGUN = "done", "failed", "kept", "begun"
"""``KEPT``: the case failed since its earlier result was not to be replaced; that result and its numbers stand."""

_ENDED_KEYS = ("case", "status", "message", "result", "state", "written", "fingerprint", "origin", "model")
_BEGUN_KEYS = ("case", "status", "result", "state", "origin")

_FIELD_OF = {"fingerprint": "input_state"}
"""The fields that are not called as their keys: manifests of earlier versions are read, and go on."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The latest line of a case, without its record, which stays on disk.

    ``status``: one of those above; ``result``: its file name; ``state``: of that file, "" where it is not the batch's
    alone; ``written``: its state at the end; ``input_state``: of the input's files; ``origin``: where the input lies
    (by it the input is known again, and called ``case`` as before), () in lines of earlier versions; ``model``:
    :func:`CovidSegLib.batch.plan.model_identity`.

    ``states`` comes from all lines of the case: the latest state of every file that was a result, by its name.
    """

    case: str
    status: str
    message: str = ""
    result: str = ""
    state: str = ""
    written: str = ""
    input_state: str = ""
    origin: tuple[str, ...] = ()
    model: str = ""
    states: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_line(cls, line: Mapping[str, Any]) -> Entry:
        """The entry of a line. Raises TypeError or AttributeError when it is none of ours."""
        values = {_FIELD_OF.get(key, key): line[key] for key in {*_ENDED_KEYS, *_BEGUN_KEYS} & line.keys()}
        origin = values.pop("origin", [])
        texts = [*values.values(), *origin]
        if type(origin) is not list or not all(isinstance(text, str) for text in texts):
            raise TypeError("another form")
        return cls(**values, origin=tuple(origin))

    def as_line(self, record: ResultRecord | None = None) -> dict[str, Any]:
        """The line, with the ``record`` of a case that has one."""
        if self.status == BEGUN:
            return {key: getattr(self, key) for key in _BEGUN_KEYS}
        told = {key: getattr(self, _FIELD_OF.get(key, key)) for key in _ENDED_KEYS}
        return told | {"record": record and record.to_json()}

    def after(self, earlier: Entry | None) -> Entry:
        """The same with the states that ``earlier``, the entry of the line before, knows."""
        states = {**earlier.states} if earlier else {}
        if self.result:
            states[self.result] = self.state
        return replace(self, states=states)
