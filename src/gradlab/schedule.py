"""What earlier runs tell about the next one: how long its cells take, which have to start first, and when all will be done."""

import csv
import hashlib
import json
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, TextIO

_UNKNOWN = 60.0  # seconds of a cell of which nothing is known
_PLACES = ("data", "search", "runs", "device")  # parameters that say where, and not what


def read_benchmark(file: Path) -> dict[str, float] | None:
    """Return what Snakemake measured of a job: `s` and `cpu_time` in seconds, `max_rss` in MiB, and more.

    None where the file is not there, or is none that Snakemake finished.
    """
    try:
        with file.open(newline="", encoding="utf-8") as lines:
            row = next(csv.DictReader(lines, delimiter="\t"))
        return {name: float(row[name]) for name in ("s", "cpu_time", "max_rss")}
    except (OSError, StopIteration, KeyError, ValueError, TypeError):
        return None


def fingerprint(parameters: Mapping[str, Any]) -> str:
    """Return a short digest of a cell's parameters, without the places of its inputs."""
    kept = {name: value for name, value in parameters.items() if name not in _PLACES}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:12]


def expect_seconds(cells: Mapping[str, Mapping[str, Any]], benchmarks: Path, measured: Path) -> dict[str, float]:
    """Return the wall time that every cell will take, in seconds.

    It is that of the cell's last run. Without one, it is the time measured for the same cell and parameters when the
    project was made; without that, the longest of the cells whose names differ in a trailing number alone, or of all.

    Parameters
    ----------
    cells
        The parameters of every cell, under its name <study>/<protocol>/<cell>.
    benchmarks
        The folder with a benchmark file of Snakemake for every cell that ran, <study>/<protocol>/<cell>.tsv.
    measured
        A table as `write_measured` makes it.
    """
    with measured.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    known = {(row["cell"], row["parameters"]): float(row["seconds"]) for row in rows}
    families: dict[str, float] = {}
    for (name, _), seconds in known.items():
        families[_family_of(name)] = max(seconds, families.get(_family_of(name), 0.0))
    longest = max(families.values(), default=_UNKNOWN)

    def expect(name: str, parameters: Mapping[str, Any]) -> float:
        benchmark = read_benchmark(benchmarks / f"{name}.tsv")
        if benchmark is not None:
            return benchmark["s"]
        return known.get((name, fingerprint(parameters)), families.get(_family_of(name), longest))

    return {name: expect(name, parameters) for name, parameters in cells.items()}


def write_measured(plan_files: Sequence[Path], file: TextIO) -> None:
    """Write what was measured of the cells of studies as a table (CSV).

    Its columns are cell, parameters (a `fingerprint`), seconds (wall time) and memory (the most that was used, in MB). A
    cell of which nothing was measured has no row.

    Parameters
    ----------
    plan_files
        The plans, beside which the results and their benchmarks lie.
    file
        What the table is written to.
    """
    table = csv.writer(file, lineterminator="\n")
    table.writerow(["cell", "parameters", "seconds", "memory"])
    for plan_file in plan_files:
        for name, parameters in json.loads(plan_file.read_text(encoding="utf-8"))["cells"].items():
            measured = read_benchmark(plan_file.parent / f"benchmarks/{name}.tsv")
            if measured is not None:
                memory = measured["max_rss"] * 1.048576
                table.writerow([name, fingerprint(parameters), round(measured["s"], 1), round(memory)])


def _family_of(name: str) -> str:
    return name.rstrip("0123456789")


def find_longest_waits(cells: Mapping[str, Mapping[str, Any]], seconds: Mapping[str, float]) -> dict[str, float]:
    """Return for every cell the seconds of the longest chain of cells that begins with it, each waiting for the one before.

    With one core for each cell, a study takes as long as the longest of these chains. So where there are fewer cores, the
    cell that begins the longest chain has to start first.

    Parameters
    ----------
    cells
        The parameters of every cell, under its name. A cell waits for the cells whose metrics are its `runs`, and for the
        one whose metrics are its `search`.
    seconds
        The time of every cell.
    """
    waiting: dict[str, list[str]] = {name: [] for name in cells}
    for name, parameters in cells.items():
        for metrics in [*parameters.get("runs", []), *filter(None, [parameters.get("search")])]:
            waiting["/".join(PurePosixPath(metrics).parts[-4:-1])].append(name)

    @cache
    def wait(name: str) -> float:
        return seconds[name] + max(map(wait, waiting[name]), default=0.0)

    return {name: wait(name) for name in cells}


class TimeLeft:
    """The time until a run is done, said in words: `about 12 min left`.

    What is expected of the cells, shared among the cores, is set right by the cells that are done: where these took half of
    what was expected of them, the others will too.

    Parameters
    ----------
    seconds
        Returns what is expected of every cell; see `expect_seconds`.
    waits
        Returns the longest chain of cells that begins with each cell, in seconds; see `find_longest_waits`.
    planned
        Returns the cells that this run has to run, those that are done included.
    finished
        Returns those of them that are done.
    took
        Returns the seconds that a cell took in this run, None where that is not known.
    cores
        Returns how many cells can run side by side.
    clock
        Returns seconds.
    """

    _KEPT = 1.0  # seconds for which an answer is good: thousands of cells that start at once ask only once

    def __init__(
        self,
        *,
        seconds: Callable[[], Mapping[str, float]],
        waits: Callable[[], Mapping[str, float]],
        planned: Callable[[], Collection[str]],
        finished: Callable[[], Collection[str]],
        took: Callable[[str], float | None],
        cores: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds, self._waits, self._clock = seconds, waits, clock
        self._planned, self._finished, self._cores = planned, finished, cores
        self._took = cache(took)
        self._started: float | None = None
        self._said: tuple[float, str] | None = None

    def __str__(self) -> str:
        now = self._clock()
        if self._started is None:
            self._started = now
        if self._said is None or now - self._said[0] > self._KEPT:
            self._said = now, self._say(self.estimate(now))
        return self._said[1]

    def estimate(self, now: float) -> float:
        """Return the seconds that are left at the time `now` of the clock, 0 or more."""
        seconds, waits, planned = self._seconds(), self._waits(), self._planned()
        in_all = max(
            sum(seconds[name] for name in planned) / self._cores(), max((waits[name] for name in planned), default=0.0)
        )
        done = {name: took for name in self._finished() if (took := self._took(name)) is not None}
        pace = sum(done.values()) / sum(seconds[name] for name in done) if done else 1.0
        return max(0.0, pace * in_all - (now - (now if self._started is None else self._started)))

    @staticmethod
    def _say(seconds: float) -> str:
        if seconds < 50:
            return "under a minute left"
        minutes = round(seconds / 60)
        return f"about {minutes} min left" if minutes < 100 else f"about {seconds / 3600:.1f} h left"


if __name__ == "__main__":
    write_measured([Path(file) for file in sys.argv[1:]], sys.stdout)
