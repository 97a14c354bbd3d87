"""A two-layer network on CIFAR-10 in NumPy: 3072 inputs, 50 rectified units, 10 classes, gradients written by hand (C).

Images are rows. The training set is never rearranged in memory: an index array holds the order of its rows, and every
batch gathers the rows that it needs. The derivative of each rule stands directly below the rule.
"""

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any

import numpy as np

IMAGE_SHAPE = (3, 32, 32)  # colour plane, row, column: the layout of the 3,072 values of an image
SIZES = (3072, 50, 10)  # inputs, hidden units, classes
LOSSES = ("cross_entropy", "binary_cross_entropy")
CURVE_COLUMNS = ("update", "split", "metric", "value")

# Rows evaluated together, and states of a network whose first layers are evaluated in one product: 50 columns are too
# few to keep the processor busy, 400 are enough (float32, one thread: 88 against 157 Gflop/s, and no more beyond).
_CHUNK = 1000
_STATES = 8

Stream = np.random.RandomState | np.random.Generator


@dataclass(frozen=True)
class Parameters:
    """Weights and biases of the network, or the derivatives of its cost by each of them.

    Attributes
    ----------
    W1 : ndarray, shape (hidden, inputs)
    b1 : ndarray, shape (hidden,)
    W2 : ndarray, shape (classes, hidden)
    b2 : ndarray, shape (classes,)
    """

    W1: np.ndarray
    b1: np.ndarray
    W2: np.ndarray
    b2: np.ndarray

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter((self.W1, self.b1, self.W2, self.b2))

    def astype(self, dtype: str | np.dtype) -> "Parameters":
        """Return a copy of these parameters in `dtype`."""
        return Parameters(*(array.astype(dtype) for array in self))


