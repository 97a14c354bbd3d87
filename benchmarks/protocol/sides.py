"""Our way on every core at once, beside the notebooks' way with as many threads."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks import cell
from benchmarks.forks import CORES, run_in_forks
from benchmarks.timing import Benchmark, Places, Target

OWN, PLAIN = "gradlab", "as the notebooks"

Part = tuple[Mapping[str, float], Benchmark]  # how often it occurs, on either side; and what it is


def set_beside(
    times: float,
    title: str,
    own: Callable[[], Any],
    plain: Callable[[], Any],
    agree: Callable[[Sequence[Any]], None] = lambda results: None,
    *,
    least: Mapping[str, float] | None = None,
    own_units: float = 1,
    plain_units: float = 1,
) -> Part:
    """Return a part that occurs so many times, and of which a run on one core does so many units."""
    benchmark = Benchmark(
        name="part",
        title=title,
        contenders={
            OWN: lambda: run_in_forks(own, copies=CORES, threads=1)[0],
            PLAIN: lambda: run_in_forks(plain, copies=1, threads=CORES)[0],
        },
        agree=agree,
        clock="time",
        units={OWN: CORES * own_units, PLAIN: plain_units},
        least=least or {},
    )
    return {OWN: times, PLAIN: times}, benchmark


def add_up(name: str, title: str, parts: Sequence[Part], target: Target | None) -> Benchmark:
    """Return the benchmark of what is put together from parts."""
    return Benchmark(name=name, title=title, contenders={}, clock="time", target=target, parts=parts)


def time_start(places: Places) -> Benchmark:
    """Set what a cell costs beside its computation beside the start of a notebook."""
    files = cell.write_files(places.scratch / "start")
    address = files.start_warm()
    # Cells are timed one by one: what they leave would lie in one folder.
    return Benchmark(
        name="part",
        title="The start and the end of a cell",
        contenders={OWN: lambda: files.run(address), PLAIN: files.run_script},
        clock="time",
        units={OWN: CORES},
    )


def check_numbers(results: Sequence[Sequence[float]]) -> None:
    """Refuse ways that found other numbers; rounding may turn an image or two."""
    own, plain = results
    if not np.allclose(own, plain, rtol=1e-3, atol=1e-3):
        raise ValueError(f"the contenders found {own} and {plain}; expected the same numbers from each")
