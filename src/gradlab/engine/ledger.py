"""The ledger: every printed number beside the reproduced one, what the comparison says, and why."""

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

from gradlab.engine.figures import CAUSES, Figure, load_figures
from gradlab.engine.logs import Log, load_logs, select_rows
from gradlab.engine.results import CellResult, collect_runs
from gradlab.engine.settings import collect_settings, find_judging, find_obstacle
from gradlab.engine.study import Study
from gradlab.engine.verdicts import VERDICTS, Judgement, judge, judge_log, not_run, print_like
from gradlab.files import atomic_path, save_json
from gradlab.lab.follow import follow
from gradlab.lab.stats import summarise_arm


@dataclass(frozen=True)
class Entry:
    """One line of the ledger.

    Attributes
    ----------
    id, study, claim, source, origin, published, meant, rule, limit, why
        The published figure and its rule, see `gradlab.engine.figures.Figure`.
    log
        The log that the number stands in, or is read off; None where there is none.
    reproduced
        Our value; a list where it was measured under several seeds; None where there is none.
    low, high
        The ends of the interval by which the rule `interval` judges; None under other rules.
    difference
        Reproduced (its mean, over seeds) minus published; None where there is nothing to subtract.
    verdict
        One of `VERDICTS`.
    cause
        Why it does, or does not, come out digit by digit: one of `CAUSES`.
    power
        The share of other runs that the rule would have refused; None where it was not measured.
    note
        The evidence of verdict and cause: the interval, the correlation, or why nothing was compared.
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
    origin: str
    published: str
    meant: str | None
    rule: str
    limit: str | None
    why: str | None
    log: str | None
    reproduced: float | list[float | None] | None
    low: float | None
    high: float | None
    difference: float | None
    verdict: str
    cause: str
    power: float | None
    note: str
    cells: Sequence[str]
    notebook: str | None
    corrected_n: int | None
    corrected_missing: int | None
    corrected_mean: float | None
    corrected_low: float | None
    corrected_high: float | None


@dataclass(frozen=True)
class LogEntry:
    """What the ledger says of one log as a whole.

    Attributes
    ----------
    id, study, claim, source, rule, measure
        As of `gradlab.engine.logs.Log`.
    numbers
        How many numbers were printed.
    verdicts
        How many of them have each verdict, of those that occur.
    verdict, cause, power, note
        Of a log that is followed, as of `Entry`; of any other, its worst verdict, and nothing more.
    """

    id: str
    study: str
    claim: str
    source: str
    rule: str
    measure: str | None
    numbers: int
    verdicts: Mapping[str, int]
    verdict: str
    cause: str
    power: float | None
    note: str


@dataclass(frozen=True)
class Ledger:
    """Every printed number of some studies, and their logs: `figures` stand alone, `rows` in a log."""

    figures: Sequence[Entry]
    rows: Sequence[Entry]
    logs: Sequence[LogEntry]

    @property
    def judged(self) -> list[Entry | LogEntry]:
        """What has a verdict of its own."""
        return [*self.figures, *self.logs]

    @property
    def entries(self) -> list[Entry]:
        """Every printed number."""
        return [*self.figures, *self.rows]


def build_ledger(results: Mapping[str, CellResult], studies: Mapping[str, Study], *, root: Path) -> Ledger:
    """Compare every printed number of some studies with what the cells gave.

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
    logs = [log for study in studies.values() for log in load_logs(study)]
    settings = collect_settings([*figures, *logs], results)
    judged = {(log.study.name, log.id): _judge_log(log, results, settings, root) for log in logs}
    return Ledger(
        [_enter(figure, results, settings, judged, root) for figure in figures],
        [row for _, rows in judged.values() for row in rows],
        [_summarise_log(log, *judgement) for log, judgement in zip(logs, judged.values(), strict=True)],
    )


def find_corrected(results: Mapping[str, CellResult], study: str, metric: str) -> list[CellResult]:
    """Return the planned corrected cells of a study that declare a metric."""
    return [
        cell
        for cell in results.values()
        if cell.study == study and cell.protocol == "corrected" and metric in cell.planned.metrics
    ]