@dataclass(frozen=True)
class Settings:
    """How a network is trained.

    Attributes
    ----------
    epochs
        The length of a run, in passes over the training set.
    batch_size
        Images in an update; it divides the size of the training set.
    lmbda
        λ ≥ 0, the weight of the penalty λ·(‖W1‖² + ‖W2‖²).
    n_s
        Updates in which the learning rate climbs from `eta_min` to `eta_max`, and again those in which it falls back.
    eta_min, eta_max
        Bounds of the learning rate; equal bounds make it constant.
    loss
        "cross_entropy" (softmax) or "binary_cross_entropy" (ten of them, one for each class).
    flip_probability
        The probability with which an image is mirrored left to right, drawn anew for each image in each epoch.
    evaluate_every
        Updates between two evaluations for the curves; None: the last state alone is evaluated.
    complete
        Whether a run that ends within a cycle of the learning rate goes on until the cycle is complete.
    """

    epochs: int
    batch_size: int
    lmbda: float
    n_s: int
    eta_min: float = 1e-5
    eta_max: float = 0.1
    loss: str = "cross_entropy"
    flip_probability: float = 0.0
    evaluate_every: int | None = 50
    complete: bool = False

    def __post_init__(self) -> None:
        _check_loss(self.loss)
        for name in ("batch_size", "n_s", "evaluate_every"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; give a number of at least 1")
        if not 0 <= self.flip_probability <= 1:
            raise ValueError(f"flip_probability is {self.flip_probability}; give a probability, from 0 to 1")


@dataclass(frozen=True)
class Split:
    """Images with their labels, and the same images in float32 for the curves.

    Attributes
    ----------
    images : ndarray of float64, shape (n, inputs)
        Standardised images; a read-only memory map serves.
    labels : ndarray of int, shape (n,)
    curve_images : ndarray of float32, shape (n, inputs)
        The images from which the curves are computed; `images` itself is allowed.
    """

    images: np.ndarray
    labels: np.ndarray
    curve_images: np.ndarray

    def rows(self, start: int, stop: int) -> "Split":
        """Return the images from `start` up to, not including, `stop`; a view, nothing is copied.

        Raises
        ------
        ValueError
            If the range is empty or leaves the split: a plain slice would be cut short without a word.
        """
        if not 0 <= start < stop <= len(self.labels):
            raise ValueError(
                f"rows [{start}, {stop}] are no part of {len(self.labels)} images; "
                f"give a half-open range within [0, {len(self.labels)}]"
            )
        return Split(self.images[start:stop], self.labels[start:stop], self.curve_images[start:stop])


@dataclass(frozen=True)
class Evaluation:
    """Mean loss over a split, cost (that loss plus the penalty), and accuracy (a share, from 0 to 1)."""

    loss: float
    cost: float
    accuracy: float


@dataclass(frozen=True)
class State:
    """A network after some updates: its parameters, and its evaluations on both splits in float64."""

    parameters: Parameters
    training: Evaluation
    validation: Evaluation


@dataclass(frozen=True)
class Run(State):
    """A trained network: its state after the last epoch, and how it came there.

    Attributes
    ----------
    completed
        Where the cycle of the learning rate is complete; None where the run does not go on so far.
    order : ndarray of int, shape (n,)
        The order in which the run leaves the rows of its training set.
    curves : list of (update, split, metric, value)
        Rows under `CURVE_COLUMNS`: `cost`, `loss` and `accuracy` of the splits "train" and "validation" before the
        first update, after every `evaluate_every` updates and after the last one, where `update` counts the updates
        done; and `learning_rate` under the split "train", the rate that the next update uses. In float32 up to the last
        evaluation, which is in float64.
    """

    completed: State | None
    order: np.ndarray
    curves: list[tuple[int, str, str, float]]


def init_parameters(*, rng: Stream, sizes: tuple[int, int, int] = SIZES) -> Parameters:
    """Draw W1, then W2, from normal distributions of variance 1 / fan-in; the biases are zero (C).

    Parameters
    ----------
    rng
        The stream that the weights are drawn from.
    sizes
        Inputs, hidden units and classes.
    """
    inputs, hidden, classes = sizes
    return Parameters(
        W1=rng.normal(0, 1 / np.sqrt(inputs), size=(hidden, inputs)),
        b1=np.zeros(hidden),
        W2=rng.normal(0, 1 / np.sqrt(hidden), size=(classes, hidden)),
        b2=np.zeros(classes),
    )


def forward(parameters: Parameters, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the hidden units max(0, W1·x + b1), shape (n, hidden), and the logits W2·h + b2, shape (n, classes)."""
    hidden = images @ parameters.W1.T  # (n, inputs) @ (inputs, hidden)
    hidden += parameters.b1
    np.maximum(hidden, 0, out=hidden)
    logits = hidden @ parameters.W2.T  # (n, hidden) @ (hidden, classes)
    logits += parameters.b2
    return hidden, logits


def backward(parameters: Parameters, images: np.ndarray, hidden: np.ndarray, logit_slopes: np.ndarray) -> Parameters:
    """Return the derivatives of the mean loss by the parameters, given those by the logits, shape (n, classes)."""
    hidden_slopes = logit_slopes @ parameters.W2  # (n, classes) @ (classes, hidden)
    hidden_slopes *= hidden > 0
    return Parameters(
        W1=hidden_slopes.T @ images,  # (hidden, n) @ (n, inputs)
        b1=hidden_slopes.sum(axis=0),
        W2=logit_slopes.T @ hidden,  # (classes, n) @ (n, hidden)
        b2=logit_slopes.sum(axis=0),
    )


def image_losses(logits: np.ndarray, labels: np.ndarray, *, loss: str) -> np.ndarray:
    """Return the loss of every image.

    "cross_entropy" is −log softmax(s)_y. "binary_cross_entropy" is the sum, over the classes, of the cross-entropy
    between the logistic function of the logit and "is it this class?"; its mean over the images is the loss that is
    trained. (The notebook divides the sum over images and classes by the number of classes instead, so that its value
    grows with the number of images.) Both are written so that no large logit overflows.

    Parameters
    ----------
    logits : ndarray, shape (..., n, classes)
    labels : ndarray of int, shape (n,)
    loss
        One of `LOSSES`.

    Returns
    -------
    ndarray, shape (..., n)
    """
    _check_loss(loss)
    own = logits[..., np.arange(len(labels)), labels]
    losses: np.ndarray
    if loss == "binary_cross_entropy":
        losses = np.logaddexp(0, logits).sum(axis=-1) - own
    else:
        largest = logits.max(axis=-1)
        losses = np.log(np.exp(logits - largest[..., None]).sum(axis=-1)) + largest - own
    return losses


def image_loss_slopes(logits: np.ndarray, labels: np.ndarray, *, loss: str) -> np.ndarray:
    """Return the derivative of every image's loss by its logits, (n, classes): probability minus one-hot label."""
    _check_loss(loss)
    if loss == "binary_cross_entropy":
        slopes = 0.5 * (1 + np.tanh(0.5 * logits))  # the logistic function, without overflow
    else:
        slopes = np.exp(logits - logits.max(axis=1, keepdims=True))
        slopes /= slopes.sum(axis=1, keepdims=True)
    slopes[np.arange(len(labels)), labels] -= 1
    return slopes


def penalty(parameters: Parameters, lmbda: float) -> float:
    """Return λ·(‖W1‖² + ‖W2‖²); biases are not penalised."""
    return float(lmbda * (np.sum(parameters.W1**2) + np.sum(parameters.W2**2)))


def add_penalty_slopes(slopes: Parameters, parameters: Parameters, lmbda: float) -> None:
    """Add the derivative of the penalty, 2λW, to `slopes`, in place."""
    for slope, weight in ((slopes.W1, parameters.W1), (slopes.W2, parameters.W2)):
        slope += (2 * lmbda) * weight


def cost(parameters: Parameters, images: np.ndarray, labels: np.ndarray, *, lmbda: float, loss: str) -> float:
    """Return the mean of the images' losses plus the penalty."""
    _, logits = forward(parameters, images)
    return float(image_losses(logits, labels, loss=loss).mean()) + penalty(parameters, lmbda)


def gradients(parameters: Parameters, images: np.ndarray, labels: np.ndarray, *, lmbda: float, loss: str) -> Parameters:
    """Return the derivatives of `cost` by every parameter.

    Parameters
    ----------
    parameters
        Where the derivatives are taken.
    images : ndarray, shape (n, inputs)
    labels : ndarray of int, shape (n,)
    lmbda
        Weight of the penalty.
    loss
        One of `LOSSES`.
    """
    hidden, logits = forward(parameters, images)
    logit_slopes = image_loss_slopes(logits, labels, loss=loss)
    logit_slopes /= len(labels)
    slopes = backward(parameters, images, hidden, logit_slopes)
    add_penalty_slopes(slopes, parameters, lmbda)
    return slopes


def numerical_gradients(
    parameters: Parameters, images: np.ndarray, labels: np.ndarray, *, lmbda: float, loss: str, step: float
) -> Parameters:
    """Return centred differences of `cost`, (C(θ + h) − C(θ − h)) / 2h, for every single parameter θ.

    A full forward pass for each difference would cost two passes for each of 150,000 parameters. A change of one
    parameter, however, moves the logits by a known rank-one term: W1[j, i] moves the pre-activation of unit j by h·x_i,
    and the logits by the change of that unit times W2[:, j]; W2[k, j] moves logit k by h times unit j. So only the loss
    is evaluated anew, for all inputs of a unit at once. In the difference, images' losses and penalty are subtracted
    before they are summed, so that all terms that the parameter does not touch cancel exactly.

    Parameters
    ----------
    parameters, images, labels, lmbda, loss
        As for `gradients`; the memory needed is about 40 · inputs · n · classes bytes.
    step
        h > 0.
    """
    if not step > 0:
        raise ValueError(f"step is {step}; centred differences need a step above 0")
    W1, b1, W2, b2 = parameters
    pre_activations = images @ W1.T + b1  # (n, hidden)
    hidden, logits = forward(parameters, images)

    def difference(upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
        """Return the quotient of the mean loss between two stacks of logits, shape (stack, n, classes)."""
        rise = image_losses(upper, labels, loss=loss) - image_losses(lower, labels, loss=loss)
        quotient: np.ndarray = rise.mean(axis=-1) / (2 * step)
        return quotient

    # A bias is the weight of one more input, or one more hidden unit, that is 1 for every image.
    ones = np.ones((len(images), 1))
    moves = step * np.hstack([images, ones]).T  # (inputs + 1, n)
    first = np.empty((len(b1), len(moves)))
    for unit in range(len(b1)):
        before = pre_activations[:, unit]
        upper, lower = (
            logits + (np.maximum(moved, 0) - hidden[:, unit])[..., None] * W2[:, unit]  # (inputs + 1, n, classes)
            for moved in (before + moves, before - moves)
        )
        first[unit] = difference(upper, lower)
    moves = step * np.hstack([hidden, ones]).T  # (hidden + 1, n)
    second = np.empty((len(b2), len(moves)))
    for label in range(len(b2)):
        one_logit = moves[..., None] * (np.arange(len(b2)) == label)  # (hidden + 1, n, classes)
        second[label] = difference(logits + one_logit, logits - one_logit)

    def penalty_difference(weights: np.ndarray) -> np.ndarray:
        return lmbda * ((weights + step) ** 2 - (weights - step) ** 2) / (2 * step)

    return Parameters(
        W1=first[:, :-1] + penalty_difference(W1),
        b1=first[:, -1],
        W2=second[:, :-1] + penalty_difference(W2),
        b2=second[:, -1],
    )


def relative_errors(analytic: Parameters, numerical: Parameters) -> dict[str, float]:
    """Return ‖a − n‖ / max(1e-6, ‖a‖ + ‖n‖) for W1, b1, W2 and b2, with Euclidean norms over all entries (C)."""
    return {
        name: float(np.linalg.norm(a - n) / max(1e-6, float(np.linalg.norm(a) + np.linalg.norm(n))))
        for name, a, n in zip(("W1", "b1", "W2", "b2"), analytic, numerical, strict=True)
    }


def evaluate(
    states: Sequence[Parameters], images: np.ndarray, labels: np.ndarray, *, lmbda: float, loss: str
) -> list[Evaluation]:
    """Return loss, cost and accuracy over a split for several states of a network, all from one pass over the images.

    Parameters
    ----------
    states
        The parameters of each state, of the same sizes; used in the dtype of `images`.
    images : ndarray of float32 or float64, shape (n, inputs)
        Evaluated in blocks of rows, so that a memory map is never read whole. The forward pass is computed in their
        dtype, the loss from the logits in float64.
    labels : ndarray of int, shape (n,)
    lmbda
        Weight of the penalty in the cost.
    loss
        One of `LOSSES`.

    Returns
    -------
    list of Evaluation
        One for each state. An image is classified as the class of its largest logit. One whose logits are not all
        finite counts as wrong: a network that diverged has a loss that is not finite and an accuracy of 0, not a share
        of lucky guesses.
    """
    logits = np.empty((len(states), len(labels), len(states[0].b2)))
    with np.errstate(over="ignore", invalid="ignore"):
        cast = [state.astype(images.dtype) for state in states]
        W1 = np.concatenate([state.W1 for state in cast])  # (states · hidden, inputs)
        b1 = np.concatenate([state.b1 for state in cast])
        for start in range(0, len(labels), _CHUNK):
            rows = slice(start, start + _CHUNK)
            stacked = images[rows] @ W1.T  # (rows, states · hidden)
            stacked += b1
            np.maximum(stacked, 0, out=stacked)
            for place, (state, hidden) in enumerate(zip(cast, np.split(stacked, len(cast), axis=1), strict=True)):
                logits[place, rows] = hidden @ state.W2.T + state.b2
        losses = image_losses(logits, labels, loss=loss).mean(axis=1)
        penalties = [penalty(state, lmbda) for state in states]
    right = (logits.argmax(axis=2) == labels) & np.isfinite(logits).all(axis=2)
    return [
        Evaluation(loss=float(mean), cost=float(mean) + extra, accuracy=float(share))
        for mean, extra, share in zip(losses, penalties, right.mean(axis=1), strict=True)
    ]


def learning_rate(update: int | np.ndarray, settings: Settings) -> float | np.ndarray:
    """Return the triangular cyclical rate η(t) of update t = 0, 1, …: `eta_min` at 0, `eta_max` at `n_s` (C)."""
    climbed = settings.n_s - np.abs(update % (2 * settings.n_s) - settings.n_s)
    return settings.eta_min + climbed / settings.n_s * (settings.eta_max - settings.eta_min)


def flip_horizontally(images: np.ndarray) -> np.ndarray:
    """Return images of 3,072 values, shape (n, 3072), mirrored left to right."""
    planes = images.reshape(-1, *IMAGE_SHAPE)  # (n, 3, 32, 32)
    return planes[..., ::-1].reshape(images.shape)


def update_count(n: int, settings: Settings) -> int:
    """Return the number of updates of a run on a training set of `n` images, which `batch_size` must divide."""
    if n == 0 or n % settings.batch_size:
        raise ValueError(
            f"the training set has {n} images, which is no whole number of batches of {settings.batch_size}; "
            "change train_rows or batch_size"
        )
    return settings.epochs * (n // settings.batch_size)


def complete_count(n: int, settings: Settings) -> int:
    """Return the number of updates after which the cycle in which such a run ends is complete."""
    per_cycle = 2 * settings.n_s
    return -(-update_count(n, settings) // per_cycle) * per_cycle


def describe_cycles(n: int, settings: Settings) -> dict[str, float]:
    """Return the length of a cycle of the learning rate in a run on `n` images, and how many its epochs make.

    Returns
    -------
    dict
        `updates_per_epoch`, `updates_per_cycle`, `epochs_per_cycle`; `cycles`, which is no whole number where the run ends
        within one; and `last_learning_rate`, that of the last update.
    """
    updates, per_cycle, per_epoch = update_count(n, settings), 2 * settings.n_s, n / settings.batch_size
    return {
        "updates_per_epoch": per_epoch,
        "updates_per_cycle": per_cycle,
        "epochs_per_cycle": per_cycle / per_epoch,
        "cycles": updates / per_cycle,
        "last_learning_rate": float(learning_rate(updates - 1, settings)),
    }


def train(
    parameters: Parameters,
    training: Split,
    validation: Split,
    *,
    settings: Settings,
    order: np.ndarray,
    rng: Stream,
    flip_rng: Stream | None = None,
) -> Run:
    """Train one network; the parameters are those of `train_grid`, but for `settings`, which are those of the one run."""
    (run,) = train_grid(parameters, training, validation, settings=[settings], order=order, rng=rng, flip_rng=flip_rng)
    return run


def train_grid(
    parameters: Parameters,
    training: Split,
    validation: Split,
    *,
    settings: Sequence[Settings],
    order: np.ndarray,
    rng: Stream,
    flip_rng: Stream | None = None,
) -> list[Run]:
    """Train by stochastic gradient descent: each epoch shuffles the rows' order and goes through it in batches (C).

    Several runs that differ in λ alone go side by side: they start from the same parameters and see the same batches, so
    that each batch is gathered from the training set once for all of them. A run is the same as if it were trained alone.

    Parameters
    ----------
    parameters
        The initial parameters; not changed.
    training, validation
        The splits; only `training` is trained on.
    settings
        How to train each network.
    order : ndarray of int, shape (n,)
        A permutation of the rows: the order that the training set has before the first shuffle. Every epoch draws one
        permutation p of 0 … n − 1 and goes on with `order[p]`: the order that rearranging the images would give.
    rng
        The stream of the permutations, one an epoch; nothing else is drawn from it.
    flip_rng
        The stream of the flips, which has to be given where `flip_probability` is above 0, and is left alone where it
        is 0. An epoch draws one uniform number for each image, in the epoch's order; an image is flipped where its
        number is below the probability. Flips have a stream other than `rng`, so that a run with them sees its images
        in the same order as one without.

    Returns
    -------
    list of Run
        In the order of `settings`. A run that diverges is carried to its end; it shows in its losses.

    Raises
    ------
    ValueError
        If `settings` differ in more than λ, `batch_size` does not divide the training set, `order` is no permutation of
        its rows, or flips have no stream.
    """
    n = len(training.labels)
    shared = settings[0]
    if any(replace(one, lmbda=shared.lmbda) != shared for one in settings):
        raise ValueError(f"networks that are trained side by side differ in lmbda alone; got {list(settings)}")
    end = update_count(n, shared)
    updates = complete_count(n, shared) if shared.complete else end
    if shared.flip_probability > 0 and flip_rng is None:
        raise ValueError(
            f"flip_probability is {shared.flip_probability}, but flip_rng is None; "
            "give the flips a stream of their own, or set flip_probability to 0"
        )
    if not np.array_equal(np.sort(order), np.arange(n)):
        raise ValueError(f"order, with {len(order)} entries, is not a permutation of the {n} rows of the training set")
    networks = [_Network(parameters, training, validation, one) for one in settings]
    batch = np.empty((shared.batch_size, training.images.shape[1]), dtype=training.images.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        for update in range(updates):
            start = update * shared.batch_size % n
            if start == 0:
                order = order[rng.permutation(n)]
                flipped = None
                if flip_rng is not None and shared.flip_probability > 0:
                    flipped = flip_rng.random(n) < shared.flip_probability
            if shared.evaluate_every is not None and update % shared.evaluate_every == 0:
                for network in networks:
                    network.record(update)
            if update == end:
                for network in networks:
                    network.end()
            stop = start + shared.batch_size
            rows = order[start:stop]
            # No row is out of range, so "clip" changes none; the default mode fills `out` by way of a copy.
            np.take(training.images, rows, axis=0, out=batch, mode="clip")
            if flipped is not None:
                batch[flipped[start:stop]] = flip_horizontally(batch[flipped[start:stop]])
            eta = learning_rate(update, shared)
            for network in networks:
                network.step(batch, training.labels[rows], eta)
    return [network.finish(updates, order) for network in networks]


class _Network:
    """A network in training, and its curves so far.

    Points of the curves wait as states, of which several are evaluated together.
    """

    def __init__(self, parameters: Parameters, training: Split, validation: Split, settings: Settings):
        self._parameters = Parameters(*(array.copy() for array in parameters))
        self._splits = {"train": training, "validation": validation}
        self._settings = settings
        self._penalised: dict[str, Any] = {"lmbda": settings.lmbda, "loss": settings.loss}
        self._curves: list[tuple[int, str, str, float]] = []
        self._states: dict[int, Parameters] = {}  # by the updates done
        self._end: State | None = None

    def step(self, images: np.ndarray, labels: np.ndarray, eta: float | np.ndarray) -> None:
        """Make one update with the learning rate `eta`."""
        slopes = gradients(self._parameters, images, labels, **self._penalised)
        for parameter, slope in zip(self._parameters, slopes, strict=True):
            slope *= eta
            parameter -= slope

    def record(self, update: int) -> None:
        """Make a point of the curves from the state before an update."""
        self._states[update] = self._parameters.astype(self._splits["train"].curve_images.dtype)
        if len(self._states) == _STATES:
            self._evaluate_states()

    def end(self) -> None:
        """Evaluate the state in which a run ends that goes on."""
        self._end = self._evaluate()

    def finish(self, updates: int, order: np.ndarray) -> Run:
        """Evaluate what waits, and the last state."""
        if self._states:
            self._evaluate_states()
        last = self._evaluate()
        for name, evaluation in (("train", last.training), ("validation", last.validation)):
            self._curves.extend(_rows(updates, name, evaluation))
        completed = last if self._settings.complete else None
        return Run(**vars(self._end or last), completed=completed, order=order, curves=self._curves)

    def _evaluate(self) -> State:
        parameters = Parameters(*(array.copy() for array in self._parameters))
        evaluations = (
            evaluate([parameters], split.images, split.labels, **self._penalised)[0] for split in self._splits.values()
        )
        return State(parameters, *evaluations)

    def _evaluate_states(self) -> None:
        states = list(self._states.values())
        evaluated = [
            evaluate(states, split.curve_images, split.labels, **self._penalised) for split in self._splits.values()
        ]
        for update, *on_splits in zip(self._states, *evaluated, strict=True):
            for name, evaluation in zip(self._splits, on_splits, strict=True):
                self._curves.extend(_rows(update, name, evaluation))
            rate = float(learning_rate(update, self._settings))
            self._curves.append((update, "train", "learning_rate", rate))
        self._states.clear()


def _rows(update: int, split: str, evaluation: Evaluation) -> list[tuple[int, str, str, float]]:
    """Return one row of the curves for each value of an evaluation."""
    values = zip(("loss", "cost", "accuracy"), astuple(evaluation), strict=True)
    return [(update, split, metric, value) for metric, value in values]


def _check_loss(loss: str) -> None:
    if loss not in LOSSES:
        raise ValueError(f"loss is {loss!r}; choose one of {', '.join(LOSSES)}")
