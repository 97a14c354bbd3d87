"""The search for λ: grids, the runs of a grid, and the choice of one λ from their validation accuracies (C)."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradlab.studies.regularization import twolayer

# Accuracies are shares of at most some 10⁵ images: means that differ by less than this differ by rounding only.
_DECIMALS = 12


@dataclass(frozen=True)
class Choice:
    """The λ chosen from searches of one grid under several seeds.

    Attributes
    ----------
    seeds
        The number of each seed.
    lambdas : ndarray, shape (points,)
        The grid.
    accuracies : ndarray, shape (seeds, points)
        Validation accuracies.
    means : ndarray, shape (points,)
        Their means over the seeds.
    best
        The place of the highest mean in the grid.
    best_of_each_seed
        The place of the highest accuracy of each seed alone.
    """

    seeds: tuple[int, ...]
    lambdas: np.ndarray
    accuracies: np.ndarray
    means: np.ndarray
    best: int
    best_of_each_seed: tuple[int, ...]


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


def train_grid(
    parameters: twolayer.Parameters,
    training: twolayer.Split,
    validation: twolayer.Split,
    *,
    settings: Sequence[twolayer.Settings],
    order: np.ndarray,
    rng: twolayer.Stream,
) -> list[twolayer.Run]:
    """Train one run after the other, all from the same start, so that they differ in their settings only.

    Parameters
    ----------
    parameters, training, validation, order
        As for `twolayer.train`; every run begins with these parameters and this order.
    settings
        The settings of each run, such as one for each λ of a grid; without flips.
    rng
        The stream of the permutations. Every run draws from a copy of it as it stands here, and so sees the images in
        the same order as the others; the stream itself is not moved.

    Returns
    -------
    list of Run
        In the order of `settings`.
    """
    return [
        twolayer.train(parameters, training, validation, settings=one, order=order, rng=copy.deepcopy(rng))
        for one in settings
    ]


def choose_lambda(seeds: Sequence[int], found: Sequence[Mapping[str, Any]]) -> Choice:
    """Choose the λ with the highest mean validation accuracy over the seeds, the first one where several are equal.

    Parameters
    ----------
    seeds
        The number of each seed.
    found
        The metrics of each seed's search, in the same order: `<cell>.lambdas` and `<cell>.validation_accuracies`.

    Raises
    ------
    ValueError
        If there is not one search for each seed, a seed is given twice, the grids differ, or an accuracy is missing.
    """
    if len(seeds) != len(found) or len(set(seeds)) != len(seeds) or not len(seeds):
        raise ValueError(f"got {len(found)} searches for the seeds {list(seeds)}; give one search for each seed")
    grids = [list(find_metric(metrics, "lambdas")) for metrics in found]
    accuracies = [list(find_metric(metrics, "validation_accuracies")) for metrics in found]
    for seed, grid, row in zip(seeds, grids, accuracies, strict=True):
        if grid != grids[0]:
            raise ValueError(
                f"seed {seed} searched the grid {grid}, but seed {seeds[0]} searched {grids[0]}; "
                "only searches of one grid can be compared: run them with the same lambdas"
            )
        if len(row) != len(grid):
            raise ValueError(
                f"seed {seed} has {len(row)} validation accuracies for {len(grid)} λ; run its search again"
            )
    best_of_each_seed = tuple(best_index(row) for row in accuracies)
    table = np.array(accuracies, dtype=float)  # (seeds, points)
    means = table.mean(axis=0)
    return Choice(
        seeds=tuple(seeds),
        lambdas=np.array(grids[0], dtype=float),
        accuracies=table,
        means=means,
        best=best_index(means.round(_DECIMALS)),
        best_of_each_seed=best_of_each_seed,
    )


def not_told_apart(choice: Choice, directions: Sequence[int | None]) -> list[float]:
    """Return the other λ that the seeds do not tell apart from the chosen one, in the order of the grid.

    Parameters
    ----------
    choice
        The chosen λ among its grid.
    directions
        For each λ of the grid the side of 0 on which the interval of its mean paired difference to the chosen one lies:
        1 or -1, 0 where the interval holds 0, None where the seeds give no interval. The entry of the chosen λ itself
        is not looked at.

    Returns
    -------
    list of float
        Every other λ whose interval holds 0, and every one without an interval: nothing tells it apart.
    """
    return [
        float(lmbda)
        for place, (lmbda, direction) in enumerate(zip(choice.lambdas, directions, strict=True))
        if place != choice.best and not direction
    ]


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
