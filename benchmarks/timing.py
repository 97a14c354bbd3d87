"""Times contenders in turn, and compares each with the first one.

Whatever else the machine does slows all contenders of a round alike, if they run one after the other and the rounds are short.
So every contender runs once in each round, and ratios are formed within a round.
"""

import resource
import time
import timeit
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
        What the first one is to reach; None where nothing is asked of it alone.
    agree
        Called with what the contenders returned before anything is timed; raises where they did not do the same.
    clock
        One of `CLOCKS`.
    units
        How many times a run of a contender does the work, 1 where it is not named: times are told for one.
    parts
        What the work is put together from, and how often each occurs in it, for every contender; every part has the same ones.
        Such a work is not run: its times are the sums of those of its parts. A part of several works is timed once.
    least
        The amounts that cannot be saved, by the name of the rate at which the machine does them (see `rates`).
    """

    name: str
    title: str
    contenders: Mapping[str, Callable[[], Any]]
    target: Target | None = None
    agree: Callable[[Sequence[Any]], None] = lambda results: None
    clock: str = "processor time"
    units: Mapping[str, float] = field(default_factory=dict)
    parts: Sequence[tuple[Mapping[str, float], "Benchmark"]] = ()
    least: Mapping[str, float] = field(default_factory=dict)


def measure(
    benchmark: Benchmark,
    rounds: int,
    rates: Mapping[str, float] | None = None,
    measured: dict[int, dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Time a benchmark, part by part where it has any, and return its `report`, in which those of its parts stand.

    Where the machine's rates are given, `share` is how much of our time the work's least amounts take at these rates. Parts
    that were `measured`, by their identity, are not timed again.
    """
    measured = {} if measured is None else measured
    if id(benchmark) in measured:
        return measured[id(benchmark)]
    if not benchmark.parts:
        result = report(benchmark, time_rounds(benchmark, rounds))
        if benchmark.least and rates:
            needed = sum(amount / rates[name] for name, amount in benchmark.least.items())
            result["share"] = needed / result["contenders"][0]["seconds"]["median"]
    else:
        parts = [{"times": dict(times), **measure(part, rounds, rates, measured)} for times, part in benchmark.parts]
        seconds: dict[str, list[float]] = {}
        for ways in zip(*(part["contenders"] for part in parts), strict=True):
            label = ways[0]["label"]
            runs = [
                part["times"][label] * np.array(way["seconds"]["runs"]) for part, way in zip(parts, ways, strict=True)
            ]
            seconds[label] = np.sum(runs, axis=0).tolist()
        result = {**report(benchmark, seconds), "parts": parts}
    measured[id(benchmark)] = result
    return result


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
            seconds[label].append(timer.timeit(1) / benchmark.units.get(label, 1))
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
    result = {
        "name": benchmark.name,
        "title": benchmark.title,
        "clock": benchmark.clock,
        "rounds": len(own),
        "contenders": list(contenders.values()),
    }
    if target := benchmark.target:
        if target.against:
            met = contenders[target.against]["ratio"]["median"] >= target.bound
        else:
            met = bool(np.median(own) <= target.bound)
        result["target"] = {"against": target.against, "bound": target.bound, "met": met}
    return result
