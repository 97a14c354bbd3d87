"""Plots of the augmentation study in the report (F §2): the four settings beside the published log, seeds, averaged weights.

Tables of curves are tidy: `pass`, `split`, `metric`, `value`, with `setting` where a table holds several settings, and
`seed` where it holds several runs of each.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gradlab.lab import style
from gradlab.lab.curves import AXIS_LABELS, name_lines, select

SETTINGS = ("none", "train", "test", "both")
# Settings by the training images: the two of a row share a network under each seed, and the second one votes.
_TRAININGS = {("none", "test"): "trained on images as they are", ("train", "both"): "trained on augmented images"}

_WIDTH = 7.5  # inches: a column of text
_OURS: style.Look = {"color": style.COLOURS[0], "linewidth": 1}
_PUBLISHED: style.Look = {"color": style.COLOURS[1], "linewidth": 3.2, "alpha": 0.45, "solid_capstyle": "butt"}
_SEED: style.Look = {"color": style.COLOURS[0], "linestyle": "-", "linewidth": 0.8, "alpha": 0.7}
_SHARED: style.Look = {"color": "0.3", "linestyle": (0, (3, 1.5)), "linewidth": 1.0}
_VOTE: style.Look = {"color": style.COLOURS[2], "marker": "^", "linestyle": "none", **style.MARKER}
_DOT: style.Look = {**style.DOT, "markersize": 5, "linewidth": 0.8}
_MEAN: style.Look = {"color": "0.25", "marker": "_", "markersize": 22, "mew": 2, "linestyle": "none", "zorder": 3}
_DIAMOND: style.Look = {**style.DIAMOND, "zorder": 4}
_ACCURACIES = {"train": "training accuracy", "test": "test accuracy"}


def plot_settings(reproduced: pd.DataFrame, published: pd.DataFrame) -> Figure:
    """Plot training and test accuracy against passes, a column for each setting: ours a thin line over the broad published one.

    Parameters
    ----------
    reproduced, published
        Tidy curves with `setting`. A setting may be missing from either.

    Raises
    ------
    ValueError
        If a table names a setting that does not exist.
    """
    settings = _list_settings(reproduced, published)
    figure, axes = style.panels(2, len(settings), width=min(1.4 + 2.1 * len(settings), _WIDTH), height=2.1)
    for ax, (split, setting) in zip(axes, [(row, name) for row in _ACCURACIES for name in settings], strict=True):
        for name, table, look in (("published", published, _PUBLISHED), ("ours", reproduced, _OURS)):
            rows = select(table[table["setting"] == setting], split, "accuracy")
            ax.plot(rows["pass"], rows["value"], **look, label=name)
        _scale(ax, split, published, reproduced)
        ax.set_title(setting if split == "train" else "", fontsize=10)
        _label(ax, f"{setting}: {_ACCURACIES[split]}", split, ax in axes[:: len(settings)])
    figure.supxlabel(AXIS_LABELS["pass"], fontsize=10)
    name_lines(axes[0], {"ours": _OURS, "published": _PUBLISHED})
    return figure


def plot_averaging(runs: pd.DataFrame, published: Mapping[str, float]) -> Figure:
    """Plot test accuracies after the last pass and of averaged weights: a dot for each seed, with lines between its arms.

    Parameters
    ----------
    runs
        Columns `setting`, `seed`, `last`, `averaged`; NaN or None for a run without a value.
    published
        The published accuracy of a setting, after its last pass.
    """
    figure, axes = style.panels(1, 2, width=_WIDTH, height=3.4)
    axes[1].sharey(axes[0])
    for ax, (arms, title) in zip(
        axes, ((("none", "train"), "test images as they are"), (("test", "both"), "votes over copies")), strict=True
    ):
        for start, measure, words in ((0, "last", "last pass"), (2, "averaged", "averaged weights")):
            table = runs.pivot(index="seed", columns="setting", values=measure).reindex(columns=arms).astype(float)
            for seed, pair in table.iterrows():
                ax.plot([start, start + 1], pair, **_DOT, label=f"seed {seed}, {words}")
            ax.plot([start, start + 1], table.mean(), **_MEAN, label=f"mean, {words}")
            ax.text(start + 0.5, -0.13, words, transform=ax.get_xaxis_transform(), ha="center", va="top")
        for place, arm in enumerate(arms):
            if arm in published:
                ax.plot([place], [published[arm]], **_DIAMOND, label="published, last pass")
        ax.set_xticks(range(4), 2 * arms)
        ax.set(xlim=(-0.5, 3.5), xlabel="setting", ylabel="test accuracy")
        ax.xaxis.label.set_visible(False)
        ax.axvline(1.5, color="0.75", linewidth=0.8)
        ax.set_title(title, fontsize=10)
        ax.grid(visible=False, axis="x")
    axes[1].yaxis.label.set_visible(False)
    axes[1].tick_params(labelleft=False)
    name_lines(axes[0], {"a seed": _DOT, "mean": _MEAN, "published": _DIAMOND})
    return figure


def plot_seeds(curves: pd.DataFrame, shared: pd.DataFrame) -> Figure:
    """Plot accuracies of the corrected runs against passes: a column for each training, a thin line for each seed.

    Parameters
    ----------
    curves
        Tidy curves with `setting` and `seed`: lines for images as they are, triangles for votes.
    shared
        Tidy curves with `setting`: of `train` where all images of a pass share a transform, drawn beside its test accuracies.

    Raises
    ------
    ValueError
        If a table names a setting that does not exist.
    """
    settings = _list_settings(curves, shared)
    trainings = {names: title for names, title in _TRAININGS.items() if set(names) & set(settings)}
    columns = len(trainings)
    figure, axes = style.panels(2, columns, width=min(1.0 + 3.6 * columns, _WIDTH), height=2.5)
    for upper, lower in zip(axes[:columns], axes[columns:], strict=True):
        lower.sharex(upper)
    for ax, (split, (plain, voted)) in zip(
        axes, [(row, pair) for row in _ACCURACIES for pair in trainings], strict=True
    ):
        if split == "test" and plain == "train":
            rows = select(shared[shared["setting"] == plain], split, "accuracy")
            ax.plot(rows["pass"], rows["value"], **_SHARED, label="one transform for all images (replay)")
        drawn = {plain: (_SEED, "")} | ({voted: (_VOTE, ", votes over copies")} if split == "test" else {})
        for setting, (look, words) in drawn.items():
            for seed, run in select(curves[curves["setting"] == setting], split, "accuracy").groupby("seed"):
                ax.plot(run["pass"], run["value"], **look, label=f"seed {seed}{words}")
        _scale(ax, split, curves, shared if split == "test" else curves)
        ax.set_title(trainings[plain, voted] if split == "train" else "", fontsize=10)
        _label(ax, f"{trainings[plain, voted]}: {_ACCURACIES[split]}", split, ax in axes[::columns])
        ax.xaxis.label.set_visible(split == "test")
    lines = {"a seed": _SEED, "its votes over copies": _VOTE, "one transform for all images (replay)": _SHARED}
    name_lines(axes[-1], lines)
    return figure


def _label(ax: Axes, panel: str, split: str, first: bool) -> None:
    """Name a panel and its axes; the name of the values is seen in the first column alone."""
    ax.set(label=panel, xlabel=AXIS_LABELS["pass"], ylabel=_ACCURACIES[split])
    ax.xaxis.label.set_visible(False)
    ax.yaxis.label.set_visible(first)
    ax.tick_params(labelleft=first)


def _list_settings(*tables: pd.DataFrame) -> list[str]:
    """Return the settings that occur in any of the tables, in the order of `SETTINGS`."""
    named = {setting for table in tables for setting in table["setting"]}
    if unknown := sorted(named - set(SETTINGS)):
        raise ValueError(f"there are no settings {unknown}; the settings are {', '.join(SETTINGS)}")
    return [setting for setting in SETTINGS if setting in named]


def _scale(ax: Axes, split: str, *tables: pd.DataFrame) -> None:
    """Give panels of accuracies that are read side by side the same limits: those of all runs after the first passes."""
    rows = pd.concat([select(table, split, "accuracy") for table in tables])
    trained = rows.loc[rows["pass"] > 0.05 * rows["pass"].max(), "value"]
    trained = trained[np.isfinite(trained)]
    if trained.min() < trained.max():
        margin = 0.05 * (trained.max() - trained.min())
        ax.set_ylim(trained.min() - margin, trained.max() + margin)
    ax.xaxis.set_major_locator(MaxNLocator(4, integer=True, steps=[1, 2, 5, 10]))
