"""Where the report's numbers lead: to the page of the notebook they come from, or to the gallery of its family of cells.

Beside the report lie the ledger, `ledger.html`, and the folder `pages`: a page for each study, with the gallery of its cells,
and one for each executed notebook.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from gradlab.engine.ledger import Entry, LogEntry
from gradlab.engine.results import CellResult
from gradlab.report.families import Family, family_of, group_families, label_family


def page_of(result: CellResult, folder: Path) -> Path:
    """Return where the page of a cell's executed notebook lies in the folder of pages."""
    return folder / f"{result.name}.html"


@dataclass(frozen=True)
class Links:
    """Addresses of what was made from the planned cells.

    Attributes
    ----------
    results
        The planned cells under their names.
    root
        The folder of the report.
    up
        From the folder of the page on which the addresses stand to that of the report: empty for the report, `../` for the page
        of a study.
    """

    results: Mapping[str, CellResult]
    root: Path
    up: str = ""

    def page(self, cell: CellResult) -> str | None:
        """The page of a cell's executed notebook, None where there is none."""
        return self.relative(page_of(cell, self.root / "pages")) if cell.notebook else None

    def relative(self, path: Path) -> str:
        """The address of a file beside or below the report."""
        return self.up + path.relative_to(self.root).as_posix()

    def study(self, name: str, place: str = "") -> str:
        """The page of a study, or a place on it."""
        return f"{self.up}pages/{name}.html" + (f"#{place}" if place else "")

    def row(self, item: Entry | LogEntry) -> str:
        """The row of a figure or a log in the ledger."""
        return f"{self.up}ledger.html#{'log' if isinstance(item, LogEntry) else 'figure'}-{item.study}-{item.id}"

    def gallery(self, family: Family) -> str:
        """The id of a family's place in the gallery of its study."""
        return f"cells-{family.study}-{family.protocol}-{family.stem}{'n' if family.numbered else ''}"

    def origin(self, names: Sequence[str]) -> str | None:
        """Where a number leads that comes from the named cells: the page of one, the gallery of several."""
        cells = [self.results[name] for name in names if name in self.results]
        if len(cells) == 1:
            return self.page(cells[0]) or self.study(cells[0].study, self.gallery(family_of(cells[0])))
        families = {family_of(cell) for cell in cells}
        if len(families) == 1:
            return self.study(cells[0].study, self.gallery(*families))
        return self.study(cells[0].study, "cells") if cells else None

    def evidence(self, names: Sequence[str]) -> list[tuple[str, str | None]]:
        """Label and address of what shows the named cells: a page for one of a family, the gallery for several."""
        groups = group_families(self.results[name] for name in names)
        return [
            (f"{family.protocol} {label_family(members)}", self.origin([cell.name for cell in members]))
            for family, members in groups.items()
        ]

    @cached_property
    def families(self) -> dict[Family, list[CellResult]]:
        """The planned cells by family."""
        return group_families(self.results.values())
