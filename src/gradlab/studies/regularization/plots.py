"""Figures of the CIFAR-10 study: training curves, learning rate, first-layer weights, gradient check, searches for λ."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gradlab.lab.style import COLOURS, MARKER, MARKERS, PUBLISHED, REPRODUCED, Look, panels, space_markers
from gradlab.studies.regularization.twolayer import IMAGE_SHAPE

_SPLIT_COLOURS = {"train": COLOURS[0], "validation": COLOURS[1], "test": COLOURS[2]}
_SPLIT_MARKERS = {"train": MARKERS[0], "validation": MARKERS[1]}
_SPLIT_NAMES = {"train": "training", "validation": "validation", "test": "test"}
_RING: Look = {"marker": "o", "markersize": 11, "markerfacecolor": "none", "color": COLOURS[-1], "linestyle": "none"}
_GAP = 1  # pixels between two images of the weights


def training_curves(curves: pd.DataFrame, *, test_accuracy: float | None = None) -> Figure:
    """Draw cost, loss and accuracy over the updates, in three panels.

    Parameters
    ----------
    curves
        Columns update, split, metric, value, with the metrics cost, loss and accuracy of train and validation.
    test_accuracy
        Where given, a level line in the panel of the accuracy.
    """
    figure, axes = panels(1, 3, width=9.6, height=3.0)
    for axis, metric in zip(axes, ("cost", "loss", "accuracy"), strict=True):
        by_split: Iterable[tuple[Any, pd.DataFrame]] = curves[curves["metric"] == metric].groupby("split")
        for split, values in by_split:
            finite = values["value"].where(np.isfinite(values["value"]))
            look = {"color": _SPLIT_COLOURS[split], "marker": _SPLIT_MARKERS[split], **MARKER, **REPRODUCED}
            axis.plot(values["update"], finite, label=_SPLIT_NAMES[split], markevery=space_markers(len(values)), **look)
        axis.set(xlabel="update", ylabel=metric)
        axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    if test_accuracy is not None:
        label = f"test, at the end: {test_accuracy:.4g}"
        axes[2].axhline(test_accuracy, color=_SPLIT_COLOURS["test"], linestyle=":", linewidth=1.6, label=label)
    for axis in axes:
        axis.legend(fontsize="small")
    return figure


def learning_rates(rates: np.ndarray) -> Figure:
    """Draw the learning rate of every update, shape (updates,)."""
    figure, (axis,) = panels(1, 1, width=6.4)
    axis.plot(np.arange(len(rates)), rates, color=COLOURS[0], **REPRODUCED)
    axis.set(xlabel="update", ylabel="learning rate", ylim=(0, 1.05 * rates.max()))
    return figure


def weight_images(W1: np.ndarray, columns: int = 10) -> np.ndarray:
    """Return one picture with the weights of every hidden unit as a colour image.

    Parameters
    ----------
    W1 : ndarray, shape (hidden, 3072)
    columns
        Images in a row of the picture.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
        Each unit's weights are scaled by themselves, their smallest value to 0 and their largest to 255; weights that
        are all equal, or not all finite, are mid-grey. The gaps and the places left over are white.
    """
    rows = -(-len(W1) // columns)
    side = IMAGE_SHAPE[1] + _GAP
    picture = np.full((rows * side + _GAP, columns * side + _GAP, IMAGE_SHAPE[0]), 255, dtype=np.uint8)
    for unit, weights in enumerate(W1):
        scaled = np.full(weights.shape, 0.5)
        if np.isfinite(weights).all() and np.ptp(weights) > 0:
            scaled = (weights - weights.min()) / np.ptp(weights)
        image = np.rint(255 * scaled).astype(np.uint8).reshape(IMAGE_SHAPE).transpose(1, 2, 0)  # (32, 32, 3)
        row, column = divmod(unit, columns)
        top, left = row * side + _GAP, column * side + _GAP
        picture[top : top + IMAGE_SHAPE[1], left : left + IMAGE_SHAPE[2]] = image
    return picture


def first_layer(W1: np.ndarray) -> Figure:
    """Draw the weights of the first layer, shape (hidden, 3072), as one image for each hidden unit."""
    picture = weight_images(W1)
    height, width, _ = picture.shape
    figure, (axis,) = panels(1, 1, width=8.0, height=8.0 * height / width + 0.3)
    axis.imshow(picture, interpolation="none")
    axis.set_axis_off()
    axis.set_title(f"weights of the first layer: an image for each of {len(W1)} hidden units", fontsize=10)
    return figure


def gradient_errors(curves: pd.DataFrame, *, bound: float | None = None) -> Figure:
    """Draw the relative error between derivatives and centred differences against the step, for every parameter.

    Parameters
    ----------
    curves
        Columns parameter, step, metric, value; the rows with the metric `relative_error` are drawn.
    bound
        Where given, a level line: the error that a correct derivative stays below.
    """
    figure, (axis,) = panels(1, 1, width=6.4, height=3.6)
    errors = curves[curves["metric"] == "relative_error"]
    for place, (parameter, values) in enumerate(errors.groupby("parameter", sort=False)):
        style: Look = {"color": COLOURS[place], "marker": MARKERS[place % len(MARKERS)], "markersize": 4}
        axis.plot(values["step"], values["value"], label=parameter, **style, **REPRODUCED)
    if bound is not None:
        axis.axhline(bound, color=COLOURS[-1], linestyle=":", linewidth=1.2, label=f"bound {bound:g}")
    axis.set(xscale="log", yscale="log", xlabel="step h", ylabel="relative error")
    axis.legend(ncols=2, fontsize="small")
    return figure


def search_accuracy(curves: pd.DataFrame, *, best_lambda: float) -> Figure:
    """Draw accuracy against λ, with the best λ marked.

    Parameters
    ----------
    curves
        Columns lambda, split, metric, value, with the metric accuracy; every λ is above 0.
    best_lambda
        The λ with the highest validation accuracy, one of those in `curves`.
    """
    figure, (axis,) = panels(1, 1, width=6.4, height=3.6)
    accuracy = curves[curves["metric"] == "accuracy"]
    for split in ("validation", "train"):
        values = accuracy[accuracy["split"] == split]
        style: Look = {"color": _SPLIT_COLOURS[split], "marker": _SPLIT_MARKERS[split], "markersize": 4}
        axis.plot(values["lambda"], values["value"], label=_SPLIT_NAMES[split], **style, **REPRODUCED)
    best = accuracy[(accuracy["split"] == "validation") & (accuracy["lambda"] == best_lambda)]
    axis.plot(best["lambda"], best["value"], label=f"best: λ = {best_lambda:.3g}", **_RING)
    axis.set(xscale=choose_scale(accuracy["lambda"]), xlabel="λ", ylabel="accuracy")
    axis.legend(fontsize="small")
    return figure


def search_over_seeds(curves: pd.DataFrame, *, best_lambda: float) -> Figure:
    """Draw validation accuracy against λ: each seed as a dot, the mean over the seeds as a line, its highest point marked.

    Parameters
    ----------
    curves
        Columns seed, lambda, split, metric, value, with the metric accuracy; every λ is above 0.
    best_lambda
        The λ with the highest mean, one of those in `curves`.
    """
    figure, (axis,) = panels(1, 1, width=6.4, height=3.6)
    accuracy = curves[(curves["metric"] == "accuracy") & (curves["split"] == "validation")]
    means = accuracy.groupby("lambda")["value"].mean()
    colour, seeds = _SPLIT_COLOURS["validation"], accuracy["seed"].nunique()
    dots: Look = {"color": colour, "marker": "o", "markersize": 4, "alpha": 0.5, "linestyle": "none"}
    axis.plot(accuracy["lambda"], accuracy["value"], label="one seed", **dots)
    axis.plot(means.index, means, color=colour, label=f"mean of {seeds}", **REPRODUCED)
    axis.plot([best_lambda], [means[best_lambda]], label=f"highest mean: λ = {best_lambda:.3g}", **_RING)
    axis.set(xscale=choose_scale(accuracy["lambda"]), xlabel="λ", ylabel="validation accuracy")
    axis.legend(fontsize="small")
    return figure


def row_orders(curves: pd.DataFrame) -> Figure:
    """Draw validation accuracy against λ from two orders of the rows, and below it the differences.

    Parameters
    ----------
    curves
        Columns order, lambda, split, metric, value, with the metric accuracy of the orders "left", which earlier runs
        left, and "data", the data's own, over the same λ, all above 0.
    """
    figure, (above, below) = panels(2, 1, width=6.4, height=2.6)
    accuracy = curves[(curves["metric"] == "accuracy") & (curves["split"] == "validation")]
    table = accuracy.pivot(index="lambda", columns="order", values="value")
    marker: Look = {"marker": "o", "markersize": 4}
    above.plot(table.index, table["left"], color=COLOURS[1], label="order left by earlier runs", **marker, **PUBLISHED)
    above.plot(table.index, table["data"], color=COLOURS[0], label="the data's own order", **marker, **REPRODUCED)
    below.vlines(table.index, 0, table["data"] - table["left"], color=COLOURS[-1])
    below.plot(table.index, table["data"] - table["left"], color=COLOURS[-1], linestyle="none", **marker)
    below.axhline(0, color=COLOURS[-1], linewidth=0.8)
    above.set(ylabel="validation accuracy")
    below.set(ylabel="difference")
    for axis in (above, below):
        axis.set(xscale=choose_scale(table.index), xlabel="λ")
    above.legend(fontsize="small")
    return figure


def flips_left(curves: pd.DataFrame) -> Figure:
    """Draw the share of the training set that is mirrored after each epoch.

    Parameters
    ----------
    curves
        Columns batch ("view" or "copy"), probability, epoch, metric, value; the rows with the metric `left` are drawn.
    """
    figure, (axis,) = panels(1, 1, width=6.4, height=3.2)
    left = curves[curves["metric"] == "left"]
    for (batch, probability), shares in left.groupby(["batch", "probability"], sort=False):
        colour = COLOURS[left["probability"].unique().tolist().index(probability)]
        line = PUBLISHED if batch == "view" else REPRODUCED
        label = f"{batch}, probability {probability:g}"
        axis.plot(shares["epoch"], shares["value"], color=colour, label=label, marker="o", markersize=4, **line)
    axis.set(xlabel="epoch", ylabel="share mirrored after it", ylim=(-0.03, 0.6))
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend(fontsize="small", loc="center right")
    return figure


def choose_scale(lambdas: pd.Series | pd.Index) -> str:
    """Return the scale of an axis of λ: logarithmic where the values span a factor of more than 30."""
    return "log" if lambdas.max() > 30 * lambdas.min() else "linear"
