"""The ledger: every published figure beside the reproduced one, and what the comparison says."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import pandas as pd

from gradlab.engine.figures import Figure, load_figures
from gradlab.engine.results import CellResult, collect_runs
from gradlab.engine.study import Study
from gradlab.engine.verdicts import VERDICTS, Judgement, judge
from gradlab.files import atomic_path, save_json
from gradlab.lab.stats import summarise_arm


@dataclass(frozen=True)
class Entry:
    """One line of the ledger.

    Attributes
    ----------
    id, study, claim, source, published, shown, rule, limit, why
        The published figure and its rule, see `gradlab.engine.figures.Figure`.
    reproduced
        Our value; a list where it was measured under several seeds; None where there is none.
    low, high
        The ends of the interval by which the rule `interval` judges; None under other rules.
    difference
        Reproduced (its mean, over seeds) minus published; None where there is nothing to subtract.
    verdict
        One of `VERDICTS`.
    note
        What a reader needs to understand the verdict: the interval, or why nothing was compared.
    cells
        The names of the cells that give the figure; empty where none is planned.
    notebook
        The path of the first one's executed notebook, beside the ledger; None where there is none.
    corrected_n, corrected_missing, corrected_mean, corrected_low, corrected_high
        The same quantity under the corrected protocol: runs with and without a value, their mean, and the ends of its
        95 % interval; None where nothing measures it, or `gradlab.lab.stats.summarise_arm` gives none.
    """

    id: str
    study: str
    claim: str
    source: str
    published: str
    shown: str | None
    rule: str
    limit: str | None
    why: str | None
    reproduced: float | list[float | None] | None
    low: float | None
    high: float | None
    difference: float | None
    verdict: str
    note: str
    cells: Sequence[str]
    notebook: str | None
    corrected_n: int | None
    corrected_missing: int | None
    corrected_mean: float | None
    corrected_low: float | None
    corrected_high: float | None


def build_ledger(results: Mapping[str, CellResult], studies: Mapping[str, Study], *, root: Path) -> list[Entry]:
    """Compare every published figure of some studies with what the cells gave.

    Parameters
    ----------
    results
        The planned cells, see `gradlab.engine.results.load_results`.
    studies
        The studies that are on, by name.
    root
        The folder of the ledger, to which the paths of notebooks are relative.
    """
    figures = [figure for study in studies.values() for figure in load_figures(study)]
    settings = collect_settings(figures, results)
    return [_enter(figure, results, settings, root) for figure in figures]


def find_judging(figure: Figure, results: Mapping[str, CellResult]) -> list[CellResult]:
    """Return the planned cells that reproduce a figure."""
    return [cell for cell in results.values() if figure.is_judged_by(cell.planned)]


def find_corrected(results: Mapping[str, CellResult], study: str, metric: str) -> list[CellResult]:
    """Return the planned corrected cells of a study that declare a metric."""
    return [
        cell
        for cell in results.values()
        if cell.study == study and cell.protocol == "corrected" and metric in cell.planned.metrics
    ]


def collect_settings(figures: Sequence[Figure], results: Mapping[str, CellResult]) -> dict[str, dict[str, Any]]:
    """Return the settings under which each cell's own figures were printed, all together."""
    settings: dict[str, dict[str, Any]] = {}
    for figure in figures:
        for cell in find_judging(figure, results):
            settings.setdefault(cell.name, {}).update(figure.settings)
    return settings


def _enter(
    figure: Figure, results: Mapping[str, CellResult], settings: Mapping[str, Mapping[str, Any]], root: Path
) -> Entry:
    cells = find_judging(figure, results)
    undone = [cell for cell in cells if cell.status != "done"]
    changed = [text for cell in cells for text in differing_settings(figure, cell, results, settings)]
    reproduced, judgement = None, None
    if not cells:
        judgement = Judgement("not run", note="not part of this study")
    elif undone:
        judgement = Judgement("not run", note=_WHY_NOT_RUN[undone[0].status])
    else:
        try:
            reproduced = _reproduced(figure, cells)
        except ValueError as error:
            judgement = Judgement("not run", note=str(error))
    if judgement is None and changed:
        judgement = Judgement("not run", note=_say_settings(changed))
    elif judgement is None and reproduced is None and not any(figure.id in cell.metrics for cell in cells):
        judgement = Judgement("not run", note="no cell measures it")
    elif judgement is None:
        judgement = judge(figure, reproduced, resolution=max(cell.planned.resolution for cell in cells))
        if isinstance(reproduced, float) and not isfinite(reproduced):
            reproduced = None  # JSON has no such number; the note says what it was
    notebook = cells[0].notebook if cells else None
    return Entry(
        id=figure.id,
        study=figure.study,
        claim=figure.claim,
        source=figure.source,
        published=figure.value,
        shown=figure.shown,
        rule=figure.rule,
        limit=figure.limit,
        why=figure.why,
        reproduced=reproduced,
        **asdict(judgement),
        cells=[cell.name for cell in cells],
        notebook=notebook.relative_to(root).as_posix() if notebook else None,
        **_summarise_corrected(figure, results),
    )


