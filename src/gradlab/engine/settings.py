"""Which cells give a published figure, and whether they ran under the settings under which it was printed.

A figure is compared only where they did: they, and the cells whose results they use.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from gradlab.engine.figures import Figure
from gradlab.engine.logs import Log
from gradlab.engine.results import CellResult

_WHY_NOT_RUN = {
    "missing": "the cell has not run",
    "failed": "the cell failed",
    "stale": "the cell is stale: other settings, code or data",
}


def find_judging(figure: Figure | Log, results: Mapping[str, CellResult]) -> list[CellResult]:
    """Return the planned cells that reproduce a figure, or a log."""
    return [cell for cell in results.values() if figure.is_judged_by(cell.planned)]


def collect_settings(figures: Sequence[Figure | Log], results: Mapping[str, CellResult]) -> dict[str, dict[str, Any]]:
    """Return the settings under which each cell's own figures and logs were printed, all together."""
    settings: dict[str, dict[str, Any]] = {}
    for figure in figures:
        for cell in find_judging(figure, results):
            settings.setdefault(cell.name, {}).update(figure.settings)
    return settings


def find_obstacle(
    figure: Figure | Log,
    cells: Sequence[CellResult],
    results: Mapping[str, CellResult],
    settings: Mapping[str, Mapping[str, Any]],
) -> str:
    """Say why nothing can be compared; an empty text where it can."""
    if not cells:
        return "not part of this study"
    if undone := [cell for cell in cells if cell.status != "done"]:
        return _WHY_NOT_RUN[undone[0].status]
    changed = [text for cell in cells for text in differing_settings(figure, cell, results, settings)]
    return _say_settings(changed) if changed else ""


def _say_settings(changed: Sequence[str]) -> str:
    more = f"; and {len(changed) - 1} more" if len(changed) > 1 else ""
    return f"other settings than published: {changed[0]}{more}"


def differing_settings(
    figure: Figure | Log,
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
