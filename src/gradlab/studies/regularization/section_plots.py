"""Plots of the CIFAR-10 study in the report: both searches for λ beside the published ones."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from gradlab.lab.style import COLOURS, REPRODUCED, panels
from gradlab.studies.regularization.plots import choose_scale


def compare_searches(searches: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw validation accuracy against λ, ours and the published one, in a panel for each search.

    Parameters
    ----------
    searches
        For each search a table with the columns lambda, ours and published, the latter NaN where nothing was published.
    """
    figure, axes = panels(1, len(searches), width=9.0, height=3.2)
    for axis, (name, table) in zip(axes, searches.items(), strict=True):
        ours = {"color": COLOURS[0], "marker": "o", "markersize": 4}
        rings = {"color": COLOURS[1], "marker": "o", "markersize": 9, "markerfacecolor": "none", "linestyle": "none"}
        axis.plot(table["lambda"], table["ours"], label="ours", **ours, **REPRODUCED)
        axis.plot(table["lambda"], table["published"], label="published", **rings)
        axis.set(xscale=choose_scale(table["lambda"]), xlabel="λ", ylabel="validation accuracy", title=f"{name} search")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper")
    return figure
