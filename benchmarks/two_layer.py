"""A cell of the coarse search for λ on CIFAR-10 (C)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import reference_twolayer
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.timing import Benchmark, Places, Target
from gradlab.data import load_cifar10
from gradlab.studies.regularization import replay, search, twolayer

# A fifth of the published rows and updates, for all epochs: updates, evaluations and permutations keep their proportions.
TRAIN, VALIDATION, N_S, EPOCHS = 9000, 1000, 180, 8
BATCH = 100
LMBDA = float(search.lambda_grid(8)[5])


@dataclass(frozen=True)
class Outcome:
    """The first layer's weights, and the accuracy on the validation images, in the end."""

    W1: np.ndarray
    accuracy: float


def compare(
    places: Places, *, train: int = TRAIN, validation: int = VALIDATION, n_s: int = N_S, epochs: int = EPOCHS
) -> Benchmark:
    """Compare the cell's way with the notebook's, and with torch in float64."""
    double, single = (load_cifar10(places.data / "cifar10", dtype) for dtype in ("float64", "float32"))
    batches = twolayer.Split(double.train_images, double.train_labels, curve_images=single.train_images)
    training, held_out = batches.rows(validation, validation + train), batches.rows(0, validation)
    settings = twolayer.Settings(epochs=epochs, batch_size=BATCH, lmbda=LMBDA, n_s=n_s, evaluate_every=n_s // 10)
    initial = twolayer.init_parameters(rng=replay.two_layer_stream())
    columns = [(np.array(split.images).T, np.array(split.labels)) for split in (training, held_out)]
    rows = [
        tuple(map(torch.from_numpy, (np.array(split.images), np.array(split.labels)))) for split in (training, held_out)
    ]

    def start_stream() -> np.random.RandomState:
        rng = replay.two_layer_stream()
        twolayer.init_parameters(rng=rng)  # the permutations follow the weights on the notebook's stream
        return rng

    def train_own() -> Outcome:
        order = np.arange(train)
        run = twolayer.train(initial, training, held_out, settings=settings, order=order, rng=start_stream())
        return Outcome(run.parameters.W1, run.validation.accuracy)

    def train_plainly() -> Outcome:
        W1, b1, W2, b2 = initial
        found, curves = reference_twolayer.train_with_curves(
            W1, b1[:, None], W2, b2[:, None], *columns, settings, start_stream()
        )
        return Outcome(found[0], curves[-1][2][2])

    def train_by_torch() -> Outcome:
        return _train_by_torch(initial, *rows, settings, start_stream())

    updates = twolayer.update_count(train, settings)
    evaluations = -(-updates // settings.evaluate_every)
    return Benchmark(
        name="two_layer",
        title=f"A cell of the coarse search for λ on {train:,} and {validation:,} images: {updates:,} updates, "
        f"{evaluations + 1} evaluations",
        contenders={
            "gradlab": train_own,
            "as the notebook": train_plainly,
            "torch.nn and torch.optim.SGD, float64": train_by_torch,
        },
        target=Target(4, "as the notebook"),
        agree=check_outcomes,
    )


def _train_by_torch(
    initial: twolayer.Parameters,
    training: tuple[Tensor, Tensor],
    validation: tuple[Tensor, Tensor],
    settings: twolayer.Settings,
    rng: np.random.RandomState,
) -> Outcome:
    """Train with torch's layers and optimiser, and evaluate each split with one forward pass."""
    net = torch.nn.Sequential(torch.nn.Linear(3072, 50), torch.nn.ReLU(), torch.nn.Linear(50, 10)).double()
    with torch.no_grad():
        for own, value in zip(net.parameters(), initial, strict=True):
            own.copy_(torch.from_numpy(value))
    weights, biases = [net[0].weight, net[2].weight], [net[0].bias, net[2].bias]
    decay = 2 * settings.lmbda  # the derivative of λ·W²
    optimiser = torch.optim.SGD([{"params": weights, "weight_decay": decay}, {"params": biases}], lr=settings.eta_min)

    def evaluate(images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        with torch.inference_mode():
            logits = net(images)
            loss = F.cross_entropy(logits, labels).item()
            penalty = settings.lmbda * sum(weight.square().sum().item() for weight in weights)
            return loss + penalty, loss, (logits.argmax(dim=1) == labels).double().mean().item()

    images, labels = training
    order, update = np.arange(len(labels)), 0
    for _ in range(settings.epochs):
        order = order[rng.permutation(len(labels))]
        for batch in torch.from_numpy(order).split(settings.batch_size):
            if update % settings.evaluate_every == 0:
                evaluate(*training), evaluate(*validation)
            for group in optimiser.param_groups:
                group["lr"] = twolayer.learning_rate(update, settings)
            optimiser.zero_grad()
            F.cross_entropy(net(images[batch]), labels[batch]).backward()
            optimiser.step()
            update += 1
    evaluate(*training)
    return Outcome(weights[0].detach().numpy(), evaluate(*validation)[2])


def check_outcomes(results: Sequence[Outcome]) -> None:
    """Refuse contenders that trained another network; in float64 rounding is all that may differ."""
    own = results[0]
    for other in results[1:]:
        if not np.allclose(own.W1, other.W1, atol=1e-7) or abs(own.accuracy - other.accuracy) > 2e-3:
            raise ValueError(
                f"the first layers differ by {np.abs(own.W1 - other.W1).max():.2g}, the accuracies are {own.accuracy} and "
                f"{other.accuracy}; expected the same network from each"
            )
