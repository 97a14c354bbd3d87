"""Plots of a cell of the batch-size study (F §3, §4): the runs of one batch size, and a trial pass."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gradlab.lab import style
from gradlab.lab.curves import PANELS, dress_panel, tabulate_seeds

LOGARITHMIC = {("train", "loss"), ("test", "loss")}  # a seed's test loss can be orders of magnitude above the others'


def plot_runs(curves: pd.DataFrame) -> Figure:
    """Plot one batch size: train and test, loss and accuracy against passes, a thin line per seed and their median.

    A line stops where its run diverged, and the median where the first one did. The axes of accuracy begin below the
    smallest value after the first pass, so the untrained network's accuracy is off them.

    Parameters
    ----------
    curves
        Tidy curves with `seed`; without it they are those of one run, which is drawn as the median would be.
    """
    figure, axes = style.panels(2, 2)
    alone = "seed" not in curves
    curves = curves.assign(seed=0) if alone else curves
    seeds = sorted(curves["seed"].unique())
    for ax, (split, metric) in zip(axes, PANELS, strict=True):
        table = tabulate_seeds(curves, split, metric)
        for seed in [] if alone else seeds:
            ax.plot(table.index, table[seed], color=style.COLOURS[0], **style.SINGLE_SEED)
        ax.plot(table.index, table.median(axis=1, skipna=False), color=style.COLOURS[0], **style.REPRODUCED)
        dress_panel(ax, split, metric, curves, logarithmic=LOGARITHMIC)
    if not alone:
        handles = [
            Line2D([], [], color=style.COLOURS[0], label=f"{len(seeds)} seeds", **style.SINGLE_SEED),
            Line2D([], [], color=style.COLOURS[0], label="median", **style.REPRODUCED),
        ]
        figure.legend(handles=handles, loc="outside right upper")
    return figure


def plot_trial(curves: pd.DataFrame) -> Figure:
    """Plot the running average of the loss over the trial pass, and the training loss before the pass and after it.

    Parameters
    ----------
    curves
        Tidy curves of a replay.
    """
    figure, (ax,) = style.panels(1, 1, width=6.4, height=3.2)
    train = curves[curves["split"] == "train"]
    averages, losses = (train[train["metric"] == name] for name in ("trial_running_average", "trial_loss"))
    ax.plot(averages["update"], averages["value"], color=style.COLOURS[0], label="running average", **style.REPRODUCED)
    look: style.Look = {"marker": "D", "markersize": 6.5, "mfc": "none", "mew": 1.5, "linestyle": "none"}
    ax.plot(losses["update"], losses["value"], color=style.COLOURS[1], label="on all training images", **look)
    ax.set(xlabel="updates", ylabel="loss", ylim=(0, None))
    figure.legend(loc="outside upper left", ncols=2, fontsize=9)
    return figure
