"""The parts of the batch-size study: for each size a trial pass, and passes and evaluations of the run (F §3)."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from reference import plain_evaluation, plain_step
from torch import Tensor, nn

from benchmarks.fashion import TEST, load_images, set_parameters
from benchmarks.protocol.sides import Part, check_numbers, set_beside
from benchmarks.timing import Places
from benchmarks.training import check_parameters
from gradlab.lab import models, sgd
from gradlab.lab.streams import start_streams
from gradlab.studies.batch_size import replay

TRIAL_RATES = {1: 0.01, 2: 0.02, 4: 0.05, 8: 0.1, 16: 0.15}
SUBSET, HIDDEN, PASSES = 6000, 64, 50


def list_parts(places: Places, images: int | None = None) -> Iterator[Part]:
    """Yield the parts of the published runs."""
    data = replay.Images(*load_images(places.data, images or SUBSET, images or TEST))
    initial = replay.init_perceptron(HIDDEN, rng=torch.Generator().manual_seed(0))

    def build() -> nn.Module:
        net = nn.Sequential(nn.Flatten(), nn.Linear(784, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, models.CLASSES))
        set_parameters(net, initial)
        return net

    for size, rate in TRIAL_RATES.items():
        yield set_beside(
            1,
            f"A trial pass at batch size {size}",
            partial(_try, data, initial, sgd.Settings(size, rate, 1)),
            partial(_try_plainly, data, build, sgd.Settings(size, rate, 1)),
            check_numbers,
        )
        yield set_beside(
            PASSES,
            f"A training pass at batch size {size}",
            partial(_train, data, initial, sgd.Settings(size, rate / 2, 1)),
            partial(_train_plainly, data, build, sgd.Settings(size, rate / 2, 1)),
            check_parameters,
        )

    def evaluate() -> list[float]:
        result = replay.evaluate(initial, data)
        return [result.train.loss, result.train.accuracy, result.test.loss, result.test.accuracy]

    yield set_beside(
        len(TRIAL_RATES) * (PASSES + 1),
        f"An evaluation on {len(data.train):,} and {len(data.test):,} images",
        evaluate,
        lambda: plain_evaluation(build(), data.train, data.test),
        check_numbers,
    )


def _try(data: replay.Images, initial: list[Tensor], settings: sgd.Settings) -> tuple[float, ...]:
    parameters, streams = [parameter.clone() for parameter in initial], start_streams(torch_seed=0, numpy_seed=0)
    return replay.run_trial(parameters, data, settings, streams=streams)[0].averages


def _try_plainly(data: replay.Images, build: Callable[[], nn.Module], settings: sgd.Settings) -> list[float]:
    net = build()
    plain_evaluation(net, data.train, data.test)
    average, printed = 0.0, []
    for update, loss in enumerate(_step_plainly(net, data.train, settings), start=1):
        average = 0.99 * average + 0.01 * loss.item()
        if update % replay.AVERAGE_EVERY == 0:
            printed.append(average)
    plain_evaluation(net, data.train, data.test)
    return printed


def _train(data: replay.Images, initial: list[Tensor], settings: sgd.Settings) -> list[Tensor]:
    parameters = [parameter.clone() for parameter in initial]
    order = sgd.draw_indices(len(data.train), settings, rng=np.random.RandomState(0))
    replay.train_pass(parameters, data.train, order, learning_rate=settings.learning_rate)
    return parameters


def _train_plainly(data: replay.Images, build: Callable[[], nn.Module], settings: sgd.Settings) -> list[Tensor]:
    net = build()
    for _ in _step_plainly(net, data.train, settings):
        pass
    return [parameter.detach() for parameter in net.parameters()]


def _step_plainly(net: nn.Module, train: sgd.LabelledImages, settings: sgd.Settings) -> Iterator[Tensor]:
    """Make the updates of one pass, each with a draw of its own, and yield the loss before each."""
    rng = np.random.RandomState(0)
    for _ in range(settings.updates_per_pass(len(train))):
        batch = rng.choice(len(train), size=(settings.batch_size,))
        yield plain_step(net, train.images[batch], train.labels[batch], settings.learning_rate)
