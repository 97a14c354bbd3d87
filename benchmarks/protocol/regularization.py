"""The parts of the study on CIFAR-10: runs of the two-layer network in small, and the check of its gradients (C)."""

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import reference_twolayer

from benchmarks.protocol.sides import Part, set_beside
from benchmarks.timing import Places
from benchmarks.two_layer import Outcome, check_outcomes
from gradlab.data import load_cifar10
from gradlab.studies.regularization import replay, search, twolayer

BATCH = 100
LMBDA = float(search.lambda_grid(8)[5])
CHECKED_LMBDA, CHECKED_IMAGES, STEP = 0.3, 20, 1e-5
CHECKED = 300  # parameters whose difference quotients the plain way forms in one run; their first places in W1
CHECKS = 9  # that our cell makes: of two losses, and of seven steps
FORWARD = 2 * (3072 * 50 + 50 * 10)  # operations for an image
UPDATE = 2 * FORWARD  # forwards, and the weights' derivatives; those by the images are not needed


def list_parts(places: Places, images: int | None = None) -> Iterator[Part]:
    """Yield the parts of the published runs."""
    double, single = (load_cifar10(places.data / "cifar10", dtype) for dtype in ("float64", "float32"))
    batches = twolayer.Split(double.train_images, double.train_labels, curve_images=single.train_images)

    def run(
        times: float, title: str, training: tuple[int, int], validation: tuple[int, int], epochs: int, n_s: int
    ) -> Part:
        if images:
            training, validation = (0, images), (0, images)
        settings = twolayer.Settings(
            epochs=epochs, batch_size=min(BATCH, images or BATCH), lmbda=LMBDA, n_s=n_s, evaluate_every=n_s // 10
        )
        splits = batches.rows(*training), batches.rows(*validation)
        updates = twolayer.update_count(len(splits[0].labels), settings)
        evaluations = -(-updates // settings.evaluate_every) + 1
        seen = evaluations * sum(len(split.labels) for split in splits)
        return set_beside(
            times,
            f"{title}: {updates:,} updates, {evaluations} evaluations",
            partial(_train, *splits, settings),
            partial(_train_plainly, *splits, settings),
            check_outcomes,
            least={
                "dgemm": updates * settings.batch_size * UPDATE,
                "sgemm": seen * FORWARD,
                "copy": updates * settings.batch_size * 3072 * 8,
            },
        )

    # The runs in small have as many updates for an evaluation as the published ones. They end with one that has no successor,
    # which weighs more here, and more for our way: it is in float64, and alone.
    yield run((8 * 8 + 10 * 12) / 4, "Four epochs of a search for λ", (5000, 50000), (0, 5000), 4, 900)
    yield run(10 / 5, "Five epochs of the final network", (1000, 50000), (0, 1000), 5, 500)
    yield run((10 + 48) / 8, "Eight epochs on one batch of the data", (0, 10000), (10000, 20000), 8, 800)

    parameters = twolayer.init_parameters(rng=replay.two_layer_stream())
    checked, labels = double.train_images[:CHECKED_IMAGES], double.train_labels[:CHECKED_IMAGES]

    def check() -> np.ndarray:
        numerical = twolayer.numerical_gradients(
            parameters, checked, labels, lmbda=CHECKED_LMBDA, loss="cross_entropy", step=STEP
        )
        return numerical.W1[0, :CHECKED]

    yield set_beside(
        1,
        "A check of every parameter's derivative",
        check,
        partial(_check_plainly, parameters, checked, labels),
        check_quotients,
        own_units=1 / CHECKS,
        plain_units=CHECKED / sum(array.size for array in parameters),
    )


def _train(training: twolayer.Split, validation: twolayer.Split, settings: twolayer.Settings) -> Outcome:
    rng = replay.two_layer_stream()
    initial, order = twolayer.init_parameters(rng=rng), np.arange(len(training.labels))
    run = twolayer.train(initial, training, validation, settings=settings, order=order, rng=rng)
    return Outcome(run.parameters.W1, run.validation.accuracy)


def _train_plainly(training: twolayer.Split, validation: twolayer.Split, settings: twolayer.Settings) -> Outcome:
    rng = replay.two_layer_stream()
    W1, b1, W2, b2 = twolayer.init_parameters(rng=rng)
    columns = [(split.images.T, split.labels) for split in (training, validation)]
    found, curves = reference_twolayer.train_with_curves(W1, b1[:, None], W2, b2[:, None], *columns, settings, rng)
    return Outcome(found[0], curves[-1][2][2])


def _check_plainly(parameters: twolayer.Parameters, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Form the quotients of the first parameters, from two costs each."""
    W1, b1, W2, b2 = parameters
    W1, b1, b2, X = W1.copy(), b1[:, None], b2[:, None], np.array(images).T
    Y, quotients = reference_twolayer.one_hot(labels, len(b2)), np.empty(CHECKED)

    def cost() -> float:
        penalty = CHECKED_LMBDA * ((W1**2).sum() + (W2**2).sum())
        return reference_twolayer.mean_cross_entropy(W1, b1, W2, b2, X, Y) + penalty

    for place in range(CHECKED):
        before = W1[0, place]
        W1[0, place] = before + STEP
        upper = cost()
        W1[0, place] = before - STEP
        quotients[place] = (upper - cost()) / (2 * STEP)
        W1[0, place] = before
    return quotients


def check_quotients(results: Sequence[np.ndarray]) -> None:
    """Refuse contenders with other quotients; the plain way subtracts costs, which cancels digits."""
    own, plain = results
    if not np.allclose(own, plain, atol=1e-6):
        raise ValueError(f"the quotients differ by {np.abs(own - plain).max():.2g}; expected the same from each")
