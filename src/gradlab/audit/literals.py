"""Which literals of a notebook could be its parameters: those that are given to a name once, at the top level of a cell."""

import ast
import builtins
import keyword
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gradlab.audit.runs import CodeCell
from gradlab.engine.sources import python_of
from gradlab.engine.study import OUTPUT
from gradlab.lab.fields import Section

_Literal = bool | int | float | str | list[Any]


@dataclass(frozen=True)
class Parameter:
    """A literal that is given to a name, once in the whole notebook.

    Attributes
    ----------
    name, value
        As they are assigned.
    comment
        What the line says of it; empty where it says nothing.
    cell
        The code cell, from 0.
    lines
        The first and the last line of the assignment, from 1.
    """

    name: str
    value: _Literal
    comment: str
    cell: int
    lines: tuple[int, int]

    @property
    def kind(self) -> str:
        """Its type, as a parameters cell declares it."""
        return type(self.value).__name__

    @property
    def description(self) -> str:
        """What it is, in a sentence."""
        said = self.comment or f"As assigned in code cell {self.cell + 1}"
        return said[0].upper() + said[1:].rstrip(".") + "."

    @property
    def annotation(self) -> str:
        """Its type, as a configuration declares it."""
        if not isinstance(self.value, list):
            return self.kind
        kinds = sorted({type(item).__name__ for item in self.value})
        return f"list[{' | '.join(kinds)}]" if kinds else "list"


def find_parameters(cells: Sequence[CodeCell]) -> list[Parameter]:
    """Return what could be parameters: numbers, words and lists of them that are given to a name, once and at the top level."""
    sources = [_read_python(cell.source) for cell in cells]
    bound = Counter(name for tree, _ in sources if tree for name in _list_bound(tree))
    found = []
    for place, (tree, text) in enumerate(sources):
        if tree is None:
            continue
        for node in tree.body:
            if isinstance(node, ast.Assign) and len(node.targets) == 1:
                target, given = node.targets[0], node.value
            elif isinstance(node, ast.AnnAssign) and node.value is not None:
                target, given = node.target, node.value
            else:
                continue
            value = _read_literal(given)
            if not isinstance(target, ast.Name) or value is None or bound[target.id] > 1 or _is_taken(target.id):
                continue
            lines = (node.lineno, node.end_lineno or node.lineno)
            if _has_line_of_its_own(tree, node):
                comment = text.splitlines()[lines[1] - 1][node.end_col_offset :].partition("#")[2].strip()
                found.append(Parameter(target.id, value, comment, place, lines))
    return found


def _read_python(source: str) -> tuple[ast.Module | None, str]:
    text = python_of({"source": source})
    try:
        return ast.parse(text), text
    except (SyntaxError, ValueError):
        return None, text


def _list_bound(tree: ast.Module) -> list[str]:
    """Return every name that code gives a value to, as often as it does, whether in a function or not."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.append(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.ExceptHandler | ast.MatchAs):
            names.append(node.name or "")
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names += [(alias.asname or alias.name).partition(".")[0] for alias in node.names]
        elif isinstance(node, ast.Global | ast.Nonlocal):
            names += 2 * node.names
    return names


def _read_literal(node: ast.expr) -> _Literal | None:
    try:
        value: Any = ast.literal_eval(node)
    except ValueError:
        return None
    plain = value if isinstance(value, list) else [value]
    if not plain or not all(isinstance(item, bool | int | float | str) and item == item for item in plain):
        return None
    literal: _Literal = value
    return literal


def _is_taken(name: str) -> bool:
    """Tell whether a name has a meaning for cells or configurations."""
    return (
        name == OUTPUT
        or name.startswith("_")
        or hasattr(Section, name)
        or hasattr(builtins, name)
        or keyword.issoftkeyword(name)
    )


def _has_line_of_its_own(tree: ast.Module, node: ast.stmt) -> bool:
    lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
    return all(
        other is node or (other.lineno not in lines and (other.end_lineno or other.lineno) not in lines)
        for other in tree.body
    )
