"""Times contenders in turn, and compares each with the first one.

Whatever else the machine does slows all contenders of a round alike, if they run one after the other and the rounds are short.
So every contender runs once in each round, and ratios are formed within a round.
"""

import resource
import time
import timeit
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


def cpu_time() -> float:
    """Return the processor time of this process in seconds: what others do on the machine does not count."""
    return time.process_time()


def child_cpu_time() -> float:
    """Return the processor time, in seconds, of the processes that this one started and has seen end, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


CLOCKS: Mapping[str, Callable[[], float]] = {
    "processor time": cpu_time,
    "processor time of all processes started": child_cpu_time,
    "time": time.perf_counter,
}


@dataclass(frozen=True)
class Places:
    """Where the prepared data lie, a copy of the project with a finished study, and a folder to write in."""

    data: Path
    study: Path
    scratch: Path


@dataclass(frozen=True)
class Target:
    """The contender `against` takes at least `bound` times as long as the first one; without it: that one at most `bound` s."""

    bound: float
    against: str | None = None


@dataclass(frozen=True)
class Benchmark:
    """Contenders that do the same work.

    Attributes
    ----------
    name, title
        Its name on the command line, and what the work is.
    contenders
        What is timed, by label. The first one is the project's own way.
    target
        What the first one is to reach.
    agree
        Called with what the contenders returned before anything is timed; raises where they did not do the same.
    clock
        One of `CLOCKS`.
    units
        How many times a run does the work: times are told for one.
    """

    name: str
    title: str
    contenders: Mapping[str, Callable[[], Any]]
    target: Target
    agree: Callable[[Sequence[Any]], None] = lambda results: None
    clock: str = "processor time"
    units: int = 1


def time_rounds(benchmark: Benchmark, rounds: int) -> dict[str, list[float]]:
    """Run every contender once without timing it, compare what they return, and then once in each round.

    Each round begins with another contender, so that none always follows the same one.

    Returns
    -------
    dict
        Seconds of one unit of work in every round, by contender.
    """
    benchmark.agree([run() for run in benchmark.contenders.values()])
    labels = list(benchmark.contenders)
    seconds: dict[str, list[float]] = {label: [] for label in labels}
    for number in range(rounds):
        first = number % len(labels)
        for label in labels[first:] + labels[:first]:
            timer = timeit.Timer(benchmark.contenders[label], timer=CLOCKS[benchmark.clock])
            seconds[label].append(timer.timeit(1) / benchmark.units)
    return seconds


def summarise(values: Sequence[float]) -> dict[str, float]:
    """Return median and quartiles."""
    lower, median, upper = np.quantile(values, [0.25, 0.5, 0.75])
    return {"median": float(median), "lower": float(lower), "upper": float(upper)}


def report(benchmark: Benchmark, seconds: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Return what a benchmark measured, as JSON holds it.

    `contenders` have their seconds for one unit of work, and the ratio of their time to that of the first one, each as median
    and quartiles over the rounds.
    """
    own = np.array(next(iter(seconds.values())))
    contenders = {
        label: {
            "label": label,
            "seconds": {**summarise(runs), "runs": list(runs)},
            "ratio": summarise(np.array(runs) / own),
        }
        for label, runs in seconds.items()
    }
    target = benchmark.target
    if target.against:
        met = contenders[target.against]["ratio"]["median"] >= target.bound
    else:
        met = bool(np.median(own) <= target.bound)
    return {
        "name": benchmark.name,
        "title": benchmark.title,
        "clock": benchmark.clock,
        "rounds": len(own),
        "contenders": list(contenders.values()),
        "target": {"against": target.against, "bound": target.bound, "met": met},
    }
