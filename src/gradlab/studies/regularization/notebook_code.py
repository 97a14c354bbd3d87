"""What the notebook's code does where it departs from its text, written out plainly (C).

Nothing is corrected and nothing is fast: images are columns, labels are one-hot columns, the data are rearranged in memory.
"""

from collections.abc import Callable, Iterator

import numpy as np

from gradlab.studies.regularization.twolayer import IMAGE_SHAPE, Parameters


def forward(parameters: Parameters, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return hidden units, shape (hidden, n), and softmax outputs, shape (classes, n), of images of shape (inputs, n)."""
    W1, b1, W2, b2 = parameters
    H = np.maximum(0, W1 @ X + b1[:, None])
    return H, softmax(W2 @ H + b2[:, None])


def softmax(S: np.ndarray) -> np.ndarray:
    """Return exp(s) / Σ exp(s), over the classes of each column."""
    probabilities: np.ndarray = np.exp(S) / np.exp(S).sum(axis=0)
    return probabilities


def sigmoid(S: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(−s)), which the notebook defines and does not use."""
    outputs: np.ndarray = 1 / (1 + np.exp(-S))
    return outputs


def binary_cross_entropies(P: np.ndarray, Y: np.ndarray) -> float:
    """Return −Σ y·log p + (1 − y)·log(1 − p), over classes and images."""
    return float(-(Y * np.log(P) + (1 - Y) * np.log(1 - P)).sum())


def cost(parameters: Parameters, X: np.ndarray, Y: np.ndarray, *, lmbda: float, loss: str, mean: bool = False) -> float:
    """Return the cost as it is written, at the softmax outputs whichever the loss.

    Parameters
    ----------
    parameters, X, Y, lmbda
        The network, images and one-hot labels of shapes (inputs, n) and (classes, n), and the weight of the penalty.
    loss
        "cross_entropy", a sum divided by the number of images; or "binary_cross_entropy", a sum divided by the number of
        classes.
    mean
        Whether the sum of the binary cross-entropies is divided by the number of images instead: one fault less.
    """
    _, P = forward(parameters, X)
    classes, images = Y.shape
    if loss == "cross_entropy":
        data: float = float(-np.log((Y * P).sum(axis=0)).sum()) / images
    else:
        data = binary_cross_entropies(P, Y) / (images if mean else classes)
    return data + lmbda * float((parameters.W1**2).sum() + (parameters.W2**2).sum())


def gradients(parameters: Parameters, X: np.ndarray, Y: np.ndarray, *, lmbda: float) -> Parameters:
    """Return the backward pass as it is written: that of the softmax and its cross-entropy, whichever the loss."""
    W1, _, W2, _ = parameters
    H, P = forward(parameters, X)
    images = X.shape[1]
    G = P - Y
    hidden_G = (W2.T @ G) * (H > 0)
    return Parameters(
        W1=hidden_G @ X.T / images + 2 * lmbda * W1,
        b1=hidden_G.sum(axis=1) / images,
        W2=G @ H.T / images + 2 * lmbda * W2,
        b2=G.sum(axis=1) / images,
    )


def check_backward(
    slopes: Parameters,
    measure: Callable[[Parameters], float],
    parameters: Parameters,
    *,
    step: float,
    entries: int = 500,
) -> float:
    """Return the relative error ‖a − n‖ / (‖a‖ + ‖n‖) of slopes a against centred differences n of a cost.

    Parameters
    ----------
    slopes
        What is checked.
    measure
        The cost of given parameters.
    parameters
        Where the differences are taken; not changed.
    step
        Half the distance between the two costs of a difference.
    entries
        Of each array so many entries are taken, evenly spaced, or all where it has fewer.
    """
    analytic, numerical = [], []
    moved = [array.copy() for array in parameters]
    for array, slope in zip(moved, slopes, strict=True):
        for entry in np.unique(np.linspace(0, array.size - 1, entries).astype(int)):
            value, costs = array.flat[entry], []
            for move in (step, -step):
                array.flat[entry] = value + move
                costs.append(measure(Parameters(*moved)))
            array.flat[entry] = value
            numerical.append((costs[0] - costs[1]) / (2 * step))
            analytic.append(slope.flat[entry])
    a, n = np.array(analytic), np.array(numerical)
    return float(np.linalg.norm(a - n) / (np.linalg.norm(a) + np.linalg.norm(n)))


def mirror(images: np.ndarray) -> np.ndarray:
    """Return images, columns of 3,072 values, mirrored left to right."""
    return images.reshape(*IMAGE_SHAPE, -1)[:, :, ::-1].reshape(images.shape)


def flip_epochs(
    X: np.ndarray, *, epochs: int, batch_size: int, probability: float, rng: np.random.Generator, copy: bool
) -> Iterator[tuple[float, float]]:
    """Flip the batches of a training set, epoch after epoch; yield which share is mirrored.

    Parameters
    ----------
    X
        Images as columns, none of which is its own mirror image; not changed. An epoch shuffles a copy of them.
    epochs, batch_size, probability
        How often, in batches of how many, and with which probability an image is flipped.
    rng
        Draws the permutations and the flips.
    copy
        Whether a batch is a copy of its columns. In the notebook it is a slice of them, and a slice is a view: what is
        written into it is written into the training set.

    Yields
    ------
    seen, left : float
        The share of the images that the epoch trains on mirrored, and that of the training set that is mirrored after it.
    """
    original, n = X, X.shape[1]
    order = np.arange(n)
    for _ in range(epochs):
        shuffle = rng.permutation(n)
        order, X = order[shuffle], X[:, shuffle]
        seen = 0
        for start in range(0, n, batch_size):
            batch = X[:, start : start + batch_size]
            if copy:
                batch = batch.copy()
            flipped = rng.random(batch.shape[1]) < probability
            batch[:, flipped] = mirror(batch[:, flipped])
            seen += _count_mirrored(batch, original[:, order[start : start + batch_size]])
        yield seen / n, _count_mirrored(X, original[:, order]) / n


def _count_mirrored(images: np.ndarray, originals: np.ndarray) -> int:
    return int((images == mirror(originals)).all(axis=0).sum())
