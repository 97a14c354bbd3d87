"""A multilayer perceptron with ReLU and one linear output, its hinge loss with an L2 penalty, and the gradient of that loss.

Formulas and random numbers are those of micrograd's demo (https://github.com/karpathy/micrograd, `nn.py` and `demo.ipynb`).
So is the order of every sum on the way to the loss, which decides the last digit.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np


@dataclass(frozen=True)
class Network:
    """The parameters of a perceptron, or the gradient with respect to them.

    Attributes
    ----------
    weights
        Of each layer, shape (outputs, inputs).
    biases
        Of each layer, shape (outputs,).
    """

    weights: Sequence[np.ndarray]
    biases: Sequence[np.ndarray]

    @property
    def parameters(self) -> np.ndarray:
        """All parameters in the demo's order: unit after unit, its weights, then its bias."""
        layers = zip(self.weights, self.biases, strict=True)
        return np.concatenate([np.column_stack([W, b]).ravel() for W, b in layers])

    def move(self, direction: "Network", distance: float) -> "Network":
        """Return the network with parameters θ + distance · direction."""
        return Network(
            [W + distance * dW for W, dW in zip(self.weights, direction.weights, strict=True)],
            [b + distance * db for b, db in zip(self.biases, direction.biases, strict=True)],
        )


def draw_network(sizes: Sequence[int], generator: random.Random | np.random.Generator) -> Network:
    """Draw weights from the uniform distribution on [−1, 1), one after the other in the demo's order; biases are 0.

    Parameters
    ----------
    sizes
        Number of inputs, units of each hidden layer, and 1, for the output.
    generator
        Gives the weights; a `random.Random` gives those of the demo.
    """
    layers = list(pairwise(sizes))
    weights = [
        np.array([[generator.uniform(-1.0, 1.0) for _ in range(inputs)] for _ in range(outputs)])
        for inputs, outputs in layers
    ]
    return Network(weights, [np.zeros(outputs) for _, outputs in layers])


def score(network: Network, X: np.ndarray) -> np.ndarray:
    """Return the output of each point, shape (n,); its sign is the predicted label."""
    return _activations(network, X)[-1][:, 0]


def measure_accuracy(scores: np.ndarray, y: np.ndarray) -> float:
    """Return the share of points whose label is predicted, in percent; an output of 0 counts as −1."""
    return 100 * int(((scores > 0) == (y > 0)).sum()) / len(y)


def measure_loss(network: Network, scores: np.ndarray, y: np.ndarray, penalty: float) -> float:
    """Return the mean hinge loss, (1/n) Σ max(0, 1 − yᵢ sᵢ), plus `penalty` times the sum of squares of all parameters.

    Parameters
    ----------
    network
        Whose parameters are penalised, biases included.
    scores
        Its outputs sᵢ, shape (n,).
    y
        Labels −1 and 1, shape (n,).
    penalty
        Weight of the sum of squares, ≥ 0.
    """
    hinge = np.maximum(1 - y * scores, 0.0)
    return float(_sum_in_order(hinge) * (1 / len(y)) + penalty * _sum_in_order(network.parameters**2))


def differentiate(network: Network, X: np.ndarray, y: np.ndarray, penalty: float) -> tuple[float, np.ndarray, Network]:
    """Return the loss, the outputs, and the gradient of the loss with respect to all parameters.

    At their kinks, ReLU and hinge have the derivative 0, as in the demo.

    Parameters
    ----------
    network
        At whose parameters the gradient is taken.
    X
        Coordinates, shape (n, 2).
    y
        Labels −1 and 1, shape (n,).
    penalty
        Weight of the sum of squares of all parameters.
    """
    activations = _activations(network, X)
    scores = activations[-1][:, 0]
    # With the layers h₀ = X, hₗ = max(0, zₗ), zₗ = hₗ₋₁ Wₗᵀ + bₗ, and dz the derivative of the hinge loss with respect to zₗ:
    dz = np.where(y * scores < 1, -y, 0.0)[:, None] / len(y)  # (n, 1)
    dW: list[np.ndarray] = []
    db: list[np.ndarray] = []
    for W, b, h in zip(network.weights[::-1], network.biases[::-1], activations[-2::-1], strict=True):
        dW.insert(0, dz.T @ h + 2 * penalty * W)
        db.insert(0, dz.sum(axis=0) + 2 * penalty * b)
        dz = dz @ W * (h > 0)  # (n, inputs); of no use where h is X
    return measure_loss(network, scores, y, penalty), scores, Network(dW, db)


def _activations(network: Network, X: np.ndarray) -> list[np.ndarray]:
    """Return X, the output of every hidden layer, and that of the network, each of shape (n, units)."""
    h = [X]
    for W, b in zip(network.weights, network.biases, strict=True):
        # b + w₁x₁ + w₂x₂ + …, in this order: a matrix product would add in one that depends on the machine.
        z = np.broadcast_to(b, (len(X), len(b)))
        for column in range(W.shape[1]):
            z = z + h[-1][:, column, None] * W[:, column]
        h.append(np.maximum(z, 0.0))
    h[-1] = z  # the output is linear
    return h


def _sum_in_order(terms: np.ndarray) -> float:
    """Return the sum from the first term to the last; `np.sum` adds in pairs."""
    total: float = np.cumsum(terms)[-1]
    return total
