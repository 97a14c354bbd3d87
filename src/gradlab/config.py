"""Checks a configuration against its schema, with messages for the person who wrote it."""

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, relevance
from jsonschema.validators import extend


class ConfigError(ValueError):
    """A configuration that the schema refuses; the message lists every fault."""


def check_config(config: Mapping[str, Any], schema: str | Path) -> None:
    """Refuse a configuration that does not fit.

    Parameters
    ----------
    config
        The configuration, as YAML gives it. Keys that YAML reads as numbers are taken as text.
    schema
        The path of a JSON schema, written in YAML.

    Raises
    ------
    ConfigError
        One line for each fault: the key's path, the value, what is allowed, and the schema's description of the key.
    """
    rules = yaml.safe_load(Path(schema).read_text(encoding="utf-8"))
    faults = sorted(_Validator(rules).iter_errors(_with_text_keys(config)), key=relevance)
    if faults:
        lines = [f"  {line}" for line in dict.fromkeys(_describe(fault) for fault in faults)]
        raise ConfigError("the configuration is refused:\n" + "\n".join(lines))


def _is_number(_checker: Any, value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _check_ascending(_validator: Any, required: bool, value: Any, _schema: Any) -> Iterator[ValidationError]:
    """The keyword `ascending`, of our own: the numbers of a list do not decrease."""
    if (
        required
        and isinstance(value, list)
        and all(_is_number(None, item) for item in value)
        and value != sorted(value)
    ):
        yield ValidationError(f"{value} does not ascend; write the smaller number first")


# JSON has no infinity and no NaN, but YAML has: neither is a number here.
_Validator = extend(
    Draft202012Validator,
    validators={"ascending": _check_ascending},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("number", _is_number),
)


def _with_text_keys(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _with_text_keys(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_text_keys(item) for item in value]
    return value


def _describe(fault: ValidationError) -> str:
    path = ".".join(str(part) for part in fault.absolute_path) or "(top level)"
    about = fault.schema.get("description", "") if isinstance(fault.schema, Mapping) else ""
    if fault.validator == "additionalProperties":
        allowed = ", ".join(sorted(fault.schema.get("properties", {})))
        unknown = sorted(set(fault.instance) - set(fault.schema.get("properties", {})))
        return f"{path}: unknown key {', '.join(unknown)}; allowed: {allowed}"
    message = fault.message
    if fault.validator == "required":
        return f"{path}: {message}"
    if (
        fault.validator == "type"
        and isinstance(fault.instance, str)
        and re.fullmatch(r"[-+]?\d+e[-+]?\d+", fault.instance, re.I)
    ):
        message += "; YAML takes a number with an exponent as text unless it has a point: write 1.0e-5, not 1e-5"
    return f"{path} = {fault.instance!r}: {message}" + (f" ({about})" if about else "")