def _summarise_corrected(figure: Figure, results: Mapping[str, CellResult]) -> dict[str, float | None]:
    """Return n, mean and interval of the corrected runs that measure a figure."""
    cells = find_corrected(results, figure.study, figure.id)
    try:
        runs = collect_runs(cells, figure.id)
    except ValueError:  # values of nobody knows which seed
        runs = {}
    if not any(figure.id in cell.metrics for cell in cells) or not runs:
        return {f"corrected_{name}": None for name in ("n", "missing", "mean", "low", "high")}
    arm = summarise_arm(list(runs.values()))
    low, high = arm.mean_interval or (None, None)
    found = {"n": arm.n, "missing": arm.missing, "mean": arm.mean, "low": low, "high": high}
    return {f"corrected_{name}": value for name, value in found.items()}


def _say_settings(changed: Sequence[str]) -> str:
    more = f"; and {len(changed) - 1} more" if len(changed) > 1 else ""
    return f"other settings than published: {changed[0]}{more}"


_WHY_NOT_RUN = {
    "missing": "the cell has not run",
    "failed": "the cell failed",
    "stale": "the cell is stale: other settings, code or data",
}


def _reproduced(figure: Figure, cells: Sequence[CellResult]) -> Any:
    """Return our value of a figure, of several runs a list: a metric, or a row of the curves."""
    if figure.point is None:
        runs = list(collect_runs(cells, figure.id).values())
        measured = any(figure.id in cell.metrics for cell in cells)
        return None if not measured else runs[0] if len(runs) == 1 else runs
    rows = cells[0].curves
    for column, value in figure.point.items():
        rows = rows[rows[column] == value] if column in rows else rows.iloc[:0]
    return None if rows.empty else float(rows["value"].iloc[0])


def differing_settings(
    figure: Figure,
    cell: CellResult,
    results: Mapping[str, CellResult],
    settings: Mapping[str, Mapping[str, Any]],
) -> list[str]:
    """Say which settings of a cell, and of the cells whose results it uses, differ from those behind a published figure.

    Parameters
    ----------
    figure, cell
        The figure, and a cell that reproduces it.
    results
        The planned cells.
    settings
        The settings behind the figures of each cell, see `collect_settings`.
    """
    differences = changed_settings(cell, figure.settings)
    seen, waiting = {cell.name}, list(cell.planned.sources[::-1])
    while waiting:  # each once: a search in two rounds reads the same cells along many ways
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            differences += changed_settings(results[name], settings.get(name, {}))
            waiting += results[name].planned.sources[::-1]
    return list(dict.fromkeys(differences))


def changed_settings(cell: CellResult, settings: Mapping[str, Any]) -> list[str]:
    """Say which parameters of a cell differ from settings."""
    return [
        f"{cell.cell}: {name} {cell.parameters.get(name)} instead of {value}"
        for name, value in settings.items()
        if cell.parameters.get(name) != value
    ]


def count_verdicts(entries: Sequence[Entry]) -> dict[str, int]:
    """Return how many entries have each verdict, in the order of `VERDICTS`."""
    counts = Counter(entry.verdict for entry in entries)
    return {verdict: counts[verdict] for verdict in VERDICTS}


def save_ledger(entries: Sequence[Entry], errata: Sequence[Any], folder: Path) -> None:
    """Write `ledger.json`, with figures and errata, and the tables `ledger.csv` and `errata.csv`."""
    figures, errors = [asdict(entry) for entry in entries], [asdict(erratum) for erratum in errata]
    save_json(folder / "ledger.json", {"figures": figures, "errata": errors})
    for name, rows in (("ledger", figures), ("errata", errors)):
        with atomic_path(folder / f"{name}.csv") as temporary:
            pd.DataFrame(rows).to_csv(temporary, index=False, lineterminator="\n")


def load_ledger(json_file: Path) -> list[Entry]:
    """Return the figures of a ledger that `save_ledger` wrote."""
    return [Entry(**entry) for entry in json.loads(json_file.read_text(encoding="utf-8"))["figures"]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Check a ledger: 1 where a figure that must be exact is not, or where the ledger cannot be read."""
    parser = argparse.ArgumentParser(
        prog="python -m gradlab.engine.ledger", description="Fail where a figure whose rule is exact is not exact."
    )
    parser.add_argument("ledger", type=Path, help="ledger.json")
    ledger = parser.parse_args(arguments).ledger
    try:
        entries = load_ledger(ledger)
    except OSError as error:
        print(
            f"gradlab: the ledger {ledger} cannot be read: {error.strerror}; `make report` writes it", file=sys.stderr
        )
        return 1
    except (ValueError, KeyError, TypeError):
        print(
            f"gradlab: {ledger} is not a ledger of this version, or is damaged; `make report` writes it",
            file=sys.stderr,
        )
        return 1
    print(", ".join(f"{number} {verdict}" for verdict, number in count_verdicts(entries).items()))
    wrong = [entry for entry in entries if entry.rule == "exact" and entry.verdict != "exact"]
    for entry in wrong:
        ours = f"published {entry.published}, reproduced {entry.reproduced}"
        print(f"{entry.id} ({entry.source}): {ours}: {entry.verdict} ({entry.note})")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
