"""Figures of the augmentation study (F §2): the curves of one setting, all settings beside the published log, samples.

Tables of curves are tidy: `pass`, `split`, `metric`, `value`, with `setting` where a table holds several settings.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from gradlab.plots import style

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

# A setting has the same colour in every figure, whichever other settings are drawn.
SETTING_COLOURS = dict(zip(("none", "train", "test", "both"), style.COLOURS, strict=False))

_PANELS = [("train", "loss"), ("test", "loss"), ("train", "accuracy"), ("test", "accuracy")]


def plot_run(curves: pd.DataFrame) -> Figure:
    """Plot one setting: train and test, loss and accuracy, against passes over the data."""
    figure, axes = style.panels(2, 2)
    for ax, (split, metric) in zip(axes, _PANELS, strict=True):
        rows = _select(curves, split, metric)
        ax.plot(rows["pass"], rows["value"], color=style.COLOURS[0], **style.REPRODUCED)
        _dress(ax, split, metric, rows)
    return figure


def plot_settings(reproduced: pd.DataFrame, published: pd.DataFrame) -> Figure:
    """Plot all settings in the same four panels, each in its colour: reproduced full, published dashed.

    Parameters
    ----------
    reproduced, published
        Tidy curves with `setting`. A setting may be missing from either.

    Raises
    ------
    ValueError
        If a table names a setting that does not exist.
    """
    named = [*reproduced["setting"], *published["setting"]]
    if unknown := sorted(set(named) - set(SETTING_COLOURS)):
        raise ValueError(f"no colour for the settings {unknown}; the settings are {', '.join(SETTING_COLOURS)}")
    drawn = {setting: colour for setting, colour in SETTING_COLOURS.items() if setting in named}
    figure, axes = style.panels(2, 2, width=9.0)
    for ax, (split, metric) in zip(axes, _PANELS, strict=True):
        for setting, colour in drawn.items():
            for curves, look in ((published, style.PUBLISHED), (reproduced, style.REPRODUCED)):
                rows = _select(curves[curves["setting"] == setting], split, metric)
                ax.plot(rows["pass"], rows["value"], color=colour, **look)
        _dress(ax, split, metric, *(_select(curves, split, metric) for curves in (reproduced, published)))
    handles = [Line2D([], [], color=colour, label=setting, **style.REPRODUCED) for setting, colour in drawn.items()]
    handles.append(Line2D([], [], color="0.3", label="reproduced", **style.REPRODUCED))
    handles.append(Line2D([], [], color="0.3", label="published", **style.PUBLISHED))
    figure.legend(handles=handles, loc="outside right upper")
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


def _select(curves: pd.DataFrame, split: str, metric: str) -> pd.DataFrame:
    """Return the rows of one panel in the order of the passes."""
    return curves[(curves["split"] == split) & (curves["metric"] == metric)].sort_values("pass")


def _dress(ax: Axes, split: str, metric: str, *drawn: pd.DataFrame) -> None:
    """Label one panel, and scale it for what was measured after the first pass; before it, every network guesses.

    The training loss falls over two decades and gets a logarithmic axis, which has room for the guesses too.
    """
    ax.set_title({"train": "training subset", "test": "test set"}[split], fontsize=10)
    ax.set_xlabel("passes over the data")
    ax.set_ylabel(metric)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    if (split, metric) == ("train", "loss"):
        ax.set_yscale("log")
        return
    trained = pd.concat([rows.loc[rows["pass"] > 0, "value"] for rows in drawn])
    trained = trained[np.isfinite(trained)]  # a run that diverges has its last values nowhere
    lowest, highest = trained.min(), trained.max()
    if lowest < highest:
        margin = 0.05 * (highest - lowest)
        ax.set_ylim(lowest - margin, highest + margin)
