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
        rows = [_compare_ways(benchmark) for benchmark in benchmarks]
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
        "Processor time on one thread, of a cell time by the clock; medians over the rounds. Ratios are formed within a round, "
        f"with quartiles in brackets. Measured on {' and '.join(places)}."
    )
    return Table(caption, ["Work", "Other way", "Its time", "Our time", "Ratio", "Target"], rows)


def _compare_ways(benchmark: Mapping[str, Any]) -> list[str]:
    """Set the first way, the project's own, beside the one that the target names, or beside the second."""
    own, *others = benchmark["contenders"]
    target = benchmark["target"]
    other = next((way for way in others if way["label"] == target["against"]), others[0])
    bound = f"at least {target['bound']:g} times" if target["against"] else f"at most {target['bound']:g} s"
    ratio = other["ratio"]
    return [
        benchmark["title"],
        other["label"],
        _print_seconds(other["seconds"]["median"]),
        _print_seconds(own["seconds"]["median"]),
        f"{ratio['median']:.3g} [{ratio['lower']:.3g}, {ratio['upper']:.3g}]",
        f"{bound}: {'met' if target['met'] else 'not met'}",
    ]


def _print_seconds(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 0.1 else f"{1000 * seconds:.3g} ms"
