"""The search for λ: its grids, and what the order of the rows does to it (C)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class OrderEffect:
    """What the order of the rows before the first shuffle changes in a search for λ.

    Attributes
    ----------
    differences : ndarray, shape (points,)
        Accuracy from the data's own order minus accuracy from the order that earlier runs left.
    largest_absolute, mean_absolute
        Of the differences after the first run, which has no run before it; 0 where there are none.
    best_from_left_order, best_from_data_order
        The place of the best λ in the grid by either.
    """

    differences: np.ndarray
    largest_absolute: float
    mean_absolute: float
    best_from_left_order: int
    best_from_data_order: int


def lambda_grid(points: int, exponents: tuple[float, float] = (-5.0, -1.0)) -> np.ndarray:
    """Return λ = 10^((high − low)·u + low) for `points` values u, evenly spaced from 0 to 1 (C: 10^(4u − 5)).

    Parameters
    ----------
    points
        Length of the grid.
    exponents
        `low` and `high`, the exponents of its ends.
    """
    low, high = exponents
    # The published digits follow from this order of operations: u itself is rounded before it is scaled. The powers are
    # taken one by one, because NumPy's power of an array rounds differently from processor to processor.
    return np.array([10.0 ** float((high - low) * u + low) for u in np.linspace(0, 1, points)])


def refined_grid(grid: Sequence[float], best: int, points: int) -> np.ndarray:
    """Return `points` evenly spaced values from the left to the right neighbour of `grid[best]`, in ascending order.

    At an end of the grid, which has one neighbour only, the end itself stands in for the missing one.
    """
    if not 0 <= best < len(grid):
        raise ValueError(f"best is {best}; expected an index of the grid, from 0 to {len(grid) - 1}")
    return np.linspace(grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)], points)


def best_index(accuracies: Sequence[float | None]) -> int:
    """Return the index of the highest validation accuracy, the first one where several are equal.

    Raises
    ------
    ValueError
        If there is no accuracy, or one is missing (None or NaN).
    """
    values = np.array(accuracies, dtype=float)  # None becomes NaN
    if not len(values) or np.isnan(values).any():
        raise ValueError(f"every run needs a validation accuracy to choose from; got {list(accuracies)}")
    return int(values.argmax())


def find_metric(metrics: Mapping[str, Any], name: str) -> Any:
    """Return the metric `<cell>.<name>` of a cell's metrics, whatever the cell is called.

    Raises
    ------
    KeyError
        If the metrics hold none, or more than one.
    """
    found = [identifier for identifier in metrics if identifier.rpartition(".")[2] == name]
    if len(found) != 1:
        raise KeyError(f"expected one metric <cell>.{name}, found {found or 'none'} among {sorted(metrics)}")
    return metrics[found[0]]


def compare_orders(left_order: Sequence[float], data_order: Sequence[float]) -> OrderEffect:
    """Compare the same runs of a grid, once from the orders that earlier runs left, once from the data's own order.

    Parameters
    ----------
    left_order
        The validation accuracy of each run that begins with the order of rows that the runs before it left.
    data_order
        The accuracy of the same run, begun with the data's own order.

    Raises
    ------
    ValueError
        If the first accuracies differ. No run comes before the first one, so that it is the same run in both: another
        accuracy means that more than the order differs.
    """
    differences = np.subtract(data_order, left_order, dtype=float)
    if differences[0] != 0:
        raise ValueError(
            f"the first run has the accuracy {left_order[0]} with the runs before it and {data_order[0]} without; there "
            "are none before it, so the two have to be equal: use the same data, settings and kind of machine for both"
        )
    later = np.abs(differences[1:])
    return OrderEffect(
        differences=differences,
        largest_absolute=float(later.max(initial=0)),
        mean_absolute=float(later.mean()) if len(later) else 0.0,
        best_from_left_order=best_index(left_order),
        best_from_data_order=best_index(data_order),
    )
