"""Plots of the CIFAR-10 study in the report: both searches for λ beside the published ones."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from gradlab.lab.style import COLOURS, REPRODUCED, Look, panels
from gradlab.studies.regularization.plots import choose_scale


def compare_searches(searches: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw validation accuracy against λ, ours and the published one, in a panel for each search.

    Parameters
    ----------
    searches
        For each search a table with the columns lambda, ours and published, the latter NaN where nothing was published.
    """
    figure, axes = panels(1, len(searches), width=7.5, height=3.0)
    line: Look = {"color": COLOURS[0], "marker": "o", "markersize": 4}
    rings: Look = {"color": COLOURS[1], "marker": "o", "markersize": 9, "markerfacecolor": "none", "linestyle": "none"}
    for axis, (name, table) in zip(axes, searches.items(), strict=True):
        axis.plot(table["lambda"], table["ours"], label="ours", **line, **REPRODUCED)
        axis.plot(table["lambda"], table["published"], label="published", **rings)
        axis.set(xscale=choose_scale(table["lambda"]), xlabel="penalty λ", ylabel="validation accuracy")
        axis.set_title(f"{name} search", fontsize=10)
        best = table.iloc[table["ours"].argmax()]
        side = "left" if table["lambda"].lt(best["lambda"]).mean() < 0.5 else "right"  # within the axes
        note: Look = {"xytext": (0, 10), "textcoords": "offset points", "ha": side, "fontsize": 9}
        axis.annotate(f"best λ = {best['lambda']:.4f}", (best["lambda"], best["ours"]), **note)
        axis.margins(y=0.15)
    for axis in axes[1:]:
        axis.yaxis.label.set_visible(False)
    for height, name, look in ((0.15, "ours", line), (0.05, "published", rings)):  # below what a small λ does
        axes[0].text(0.05, height, name, color=look["color"], transform=axes[0].transAxes, fontsize=9)
    return figure
