"""The parameters that a notebook declares, and the check of the values that are to be passed to it."""

import ast
import builtins
import types
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import nbformat


class ParameterError(ValueError):
    """A notebook and the values meant for it do not fit together."""


@dataclass(frozen=True)
class Parameter:
    """One declared parameter: `name: type = default`."""

    name: str
    type: type | types.UnionType
    default: Any


def declared_parameters(notebook: str | Path) -> dict[str, Parameter]:
    """Read the parameters cell of a notebook.

    Raises
    ------
    ParameterError
        There is not exactly one code cell tagged `parameters`, or a line of it declares no type or no default.
    """
    cells = nbformat.read(notebook, as_version=4).cells
    tagged = [cell for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    if len(tagged) != 1:
        raise ParameterError(f"{notebook} has {len(tagged)} cells tagged 'parameters'; it needs exactly one")
    declared = {}
    for node in ast.parse(tagged[0].source).body:
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None):
            raise ParameterError(
                f"{notebook}: '{ast.unparse(node)}' in the parameters cell: write every parameter as 'name: type = default'"
            )
        name = node.target.id
        declared[name] = Parameter(name, _type(node.annotation, name, notebook), ast.literal_eval(node.value))
    return declared


def check_parameters(notebook: str | Path, values: Mapping[str, Any]) -> None:
    """Refuse values that a notebook does not declare, or whose type is another than the declared one.

    An integer is accepted where a float is declared; a bool is accepted only where a bool is.

    Raises
    ------
    ParameterError
        Names the notebook, the parameter, the value and what was expected.
    """
    declared = declared_parameters(notebook)
    for name, value in values.items():
        if name not in declared:
            raise ParameterError(
                f"{notebook} declares no parameter '{name}' (it has {', '.join(declared)}): "
                f"add it to the notebook's parameters cell or do not pass it"
            )
        expected = declared[name].type
        accepted = {*(get_args(expected) or (expected,))}
        accepted |= {int} if float in accepted else set()
        if type(value) not in accepted:
            raise ParameterError(
                f"{notebook}: {name} = {value!r} is {type(value).__name__}, expected {type_name(expected)}"
            )


def type_name(expected: type | types.UnionType) -> str:
    """Return a type as it is written in a notebook: `int`, `float | None`."""
    return expected.__name__ if isinstance(expected, type) else str(expected)


def _type(annotation: ast.expr, name: str, notebook: str | Path) -> type | types.UnionType:
    """Return the type that an annotation names; only built-in types, None and unions of them can be checked."""
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        return _type(annotation.left, name, notebook) | _type(annotation.right, name, notebook)
    if isinstance(annotation, ast.Constant) and annotation.value is None:
        return types.NoneType
    found = getattr(builtins, annotation.id, None) if isinstance(annotation, ast.Name) else None
    if not isinstance(found, type):
        raise ParameterError(
            f"{notebook}: parameter {name} has the type '{ast.unparse(annotation)}'; "
            f"use int, float, str, bool, list, dict, or one of them with '| None'"
        )
    return found
