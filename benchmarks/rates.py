"""How fast the machine multiplies matrices and copies memory: what no program that has to do this can beat."""

import time
from collections.abc import Callable

import numpy as np

from benchmarks.forks import CORES, run_in_forks

SIZE = 2000  # rows and columns of the matrices
COPIED = 256 * 2**20  # bytes, far more than a cache holds
REPEATS = 3


def measure_rates() -> dict[str, float]:
    """Return what all cores do at once, each with one thread, in a second.

    Returns
    -------
    dict
        `sgemm` and `dgemm`, floating-point operations of a product of matrices in single and in double precision; `copy`,
        bytes that are copied from one place in memory to another.
    """
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((SIZE, SIZE))
    single = matrix.astype(np.float32)
    source = np.ones(COPIED, np.uint8)
    target = source.copy()
    return {
        "sgemm": 2 * SIZE**3 / _time(lambda: single @ single),
        "dgemm": 2 * SIZE**3 / _time(lambda: matrix @ matrix),
        "copy": COPIED / _time(lambda: np.copyto(target, source)),
    }


def _time(work: Callable[[], object]) -> float:
    """Return the seconds that a piece of work takes while every core does one, divided by the number of cores."""

    def repeat() -> float:
        work()  # the first one finds cold caches
        started = time.perf_counter()
        for _ in range(REPEATS):
            work()
        return (time.perf_counter() - started) / REPEATS

    return float(np.mean(run_in_forks(repeat, copies=CORES, threads=1))) / CORES
