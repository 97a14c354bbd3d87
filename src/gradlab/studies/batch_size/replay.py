"""The notebook's own runs of the perceptron (F §3): where its streams stood, its trial pass, and its training.

The notebook draws from two global streams. Its printed output begins where both had moved on: `DISCARDED_DRAWS` and
`DISCARDED_NETWORKS` are what the running averages and the untrained networks tell of that. It then comes to one batch size
after the other, with a trial pass and a run for each. A cell repeats the draws before its batch size without training, and
so starts where the notebook stood.

Updates are written out with the operations, and in the order, that autograd and torch's optimiser use. In another order
the sums round differently, and training amplifies what they round.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from gradlab.data.load import Dataset
from gradlab.lab import models, sgd
from gradlab.lab.streams import NotebookStreams

# What a kernel had drawn before the printed output: 125 passes of 6,000 images, one that was interrupted after 5,461 of
# them, and networks that no output shows.
DISCARDED_DRAWS = 125 * 6000 + 5461
DISCARDED_NETWORKS = 18
# What each batch size draws: a trial pass and 50 passes, of 6,000 images whatever the batch, and two networks.
DRAWS_OF_A_SIZE = 51 * 6000
NETWORKS_OF_A_SIZE = 2

# Kernels that had not drawn that much: what they had built before, in convolutional networks of F §2.
OTHER_KERNELS = {"fresh_kernel": 0, "after_section_2": 4}

AVERAGE_EVERY = 100  # updates of a trial pass, after which the running average is printed
_FORGET = 0.01  # weight of the last minibatch's loss in the running average
_GATHERED_ROWS = 2048  # gathered at once: 6 MB of images, still in the cache when the updates read them


@dataclass(frozen=True)
class Images:
    """Standardised training and test images, in the notebook's order."""

    train: sgd.LabelledImages
    test: sgd.LabelledImages


@dataclass(frozen=True)
class Trial:
    """A pass at the rate that the notebook calls divergent.

    Attributes
    ----------
    results
        The evaluations before the pass and after it.
    averages
        The running average of the minibatches' losses after every `AVERAGE_EVERY` updates.
    """

    results: tuple[sgd.PassResult, sgd.PassResult]
    averages: tuple[float, ...]


def draw_images(source: Dataset, subset_size: int, *, streams: NotebookStreams) -> Images:
    """Draw the training images and the order of the test images, after the draws of F §2, and standardise all.

    Parameters
    ----------
    source
        FashionMNIST.
    subset_size
        Training images, from 2 to 60,000.
    streams
        As the notebook seeds them; NumPy's is left where F §3 begins to train.
    """
    draw = partial(streams.numpy.choice, replace=False)
    total, tests = len(source.train_images), len(source.test_images)
    draw(total, size=7200)  # the subset of F §2,
    streams.numpy.choice(7200, 5)  # and the pictures of it that are shown there
    subset, order = draw(total, size=subset_size), draw(tests, size=tests)
    train, test = models.standardise(_to_grey(source.train_images[subset]), _to_grey(source.test_images[order]))
    return Images(
        sgd.LabelledImages(train, torch.from_numpy(source.train_labels[subset])),
        sgd.LabelledImages(test, torch.from_numpy(source.test_labels[order])),
    )


def _to_grey(images: np.ndarray) -> Tensor:
    return torch.from_numpy(images.astype(np.float32))


def skip_earlier(draws: int, networks: int, subset_size: int, hidden: int, *, streams: NotebookStreams) -> None:
    """Draw as many training images and networks as were drawn before, and throw them away.

    NumPy's stream moves by each number that it draws, however they are grouped into minibatches.
    """
    streams.numpy.choice(subset_size, size=draws)
    for _ in range(networks):
        init_perceptron(hidden, rng=streams.torch)


def init_perceptron(hidden: int, *, rng: torch.Generator) -> list[Tensor]:
    """Draw weights and biases as `nn.Linear(784, hidden)` and `nn.Linear(hidden, 10)` do, built one after the other."""
    return [*models.init_layer((hidden, 28 * 28), rng=rng), *models.init_layer((models.CLASSES, hidden), rng=rng)]


