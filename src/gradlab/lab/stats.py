"""Statistics of runs under several seeds: the summary of an arm, the comparison of two arms in pairs, and a family of these.

All intervals are Student's t: with the handful of seeds that a study can afford, resampling them (the bootstrap) gives
intervals that are far too short, at three pairs about 80 % where 95 % is claimed.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeGuard, TypeVar

import numpy as np
from scipy.special import stdtr, stdtrit

_Name = TypeVar("_Name")


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
    if mean is None or sd is None:
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
        Pairs in which the first arm is higher, lower, equal; a censored run is higher than any other.
    p_value
        Of no difference, two-sided; None where there is neither an interval nor a test.
    level
        Coverage of the interval; 1 − `level` is the largest p-value of a difference.
    family
        How many comparisons were adjusted together, this one among them; 1 where it stands alone.
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
    p_value: float | None = None
    level: float = 0.95
    family: int = 1

    @property
    def n(self) -> int:
        """The number of pairs in which both arms have a value."""
        return len(self.differences)

    @property
    def pairs(self) -> tuple[float | None, ...]:
        """The differences, with None for each pair without one."""
        return self.differences + (None,) * self.missing

    @property
    def direction(self) -> int | None:
        """1 or -1 where the first arm is told to be higher or lower, 0 where it is not, None where nothing was computed."""
        if self.interval is not None:
            low, high = self.interval
            return 1 if low > 0 else -1 if high < 0 else 0
        if self.p_value is None:
            return None
        return 0 if self.p_value > 1 - self.level else 1 if self.won > self.lost else -1


def compare_pairs(
    first: Sequence[float | None], second: Sequence[float | None], *, censored: bool = False
) -> PairedComparison:
    """Compare two arms by the differences between runs of the same seed.

    What varies from seed to seed in both arms alike cancels in the differences. They are taken as independent draws
    from a normal distribution: mean ± t·s/√n, an interval of 95 %.

    Parameters
    ----------
    first, second
        One value for each seed, in the same order; None, NaN or an infinity stands for a run without a value.
    censored
        Whether a run without a value is one that did not reach an event within the horizon. It then counts as longer than
        any other, and where there is one the pairs are compared by Wilcoxon's signed ranks, exactly; there is no interval.

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
    ranked = [float(difference) for difference in differences if difference is not None]
    if censored and arm.missing:
        reached = [[_is_finite(value) for value in runs] for runs in (first, second)]
        ranked = [
            difference if difference is not None else _BEYOND * (after - before)
            for difference, before, after in zip(differences, *reached, strict=True)
        ]
    method = arm.method.replace("runs have no value", "pairs are incomplete").replace("one run", "one pair")
    by_rank = len(ranked) > len(known)
    return PairedComparison(
        differences=known,
        missing=arm.missing,
        mean=arm.mean,
        sd=arm.sd,
        interval=arm.mean_interval,
        method=f"signed ranks, {arm.missing} of {len(ranked)} pairs censored" if by_rank else method,
        won=sum(difference > 0 for difference in ranked),
        lost=sum(difference < 0 for difference in ranked),
        tied=sum(difference == 0 for difference in ranked),
        p_value=_test_ranks(ranked) if by_rank else _test_mean(arm),
    )


_BEYOND = 1e300  # a difference with a censored run is larger than any other


def _test_mean(arm: ArmSummary) -> float | None:
    """Return the two-sided p-value of a mean of 0; None where the arm has no interval."""
    if arm.mean is None or arm.sd is None or arm.mean_interval is None:
        return None
    if arm.sd == 0:
        return float(arm.mean == 0)
    return float(2 * stdtr(arm.n - 1, -abs(arm.mean) / (arm.sd / math.sqrt(arm.n))))


def _test_ranks(differences: Sequence[float]) -> float:
    """Return the two-sided p-value of Wilcoxon's signed ranks, over all signs that the differences could have had."""
    from scipy import stats  # which takes a second, and few comparisons have a censored run

    if not any(differences):
        return 1.0
    every = stats.PermutationMethod(n_resamples=math.inf)
    return float(stats.wilcoxon(differences, method=every).pvalue)


