"""What the report is made from: the results of the cells, the ledger, and the published figures and logs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from gradlab.engine.figures import load_corrected, load_log, load_settings
from gradlab.engine.ledger import Entry, changed_settings, find_corrected
from gradlab.engine.results import CellResult
from gradlab.engine.runs import Runs, collect_runs, find_cells, pair_runs
from gradlab.lab.stats import PairedComparison, compare_pairs


@dataclass(frozen=True)
class Material:
    """The results of all planned cells under their names, the ledger's entries, and the folder of the published figures."""

    results: Mapping[str, CellResult]
    entries: Sequence[Entry]
    published: Path

    def done(self, study: str, protocol: str = "published") -> dict[str, CellResult]:
        """The complete cells of a study under one protocol, by their short names."""
        cells = find_cells(self.results, study, "*", protocol=protocol)
        return {cell.cell: cell for cell in cells if cell.status == "done"}

    def find(self, pattern: str) -> list[CellResult]:
        """The planned cells whose full names match a pattern."""
        return [cell for name, cell in self.results.items() if fnmatchcase(name, pattern)]

    def names_done(self, study: str, patterns: Iterable[str]) -> tuple[str, ...]:
        """The full names of the complete cells of a study that match patterns such as `corrected/final-*`."""
        found = [cell for pattern in patterns for cell in self.find(f"{study}/{pattern}")]
        return tuple(cell.name for cell in found if cell.status == "done")

    def metric(self, cell: str, metric: str) -> object:
        """A metric of the cell `<study>/<protocol>/<cell>`; None where the cell is not done or has no such metric."""
        result = self.results.get(cell)
        return None if result is None else result.metrics.get(metric)

    def corrected(self, study: str, metric: str) -> list[CellResult]:
        """The planned cells of the corrected protocol that measure a metric."""
        return find_corrected(self.results, study, metric, self._beside)

    def runs(self, study: str, metric: str) -> dict[int | None, float | None]:
        """A metric of all planned runs of the corrected protocol, by seed."""
        return collect_runs(self.corrected(study, metric), metric)

    def curves(self, study: str, key: str) -> pd.DataFrame:
        """The curves of all complete published cells in one table, with the cell's name as the column `key`."""
        found = self.done(study, "published").values()
        return pd.concat([cell.curves.assign(**{key: cell.cell}) for cell in found], ignore_index=True)

    def entry(self, figure_id: str) -> Entry | None:
        """The ledger's entry of a published figure, None where there is none of this name."""
        return next((entry for entry in self.entries if entry.id == figure_id), None)

    def published_text(self, figure_id: str) -> str | None:
        """A published figure as its log has it, None where there is none of this name."""
        entry = self.entry(figure_id)
        return entry.published if entry else None

    def as_published(self, figure_id: str, cells: Iterable[CellResult]) -> bool:
        """Whether cells are done, and ran under the settings under which a figure was published."""
        return all(cell.status == "done" and not changed_settings(figure_id, cell, self._settings) for cell in cells)

    @cached_property
    def _settings(self) -> Mapping[str, Any]:
        return load_settings(self.published)

    @cached_property
    def _beside(self) -> Mapping[str, Any]:
        return load_corrected(self.published)["beside"]

    def log(self, study: str) -> pd.DataFrame:
        """The published training log of a study, tidy."""
        return load_log(self.published, study)


def compare_runs(first: Runs, second: Runs) -> PairedComparison | None:
    """Compare two arms over the seeds that both plan; None where there are none."""
    pairs = pair_runs(first, second)
    return compare_pairs(*pairs) if pairs[0] else None
