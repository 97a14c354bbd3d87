"""The images that the benchmarks of the FashionMNIST studies compute with."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gradlab.data import load_fashion_mnist
from gradlab.lab import models, sgd

TRAIN, TEST = 7200, 10_000  # as in F §2


def load_images(data: Path, train: int = TRAIN, test: int = TEST) -> tuple[sgd.LabelledImages, sgd.LabelledImages]:
    """Return the first training and test images, standardised as in F §2."""
    source = load_fashion_mnist(data / "fashion_mnist")
    images = models.standardise(
        *(torch.from_numpy(raw.astype(np.float32)) for raw in (source.train_images[:train], source.test_images[:test]))
    )
    labels = (torch.from_numpy(np.array(raw)) for raw in (source.train_labels[:train], source.test_labels[:test]))
    train_set, test_set = (sgd.LabelledImages(*pair) for pair in zip(images, labels, strict=True))
    return train_set, test_set


def set_parameters(net: nn.Module, parameters: list[Tensor]) -> None:
    """Give a network of torch's layers the values of parameters that stand in the same order."""
    with torch.no_grad():
        for own, value in zip(net.parameters(), parameters, strict=True):
            own.copy_(value)
