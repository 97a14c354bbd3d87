"""What claims and sections of the report are made from: the results of a study's cells, its ledger, its published log."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

import pandas as pd

from gradlab.engine.figures import load_figures, load_log
from gradlab.engine.ledger import Entry, changed_settings, find_corrected
from gradlab.engine.results import CellResult, Runs, collect_runs, pair_runs
from gradlab.engine.study import Study
from gradlab.lab.stats import PairedComparison, compare_pairs


@dataclass(frozen=True)
class Material:
    """What is known of one study.

    Attributes
    ----------
    study
        The study.
    results
        The results of its planned cells, by `<protocol>/<cell>`.
    entries
        The ledger's entries of its figures.
    """

    study: Study
    results: Mapping[str, CellResult]
    entries: Sequence[Entry]

    def done(self, protocol: str = "published") -> dict[str, CellResult]:
        """The complete cells of one protocol, by their names."""
        return {
            cell.cell: cell for cell in self.results.values() if cell.protocol == protocol and cell.status == "done"
        }

    def find(self, *patterns: str) -> list[CellResult]:
        """The planned cells that match patterns such as `corrected/final-*`, each once."""
        return [cell for name, cell in self.results.items() if any(fnmatchcase(name, pattern) for pattern in patterns)]

    def names_done(self, patterns: Iterable[str]) -> tuple[str, ...]:
        """The full names of the complete cells that match patterns."""
        found = (cell for pattern in patterns for cell in self.find(pattern))
        return tuple(dict.fromkeys(cell.name for cell in found if cell.status == "done"))

    def metric(self, cell: str, metric: str) -> Any:
        """A metric of the cell `<protocol>/<cell>`; None where the cell is not done or has no such metric."""
        result = self.results.get(cell)
        return None if result is None else result.metrics.get(metric)

    def corrected(self, metric: str) -> list[CellResult]:
        """The planned cells of the corrected protocol that measure a metric."""
        return find_corrected(self.results, self.study.name, metric)

    def runs(self, metric: str) -> dict[int | None, float | None]:
        """A metric of all planned runs of the corrected protocol, by seed."""
        return collect_runs(self.corrected(metric), metric)

    def curves(self, key: str) -> pd.DataFrame:
        """The curves of all complete published cells in one table, with the cell's name as the column `key`."""
        found = self.done("published").values()
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
        return ran_with(cells, self._settings[figure_id])

    @cached_property
    def _settings(self) -> Mapping[str, Mapping[str, Any]]:
        return {figure.id: figure.settings for figure in load_figures(self.study)}

    def log(self) -> pd.DataFrame:
        """The published training log, tidy."""
        return load_log(self.study)


def ran_with(cells: Iterable[CellResult], settings: Mapping[str, Any]) -> bool:
    """Whether cells are done, and ran under some settings."""
    return all(cell.status == "done" and not changed_settings(cell, settings) for cell in cells)


def gather_material(
    studies: Mapping[str, Study], results: Mapping[str, CellResult], entries: Sequence[Entry]
) -> dict[str, Material]:
    """Return the material of each study."""
    return {
        name: Material(
            study,
            {f"{cell.protocol}/{cell.cell}": cell for cell in results.values() if cell.study == name},
            [entry for entry in entries if entry.study == name],
        )
        for name, study in studies.items()
    }


def compare_runs(first: Runs, second: Runs) -> PairedComparison | None:
    """Compare two arms over the seeds that both plan; None where there are none."""
    pairs = pair_runs(first, second)
    return compare_pairs(*pairs) if pairs[0] else None
