"""What claims and sections of the report are made from: the results of a study's cells, its ledger, its published log."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

import pandas as pd

from gradlab.engine.figures import load_figures
from gradlab.engine.ledger import Entry, Ledger, LogEntry, find_corrected
from gradlab.engine.logs import Log, load_logs, tabulate_log
from gradlab.engine.results import CellResult, Runs, collect_runs, pair_runs
from gradlab.engine.settings import changed_settings
from gradlab.engine.study import Study
from gradlab.lab.stats import PairedComparison, adjust_family, compare_pairs


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
        The ledger's entries of its figures, without the numbers of its logs.
    logs
        The ledger's entries of its logs.
    comparisons
        The comparisons that its conclusions rest on, by name, adjusted together with those of all other studies.
    """

    study: Study
    results: Mapping[str, CellResult]
    entries: Sequence[Entry]
    logs: Sequence[LogEntry] = ()
    comparisons: Mapping[str, PairedComparison] = field(default_factory=dict)

    def comparison(self, name: str) -> PairedComparison | None:
        """A comparison of the study's `COMPARISONS`, adjusted; None where its cells have not run."""
        return self.comparisons.get(name)

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

    def logs_of(self, key: str, log_ids: Iterable[str]) -> pd.DataFrame:
        """Several published logs in one table, with the log's id as the column `key`."""
        return pd.concat([self.log(log_id).assign(**{key: log_id}) for log_id in log_ids], ignore_index=True)

    def log(self, log_id: str) -> pd.DataFrame:
        """A published log, tidy: its index, the columns of its points, `value`."""
        return tabulate_log(self._logs[log_id])

    @cached_property
    def _logs(self) -> Mapping[str, Log]:
        return {log.id: log for log in load_logs(self.study)}


def ran_with(cells: Iterable[CellResult], settings: Mapping[str, Any]) -> bool:
    """Whether cells are done, and ran under some settings."""
    return all(cell.status == "done" and not changed_settings(cell, settings) for cell in cells)


def gather_material(
    studies: Mapping[str, Study], results: Mapping[str, CellResult], ledger: Ledger
) -> dict[str, Material]:
    """Return the material of each study, with all of their comparisons adjusted as one family."""
    materials = {
        name: Material(
            study,
            {f"{cell.protocol}/{cell.cell}": cell for cell in results.values() if cell.study == name},
            [entry for entry in ledger.figures if entry.study == name],
            [log for log in ledger.logs if log.study == name],
        )
        for name, study in studies.items()
    }
    family = {
        (study, name): found
        for study, material in materials.items()
        for name, compare in getattr(material.study.claims, "COMPARISONS", {}).items()
        if (found := compare(material)) is not None
    }
    adjusted = adjust_family(family)
    return {
        study: replace(material, comparisons={name: found for (of, name), found in adjusted.items() if of == study})
        for study, material in materials.items()
    }


def list_comparisons(materials: Iterable[Material]) -> list[dict[str, Any]]:
    """Return the comparisons of all studies as JSON can hold them: study, name, direction, and what each is."""
    return [
        {"study": material.study.name, "name": name, "direction": comparison.direction, **asdict(comparison)}
        for material in materials
        for name, comparison in material.comparisons.items()
    ]


def compare_runs(first: Runs, second: Runs, *, censored: bool = False) -> PairedComparison | None:
    """Compare two arms over the seeds that both plan, as `gradlab.lab.stats.compare_pairs`; None where there are none."""
    pairs = pair_runs(first, second)
    return compare_pairs(*pairs, censored=censored) if pairs[0] else None