def adjust_family(comparisons: Mapping[_Name, PairedComparison]) -> dict[_Name, PairedComparison]:
    """Adjust comparisons together, so that with 95 % probability no difference is found where there is none.

    By Holm's steps: of m comparisons, the one with the smallest p-value is held against 5 % / m, the next against
    5 % / (m − 1), and so on; the first that shows no difference ends the steps, and all others have its level. An interval
    has the level of its step, and so excludes 0 where, and only where, its step shows a difference.

    Parameters
    ----------
    comparisons
        By name. One without a p-value is returned as it is, and does not count.

    References
    ----------
    S. Holm: A simple sequentially rejective multiple test procedure. Scandinavian Journal of Statistics 6 (1979).
    """
    tested = sorted((c.p_value, place) for place, c in enumerate(comparisons.values()) if c.p_value is not None)
    adjusted = dict(enumerate(comparisons.values()))
    share, going = 0.0, True
    for step, (p_value, place) in enumerate(tested):
        if going:
            share = (1 - _LEVEL) / (len(tested) - step)
            going = p_value <= share
        adjusted[place] = _with_level(adjusted[place], 1 - share, len(tested))
    return dict(zip(comparisons, adjusted.values(), strict=True))


_LEVEL = 0.95


def _with_level(comparison: PairedComparison, level: float, family: int) -> PairedComparison:
    mean, sd, interval = comparison.mean, comparison.sd, comparison.interval
    if mean is not None and sd is not None and interval is not None:
        half = float(stdtrit(comparison.n - 1, (1 + level) / 2)) * sd / math.sqrt(comparison.n)
        interval = (mean - half, mean + half)
    return replace(comparison, interval=interval, level=level, family=family)


def sampling_margin(accuracy: float, images: int) -> float:
    """Return how far an accuracy would move with other test images: half of a 95 % interval, 1.96·√(p(1 − p)/n).

    Seeds do not tell it: all of them are tested on the same images.

    Parameters
    ----------
    accuracy
        A share in [0, 1].
    images
        The size of the test set.
    """
    return 1.959964 * math.sqrt(accuracy * (1 - accuracy) / images)


def describe_comparison(comparison: PairedComparison, first: str, second: str, *, digits: int = 4) -> str:
    """Say in one clause what a comparison shows, and no more: without evidence, no difference was detected.

    Parameters
    ----------
    comparison
        Of the arm called `first` against the one called `second`.
    first, second
        What the arms are called in the sentence.
    digits
        Decimals of the printed differences.
    """
    if comparison.direction is None and comparison.mean is None:
        return f"{first} and {second} cannot be compared ({comparison.method})"
    pairs = comparison.n + (comparison.missing if comparison.interval is None and comparison.p_value is not None else 0)
    shares = [f"higher in {comparison.won} of {pairs} pairs"]
    if comparison.tied:
        shares.append(f"equal in {comparison.tied}")
    won = ", ".join(shares)
    adjusted = "Holm-adjusted" if comparison.family > 1 else f"{100 * comparison.level:g} %"
    word = {1: "higher", -1: "lower"}.get(comparison.direction or 0)
    if comparison.interval is None and comparison.p_value is not None:
        evidence = f"{comparison.method}, p = {comparison.p_value:.2g}{', ' + adjusted if comparison.family > 1 else ''}; {won}"
        if word is None:
            return f"no difference between {first} and {second} was detected at n = {pairs} ({evidence})"
        return f"{first} is {word} than {second} ({evidence})"
    by = f"{comparison.mean:+.{digits}f}"
    if comparison.interval is None:
        return f"{first} minus {second} is {by} ({comparison.method}; {won})"
    low, high = comparison.interval
    evidence = f"{adjusted} interval [{low:+.{digits}f}, {high:+.{digits}f}], {won}"
    if word is None:
        return f"no difference between {first} and {second} was detected at n = {comparison.n} (mean {by}, {evidence})"
    return f"{first} is {word} than {second} by {by.lstrip('+-')} (n = {comparison.n}, {evidence})"


def _is_finite(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)
