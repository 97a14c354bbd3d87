"""The ledger: every published figure beside the reproduced one, and what the comparison says."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Any

import pandas as pd

from gradlab.engine.figures import Figure, corrected_cells, load_corrected, load_figures, load_settings, settings_of
from gradlab.engine.results import CellResult
from gradlab.engine.runs import collect_runs, find_cells, find_sources
from gradlab.files import atomic_path, save_json
from gradlab.lab.stats import summarise_arm

VERDICTS = ("exact", "within", "inside interval", "erratum", "outside", "not run")


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


def print_like(value: float, published: str) -> str:
    """Return `value` as Python prints it with as many decimals as a published text has, in the same notation.

    The notation is fixed point, or a mantissa with an exponent where the text has one.
    """
    mantissa, notation, _ = published.lower().partition("e")
    decimals = len(mantissa.partition(".")[2])
    return f"{value:.{decimals}{notation or 'f'}}"


@dataclass(frozen=True)
class Judgement:
    """What the comparison of a figure says: `verdict`, `difference`, `note`, `low` and `high` as in `Entry`."""

    verdict: str
    difference: float | None = None
    note: str = ""
    low: float | None = None
    high: float | None = None


def judge(figure: Figure, reproduced: float | Sequence[float | None] | None, *, resolution: float = 0.0) -> Judgement:
    """Hold a reproduced value against a published figure by the figure's rule.

    Parameters
    ----------
    figure
        The published figure.
    reproduced
        A number; for the rule `interval` one number for each seed, None for a seed that did not reach the event.
    resolution
        For the rule `interval`: each number is the upper end of a bracket that begins at most this share below it. The
        lower end of the interval gives way by as much.
    """
    if figure.rule == "interval":
        return _judge_interval(figure, reproduced, resolution)
    if reproduced is None:
        return Judgement("not run", note="the run did not give this figure")
    value, published = Decimal(repr(reproduced)), Decimal(figure.value)
    if not value.is_finite():
        return Judgement("outside", note=f"reproduced as {reproduced}")
    difference = float(value - published)
    if figure.rule == "exact":
        same = Decimal(print_like(reproduced, figure.value)) == published
        return Judgement("exact", difference) if same else Judgement("outside", difference, "digits differ")
    limit = Decimal(figure.limit)
    if figure.rule == "below":
        return Judgement("within" if value < limit else "outside", difference, f"bound {figure.limit}")
    verdict = {"within": "within", "erratum": "erratum"}[figure.rule]
    inside = abs(value - published) <= limit
    return Judgement(verdict if inside else "outside", difference, f"tolerance {figure.limit}")


def _judge_interval(figure: Figure, reproduced: Any, resolution: float) -> Judgement:
    arm = summarise_arm(reproduced if isinstance(reproduced, Sequence) else [reproduced])
    if arm.prediction_interval is None:
        gave = f"; our mean is {arm.mean:.6g}, n = {arm.n}" if arm.n else ""
        return Judgement("not run", note=f"{arm.method}{gave}")
    low, high = arm.prediction_interval
    low = min(low, low / (1 + resolution))  # an end below 0 would move up
    bracket = f", brackets of {100 * resolution:g} %" if resolution else ""
    return Judgement(
        "inside interval" if low <= float(figure.value) <= high else "outside",
        arm.mean - float(figure.value),
        f"95 % prediction interval, n = {arm.n}{bracket}",
        low,
        high,
    )


def build_ledger(results: Mapping[str, CellResult], published: Path, *, root: Path) -> list[Entry]:
    """Compare every published figure with what the cells of a study gave.

    Parameters
    ----------
    results
        The planned cells, see `gradlab.engine.results.load_results`.
    published
        The folder of the published figures.
    root
        The folder of the ledger, to which the paths of notebooks are relative.
    """
    settings, corrected = load_settings(published), load_corrected(published)
    return [_enter(figure, results, settings, corrected, root) for figure in load_figures(published)]


def _enter(
    figure: Figure,
    results: Mapping[str, CellResult],
    settings: Mapping[str, Any],
    corrected: Mapping[str, Any],
    root: Path,
) -> Entry:
    judged_by = corrected_cells(figure.study, figure.id, corrected["judged_by"])
    if judged_by is None:
        cells = find_cells(results, figure.study, figure.cell, protocol="published")
    else:
        cells = find_cells(results, figure.study, judged_by)
    reproduced = _reproduced(figure, cells)
    undone = [cell for cell in cells if cell.status != "done"]
    changed = [text for cell in cells for text in differing_settings(figure.id, cell, results, settings)]
    if not cells:
        judgement = Judgement("not run", note="not part of this study")
    elif undone:
        judgement, reproduced = Judgement("not run", note=_WHY_NOT_RUN[undone[0].status]), None
    elif changed:
        judgement = Judgement("not run", note=_say_settings(changed))
    elif reproduced is None and not any(figure.id in cell.metrics for cell in cells):
        judgement = Judgement("not run", note="no cell measures it")
    else:
        resolution = max(cell.parameters.get("tolerance", 0.0) for cell in cells)  # of a search for a learning rate
        judgement = judge(figure, reproduced, resolution=resolution)
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
        **_summarise_corrected(figure, results, corrected["beside"]),
    )


def _summarise_corrected(
    figure: Figure, results: Mapping[str, CellResult], beside: Mapping[str, Any]
) -> dict[str, float | None]:
    """Return n, mean and interval of the corrected runs that measure a figure."""
    cells = find_corrected(results, figure.study, figure.id, beside)
    if not any(figure.id in cell.metrics for cell in cells):
        return {f"corrected_{name}": None for name in ("n", "missing", "mean", "low", "high")}
    arm = summarise_arm(list(collect_runs(cells, figure.id).values()))
    low, high = arm.mean_interval or (None, None)
    found = {"n": arm.n, "missing": arm.missing, "mean": arm.mean, "low": low, "high": high}
    return {f"corrected_{name}": value for name, value in found.items()}


def find_corrected(
    results: Mapping[str, CellResult], study: str, metric: str, beside: Mapping[str, Any]
) -> list[CellResult]:
    """Return the planned corrected cells that measure a metric, by the patterns of `gradlab.engine.figures.load_corrected`."""
    pattern = corrected_cells(study, metric, beside)
    return find_cells(results, study, pattern) if pattern else []


def _say_settings(changed: Sequence[str]) -> str:
    more = f"; and {len(changed) - 1} more" if len(changed) > 1 else ""
    return f"other settings than published: {changed[0]}{more}"


_WHY_NOT_RUN = {
    "missing": "the cell has not run",
    "failed": "the cell failed",
    "stale": "the cell is stale: other settings, code or data",
}


def _reproduced(figure: Figure, cells: Sequence[CellResult]) -> Any:
    """Return our value of a figure: a metric, or for `<cell>.pass_<k>.<split>_<metric>` a point of the curves."""
    if not cells or any(cell.status != "done" for cell in cells):
        return None
    parts = figure.id.split(".")
    if len(parts) < 3 or not parts[1].startswith("pass_"):
        runs = list(collect_runs(cells, figure.id).values())
        measured = any(figure.id in cell.metrics for cell in cells)
        return None if not measured else runs[0] if len(runs) == 1 else runs
    number = int(parts[1].removeprefix("pass_"))
    split, metric = parts[2].split("_")
    curves = cells[0].curves
    point = curves[(curves["pass"] == number) & (curves["split"] == split) & (curves["metric"] == metric)]
    return None if point.empty else float(point["value"].iloc[0])


def differing_settings(
    figure_id: str, result: CellResult, results: Mapping[str, CellResult], settings: Mapping[str, Any]
) -> list[str]:
    """Say which settings of a cell, and of the cells whose results it uses, differ from those behind a published figure."""
    differences = changed_settings(figure_id, result, settings)
    seen, waiting = {result.name}, find_sources(result, results)[::-1]
    while waiting:  # each once: a search in two rounds reads the same cells along many ways
        source = waiting.pop()
        if source.name not in seen:
            seen.add(source.name)
            differences += changed_settings(f"{source.cell}.", source, settings)
            waiting += find_sources(source, results)[::-1]
    return list(dict.fromkeys(differences))


def changed_settings(figure_id: str, result: CellResult, settings: Mapping[str, Any]) -> list[str]:
    """Say which settings of a cell alone differ from those behind a published figure."""
    return [
        f"{result.cell}: {name} {result.parameters.get(name)} instead of {value}"
        for name, value in settings_of(figure_id, settings.get(result.study, {})).items()
        if result.parameters.get(name) != value
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
