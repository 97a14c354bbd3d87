"""What a running median leaves of the training accuracies of two logs, against one another: those that follow lie on a line."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gradlab.lab import style
from gradlab.lab.curves import select
from gradlab.lab.follow import detrend, find_end

_DOT: style.Look = {**style.DOT, "markersize": 4, "linestyle": "none"}


def pair_residuals(ours: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Return the columns ours and published: a row for each pass as far as the two logs are compared.

    Parameters
    ----------
    ours, published
        Tidy curves of one run; of their training accuracies three decimals count, as the logs print them.
    """
    tables = (select(curves, "train", "accuracy") for curves in (ours, published))
    logs = [table.loc[table["pass"] > 0, "value"].round(3).to_numpy() for table in tables]
    end = find_end(*logs) if all(map(len, logs)) else 0
    return pd.DataFrame({name: detrend(log[:end]) for name, log in zip(("ours", "published"), logs, strict=True)})


def plot_residuals(residuals: Mapping[str, pd.DataFrame]) -> Figure:
    """Plot what a running median leaves of the training accuracy, ours against the published one, a panel for each log.

    Parameters
    ----------
    residuals
        For each log the columns `ours` and `published`, a row for each pass that is compared.
    """
    columns = len(residuals)
    figure, axes = style.panels(1, columns, width=min(1.4 + 2.1 * columns, 7.5), height=0.9 + 6 / max(columns, 3))
    for ax, (name, pairs) in zip(axes, residuals.items(), strict=True):
        points = 100 * pairs  # percentage points
        ax.axline((0, 0), slope=1, color="0.75", linewidth=0.8)
        ax.plot(points["published"], points["ours"], **_DOT, label="a pass")
        reach = 1.1 * max(points.abs().to_numpy().max(initial=0), 0.1)
        ax.set(xlim=(-reach, reach), ylim=(-reach, reach), box_aspect=1, xlabel="published", ylabel="ours", label=name)
        ax.yaxis.label.set_visible(ax is axes[0])
        correlation = pairs["ours"].corr(pairs["published"])
        ax.set_title(f"{name}: r = {correlation:.2f}" if np.isfinite(correlation) else name, fontsize=9)
        ax.tick_params(labelsize=8)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
    figure.supxlabel("training accuracy less its running median (percentage points)", fontsize=10)
    return figure
