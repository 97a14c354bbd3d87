"""What f does on one side of a point, read from its values at falling steps: tends to a limit, to a slope, or neither.

Nothing here knows of autograd: the answers rest on the values of f alone.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

Behaviour = Literal["slope", "vertical", "jump", "pole", "undefined", "cannot tell"]

# The coarsest octaves of steps may see curvature or a neighbouring piece of f; from this one down, one law must hold.
_FREE_OCTAVES = 8
_MIN_OCTAVES = 16
# Whatever the steps have not settled yet must at least halve over this many octaves.
_HALVING_OCTAVES = 4
_EXTRAPOLATION_ORDER = 5
# A derivative or limit counts as found when its error is at most this fraction of the size of what is measured; in
# float32, rounding leaves little more than two digits of many derivatives.
_RESOLUTION: Mapping[type, float] = {np.float32: 1e-2, np.float64: 1e-3}


@dataclass(frozen=True)
class Side:
    """What f does on one side of x.

    Attributes
    ----------
    behaviour
        `slope`: f tends to f(x) with a finite one-sided derivative; `vertical`: f tends to f(x) with quotients that
        grow without bound; `jump`: f tends to something else; `pole`: |f| grows without bound; `undefined`: f is not
        finite there, or has no value at x to compare with; `cannot tell`: the steps do not agree on any of these.
    continuous
        Whether f tends to f(x) from this side; None where the steps cannot tell.
    limit, limit_error
        What f tends to, and a bound on its error; None where unknown.
    derivative, derivative_error
        The one-sided derivative of f at x and a bound on its error; ±inf (error 0) for `vertical` and `jump`; None
        where unknown.
    steps, quotients
        The steps h > 0, falling, and the quotients (f(x ± h) - f(x)) / ±h.
    reason
        For `cannot tell`: why, and what to do; otherwise empty.
    """

    behaviour: Behaviour
    continuous: bool | None
    limit: float | None
    limit_error: float | None
    derivative: float | None
    derivative_error: float | None
    steps: tuple[float, ...]
    quotients: tuple[float, ...]
    reason: str

    @property
    def slope(self) -> tuple[float, float] | None:
        """The one-sided derivative and the bound on its error, where they are known."""
        if self.derivative is None or self.derivative_error is None:
            return None
        return self.derivative, self.derivative_error


def choose_steps(x: float, scale: float, number: type, spacing: float) -> np.ndarray:
    """Return steps that fall by halves from the largest power of two within `scale`.

    Parameters
    ----------
    x, scale
        The point and the largest step; finite, the step above 0.
    number
        np.float32 or np.float64, the type of the evaluation.
    spacing
        No step is smaller; nor is any smaller than the spacing of the numbers at x, or than scale · eps.

    Returns
    -------
    ndarray of float64, shape (octaves + 1,)
        Powers of two, because x ± h is then exact wherever h is no smaller than the spacing of the numbers at x.
    """
    largest = math.ldexp(1.0, math.frexp(scale)[1] - 1)
    smallest = max(spacing, float(np.spacing(number(abs(x)))), largest * float(np.finfo(number).eps))
    octaves = max(0, math.frexp(largest)[1] - math.frexp(smallest)[1])
    return largest * 0.5 ** np.arange(octaves + 1)


def examine_side(
    evaluate: Callable[[float], float],
    x: float,
    value: float,
    steps: np.ndarray,
    side: int,
    *,
    number: type,
    magnitude: float,
    spacing: float,
) -> Side:
    """Decide what f does to the left (side = -1) or right (side = 1) of x.

    Parameters
    ----------
    evaluate
        Returns f at a float64 that is a number of the type.
    x, value
        The point and f(x).
    steps
        As `choose_steps` returns them.
    side
        -1 or 1.
    number, magnitude, spacing
        np.float32 or np.float64; the largest intermediate result of f; the spacing of the arguments of f.
    """
    between = _choose_steps_between(steps, spacing)
    h, values = _sample(evaluate, x, side, steps, number)
    h_between, values_between = _sample(evaluate, x, side, between, number)
    quotients = (values - value) / (side * h)
    unclear = Side("cannot tell", None, None, None, None, None, tuple(h.tolist()), tuple(quotients.tolist()), "")
    if len(steps) <= _MIN_OCTAVES:
        few = f"only {len(steps)} steps lie between the scale and the spacing of the numbers at x: enlarge the scale"
        return replace(unclear, reason=few)
    remedy = "pass a scale below any other structure of f, the magnitude of its intermediate results, or float64"
    no_law = f"follow no single law between the steps {h[0]:.3g} and {h[-1]:.3g}: {remedy}"

    falling = np.insert(values, np.arange(1, len(values)), values_between)
    settled = falling[2 * _FREE_OCTAVES :]
    finite = np.isfinite(settled)
    if not finite.any():
        return replace(unclear, behaviour="undefined", continuous=False)
    if not finite.all():
        grows_over = 6 < finite.argmin() == finite.sum() and (np.diff(np.abs(settled[finite])) >= 0).all()
        if grows_over and np.isinf(settled[~finite]).all():
            return replace(unclear, behaviour="pole", continuous=False)
        return replace(unclear, reason="f is not finite at some of the steps: pass a smaller scale")
    broken = np.flatnonzero(~np.isfinite(falling))
    first = broken[-1] // 2 + 1 if len(broken) else 0
    h, values, quotients = h[first:], values[first:], quotients[first:]
    h_between, values_between = h_between[first:], values_between[first:]
    free = _FREE_OCTAVES - first

    eps = float(np.finfo(number).eps)
    at_x = abs(value) if math.isfinite(value) else 0.0
    places = [float(number(x + side * step)) for step in steps[[3, 5]]]
    rounding = 8 * _measure_noise(evaluate, places, side, number, spacing)
    least = max(at_x, magnitude)
    noise = np.maximum(4 * eps * np.maximum(np.abs(values), least), rounding)  # of one evaluation
    noise_between = np.maximum(4 * eps * np.maximum(np.abs(values_between), least), rounding)

    power = _fit_power_law(values, noise, values_between, noise_between, free)
    if power is not None:
        exponent, limit, limit_error = power
        if exponent < 0:
            return replace(unclear, behaviour="pole", continuous=False)
    else:
        found = _extrapolate(h, values, noise, values_between, noise_between, free)
        if found is None:
            return replace(unclear, reason=f"the values {no_law}")
        limit, limit_error = found
    largest = max(np.abs(values).max(), at_x)
    if limit_error > _RESOLUTION[number] * largest:
        return replace(unclear, reason=f"the values tend to {with_error(limit, limit_error)}, no better: {remedy}")
    known = replace(unclear, limit=float(limit), limit_error=float(limit_error))
    if not math.isfinite(value):
        return replace(known, behaviour="undefined", continuous=False)

    noise_at_x = max(4 * eps * least, rounding)
    if abs(limit - value) > limit_error + noise_at_x:
        infinite = math.copysign(math.inf, (limit - value) * side)
        return replace(known, behaviour="jump", continuous=False, derivative=infinite, derivative_error=0.0)
    known = replace(known, continuous=True)
    if power is not None:
        infinite = math.copysign(math.inf, (values[free] - limit) * side)
        return replace(known, behaviour="vertical", derivative=infinite, derivative_error=0.0)

    quotients_between = (values_between - value) / (side * h_between)
    noise, noise_between = (noise + noise_at_x) / h, (noise_between + noise_at_x) / h_between
    found = _extrapolate(h, quotients, noise, quotients_between, noise_between, free)
    if found is None:
        return replace(known, reason=f"the quotients {no_law}")
    slope, slope_error = found
    # A derivative shows against the mean slope over the largest step. An f that never changes is taken for a constant.
    variation = max(np.abs(values - value).max(), np.abs(values_between - value).max()) / h[0]
    if variation > 0 and slope_error > _RESOLUTION[number] * max(abs(slope), variation):
        return replace(known, reason=f"the quotients tend to {with_error(slope, slope_error)}, no better: {remedy}")
    return replace(known, behaviour="slope", derivative=float(slope), derivative_error=float(slope_error))


def with_error(value: float | None, error: float | None) -> str:
    """Return `value ± error` in words for people: six digits, and one of the error."""
    if value is None or error is None:
        return "unknown"
    if not math.isfinite(value):
        return "infinite"
    return f"{value:.6g}" if error == 0 else f"{value:.6g} ± {error:.1g}"


def _choose_steps_between(steps: np.ndarray, spacing: float) -> np.ndarray:
    """Return a step between each two neighbours, shape (octaves,), at a place that differs from octave to octave.

    An f that repeats itself from octave to octave, such as x·(2 + sin(2π·log2|x|)), looks straight at the powers of
    two. Multiples of the golden ratio, taken modulo 1, leave no period unseen.
    """
    golden = (math.sqrt(5) - 1) / 2
    between: np.ndarray = steps[:-1] * 0.5 ** (golden * np.arange(1, len(steps)) % 1)
    if spacing >= steps[-1] * 2.0**-52:
        # On a line through a far point only multiples of the spacing are steps that are taken exactly.
        between = np.maximum(np.round(between / spacing), 1) * spacing
    return between


def _sample(
    evaluate: Callable[[float], float], x: float, side: int, steps: np.ndarray, number: type
) -> tuple[np.ndarray, np.ndarray]:
    """Return the steps as taken, after rounding of x ± h, and the values of f there."""
    positions = np.array([float(number(x + side * step)) for step in steps])
    return np.abs(positions - x), np.array([evaluate(position) for position in positions])


def _measure_noise(
    evaluate: Callable[[float], float], positions: Sequence[float], side: int, number: type, spacing: float
) -> float:
    """Return the rounding error of f at `positions`, measured as the third differences between neighbouring numbers.

    Over eight neighbouring floating-point numbers a smooth f is straight, so its third differences are rounding errors,
    at most 1 + 3 + 3 + 1 = 8 times the largest one. (The idea is that of Moré and Wild's ECnoise, 2011.)
    """
    largest = 0.0
    for position in positions:
        apart = max(spacing, float(np.spacing(number(abs(position)))))
        values = np.array([evaluate(float(number(position + side * j * apart))) for j in range(8)])
        if np.isfinite(values).all():
            largest = max(largest, float(np.abs(np.diff(values, n=3)).max()) / 8)
    return largest


def _extrapolate(
    h: np.ndarray,
    sequence: np.ndarray,
    noise: np.ndarray,
    sequence_between: np.ndarray,
    noise_between: np.ndarray,
    free: int,
) -> tuple[float, float] | None:
    """Return the limit of `sequence` as h falls to 0 with a bound on its error, or None where the steps disagree.

    Neville's scheme gives many candidates, each with an error: its distances from its neighbours in the scheme,
    enlarged, plus the noise that reaches it. The best of those that all the steps confirm is taken: the coarser ones
    within a truncation error that keeps falling, the finer ones, extrapolated alike, within the error itself, and the
    steps between them too. So neither a chance agreement nor structure at another scale passes for convergence.
    """
    k = np.arange(len(h))
    apart = k[:, None] - k[None, :]
    decay = np.where(apart >= _HALVING_OCTAVES, 0.5 ** np.maximum(apart // _HALVING_OCTAVES, 0), 0.0)
    rows, row_noises, candidates = [sequence], [noise], []
    for order in range(_EXTRAPOLATION_ORDER + 1):
        row, row_noise = rows[order], row_noises[order]
        # A residual that only halves in four octaves is 1 / (2^(1/4) - 1) = 5.3 times its last change. The changes
        # before the last count too, since an oscillating f agrees with itself now and then.
        change = np.abs(np.diff(row))
        change = 6 * np.maximum.reduce([change[2:], change[1:-1] / 2, change[:-2] / 4])
        if order:
            change = np.maximum(change, 2 * np.abs(row - rows[order - 1][1:])[3:])
        candidates += [(float(error), order, i) for i, error in enumerate(change + row_noise[3:], start=3)]
        weight = h[order + 1 :] / (h[: -order - 1] - h[order + 1 :])
        rows.append(row[1:] + (row[1:] - row[:-1]) * weight)
        row_noises.append(row_noise[1:] * (1 + weight) + row_noise[:-1] * weight)

    for error, order, i in sorted(candidates):
        row, row_noise = rows[order], row_noises[order]
        limit = float(row[i]) + 0.0  # not -0.0
        if (np.abs(row - limit) > error + row_noise)[i:].any():
            continue
        residual = np.abs(sequence - limit)
        truncation = (decay * residual[None, :]).max(axis=1)
        if not (residual <= error + noise + truncation)[free:].all():
            continue
        residual_between = np.abs(sequence_between - limit)
        truncation = (decay[1:, 1:] * np.maximum(residual[:-1], residual_between)[None, :]).max(axis=1)
        if (residual_between <= error + noise_between + truncation)[free:].all():
            return limit, error
    return None


def _fit_power_law(
    values: np.ndarray, noise: np.ndarray, values_between: np.ndarray, noise_between: np.ndarray, free: int
) -> tuple[float, float, float] | None:
    """Return (p, L, error of L) if the values follow L + c·h^p with p < 0 or 0 < p < 1, and None otherwise.

    The ratio of successive differences is 2^p whatever L is, so that a pole, a vertical tangent and a jump into one are
    found alike. The values between two steps must lie between theirs. A logarithm (p = 0) is left undecided: too slow
    to be told from a bounded function.
    """
    differences = (values[:-1] - values[1:])[free:]
    clear = np.abs(differences) > 256 * (noise[:-1] + noise[1:])[free:]
    count = len(clear) if clear.all() else int(np.argmin(clear))
    if count < 9 or clear[count:].any():
        return None
    ratios = differences[: count - 1] / differences[1:count]
    if (ratios <= 0).any():
        return None
    exponents = np.log2(ratios)
    p = exponents[-1]
    if np.ptp(exponents[-8:]) > 0.03 or np.abs(exponents - p).max() > 0.25 or abs(p) < 0.05 or p > 0.95:
        return None
    slack = noise[:-1] + noise[1:] + noise_between
    above = values_between - np.maximum(values[:-1], values[1:])
    below = np.minimum(values[:-1], values[1:]) - values_between
    if (np.maximum(above, below) > slack)[free:].any():
        return None
    if p < 0:
        return float(p), math.nan, math.inf
    finer = values[free + 1 : free + count]
    limits = finer - differences[: count - 1] / (ratios - 1)
    amplified = noise[free:].max() * (1 + 4 / (2**p - 1) ** 2)
    error = 4 * np.abs(np.diff(limits[-4:])).max() + amplified
    return float(p), float(limits[-1]), float(error)
