"""Plot of the search for a divergent learning rate: its trials and its brackets."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from gradlab.lab import style
from gradlab.studies.batch_size.divergence import Search, most_diverge

# Told apart by line and marker as well as by colour.
_STABLE: style.Look = {"color": style.COLOURS[0], "linestyle": "-"}
_DIVERGED: style.Look = {"color": style.COLOURS[1], "linestyle": (0, (4, 2))}
_UNTRAINED: style.Look = {"color": "0.3", "linestyle": ":", "linewidth": 1.2}
_BRACKET: style.Look = {"color": "0.75", "linewidth": 11, "solid_capstyle": "butt"}
_HIGHEST = 30  # times the untrained loss: above it, a diverging loss runs through up to 30 decades
_NEAREST = 1.5  # times the highest bracket, and as far below the lowest: further away, rates only led to the brackets


def plot_search(trials: pd.DataFrame, search: Search, *, batch_size: int) -> Figure:
    """Plot the smoothed loss over the pass for every trial, and the bracket of every seed among the rates tried.

    On the left, a line for each seed at each rate, and the untrained networks' losses as level lines. A line leaves
    the panel where the loss is more than 30 times theirs, and stops where it is not finite. On the right, each seed's
    trials on a logarithmic axis, open where they were stable and filled where they diverged; below the seeds, their
    majority. Rates more than a factor of 1.5 away from all brackets are off that axis.

    Parameters
    ----------
    trials
        Tidy table of the trials: learning_rate, seed, window, metric, value.
    search
        Brackets, in the order in which the seeds first stand in the table.
    batch_size
        Examples of a minibatch, for the title.
    """
    figure, axes = style.panels(1, 2, width=9.6, height=3.4)
    _draw_losses(axes[0], trials)
    _draw_brackets(axes[1], trials, search)
    figure.suptitle(f"One pass at batch size {batch_size}", fontsize=10)
    handles = [
        Line2D([], [], marker="o", markerfacecolor="white", label="stable", **_STABLE),
        Line2D([], [], marker="o", label="diverged", **_DIVERGED),
        Line2D([], [], label="untrained", **_UNTRAINED),
        Line2D([], [], label="bracket", **_BRACKET),
    ]
    figure.legend(handles=handles, loc="outside right upper")
    return figure


def _draw_losses(ax: Axes, trials: pd.DataFrame) -> None:
    """Draw the smoothed loss of every trial and seed over the windows."""
    smoothed = trials[trials["metric"] == "smoothed_loss"]
    diverged = trials[trials["metric"] == "diverged"].set_index(["learning_rate", "seed"])["value"]
    trial_by_trial: Iterable[tuple[Any, pd.DataFrame]] = smoothed.groupby(["learning_rate", "seed"])
    for key, rows in trial_by_trial:
        look = _DIVERGED if diverged[key] else _STABLE
        ax.plot(rows["window"], rows["value"], linewidth=0.9, alpha=0.8, **look)
    untrained = trials.loc[trials["metric"] == "untrained_loss"].drop_duplicates("seed")["value"]
    for loss in untrained:
        ax.axhline(loss, **_UNTRAINED)
    ax.set_yscale("log")
    ax.set_ylim(0.7 * min(smoothed["value"].min(), untrained.min()), _HIGHEST * untrained.max())
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="tenth of the pass", ylabel="mean minibatch loss")


def _draw_brackets(ax: Axes, trials: pd.DataFrame, search: Search) -> None:
    """Draw brackets and trials, a row for each seed and one for their majority."""
    seeds = trials["seed"].drop_duplicates().tolist()
    rates = np.array(sorted(search.outcomes))
    outcomes = [search.outcomes[rate] for rate in rates]
    diverged = np.array([[*seeds_diverged, most_diverge(seeds_diverged)] for seeds_diverged in outcomes])
    brackets = [*search.seeds, search.majority]
    for row, bracket in enumerate(brackets):
        ax.plot([bracket.stable, bracket.divergent], [row, row], zorder=1.5, **_BRACKET)
        for outcome, look in ((False, _STABLE), (True, _DIVERGED)):
            tried = rates[diverged[:, row] == outcome]
            face = look["color"] if outcome else "white"
            ax.plot(tried, np.full(len(tried), row), "o", color=look["color"], markerfacecolor=face, markersize=5)
    ax.set_xscale("log")
    ax.set_yticks(range(len(seeds) + 1), [*(f"seed {seed}" for seed in seeds), "majority"])
    ax.set_ylim(len(seeds) + 0.5, -0.5)
    ax.grid(visible=False, axis="y")
    low, high = min(bracket.stable for bracket in brackets), max(bracket.divergent for bracket in brackets)
    ax.set_xlim(low / _NEAREST, high * _NEAREST)
    style.label_short_span(ax.xaxis)
    ax.set_xlabel("learning rate")
