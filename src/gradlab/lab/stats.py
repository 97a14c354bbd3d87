"""Statistics of runs under several seeds: the summary of an arm, and the comparison of two arms in pairs.

All intervals are Student's t: with the handful of seeds that a study can afford, resampling them (the bootstrap) gives
intervals that are far too short, at three pairs about 80 % where 95 % is claimed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit


@dataclass(frozen=True)
class ArmSummary:
    """Summary of one arm: the same measurement under several seeds.

    Attributes
    ----------
    n
        Runs with a finite value.
    missing
        Runs without one: the run diverged, or never reached what is measured.
    mean
        Mean of the finite values; None where there is none.
    sd
        Sample standard deviation (divisor n − 1); None for n < 2.
    mean_interval
        Interval of the arm's mean, (low, high); None where `method` says why there is none.
    prediction_interval
        Interval for one further run of the same arm, (low, high); None likewise.
    method
        How the intervals were computed, or why there are none.
    """

    n: int
    missing: int
    mean: float | None
    sd: float | None
    mean_interval: tuple[float, float] | None
    prediction_interval: tuple[float, float] | None
    method: str


def summarise_arm(values: Sequence[float | None], *, level: float = 0.95) -> ArmSummary:
    """Summarise the runs of one arm, taken as independent draws from a normal distribution.

    With t the two-sided quantile of Student's distribution with n − 1 degrees of freedom and s the sample standard
    deviation, the interval of the mean is mean ± t·s/√n, and the prediction interval for one further run is
    mean ± t·s·√(1 + 1/n).

    Parameters
    ----------
    values
        One value for each run; None, NaN or an infinity stands for a run without a value. Such runs are counted, and
        an arm that has any gets no interval: the finite runs alone are a selection, not a sample of the arm.
    level
        Coverage of both intervals, between 0 and 1.

    Raises
    ------
    ValueError
        If there are no runs at all, or `level` is not between 0 and 1.
    """
    if len(values) == 0:
        raise ValueError("an arm without runs has no summary; expected at least one value: check the list of seeds")
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; expected a coverage between 0 and 1, such as 0.95")
    finite = np.array([value for value in values if _is_finite(value)], dtype=np.float64)
    n, missing = len(finite), len(values) - len(finite)
    mean = float(finite.mean()) if n else None
    sd = float(finite.std(ddof=1)) if n >= 2 else None
    if missing:
        return ArmSummary(
            n, missing, mean, sd, None, None, f"no interval: {missing} of {len(values)} runs have no value"
        )
    if n < 2:
        return ArmSummary(n, missing, mean, sd, None, None, "no interval: one run shows no spread")
    t = float(stdtrit(n - 1, (1 + level) / 2))  # the quantile; scipy.stats has it too, and takes a second to import
    of_mean, of_run = t * sd / math.sqrt(n), t * sd * math.sqrt(1 + 1 / n)
    return ArmSummary(
        n=n,
        missing=0,
        mean=mean,
        sd=sd,
        mean_interval=(mean - of_mean, mean + of_mean),
        prediction_interval=(mean - of_run, mean + of_run),
        method=f"Student's t, n = {n}, {100 * level:g} %",
    )


@dataclass(frozen=True)
class PairedComparison:
    """Two arms under the same seeds, compared seed by seed.

    Attributes
    ----------
    differences
        First arm minus second arm, for each seed under which both have a finite value.
    missing
        Seeds under which one of them has none.
    mean, sd
        Mean of the differences, None where there is none; sample standard deviation, None for fewer than two.
    interval
        Interval of the mean difference, (low, high); None where `method` says why there is none.
    method
        How the interval was computed, or why there is none.
    won, lost, tied
        Pairs in which the first arm is higher, lower, equal.
    """

    differences: tuple[float, ...]
    missing: int
    mean: float | None
    sd: float | None
    interval: tuple[float, float] | None
    method: str
    won: int
    lost: int
    tied: int

    @property
    def n(self) -> int:
        """The number of pairs."""
        return len(self.differences)

    @property
    def pairs(self) -> tuple[float | None, ...]:
        """The differences, with None for each pair without one."""
        return self.differences + (None,) * self.missing

    @property
    def direction(self) -> int | None:
        """1 or -1 where the interval lies above or below 0, 0 where it holds 0, None where there is no interval."""
        if self.interval is None:
            return None
        low, high = self.interval
        return 1 if low > 0 else -1 if high < 0 else 0


def compare_pairs(first: Sequence[float | None], second: Sequence[float | None]) -> PairedComparison:
    """Compare two arms by the differences between runs of the same seed.

    What varies from seed to seed in both arms alike cancels in the differences. They are taken as independent draws
    from a normal distribution: mean ± t·s/√n, an interval of 95 %.

    Parameters
    ----------
    first, second
        One value for each seed, in the same order; None, NaN or an infinity stands for a run without a value.

    Raises
    ------
    ValueError
        If the arms differ in length or are empty.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} runs against {len(second)}; pairs need the same seeds in both arms")
    pairs = zip(first, second, strict=True)
    differences = [a - b if _is_finite(a) and _is_finite(b) else None for a, b in pairs]
    arm = summarise_arm(differences)
    known = tuple(float(difference) for difference in differences if difference is not None)
    return PairedComparison(
        differences=known,
        missing=arm.missing,
        mean=arm.mean,
        sd=arm.sd,
        interval=arm.mean_interval,
        method=arm.method.replace("runs have no value", "pairs are incomplete").replace("one run", "one pair"),
        won=sum(difference > 0 for difference in known),
        lost=sum(difference < 0 for difference in known),
        tied=sum(difference == 0 for difference in known),
    )


def describe_comparison(comparison: PairedComparison, first: str, second: str, *, digits: int = 4) -> str:
    """Say in one clause what a comparison shows, and no more: without an interval that excludes 0, no difference.

    Parameters
    ----------
    comparison
        Of the arm called `first` against the one called `second`.
    first, second
        What the arms are called in the sentence.
    digits
        Decimals of the printed differences.
    """
    if comparison.mean is None:
        return f"{first} and {second} cannot be compared ({comparison.method})"
    by = f"{comparison.mean:+.{digits}f}"
    shares = [f"higher in {comparison.won} of {comparison.n} pairs"]
    if comparison.tied:
        shares.append(f"equal in {comparison.tied}")
    pairs = ", ".join(shares)
    if comparison.interval is None:
        return f"{first} minus {second} is {by} ({comparison.method}; {pairs})"
    low, high = comparison.interval
    evidence = f"95 % interval [{low:+.{digits}f}, {high:+.{digits}f}], {pairs}"
    if comparison.direction == 0:
        return f"no difference between {first} and {second} was detected at n = {comparison.n} (mean {by}, {evidence})"
    word = "higher" if comparison.direction == 1 else "lower"
    return f"{first} is {word} than {second} by {abs(comparison.mean):.{digits}f} (n = {comparison.n}, {evidence})"


def _is_finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
