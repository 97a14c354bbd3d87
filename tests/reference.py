"""The FashionMNIST notebook's own way of doing what the library does faster: oracle of tests and base of benchmarks.

Everything here draws from the two global random streams, as the notebook does; `global_streams` keeps that from the
rest of the process.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from gradlab.lab import sgd
from gradlab.lab.seeds import Streams
from gradlab.studies.augmentation import augment
from gradlab.studies.augmentation.torchvision_cpu import torchvision


@contextmanager
def global_streams(*, torch_seed: int, numpy_seed: int) -> Iterator[None]:
    """Seed torch's and NumPy's global streams for the block, and restore them after it."""
    numpy_state = np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(torch_seed)
            np.random.seed(numpy_seed)
            yield
    finally:
        np.random.set_state(numpy_state)


def plain_conv_net() -> nn.Sequential:
    """Build the network from torch's layers: channels first, ReLU before pooling, torch's default initialisation."""
    blocks = [
        layer
        for channels in ((1, 16), (16, 32))
        for layer in (nn.Conv2d(*channels, kernel_size=5, padding=2), nn.ReLU(), nn.MaxPool2d(2))
    ]
    return nn.Sequential(nn.Unflatten(1, (1, 28)), *blocks, nn.Flatten(), nn.Linear(1568, 10))


def plain_transform(scale: Sequence[float], ratio: Sequence[float], max_angle: float, size: int = 28) -> nn.Module:
    """Build torchvision's random crop followed by its random rotation; an N×28×28 tensor is one image to them."""
    return torchvision.transforms.Compose(
        [
            torchvision.transforms.RandomResizedCrop((size, size), scale=tuple(scale), ratio=tuple(ratio)),
            torchvision.transforms.RandomRotation((-max_angle, max_angle)),
        ]
    )


def plain_transforms(images: Tensor, transforms: augment.Transforms) -> Tensor:
    """Return every image under its own transform: torchvision's crop, then its rotation, one image after another."""
    functional, size = torchvision.transforms.functional, list(images.shape[-2:])
    rows = zip(*(values.tolist() for values in vars(transforms).values()), strict=True)
    return torch.stack(
        [
            functional.rotate(functional.resized_crop(image[None], top, left, height, width, size), angle)[0]
            for image, (top, left, height, width, angle) in zip(images, rows, strict=True)
        ]
    )


def plain_loss(net: nn.Module, data: sgd.LabelledImages) -> float:
    """Return the mean cross-entropy of all images at once."""
    with torch.no_grad():
        return nn.CrossEntropyLoss()(net(data.images), data.labels).item()


def plain_accuracy(net: nn.Module, data: sgd.LabelledImages) -> float:
    """Return the accuracy on all images at once, from a forward pass of its own."""
    with torch.no_grad():
        return (net(data.images).argmax(dim=1) == data.labels).double().mean().item()


def plain_votes(predictions: Sequence[Sequence[int]]) -> list[int]:
    """Return the most frequent label of every image, the lowest of equally frequent ones."""
    return [
        min(Counter(votes).items(), key=lambda item: (-item[1], item[0]))[0] for votes in zip(*predictions, strict=True)
    ]


def plain_evaluation(
    net: nn.Module, train: sgd.LabelledImages, test: sgd.LabelledImages, copies: Iterable[Tensor] = ()
) -> list[float]:
    """Return train loss, train accuracy, test loss and test accuracy: by vote, where there are copies of the test images."""
    with torch.no_grad():
        predictions = [net(images).argmax(dim=1).tolist() for images in copies]
    accuracy = (
        float(np.mean(np.array(plain_votes(predictions)) == test.labels.numpy()))
        if predictions
        else plain_accuracy(net, test)
    )
    return [plain_loss(net, train), plain_accuracy(net, train), plain_loss(net, test), accuracy]


def plain_step(net: nn.Module, images: Tensor, labels: Tensor, learning_rate: float) -> Tensor:
    """Make one update through `backward` and a loop over the parameters; return the loss before it."""
    net.zero_grad()
    loss = nn.CrossEntropyLoss()(net(images), labels)
    loss.backward()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter -= learning_rate * parameter.grad
    return loss


@dataclass(frozen=True)
class PlainRun:
    """Rows of train loss, train accuracy, test loss and test accuracy, one for each evaluation; and the parameters."""

    rows: np.ndarray
    parameters: list[Tensor]


def plain_run(
    train: sgd.LabelledImages,
    test: sgd.LabelledImages,
    settings: sgd.Settings,
    transform: nn.Module,
    *,
    augment_train: bool,
    copies: int,
) -> PlainRun:
    """Run one setting on the global streams; `copies` is 0 where the test images are not augmented."""
    net = plain_conv_net()

    def evaluate() -> list[float]:
        return plain_evaluation(net, train, test, (transform(test.images) for _ in range(copies)))

    rows = [evaluate()]
    for _ in range(settings.max_passes):
        images = transform(train.images) if augment_train else train.images
        for _ in range(round(len(train) / settings.batch_size)):
            batch = np.random.choice(len(train), size=(settings.batch_size,))
            plain_step(net, images[batch], train.labels[batch], settings.learning_rate)
        rows.append(evaluate())
        if rows[-1][1] == 1:
            break
    return PlainRun(np.array(rows), [parameter.detach() for parameter in net.parameters()])


def plain_corrected_run(
    train: sgd.LabelledImages,
    test: sgd.LabelledImages,
    settings: sgd.Settings,
    ranges: augment.TransformRanges,
    *,
    augment_train: bool,
    copies: int,
    streams: Streams,
) -> PlainRun:
    """Run one setting with a transform for every image, evaluated after every pass; `copies` is 0 where none vote."""
    with global_streams(torch_seed=int(streams.initialisation.integers(2**32)), numpy_seed=0):
        net = plain_conv_net().to(train.images.dtype)
    n, (height, width) = len(train), train.images.shape[1:]
    vote_rngs = iter(streams.vote.spawn(settings.max_passes + 1))

    def evaluate() -> list[float]:
        rng = next(vote_rngs)
        transforms = (augment.draw_transforms(ranges, len(test), height, width, rng=rng) for _ in range(copies))
        return plain_evaluation(net, train, test, (plain_transforms(test.images, drawn) for drawn in transforms))

    rows = [evaluate()]
    for _ in range(settings.max_passes):
        batches = streams.order.integers(n, size=(round(n / settings.batch_size), settings.batch_size))
        transforms = augment.draw_transforms(ranges, batches.size, height, width, rng=streams.augmentation)
        used = 0
        for batch in batches:
            images = train.images[batch]
            if augment_train:
                own = {name: values[used : used + len(batch)] for name, values in vars(transforms).items()}
                images = plain_transforms(images, augment.Transforms(**own))
                used += len(batch)
            plain_step(net, images, train.labels[batch], settings.learning_rate)
        rows.append(evaluate())
        if rows[-1][1] == 1:
            break
    return PlainRun(np.array(rows), [parameter.detach() for parameter in net.parameters()])
