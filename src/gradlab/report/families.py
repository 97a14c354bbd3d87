"""Families of cells: those of one study and protocol whose names differ in a trailing number alone."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gradlab.engine.results import CellResult

_NUMBERED = re.compile(r"(.*?)(\d+)")


class Family(NamedTuple):
    """What the members of a family share; `coarse-0` is `numbered`, and of another family than `coarse`."""

    study: str
    protocol: str
    stem: str
    numbered: bool


def family_of(result: CellResult) -> Family:
    """Return the family of a cell."""
    numbered = _NUMBERED.fullmatch(result.cell)
    return Family(result.study, result.protocol, numbered[1] if numbered else result.cell, numbered is not None)


def group_families(results: Iterable[CellResult]) -> dict[Family, list[CellResult]]:
    """Return cells by family, in the order in which their first members come."""
    families: dict[Family, list[CellResult]] = {}
    for result in results:
        families.setdefault(family_of(result), []).append(result)
    return families


def label_family(members: Sequence[CellResult]) -> str:
    """Return `final` for one cell, `overfit-0, 1` and `1, 2, 4` for few, `coarse-0 … 7` for many."""
    if len(members) == 1:
        return members[0].cell
    stem = family_of(members[0]).stem
    numbers = sorted((member.cell.removeprefix(stem) for member in members), key=int)
    few = 2 if stem else 5
    return stem + (", ".join(numbers) if len(numbers) <= few else f"{numbers[0]} … {numbers[-1]}")