def _enter(
    figure: Figure,
    results: Mapping[str, CellResult],
    settings: Mapping[str, Mapping[str, Any]],
    logs: Mapping[tuple[str, str], tuple[Judgement, Sequence[Entry]]],
    root: Path,
) -> Entry:
    cells = find_judging(figure, results)
    obstacle = find_obstacle(figure, cells, results, settings)
    reproduced = None
    if not cells or any(cell.status != "done" for cell in cells):
        judgement = not_run(obstacle)
    else:
        try:
            reproduced = _reproduced(figure, cells)
        except ValueError as error:
            obstacle = str(error)
        if not obstacle and reproduced is None and not any(figure.id in cell.metrics for cell in cells):
            obstacle = "no cell measures it"
        if obstacle:
            judgement = not_run(obstacle)
        else:
            judgement = judge(
                figure,
                reproduced,
                resolution=max(cell.planned.resolution for cell in cells),
                following=logs.get((figure.study, str(figure.log)), (None,))[0],
            )
    return _write_entry(figure, reproduced, judgement, cells, root, **_summarise_corrected(figure, results))


def _write_entry(
    figure: Figure, reproduced: Any, judgement: Judgement, cells: Sequence[CellResult], root: Path, **corrected: Any
) -> Entry:
    if isinstance(reproduced, float) and not isfinite(reproduced):
        reproduced = None  # JSON has no such number; the note says what it was
    notebook = cells[0].notebook if cells else None
    return Entry(
        id=figure.id,
        study=figure.study,
        claim=figure.claim,
        source=figure.source,
        origin=figure.origin,
        published=figure.value,
        meant=figure.meant,
        rule=figure.rule,
        limit=figure.limit,
        why=figure.why,
        log=figure.log,
        reproduced=reproduced,
        **asdict(judgement),
        cells=[cell.name for cell in cells],
        notebook=notebook.relative_to(root).as_posix() if notebook else None,
        **_NOT_CORRECTED | corrected,
    )


_NOT_CORRECTED = {f"corrected_{name}": None for name in ("n", "missing", "mean", "low", "high")}


def _judge_log(
    log: Log, results: Mapping[str, CellResult], settings: Mapping[str, Mapping[str, Any]], root: Path
) -> tuple[Judgement, list[Entry]]:
    """Return the verdict of a log as a whole, and an entry for each of its numbers."""
    cells, figures = find_judging(log, results), log.figures()
    obstacle = find_obstacle(log, cells, results, settings)
    ours: dict[tuple[int, str], float] = {}
    if cells and all(cell.status == "done" for cell in cells):
        for column in log.columns:
            values = log.select(cells[0].curves, column)
            if values.index.has_duplicates:
                obstacle = f"{cells[0].name} has more than one value for a number of the log"
                break
            ours |= {(int(place), column): float(value) for place, value in zip(values.index, values, strict=True)}
    numbers = {figure.id: ours.get(place) for figure, place in zip(figures, log.places(), strict=True)}
    if obstacle:
        missed = not_run(obstacle)
        return missed, [_write_entry(figure, numbers[figure.id], missed, cells, root) for figure in figures]
    leading = _count_leading(figures, numbers, log)
    whole = _follow(log, cells[0], results, leading) if log.rule == "follows" else None
    entries = []
    for figure, (_, column) in zip(figures, log.places(), strict=True):
        reproduced = numbers[figure.id]
        same_column = ours.items() if log.rule == "rounding" else ()
        others = [value for (_, name), value in same_column if name == column and value != reproduced]
        judgement = judge(figure, reproduced, following=whole, others=[*filter(isfinite, others)])
        entries.append(_write_entry(figure, reproduced, judgement, cells, root))
    worst = max(entries, key=lambda entry: VERDICTS.index(entry.verdict))
    return whole or Judgement(worst.verdict, worst.cause, note=worst.note, power=worst.power), entries


def _count_leading(figures: Sequence[Figure], numbers: Mapping[str, float | None], log: Log) -> int:
    """Return the largest index up to which every number is the same, digit by digit; the one before the first if none is."""
    leading = int(log.table.index[0]) - 1
    for figure, (place, _) in zip(figures, log.places(), strict=True):
        value = numbers[figure.id]
        if value is None or not isfinite(value) or print_like(value, figure.value) != figure.value:
            return place - 1
        leading = place
    return leading


def _follow(log: Log, cell: CellResult, results: Mapping[str, CellResult], leading: int) -> Judgement:
    """Judge a log by how it follows the published one, from the first row after training began."""
    assert log.measure is not None  # the rule asks for it
    texts = log.table[log.measure]
    texts = texts[texts.index > 0]
    decimals = len(texts.iloc[0].partition(".")[2])
    others = [
        run.loc[1:]
        for other in results.values()
        if log.has_other(other.planned) and other.status == "done"
        for run in _split_seeds(log, log.measure, other.curves)
    ]
    ours = log.select(cell.curves, log.measure).loc[1:]
    printed, rounded = (values.astype(float).round(decimals).to_numpy() for values in (texts, ours))
    found = follow(rounded, printed, [other.round(decimals).to_numpy() for other in others])
    return judge_log(found, leading, log.index)


