"""A pass of stochastic gradient descent of the convolutional network (F §2)."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from reference import plain_conv_net, plain_step
from torch import Tensor

from benchmarks.fashion import TRAIN, load_images, set_parameters
from benchmarks.timing import Benchmark, Places, Target
from gradlab.lab import models, sgd

BATCH, RATE = 16, 0.04


def compare(places: Places, *, images: int = TRAIN) -> Benchmark:
    """Compare a pass in the blocked layout with the notebook's loop, and with torch's layers and torch's own optimiser."""
    train, _ = load_images(places.data, train=images)
    settings = sgd.Settings(batch_size=BATCH, learning_rate=RATE, max_passes=1)
    initial = models.init_conv_net(rng=torch.Generator().manual_seed(0))
    indices = sgd.draw_indices(len(train), settings, rng=np.random.RandomState(0))

    def train_own() -> list[Tensor]:
        parameters = [parameter.clone().requires_grad_() for parameter in initial]
        sgd.descend(models.conv_net, parameters, sgd.gather_batches(train, indices), RATE)
        return parameters

    def train_layers(make_step: Callable[[torch.nn.Module], Callable[[Tensor, Tensor], None]]) -> list[Tensor]:
        net = plain_conv_net()
        set_parameters(net, initial)
        step = make_step(net)
        for batch in indices:
            step(train.images[batch], train.labels[batch])
        return list(net.parameters())

    def step_plainly(net: torch.nn.Module) -> Callable[[Tensor, Tensor], None]:
        return lambda images, labels: plain_step(net, images, labels, RATE)

    def step_by_optimiser(net: torch.nn.Module) -> Callable[[Tensor, Tensor], None]:
        optimiser = torch.optim.SGD(net.parameters(), lr=RATE)

        def step(images: Tensor, labels: Tensor) -> None:
            optimiser.zero_grad()
            F.cross_entropy(net(images), labels).backward()
            optimiser.step()

        return step

    updates = settings.updates_per_pass(len(train))
    return Benchmark(
        name="training",
        title=f"A training pass of the convolutional network: {updates} updates with {BATCH} images",
        contenders={
            "gradlab": train_own,
            "as the notebook": lambda: train_layers(step_plainly),
            "torch.nn and torch.optim.SGD": lambda: train_layers(step_by_optimiser),
        },
        target=Target(1.4, "torch.nn and torch.optim.SGD"),
        agree=check_parameters,
    )


def check_parameters(results: Sequence[Sequence[Tensor]]) -> None:
    """Refuse contenders whose parameters went elsewhere; rounding differs, and grows over the updates."""
    for parameters in results[1:]:
        for name, (own, other) in enumerate(zip(results[0], parameters, strict=True)):
            if (difference := (own - other).abs().max().item()) > 0.02:
                raise ValueError(
                    f"parameter {name} differs by {difference:.2g} after the pass; expected the same updates"
                )
