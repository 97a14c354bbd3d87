"""The choice of one λ from the validation accuracies of several seeds, and which others cannot be told from it (C).

Apart from `search`, because `scipy.stats` takes about a second to import.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import dunnett

from gradlab.studies.regularization.search import best_index, find_metric

# Accuracies are shares of at most some 10⁵ images: means that differ by less than this differ by rounding only.
_DECIMALS = 12
_DUNNETT_SEED = 0


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


@dataclass(frozen=True)
class ComparisonWithBest:
    """Every λ of a grid held against the chosen one, all in one procedure.

    Attributes
    ----------
    sd
        Standard deviation over the seeds, pooled over the grid; None where there is one seed.
    p_values
        For each λ the probability of a mean as far or farther below the best one's, were they equal: adjusted for all λ
        together. None for the chosen λ itself, and for all where nothing can be told.
    not_told_apart
        The other λ whose p-value is above 0.05, or which have none, in the order of the grid.
    """

    sd: float | None
    p_values: tuple[float | None, ...]
    not_told_apart: tuple[float, ...]


def compare_with_best(choice: Choice, *, level: float = 0.95) -> ComparisonWithBest:
    """Say which λ have a lower mean validation accuracy than the chosen one, by Dunnett's one-sided test.

    All λ share one variance, and the error rate is that of all comparisons together. As every λ has as many seeds, the
    answers are those of Hsu's comparison with the best, which allows for the best being chosen by the same accuracies. That
    a seed's runs have their initial weights and order in common is not used.

    Parameters
    ----------
    choice
        The accuracies and the chosen λ. One seed, or accuracies that do not vary at all from seed to seed, tell nothing
        apart.
    level
        1 less the probability of telling any λ from the best that is as good.
    """
    seeds, points = choice.accuracies.shape
    others = [place for place in range(points) if place != choice.best]
    variance = float(choice.accuracies.var(axis=0, ddof=1).mean()) if seeds > 1 else 0.0
    p_values: list[float | None] = [None] * points
    if others and variance > 10.0 ** (-2 * _DECIMALS):
        arms = choice.accuracies.T  # (points, seeds)
        # The p-values are integrals from random points: fixed ones, so that the same accuracies give the same digits.
        found = dunnett(
            *arms[others], control=arms[choice.best], alternative="less", rng=np.random.default_rng(_DUNNETT_SEED)
        )
        for place, p_value in zip(others, found.pvalue, strict=True):
            p_values[place] = float(p_value)
    return ComparisonWithBest(
        sd=float(np.sqrt(variance)) if seeds > 1 else None,
        p_values=tuple(p_values),
        not_told_apart=tuple(
            float(choice.lambdas[place])
            for place in others
            if (found_p := p_values[place]) is None or found_p > 1 - level
        ),
    )
