"""The two-layer perceptron of the batch-size study (F §3, §4), trained under several seeds as one stack.

An update of this network with one image costs far more in calls than in arithmetic. So S networks, one for each seed,
are held as one stack, every operation acts on all of them, and the gradients are written out. The networks share
nothing: each has its own subset, its own parameters and its own minibatches.

Everything is computed on the device of the data, which is the parameters' too. Random numbers are always drawn on the CPU, so
that every device sees the same ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from gradlab.lab.models import CLASSES, standardise
from gradlab.lab.seeds import Streams

# Rows gathered at once, over the whole stack: 6 MB of images, enough to hide the cost of the call, little enough to
# be still in the cache when the updates read them.
_GATHERED_ROWS = 2048


@dataclass(frozen=True)
class StackedData:
    """Standardised images of S seeds; each seed's test images carry the figures of its own training subset.

    Attributes
    ----------
    train_x
        float32, shape (S, n, pixels).
    train_y
        int64, shape (S, n).
    test_x
        float32, shape (S, m, pixels).
    test_y
        int64, shape (S, m).
    """

    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_y: Tensor

    def to(self, device: torch.device) -> "StackedData":
        """Return the data on `device`; what is there already is not copied."""
        return StackedData(
            self.train_x.to(device), self.train_y.to(device), self.test_x.to(device), self.test_y.to(device)
        )


@dataclass(frozen=True)
class Parameters:
    """Parameters of S networks: logits = relu(x·W1 + b1)·W2 + b2.

    Attributes
    ----------
    W1, b1
        Shapes (S, pixels, hidden) and (S, 1, hidden).
    W2, b2
        Shapes (S, hidden, classes) and (S, 1, classes).
    """

    W1: Tensor
    b1: Tensor
    W2: Tensor
    b2: Tensor

    def copy(self) -> "Parameters":
        """Return parameters with the same values and memory of their own."""
        return Parameters(self.W1.clone(), self.b1.clone(), self.W2.clone(), self.b2.clone())

    def to(self, device: torch.device) -> "Parameters":
        """Return the parameters on `device`; what is there already is not copied."""
        return Parameters(self.W1.to(device), self.b1.to(device), self.W2.to(device), self.b2.to(device))


@dataclass(frozen=True)
class Curves:
    """Evaluations of S runs, before the first pass and after each: float64 arrays of shape (S, passes + 1).

    Losses are means over the whole split, accuracies shares in [0, 1]. NaN stands where a run has diverged, that is,
    where its network's outputs for that split are not all finite.
    """

    train_loss: np.ndarray
    train_accuracy: np.ndarray
    test_loss: np.ndarray
    test_accuracy: np.ndarray
    updates_per_pass: int


def draw_data(
    train_images: np.ndarray,
    train_labels: np.ndarray,
    test_images: np.ndarray,
    test_labels: np.ndarray,
    *,
    size: int,
    streams: Sequence[Streams],
) -> StackedData:
    """Draw for each seed its own training subset, without replacement, and standardise it and the full test set.

    Grey levels are taken from 0 to 255, as in F §2, whose printed figures tell. A pixel that is 0 in the whole subset (a
    corner, which 13 of the 60,000 images touch, is so in a quarter of all subsets of 6,000) has standard deviation 0: a
    test image that does touch it gets a value in the millions there, and carries a large loss.

    Parameters
    ----------
    train_images, test_images
        uint8, shapes (N, height, width) and (m, height, width).
    train_labels, test_labels
        int64, shapes (N,) and (m,).
    size
        Images of a subset, from 2 to N.
    streams
        One for each seed; the subset comes from `split`.

    Raises
    ------
    ValueError
        If there are no seeds, or `size` is out of range.
    """
    if not streams:
        raise ValueError("no seeds given; expected at least one")
    if not 2 <= size <= len(train_images):
        raise ValueError(f"subset_size is {size}; expected 2 to {len(train_images)}, the number of training images")
    test = _to_rows(test_images)
    pixels = test.shape[1]
    train_x = torch.empty(len(streams), size, pixels)
    train_y = torch.empty(len(streams), size, dtype=torch.int64)
    test_x = torch.empty(len(streams), *test.shape)
    for s, seed in enumerate(streams):
        subset = seed.split.choice(len(train_images), size=size, replace=False)
        train_x[s], test_x[s] = standardise(_to_rows(train_images[subset]), test)
        train_y[s] = torch.from_numpy(train_labels[subset].astype(np.int64))
    test_y = torch.from_numpy(np.array(test_labels, dtype=np.int64)).expand(len(streams), -1)
    return StackedData(train_x, train_y, test_x, test_y)


def _to_rows(images: np.ndarray) -> Tensor:
    """Return uint8 images as float32 rows of grey levels from 0 to 255: (n, height, width) to (n, pixels)."""
    return torch.from_numpy(images.astype(np.float32).reshape(len(images), -1))


def init_parameters(pixels: int, hidden: int, *, streams: Sequence[Streams]) -> Parameters:
    """Draw the parameters of every seed as `torch.nn.Linear` does by default: uniform on ±1/√fan_in, biases too.

    Parameters
    ----------
    pixels, hidden
        Widths of the input and of the hidden layer, ≥ 1.
    streams
        One for each seed; the draws come from `initialisation`, in the order W1, b1, W2, b2.
    """
    stacks: list[list[Tensor]] = [[], [], [], []]
    for seed in streams:
        for stack, (fan_in, shape) in zip(
            stacks,
            [(pixels, (pixels, hidden)), (pixels, (1, hidden)), (hidden, (hidden, CLASSES)), (hidden, (1, CLASSES))],
            strict=True,
        ):
            draw = seed.initialisation.uniform(-1, 1, size=shape) / np.sqrt(fan_in)
            stack.append(torch.from_numpy(draw.astype(np.float32)))
    return Parameters(*(torch.stack(stack) for stack in stacks))


def update(parameters: Parameters, x: Tensor, targets: Tensor, *, learning_rate: float) -> Tensor:
    """Take one step of gradient descent on each seed's mean cross-entropy over its minibatch, in place.

    Parameters
    ----------
    parameters
        Changed in place.
    x
        Minibatches, shape (S, B, pixels).
    targets
        One-hot labels, shape (S, B, classes), dtype of `x`.
    learning_rate
        Step along the average gradient over the minibatch.

    Returns
    -------
    Tensor, shape (S, B, classes)
        Logits of the minibatches before the step.
    """
    W1, b1, W2, b2 = parameters.W1, parameters.b1, parameters.W2, parameters.b2
    step = -learning_rate / x.shape[1]  # the derivatives below are of the sum over the minibatch

    # Each line of the forward rule, and to its right the derivatives that pass back through it, d_a being ∂loss/∂a.
    hidden = torch.baddbmm(b1, x, W1).relu_()  #  d_W1 = xᵀ·d_pre, d_b1 = Σ d_pre, d_pre = d_hidden where hidden > 0
    logits = torch.baddbmm(b2, hidden, W2)  #     d_W2 = hiddenᵀ·d_logits, d_b2 = Σ d_logits, d_hidden = d_logits·W2ᵀ
    probability = logits.softmax(dim=2)  #        loss = −Σ targets·log probability: d_logits = probability − targets

    d_logits = probability.sub_(targets)
    d_hidden = torch.bmm(d_logits, W2.mT)  # with the W2 of the forward rule: before W2 changes
    d_pre = torch.ops.aten.threshold_backward(d_hidden, hidden, 0)  # 0 where hidden is 0: relu's derivative at 0 is 0
    W2.baddbmm_(hidden.mT, d_logits, alpha=step)
    b2.add_(d_logits.sum(dim=1, keepdim=True), alpha=step)
    W1.baddbmm_(x.mT, d_pre, alpha=step)
    b1.add_(d_pre.sum(dim=1, keepdim=True), alpha=step)
    return logits


def predict_logits(parameters: Parameters, x: Tensor) -> Tensor:
    """Return each seed's outputs, shape (S, n, classes), for its images `x`, shape (S, n, pixels)."""
    hidden = torch.baddbmm(parameters.b1, x, parameters.W1).relu_()
    return torch.baddbmm(parameters.b2, hidden, parameters.W2)


