"""Which cells start first, and how long the rest of a run takes, from what the cells took before."""

import json
import os
import platform
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from gradlab.engine.study import OUTPUT, cell_from_json

Cells = Mapping[str, Mapping[str, Any]]  # of a plan, by their keys


def read_last_runs(cells: Cells, results: Path) -> dict[str, float]:
    """Return the wall time of cells that ran on this machine with what they are given now, in seconds, as manifests tell."""
    here = {"system": platform.platform(), "cores": os.cpu_count()}
    seconds = {}
    for name, planned in cells.items():
        try:
            manifest = json.loads((results / name / "manifest.json").read_text(encoding="utf-8"))
            given = {key: value for key, value in manifest["parameters"].items() if key != OUTPUT}
            if given == planned["given"] and here.items() <= manifest["machine"].items():
                seconds[name] = float(manifest["wall_seconds"])
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            continue  # there is none, or a damaged one
    return seconds


def expect_seconds(cells: Cells, known: Mapping[str, float]) -> dict[str, float]:
    """Return times that put cells in order: those known, else the minutes that they may take."""
    return {name: known.get(name, 60.0 * planned["resources"]["minutes"]) for name, planned in cells.items()}


def find_longest_waits(cells: Cells, seconds: Mapping[str, float]) -> dict[str, float]:
    """Return for every cell the seconds of the longest chain of cells that begins with it, each waiting for the one before.

    The cell that begins the longest chain has to start first: no run ends before this chain does.
    """
    waiting: dict[str, list[str]] = {name: [] for name in cells}
    for name, planned in cells.items():
        for source in cell_from_json(name, planned).sources:
            waiting[source].append(name)

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
