"""Stochastic gradient descent with replacement, and evaluation in one pass over the data (F §2).

A network is a function `network(parameters, images)` that returns logits of shape (N, classes).
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

Network = Callable[[list[Tensor], Tensor], Tensor]

# Fits the processor's cache; 64 to 250 images are equally fast, all 10,000 at once take three times as long.
CHUNK = 200


@dataclass(frozen=True)
class Settings:
    """How a network is trained.

    Attributes
    ----------
    batch_size
        Images in one update.
    learning_rate
        Step along the negative gradient of the batch's mean loss.
    max_passes
        Passes over the data after which training ends, if it has not reached full training accuracy before.
    """

    batch_size: int
    learning_rate: float
    max_passes: int

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"batch_size is {self.batch_size}, but an update needs at least one image")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise ValueError(f"learning_rate is {self.learning_rate}, but needs to be positive and finite")
        if self.max_passes < 0:
            raise ValueError(f"max_passes is {self.max_passes}, but needs to be 0 or more")

    def updates_per_pass(self, n: int) -> int:
        """Return the number of updates that count as one pass over `n` images: n / batch_size, rounded."""
        return round(n / self.batch_size)


@dataclass(frozen=True)
class LabelledImages:
    """Images, float32 of shape (N, height, width), and their labels, int64 of shape (N,)."""

    images: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        if len(self.images) != len(self.labels):
            raise ValueError(f"{len(self.images)} images have {len(self.labels)} labels; each needs one")

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Evaluation:
    """Mean cross-entropy (nats) and the share of images that are classified correctly."""

    loss: float
    accuracy: float


@dataclass(frozen=True)
class PassResult:
    """The evaluations after one pass (or before the first): of the training and, where they were used, of the test images."""

    train: Evaluation
    test: Evaluation | None = None

    @property
    def diverged(self) -> bool:
        """Whether the training loss is no longer finite."""
        return not math.isfinite(self.train.loss)


@dataclass(frozen=True)
class Run:
    """One training run.

    Attributes
    ----------
    results
        One entry for each pass; the first is the evaluation before the first pass.
    parameters
        Those after the last pass.
    """

    results: tuple[PassResult, ...]
    parameters: list[Tensor]

    @property
    def passes(self) -> int:
        """Passes that were run."""
        return len(self.results) - 1

    @property
    def final(self) -> PassResult:
        """The evaluations after the last pass."""
        return self.results[-1]

    @property
    def reached_full_training_accuracy(self) -> bool:
        """Whether every training image is classified correctly at the end: not rounded, exactly all."""
        return self.final.train.accuracy == 1

    @property
    def diverged(self) -> bool:
        """Whether the run ended because its training loss was no longer finite."""
        return self.final.diverged

    def curves(self) -> pd.DataFrame:
        """Return all evaluations in tidy form: columns pass, split, metric and value."""
        rows = [
            (number, split, metric, getattr(getattr(result, split), metric))
            for number, result in enumerate(self.results)
            for split in ("train", "test")
            if getattr(result, split) is not None
            for metric in ("loss", "accuracy")
        ]
        return pd.DataFrame(rows, columns=["pass", "split", "metric", "value"])


def evaluate(network: Network, parameters: list[Tensor], data: LabelledImages) -> Evaluation:
    """Return mean loss and accuracy over `data`, both from one forward pass in chunks."""
    loss = torch.zeros((), dtype=torch.float64, device=data.labels.device)
    correct = torch.zeros((), dtype=torch.int64, device=data.labels.device)
    with torch.inference_mode():
        for images, labels in zip(data.images.split(CHUNK), data.labels.split(CHUNK), strict=True):
            logits = network(parameters, images)
            loss += F.cross_entropy(logits, labels, reduction="sum")
            correct += (logits.argmax(dim=1) == labels).sum()
    return Evaluation(loss=loss.item() / len(data), accuracy=correct.item() / len(data))


def predict(network: Network, parameters: list[Tensor], images: Tensor) -> Tensor:
    """Return the labels with the largest logits, int64 of shape (N,)."""
    with torch.inference_mode():
        return torch.cat([network(parameters, chunk).argmax(dim=1) for chunk in images.split(CHUNK)])


def draw_indices(n: int, settings: Settings, *, rng: np.random.RandomState) -> Tensor:
    """Draw the images of one pass, with replacement.

    The numbers are those of `rng.choice(n, size=batch_size)` called once for each update, and leave the stream in the
    same state.

    Returns
    -------
    Tensor
        int64 of shape (updates, batch_size), values in [0, n).
    """
    return torch.from_numpy(rng.choice(n, size=(settings.updates_per_pass(n), settings.batch_size)))


def gather_batches(data: LabelledImages, indices: Tensor) -> Iterable[tuple[Tensor, Tensor]]:
    """Return the batches of one pass: images (batch, height, width) and labels (batch,) for each row of `indices`."""
    # (updates, batch) -> (updates, batch, height, width): one copy for the whole pass instead of one for each update.
    return zip(data.images[indices], data.labels[indices], strict=True)


def descend(
    network: Network, parameters: list[Tensor], batches: Iterable[tuple[Tensor, Tensor]], learning_rate: float
) -> None:
    """Change `parameters` in place by one step along the negative gradient of the mean loss for each batch."""
    for images, labels in batches:
        loss = F.cross_entropy(network(parameters, images), labels)
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            torch._foreach_add_(parameters, gradients, alpha=-learning_rate)


def train(
    network: Network,
    parameters: list[Tensor],
    settings: Settings,
    *,
    draw_pass: Callable[[], Iterable[tuple[Tensor, Tensor]]],
    evaluate_pass: Callable[[list[Tensor]], PassResult],
) -> Run:
    """Train until the training accuracy is exactly 1, the training loss is no longer finite, or the passes are used up.

    Parameters
    ----------
    network
        The network.
    parameters
        Its initial parameters, which stay as they are.
    settings
        Learning rate and largest number of passes.
    draw_pass
        Called before each pass; returns its batches of images and labels, however these are drawn and augmented.
    evaluate_pass
        Called with the parameters before the first pass and after each one.
    """
    parameters = [parameter.detach().clone().requires_grad_() for parameter in parameters]
    results = [evaluate_pass(parameters)]
    # Whatever the accuracy is before the first pass, the first pass is run.
    while len(results) <= settings.max_passes and not results[-1].diverged:
        descend(network, parameters, draw_pass(), settings.learning_rate)
        results.append(evaluate_pass(parameters))
        if results[-1].train.accuracy == 1:
            break
    return Run(tuple(results), [parameter.detach() for parameter in parameters])
