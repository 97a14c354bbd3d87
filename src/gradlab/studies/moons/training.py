"""Gradient descent on all training points at once, and what is recorded of it."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from gradlab.studies.moons.network import Network, differentiate, measure_accuracy, measure_loss, score

Points = tuple[np.ndarray, np.ndarray]  # coordinates of shape (n, 2), and labels −1 and 1 of shape (n,)


def schedule_rates(steps: int, rates: Sequence[float]) -> list[float]:
    """Return the learning rate of each step: (k/steps) of the way from the greater of two rates to the smaller, at step k."""
    low, high = rates
    return [high - (high - low) * step / steps for step in range(steps)]


def train(
    network: Network, points: Points, *, steps: int, rates: Sequence[float], penalty: float
) -> Iterator[tuple[float, np.ndarray, Network]]:
    """Train a network; yield loss, outputs and network of each step, all of them before its update, and at the end after it.

    Parameters
    ----------
    network
        To begin with.
    points
        To train on.
    steps
        Updates; steps + 1 results are yielded.
    rates
        The smaller and the greater learning rate, see `schedule_rates`.
    penalty
        Weight of the sum of squares of all parameters.
    """
    for rate in schedule_rates(steps, rates):
        loss, scores, gradient = differentiate(network, *points, penalty)
        yield loss, scores, network
        network = network.move(gradient, -rate)
    scores = score(network, points[0])
    yield measure_loss(network, scores, points[1], penalty), scores, network


def trace(
    network: Network, points: Mapping[str, Points], *, steps: int, rates: Sequence[float], penalty: float
) -> tuple[Network, pd.DataFrame]:
    """Train a network on the points called `train`; return it, and its loss and accuracy on all points at every step.

    Parameters
    ----------
    network, steps, rates, penalty
        As in `train`.
    points
        Points by what they are called: `train`, and others that are only measured.

    Returns
    -------
    network
        After all updates.
    curves
        Columns `step`, `split`, `metric` (`loss`, or `accuracy` in percent) and `value`. A step is measured before its
        update; what stands under the step `steps` is measured after all of them. A training that diverges gives values
        that are infinite or NaN.
    """
    rows = []
    with np.errstate(over="ignore", invalid="ignore"):  # what diverges overflows
        run = train(network, points["train"], steps=steps, rates=rates, penalty=penalty)
        for step, (loss, scores, network) in enumerate(run):
            for split, (X, y) in points.items():
                if split != "train":
                    scores = score(network, X)
                    loss = measure_loss(network, scores, y, penalty)
                rows.append((step, split, "loss", loss))
                rows.append((step, split, "accuracy", measure_accuracy(scores, y)))
    return network, pd.DataFrame(rows, columns=["step", "split", "metric", "value"])


def name_metrics(curves: pd.DataFrame) -> dict[str, float]:
    """Return loss and accuracy on the training points before each update, as `step_<step>.<metric>`."""
    train = curves[(curves["split"] == "train") & (curves["step"] < curves["step"].max())]
    return {f"step_{row.step}.{row.metric}": row.value for row in train.itertuples()}
