"""Which cells start first, and how long the rest of a run takes, from what cells took before, or since the run began."""

import json
import os
import platform
from collections.abc import Collection, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from gradlab.engine.study import OUTPUT, cell_from_json


class Schedule:
    """What is known of the times of a plan's cells.

    Parameters
    ----------
    cells
        The cells of a plan, by their keys.
    results
        The folder of results, whose manifests say what cells took.

    Attributes
    ----------
    known
        The seconds that cells took on this machine, by key; `learn` adds to it.
    """

    def __init__(self, cells: Mapping[str, Mapping[str, Any]], results: Path) -> None:
        self._cells = {key: cell_from_json(key, planned) for key, planned in cells.items()}
        self._planned, self._results = cells, results
        self.known: dict[str, float] = {}
        for key in cells:
            self.learn(key)

    def learn(self, key: str) -> None:
        """Read what a cell took; a cell that never ran on this machine with what it is given now, is not known."""
        seconds = _read_time(self._results / key, self._planned[key])
        if seconds is not None:
            self.known[key] = seconds

    @cached_property
    def longest_waits(self) -> dict[str, float]:
        """For every cell the seconds of the longest chain of cells that begins with it, each waiting for the one before.

        The cell that begins the longest chain has to start first: no run ends before this chain does. A cell that never ran
        here counts with all the minutes that it may take.
        """
        expected = {key: self.known.get(key, 60.0 * cell.resources.minutes) for key, cell in self._cells.items()}
        return self._add_up_chains(expected)

    def estimate_left(self, unfinished: Mapping[str, float], cores: int) -> float | None:
        """Return the seconds until cells are done; None where no time is known.

        Cells share the cores, but no chain of cells that wait for one another can be shared.

        Parameters
        ----------
        unfinished
            The cells that are not done, by key, and for how many seconds each has been running.
        cores
            How many cells run at once.
        """
        if not self.known:
            return None
        # A cell that is not known takes as much of the minutes that it may take as those of its notebook that are known took of
        # theirs, or as all that are known did.
        alike: dict[str, list[str]] = {}
        for key in self.known:
            alike.setdefault(self._cells[key].template, []).append(key)
        left = dict.fromkeys(self._cells, 0.0)
        for key, running in unfinished.items():
            cell = self._cells[key]
            usual = self._find_share(alike.get(cell.template, self.known)) * cell.resources.minutes
            left[key] = max(self.known.get(key, usual) - running, 0.0)
        return max(sum(left.values()) / cores, *self._add_up_chains(left).values())

    def _find_share(self, keys: Collection[str]) -> float:
        """Return the seconds that known cells took, of a minute that they may take."""
        return sum(self.known[key] for key in keys) / sum(self._cells[key].resources.minutes for key in keys)

    def _add_up_chains(self, seconds: Mapping[str, float]) -> dict[str, float]:
        waiting: dict[str, list[str]] = {key: [] for key in self._cells}
        for key, cell in self._cells.items():
            for source in cell.sources:
                waiting[source].append(key)

        @cache
        def wait(key: str) -> float:
            return seconds[key] + max(map(wait, waiting[key]), default=0.0)

        return {key: wait(key) for key in self._cells}


def print_time(seconds: float) -> str:
    """Return a time with two digits: `40 s`, `1.5 min`, `12 min`, `1.2 h`, `25 h`."""
    if seconds < 0.95:
        return "under 1 s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    value, unit = (seconds / 60, "min") if seconds < 59.5 * 60 else (seconds / 3600, "h")
    return f"{value:.{0 if value >= 9.95 else 1}f}".removesuffix(".0") + f" {unit}"


def _read_time(folder: Path, planned: Mapping[str, Any]) -> float | None:
    """Return the wall time of a cell that ran on this machine with what it is given now, in seconds; None without one."""
    here = {"system": platform.platform(), "cores": os.cpu_count()}
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        given = {name: value for name, value in manifest["parameters"].items() if name != OUTPUT}
        as_planned = given == planned["given"] and here.items() <= manifest["machine"].items()
        return float(manifest["wall_seconds"]) if as_planned else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None  # there is none, or a damaged one
