"""Which cells start first, and how long the rest of a run takes, from what the cells took before."""

import csv
import json
import os
import platform
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

Cells = Mapping[str, Mapping[str, Any]]  # the parameters of every cell, under its name <study>/<protocol>/<cell>


def read_last_runs(cells: Cells, results: Path) -> dict[str, float]:
    """Return the wall time of cells that ran on this machine with these parameters, in seconds, as their manifests tell."""
    here = {"system": platform.platform(), "cores": os.cpu_count()}
    seconds = {}
    for name, parameters in cells.items():
        try:
            manifest = json.loads((results / name / "manifest.json").read_text(encoding="utf-8"))
            given = {key: value for key, value in manifest["parameters"].items() if key != "output"}
            if given == parameters and here.items() <= manifest["machine"].items():
                seconds[name] = float(manifest["wall_seconds"])
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            continue  # there is none, or a damaged one
    return seconds


def expect_seconds(cells: Cells, known: Mapping[str, float], measured: Path) -> dict[str, float]:
    """Return times that put cells in order: those known, else those of a table with the columns cell and seconds.

    A cell that is not in the table counts as the longest of those whose names differ in a trailing number alone, or of all.
    """
    with measured.open(newline="", encoding="utf-8") as lines:
        table = {row["cell"]: float(row["seconds"]) for row in csv.DictReader(lines)}
    families: dict[str, float] = {}
    for name, seconds in table.items():
        families[_family_of(name)] = max(seconds, families.get(_family_of(name), 0.0))
    longest = max(families.values(), default=1.0)
    return {name: known.get(name, table.get(name, families.get(_family_of(name), longest))) for name in cells}


def _family_of(name: str) -> str:
    return name.rstrip("0123456789")


def find_longest_waits(cells: Cells, seconds: Mapping[str, float]) -> dict[str, float]:
    """Return for every cell the seconds of the longest chain of cells that begins with it, each waiting for the one before.

    The cell that begins the longest chain has to start first: no run ends before this chain does. A cell waits for the cells
    whose metrics are its `runs`, and for the one whose metrics are its `search`.
    """
    waiting: dict[str, list[str]] = {name: [] for name in cells}
    for name, parameters in cells.items():
        for metrics in [*parameters.get("runs", []), *filter(None, [parameters.get("search")])]:
            waiting["/".join(PurePosixPath(metrics).parts[-4:-1])].append(name)

    @cache
    def wait(name: str) -> float:
        return seconds[name] + max(map(wait, waiting[name]), default=0.0)

    return {name: wait(name) for name in cells}


def print_time_left(cells: Cells, unfinished: Collection[str], known: Mapping[str, float], cores: int) -> str:
    """Return ` (about 12 min left)`; an empty text where any of the unfinished cells has no known time.

    Their times are shared among the cores, but no chain of cells can be. A cell that is running counts as a whole.
    """
    if not unfinished or not known.keys() >= set(unfinished):
        return ""
    seconds = {name: known[name] if name in unfinished else 0.0 for name in cells}
    left = max(sum(seconds.values()) / cores, *find_longest_waits(cells, seconds).values())
    if left < 50:
        return " (under a minute left)"
    return f" (about {left / 60:.0f} min left)" if left < 6000 else f" (about {left / 3600:.1f} h left)"