def perceptron(parameters: list[Tensor], images: Tensor) -> Tensor:
    """Return the logits, shape (N, 10), of images of shape (N, 28, 28)."""
    W1, b1, W2, b2 = parameters
    return functional.linear(functional.linear(images.flatten(1), W1, b1).relu_(), W2, b2)


def evaluate(parameters: list[Tensor], images: Images) -> sgd.PassResult:
    """Return loss and accuracy on the training and on the test images.

    The notebook's accuracies are means in float32, and it prints three decimals: 0.8075 prints as 0.808, in float64 as 0.807.
    """
    measured = [sgd.evaluate(perceptron, parameters, data) for data in (images.train, images.test)]
    return sgd.PassResult(*(replace(on, accuracy=float(np.float32(on.accuracy))) for on in measured))


def train_pass(
    parameters: list[Tensor],
    data: sgd.LabelledImages,
    order: Tensor,
    *,
    learning_rate: float,
    losses: list[Tensor] | None = None,
) -> None:
    """Take one step along the negative gradient of the mean cross-entropy for each minibatch, in place.

    Bit by bit what autograd and `torch.optim.SGD` do: a gradient is finished, and rounded, before it is scaled and subtracted.

    Parameters
    ----------
    parameters
        Weights and biases, as `init_perceptron` returns them; changed in place.
    data
        Training images, of the same dtype.
    order
        int64, shape (updates, B): the images of each minibatch.
    learning_rate
        Length of the step, as a multiple of the gradient.
    losses
        Where given, the mean cross-entropy of each minibatch before its step is appended.
    """
    W1, b1, W2, b2 = parameters
    V1, V2 = W1.T, W2.T  # views, which follow the updates
    gradients = [torch.empty_like(parameter) for parameter in parameters]
    d_W1, d_b1, d_W2, d_b2 = gradients
    size, rows, ops = order.shape[1], data.images.flatten(1), torch.ops.aten
    for chunk in order.split(max(1, _GATHERED_ROWS // size)):
        chosen = chunk.flatten()
        labels = data.labels.index_select(0, chosen)
        batches = zip(
            rows.index_select(0, chosen).split(size),
            labels.split(size),
            (functional.one_hot(labels, models.CLASSES).to(rows.dtype) / -size).split(size),  # ∂loss/∂log_p
            strict=True,
        )
        for x, y, d_log_p in batches:
            hidden = torch.addmm(b1, x, V1).relu_()
            log_p = torch.addmm(b2, hidden, V2).log_softmax(1)
            if losses is not None:
                losses.append(functional.nll_loss(log_p, y))
            d_logits = ops._log_softmax_backward_data(d_log_p, log_p, 1, log_p.dtype)
            d_hidden = ops.threshold_backward(d_logits.mm(W2), hidden, 0)  # 0 where hidden is 0
            torch.mm(d_logits.T, hidden, out=d_W2)
            torch.sum(d_logits, 0, out=d_b2)
            torch.mm(d_hidden.T, x, out=d_W1)
            torch.sum(d_hidden, 0, out=d_b1)
            torch._foreach_add_(parameters, gradients, alpha=-learning_rate)


def run_trial(
    parameters: list[Tensor], images: Images, settings: sgd.Settings, *, streams: NotebookStreams
) -> tuple[Trial, float]:
    """Make the trial pass, and say how much of its running averages is rounding.

    Returns
    -------
    tuple of Trial and float
        The trial; and the largest difference between one of its running averages and the same average of a pass that is
        computed in float64 from the same start, over the same minibatches.
    """
    order = sgd.draw_indices(len(images.train), settings, rng=streams.numpy)
    finer = sgd.LabelledImages(images.train.images.double(), images.train.labels)
    before, exact = evaluate(parameters, images), [parameter.double() for parameter in parameters]
    averages = average_losses(parameters, images.train, order, settings.learning_rate)
    in_float64 = average_losses(exact, finer, order, settings.learning_rate)
    rounding = max((abs(a - b) for a, b in zip(averages, in_float64, strict=True)), default=0.0)
    return Trial((before, evaluate(parameters, images)), averages), rounding


def average_losses(
    parameters: list[Tensor], data: sgd.LabelledImages, order: Tensor, learning_rate: float
) -> tuple[float, ...]:
    """Make one pass, which changes `parameters`, and return the running average after every `AVERAGE_EVERY` updates."""
    losses: list[Tensor] = []
    train_pass(parameters, data, order, learning_rate=learning_rate, losses=losses)
    average, printed = 0.0, []
    for update, loss in enumerate(losses, start=1):
        average = (1 - _FORGET) * average + _FORGET * loss.item()
        if update % AVERAGE_EVERY == 0:
            printed.append(average)
    return tuple(printed)


def train(parameters: list[Tensor], images: Images, settings: sgd.Settings, *, streams: NotebookStreams) -> sgd.Run:
    """Train for all passes, whatever the training accuracy, and evaluate before the first and after each."""
    results = [evaluate(parameters, images)]
    for _ in range(settings.max_passes):
        order = sgd.draw_indices(len(images.train), settings, rng=streams.numpy)
        train_pass(parameters, images.train, order, learning_rate=settings.learning_rate)
        results.append(evaluate(parameters, images))
    return sgd.Run(tuple(results), parameters)


def evaluate_untrained(
    images: Images, hidden: int, *, conv_nets: int, perceptrons: int, torch_seed: int
) -> tuple[sgd.PassResult, sgd.PassResult]:
    """Evaluate the trial network and the run's as they would start in a kernel that had built other networks before."""
    rng = torch.Generator().manual_seed(torch_seed)
    for _ in range(conv_nets):
        models.init_conv_net(rng=rng)
    for _ in range(perceptrons):
        init_perceptron(hidden, rng=rng)
    return evaluate(init_perceptron(hidden, rng=rng), images), evaluate(init_perceptron(hidden, rng=rng), images)


def measure(
    run: sgd.Run, settings: sgd.Settings, n: int, *, trial_rate: float, rounding: float
) -> dict[str, float | None]:
    """Return the metrics of one batch size; interpolation is None where no training accuracy is exactly 1.

    Parameters
    ----------
    run, settings
        The run, and its batch size and learning rate.
    n
        Training images.
    trial_rate
        Learning rate of the trial pass.
    rounding
        What `run_trial` says of its averages.
    """
    full = [number for number, result in enumerate(run.results) if result.train.accuracy == 1]
    reached = full[0] if full else None
    assert run.final.test is not None  # every pass is evaluated on the test images, too
    metrics = {
        "trial_learning_rate": trial_rate,
        "trial_rounding": rounding,
        "learning_rate": settings.learning_rate,
        "final_train_accuracy": run.final.train.accuracy,
        "final_test_accuracy": run.final.test.accuracy,
        "interpolation_passes": reached,
        "interpolation_updates": None if reached is None else reached * settings.updates_per_pass(n),
    }
    return {f"{settings.batch_size}.{name}": value for name, value in metrics.items()}


def tabulate(
    run: sgd.Run, trial: Trial, elsewhere: Mapping[str, Sequence[sgd.PassResult]], *, updates_per_pass: int
) -> pd.DataFrame:
    """Return all evaluations and running averages as a tidy table: pass, update, split, metric, value.

    Metrics of the trial pass begin with `trial_`; those of untrained networks of other kernels with their name in `elsewhere`.
    """
    tables = [run.curves(), _rename(trial.results, "trial_")]
    for kernel, (of_trial, of_run) in elsewhere.items():
        tables += [_rename([of_trial], f"{kernel}_trial_"), _rename([of_run], f"{kernel}_")]
    table = pd.concat(tables, ignore_index=True)
    table.insert(1, "update", table["pass"] * updates_per_pass)
    averages = [
        (1, number * AVERAGE_EVERY, "train", "trial_running_average", average)
        for number, average in enumerate(trial.averages, start=1)
    ]
    return pd.concat([table, pd.DataFrame(averages, columns=table.columns)], ignore_index=True)


def _rename(results: Sequence[sgd.PassResult], prefix: str) -> pd.DataFrame:
    table = sgd.Run(tuple(results), []).curves()
    return table.assign(metric=prefix + table["metric"])
