"""Finds cells in a study, and gathers one measurement over the seeds of an arm from their results."""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from gradlab.engine.results import CellResult

Runs = Mapping[int | None, float | None]

_WILDCARDS = set("*?[")  # of fnmatch


def find_cells(
    results: Mapping[str, CellResult], study: str, pattern: str, *, protocol: str = "corrected"
) -> list[CellResult]:
    """Return the planned cells of a study whose short names match a pattern, in the order of the plan.

    A pattern without wildcards is looked up at once; every other one is held against the names of all cells.
    """
    group = f"{study}/{protocol}/"
    if not _WILDCARDS & set(pattern):
        return [results[group + pattern]] if group + pattern in results else []
    return [
        cell for name, cell in results.items() if name.startswith(group) and fnmatchcase(name[len(group) :], pattern)
    ]


def find_sources(result: CellResult, results: Mapping[str, CellResult]) -> list[CellResult]:
    """Return the cells whose results a cell reads: those that it compares (`runs`), and the search that it takes a value from.

    Raises
    ------
    ValueError
        It reads what no planned cell writes.
    """
    found = []
    for path in [*result.parameters.get("runs", []), *filter(None, [result.parameters.get("search")])]:
        name = "/".join(path.split("/")[-4:-1])  # …/<study>/<protocol>/<cell>/metrics.json
        if name not in results:
            raise ValueError(
                f"{result.name} reads {path}, which no planned cell writes; name the metrics.json of a cell of the plan"
            )
        found.append(results[name])
    return found


def collect_runs(cells: Iterable[CellResult], metric: str) -> dict[int | None, float | None]:
    """Return a metric of every planned run by its seed; None for a run that is not there or has no such value.

    Parameters
    ----------
    cells
        Cells with one `seed` each, whose metric is a number; or with several `seeds`, whose metric is a list in that
        order. A cell without seeds stands under the seed None.
    metric
        The metric's id.
    """
    runs: dict[int | None, float | None] = {}
    for cell in cells:
        value = cell.metrics.get(metric)
        if isinstance(value, list):
            runs |= dict(zip(cell.parameters["seeds"], value, strict=True))
        elif value is None:
            runs |= dict.fromkeys(cell.parameters.get("seeds", [cell.parameters.get("seed")]))
        else:
            runs[cell.parameters.get("seed")] = value
    return runs


def pair_runs(first: Runs, second: Runs) -> tuple[list[float | None], list[float | None]]:
    """Return the values of two arms, seed by seed, for the seeds that both arms plan."""
    seeds: Sequence[int | None] = [seed for seed in first if seed in second]
    return [first[seed] for seed in seeds], [second[seed] for seed in seeds]
