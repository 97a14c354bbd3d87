"""Is the number that autograd returns a derivative? Autograd beside one-sided difference quotients over many steps.

Autograd differentiates the operations that ran, not the function that they compute: a branch taken at a single point
changes the result while the function stays the same (F 1). The diagnosis here knows f by its values alone, so that it
can contradict autograd.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from gradlab.studies.autodiff.quotients import Side, choose_steps, examine_side, with_error

ScalarFunction = Callable[[Tensor], Tensor | float]
Kind = Literal["differentiable", "kink", "vertical", "jump", "removable", "pole", "undefined", "cannot tell"]


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
    spacing: float | None = None,
) -> Diagnosis:
    """Compare autograd's value at `x` with the one-sided difference quotients of `f`.

    The steps are scale, scale/2, scale/4, … down to the spacing of the floating-point numbers at x. On each side the
    limit of f, and then that of the quotients, is extrapolated (Neville's scheme) and accepted only if every step from
    scale/256 down, and one more between each two, agrees with it within the rounding error and a truncation error that
    keeps falling. Where f follows no single law over these steps the answer is "cannot tell"; the remedy is a `scale`
    below the other structure of f.

    Parameters
    ----------
    f
        Takes a tensor of shape () and returns a tensor of shape () or a number, the same one each time. Where it has a
        method `limit_steps`, as a line made by `gradlab.studies.autodiff.directions.along` does, this gives scale and spacing.
    x
        The point; finite.
    scale
        The largest step, in units of x; it is rounded down to a power of two. By default |x| / 8, but at
        most 1 (or 2^20 times the spacing of the numbers at x, where that is more); 1 at x = 0.
    dtype
        float32 or float64; by default that of `x` if it is a tensor, float64 otherwise.
    magnitude
        The largest intermediate result of f, where it is known to exceed |f|: (1e8 + x) - 1e8 needs 1e8.
    spacing
        The spacing of the numbers at which f is evaluated, where it is coarser than that at x: t ↦ sin(1e6 + t) has
        that of the numbers at 1e6. By default 0, for none.

    Returns
    -------
    Diagnosis
        Structure closer to x than the smallest step, max(spacing at x, scale · eps), or smaller than the rounding error
        of f, about 4 · eps · |f|, cannot be seen. A jump, or a difference of one-sided derivatives, within the stated
        errors counts as none. An f whose every change is lost to
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
    suited = min(abs(at) / 8, max(1.0, 2.0**20 * float(np.spacing(number(abs(at)))))) or 1.0, 0.0
    if hasattr(f, "limit_steps"):
        suited = f.limit_steps(point)
    scale, spacing = (given if given is not None else fit for given, fit in zip((scale, spacing), suited, strict=True))
    if not (scale > 0 and math.isfinite(scale)):
        raise ValueError(f"scale = {scale} is not a step: pass a positive, finite number")
    if not (spacing >= 0 and math.isfinite(spacing)):
        raise ValueError(f"spacing = {spacing} is not a distance between numbers: pass 0 or a positive, finite number")

    def evaluate(position: float) -> float:
        with torch.no_grad():
            return _as_float(f(torch.tensor(position, dtype=point.dtype))) + 0.0  # not -0.0

    value = evaluate(at)
    autograd = differentiate(f, point)
    with np.errstate(all="ignore"):
        steps = choose_steps(at, scale, number, spacing)
        left, right = (
            examine_side(evaluate, at, value, steps, side, number=number, magnitude=magnitude, spacing=spacing)
            for side in (-1, 1)
        )
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
        One row a point, as `tabulate_diagnoses` gives them.
    """
    return tabulate_diagnoses(
        diagnose_derivative(f, point, scale=scale, dtype=dtype, magnitude=magnitude) for point in points
    )


def tabulate_diagnoses(diagnoses: Iterable[Diagnosis]) -> pd.DataFrame:
    """Return diagnoses as a table.

    Returns
    -------
    DataFrame
        One row a diagnosis: `x`, `value`, `kind`, the truth values (None for "cannot tell"), `jump`, `derivative` with
        its error, `left` and `right` (one-sided derivatives) with theirs, `autograd`, `autograd_is_derivative`,
        `reason`. An unknown number is NaN.
    """
    columns = [
        *("x", "value", "kind", "continuous", "left_continuous", "right_continuous", "differentiable", "jump"),
        *("derivative", "derivative_error", "left", "left_error", "right", "right_error"),
        *("autograd", "autograd_is_derivative", "reason"),
    ]
    truths = ("continuous", "left_continuous", "right_continuous", "differentiable", "autograd_is_derivative")
    rows = []
    for found in diagnoses:
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
        limit = with_error(side.limit, side.limit_error)
        slope = with_error(side.derivative, side.derivative_error)
        if side.behaviour in ("pole", "undefined"):
            parts.append(f"{'a pole' if side.behaviour == 'pole' else 'not defined'} on the {name}")
        else:
            parts.append(f"{name} limit {limit}, {name} derivative {slope}")
    if d.kind == "jump":
        closed = "left-continuous" if d.left_continuous else "right-continuous" if d.right_continuous else None
        parts.append(f"a jump of {with_error(d.jump, d.jump_error)}, {closed or 'continuous from neither side'}")
    elif d.kind == "differentiable":
        parts.append(f"differentiable, with derivative {with_error(d.derivative, d.derivative_error)}")
    else:
        parts.append(f"verdict: {d.kind}" + (f" ({d.reason})" if d.reason else ""))
    is_derivative = {True: "the derivative", False: "not the derivative", None: "cannot tell whether the derivative"}
    parts.append(f"autograd returns {d.autograd:.6g}: {is_derivative[d.autograd_is_derivative]}")
    return "; ".join(parts) + "."


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


def _conclude(x: float, value: float, left: Side, right: Side, autograd: float, eps: float) -> Diagnosis:
    """Combine the two sides and autograd's value."""
    sides = (left, right)
    behaviours = {left.behaviour, right.behaviour}
    continuous = _all_true(left.continuous, right.continuous)

    jump = jump_error = None
    if (
        left.limit is not None
        and right.limit is not None
        and left.limit_error is not None
        and right.limit_error is not None
    ):
        jump, jump_error = right.limit - left.limit, left.limit_error + right.limit_error
        if continuous or abs(jump) <= jump_error:
            jump = 0.0

    slopes = [side.slope for side in sides if side.slope is not None]
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
    elif abs(slopes[1][0] - slopes[0][0]) > slopes[0][1] + slopes[1][1]:
        kind, differentiable = "kink", False
    else:
        kind, differentiable = "differentiable", True
        derivative, derivative_error = min(slopes, key=lambda slope: slope[1])

    is_derivative = differentiable
    if derivative is not None and derivative_error is not None:
        is_derivative = _agrees(autograd, derivative, derivative_error, sides, eps)
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
    # Autograd rounds as well, and by more than one part in eps where the terms of its sums cancel.
    if not abs(autograd - derivative) <= error + 256 * eps * max(abs(derivative), abs(autograd)):
        return False
    changes = any(quotient != 0 for side in sides for quotient in side.quotients)
    return True if changes or autograd == 0 else None


def _all_true(*truths: bool | None) -> bool | None:
    """Return the conjunction, with None for unknown."""
    if False in truths:
        return False
    return None if None in truths else True
