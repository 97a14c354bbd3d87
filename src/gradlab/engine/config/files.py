"""Reads a configuration file, and says where it is wrong."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from gradlab.engine.config.faults import brief, cut

_MOST_VALUES, _MOST_LEVELS = 100_000, 20
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_GIANT = 10**4000  # Python writes out no number of 4,300 digits and more, whose hexadecimal digits it reads
_OCTAL = re.compile(r"[-+]?0[0-7]+")


class ConfigError(ValueError):
    """A configuration that is refused; the message lists every fault."""


def read_config(path: str | Path) -> dict[str, Any]:
    """Read a configuration file, in YAML or JSON.

    Snakemake reads these files as well, but names neither the file nor the line of a fault, and of two equal keys it takes
    the last without a word.

    Raises
    ------
    ConfigError
        The file cannot be read, is not YAML, holds no keys, holds a key twice, or a number that YAML reads as another one than
        it looks like: 010 as 8, 1:30 as 90. The message names the file and the line.
    """
    name = _printable(path)
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{name}, line {line}: this is not UTF-8 text; save the file in the encoding UTF-8") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{name} cannot be read ({reason}): name a file with a configuration") from None
    try:
        content = json.loads(text, object_pairs_hook=lambda pairs: _refuse_equal_names(name, pairs))
    except ConfigError:
        raise
    except (ValueError, RecursionError):  # YAML then, or a number of thousands of digits
        content = _read_yaml(name, text)
    if not isinstance(content, dict):
        held = "nothing" if content is None else brief(content)
        raise ConfigError(f"{name} holds {held}; expected keys with values, such as 'results: results/mine'")
    refuse_giants(content)
    return content


def refuse_giants(config: Any) -> None:
    """Refuse what no person wrote and no check would get through: with a few aliases YAML makes any number of values."""
    waiting, seen = [(config, 0)], 0
    while waiting:
        value, level = waiting.pop()
        seen += 1
        if seen > _MOST_VALUES or level > _MOST_LEVELS:
            raise ConfigError(
                f"the configuration is refused: it holds more than {_MOST_VALUES} values, or more than {_MOST_LEVELS} levels, "
                "one in another; expected the keys of config/README.md (an alias of YAML, *name, can hold itself)"
            )
        inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
        waiting += [(item, level + 1) for item in inner]


def _read_yaml(path: str | Path, text: str) -> Any:
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _refuse_what_misleads(path, node, loader)
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = cut(" ".join(" ".join(filter(None, [error.context, error.problem])).split()))
        remedy = "indent with spaces, not tabs" if r"'\t'" in problem else "mend this line, or the one before it"
        where = f"{path}, line {mark.line + 1}, column {mark.column + 1}" if mark else f"{path}"
        raise ConfigError(f"{where}: this is not YAML ({problem}); {remedy}") from None
    except ConfigError:
        raise
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        # A character that YAML does not allow, the 30th of February, a number of 5,000 digits, a thousand brackets.
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path}: this is not YAML that can be read ({cut(reason)}); mend this value") from None


def _refuse_what_misleads(path: str | Path, root: yaml.Node, loader: yaml.SafeLoader) -> None:
    """Refuse a key that is there twice, however it is written, and a number that is another one to YAML than to a reader.

    Where an alias makes a circle, it is followed once.
    """
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            lines: dict[str, int] = {}
            for key, value in node.value:
                waiting += [key, value]
                if not isinstance(key, yaml.ScalarNode):
                    continue
                name, line = str(loader.construct_object(key)), key.start_mark.line + 1
                if name in lines:
                    raise ConfigError(
                        f"{path}, line {line}: the key {brief(key.value)} is in line {lines[name]} already; write it once"
                    )
                lines[name] = line
        elif node.tag in _NUMBERS and (said := _explain_number(node.value, loader.construct_object(node))):
            raise ConfigError(f"{path}, line {node.start_mark.line + 1}: {cut(said)}")


def _explain_number(written: str, number: float) -> str | None:
    """Say how YAML 1.1 reads a number of base 60 or 8, or one that is too long; nothing of one that is what it looks like."""
    if isinstance(number, int) and abs(number) >= _GIANT:
        return f"{written[:20]}… has more than 4,000 digits; write a smaller number"
    if ":" in written:
        return (
            f"{written} is read as {brief(number)}, since to YAML a colon between digits means base 60; "
            f"write {brief(number)}, or '{written}' in quotes where a text is meant"
        )
    plain = written.replace("_", "")
    if _OCTAL.fullmatch(plain) and int(plain) != number:
        return (
            f"{written} is read as {brief(number)}, since to YAML a leading 0 means base 8; "
            f"write {int(plain)}, or {brief(number)} where that is meant"
        )
    return None


def _refuse_equal_names(path: str | Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    for name, count in Counter(name for name, _ in pairs).items():
        if count > 1:
            raise ConfigError(f"{path}: the key {brief(name)} is there {count} times; write it once")
    return dict(pairs)


def find_line(files: Sequence[str | Path], path: Sequence[str | int], config: Mapping[str, Any]) -> str:
    """Say in which line a key stands, where it does in a file: it may have its default, or be set on the command line.

    Parameters
    ----------
    files
        Configuration files that can be read, each laid over the one before.
    path
        The key, after the keys and positions above it.
    config
        What came of the files and the command line, with text for keys.
    """
    value: Any = config
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return ""
    for file in reversed(files):
        loader = yaml.SafeLoader(Path(file).read_text(encoding="utf-8"))
        try:
            found: tuple[yaml.Node | None, int] | None = (loader.get_single_node(), 0)
        except yaml.YAMLError:  # JSON that is not YAML as well
            continue
        for part in path:
            found = found and _step(found[0], part)
        if found:
            node, line = found
            same = isinstance(value, Mapping) or str(loader.construct_object(node, deep=True)) == str(value)
            return f" [{_printable(file)}, line {line + 1}]" if same else ""
    return ""


def _step(node: yaml.Node | None, part: str | int) -> tuple[yaml.Node, int] | None:
    """Return what a key, or a position in a list, stands for, and its line, from 0 on; None where it is not there."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value == part:
                return value, key.start_mark.line
    if isinstance(node, yaml.SequenceNode) and part in range(len(node.value)):
        return node.value[part], node.value[part].start_mark.line
    return None


def _printable(path: str | Path) -> str:
    """Return a path, which can be of any bytes, as text that can be written."""
    return str(path).encode(errors="backslashreplace").decode()
