"""The plain way to train one seed's network: torch.nn modules, autograd, one minibatch after the other."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from gradlab.studies.batch_size.mlp import Parameters


def build_network(parameters: Parameters, seed: int) -> nn.Sequential:
    """Return network number `seed` of the stack as torch.nn modules, in the parameters' dtype."""
    pixels, hidden = parameters.W1.shape[1:]
    network = nn.Sequential(nn.Linear(pixels, hidden), nn.ReLU(), nn.Linear(hidden, parameters.W2.shape[2]))
    network = network.to(parameters.W1.dtype)
    with torch.no_grad():
        network[0].weight.copy_(parameters.W1[seed].T)
        network[0].bias.copy_(parameters.b1[seed, 0])
        network[2].weight.copy_(parameters.W2[seed].T)
        network[2].bias.copy_(parameters.b2[seed, 0])
    return network


def evaluate(network: nn.Module, x: Tensor, y: Tensor) -> tuple[float, float]:
    """Return mean cross-entropy and accuracy."""
    with torch.no_grad():
        logits = network(x)
        loss = functional.cross_entropy(logits, y).item()
        return loss, (logits.argmax(dim=1) == y).to(torch.float64).mean().item()


def train_pass(network: nn.Module, x: Tensor, y: Tensor, *, order: np.ndarray, learning_rate: float) -> list[float]:
    """Take one step for each minibatch of `order`, shape (updates, B); return each one's loss before its step."""
    optimiser = torch.optim.SGD(network.parameters(), lr=learning_rate)
    losses = []
    for chosen in order:
        optimiser.zero_grad()
        loss = functional.cross_entropy(network(x[chosen]), y[chosen])
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def train(
    network: nn.Module,
    train_set: tuple[Tensor, Tensor],
    test_set: tuple[Tensor, Tensor],
    *,
    batch_size: int,
    learning_rate: float,
    passes: int,
    rng: np.random.Generator,
) -> list[tuple[float, float, float, float]]:
    """Return train loss, train accuracy, test loss and test accuracy before the first pass and after each."""
    x, y = train_set
    curves = [(*evaluate(network, x, y), *evaluate(network, *test_set))]
    for _ in range(passes):
        order = rng.integers(len(x), size=(round(len(x) / batch_size), batch_size))
        train_pass(network, x, y, order=order, learning_rate=learning_rate)
        curves.append((*evaluate(network, x, y), *evaluate(network, *test_set)))
    return curves
