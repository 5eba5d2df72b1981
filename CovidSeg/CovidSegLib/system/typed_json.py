"""Frozen dataclasses from and to JSON: one parser for cards, configurations, runs and results, and their schema.

The fields of a dataclass are the keys of a table in JSON, its types are what may stand there. ``Annotated[float,
Form(0, 100, "Of the lung.")]`` bounds a value and says what it is; a number with a form is finite. A field with a
default may be missing in what is read; one with :data:`LEFT_OUT` is not written either where it is None.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar

_Made = TypeVar("_Made")

_DIGITS = re.compile("^[0-9]+$")
"""Names in a table whose keys are whole numbers: JSON has texts alone for keys."""

Problem = Literal["no table", "unknown", "missing", "value"]


LEFT_OUT = {"left_out": True}
"""Metadata of a field that is not written where it is None."""

REQUIRED = {"required": True}
"""Metadata of a field that is always written, as the schema says, though it has a default here."""


@dataclass(frozen=True)
class Form:
    """What a value must be besides its type: ``least`` to ``most``, so many ``items``; ``about``: what it is.

    ``above``: more than ``least``.
    """

    least: float | None = None
    most: float | None = None
    about: str = ""
    items: tuple[int | None, int | None] = (None, None)
    above: bool = False


class FormError(ValueError):
    """JSON that has not the form of a dataclass.

    ``place``: where ("augmentation.scale", "" for the whole); ``problem``: of which kind; ``told``: what is wrong, for
    a message that begins with the place; ``hint``: what would be right, if that can be told.
    """

    def __init__(self, place: str, problem: Problem, told: str, hint: str = "") -> None:
        super().__init__(f"{place} {told}")
        self.place, self.problem, self.told, self.hint = place, problem, told, hint


def read_typed(kind: type[_Made], data: Any, place: str = "", *, others: bool = False) -> _Made:
    """A dataclass ``kind`` from JSON ``data``; ``place`` is where that stands, for messages.

    Keys that are left out have their defaults. ``others``: keys that are not known are passed over, as for a file of a
    later version; else they are refused. Raises FormError; what ``kind`` itself raises comes through.
    """
    if not isinstance(data, Mapping):
        raise FormError(place, "no table", "is not a table of names")
    hints: dict[str, Any] = _hints(kind)  # type: ignore[arg-type]
    known = {name: value for name, value in data.items() if name in hints}
    if len(known) < len(data) and not others:
        unknown = min(str(name) for name in data if name not in hints)
        near = difflib.get_close_matches(unknown, hints, 1)
        hint = f"Did you mean {near[0]}?" if near else f"Known are {', '.join(sorted(hints))}."
        raise FormError(_inner(place, unknown), "unknown", "is not known", hint)
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if field.name not in known and not _has_default(field):
            raise FormError(_inner(place, field.name), "missing", "is missing")
    values = {name: _value(hints[name], value, _inner(place, name), others) for name, value in known.items()}
    return kind(**values)


def write_typed(made: Any) -> dict[str, Any]:
    """The inverse of :func:`read_typed`: plain data of tables, lists, numbers and texts, in the fields' order."""
    fields = [(field, getattr(made, field.name)) for field in dataclasses.fields(made)]
    return {field.name: _plain(value) for field, value in fields if not (value is None and _may_lack(field))}


