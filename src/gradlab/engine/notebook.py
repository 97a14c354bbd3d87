"""The parameters that a notebook declares, and the check of the values that are to be passed to it.

Notebooks are read as the JSON that they are: the workflow checks them at every start, and to import nbformat takes a second.
"""

import ast
import json
import reprlib
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from gradlab.engine.sources import python_of

TYPES = (int, float, str, bool, list, dict)


class ParameterError(ValueError):
    """A notebook that cannot be run as a cell, or whose parameters and the values meant for them do not fit together."""


@dataclass(frozen=True)
class Parameter:
    """One declared parameter: `name: type = default`."""

    name: str
    type: type | types.UnionType
    default: Any


def declared_parameters(notebook: str | Path) -> dict[str, Parameter]:
    """Read the parameters cell of a notebook, and see to it that the notebook can be run.

    Raises
    ------
    ParameterError
        The file is no notebook in format 4, or one for another kernel than Python 3; there is not exactly one code cell tagged
        `parameters`; a line of it declares no type or no default; or a code cell is not Python.
    """
    content = _read_notebook(notebook)
    _check_kernel(notebook, content["metadata"])
    code = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    tagged = [cell for cell in code if "parameters" in cell["metadata"].get("tags", [])]
    if len(tagged) != 1:
        raise ParameterError(
            f"{notebook} has {len(tagged)} code cells tagged 'parameters'; it needs exactly one: set the tag in Jupyter, "
            "under Property Inspector > Cell Tags"
        )
    for number, cell in enumerate(code, 1):
        if cell is not tagged[0]:
            _parse(notebook, f"code cell {number}", python_of(cell))
    declared: dict[str, Parameter] = {}
    for node in _parse(notebook, "the parameters cell", "".join(tagged[0]["source"])).body:
        parameter = _declaration(notebook, node)
        if parameter.name in declared:
            raise ParameterError(f"{notebook} declares the parameter '{parameter.name}' twice; delete one of the lines")
        declared[parameter.name] = parameter
    return declared


def check_parameters(notebook: str | Path, values: Mapping[str, Any]) -> None:
    """Refuse values that a notebook does not declare, or whose type is another than the declared one.

    An integer is accepted where a float is declared; a bool is accepted only where a bool is.

    Raises
    ------
    ParameterError
        Names the notebook, the parameter, the value and what was expected.
    """
    for fault in _find_misfits(notebook, declared_parameters(notebook), values):
        raise ParameterError(fault)


def check_notebooks(planned: Iterable[tuple[str | Path, Mapping[str, Any]]]) -> None:
    """Check the notebooks of a whole study before its first cell runs; each is read once.

    Parameters
    ----------
    planned
        For every cell its notebook, and the values that it will be given.

    Raises
    ------
    ParameterError
        One line for each fault.
    """
    declared: dict[str | Path, dict[str, Parameter] | None] = {}
    faults: dict[str, None] = {}  # in order, each once: the cells of a notebook often share one
    for notebook, values in planned:
        if notebook not in declared:
            try:
                declared[notebook] = declared_parameters(notebook)
            except ParameterError as error:
                declared[notebook] = None
                faults[str(error)] = None
        known = declared[notebook]
        if known is not None:
            faults |= dict.fromkeys(_find_misfits(notebook, known, values))
    if faults:
        raise ParameterError("the notebooks are refused:\n" + "\n".join(f"  {fault}" for fault in faults))


def type_name(expected: type | types.UnionType) -> str:
    """Return a type as it is written in a notebook: `int`, `float | None`."""
    return expected.__name__ if isinstance(expected, type) else str(expected)


def _find_misfits(notebook: str | Path, declared: Mapping[str, Parameter], values: Mapping[str, Any]) -> Iterable[str]:
    """Say which values are not declared, or of another type."""
    for name, value in values.items():
        if name not in declared:
            yield (
                f"{notebook} declares no parameter '{name}' (it has {', '.join(declared) or 'none'}): "
                "add it to the notebook's parameters cell or do not pass it"
            )
        elif not _fits(value, declared[name].type):
            yield (
                f"{notebook}: {name} = {reprlib.repr(value)} is {type(value).__name__}, expected "
                f"{type_name(declared[name].type)}: pass such a value, or change the type in the parameters cell"
            )


def _fits(value: Any, expected: type | types.UnionType) -> bool:
    accepted = {*(get_args(expected) or (expected,))}
    accepted |= {int} if float in accepted else set()
    return type(value) in accepted


