"""Decision boundaries, and loss and accuracy over steps."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gradlab.lab.style import COLOURS, MARKER, MARKERS, REPRODUCED, SINGLE_SEED, Look, panels
from gradlab.studies.moons.network import Network, score
from gradlab.studies.moons.training import Points

_LINE = COLOURS[-1]  # of boundaries, apart from the colours of the two labels
_SPLITS = {"train": "training points", "held out": "held-out points"}


def plot_boundary(network: Network, points: Points) -> Figure:
    """Draw points by their labels, the boundary where the output is 0, and the margins where it is −1 and 1."""
    figure, (ax,) = panels(1, 1, width=5.4, height=4.6)
    _draw_points(ax, points)
    _draw_levels(ax, network, [0.0], linewidths=1.6, linestyles="solid")
    _draw_levels(ax, network, [-1.0, 1.0], linewidths=0.9, linestyles="dashed")
    lines = [
        Line2D([], [], color=_LINE, linewidth=1.6, label="output 0"),
        Line2D([], [], color=_LINE, linewidth=0.9, linestyle="--", label="output −1 and 1"),
    ]
    _label_plane(ax, lines)
    return figure


def plot_boundaries(networks: Sequence[Network], points: Points) -> Figure:
    """Draw the boundaries of several networks, and points of the distribution from which all of them were trained."""
    figure, (ax,) = panels(1, 1, width=5.4, height=4.6)
    _draw_points(ax, points)
    for network in networks:
        _draw_levels(ax, network, [0.0], linewidths=0.9, linestyles="solid", alpha=0.7)
    _label_plane(ax, [Line2D([], [], color=_LINE, linewidth=0.9, label="boundary of each seed")])
    return figure


def plot_training(curves: pd.DataFrame) -> Figure:
    """Draw loss and accuracy on the training points before each step, one above the other.

    Parameters
    ----------
    curves
        Columns `step`, `metric` and `value`.
    """
    figure, axes = panels(2, 1, width=5.4, height=2.3)
    for ax, metric, colour in zip(axes, ("loss", "accuracy"), COLOURS, strict=False):
        rows = curves[curves["metric"] == metric]
        ax.plot(rows["step"], rows["value"], color=colour, **REPRODUCED)
    axes[0].set(yscale="log", ylabel="loss (hinge and penalty)")
    axes[1].set(xlabel="step", ylabel="training accuracy (%)", ylim=(None, 101))
    return figure


def plot_accuracy(curves: pd.DataFrame) -> Figure:
    """Draw the accuracy on training and held-out points over the steps: each seed, and the mean over seeds.

    Parameters
    ----------
    curves
        Columns `seed`, `step`, `split`, `metric` and `value`.
    """
    figure, (ax,) = panels(1, 1, width=5.4, height=4.6)
    accuracies = curves[curves["metric"] == "accuracy"]
    for place, (split, label) in enumerate(_SPLITS.items()):
        seeds = accuracies[accuracies["split"] == split].pivot(index="step", columns="seed", values="value")
        colour = COLOURS[place]
        ax.plot(seeds.index, seeds, color=colour, **SINGLE_SEED)
        mean = seeds.mean(axis=1)
        ax.plot(mean.index, mean, color=colour, marker=MARKERS[place], markevery=(8 * place, 16), label=label, **MARKER)
    ax.set(xlabel="step", ylabel="accuracy (%)", ylim=(50, 101))  # half are right by chance
    ax.legend(loc="lower right", title="mean over seeds")
    return figure


def _draw_points(ax: Axes, points: Points) -> None:
    X, y = points
    for place, label in enumerate((-1, 1)):
        look: Look = {"color": COLOURS[place], "marker": MARKERS[place], **MARKER}
        ax.plot(*X[y == label].T, linestyle="none", label=f"label {label}".replace("-", "−"), **look)


def _draw_levels(ax: Axes, network: Network, levels: Sequence[float], **look: Any) -> None:
    across, up = np.meshgrid(np.linspace(-2, 3, 201), np.linspace(-1.75, 2.25, 161))
    scores = score(network, np.stack([across.ravel(), up.ravel()], axis=1)).reshape(across.shape)
    if reached := [level for level in levels if scores.min() < level < scores.max()]:
        ax.contour(across, up, scores, levels=reached, colors=_LINE, zorder=3, **look)


def _label_plane(ax: Axes, lines: Sequence[Line2D]) -> None:
    ax.set(xlabel="first coordinate", ylabel="second coordinate", xlim=(-2, 3), ylim=(-1.75, 2.25), aspect="equal")
    handles = [*ax.get_lines(), *lines]
    ax.figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
