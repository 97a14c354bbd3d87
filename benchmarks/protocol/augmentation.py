"""The parts of the augmentation study: training passes, evaluations, votes, transforms (F §2)."""

from collections.abc import Iterator
from functools import partial

import torch
from reference import plain_conv_net, plain_evaluation, plain_transform
from torch import Tensor

from benchmarks import training
from benchmarks.augmentation import RANGES
from benchmarks.fashion import TEST, TRAIN, load_images, set_parameters
from benchmarks.protocol.sides import OWN, Part, check_numbers, set_beside
from benchmarks.timing import Places
from gradlab.lab import models, sgd
from gradlab.studies.augmentation import replay
from gradlab.studies.augmentation.vote import vote

# The passes of the published runs: the training images are transformed in two of them, the test images in two.
NONE, AUGMENTED_TRAIN, AUGMENTED_TEST, BOTH = 35, 100, 30, 100
COPIES = 8
# Operations for an image: two convolutions and the last layer; backwards twice as many, but for the images' own derivatives.
_CONVOLUTIONS = (28 * 28 * 16 * 25 * 2, 14 * 14 * 32 * 16 * 25 * 2)
FORWARD = sum(_CONVOLUTIONS) + 2 * 1568 * 10
BACKWARD = 2 * FORWARD - _CONVOLUTIONS[0]


def list_parts(places: Places, images: int | None = None) -> Iterator[Part]:
    """Yield the parts of the published runs."""
    train, test = load_images(places.data, images or TRAIN, images or TEST)
    passes = training.compare(places, images=images or TRAIN)
    updates = round(len(train) / training.BATCH)
    yield set_beside(
        NONE + AUGMENTED_TRAIN + AUGMENTED_TEST + BOTH,
        f"A training pass, {updates:,} updates",
        passes.contenders[OWN],
        passes.contenders["as the notebook"],
        passes.agree,
        least={"sgemm": updates * training.BATCH * (FORWARD + BACKWARD)},
    )
    # Where a network stands after a pass: an untrained one gives all copies the same label, and its votes are soon counted.
    parameters = passes.contenders[OWN]()
    net = plain_conv_net()
    set_parameters(net, parameters)
    transform = plain_transform(RANGES.scale, RANGES.ratio, RANGES.max_angle)
    both = {"sgemm": (len(train) + len(test)) * FORWARD}

    def evaluate(copies: int) -> list[float]:
        on_train, on_test = (sgd.evaluate(models.conv_net, parameters, data) for data in (train, test))
        accuracy = on_test.accuracy
        if copies:
            rng = torch.Generator().manual_seed(0)
            drawn = [replay.draw_transform(RANGES, 28, 28, rng=rng) for _ in range(copies)]
            labels = vote([partial(label, one) for one in drawn], len(test), models.CLASSES)
            accuracy = (labels == test.labels).double().mean().item()
        return [on_train.loss, on_train.accuracy, on_test.loss, accuracy]

    def label(drawn: replay.Transform, wanted: Tensor) -> Tensor:
        return sgd.predict(models.conv_net, parameters, replay.apply_transform(test.images[wanted], drawn))

    def evaluate_plainly(copies: int) -> list[float]:
        torch.manual_seed(0)
        return plain_evaluation(net, train, test, (transform(test.images) for _ in range(copies)))

    yield set_beside(
        NONE + AUGMENTED_TRAIN + 2,  # before the first pass as well
        f"An evaluation on {len(train):,} and {len(test):,} images",
        partial(evaluate, 0),
        partial(evaluate_plainly, 0),
        check_numbers,
        least=both,
    )
    yield set_beside(
        AUGMENTED_TEST + BOTH + 2,
        f"An evaluation with a vote of {COPIES} copies of the test images",
        partial(evaluate, COPIES),
        partial(evaluate_plainly, COPIES),
        check_numbers,
    )
    yield set_beside(
        AUGMENTED_TRAIN + BOTH,
        f"One transform for all {len(train):,} images",
        lambda: replay.apply_transform(
            train.images, replay.draw_transform(RANGES, 28, 28, rng=torch.Generator().manual_seed(0))
        ).sum(),
        lambda: transform_plainly(transform, train.images),
        check_numbers,
    )


def transform_plainly(transform: torch.nn.Module, images: Tensor) -> Tensor:
    """Draw one crop and one angle for all images; return the sum of their pixels."""
    torch.manual_seed(0)
    return transform(images).sum()
