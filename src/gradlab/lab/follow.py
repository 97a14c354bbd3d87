"""Whether one log of training follows another, pass by pass, beyond what any log of such a training would.

Two runs with the same random streams on two machines differ by rounding, which training amplifies: after some passes no digit
is the same, and yet both logs rise and dip at the same passes, since the same minibatches move them. What is common to all
runs, the slow course, is taken off by a running median; what is left is correlated. How large a correlation chance gives is
measured, not assumed: on the same log shifted against itself, and on the logs of other seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

WINDOW = 11  # passes of the running median
LEVEL = 0.01  # the largest p-value of a log that follows
START = 5  # passes
# The fewest passes that are correlated: a median of eleven needs a few more.
_FEWEST = 15


@dataclass(frozen=True)
class Following:
    """How well one log follows another.

    Attributes
    ----------
    passes
        The passes that were correlated: from the first one to the last before either log stays constant.
    correlation
        Pearson's, of what the running median leaves of both logs.
    p_value
        (1 + logs of the null that correlate at least as well) / (1 + logs of the null).
    null
        How many logs the null has: circular shifts of ours, and of those of other seeds.
    power
        The share of the other seeds' logs that would not have passed as ours; None without any.
    others
        How many other seeds there are.
    start, start_of_others
        The mean distance of our log from the published one over its first `START` passes, and the smallest such distance of
        other seeds: whether ours began as the published one, whatever became of it. None without any other seed.
    """

    passes: int
    correlation: float
    p_value: float
    null: int
    power: float | None
    others: int
    start: float
    start_of_others: float | None

    @property
    def follows(self) -> bool:
        """Whether chance gives such a correlation in at most one of a hundred logs."""
        return self.p_value <= LEVEL

    @property
    def began_alike(self) -> bool:
        """Whether our log began nearer to the published one than that of any other seed."""
        return self.start_of_others is not None and self.start < self.start_of_others


def detrend(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return what a running median of eleven leaves of a log.

    Near an end the window is as wide as fits on both sides alike, so that of a log that only rises nothing is left anywhere.

    Parameters
    ----------
    values
        One for each pass, shape (passes,).
    """
    log = np.asarray(values, dtype=np.float64)
    reach = np.minimum(WINDOW // 2, np.minimum(np.arange(len(log)), np.arange(len(log))[::-1]))
    median = [np.median(log[place - r : place + r + 1]) for place, r in enumerate(reach)]
    return log - np.array(median)


def find_end(*logs: Sequence[float] | np.ndarray) -> int:
    """Return how many passes to compare: up to where one of some logs ends, or stays constant to its end."""
    ends = []
    for log in logs:
        changes = np.flatnonzero(np.diff(np.asarray(log, dtype=np.float64)))
        constant_from = int(changes[-1]) + 1 if len(changes) else 0
        ends.append(len(log) if constant_from == len(log) - 1 else constant_from + 1)
    return min(ends)


def follow(
    ours: Sequence[float] | np.ndarray,
    published: Sequence[float] | np.ndarray,
    others: Sequence[Sequence[float] | np.ndarray],
) -> Following | None:
    """Say how well our log follows a published one.

    Parameters
    ----------
    ours, published
        The same measure after each pass, from the first one on, printed with equally many decimals.
    others
        The same of our runs under other seeds.

    Returns
    -------
    Following or None
        None where too few passes can be compared, or the null has too few logs for its smallest p-value to be below `LEVEL`.
    """
    passes = find_end(ours, published)
    candidates = [np.asarray(log)[:passes] for log in others if len(log) >= _FEWEST]
    if passes < _FEWEST:
        return None
    theirs = np.asarray(published)[:passes]
    found = _correlate(np.asarray(ours)[:passes], theirs)
    null = np.concatenate([found[1:], *(_correlate(log, theirs) for log in candidates)])
    if 1 / (1 + len(null)) > LEVEL:
        return None
    rejected = []
    for number, log in enumerate(candidates):
        as_ours = _correlate(log, theirs)
        rest = [_correlate(other, theirs) for place, other in enumerate(candidates) if place != number]
        rejected.append(_p_value(as_ours[0], np.concatenate([as_ours[1:], *rest])) > LEVEL)
    return Following(
        passes=passes,
        correlation=float(found[0]),
        p_value=_p_value(found[0], null),
        null=len(null),
        power=float(np.mean(rejected)) if rejected else None,
        others=len(candidates),
        start=_measure_start(ours, theirs),
        start_of_others=min((_measure_start(log, theirs) for log in candidates), default=None),
    )


def _measure_start(log: Sequence[float] | np.ndarray, published: np.ndarray) -> float:
    return float(np.abs(np.asarray(log)[:START] - published[:START]).mean())


def _correlate(log: np.ndarray, published: np.ndarray) -> np.ndarray:
    """Return the correlations of what is left of two logs, for every circular shift of the first, unshifted first."""
    length = min(len(log), len(published))
    left, right = detrend(log[:length]), detrend(published[:length])
    left, right = left - left.mean(), right - right.mean()
    size = float(np.sqrt((left**2).sum() * (right**2).sum()))
    if size == 0:
        return np.zeros(length)
    return np.array([np.roll(left, shift) @ right for shift in range(length)]) / size


def _p_value(correlation: float, null: np.ndarray) -> float:
    """Return the p-value; 1 where the correlation is NaN, as of a log that diverged."""
    return float((1 + (~(null < correlation)).sum()) / (1 + len(null)))
