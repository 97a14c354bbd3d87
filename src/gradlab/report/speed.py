"""How fast the project is, beside other ways of doing the same: what `make bench` measured, as a table."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gradlab.report.blocks import Table


class BenchmarkError(ValueError):
    """A file of benchmarks that cannot be read; the message says what is wrong with it, and what to do."""


def tabulate_benchmarks(file: Path) -> Table | None:
    """Return a row for each benchmark; None where there is no such file.

    Raises
    ------
    BenchmarkError
        The file cannot be read, or is not what the benchmarks write.
    """
    try:
        benchmarks = json.loads(file.read_text(encoding="utf-8"))["benchmarks"]
        rows = [row for benchmark in benchmarks for row in _list_rows(benchmark)]
        places = dict.fromkeys(
            f"{benchmark['machine']['cpu']}, {benchmark['machine']['cores']} cores, {benchmark['started'][:10]}"
            for benchmark in benchmarks
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise BenchmarkError(f"{file} cannot be read ({reason}); write it again with `make bench`") from error
    caption = (
        "The published protocol, its studies and their parts: time by the clock, our cells on every core, the notebooks' own "
        "way with as many threads. All else: processor time on one thread, and time by the clock where a cell starts. Medians "
        "over the rounds; ratios are formed within a round, with quartiles in brackets. Of peak: the share of our time that "
        "the work takes at least, at the speed at which the machine multiplies matrices and copies memory. "
        f"Measured on {' and '.join(places)}."
    )
    header = ["Work", "Other way", "Its time", "Our time", "Ratio", "Target", "Of peak"]
    return Table(caption, header, rows)


def _list_rows(benchmark: Mapping[str, Any], depth: int = 0, times: float = 1) -> list[list[str]]:
    """Return the row of a benchmark, and below it those of its parts: `times` is how often it occurs in ours."""
    row = _compare_ways(benchmark)
    if depth:
        often = f"{times:,.4g} × " if times != 1 else ""
        row[0] = f"{'– ' * depth}{often}{row[0]}"
    parts = [
        row
        for part in benchmark.get("parts", ())
        for row in _list_rows(part, depth + 1, next(iter(part["times"].values())))
    ]
    return [row, *parts]


def _compare_ways(benchmark: Mapping[str, Any]) -> list[str]:
    """Set the first way, the project's own, beside the one that the target names, or beside the second."""
    own, *others = benchmark["contenders"]
    target = benchmark.get("target")
    other = next((way for way in others if target and way["label"] == target["against"]), others[0])
    bound = ""
    if target:
        bound = f"at least {target['bound']:g} times" if target["against"] else f"at most {target['bound']:g} s"
        bound += f": {'met' if target['met'] else 'not met'}"
    ratio = other["ratio"]
    return [
        benchmark["title"],
        other["label"],
        _print_seconds(other["seconds"]["median"]),
        _print_seconds(own["seconds"]["median"]),
        f"{ratio['median']:.3g} [{ratio['lower']:.3g}, {ratio['upper']:.3g}]",
        bound,
        f"{benchmark['share']:.0%}" if "share" in benchmark else "",
    ]


def _print_seconds(seconds: float) -> str:
    if seconds >= 120:
        return f"{seconds / 60:.3g} min"
    return f"{seconds:.3g} s" if seconds >= 0.1 else f"{1000 * seconds:.3g} ms"
