"""Which cells start first, and how long the rest of a run takes, from what the cells took before."""

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
    """

    def __init__(self, cells: Mapping[str, Mapping[str, Any]], results: Path) -> None:
        self._cells = {key: cell_from_json(key, planned) for key, planned in cells.items()}
        self.known = {key: seconds for key, planned in cells.items() if (seconds := _read_time(results / key, planned))}

    @cached_property
    def longest_waits(self) -> dict[str, float]:
        """For every cell the seconds of the longest chain of cells that begins with it, each waiting for the one before.

        The cell that begins the longest chain has to start first: no run ends before this chain does. A cell that never ran
        here counts with all the minutes that it may take.
        """
        expected = {key: self.known.get(key, 60.0 * cell.resources.minutes) for key, cell in self._cells.items()}
        return self._add_up_chains(expected)

    def print_time_left(self, unfinished: Collection[str], cores: int) -> str:
        """Return ` (about 12 min left)`; an empty text where any of the unfinished cells has no known time.

        Their times are shared among the cores, but no chain of cells can be. A cell that is running counts as a whole.
        """
        if not unfinished or not self.known.keys() >= set(unfinished):
            return ""
        seconds = {key: self.known[key] if key in unfinished else 0.0 for key in self._cells}
        left = max(sum(seconds.values()) / cores, *self._add_up_chains(seconds).values())
        if left < 50:
            return " (under a minute left)"
        return f" (about {left / 60:.0f} min left)" if left < 6000 else f" (about {left / 3600:.1f} h left)"

    def _add_up_chains(self, seconds: Mapping[str, float]) -> dict[str, float]:
        waiting: dict[str, list[str]] = {key: [] for key in self._cells}
        for key, cell in self._cells.items():
            for source in cell.sources:
                waiting[source].append(key)

        @cache
        def wait(key: str) -> float:
            return seconds[key] + max(map(wait, waiting[key]), default=0.0)

        return {key: wait(key) for key in self._cells}


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