def schema_of(kind: type) -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of a dataclass ``kind``; keys that it does not name are refused by it."""
    fields = dataclasses.fields(kind)
    needed = [field.name for field in fields if field.metadata.get("required", not _has_default(field))]
    return {
        "type": "object",
        "properties": {field.name: _schema(_hints(kind)[field.name], field) for field in fields},
        **({"required": needed} if needed else {}),
        "additionalProperties": False,
    }


def _has_default(field: dataclasses.Field[Any]) -> bool:
    return not field.default is field.default_factory is dataclasses.MISSING


def _may_lack(field: dataclasses.Field[Any]) -> bool:
    return bool(field.metadata.get("left_out"))


@lru_cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind, include_extras=True)


def _inner(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _value(kind: Any, value: Any, place: str, others: bool) -> Any:
    """``value`` as ``kind``; raises FormError."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        made = _value(parts[0], value, place, others)
        if made is not None:
            _check(parts[1], made, place)
        return made
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return read_typed(kind, value, place, others=others)
    if origin is Literal:
        if any(value == one and type(value) is type(one) for one in parts):
            return value
    elif origin is tuple:
        kinds = parts
        if kinds[1:] == (...,) and isinstance(value, list | tuple):
            kinds = kinds[:1] * len(value)
        if isinstance(value, list | tuple) and len(value) == len(kinds):
            return tuple(_value(part, one, place, others) for part, one in zip(kinds, value, strict=True))
    elif origin is dict:
        if isinstance(value, Mapping) and (parts[0] is str or all(_DIGITS.fullmatch(name) for name in value)):
            return {parts[0](name): _value(parts[1], one, _inner(place, name), others) for name, one in value.items()}
    elif origin in (types.UnionType, typing.Union):
        if value is None and types.NoneType in parts:
            return None
        rest = [part for part in parts if part is not types.NoneType]
        if len(rest) == 1:
            return _value(rest[0], value, place, others)
        if any(_fits(part, value) for part in rest):
            return value
    elif kind is Any:
        return value
    elif _fits(kind, value):
        return kind(value)
    raise FormError(place, "value", f"must be {getattr(kind, '__name__', str(kind))}, not {value!r}")


def _fits(kind: Any, value: Any) -> bool:
    """JSON has one kind of number: a whole one is also a float; true and false are not numbers."""
    if isinstance(value, bool):
        return kind is bool
    if kind is float and isinstance(value, int | float):
        return _is_finite(value) or isinstance(value, float)
    return isinstance(value, kind) if isinstance(kind, type) else False


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number of JSON may have any length
        return False


def _check(form: Form, value: Any, place: str) -> None:
    least, most = form.items
    if (least is not None and len(value) < least) or (most is not None and len(value) > most):
        raise FormError(place, "value", f"must have {least} to {most} parts, not {len(value)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise FormError(place, "value", f"must be a number, not {value}")
    too_low = form.least is not None and (value <= form.least if form.above else value < form.least)
    if too_low or (form.most is not None and value > form.most):
        raise FormError(place, "value", f"must lie between {form.least} and {form.most}, not {value}")


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return write_typed(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


_NAMES = {float: "number", int: "integer", str: "string", bool: "boolean"}


def _schema(kind: Any, field: dataclasses.Field[Any] | None = None) -> dict[str, Any]:
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return {**_schema(parts[0], field), **_bounds(parts[1])}
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return schema_of(kind)
    if origin is Literal:
        return {"const": parts[0]} if len(parts) == 1 else {"enum": list(parts)}
    if origin is tuple and parts[1:] == (...,):
        return {"type": "array", "items": _schema(parts[0])}
    if origin is tuple:
        return {"type": "array", "items": _schema(parts[0]), "minItems": len(parts), "maxItems": len(parts)}
    if origin is dict and parts[0] is int:
        return {
            "type": "object",
            "patternProperties": {_DIGITS.pattern: _schema(parts[1])},
            "additionalProperties": False,
        }
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(parts[1])}
    if origin in (types.UnionType, typing.Union):
        inner = _schema(next(part for part in parts if part is not types.NoneType))
        never_null = field is not None and _may_lack(field) and not field.metadata.get("null")
        return inner if never_null else _or_null(inner)
    return {"type": _NAMES[kind]}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    if "enum" in schema:
        return {"enum": [*schema["enum"], None]}
    if schema["type"] == "object":
        return {"oneOf": [{"type": "null"}, schema]}
    return {**schema, "type": [schema["type"], "null"]}


def _bounds(form: Form) -> dict[str, Any]:
    least, most = form.items
    lowest = "exclusiveMinimum" if form.above else "minimum"
    told = {lowest: form.least, "maximum": form.most, "minItems": least, "maxItems": most}
    return {name: value for name, value in told.items() if value is not None} | (
        {"description": form.about} if form.about else {}
    )