def evaluate(parameters: Parameters, x: Tensor, y: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return loss and accuracy of each seed's network on its images, from one forward pass.

    Parameters
    ----------
    parameters
        Networks of S seeds.
    x
        Images, shape (S, n, pixels).
    y
        Labels, int64, shape (S, n).

    Returns
    -------
    tuple of ndarray of float64, shape (S,)
        Mean cross-entropy, and the share of correct predictions, exactly 1 if and only if all are correct. Both are NaN
        for a network whose outputs are not all finite.
    """
    logits = predict_logits(parameters, x)  # (S, n, classes)
    # float64 from here: a mean of thousands of losses, many near 0, keeps all the digits that the logits have.
    losses = functional.cross_entropy(logits.double().flatten(0, 1), y.flatten(), reduction="none").view(y.shape)
    correct = (logits.argmax(dim=2) == y).sum(dim=1)
    finite = logits.isfinite().flatten(1).all(dim=1).cpu().numpy()
    loss = np.where(finite, losses.mean(dim=1).cpu().numpy(), np.nan)
    return loss, np.where(finite, correct.cpu().numpy() / y.shape[1], np.nan)


def count_updates(n: int, batch_size: int) -> int:
    """Return the updates of one pass over `n` examples, round(n / batch_size); refuse a batch that gives none."""
    if batch_size < 1 or round(n / batch_size) < 1:
        raise ValueError(f"batch size is {batch_size}; expected at least 1 and a pass over {n} examples of one update")
    return round(n / batch_size)


def train(
    data: StackedData,
    initial: Parameters,
    *,
    batch_size: int,
    learning_rate: float,
    passes: int,
    streams: Sequence[Streams],
) -> tuple[Curves, Parameters]:
    """Train every seed's network by stochastic gradient descent with replacement (F §3), and evaluate it on the way.

    A run whose parameters stop being finite is a result: its curves continue as NaN, and the others go on. Training
    ends early only when no run has a finite training loss any more.

    Parameters
    ----------
    data
        Images and labels of S seeds, n training examples each.
    initial
        Parameters to start from; left unchanged.
    batch_size
        Examples of a minibatch, drawn with replacement. A pass is round(n / batch_size) updates.
    learning_rate
        Step along the average gradient of a minibatch.
    passes
        Passes to train for, ≥ 0.
    streams
        One for each seed; the minibatches of a pass are drawn from `order` at once.

    Returns
    -------
    tuple of Curves and Parameters
        The evaluations, and the parameters after the last pass.

    Raises
    ------
    ValueError
        If the number of streams is not the number of seeds in the data, or a pass would have no update.
    """
    seeds, n, _ = data.train_x.shape
    if len(streams) != seeds:
        raise ValueError(f"{len(streams)} streams for data of {seeds} seeds; expected one for each seed")
    updates = count_updates(n, batch_size)
    parameters = initial.copy()
    measured = np.full((4, seeds, passes + 1), np.nan)
    for finished in range(passes + 1):
        if finished:
            order = draw_order(n, batch_size, streams=streams)
            train_pass(parameters, data, order, learning_rate=learning_rate)
        measured[:2, :, finished] = evaluate(parameters, data.train_x, data.train_y)
        measured[2:, :, finished] = evaluate(parameters, data.test_x, data.test_y)
        if np.isnan(measured[0, :, finished]).all():
            break
    train_loss, train_accuracy, test_loss, test_accuracy = measured
    return Curves(train_loss, train_accuracy, test_loss, test_accuracy, updates_per_pass=updates), parameters


def draw_order(n: int, batch_size: int, *, streams: Sequence[Streams]) -> Tensor:
    """Draw the minibatches of one pass over `n` examples, with replacement, from each seed's `order`.

    Returns
    -------
    Tensor of int64, shape (S, updates, B)
        Indices from 0 to n − 1.
    """
    size = (count_updates(n, batch_size), batch_size)
    return torch.from_numpy(np.stack([seed.order.integers(n, size=size) for seed in streams]))


def train_pass(
    parameters: Parameters, data: StackedData, order: Tensor, *, learning_rate: float, losses: Tensor | None = None
) -> None:
    """Update `parameters` in place, once for each minibatch.

    Parameters
    ----------
    parameters
        Changed in place.
    data
        Images and labels of S seeds.
    order
        int64, shape (S, updates, B): each seed's examples of each minibatch, on the CPU, as `draw_order` returns it.
    learning_rate
        Step along the average gradient of a minibatch.
    losses
        Where given, shape (S, updates), on the device of the data: filled with the mean cross-entropy of each minibatch
        before its own update.
    """
    seeds, n, pixels = data.train_x.shape
    batch_size = order.shape[2]
    images, labels = data.train_x.view(-1, pixels), data.train_y.view(-1)  # (S·n, …): seed s starts at row s·n
    rows = (order + n * torch.arange(seeds).view(-1, 1, 1)).transpose(0, 1).to(images.device)  # (updates, S, B)
    one_hot = torch.eye(CLASSES, dtype=images.dtype, device=images.device)
    first = 0
    for chunk in rows.split(max(1, _GATHERED_ROWS // (seeds * batch_size))):
        chosen = chunk.flatten()
        y = labels.index_select(0, chosen)
        x = images.index_select(0, chosen).view(-1, seeds, batch_size, pixels)
        targets = one_hot.index_select(0, y).view(-1, seeds, batch_size, CLASSES)
        logits = [
            update(parameters, x_t, targets_t, learning_rate=learning_rate)
            for x_t, targets_t in zip(x.unbind(), targets.unbind(), strict=True)
        ]
        if losses is not None:  # one call for a chunk rather than one for each update
            of_images = functional.cross_entropy(torch.cat(logits).flatten(0, 1), y, reduction="none")
            losses[:, first : first + len(chunk)] = of_images.view(chunk.shape).mean(dim=2).T
        first += len(chunk)


def interpolation_passes(train_accuracy: np.ndarray) -> list[int | None]:
    """Return for each seed the first pass after which its training accuracy is exactly 1, None if there is none.

    Exactly 1 means every example; 0.9995 prints as 1.000 and is not interpolation (F §3.7).

    Parameters
    ----------
    train_accuracy
        Shape (S, passes + 1).
    """
    return [int(np.argmax(row == 1)) if (row == 1).any() else None for row in train_accuracy]


def measure_runs(curves: Curves, *, prefix: str, learning_rate: float) -> dict[str, float | list[Any]]:
    """Return the metrics of one arm, with `prefix` before their names; lists are in the order of the seeds.

    `final` is the last pass, whatever came before; `test_accuracy_mean_last_five` the mean over the last five passes
    (all passes where there are fewer, the evaluation before the first left out). A diverged run has NaN.
    """
    reached = interpolation_passes(curves.train_accuracy)
    last_five = curves.test_accuracy[:, 1:][:, -5:] if curves.test_accuracy.shape[1] > 1 else curves.test_accuracy
    metrics: dict[str, float | list[Any]] = {
        "learning_rate": learning_rate,
        "final_train_accuracy": curves.train_accuracy[:, -1].tolist(),
        "final_test_accuracy": curves.test_accuracy[:, -1].tolist(),
        "test_accuracy_mean_last_five": last_five.mean(axis=1).tolist(),
        "interpolation_passes": reached,
        "interpolation_updates": [None if first is None else first * curves.updates_per_pass for first in reached],
    }
    return {f"{prefix}.{name}": value for name, value in metrics.items()}


def tabulate_curves(curves: Curves, seeds: Sequence[int]) -> pd.DataFrame:
    """Return the curves as a tidy table: seed, pass, update, split, metric, value, in that order of sorting."""
    names = [(split, metric) for split in ("train", "test") for metric in ("loss", "accuracy")]
    values = np.stack([getattr(curves, f"{split}_{metric}") for split, metric in names], axis=2)  # (S, passes + 1, 4)
    index = pd.MultiIndex.from_product([list(seeds), range(values.shape[1]), names], names=["seed", "pass", "measured"])
    table = pd.DataFrame({"value": values.ravel()}, index=index).reset_index()
    table["update"] = table["pass"] * curves.updates_per_pass
    table["split"] = [split for split, _ in table["measured"]]
    table["metric"] = [metric for _, metric in table["measured"]]
    return table[["seed", "pass", "update", "split", "metric", "value"]]
