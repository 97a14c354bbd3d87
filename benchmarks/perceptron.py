"""Updates with one image of the perceptron, for five seeds (F §3)."""

from collections.abc import Sequence

import numpy as np
import reference_mlp
from sklearn.neural_network import MLPClassifier

from benchmarks.timing import Benchmark, Places, Target
from gradlab.data import load_fashion_mnist
from gradlab.lab.models import CLASSES
from gradlab.lab.seeds import seed_streams
from gradlab.studies.batch_size import mlp

SEEDS, SUBSET, HIDDEN, RATE = 5, 6000, 64, 0.005
UPDATES = 400


def compare(places: Places, *, updates: int = UPDATES, subset: int = SUBSET) -> Benchmark:
    """Compare five seeds as one stack with a loop for each seed, through autograd and by scikit-learn."""
    streams = [seed_streams(20210, seed) for seed in range(SEEDS)]
    source = load_fashion_mnist(places.data / "fashion_mnist")
    images = mlp.draw_data(
        source.train_images,
        source.train_labels,
        source.test_images[:10],
        source.test_labels[:10],
        size=subset,
        streams=streams,
    )
    initial = mlp.init_parameters(images.train_x.shape[2], HIDDEN, streams=streams)
    order = mlp.draw_order(subset, 1, streams=streams)[:, :updates]  # (S, updates, 1)
    numbers = order[..., 0].numpy()
    classifiers = [_make_classifier(images.train_x[seed].numpy()) for seed in range(SEEDS)]

    def train_stack() -> list[np.ndarray]:
        parameters = initial.copy()
        mlp.train_pass(parameters, images, order, learning_rate=RATE)
        return list(parameters.W1.numpy())

    def train_each() -> list[np.ndarray]:
        trained = []
        for seed in range(SEEDS):
            network = reference_mlp.build_network(initial, seed)
            reference_mlp.train_pass(
                network, images.train_x[seed], images.train_y[seed], order=order[seed].numpy(), learning_rate=RATE
            )
            trained.append(network[0].weight.detach().numpy().T)
        return trained

    def fit_each(images_of_call: int) -> list[np.ndarray]:
        trained = []
        for seed, classifier in enumerate(classifiers):
            _set_parameters(classifier, initial, seed)
            x, y = images.train_x[seed].numpy(), images.train_y[seed].numpy()
            for start in range(0, updates, images_of_call):
                chosen = numbers[seed, start : start + images_of_call]
                classifier.partial_fit(x[chosen], y[chosen])
            trained.append(classifier.coefs_[0].copy())
        return trained

    contenders = {
        "gradlab": train_stack,
        "torch.nn and torch.optim.SGD, seed by seed": train_each,
        "scikit-learn, partial_fit with one image": lambda: fit_each(1),
        f"scikit-learn, partial_fit with {updates} images, batch_size=1": lambda: fit_each(updates),
    }
    return Benchmark(
        name="perceptron",
        title="An update with one image of each of five perceptrons, a seed each",
        contenders=contenders,
        target=Target(3, "torch.nn and torch.optim.SGD, seed by seed"),
        agree=check_weights,
        units=dict.fromkeys(contenders, updates),
    )


def _make_classifier(images: np.ndarray) -> MLPClassifier:
    """Return scikit-learn's network, set up for plain gradient descent and for images and classes of this kind."""
    classifier = MLPClassifier(
        (HIDDEN,),
        solver="sgd",
        alpha=0,
        batch_size=1,
        learning_rate_init=RATE,
        momentum=0,
        shuffle=False,
        random_state=0,
    )
    return classifier.partial_fit(images[:CLASSES], np.arange(CLASSES), classes=np.arange(CLASSES))


def _set_parameters(classifier: MLPClassifier, parameters: mlp.Parameters, seed: int) -> None:
    """Set the parameters in place: scikit-learn's optimiser holds the arrays themselves."""
    own = zip(classifier.coefs_, (parameters.W1[seed], parameters.W2[seed]), strict=True)
    own_biases = zip(classifier.intercepts_, (parameters.b1[seed, 0], parameters.b2[seed, 0]), strict=True)
    for array, value in (*own, *own_biases):
        array[...] = value.numpy()


def check_weights(results: Sequence[Sequence[np.ndarray]]) -> None:
    """Refuse contenders whose first layers, one for each seed, went elsewhere; rounding differs."""
    for networks in results[1:]:
        for seed, (own, other) in enumerate(zip(results[0], networks, strict=True)):
            if not np.allclose(own, other, atol=1e-3):
                difference = np.abs(own - other).max()
                raise ValueError(f"weights of seed {seed} differ by {difference:.2g}; expected the same updates")
