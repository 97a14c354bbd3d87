"""Plots of a cell of the augmentation study (F §2): its run, and samples of its images."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gradlab.lab import style
from gradlab.lab.curves import PANELS, dress_panel, name_lines, select

CLASS_NAMES = (
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)

_OURS: style.Look = {"color": style.COLOURS[0], **style.REPRODUCED}
_VOTE: style.Look = {"color": style.COLOURS[2], "marker": "^", "linestyle": "none", **style.MARKER}
_LOGARITHMIC = {("train", "loss")}  # it falls over two decades; the test loss does not


def plot_run(curves: pd.DataFrame, votes: pd.DataFrame | None = None) -> Figure:
    """Plot one run: train and test, loss and accuracy, against passes over the data.

    Parameters
    ----------
    curves
        Tidy curves of the run.
    votes
        Those of the setting that evaluates the same network by votes; its test accuracies are drawn as triangles.
    """
    figure, axes = style.panels(2, 2)
    for ax, (split, metric) in zip(axes, PANELS, strict=True):
        rows = select(curves, split, metric)
        ax.plot(rows["pass"], rows["value"], **_OURS)
        drawn = [curves]
        if votes is not None and (split, metric) == ("test", "accuracy"):
            voted = select(votes, split, metric)
            ax.plot(voted["pass"], voted["value"], **_VOTE)
            name_lines(ax, {"images as they are": _OURS, "votes over copies": _VOTE})
            drawn.append(votes)
        dress_panel(ax, split, metric, *drawn, logarithmic=_LOGARITHMIC)
    return figure


def plot_samples(clean: np.ndarray, transformed: np.ndarray, labels: Sequence[int]) -> Figure:
    """Show pictures in one row and the same pictures under a transform in a second one.

    Parameters
    ----------
    clean, transformed
        Grey levels from 0 to 255, shape (k, height, width).
    labels
        The k labels, 0 to 9.
    """
    if not len(clean) == len(transformed) == len(labels):
        raise ValueError(
            f"{len(clean)} clean and {len(transformed)} transformed pictures have {len(labels)} labels; "
            "expected as many of each"
        )
    figure, axes = style.panels(2, len(labels), height=1.7)
    for ax, picture in zip(axes, [*clean, *transformed], strict=True):
        ax.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        ax.grid(visible=False)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    for ax, label in zip(axes, labels, strict=False):
        ax.set_title(CLASS_NAMES[label], fontsize=10)
    axes[0].set_ylabel("as it is")
    axes[len(labels)].set_ylabel("transformed")
    return figure
