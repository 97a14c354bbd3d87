"""Checks a configuration, with messages for the person who wrote it: what is wrong, and what to write instead."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, relevance
from jsonschema.validators import extend

from gradlab.engine.config.conflicts import find_conflicts, refuse_folder
from gradlab.engine.config.faults import brief, describe, write_path
from gradlab.engine.config.files import ConfigError, read_config, refuse_giants

__all__ = ["ConfigError", "check_config", "lay_over", "read_config"]

_MOST_LINES = 20  # of faults that a message lists
_HALF = re.compile("[\ud800-\udfff]")  # of a surrogate pair


def check_config(config: Mapping[str, Any], schema: str | Path) -> None:
    """Refuse a configuration that does not fit.

    Parameters
    ----------
    config
        The configuration, as YAML gives it. Keys that YAML reads as numbers are taken as text. Relative paths in it are
        relative to the working directory.
    schema
        The path of a JSON schema, written in YAML.

    Raises
    ------
    ConfigError
        One line for each fault: the key's path, the value, what is allowed, and the schema's description of the key.
    """
    refuse_giants(config)
    rules = _read_rules(Path(schema))
    plain = _with_text_keys(config)
    lines = [*_find_repeated_keys(config), *_find_half_characters(plain)]
    faults = sorted(_Validator(rules).iter_errors(plain), key=relevance)
    told = (fault for fault in faults if not (isinstance(fault.instance, str) and _HALF.search(fault.instance)))
    lines += dict.fromkeys(describe(fault, rules) for fault in told)
    if not lines:
        lines = list(find_conflicts(plain))
    if lines:
        shown = [f"  {line}" for line in lines[:_MOST_LINES]]
        if len(lines) > _MOST_LINES:
            shown.append(f"  and {len(lines) - _MOST_LINES} more")
        raise ConfigError("the configuration is refused:\n" + "\n".join(shown))


@cache
def _read_rules(schema: Path) -> dict[str, Any]:
    return yaml.safe_load(schema.read_text(encoding="utf-8"))


def lay_over(config: Any, other: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one configuration over another, as snakemake does: keys that are not named stay as they are."""
    merged = dict(config) if isinstance(config, Mapping) else {}
    for key, value in other.items():
        merged[key] = lay_over(merged.get(key), value) if isinstance(value, Mapping) else value
    return merged


def _check_folder(_validator: Any, kind: str, value: Any, _schema: Any) -> Iterator[ValidationError]:
    """The keyword `folder`, of our own: where the study may write. `results` lie in the project, `data` wherever it is."""
    if isinstance(value, str) and value and (expected := refuse_folder(kind, value)):
        yield ValidationError(expected)


def _check_ascending(_validator: Any, how: str, value: Any, _schema: Any) -> Iterator[ValidationError]:
    """The keyword `ascending`, of our own: the numbers of a list do not decrease (`weakly`), or increase (`strictly`)."""
    if not isinstance(value, list) or not all(_is_number(None, item) for item in value):
        return
    if value != sorted(value):
        yield ValidationError("the smaller number first")
    elif how == "strictly" and len(set(value)) < len(value):
        yield ValidationError("two different numbers")


def _is_number(_checker: Any, value: Any) -> bool:
    return _is_integer(None, value) or (isinstance(value, float) and math.isfinite(value))


def _is_integer(_checker: Any, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_Validator = extend(
    Draft202012Validator,
    validators={"ascending": _check_ascending, "folder": _check_folder},
    # JSON has no infinity and no NaN, but YAML has: neither is a number here. To JSON 16.0 is whole, to a notebook it is not.
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many({"number": _is_number, "integer": _is_integer}),
)


def _find_repeated_keys(value: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Say which keys are there twice once numbers are taken as text: 1 and '1' would be settings of one cell."""
    if isinstance(value, Mapping):
        for key, count in Counter(map(_text_key, value)).items():
            if count > 1:
                yield (
                    f"{write_path((*path, key))}: this key is there {count} times, as a number and as text; write it as a "
                    "number, in YAML (in JSON, and in --config, keys are always text)"
                )
        for key, item in value.items():
            yield from _find_repeated_keys(item, (*path, _text_key(key)))


def _find_half_characters(value: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Say which texts nothing can be named by, or written with: JSON and the command line let half a surrogate pair through."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _find_half_characters(key, path)
            yield from _find_half_characters(item, (*path, key))
    elif isinstance(value, list):
        for item in value:
            yield from _find_half_characters(item, path)
    elif isinstance(value, str) and (half := _HALF.search(value)):
        yield (
            f"{write_path(path)}: {brief(value)} is not text in UTF-8 ({half.group()!a} is no character); write another name, "
            "and rename what it names"
        )


def _with_text_keys(value: Any) -> Any:
    """Return a configuration as JSON has it, with text for keys."""
    if isinstance(value, Mapping):
        return {_text_key(key): _with_text_keys(item) for key, item in value.items()}
    return [_with_text_keys(item) for item in value] if isinstance(value, list | tuple) else value


def _text_key(key: Any) -> str:
    return key if isinstance(key, str) else brief(key)
