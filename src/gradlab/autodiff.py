"""Is the number that autograd returns a derivative? Autograd beside one-sided difference quotients over many steps.

Autograd differentiates the operations that ran, not the function that they compute: a branch taken at a single point
changes the result while the function stays the same (F 1). The diagnosis here knows f by its values alone, so that it
can contradict autograd.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor

ScalarFunction = Callable[[Tensor], Tensor | float]
Kind = Literal["differentiable", "kink", "vertical", "jump", "removable", "pole", "undefined", "cannot tell"]
Behaviour = Literal["slope", "vertical", "jump", "pole", "undefined", "cannot tell"]

# The coarsest octaves of steps may see curvature or a neighbouring piece of f; from this one down, one law must hold.
_FREE_OCTAVES = 8
_MIN_OCTAVES = 16
# Whatever the steps have not settled yet must at least halve over this many octaves.
_HALVING_OCTAVES = 4
_EXTRAPOLATION_ORDER = 5
# A derivative or limit counts as found when its error is at most this fraction of the size of what is measured; in
# float32, rounding leaves little more than two digits of many derivatives.
_RESOLUTION = {np.float32: 1e-2, np.float64: 1e-3}


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


@dataclass(frozen=True)
class Diagnosis:
    """What difference quotients say about f at x, beside what autograd says. A truth value is None for "cannot tell".

    Attributes
    ----------
    x, value
        The point and f(x).
    kind
        `differentiable`; `kink` (continuous, the one-sided derivatives differ); `vertical` (continuous, a one-sided
        derivative is infinite); `jump` (the one-sided limits differ); `removable` (they agree, but not with f(x));
        `pole`; `undefined` (f is not finite at x or beside it); `cannot tell`.
    continuous, left_continuous, right_continuous, differentiable
        Truth values. They can be known where `kind` is not: a jump on one side settles both questions.
    jump, jump_error
        Right limit less left limit, and a bound on its error; 0 where f is continuous or the discontinuity removable;
        None where a limit is unknown.
    derivative, derivative_error
        The derivative and a bound on its error; None unless f is differentiable at x.
    left, right
        The two sides.
    autograd
        The value that autograd returns at x.
    autograd_is_derivative
        Whether that is the derivative: False also where f has none.
    reason
        Why the diagnosis cannot tell, and what to do; empty where it can.
    """

    x: float
    value: float
    kind: Kind
    continuous: bool | None
    left_continuous: bool | None
    right_continuous: bool | None
    differentiable: bool | None
    jump: float | None
    jump_error: float | None
    derivative: float | None
    derivative_error: float | None
    left: Side
    right: Side
    autograd: float
    autograd_is_derivative: bool | None
    reason: str


def differentiate(f: ScalarFunction, x: float | Tensor, *, dtype: torch.dtype | None = None) -> float:
    """Return the derivative of `f` at `x` as autograd computes it.

    Parameters
    ----------
    f
        Takes a tensor of shape () and returns a tensor of shape () or a number.
    x
        The point.
    dtype
        Floating-point type of the evaluation; by default that of `x` if it is a tensor, float64 otherwise.

    Returns
    -------
    float
        0 where the result does not depend on x through the graph: a comparison such as x >= 0 leaves no trace there.

    Raises
    ------
    ValueError
        If `f` returns more than one number.
    """
    point = _as_point(x, dtype).requires_grad_()
    with torch.enable_grad():
        result = f(point)
        if not isinstance(result, Tensor) or not result.requires_grad:
            _as_float(result)
            return 0.0
        _as_float(result)
        (gradient,) = torch.autograd.grad(result.reshape(()), point, allow_unused=True)
    return 0.0 if gradient is None else gradient.item()


def diagnose_derivative(
    f: ScalarFunction,
    x: float | Tensor,
    *,
    scale: float | None = None,
    dtype: torch.dtype | None = None,
    magnitude: float = 0.0,
) -> Diagnosis:
    """Compare autograd's value at `x` with the one-sided difference quotients of `f`.

    The steps are scale, scale/2, scale/4, … down to the spacing of the floating-point numbers at x. On each side the
    limit of f, and then that of the quotients, is extrapolated (Neville's scheme) and accepted only if every step from
    scale/256 down agrees with it within the rounding error and a truncation error that keeps falling. Where f follows
    no single law over these steps the answer is "cannot tell"; the remedy is a `scale` below the other structure of f.

    Parameters
    ----------
    f
        Takes a tensor of shape () and returns a tensor of shape () or a number, the same one each time.
    x
        The point; finite.
    scale
        The largest step, in units of x; it is rounded down to a power of two. By default |x| / 8, but at
        most 1 (or 2^20 times the spacing of the numbers at x, where that is more); 1 at x = 0.
    dtype
        float32 or float64; by default that of `x` if it is a tensor, float64 otherwise.
    magnitude
        The largest intermediate result of f, where it is known to exceed |f|: (1e8 + x) - 1e8 needs 1e8.

    Returns
    -------
    Diagnosis
        Structure closer to x than the smallest step, max(spacing at x, scale · eps), cannot be seen. A jump, or a
        difference of one-sided derivatives, within the stated errors counts as none. An f whose every change is lost to
        rounding looks constant: that is what `magnitude` is for.

    Raises
    ------
    ValueError
        If x is not finite, the scale is not positive and finite, the type is neither float32 nor float64, or `f`
        returns more than one number.
    """
    point = _as_point(x, dtype)
    at = point.item()
    if point.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"a diagnosis needs float32 or float64; got {point.dtype}: pass dtype=torch.float64")
    if not math.isfinite(at):
        raise ValueError(f"x = {at} has no neighbours on both sides: pass a finite x")
    number = np.float32 if point.dtype == torch.float32 else np.float64
    if scale is None:
        spacing = float(np.spacing(number(abs(at))))
        scale = min(abs(at) / 8, max(1.0, 2.0**20 * spacing)) or 1.0
    if not (scale > 0 and math.isfinite(scale)):
        raise ValueError(f"scale = {scale} is not a step: pass a positive, finite number")

    def evaluate(position: float) -> float:
        with torch.no_grad():
            return _as_float(f(torch.tensor(position, dtype=point.dtype))) + 0.0  # not -0.0

    value = evaluate(at)
    autograd = differentiate(f, point)
    with np.errstate(all="ignore"):
        steps = _choose_steps(at, scale, number)
        left, right = (_examine_side(evaluate, at, value, steps, side, number, magnitude) for side in (-1, 1))
    eps = float(np.finfo(number).eps)
    return _conclude(at, value, left, right, autograd, eps)


def diagnose_sweep(
    f: ScalarFunction,
    points: Iterable[float | Tensor],
    *,
    scale: float | None = None,
    dtype: torch.dtype | None = None,
    magnitude: float = 0.0,
) -> pd.DataFrame:
    """Diagnose `f` at each of `points`; the parameters are those of `diagnose_derivative`.

    Returns
    -------
    DataFrame
        One row a point: `x`, `value`, `kind`, the truth values (None for "cannot tell"), `jump`, `derivative` with its
        error, `left` and `right` (one-sided derivatives) with theirs, `autograd`, `autograd_is_derivative`, `reason`.
    """
    columns = [
        *("x", "value", "kind", "continuous", "left_continuous", "right_continuous", "differentiable", "jump"),
        *("derivative", "derivative_error", "left", "left_error", "right", "right_error"),
        *("autograd", "autograd_is_derivative", "reason"),
    ]
    truths = ("continuous", "left_continuous", "right_continuous", "differentiable", "autograd_is_derivative")
    rows = []
    for point in points:
        found = diagnose_derivative(f, point, scale=scale, dtype=dtype, magnitude=magnitude)
        row = {column: getattr(found, column) for column in columns if hasattr(found, column)}
        row |= {"left": found.left.derivative, "left_error": found.left.derivative_error}
        row |= {"right": found.right.derivative, "right_error": found.right.derivative_error}
        rows.append(row)
    frame = pd.DataFrame(rows, columns=columns)
    numbers = [column for column in columns if column not in (*truths, "kind", "reason")]
    # Left as objects, None stays None: pandas would otherwise turn "cannot tell" into a truth value or a NaN.
    return frame.astype({**dict.fromkeys(numbers, float), **dict.fromkeys(truths, object)})


def describe(diagnosis: Diagnosis) -> str:
    """Return the diagnosis as one sentence, with the measured numbers and their errors."""
    d = diagnosis
    parts = [f"At x = {d.x:.6g} the value is {d.value:.6g}"]
    for name, side in (("left", d.left), ("right", d.right)):
        limit = "unknown" if side.limit is None else _with_error(side.limit, side.limit_error)
        slope = "unknown" if side.derivative is None else _with_error(side.derivative, side.derivative_error)
        if side.behaviour in ("pole", "undefined"):
            parts.append(f"{'a pole' if side.behaviour == 'pole' else 'not defined'} on the {name}")
        else:
            parts.append(f"{name} limit {limit}, {name} derivative {slope}")
    if d.kind == "jump":
        closed = "left-continuous" if d.left_continuous else "right-continuous" if d.right_continuous else None
        parts.append(f"a jump of {_with_error(d.jump, d.jump_error)}, {closed or 'continuous from neither side'}")
    elif d.kind == "differentiable":
        parts.append(f"differentiable, with derivative {_with_error(d.derivative, d.derivative_error)}")
    else:
        parts.append(f"verdict: {d.kind}" + (f" ({d.reason})" if d.reason else ""))
    is_derivative = {True: "the derivative", False: "not the derivative", None: "cannot tell whether the derivative"}
    parts.append(f"autograd returns {d.autograd:.6g}: {is_derivative[d.autograd_is_derivative]}")
    return "; ".join(parts) + "."


def _with_error(value: float, error: float) -> str:
    if not math.isfinite(value):
        return "infinite"
    return f"{value:.6g}" if error == 0 else f"{value:.6g} ± {error:.1g}"


def _as_point(x: float | Tensor, dtype: torch.dtype | None) -> Tensor:
    if isinstance(x, Tensor):
        if x.numel() != 1:
            raise ValueError(f"x has {x.numel()} elements; expected one number: call once for each point")
        return x.detach().reshape(()).to(dtype or x.dtype, copy=True)
    return torch.tensor(float(x), dtype=dtype or torch.float64)


def _as_float(result: Tensor | float) -> float:
    if isinstance(result, Tensor):
        if result.numel() != 1:
            raise ValueError(f"f returned {result.numel()} numbers; expected one: diagnose each component on its own")
        return result.item()
    return float(result)


def _choose_steps(x: float, scale: float, number: type) -> np.ndarray:
    """Return steps that fall by halves from the largest power of two within `scale`, shape (octaves + 1,), float64.

    Powers of two, because x ± h is then exact wherever h is no smaller than the spacing of the numbers at x.
    """
    largest = math.ldexp(1.0, math.frexp(scale)[1] - 1)
    spacing = float(np.spacing(number(abs(x))))
    smallest = max(spacing, largest * float(np.finfo(number).eps))
    octaves = max(0, math.frexp(largest)[1] - math.frexp(smallest)[1])
    return largest * 0.5 ** np.arange(octaves + 1)


def _examine_side(
    evaluate: Callable[[float], float],
    x: float,
    value: float,
    steps: np.ndarray,
    side: int,
    number: type,
    magnitude: float,
) -> Side:
    """Decide what f does to the left (side = -1) or right (side = 1) of x."""
    positions = np.array([float(number(x + side * step)) for step in steps])
    values = np.array([evaluate(position) for position in positions])
    h = np.abs(positions - x)  # the steps as taken, after rounding
    quotients = (values - value) / (side * h)
    unclear = Side("cannot tell", None, None, None, None, None, tuple(h.tolist()), tuple(quotients.tolist()), "")
    if len(steps) <= _MIN_OCTAVES:
        few = f"only {len(steps)} steps lie between the scale and the spacing of the numbers at x: enlarge the scale"
        return replace(unclear, reason=few)
    remedy = "pass a scale below any other structure of f, the magnitude of its intermediate results, or float64"
    no_law = f"follow no single law between the steps {h[0]:.3g} and {h[-1]:.3g}: {remedy}"

    settled = values[_FREE_OCTAVES:]
    finite = np.isfinite(settled)
    if not finite.any():
        return replace(unclear, behaviour="undefined", continuous=False)
    if not finite.all():
        grows_over = 3 < finite.argmin() == finite.sum() and (np.diff(np.abs(settled[finite])) > 0).all()
        if grows_over and np.isinf(settled[~finite]).all():
            return replace(unclear, behaviour="pole", continuous=False)
        return replace(unclear, reason="f is not finite at some of the steps: pass a smaller scale")
    broken = np.flatnonzero(~np.isfinite(values))
    first = broken[-1] + 1 if len(broken) else 0
    h, values, quotients = h[first:], values[first:], quotients[first:]
    free = _FREE_OCTAVES - first

    eps = float(np.finfo(number).eps)
    at_x = abs(value) if math.isfinite(value) else 0.0
    rounding = 8 * _measure_noise(evaluate, positions, number)
    size = np.maximum(np.abs(values), max(at_x, magnitude))
    noise = np.maximum(4 * eps * size, rounding)  # of one evaluation

    power = _fit_power_law(values, noise, free)
    if power is not None:
        exponent, limit, limit_error = power
        if exponent < 0:
            return replace(unclear, behaviour="pole", continuous=False)
    else:
        found = _extrapolate(h, values, noise, free)
        if found is None:
            return replace(unclear, reason=f"the values {no_law}")
        limit, limit_error = found
    largest = max(np.abs(values).max(), at_x)
    if limit_error > _RESOLUTION[number] * largest:
        return replace(unclear, reason=f"the values tend to {_with_error(limit, limit_error)}, no better: {remedy}")
    known = replace(unclear, limit=float(limit), limit_error=float(limit_error))
    if not math.isfinite(value):
        return replace(known, behaviour="undefined", continuous=False)

    noise_at_x = max(4 * eps * max(at_x, magnitude), rounding)
    if abs(limit - value) > limit_error + noise_at_x:
        infinite = math.copysign(math.inf, (limit - value) * side)
        return replace(known, behaviour="jump", continuous=False, derivative=infinite, derivative_error=0.0)
    known = replace(known, continuous=True)
    if power is not None:
        infinite = math.copysign(math.inf, (values[free] - limit) * side)
        return replace(known, behaviour="vertical", derivative=infinite, derivative_error=0.0)

    found = _extrapolate(h, quotients, (noise + noise_at_x) / h, free)
    if found is None:
        return replace(known, reason=f"the quotients {no_law}")
    slope, slope_error = found
    # A derivative shows against the mean slope over the largest step. An f that never changes is taken for a constant.
    variation = np.abs(values - value).max() / h[0]
    if variation > 0 and slope_error > _RESOLUTION[number] * max(abs(slope), variation):
        return replace(known, reason=f"the quotients tend to {_with_error(slope, slope_error)}, no better: {remedy}")
    return replace(known, behaviour="slope", derivative=float(slope), derivative_error=float(slope_error))


def _measure_noise(evaluate: Callable[[float], float], positions: np.ndarray, number: type) -> float:
    """Return the rounding error of f beside x, measured as the third differences between neighbouring numbers.

    Over eight neighbouring floating-point numbers a smooth f is straight, so its third differences are rounding errors,
    at most 1 + 3 + 3 + 1 = 8 times the largest one. (The idea is that of Moré and Wild's ECnoise, 2011.)
    """
    largest = 0.0
    for position in positions[[3, 5]]:
        spacing = float(np.spacing(number(abs(position))))
        values = np.array([evaluate(float(number(position + j * spacing))) for j in range(8)])
        if np.isfinite(values).all():
            largest = max(largest, float(np.abs(np.diff(values, n=3)).max()) / 8)
    return largest


def _extrapolate(h: np.ndarray, sequence: np.ndarray, noise: np.ndarray, free: int) -> tuple[float, float] | None:
    """Return the limit of `sequence` as h falls to 0 with a bound on its error, or None where the steps disagree.

    Neville's scheme gives many candidates, each with an error: its distances from its neighbours in the scheme,
    enlarged, plus the noise that reaches it. The best of those that all the steps confirm is taken: the coarser ones
    within a truncation error that keeps falling, the finer ones, extrapolated alike, within the error itself. So
    neither a chance agreement nor structure at another scale passes for convergence.
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
        if (residual <= error + noise + truncation)[free:].all():
            return limit, error
    return None


def _fit_power_law(values: np.ndarray, noise: np.ndarray, free: int) -> tuple[float, float, float] | None:
    """Return (p, L, error of L) if the values follow L + c·h^p with p < 0 or 0 < p < 1, and None otherwise.

    The ratio of successive differences is 2^p whatever L is, so that a pole, a vertical tangent and a jump into one are
    found alike. A logarithm (p = 0) is left undecided: too slow to be told from a bounded function.
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
    if p < 0:
        return float(p), math.nan, math.inf
    finer = values[free + 1 : free + count]
    limits = finer - differences[: count - 1] / (ratios - 1)
    amplified = noise[free:].max() * (1 + 4 / (2**p - 1) ** 2)
    error = 4 * np.abs(np.diff(limits[-4:])).max() + amplified
    return float(p), float(limits[-1]), float(error)


def _conclude(x: float, value: float, left: Side, right: Side, autograd: float, eps: float) -> Diagnosis:
    """Combine the two sides and autograd's value."""
    sides = (left, right)
    behaviours = {left.behaviour, right.behaviour}
    continuous = _all_true(left.continuous, right.continuous)

    jump = jump_error = None
    if continuous:
        jump, jump_error = 0.0, left.limit_error + right.limit_error
    elif left.limit is not None and right.limit is not None:
        jump, jump_error = right.limit - left.limit, left.limit_error + right.limit_error
        if abs(jump) <= jump_error:
            jump = 0.0

    derivative = derivative_error = None
    kind: Kind
    differentiable: bool | None
    if "pole" in behaviours:
        kind, differentiable = "pole", False
    elif not math.isfinite(value) or "undefined" in behaviours:
        kind, differentiable = "undefined", False
    elif "jump" in behaviours:
        kind = "cannot tell" if jump is None else "jump" if jump != 0 else "removable"
        differentiable = False
    elif "cannot tell" in behaviours:
        kind, differentiable = "cannot tell", False if "vertical" in behaviours else None
    elif "vertical" in behaviours:
        kind, differentiable = "vertical", False
    elif abs(right.derivative - left.derivative) > left.derivative_error + right.derivative_error:
        kind, differentiable = "kink", False
    else:
        kind, differentiable = "differentiable", True
        best = min(sides, key=lambda side: side.derivative_error)
        derivative, derivative_error = best.derivative, best.derivative_error

    if differentiable:
        is_derivative = _agrees(autograd, derivative, derivative_error, sides, eps)
    else:
        is_derivative = differentiable
    reason = ""
    if kind == "cannot tell":
        if left.reason == right.reason:
            reason = f"on both sides, {left.reason}"
        else:
            named = (("left", left), ("right", right))
            reason = "; ".join(f"on the {name}, {side.reason}" for name, side in named if side.reason)
    return Diagnosis(
        x=x,
        value=value,
        kind=kind,
        continuous=continuous,
        left_continuous=left.continuous,
        right_continuous=right.continuous,
        differentiable=differentiable,
        jump=jump,
        jump_error=jump_error,
        derivative=derivative,
        derivative_error=derivative_error,
        left=left,
        right=right,
        autograd=autograd,
        autograd_is_derivative=is_derivative,
        reason=reason,
    )


def _agrees(autograd: float, derivative: float, error: float, sides: tuple[Side, Side], eps: float) -> bool | None:
    """Say whether autograd's value is the derivative, or None where rounding hides the difference."""
    if not abs(autograd - derivative) <= error + 8 * eps * max(abs(derivative), abs(autograd)):
        return False
    changes = any(quotient != 0 for side in sides for quotient in side.quotients)
    return True if changes or autograd == 0 else None


def _all_true(*truths: bool | None) -> bool | None:
    """Return the conjunction, with None for unknown."""
    if False in truths:
        return False
    return None if None in truths else True
