"""Trains the augmentation study of FashionMNIST as its text asks: a transform for every image, each time it is used (F §2).

Settings that treat the training images alike share a network: under one seed, only the evaluation tells them apart. So a
run trains one network and gives the results of two settings.

The last pass alone is noise: the accuracy swings from pass to pass. So the weights are averaged over the last part of a run,
too, and the averaged network is evaluated once.

Everything is computed on the device of the images. Random numbers are always drawn on the CPU, so that every device sees the
same ones.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.optim.swa_utils import get_swa_multi_avg_fn

from gradlab.lab import models, sgd
from gradlab.lab.seeds import Streams
from gradlab.studies.augmentation import augment
from gradlab.studies.augmentation.late import find_late_passes
from gradlab.studies.augmentation.vote import vote

# The settings whose networks are the same, under the name of their training.
TRAININGS = {
    training: [name for name, setting in augment.SETTINGS.items() if setting.train == augmented]
    for training, augmented in (("clean", False), ("augmented", True))
}


@dataclass(frozen=True)
class Protocol:
    """What the runs have in common.

    Attributes
    ----------
    sgd
        Batch size, learning rate and largest number of passes.
    ranges
        From which every crop and angle is drawn.
    copies
        Augmented copies of the test set that vote, where a setting augments the test images.
    evaluate_every
        The copies vote after every so many passes, and after the last.
    average_from
        Share of a run's passes, in [0, 1), after which its weights are averaged. After each of these passes, the test images
        as they are are evaluated as well.
    """

    sgd: sgd.Settings
    ranges: augment.TransformRanges
    copies: int
    evaluate_every: int
    average_from: float

    def __post_init__(self) -> None:
        if self.copies < 1:
            raise ValueError(f"copies is {self.copies}, but a vote needs at least one augmented copy")
        if self.evaluate_every < 1:
            raise ValueError(f"evaluate_every is {self.evaluate_every}, but needs to be at least 1 pass")
        if not 0 <= self.average_from < 1:
            raise ValueError(f"average_from is {self.average_from}, but needs a share of the passes in [0, 1)")


@dataclass(frozen=True)
class TrainedNetwork:
    """One network, trained under one seed.

    Attributes
    ----------
    training
        One of `TRAININGS`.
    run
        Evaluated on the training images alone.
    snapshots
        The parameters before the first pass and after each: which passes are the last ones is known only at the end.
    """

    training: str
    run: sgd.Run
    snapshots: list[list[Tensor]]


@dataclass(frozen=True)
class EvaluatedRun(sgd.Run):
    """A run as one setting evaluates it.

    Attributes
    ----------
    averaged_test_accuracy
        That of the averaged weights, on the test images as the setting uses them.
    """

    averaged_test_accuracy: float


def find_training(name: str) -> list[str]:
    """Return the settings of the training called `name`; a ValueError names the trainings that exist."""
    if name not in TRAININGS:
        raise ValueError(f"no training is called {name!r}; choose one of {', '.join(TRAININGS)}")
    return TRAININGS[name]


def draw_subset(total: int, size: int, *, streams: Streams) -> np.ndarray:
    """Draw the indices of `size` of the `total` training images, without repetition, from `streams.split`."""
    if not 2 <= size <= total:
        raise ValueError(f"subset_size is {size}; expected 2 to {total}, the number of training images")
    return streams.split.choice(total, size=size, replace=False)


def run_training(
    training: str, train: sgd.LabelledImages, test: sgd.LabelledImages, protocol: Protocol, *, streams: Streams
) -> dict[str, EvaluatedRun]:
    """Train one network and evaluate it under both of its settings.

    Parameters
    ----------
    training
        One of `TRAININGS`.
    train, test
        Standardised images and their labels, all on one device, which does the work.
    protocol
        Batch size, learning rate, passes, ranges of the transforms, copies of the test set, passes between evaluations.
    streams
        Fresh streams of the seed.

    Returns
    -------
    dict of str to EvaluatedRun
        For each setting, in the order of `augment.SETTINGS`. Every pass has its evaluation on the training images; every
        `Protocol.evaluate_every`-th one and the last have one on the test images, and, where these are used as they are,
        so has each whose weights are averaged.
    """
    return evaluate_network(train_network(training, train, protocol, streams=streams), test, protocol, streams=streams)


def train_network(training: str, train: sgd.LabelledImages, protocol: Protocol, *, streams: Streams) -> TrainedNetwork:
    """Train one network, under one seed.

    The training draws from `streams.initialisation`, from `streams.order` and, where it augments, from
    `streams.augmentation`: a transform for each image of each minibatch. Loss and accuracy on the training images are
    those of the images as they are; training ends after the first pass that classifies all of them correctly. They are
    measured after every pass: the ledger holds the notebook's logs against those of these seeds.

    Parameters
    ----------
    training, train, protocol, streams
        As for `run_training`.
    """
    augmented = any(augment.find_setting(setting).train for setting in find_training(training))
    device = train.images.device
    n, height, width = train.images.shape
    updates, batch_size = protocol.sgd.updates_per_pass(n), protocol.sgd.batch_size
    snapshots: list[list[Tensor]] = []

    def draw_pass() -> Iterable[tuple[Tensor, Tensor]]:
        indices = torch.from_numpy(streams.order.integers(n, size=(updates, batch_size))).to(device)
        if not augmented:
            return sgd.gather_batches(train, indices)
        drawn = indices.flatten()
        transforms = augment.draw_transforms(protocol.ranges, len(drawn), height, width, rng=streams.augmentation)
        images = augment.apply_transforms(train.images[drawn], transforms)
        # (updates · batch, height, width) -> (updates, batch, height, width)
        return zip(images.view(updates, batch_size, height, width), train.labels[indices], strict=True)

    def evaluate_pass(parameters: list[Tensor]) -> sgd.PassResult:
        snapshots.append([parameter.detach().clone() for parameter in parameters])
        return sgd.PassResult(sgd.evaluate(models.conv_net, parameters, train))

    # torch's generator is seeded with 32 bits, however many it is given.
    rng = torch.Generator().manual_seed(int(streams.initialisation.integers(2**32)))
    parameters = [parameter.to(device) for parameter in models.init_conv_net(rng=rng)]
    run = sgd.train(models.conv_net, parameters, protocol.sgd, draw_pass=draw_pass, evaluate_pass=evaluate_pass)
    return TrainedNetwork(training, run, snapshots)


def average_weights(snapshots: Iterable[list[Tensor]]) -> list[Tensor]:
    """Return the mean of each parameter over `snapshots`, of which there is at least one."""
    first, *others = snapshots
    averaged = [parameter.clone() for parameter in first]
    update = get_swa_multi_avg_fn()
    for count, parameters in enumerate(others, start=1):
        update(averaged, parameters, count)
    return averaged


def evaluate_network(
    trained: TrainedNetwork, test: sgd.LabelledImages, protocol: Protocol, *, streams: Streams
) -> dict[str, EvaluatedRun]:
    """Add the test results of each of its settings to the run of a network.

    The loss is that of the test images as they are. The accuracy is theirs too, unless the setting augments the test
    images: then it is that of the vote over the copies. Each pass has a child of `streams.vote` of its own, so the result
    after a pass does not depend on which others are evaluated. That of pass 0 serves the averaged weights: whatever the
    number of their passes, all networks of a seed are asked about the same copies.

    Parameters
    ----------
    trained
        As `train_network` returns it.
    test, protocol, streams
        As for `run_training`.
    """
    passes = trained.run.passes
    late = find_late_passes(passes, protocol.average_from)
    # An untrained network guesses, and a vote over its guesses costs as much as any other.
    regular = {*range(protocol.evaluate_every, passes, protocol.evaluate_every), passes}
    rngs = streams.vote.spawn(passes + 1)
    averaged = average_weights(trained.snapshots[number] for number in late)

    as_they_are = {
        number: sgd.evaluate(models.conv_net, trained.snapshots[number], test) for number in sorted(regular | set(late))
    }
    runs = {}
    for setting in find_training(trained.training):
        on_test = as_they_are
        if augment.find_setting(setting).test:
            on_test = {
                number: sgd.Evaluation(
                    as_they_are[number].loss,
                    _measure_vote(trained.snapshots[number], test, protocol, rng=rngs[number]),
                )
                for number in sorted(regular)
            }
            of_averaged = _measure_vote(averaged, test, protocol, rng=rngs[0])
        else:
            of_averaged = sgd.evaluate(models.conv_net, averaged, test).accuracy
        results = tuple(
            sgd.PassResult(result.train, on_test.get(number)) for number, result in enumerate(trained.run.results)
        )
        runs[setting] = EvaluatedRun(results, trained.run.parameters, of_averaged)
    return runs


def _measure_vote(
    parameters: list[Tensor], test: sgd.LabelledImages, protocol: Protocol, *, rng: np.random.Generator
) -> float:
    predictions = predict_by_vote(parameters, test.images, protocol, rng=rng)
    return (predictions == test.labels.cpu()).sum().item() / len(test)


def predict_by_vote(
    parameters: list[Tensor], images: Tensor, protocol: Protocol, *, rng: np.random.Generator
) -> Tensor:
    """Return the majority vote over augmented copies of `images`, with a transform for every image in every copy.

    Returns
    -------
    Tensor
        Labels, int64 of shape (N,), on the CPU; a tie goes to the lowest label.
    """

    def label_copy(transforms: augment.Transforms, wanted: Tensor) -> Tensor:
        copy = augment.apply_transforms(images[wanted.to(images.device)], transforms.select(wanted.numpy()))
        return sgd.predict(models.conv_net, parameters, copy)

    # All copies are drawn, however few of them decide.
    drawn = [augment.draw_transforms(protocol.ranges, *images.shape, rng=rng) for _ in range(protocol.copies)]
    return vote([partial(label_copy, transforms) for transforms in drawn], len(images), models.CLASSES)


def collect_metrics(runs: Mapping[str, EvaluatedRun]) -> dict[str, bool | int | float]:
    """Return the results of each setting as `<setting>.<metric>`."""
    metrics: dict[str, bool | int | float] = {}
    for setting, run in runs.items():
        assert run.final.test is not None  # every pass is evaluated on the test images, too
        metrics |= {
            f"{setting}.final_test_accuracy": run.final.test.accuracy,
            f"{setting}.final_test_loss": run.final.test.loss,
            f"{setting}.final_train_accuracy": run.final.train.accuracy,
            f"{setting}.final_train_loss": run.final.train.loss,
            f"{setting}.passes": run.passes,
            f"{setting}.reached_full_training_accuracy": run.reached_full_training_accuracy,
            f"{setting}.averaged_test_accuracy": run.averaged_test_accuracy,
        }
    return metrics


def collect_curves(runs: Mapping[str, sgd.Run]) -> pd.DataFrame:
    """Return the evaluations of all settings in tidy form: columns setting, pass, split, metric and value."""
    curves = pd.concat({setting: run.curves() for setting, run in runs.items()}, names=["setting", None])
    return curves.reset_index(level="setting").reset_index(drop=True)
