"""Rebuilds the random states of the published notebooks, so that any cell starts exactly where its notebook stood."""

from collections.abc import Sequence

import numpy as np

from gradlab.studies.regularization import twolayer

CIFAR10_SEED = 65465168


def two_layer_stream() -> np.random.RandomState:
    """Return the random stream with which every run of the CIFAR-10 notebook begins."""
    return np.random.RandomState(CIFAR10_SEED)


def row_order(n: int, epochs: Sequence[int]) -> np.ndarray:
    """Return the order in which earlier runs left a training set that they shuffle in place.

    Every run restarts the stream, draws its weights, then permutes the rows once an epoch, starting from the order that
    the run before it left.

    Parameters
    ----------
    n
        Rows of the training set.
    epochs
        The number of epochs of each earlier run, in the order of the runs.

    Returns
    -------
    ndarray of int64, shape (n,)
        Row i of the shuffled training set is row `order[i]` of the original one.
    """
    order = np.arange(n)
    for run in epochs:
        rng = two_layer_stream()
        twolayer.init_parameters(rng=rng)
        for _ in range(run):
            order = order[rng.permutation(n)]
    return order