def _read_notebook(notebook: str | Path) -> dict[str, Any]:
    """Return a notebook's content; refuse what is not a notebook in format 4."""
    try:
        text = Path(notebook).read_text(encoding="utf-8")
    except OSError as error:
        raise ParameterError(f"{notebook} cannot be read ({error.strerror}): put the notebook there") from None
    except UnicodeDecodeError as error:
        raise ParameterError(f"{notebook} is not UTF-8 text ({error.reason}): save it again from Jupyter") from None
    if not text.strip():
        raise ParameterError(f"{notebook} is empty: restore the notebook, for example with git checkout")
    try:
        content = json.loads(text)
        json.dumps(content, ensure_ascii=False).encode()  # or else, with half a surrogate pair, it could not be saved
    except (ValueError, RecursionError) as error:
        raise ParameterError(f"{notebook} is not JSON ({error}): save it again from Jupyter, or restore it") from None
    if not (isinstance(content, dict) and isinstance(content.get("nbformat"), int)):
        raise ParameterError(f"{notebook} is JSON, but not a notebook: it has no 'nbformat'; restore the notebook")
    if content["nbformat"] != 4:
        raise ParameterError(
            f"{notebook} is in notebook format {content['nbformat']}, expected 4: open it in a current Jupyter and save it"
        )
    metadata, cells = content.get("metadata"), content.get("cells")
    if not (
        isinstance(metadata, dict)
        and isinstance(metadata.get("papermill", {}), dict)  # where papermill keeps its own
        and isinstance(content.get("nbformat_minor"), int)
        and isinstance(cells, list)
        and all(map(_is_cell, cells))
    ):
        raise ParameterError(f"{notebook} is not a whole notebook: its metadata or its cells are damaged; restore it")
    return content


def _is_cell(cell: Any) -> bool:
    if not (
        isinstance(cell, dict) and isinstance(cell.get("cell_type"), str) and isinstance(cell.get("metadata"), dict)
    ):
        return False
    source, outputs = cell.get("source"), cell.get("outputs", [])
    lines = source if isinstance(source, list) else [source]
    return (
        all(isinstance(line, str) for line in lines)
        and isinstance(cell["metadata"].get("tags", []), list)
        and isinstance(cell.get("attachments", {}), dict)
        and isinstance(outputs, list)
        and all(isinstance(output, dict) for output in outputs)
    )


def _check_kernel(notebook: str | Path, metadata: Mapping[str, Any]) -> None:
    """Refuse a notebook that says that it is for another language: Python would be told to run it all the same."""
    kernel, info = (
        part if isinstance(part, dict) else {} for part in map(metadata.get, ("kernelspec", "language_info"))
    )
    name = kernel.get("name")
    language = (
        kernel.get("language") or info.get("name") or ("python" if str(name or "python").startswith("python") else None)
    )
    if str(language).lower() != "python" or name == "python2":
        of = f" (language {_cut(str(language))})" if language else ""
        raise ParameterError(
            f"{notebook} is for the kernel {reprlib.repr(name)}{of}; cells run in python3: write it in Python, and choose "
            "Kernel > Change Kernel > Python 3 in Jupyter"
        )


def _parse(notebook: str | Path, where: str, source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError) as error:
        said = str(error)
        if isinstance(error, SyntaxError):
            said = f"line {error.lineno}, '{_cut(error.text or '')}': {error.msg}"
        raise ParameterError(f"{notebook}: {where} is not Python ({said}); mend it") from None


def _declaration(notebook: str | Path, node: ast.stmt) -> Parameter:
    """Return what one line of the parameters cell declares."""
    if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None):
        raise ParameterError(
            f"{notebook}: '{_cut(ast.unparse(node))}' in the parameters cell: write every parameter as 'name: type = default'"
        )
    name = node.target.id
    expected = _type(node.annotation, name, notebook)
    try:
        default = ast.literal_eval(node.value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        raise ParameterError(
            f"{notebook}: parameter {name} has the default '{_cut(ast.unparse(node.value))}', which is computed; write a "
            "number, text in quotes, True, False, None, or a list or dict of these"
        ) from None
    if not _fits(default, expected):
        raise ParameterError(
            f"{notebook}: parameter {name} has the default {reprlib.repr(default)}, which is {type(default).__name__}, "
            f"expected {type_name(expected)}: change the type or the default"
        )
    return Parameter(name, expected, default)


def _cut(text: str) -> str:
    """Return a piece of source on one line, and no more of it than a message needs."""
    line = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in " ".join(text.split()))
    return line if len(line) <= 100 else f"{line[:97]}..."


def _type(annotation: ast.expr, name: str, notebook: str | Path) -> type | types.UnionType:
    """Return the type that an annotation names; only plain types, None and unions of them can be checked."""
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        return _type(annotation.left, name, notebook) | _type(annotation.right, name, notebook)
    if isinstance(annotation, ast.Constant) and annotation.value is None:
        return types.NoneType
    known = {kind.__name__: kind for kind in TYPES}
    if not (isinstance(annotation, ast.Name) and annotation.id in known):
        raise ParameterError(
            f"{notebook}: parameter {name} has the type '{_cut(ast.unparse(annotation))}'; "
            f"use {', '.join(known)}, or one of them with '| None'"
        )
    return known[annotation.id]
