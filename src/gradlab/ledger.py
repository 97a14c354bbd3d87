"""The ledger: every published figure beside the reproduced one, and what the comparison says."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd

from gradlab.files import atomic_path, save_json
from gradlab.published import Figure, load_figures, load_settings, settings_of
from gradlab.results import CellResult, load_results
from gradlab.stats import summarise_arm

VERDICTS = ("exact", "within", "inside interval", "erratum", "outside", "not run")


@dataclass(frozen=True)
class Entry:
    """One line of the ledger.

    Attributes
    ----------
    id, study, source, published, shown, rule, limit, why
        The published figure and its rule, see `gradlab.published.Figure`.
    reproduced
        Our value; a list where it was measured under several seeds; None where there is none.
    difference
        Reproduced (its mean, over seeds) minus published; None where there is nothing to subtract.
    verdict
        One of `VERDICTS`.
    note
        What a reader needs to understand the verdict: the interval, or why nothing was compared.
    cell
        The name of the cell that gives the figure.
    notebook
        The path of its executed notebook, beside the ledger; None where there is none.
    """

    id: str
    study: str
    source: str
    published: str
    shown: str | None
    rule: str
    limit: str | None
    why: str | None
    reproduced: float | list[float | None] | None
    difference: float | None
    verdict: str
    note: str
    cell: str
    notebook: str | None


def print_like(value: float, published: str) -> str:
    """Return `value` rounded to as many decimals as a published text has, in the same notation."""
    exponent = Decimal(published).as_tuple().exponent
    rounded = Decimal(value).quantize(Decimal(1).scaleb(exponent)) if Decimal(value).is_finite() else Decimal(value)
    return f"{rounded + 0:f}" if rounded else f"{abs(rounded):f}"


def judge(figure: Figure, reproduced: float | Sequence[float | None] | None) -> tuple[str, float | None, str]:
    """Hold a reproduced value against a published figure by the figure's rule.

    Parameters
    ----------
    figure
        The published figure.
    reproduced
        A number; for the rule `interval` one number for each seed, None for a seed that did not reach the event.

    Returns
    -------
    verdict, difference, note
        As in `Entry`.
    """
    if figure.rule == "interval":
        return _judge_interval(figure, reproduced)
    if reproduced is None:
        return "not run", None, "the run did not give this figure"
    value, published = Decimal(repr(reproduced)), Decimal(figure.value)
    if not value.is_finite():
        return "outside", None, f"reproduced as {reproduced}"
    difference = float(value - published)
    if figure.rule == "exact":
        same = print_like(reproduced, figure.value) == figure.value
        return ("exact", difference, "") if same else ("outside", difference, "digits differ")
    limit = Decimal(figure.limit)
    if figure.rule == "below":
        return ("within" if value < limit else "outside"), difference, f"bound {figure.limit}"
    verdict = {"within": "within", "erratum": "erratum"}[figure.rule]
    return (verdict if abs(value - published) <= limit else "outside"), difference, f"tolerance {figure.limit}"


def _judge_interval(figure: Figure, reproduced: Any) -> tuple[str, float | None, str]:
    arm = summarise_arm(reproduced if isinstance(reproduced, list) else [reproduced])
    if arm.prediction_interval is None:
        gave = f"; our mean is {arm.mean:.6g}, n = {arm.n}" if arm.n else ""
        return "not run", None, f"{arm.method}{gave}"
    low, high = arm.prediction_interval
    verdict = "inside interval" if low <= float(figure.value) <= high else "outside"
    return verdict, arm.mean - float(figure.value), f"95 % prediction interval [{low:.6g}, {high:.6g}], n = {arm.n}"


def build_ledger(results: Mapping[str, CellResult], published: Path, *, root: Path) -> list[Entry]:
    """Compare every published figure with what the cells of a study gave.

    Parameters
    ----------
    results
        The planned cells, see `gradlab.results.load_results`.
    published
        The folder of the published figures.
    root
        The folder of the ledger, to which the paths of notebooks are relative.
    """
    settings = load_settings(published)
    return [_enter(figure, results, settings, root) for figure in load_figures(published)]


def _enter(figure: Figure, results: Mapping[str, CellResult], settings: Mapping[str, Any], root: Path) -> Entry:
    name = f"{figure.study}/published/{figure.cell}"
    result = results.get(name)
    reproduced = None
    if result is None:
        verdict, difference, note = "not run", None, "not part of this study"
    elif result.status != "done":
        verdict, difference, note = "not run", None, _WHY_NOT_RUN[result.status]
    else:
        reproduced = _reproduced(figure, result)
        changed = differing_settings(figure.id, result, results, settings)
        if changed:
            verdict, difference, note = "not run", None, _say_settings(changed)
        elif figure.id not in result.metrics and reproduced is None:
            verdict, difference, note = "not run", None, "no cell of the published protocol measures it"
        else:
            verdict, difference, note = judge(figure, reproduced)
    notebook = result.notebook if result else None
    return Entry(
        id=figure.id,
        study=figure.study,
        source=figure.source,
        published=figure.value,
        shown=figure.shown,
        rule=figure.rule,
        limit=figure.limit,
        why=figure.why,
        reproduced=reproduced,
        difference=difference,
        verdict=verdict,
        note=note,
        cell=name,
        notebook=notebook.relative_to(root).as_posix() if notebook else None,
    )


def _say_settings(changed: Sequence[str]) -> str:
    more = f"; and {len(changed) - 1} more" if len(changed) > 1 else ""
    return f"other settings than published: {changed[0]}{more}"


_WHY_NOT_RUN = {
    "missing": "the cell has not run",
    "failed": "the cell failed",
    "stale": "the cell ran with other parameters than the configuration's",
}


def _reproduced(figure: Figure, result: CellResult) -> Any:
    """Return our value of a figure: a metric, or for `<cell>.pass_<k>.<split>_<metric>` a point of the curves."""
    parts = figure.id.split(".")
    if len(parts) < 3 or not parts[1].startswith("pass_"):
        return result.metrics.get(figure.id)
    number = int(parts[1].removeprefix("pass_"))
    split, metric = parts[2].split("_")
    curves = result.curves
    point = curves[(curves["pass"] == number) & (curves["split"] == split) & (curves["metric"] == metric)]
    return None if point.empty else float(point["value"].iloc[0])


def differing_settings(
    figure_id: str, result: CellResult, results: Mapping[str, CellResult], settings: Mapping[str, Any]
) -> list[str]:
    """Say which settings of a cell, and of the cells whose results it uses, differ from those behind a published figure."""
    expected = settings_of(figure_id, settings.get(result.study, {}))
    differences = [
        f"{result.cell}: {name} {result.parameters.get(name)} instead of {value}"
        for name, value in expected.items()
        if result.parameters.get(name) != value
    ]
    used = [*result.parameters.get("runs", []), *filter(None, [result.parameters.get("search")])]
    by_directory = {other.directory: other for other in results.values()}
    for path in used:
        other = by_directory[Path(path).parent]
        differences += differing_settings(f"{other.cell}.", other, results, settings)
    return list(dict.fromkeys(differences))


def count_verdicts(entries: Sequence[Entry]) -> dict[str, int]:
    """Return how many entries have each verdict, in the order of `VERDICTS`."""
    counts = Counter(entry.verdict for entry in entries)
    return {verdict: counts[verdict] for verdict in VERDICTS}


def save_ledger(entries: Sequence[Entry], json_file: Path, csv_file: Path) -> None:
    """Write the ledger as JSON and as CSV."""
    save_json(json_file, [asdict(entry) for entry in entries])
    with atomic_path(csv_file) as temporary:
        pd.DataFrame([asdict(entry) for entry in entries]).to_csv(temporary, index=False, lineterminator="\n")


def load_ledger(json_file: Path) -> list[Entry]:
    """Read what `save_ledger` wrote."""
    return [Entry(**entry) for entry in json.loads(json_file.read_text(encoding="utf-8"))]


def main(arguments: Sequence[str] | None = None) -> int:
    """Build a ledger, or check one: 1 where a figure that must be exact is not."""
    parser = argparse.ArgumentParser(prog="python -m gradlab.ledger", description="Compare with the published figures.")
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="write ledger.json and ledger.csv beside the plan")
    build.add_argument("plan", type=Path, help="the study's plan, beside which the results lie")
    build.add_argument("published", type=Path, help="the folder of the published figures")
    check = commands.add_parser("check", help="fail where a figure whose rule is exact is not exact")
    check.add_argument("ledger", type=Path, help="ledger.json")
    options = parser.parse_args(arguments)
    if options.command == "build":
        root = options.plan.parent
        entries = build_ledger(load_results(options.plan), options.published, root=root)
        save_ledger(entries, root / "ledger.json", root / "ledger.csv")
        return 0
    entries = load_ledger(options.ledger)
    print(", ".join(f"{number} {verdict}" for verdict, number in count_verdicts(entries).items()))
    wrong = [entry for entry in entries if entry.rule == "exact" and entry.verdict != "exact"]
    for entry in wrong:
        ours = f"published {entry.published}, reproduced {entry.reproduced}"
        print(f"{entry.id} ({entry.source}): {ours}: {entry.verdict} ({entry.note})")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
