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

_OURS = {"color": style.COLOURS[0], **style.REPRODUCED}
_PUBLISHED = {"color": style.COLOURS[1], **style.PUBLISHED}
_SEED = {"color": style.COLOURS[0], "linestyle": "-", "linewidth": 0.8, "alpha": 0.7}
_SHARED = {"color": "0.45", "linestyle": (0, (3, 1.5)), "linewidth": 1.0}
_VOTE = {"color": style.COLOURS[2], "marker": "^", "linestyle": "none", **style.MARKER}
_DOT = {"marker": "o", "markersize": 5, "mec": "white", "mew": 0.6}
_ACCURACIES = {"train": "training accuracy", "test": "test accuracy"}


def plot_settings(reproduced: pd.DataFrame, published: pd.DataFrame) -> Figure:
    """Plot training and test accuracy against passes, a column for each setting: reproduced, over the published dashes.

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
    figure, axes = style.panels(2, len(settings), width=1.4 + 2.1 * len(settings), height=2.3)
    for ax, (split, setting) in zip(axes, [(row, name) for row in _ACCURACIES for name in settings], strict=True):
        for table, look in ((published, _PUBLISHED), (reproduced, _OURS)):
            rows = select(table[table["setting"] == setting], split, "accuracy")
            ax.plot(rows["pass"], rows["value"], **look)
        _scale(ax, split, published, reproduced)
        ax.set_xlabel(AXIS_LABELS["pass"] if split == "test" else "")
        ax.set_title(setting if split == "train" else "", fontsize=10)
        ax.set_ylabel(_ACCURACIES[split] if setting == settings[0] else "")
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
    figure, axes = style.panels(1, 2, width=8.0, height=3.4)
    for ax, (arms, title) in zip(
        axes, ((("none", "train"), "test images as they are"), (("test", "both"), "votes over copies")), strict=True
    ):
        for start, measure in ((0, "last"), (2, "averaged")):
            table = runs.pivot(index="seed", columns="setting", values=measure).reindex(columns=arms).astype(float)
            for _, pair in table.iterrows():
                ax.plot([start, start + 1], pair, **_DOT, color=_OURS["color"], linewidth=0.8)
        for place, arm in enumerate(arms):
            if arm in published:
                look = {"color": _PUBLISHED["color"], "marker": "D", "mfc": "none", "mew": 1.5, "linestyle": "none"}
                ax.plot([place], [published[arm]], **look)
        ax.set_xticks(range(4), 2 * arms)
        ax.set_xlim(-0.5, 3.5)
        for middle, name in ((0.5, "last pass"), (2.5, "averaged weights")):
            ax.text(middle, -0.14, name, transform=ax.get_xaxis_transform(), ha="center", va="top")
        ax.axvline(1.5, color="0.8", linewidth=0.8)
        ax.set_title(title, fontsize=10)
        ax.grid(visible=False, axis="x")
    low, high = min(ax.get_ylim()[0] for ax in axes), max(ax.get_ylim()[1] for ax in axes)
    for ax in axes:
        ax.set_ylim(low, high)
    axes[0].set_ylabel("test accuracy")
    name_lines(axes[0], {"a seed": {"color": _OURS["color"]}, "published": _PUBLISHED})
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
    figure, axes = style.panels(2, len(trainings), width=1.0 + 3.6 * len(trainings), height=2.7)
    for upper, lower in zip(axes[: len(trainings)], axes[len(trainings) :], strict=True):
        lower.sharex(upper)
    for ax, (split, (plain, voted)) in zip(
        axes, [(row, pair) for row in _ACCURACIES for pair in trainings], strict=True
    ):
        if split == "test":
            if plain == "train":
                rows = select(shared[shared["setting"] == plain], split, "accuracy")
                ax.plot(rows["pass"], rows["value"], **_SHARED)
            rows = select(curves[curves["setting"] == voted], split, "accuracy")
            ax.plot(rows["pass"], rows["value"], **_VOTE | {"markersize": 3.5})
        for _, run in select(curves[curves["setting"] == plain], split, "accuracy").groupby("seed"):
            ax.plot(run["pass"], run["value"], **_SEED)
        _scale(ax, split, curves, shared if split == "test" else curves)
        ax.set_xlabel(AXIS_LABELS["pass"] if split == "test" else "")
        ax.set_title(trainings[plain, voted] if split == "train" else "", fontsize=10)
        ax.set_ylabel(_ACCURACIES[split] if ax in axes[:: len(trainings)] else "")
    lines = {"a seed": _SEED, "its votes over copies": _VOTE, "one transform for all images (replay)": _SHARED}
    name_lines(axes[-1], lines)
    return figure


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
