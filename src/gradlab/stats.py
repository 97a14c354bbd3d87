"""Statistics of runs under several seeds: what an arm of the study shows beside its single runs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


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
    finite = np.array([value for value in values if value is not None and math.isfinite(value)], dtype=np.float64)
    n, missing = len(finite), len(values) - len(finite)
    mean = float(finite.mean()) if n else None
    sd = float(finite.std(ddof=1)) if n >= 2 else None
    if missing:
        return ArmSummary(
            n, missing, mean, sd, None, None, f"no interval: {missing} of {len(values)} runs have no value"
        )
    if n < 2:
        return ArmSummary(n, missing, mean, sd, None, None, "no interval: one run shows no spread")
    t = float(stats.t.ppf((1 + level) / 2, df=n - 1))
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