def _split_seeds(log: Log, measure: str, curves: pd.DataFrame) -> list[pd.Series]:
    """Return the measure of every run in a cell's curves."""
    rows = select_rows(curves, log.other_rows)
    runs = [run for _, run in rows.groupby("seed")] if "seed" in rows else [rows]
    return [log.select(run, measure) for run in runs]


def _summarise_log(log: Log, judgement: Judgement, rows: Sequence[Entry]) -> LogEntry:
    return LogEntry(
        id=log.id,
        study=log.study.name,
        claim=log.claim,
        source=log.source,
        rule=log.rule,
        measure=log.measure,
        numbers=len(rows),
        verdicts={verdict: number for verdict, number in count_verdicts(rows).items() if number},
        verdict=judgement.verdict,
        cause=judgement.cause,
        power=judgement.power,
        note=judgement.note,
    )


def _summarise_corrected(figure: Figure, results: Mapping[str, CellResult]) -> dict[str, float | None]:
    """Return n, mean and interval of the corrected runs that measure a figure."""
    cells = find_corrected(results, figure.study, figure.id)
    try:
        runs = collect_runs(cells, figure.id)
    except ValueError:  # values of nobody knows which seed
        runs = {}
    if not any(figure.id in cell.metrics for cell in cells) or not runs:
        return {}
    arm = summarise_arm(list(runs.values()))
    low, high = arm.mean_interval or (None, None)
    found = {"n": arm.n, "missing": arm.missing, "mean": arm.mean, "low": low, "high": high}
    return {f"corrected_{name}": value for name, value in found.items()}


def _reproduced(figure: Figure, cells: Sequence[CellResult]) -> Any:
    """Return our value of a figure, of several runs a list: a metric, or a row of the curves."""
    if figure.point is None:
        runs = list(collect_runs(cells, figure.id).values())
        measured = any(figure.id in cell.metrics for cell in cells)
        return None if not measured else runs[0] if len(runs) == 1 else runs
    rows = select_rows(cells[0].curves, figure.point)
    return None if rows.empty else float(rows["value"].iloc[0])


def count_verdicts(entries: Sequence[Entry]) -> dict[str, int]:
    """Return how many entries have each verdict, in the order of `VERDICTS`."""
    counts = Counter(entry.verdict for entry in entries)
    return {verdict: counts[verdict] for verdict in VERDICTS}


def count_causes(entries: Sequence[Entry]) -> dict[str, int]:
    """Return how many entries have each cause, in the order of `CAUSES`, of those that occur."""
    counts = Counter(entry.cause for entry in entries)
    return {cause: counts[cause] for cause in CAUSES if counts[cause]}


def save_ledger(
    ledger: Ledger, errata: Sequence[Any], folder: Path, *, comparisons: Sequence[Mapping[str, Any]] = ()
) -> None:
    """Write `ledger.json`, with numbers, logs, errata and comparisons, and the tables `ledger.csv` and `errata.csv`."""
    figures, errors = [asdict(entry) for entry in ledger.entries], [asdict(erratum) for erratum in errata]
    logs = [asdict(log) for log in ledger.logs]
    save_json(folder / "ledger.json", {"figures": figures, "logs": logs, "errata": errors, "comparisons": comparisons})
    for name, rows in (("ledger", figures), ("errata", errors)):
        with atomic_path(folder / f"{name}.csv") as temporary:
            pd.DataFrame(rows, dtype=object).to_csv(temporary, index=False, lineterminator="\n")


def load_ledger(json_file: Path) -> list[Entry]:
    """Return the numbers of a ledger that `save_ledger` wrote."""
    return [Entry(**entry) for entry in json.loads(json_file.read_text(encoding="utf-8"))["figures"]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Check a ledger: 1 where a figure that must be exact is not, or where the ledger cannot be read."""
    parser = argparse.ArgumentParser(
        prog="gradlab ledger", description="Fail where a figure whose rule is exact is not exact."
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
    print("causes: " + ", ".join(f"{number} {cause}" for cause, number in count_causes(entries).items()))
    wrong = [entry for entry in entries if entry.rule == "exact" and entry.verdict != "exact"]
    for entry in wrong:
        ours = f"published {entry.published}, reproduced {entry.reproduced}"
        print(f"{entry.id} ({entry.source}): {ours}: {entry.verdict} ({entry.note})")
    return 1 if wrong else 0
