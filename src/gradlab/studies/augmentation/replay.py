"""Rebuilds the random states of the FashionMNIST notebook's augmentation study, so that a setting starts where it did.

The notebook draws from two global streams, NumPy's legacy one and torch's, and runs its four settings one after the
other. Here both streams are objects of their own, and the global ones are left as they were; the draws of the runs before
a setting are repeated without their training. Transforms are drawn and applied by torchvision, as the notebook does.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from gradlab.lab import models, sgd
from gradlab.lab.streams import NotebookStreams
from gradlab.studies.augmentation import augment
from gradlab.studies.augmentation.torchvision_cpu import torchvision
from gradlab.studies.augmentation.vote import vote

SAMPLE_PICTURES = 5


@dataclass(frozen=True)
class Protocol:
    """What the notebook's four runs have in common.

    Attributes
    ----------
    sgd
        Batch size, learning rate and largest number of passes.
    ranges
        From which every crop and angle is drawn.
    copies
        Augmented copies of the test set that vote, where a setting augments the test images.
    """

    sgd: sgd.Settings
    ranges: augment.TransformRanges
    copies: int

    def __post_init__(self) -> None:
        if self.copies < 1:
            raise ValueError(f"copies is {self.copies}, but a vote needs at least one augmented copy")


def draw_subset(total: int, size: int, *, streams: NotebookStreams) -> tuple[np.ndarray, np.ndarray]:
    """Draw the training subset, and the pictures that the notebook shows of it (F §2).

    Returns
    -------
    tuple of ndarray
        Indices of `size` of the `total` images, without repetition; indices of five pictures within the subset.
    """
    if not 0 < size <= total:
        raise ValueError(f"the subset has {size} images, but needs between 1 and {total}, the size of the training set")
    subset = streams.numpy.choice(total, replace=False, size=size)
    return subset, streams.numpy.choice(size, SAMPLE_PICTURES)


@contextmanager
def _global_stream(rng: torch.Generator) -> Iterator[None]:
    """Make `rng` torch's global stream for the block, and restore the global one after it; `rng` moves on."""
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(rng.get_state())
        yield
        rng.set_state(torch.get_rng_state())


@dataclass(frozen=True)
class Transform:
    """One crop, resized to the size of the image, followed by one rotation.

    Attributes
    ----------
    top, left, height, width
        The crop, in pixels.
    angle
        Degrees, counter-clockwise.
    """

    top: int
    left: int
    height: int
    width: int
    angle: float


def draw_transform(ranges: augment.TransformRanges, height: int, width: int, *, rng: torch.Generator) -> Transform:
    """Draw torchvision's random crop and then its random rotation for images of `height` × `width` pixels."""
    transforms = torchvision.transforms
    with _global_stream(rng):
        image = torch.empty(1, height, width)  # only its size counts
        top, left, h, w = transforms.RandomResizedCrop.get_params(image, list(ranges.scale), list(ranges.ratio))
        angle = transforms.RandomRotation.get_params([-ranges.max_angle, ranges.max_angle])
        return Transform(top, left, h, w, angle)


def apply_transform(images: Tensor, transform: Transform) -> Tensor:
    """Return `images`, floating-point of shape (N, height, width), under one and the same transform, as torchvision does.

    The crop is resized bilinearly to the size of the images; the rotation takes the nearest pixel, and 0 beyond the edge.
    """
    functional = torchvision.transforms.functional
    crop = transform.top, transform.left, transform.height, transform.width
    resized = functional.resized_crop(images, *crop, list(images.shape[-2:]))
    rotated: Tensor = functional.rotate(resized, transform.angle)
    return rotated


def skip_run(
    setting: str, passes: int, size: tuple[int, int, int], protocol: Protocol, *, streams: NotebookStreams
) -> None:
    """Make the draws of one run without training.

    Parameters
    ----------
    setting
        Which of the four settings was run.
    passes
        The passes that it took.
    size
        Number, height and width of the training images.
    protocol
        That of the run.
    streams
        Left where the run left them.
    """
    n, height, width = size
    augmentation = augment.find_setting(setting)
    if passes < 0:
        raise ValueError(f"the earlier run {setting!r} has {passes} passes, but a run takes 0 or more")
    voting = protocol.copies if augmentation.test else 0
    models.init_conv_net(rng=streams.torch)
    transforms = voting + passes * (augmentation.train + voting)
    for _ in range(transforms):
        draw_transform(protocol.ranges, height, width, rng=streams.torch)
    for _ in range(passes):
        sgd.draw_indices(n, protocol.sgd, rng=streams.numpy)


def train_run(
    setting: str, train: sgd.LabelledImages, test: sgd.LabelledImages, protocol: Protocol, *, streams: NotebookStreams
) -> sgd.Run:
    """Train and evaluate one setting as the notebook does: one transform for all images at a time (F §2).

    The training images are transformed once a pass, the test images once for each copy. Losses, and the accuracy on the
    training images, are those of the images as they are.

    Parameters
    ----------
    setting
        One of `augment.SETTINGS`.
    train, test
        Standardised images and their labels.
    protocol
        Batch size, learning rate, passes, ranges of the transforms and copies of the test set.
    streams
        Where the notebook stood before this run; left where it stood after it.
    """
    augmentation = augment.find_setting(setting)
    height, width = train.images.shape[1:]

    draw = partial(draw_transform, protocol.ranges, height, width, rng=streams.torch)

    def draw_pass() -> Iterable[tuple[Tensor, Tensor]]:
        images = apply_transform(train.images, draw()) if augmentation.train else train.images
        indices = sgd.draw_indices(len(train), protocol.sgd, rng=streams.numpy)
        return sgd.gather_batches(sgd.LabelledImages(images, train.labels), indices)

    def label_copy(parameters: list[Tensor], transform: Transform, wanted: Tensor) -> Tensor:
        return sgd.predict(models.conv_net, parameters, apply_transform(test.images[wanted], transform))

    def evaluate_pass(parameters: list[Tensor]) -> sgd.PassResult:
        on_train, on_test = (sgd.evaluate(models.conv_net, parameters, data) for data in (train, test))
        if augmentation.test:
            # All copies are drawn, however few of them decide.
            copies = [partial(label_copy, parameters, draw()) for _ in range(protocol.copies)]
            correct = (vote(copies, len(test), models.CLASSES) == test.labels).sum().item()
            on_test = sgd.Evaluation(on_test.loss, correct / len(test))
        return sgd.PassResult(on_train, on_test)

    parameters = models.init_conv_net(rng=streams.torch)
    return sgd.train(models.conv_net, parameters, protocol.sgd, draw_pass=draw_pass, evaluate_pass=evaluate_pass)
