"""What a person is told about a fault that a schema found: the key, the value, what was expected, and how it is often meant."""

import math
import re
import reprlib
from collections.abc import Mapping, Sequence
from datetime import date
from difflib import get_close_matches
from typing import Any

from jsonschema.exceptions import ValidationError

_NAMES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "array": "a list",
    "object": "keys with values",
    "boolean": "true or false",
    "null": "null",
}

_WITH_EXPONENT = re.compile(r"[-+]?[0-9.]+e[-+]?[0-9]{1,3}", re.IGNORECASE)
_LEADING_ZERO = re.compile(r"0+[1-9][0-9]{0,20}")  # to YAML 08 and 09 are text, since these are no digits of base 8
_NOT_TEXT = re.compile(r"[-+]?[0-9.]+|null|true|false|\[.*\]", re.IGNORECASE | re.DOTALL)


_NOTHING = ("", "null", "none", "~")  # texts that are meant as null where a path may be
_IN_A_FILE = ", in a file (what stands in {} or [] after --config is always text)"


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


def describe(fault: ValidationError, rules: Mapping[str, Any]) -> str:
    """Return one line about a fault: the key's path, the value, what was expected, and what the key is.

    Parameters
    ----------
    fault
        What the validator found.
    rules
        The whole schema.
    """
    path, value = write_path(fault.absolute_path), fault.instance
    about = _find_description(fault, rules)
    about = f" ({about})" if about else ""
    match fault.validator:
        case "additionalProperties":
            return _describe_unknown(path, value, fault.schema.get("properties", {}))
        case "required":
            missing = [key for key in fault.validator_value if key not in value]
            return f"{path}: missing {', '.join(missing)}; give a value, as in config/config.yaml{about}"
        case "pattern" if "propertyNames" in fault.absolute_schema_path:
            return f"{path}: {brief(value)} is not allowed as a key; expected {fault.schema['expects']}{about}"
    return f"{path} = {brief(value)}: expected {_expected(fault)}{about}"


def _describe_unknown(path: str, value: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    unknown = sorted(set(value) - set(known))
    meant = get_close_matches(unknown[0][:40], known, 1)
    more = f" and {len(unknown) - 4} more" if len(unknown) > 4 else ""
    above = unknown[0].partition(".")[0]
    if above in known and above != unknown[0]:
        advice = f"write what follows the point in a line of its own, indented, under '{above}:'; "
    else:
        advice = f"did you mean {meant[0]}? " if meant else ""
    names = ", ".join(write_path([key]) for key in unknown[:4])
    return f"{path}: unknown key {names}{more}; {advice}allowed: {', '.join(sorted(known))}"


def _expected(fault: ValidationError) -> str:
    """Say what the schema allows where `fault` is, and what to write instead."""
    allowed, value = fault.validator_value, fault.instance
    match fault.validator:
        case "type":
            types = [allowed] if isinstance(allowed, str) else list(allowed)
            return " or ".join(_NAMES[name] for name in types) + _advise(value, types)
        case "enum":
            return "one of " + ", ".join(map(str, allowed))
        case "minimum":
            return f"at least {allowed}"
        case "maximum":
            return f"at most {allowed}"
        case "exclusiveMinimum":
            return f"more than {allowed}"
        case "multipleOf":
            return f"a multiple of {allowed}"
        case "minItems":
            return "at least one value" if allowed == 1 else f"at least {allowed} values"
        case "maxItems" | "maxProperties":
            return f"at most {allowed} values; it has {len(value)}"
        case "uniqueItems":
            return "every value once"
        case "maxLength":
            return f"at most {allowed} characters; it has {len(value)}"
        case "pattern" if value.strip().lower() in _NOTHING:
            nullable = "null" in fault.schema["type"]
            return (
                f"a path, or null: write null without quotes{_IN_A_FILE}"
                if nullable
                else "a path, such as results/mine"
            )
        case "pattern":
            return fault.schema["expects"]
    return fault.message  # of a keyword of our own


def _advise(value: Any, types: Sequence[str]) -> str:
    """Say how a value of the wrong type is often meant."""
    if value is None:
        return "; a key without a value is null: write a value, or delete the line to keep what it stands for otherwise"
    if isinstance(value, float) and not math.isfinite(value):
        return "; this one is not finite"
    if isinstance(value, float) and types == ["integer"] and value.is_integer() and abs(value) < 1e15:
        return f"; write {int(value)}"
    if isinstance(value, str) and {"integer", "number"} & set(types) and _WITH_EXPONENT.fullmatch(value):
        mantissa, exponent = value.lower().split("e")
        mantissa += "" if "." in mantissa else ".0"
        exponent = exponent if exponent[0] in "+-" else f"+{exponent}"
        return (
            "; YAML takes a number with an exponent as text unless it has a point and a sign: write "
            f"{mantissa}e{exponent}, not {value}"
        )
    if isinstance(value, str) and {"integer", "number"} & set(types) and _LEADING_ZERO.fullmatch(value):
        return f"; write {value.lstrip('0')}"
    if isinstance(value, str) and _NOT_TEXT.fullmatch(value):
        return f"; this is text: write it without quotes{_IN_A_FILE}"
    if "string" in types and not isinstance(value, Mapping | list):
        return "; write it in quotes"
    return ""


def _find_description(fault: ValidationError, rules: Mapping[str, Any]) -> str:
    """Return the schema's description of the key at fault, or of the list that the value stands in."""
    node: Any = rules
    about = before = ""
    for part in fault.absolute_schema_path:
        if "$ref" in node and part not in node:  # which the path leaves out
            node = rules["$defs"][node["$ref"].rpartition("/")[2]]
            about = about or node.get("description", "")
        node = node[part]
        if before == "properties":
            about = ""
        if part not in ("properties", "propertyNames") and isinstance(node, Mapping):
            about = about or node.get("description", "")
        before = part
    return about
