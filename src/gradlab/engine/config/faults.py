"""What a person is told about a fault that a model found: the key, the value, what was expected, and how it is often meant."""

import math
import re
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from difflib import get_close_matches
from inspect import cleandoc
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

# What pydantic's errors about a wrong type expect.
_TYPES = {
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a number",
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "keys with values",
    "model_type": "keys with values",
    "bool_type": "true or false",
}
_NUMBERS = ("int_type", "float_type")

_WITH_EXPONENT = re.compile(r"[-+]?[0-9.]+e[-+]?[0-9]{1,3}", re.IGNORECASE)
_LEADING_ZERO = re.compile(r"0+[1-9][0-9]{0,20}")  # to YAML 08 and 09 are text, since these are no digits of base 8
_NOT_TEXT = re.compile(r"[-+]?[0-9.]+|null|true|false|\[.*\]", re.IGNORECASE | re.DOTALL)

NOTHING = ("", "null", "none", "~")  # texts that are meant as null where a path may be
IN_A_FILE = ", in a file (what stands in {} or [] after --config is always text)"

KeyPath = tuple[str | int, ...]  # a key, after the keys and positions above it


class _Brief(reprlib.Repr):
    """Writes a value as a person would in YAML, and large ones in part."""

    def repr_NoneType(self, _value: None, _level: int) -> str:
        return "null"

    def repr_bool(self, value: bool, _level: int) -> str:
        return "true" if value else "false"

    def repr_date(self, value: date, _level: int) -> str:
        return value.isoformat()


_BRIEF = _Brief()
_BRIEF.maxstring, _BRIEF.maxother, _BRIEF.maxlevel = 60, 60, 2
_BRIEF.maxlist = _BRIEF.maxdict = _BRIEF.maxset = 4


def brief(value: Any) -> str:
    """Return a value as it stands in YAML, on one line of at most 150 characters."""
    return cut(_BRIEF.repr(value))


def cut(text: str) -> str:
    """Return a text of at most 150 characters, with points for what is left out."""
    return text if len(text) <= 150 else f"{text[:147]}..."


def write_path(parts: Sequence[str | int]) -> str:
    """Return a key's path with points between its parts, and what is no plain word in quotes."""
    plain = [str(part) if re.fullmatch(r"[\w-]{1,40}", str(part)) else brief(part) for part in parts]
    return ".".join(plain) or "(top level)"


def describe(error: ErrorDetails, model: type[BaseModel]) -> Iterator[tuple[KeyPath, str]]:
    """Yield a line, or more, about a fault, each with the key that it is about.

    Parameters
    ----------
    error
        What pydantic found.
    model
        The model of the whole configuration.
    """
    path, value = error["loc"], error["input"]
    field, _ = _find(model, path)
    about = f" ({description_of(field).split('. ')[0].rstrip('.')})" if field and description_of(field) else ""
    match error["type"]:
        case "extra_forbidden":
            yield path, _describe_unknown(path, known_keys(_find(model, path[:-1])[1]))
        case "missing":
            yield path, f"{write_path(path)}: missing; give a value{about}"
        case "value_error":  # of a study's own check, which may name a key
            for text in map(str, error["ctx"]["error"].args):
                if text.startswith(write_path(path)):
                    yield tuple(re.split(r"[^\w.-]", text)[0].rstrip(".").split(".")), text
                else:
                    yield path, f"{write_path(path)} = {brief(value)}: {text}{about}"
        case _ if path[-1:] == ("[key]",):
            *parents, key, _ = path
            expected = _expected(error, field)
            yield path[:-1], f"{write_path(parents)}: {brief(key)} is not allowed as a key; expected {expected}{about}"
        case _:
            yield path, f"{write_path(path)} = {brief(value)}: expected {_expected(error, field)}{about}"


def known_keys(block: type[BaseModel] | None) -> dict[str, FieldInfo]:
    """Return the fields of a block by their keys."""
    return {field.alias or name: field for name, field in block.model_fields.items()} if block else {}


def block_of(field: FieldInfo) -> type[BaseModel] | None:
    """Return the model of a field that is a block of keys, None of any other."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def description_of(field: FieldInfo) -> str:
    """Return what a field is, or the block of keys that it is."""
    return field.description or cleandoc(getattr(block_of(field), "__doc__", None) or "")


def _find(model: type[BaseModel], path: KeyPath) -> tuple[FieldInfo | None, type[BaseModel] | None]:
    """Return the innermost field on a path, and its model where the path ends at a block."""
    field: FieldInfo | None = None
    block: type[BaseModel] | None = model
    for part in path:
        keys = known_keys(block)
        if part not in keys:
            return field, None
        field = keys[part]
        block = block_of(field)
    return field, block


def _describe_unknown(path: KeyPath, known: Mapping[str, Any]) -> str:
    *parents, key = map(str, path)
    meant = get_close_matches(key[:40], known, 1)
    above = key.partition(".")[0]
    if above in known:
        advice = f"write what follows the point in a line of its own, indented, under '{above}:'; "
    else:
        advice = f"did you mean {meant[0]}? " if meant else ""
    return f"{write_path(parents)}: unknown key {write_path([key])}; {advice}allowed: {', '.join(sorted(known))}"


def _expected(error: ErrorDetails, field: FieldInfo | None) -> str:
    """Say what the field allows, and what to write instead."""
    kind, value, limits = error["type"], error["input"], error.get("ctx", {})
    match kind:
        case _ if kind in _TYPES:
            nullable = field is not None and type(None) in get_args(field.annotation)
            return _TYPES[kind] + (" or null" if nullable else "") + _advise(value, kind)
        case "literal_error":
            return str(limits["expected"])
        case "greater_than_equal":
            return f"at least {limits['ge']:.16g}"
        case "less_than_equal":
            return f"at most {limits['le']:.16g}"
        case "greater_than":
            return f"more than {limits['gt']:.16g}"
        case "less_than":
            return f"less than {limits['lt']:.16g}"
        case "multiple_of":
            return f"a multiple of {limits['multiple_of']:.16g}"
        case "too_short":
            return "at least one value" if limits["min_length"] == 1 else f"at least {limits['min_length']} values"
        case "too_long":
            return f"at most {limits['max_length']} values; it has {len(value)}"
        case "string_too_long":
            return f"at most {limits['max_length']} characters; it has {len(value)}"
    return error["msg"].removeprefix("Input should be ")


def _advise(value: Any, kind: str) -> str:
    """Say how a value of the wrong type is often meant."""
    if value is None:
        return "; a key without a value is null: write a value, or delete the line to keep what it stands for otherwise"
    if isinstance(value, float) and not math.isfinite(value):
        return "; this one is not finite"
    if isinstance(value, float) and kind == "int_type" and value.is_integer() and abs(value) < 1e15:
        return f"; write {int(value)}"
    if isinstance(value, str) and kind in _NUMBERS and _WITH_EXPONENT.fullmatch(value):
        mantissa, exponent = value.lower().split("e")
        mantissa += "" if "." in mantissa else ".0"
        exponent = exponent if exponent[0] in "+-" else f"+{exponent}"
        return (
            "; YAML takes a number with an exponent as text unless it has a point and a sign: write "
            f"{mantissa}e{exponent}, not {value}"
        )
    if isinstance(value, str) and kind in _NUMBERS and _LEADING_ZERO.fullmatch(value):
        return f"; write {value.lstrip('0')}"
    if isinstance(value, str) and _NOT_TEXT.fullmatch(value):
        return f"; this is text: write it without quotes{IN_A_FILE}"
    if kind == "string_type" and not isinstance(value, Mapping | list):
        return "; write it in quotes"
    return ""
