"""How the divergent learning rate η* goes with the batch size B: the law 1/η* = a + b/B (Ma, Bassily and Belkin, 2018).

By it η* grows in proportion to B while B is far below b/a, and then no further than 1/a.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Law:
    """1/η* = a + b/B."""

    a: float
    b: float

    def predict(self, batch_size: np.ndarray | float) -> np.ndarray | float:
        """Return η* at one batch size, or at several."""
        return 1 / (self.a + self.b / batch_size)


def fit_law(batch_sizes: Sequence[int] | pd.Series, rates: Sequence[float] | pd.Series) -> Law:
    """Fit the law by least squares of the relative errors η·(a + b/B) − 1, so that each batch size counts the same.

    Raises
    ------
    ValueError
        If there are fewer than two batch sizes, or a rate is not positive and finite.
    """
    if len(set(batch_sizes)) < 2:
        raise ValueError(
            f"the law has two numbers; expected two batch sizes or more to fit it to, got {list(batch_sizes)}"
        )
    η = np.asarray(rates, dtype=np.float64)
    if not (np.isfinite(η) & (η > 0)).all():
        raise ValueError(f"the rates are {list(rates)}; expected positive, finite numbers")
    terms = np.stack([η, η / np.asarray(batch_sizes)], axis=1)  # (sizes, 2)
    (a, b), *_ = np.linalg.lstsq(terms, np.ones(len(η)))
    return Law(float(a), float(b))


def tabulate_brackets(searches: Mapping[int, Mapping[str, Any]], seeds: Sequence[int]) -> pd.DataFrame:
    """Return the brackets that searches found: batch_size, seed, stable, divergent, and found, the geometric middle of both.

    Parameters
    ----------
    searches
        Metrics of the search at each batch size.
    seeds
        In the order of the metrics that are lists.
    """
    rows = [
        (size, seed, stable, divergent, float(np.sqrt(stable * divergent)))
        for size, metrics in searches.items()
        for seed, stable, divergent in zip(
            seeds,
            metrics[f"{size}.largest_stable_learning_rate"],
            metrics[f"{size}.divergent_learning_rate"],
            strict=True,
        )
    ]
    return pd.DataFrame(rows, columns=["batch_size", "seed", "stable", "divergent", "found"])


def fit_seeds(brackets: pd.DataFrame, fitted: Collection[int]) -> dict[int, Law]:
    """Fit the law under each seed to the rates found at the batch sizes `fitted`."""
    chosen = brackets[brackets["batch_size"].isin(fitted)]
    by_seed: Iterable[tuple[Any, pd.DataFrame]] = chosen.groupby("seed", sort=False)
    return {int(seed): fit_law(rows["batch_size"], rows["found"]) for seed, rows in by_seed}


def add_predictions(brackets: pd.DataFrame, laws: Mapping[int, Law]) -> pd.DataFrame:
    """Return the brackets with the column `predicted`, what the law of the row's seed says of its batch size."""
    places = zip(brackets["batch_size"], brackets["seed"], strict=True)
    predicted = [float(laws[seed].predict(size)) for size, seed in places]
    return brackets.assign(predicted=predicted)


def measure_law(
    table: pd.DataFrame, laws: Mapping[int, Law], fitted: Collection[int]
) -> dict[str, float | list[float]]:
    """Return the metrics, lists in the order of the seeds; `misfit` is the largest relative error where the law was fitted."""
    metrics: dict[str, float | list[float]] = {
        "law.a": [law.a for law in laws.values()],
        "law.b": [law.b for law in laws.values()],
    }
    errors = (table["predicted"] / table["found"] - 1).abs()
    metrics["law.misfit"] = float(errors[table["batch_size"].isin(fitted)].max())
    for size, rows in table.groupby("batch_size"):
        for column in ("found", "predicted"):
            metrics[f"law.{size}.{column}"] = rows[column].tolist()
    return metrics
