"""What the figures of training curves share: four panels, train and test, loss and accuracy, over passes or updates.

Tables of curves are tidy: `pass`, `split`, `metric`, `value`; with `update` where they are drawn against updates, and
`seed` where a table holds several runs.
"""

from collections.abc import Collection, Mapping
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from gradlab.lab import style

# Split and metric of each panel, in reading order.
PANELS = (("train", "loss"), ("test", "loss"), ("train", "accuracy"), ("test", "accuracy"))

AXIS_LABELS = {"pass": "passes over the data", "update": "updates"}

_TITLES = {"train": "training subset", "test": "test set"}

Against = Literal["pass", "update"]


def select(curves: pd.DataFrame, split: str, metric: str, *, against: Against = "pass") -> pd.DataFrame:
    """Return the rows of one panel in the order of its axis, without update 0 where that axis is logarithmic."""
    rows = curves[(curves["split"] == split) & (curves["metric"] == metric)]
    return (rows[rows["update"] > 0] if against == "update" else rows).sort_values(against)


def tabulate_seeds(curves: pd.DataFrame, split: str, metric: str, *, against: Against = "pass") -> pd.DataFrame:
    """Return one panel's values with a column for each seed; the index is `against`. NaN: not measured there."""
    return select(curves, split, metric, against=against).pivot(index=against, columns="seed", values="value")


def dress_panel(
    ax: Axes,
    split: str,
    metric: str,
    *drawn: pd.DataFrame,
    logarithmic: Collection[tuple[str, str]],
    against: Against = "pass",
) -> None:
    """Label one panel and scale its axes.

    Updates get a logarithmic axis. Values get one in the panels of `logarithmic`, which has room for everything; in the
    others the axis holds what was measured after the first pass, since before it every network guesses.

    Parameters
    ----------
    ax
        The axes, with their lines.
    split, metric
        One of `PANELS`.
    drawn
        The tables of curves that are drawn in this panel; other panels' rows may be in them.
    logarithmic
        Those of `PANELS` whose values are drawn on a logarithmic axis.
    against
        What the curves are drawn against.
    """
    ax.set_title(_TITLES[split], fontsize=10)
    ax.set_xlabel(AXIS_LABELS[against])
    ax.set_ylabel(metric)
    if against == "update":
        ax.set_xscale("log")
    else:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    if (split, metric) in logarithmic:
        ax.set_yscale("log")
        style.label_short_span(ax.yaxis)
        return
    rows = pd.concat([select(table, split, metric) for table in drawn])
    trained = rows.loc[rows["pass"] > 0, "value"].astype(float)
    trained = trained[np.isfinite(trained)]  # a run that diverges has its last values nowhere
    lowest, highest = trained.min(), trained.max()
    if lowest < highest:
        margin = 0.05 * (highest - lowest)
        ax.set_ylim(lowest - margin, highest + margin)


def name_lines(ax: Axes, looks: Mapping[str, style.Look]) -> None:
    """Write what lines stand for, in their colours, into the lower right of a panel, which learning curves leave empty."""
    for place, (name, look) in enumerate(reversed(list(looks.items()))):
        y = 0.05 + 0.11 * place
        ax.text(0.97, y, name, color=look["color"], transform=ax.transAxes, ha="right", va="bottom", fontsize=9)
