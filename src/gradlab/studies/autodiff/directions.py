"""Derivatives of a function of many numbers, one straight line at a time.

On a line through x the function depends on one number, and what autograd says along it is the chain rule's: the
gradient times the direction. A function with a derivative along every line need not be differentiable; lines can refute
a gradient, not prove one.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from gradlab.studies.autodiff.diagnosis import diagnose_derivative, tabulate_diagnoses

Point = Tensor | Sequence[Any]  # nested sequences of numbers, of any depth
TensorFunction = Callable[[Tensor], Tensor | float]


@dataclass(frozen=True)
class GradientDiagnosis:
    """What lines through x say about the gradient of f at x.

    Attributes
    ----------
    coordinates
        As `diagnose_coordinates` returns it.
    directions
        The same columns for the other lines, with `direction`, the direction flattened to a tuple, in the place of
        `coordinate`; `x` is 0, where the line meets x.
    differentiable
        False where a line refutes it: f has no derivative along it, or one that is not the sum of the coordinates'
        derivatives, each times its part of the direction. None otherwise: lines cannot prove it.
    remark
        Which line refutes it and how; or that none does, or which ones leave it open.
    """

    coordinates: pd.DataFrame
    directions: pd.DataFrame
    differentiable: bool | None
    remark: str


@dataclass(frozen=True)
class Line:
    """The function t ↦ f(start + t·direction) of one number; `along` makes it.

    Attributes
    ----------
    f
        Takes a tensor of the shape of `start` and returns one number.
    start, direction
        Tensors of the same shape, in floating point.
    """

    f: TensorFunction
    start: Tensor
    direction: Tensor

    def __call__(self, t: Tensor) -> Tensor | float:
        start = self.start.to(t.dtype)
        return self.f(torch.where(self.direction != 0, start + t * self.direction.to(t.dtype), start))

    def limit_steps(self, t: Tensor) -> tuple[float, float]:
        """Return the largest step that suits t, and the smallest that all moving coordinates can take.

        With the largest, no moving coordinate that is not 0 changes by more than an eighth of itself, as long as that
        leaves enough steps, and t by no more than 1. The smallest is the spacing of the coordinates' numbers.
        """
        moves = self.direction != 0
        number = np.float32 if t.dtype == torch.float32 else np.float64
        at = (self.start.to(t.dtype) + t * self.direction.to(t.dtype))[moves].abs().double().numpy()
        if not np.isfinite(at).all():
            raise ValueError("a coordinate that moves along the direction is not finite: pass a point that is")
        parts = self.direction[moves].abs().double().numpy()
        spacing = float((np.spacing(at.astype(number)).astype(float) / parts).max())
        enough = 2.0**20 * spacing
        away = at != 0
        eighth = float((at[away] / parts[away]).min()) / 8 if away.any() else 1.0
        # The spacing as a power of two, as the steps are. At 0 it is as good as none, and rounds to 0.
        even = math.ldexp(1.0, math.frexp(spacing)[1] - 1) if spacing > 0 else 0.0
        return min(max(1.0, enough), max(eighth, enough)), even


def along(f: TensorFunction, x: Point, direction: Point) -> Line:
    """Return the function t ↦ f(x + t·direction) of one number.

    Parameters
    ----------
    f
        Takes a tensor of the shape of `x` and returns one number.
    x
        The point; any shape. It is evaluated in the type of t.
    direction
        Shape of `x`; finite, not 0 everywhere, and not normalised: derivatives are per unit of it. The parts of x that
        it leaves alone stay out of the graph, so that a NaN in their gradient does not reach that of t.

    Returns
    -------
    Line
        For `diagnose_derivative`, which takes from it the steps that the numbers along the line allow: at 0, where the
        line meets x, or elsewhere.

    Raises
    ------
    ValueError
        If `direction` has another shape than `x`, is not finite or is 0 everywhere.
    """
    start, way = _as_tensor(x), _as_tensor(direction)
    if start.shape != way.shape:
        raise ValueError(
            f"the direction has shape {tuple(way.shape)} and x {tuple(start.shape)}: a direction has a part for each "
            "coordinate of x"
        )
    if not torch.isfinite(way).all() or not way.any():
        raise ValueError(f"{way.tolist()} is not a direction: pass finite numbers, not all 0")
    return Line(f, start, way)


def diagnose_coordinates(
    f: TensorFunction,
    x: Point,
    *,
    scale: float | None = None,
    dtype: torch.dtype | None = None,
    magnitude: float = 0.0,
) -> pd.DataFrame:
    """Diagnose the partial derivative of `f` at `x` in each coordinate.

    Parameters
    ----------
    f, x
        As for `along`.
    scale, magnitude
        As for `diagnose_derivative`.
    dtype
        float32 or float64; by default that of `x` if it is a tensor of floating-point numbers, float64 otherwise.

    Returns
    -------
    DataFrame
        One row for each element of `x` in row-major order: `coordinate`, its index as a tuple, and the columns of
        `diagnose_sweep`, with `x` the coordinate's value. A derivative in every coordinate does not make f
        differentiable: see `diagnose_gradient`.
    """
    start = _as_tensor(x)
    n = start.numel()
    units = torch.eye(n, dtype=start.dtype).reshape(n, *start.shape)  # a unit of the shape of x for each coordinate
    table = _diagnose_lines(f, start, units, scale=scale, dtype=dtype, magnitude=magnitude)
    table["x"] = start.flatten().to(dtype or start.dtype).double().numpy()
    table.insert(0, "coordinate", pd.Series(list(np.ndindex(*start.shape)), index=table.index, dtype=object))
    return table


def diagnose_gradient(
    f: TensorFunction,
    x: Point,
    *,
    directions: Sequence[Point] | None = None,
    scale: float | None = None,
    dtype: torch.dtype | None = None,
    magnitude: float = 0.0,
) -> GradientDiagnosis:
    """Look for a line through `x` on which `f` contradicts that it is differentiable there.

    Parameters
    ----------
    f, x, scale, dtype, magnitude
        As for `diagnose_coordinates`.
    directions
        Lines beside the coordinates', each of the shape of `x`; by default the diagonals (1, 1, 1, …) and
        (1, -1, 1, …), and none where x has a single element.

    Returns
    -------
    GradientDiagnosis
        ‖x‖ at 0 has a kink along every line; x₀²·x₁ / ‖x‖² there has a derivative along every line, but they do not add
        up. Either is found, and named in the remark.
    """
    start = _as_tensor(x)
    settings: dict[str, Any] = {"scale": scale, "dtype": dtype, "magnitude": magnitude}
    if directions is None:
        signs = torch.where(torch.arange(start.numel()) % 2 == 0, 1.0, -1.0).to(start.dtype).reshape(start.shape)
        directions = [torch.ones_like(start), signs] if start.numel() > 1 else []
    coordinates = diagnose_coordinates(f, start, **settings)
    others = _diagnose_lines(f, start, directions, **settings)
    labels = [tuple(_as_tensor(direction).flatten().tolist()) for direction in directions]
    others.insert(0, "direction", pd.Series(labels, index=others.index, dtype=object))
    differentiable, remark = _judge_lines(coordinates, others)
    return GradientDiagnosis(coordinates, others, differentiable, remark)


def _diagnose_lines(
    f: TensorFunction,
    x: Tensor,
    directions: Iterable[Point],
    *,
    dtype: torch.dtype | None,
    **settings: Any,
) -> pd.DataFrame:
    origin = torch.zeros((), dtype=dtype or x.dtype)
    lines = [along(f, x, direction) for direction in directions]
    return tabulate_diagnoses(diagnose_derivative(line, origin, **settings) for line in lines)


def _judge_lines(coordinates: pd.DataFrame, directions: pd.DataFrame) -> tuple[bool | None, str]:
    """Return whether the lines refute a gradient (False) or not (None), and why."""
    lines: list[tuple[str, Any]] = [(f"coordinate {row.coordinate}", row) for row in coordinates.itertuples()]
    lines += [(f"the direction {row.direction}", row) for row in directions.itertuples()]
    for name, row in lines:
        if row.differentiable is False:
            return False, f"not differentiable: f has no derivative along {name} ({row.kind})"
    if coordinates["differentiable"].eq(True).all():
        partial, error = coordinates["derivative"].to_numpy(), coordinates["derivative_error"].to_numpy()
        for name, row in lines[len(coordinates) :]:
            way = np.array(row.direction)
            total, tolerance = float(way @ partial), float(np.abs(way) @ error + row.derivative_error)
            if row.differentiable and abs(row.derivative - total) > tolerance:
                return False, (
                    f"not differentiable: the derivative along {name} is {row.derivative:.6g}, where those along the "
                    f"coordinates add up to {total:.6g}"
                )
    unclear = [name for name, row in lines if row.differentiable is None]
    if unclear:
        return None, f"cannot tell along {', '.join(unclear)}"
    return None, "no line contradicts a gradient; lines alone cannot prove one"


def _as_tensor(x: Point) -> Tensor:
    """Return a copy of x apart from any graph, in floating point."""
    tensor = x.detach().clone() if isinstance(x, Tensor) else torch.tensor(x, dtype=torch.float64)
    return tensor if tensor.is_floating_point() else tensor.double()
