"""Times contenders in turn, and compares each with the first one and with the machine's limit.

Whatever else the machine does slows all contenders of a round alike, if they run one after the other and the rounds are short.
So every contender runs once in each round, every round times the limit again, and ratios are formed within a round.
"""

import resource
import time
import timeit
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

LIMIT_SIZE = 1500  # rows of the square matrices whose product is the limit; from 1000 on it makes no difference


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
}


@dataclass(frozen=True)
class Places:
    """Where the prepared data lie, a copy of the project with a finished study, and a folder to write in."""

    data: Path
    study: Path
    scratch: Path


@dataclass(frozen=True)
class Target:
    """What a benchmark is to reach.

    Attributes
    ----------
    quantity
        "ratio": the time of the contender `against` in units of the first one's, at least `bound`; "share": the part of the
        machine's limit that it reaches, at least `bound`; "seconds": its time, at most `bound`.
    bound
        In the unit of the quantity.
    against
        The contender that is meant; the first one where there is none.
    """

    quantity: str
    bound: float
    against: str | None = None


@dataclass(frozen=True)
class Part:
    """The share of a run's time, from 0 to 1, that one operation takes."""

    operation: str
    share: float


@dataclass(frozen=True)
class Benchmark:
    """Contenders that do the same work.

    Attributes
    ----------
    name, title
        Its name on the command line, and what the work is.
    contenders
        What is timed, by label. The first one is the project's own way.
    targets
        What the first one is to reach.
    agree
        Called with what the contenders returned before anything is timed; raises where they did not do the same.
    profile
        Returns where the time of the first one goes.
    clock
        One of `CLOCKS`.
    units, unit
        How many times a run does the work, and what one of these is called: times are told for one.
    flop
        Floating-point operations of one unit by their precision, float32 or float64; empty where hardly any time goes into
        matrix products.
    derivation
        How they were counted.
    """

    name: str
    title: str
    contenders: Mapping[str, Callable[[], Any]]
    targets: Sequence[Target] = ()
    agree: Callable[[Sequence[Any]], None] = lambda results: None
    profile: Callable[[], Sequence[Part]] = tuple
    clock: str = "processor time"
    units: int = 1
    unit: str = "run"
    flop: Mapping[str, float] = field(default_factory=dict)
    derivation: str = ""


@dataclass(frozen=True)
class Timing:
    """What was measured, in the order of the rounds.

    Attributes
    ----------
    seconds
        Of one unit of work, by contender.
    limits
        Floating-point operations a second of a matrix product, by precision.
    """

    seconds: Mapping[str, Sequence[float]]
    limits: Mapping[str, Sequence[float]]


def time_rounds(benchmark: Benchmark, rounds: int) -> Timing:
    """Run every contender once without timing it, compare what they return, and then once in each round.

    Each round begins with another contender, so that none always follows the same one.
    """
    benchmark.agree([run() for run in benchmark.contenders.values()])
    seconds: dict[str, list[float]] = {label: [] for label in benchmark.contenders}
    products = {precision: multiplication(precision) for precision in benchmark.flop}
    for multiply in products.values():
        multiply()
    limits: dict[str, list[float]] = {precision: [] for precision in products}
    labels = list(benchmark.contenders)
    for number in range(rounds):
        for precision, multiply in products.items():
            limits[precision].append(2 * LIMIT_SIZE**3 / timeit.Timer(multiply, timer=cpu_time).timeit(1))
        first = number % len(labels)
        for label in labels[first:] + labels[:first]:
            timer = timeit.Timer(benchmark.contenders[label], timer=CLOCKS[benchmark.clock])
            seconds[label].append(timer.timeit(1) / benchmark.units)
    return Timing(seconds, limits)


def multiplication(precision: str) -> Callable[[], torch.Tensor]:
    """Return a function that multiplies two square matrices: nothing that a processor does needs more operations a second."""
    rng = np.random.default_rng(0)
    left, right = (torch.from_numpy(rng.standard_normal((LIMIT_SIZE, LIMIT_SIZE)).astype(precision)) for _ in range(2))
    product = torch.empty_like(left)
    return lambda: torch.mm(left, right, out=product)


def summarise(values: Sequence[float]) -> dict[str, float]:
    """Return median and quartiles."""
    lower, median, upper = np.quantile(values, [0.25, 0.5, 0.75])
    return {"median": float(median), "lower": float(lower), "upper": float(upper)}


def report(benchmark: Benchmark, timing: Timing, parts: Sequence[Part] = ()) -> dict[str, Any]:
    """Return what a benchmark measured, as JSON holds it.

    `contenders` have their seconds for one unit of work, the rate in flop/s and the share of the limit where there is one,
    and the ratio of their time to that of the first one, each as median and quartiles over the rounds.
    """
    labels = list(benchmark.contenders)
    own = np.array(timing.seconds[labels[0]])
    shortest = sum(flop / np.array(timing.limits[precision]) for precision, flop in benchmark.flop.items())
    contenders = []
    for label in labels:
        seconds = np.array(timing.seconds[label])
        contender: dict[str, Any] = {
            "label": label,
            "seconds": {**summarise(seconds), "runs": seconds.tolist()},
            "ratio": summarise(seconds / own),
        }
        if benchmark.flop:
            rate = sum(benchmark.flop.values()) / seconds
            contender |= {"flops": summarise(rate), "share": summarise(shortest / seconds)}
        contenders.append(contender)
    found = {contender["label"]: contender for contender in contenders}
    return {
        "name": benchmark.name,
        "title": benchmark.title,
        "unit": benchmark.unit,
        "clock": benchmark.clock,
        "rounds": len(own),
        "flop": dict(benchmark.flop),
        "derivation": benchmark.derivation,
        "limits": {precision: summarise(rates) for precision, rates in timing.limits.items()},
        "contenders": contenders,
        "targets": [_judge(target, found, labels[0]) for target in benchmark.targets],
        "profile": [{"operation": part.operation, "share": part.share} for part in parts],
    }


def _judge(target: Target, found: Mapping[str, Mapping[str, Any]], own: str) -> dict[str, Any]:
    measured = found[target.against or own][target.quantity]["median"]
    met = measured <= target.bound if target.quantity == "seconds" else measured >= target.bound
    return {
        "quantity": target.quantity,
        "against": target.against,
        "bound": target.bound,
        "measured": measured,
        "met": bool(met),
    }
