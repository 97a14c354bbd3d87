"""Checks a configuration, with messages for the person who wrote it: what is wrong, and what to write instead."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError, create_model

from gradlab.engine.config.faults import KeyPath, brief, describe, write_path
from gradlab.engine.config.files import ConfigError, find_line, read_config, refuse_giants
from gradlab.engine.config.keys import TAKEN, Keys, PackageNames, Settings, find_shared_folders, make_model
from gradlab.engine.study import PACKAGES, Study, discover
from gradlab.lab.fields import Section

__all__ = ["ConfigError", "Settings", "check_config", "check_files", "lay_over", "read_config", "read_packages"]

_MOST_LINES = 20  # of faults that a message lists
_HALF = re.compile("[\ud800-\udfff]")  # of a surrogate pair
_Packages = create_model("Packages", __base__=Section, packages=(PackageNames, list(PACKAGES)))


def check_config(
    config: Mapping[str, Any], studies: Mapping[str, Study], *, files: Sequence[str | Path] = ()
) -> Settings:
    """Return a configuration as it is to be used, or refuse it.

    Parameters
    ----------
    config
        The configuration, as YAML gives it. Keys that YAML reads as numbers are taken as text. Relative paths in it are
        relative to the working directory. A key that is left out has its default.
    studies
        All studies that there are, by name.
    files
        Those from which it was read, each laid over the one before.

    Raises
    ------
    ConfigError
        One line for each fault: the key's path, the value, what is allowed, the description of the key, and its file and line.
    """
    if taken := sorted({*Keys.model_fields, *TAKEN} & studies.keys()):
        raise ConfigError(
            f"the study {taken[0]} ({studies[taken[0]].package}) has a name that a key, a target of the workflow, a folder of "
            "results or a part of the report has; rename it"
        )
    whole, plain = _validate(make_model(studies), config, files)
    if shared := list(find_shared_folders(whole.results, whole.data.cache, studies)):
        raise _refusal([(tuple(text.split(" ")[0].split(".")), text) for text in shared], plain, files)
    on = whole.studies.model_dump(by_alias=True)
    order = dict.fromkeys([*plain.get("studies", ()), *sorted(studies)])
    own = {key: getattr(whole, key) for key in Keys.model_fields}
    return Settings.model_construct(
        **own | {"studies": {name: on[name] for name in order}},
        sections={name: getattr(whole, f"section_{name}") for name in order if on[name]},
    )


def read_packages(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the packages in which studies are found: they have to be known before a configuration can be checked.

    Raises
    ------
    ConfigError
        The key `packages` does not hold what it has to.
    """
    checked, _ = _validate(_Packages, {key: value for key, value in config.items() if key == "packages"})
    return tuple(checked.packages)


def check_files(files: Sequence[str | Path]) -> tuple[Settings, dict[str, Study]]:
    """Return the configuration in some files, each laid over the one before, and all studies that there are for it."""
    config: dict[str, Any] = {}
    for file in files:
        config = lay_over(config, read_config(file))
    studies = discover(read_packages(config))
    return check_config(config, studies, files=files), studies


def lay_over(config: Any, other: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one configuration over another, as snakemake does: keys that are not named stay as they are."""
    merged = dict(config) if isinstance(config, Mapping) else {}
    for key, value in other.items():
        merged[key] = lay_over(merged.get(key), value) if isinstance(value, Mapping) else value
    return merged


def _validate(
    model: type[Any], config: Mapping[str, Any], files: Sequence[str | Path] = ()
) -> tuple[Any, dict[str, Any]]:
    """Return a configuration as an instance of its model, and with text for keys."""
    refuse_giants(config)
    plain = _with_text_keys(config)
    if not (faults := [*_find_repeated_keys(config), *_find_half_characters(plain)]):
        try:
            return model.model_validate(plain), plain
        except ValidationError as error:
            faults = [fault for found in error.errors(include_url=False) for fault in describe(found, model)]
    raise _refusal(faults, plain, files)


def _refusal(
    faults: Sequence[tuple[KeyPath, str]], config: Mapping[str, Any], files: Sequence[str | Path]
) -> ConfigError:
    """Return an error that lists faults, each with its place in a file."""
    faults = list(dict.fromkeys(faults))
    shown = [f"  {text}{find_line(files, path, config)}" for path, text in faults[:_MOST_LINES]]
    if len(faults) > _MOST_LINES:
        shown.append(f"  and {len(faults) - _MOST_LINES} more")
    return ConfigError("the configuration is refused:\n" + "\n".join(shown))


def _find_repeated_keys(value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """Say which keys are there twice once numbers are taken as text: 1 and '1' would be settings of one cell."""
    if isinstance(value, Mapping):
        for key, count in Counter(map(_text_key, value)).items():
            if count > 1:
                yield (
                    (*path, key),
                    f"{write_path((*path, key))}: this key is there {count} times, as a number and as text; write it as a "
                    "number, in YAML (in JSON, and in --config, keys are always text)",
                )
        for key, item in value.items():
            yield from _find_repeated_keys(item, (*path, _text_key(key)))


def _find_half_characters(value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
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
            path,
            f"{write_path(path)}: {brief(value)} is not text in UTF-8 ({half.group()!a} is no character); write another name, "
            "and rename what it names",
        )


def _with_text_keys(value: Any) -> Any:
    """Return a configuration as JSON has it, with text for keys."""
    if isinstance(value, Mapping):
        return {_text_key(key): _with_text_keys(item) for key, item in value.items()}
    return [_with_text_keys(item) for item in value] if isinstance(value, list | tuple) else value


def _text_key(key: Any) -> str:
    return key if isinstance(key, str) else brief(key)
