"""The divergent learning rate of the batch-size study (F §3): which rates diverge, and a search for the smallest.

F §3 chooses its divergent rates by eye, without a criterion. Here a rate diverges if, in one pass, the smoothed training
loss becomes non-finite or ends no lower than it began, or if the network ends with the same outputs for every image.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from gradlab.lab.seeds import Streams
from gradlab.studies.batch_size.mlp import Parameters, StackedData, draw_order, predict_logits, train_pass

WINDOWS = 10  # of equal length, that one pass is divided into for smoothing
_MAX_DOUBLINGS = 40  # of the rate at which a search starts, and as many halvings: a factor of 10¹² either way


@dataclass(frozen=True)
class Start:
    """What all trials of a search share: each seed's images, its untrained network and the minibatches of one pass.

    Attributes
    ----------
    data, initial
        Images and untrained networks of S seeds.
    order
        int64, shape (S, updates, B): the examples of each minibatch, the same at every rate.
    untrained
        float64, shape (S, WINDOWS): the smoothed loss of the untrained networks on these minibatches.
    """

    data: StackedData
    initial: Parameters
    order: Tensor
    untrained: np.ndarray


@dataclass(frozen=True)
class Trial:
    """One pass at one learning rate, for S seeds.

    Attributes
    ----------
    learning_rate
        The rate of all updates.
    smoothed
        float64, shape (S, WINDOWS): the mean minibatch loss of each window; not finite where one of them is not.
    untrained
        float64, shape (S, WINDOWS): the same of the untrained networks, on the same minibatches.
    diverged
        bool, shape (S,).
    """

    learning_rate: float
    smoothed: np.ndarray
    untrained: np.ndarray
    diverged: np.ndarray


@dataclass(frozen=True)
class Bracket:
    """Two rates with the threshold between them: at the lower one training is stable, at the higher one it diverges."""

    stable: float
    divergent: float


@dataclass(frozen=True)
class Search:
    """Brackets of the divergent learning rate.

    Attributes
    ----------
    seeds
        A bracket for each seed, in their order.
    majority
        The bracket of the rate at which more than half of the seeds diverge.
    outcomes
        For every rate that was tried, in the order of the trials, whether each seed diverged.
    """

    seeds: tuple[Bracket, ...]
    majority: Bracket
    outcomes: dict[float, tuple[bool, ...]]


def smooth_losses(losses: np.ndarray, windows: int = WINDOWS) -> np.ndarray:
    """Return the mean of each of `windows` consecutive stretches: float64, shape (S, updates) to (S, windows).

    The stretches are of equal length, or the first ones longer by one where the division leaves a remainder.

    Raises
    ------
    ValueError
        If there are fewer updates than windows.
    """
    updates = losses.shape[1]
    if updates < windows:
        raise ValueError(
            f"a pass of {updates} updates cannot be smoothed over {windows} windows; expected an update for each: "
            "take more images or a smaller batch"
        )
    stretches = np.array_split(losses.astype(np.float64), windows, axis=1)
    return np.stack([stretch.mean(axis=1) for stretch in stretches], axis=1)


def diverges(smoothed: np.ndarray, untrained: np.ndarray, constant: np.ndarray) -> np.ndarray:
    """Apply the rule: which seeds diverged in a pass.

    A seed diverged if its smoothed loss is not finite in some window, or ends no lower than it began, or if its network
    ends with constant outputs. It *ends* with the mean of the last window, and *began* with what the untrained network
    loses on the minibatches of that window: the same images on both sides, so chance in drawing them cancels, and the
    loss falls even at a very small rate. (The mean of the first window would not do as the beginning. It lies
    far below the untrained loss already, and how far depends on the length of the window; and where the loss explodes
    and comes back, it is huge.)

    Constant outputs need a clause of their own. A network whose hidden units are all off still fits the frequencies of
    the classes, with a loss near ln 10, and untrained networks lose a little more than that.

    Parameters
    ----------
    smoothed, untrained
        Shape (S, windows).
    constant
        bool, shape (S,): whether the network's outputs after the pass are the same for all images.

    Returns
    -------
    ndarray of bool, shape (S,)
    """
    finite = np.isfinite(smoothed).all(axis=1)
    lower = smoothed[:, -1] < untrained[:, -1]
    diverged: np.ndarray = ~finite | ~lower | constant
    return diverged


def prepare_start(data: StackedData, initial: Parameters, *, batch_size: int, streams: Sequence[Streams]) -> Start:
    """Draw the minibatches of one pass from each seed's `order`, and measure what the untrained networks lose on them.

    The draws are those of the first pass of `mlp.train` under the same streams.

    Parameters
    ----------
    data, initial
        Images and untrained networks of S seeds.
    batch_size
        Examples of a minibatch, drawn with replacement.
    streams
        One for each seed.

    Raises
    ------
    ValueError
        If the number of streams is not that of the seeds, or a pass has fewer updates than there are windows.
    """
    seeds, n, _ = data.train_x.shape
    if len(streams) != seeds:
        raise ValueError(f"{len(streams)} streams for data of {seeds} seeds; expected one for each seed")
    order = draw_order(n, batch_size, streams=streams)
    untrained, _ = _run_pass(data, initial, order, learning_rate=0.0)
    return Start(data, initial, order, smooth_losses(untrained))


def try_rate(start: Start, learning_rate: float) -> Trial:
    """Train every seed for one pass, each time from its untrained network with the same minibatches, and judge it."""
    losses, parameters = _run_pass(start.data, start.initial, start.order, learning_rate=learning_rate)
    logits = predict_logits(parameters, start.data.train_x)
    constant = (logits == logits[:, :1]).flatten(1).all(dim=1).cpu().numpy()
    smoothed = smooth_losses(losses)
    return Trial(learning_rate, smoothed, start.untrained, diverges(smoothed, start.untrained, constant))


def _run_pass(
    data: StackedData, initial: Parameters, order: Tensor, *, learning_rate: float
) -> tuple[np.ndarray, Parameters]:
    """Return the loss of every minibatch, shape (S, updates), and the parameters after the pass."""
    parameters = initial.copy()
    losses = torch.empty(order.shape[:2], dtype=data.train_x.dtype, device=data.train_x.device)
    train_pass(parameters, data, order, learning_rate=learning_rate, losses=losses)
    return losses.cpu().numpy(), parameters


def most_diverge(outcomes: Sequence[bool]) -> bool:
    """Return whether more than half of the seeds diverged."""
    return 2 * sum(outcomes) > len(outcomes)


def search_rates(outcomes: Callable[[float], Sequence[bool]], *, start: float, tolerance: float) -> Search:
    """Bracket the smallest divergent learning rate of each seed, and of their majority.

    From `start` the rate is doubled until it diverges, or halved until it is stable; then the logarithm of the rate is
    bisected. It is assumed that a seed that diverges at some rate diverges at every higher one. A bracket is two rates
    with the two outcomes even where that is not so, but it need not be the only one then: see
    `count_stable_above_divergent`.

    Parameters
    ----------
    outcomes
        Function of a rate that returns for each seed whether it diverges. Called once for each rate.
    start
        Rate at which bracketing starts, positive and finite.
    tolerance
        A bracket is narrow enough where divergent / stable ≤ 1 + tolerance; from 1e-6 to 1.

    Raises
    ------
    ValueError
        If `start` or `tolerance` is out of range, or if a seed has only one outcome in 40 doublings or halvings.
    """
    if not (math.isfinite(start) and start > 0):
        raise ValueError(f"start is {start}; expected a positive, finite learning rate")
    if not 1e-6 <= tolerance <= 1:
        raise ValueError(f"tolerance is {tolerance}; expected 1e-6 to 1, such as 0.05 for a bracket within 5 %")
    tried: dict[float, tuple[bool, ...]] = {}

    def try_once(rate: float) -> tuple[bool, ...]:
        if rate not in tried:
            tried[rate] = tuple(bool(outcome) for outcome in outcomes(rate))
        return tried[rate]

    def try_seed(seed: int, rate: float) -> bool:
        return try_once(rate)[seed]

    seeds = len(try_once(start))
    brackets = tuple(
        _bracket(partial(try_seed, seed), f"seed number {seed} of the stack", start, tolerance) for seed in range(seeds)
    )
    majority = _bracket(lambda rate: most_diverge(try_once(rate)), "the majority of the seeds", start, tolerance)
    return Search(brackets, majority, tried)


def _bracket(is_divergent: Callable[[float], bool], who: str, start: float, tolerance: float) -> Bracket:
    """Return a bracket of one threshold; equal outcomes lead to equal rates, so that seeds can share their trials."""
    rate, divergent = start, is_divergent(start)
    factor = 0.5 if divergent else 2.0
    for _ in range(_MAX_DOUBLINGS):
        neighbour = rate * factor
        if is_divergent(neighbour) != divergent:
            break
        rate = neighbour
    else:
        outcome, limit = ("diverges", "down") if divergent else ("is stable", "up")
        raise ValueError(
            f"no bracket found: {who} {outcome} at {start:g} and at every {'half' if divergent else 'double'} of it "
            f"{limit} to {rate:g}; expected the other outcome within {_MAX_DOUBLINGS} steps: start the search elsewhere, "
            "or check the data"
        )
    stable, high = min(rate, neighbour), max(rate, neighbour)
    while high > stable * (1 + tolerance):
        middle = math.sqrt(stable * high)
        if is_divergent(middle):
            high = middle
        else:
            stable = middle
    return Bracket(stable, high)


def find_divergent_rates(start: Start, *, rate: float, tolerance: float) -> tuple[Search, list[Trial]]:
    """Search for the divergent learning rate of every seed, beginning at `rate`; return also the trials, by rate."""
    trials: list[Trial] = []

    def outcomes(learning_rate: float) -> Sequence[bool]:
        trials.append(try_rate(start, learning_rate))
        diverged: list[bool] = trials[-1].diverged.tolist()
        return diverged

    search = search_rates(outcomes, start=rate, tolerance=tolerance)
    return search, sorted(trials, key=lambda trial: trial.learning_rate)


def count_stable_above_divergent(search: Search) -> int:
    """Return how many trials of a seed were stable at a rate above one at which the same seed diverged."""
    by_rate = np.array([search.outcomes[rate] for rate in sorted(search.outcomes)])  # (rates, S)
    diverged_below = np.logical_or.accumulate(by_rate, axis=0)
    return int((diverged_below & ~by_rate).sum())


def measure_search(search: Search, *, batch_size: int) -> dict[str, float | list[float]]:
    """Return the metrics of one batch size, lists in the order of the seeds.

    `learning_rate`, the rate to train at, is half of the rate at which the majority of the seeds diverges.
    """
    metrics: dict[str, float | list[float]] = {
        "divergent_learning_rate": [bracket.divergent for bracket in search.seeds],
        "largest_stable_learning_rate": [bracket.stable for bracket in search.seeds],
        "majority_bracket": [search.majority.stable, search.majority.divergent],
        "learning_rate": search.majority.divergent / 2,
        "trials": len(search.outcomes),
        "stable_above_divergent": count_stable_above_divergent(search),
    }
    return {f"{batch_size}.{name}": value for name, value in metrics.items()}


def tabulate_trials(trials: Sequence[Trial], seeds: Sequence[int]) -> pd.DataFrame:
    """Return the trials as a tidy table: learning_rate, seed, window, metric, value.

    Windows count from 1. `smoothed_loss` stands in every window, empty where it is not finite; `untrained_loss` and
    `diverged`, which is 0 or 1, stand in the last one, at whose end a trial is judged.
    """
    rows = []
    for trial in trials:
        last = trial.smoothed.shape[1]
        for s, seed in enumerate(seeds):
            key = (trial.learning_rate, seed)
            losses = np.where(np.isfinite(trial.smoothed[s]), trial.smoothed[s], np.nan)
            rows += [(*key, window, "smoothed_loss", loss) for window, loss in enumerate(losses, start=1)]
            rows.append((*key, last, "untrained_loss", trial.untrained[s, -1]))
            rows.append((*key, last, "diverged", float(trial.diverged[s])))
    return pd.DataFrame(rows, columns=["learning_rate", "seed", "window", "metric", "value"])
