"""Plots of the batch-size study in the report (F §3, §4): all batch sizes, replays beside logs, interpolation, the law of η*.

Tables of curves are tidy: `pass`, `update`, `split`, `metric`, `value`; reproduced ones with `seed`, and with
`batch_size` where a table holds several batch sizes.
"""

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, StrMethodFormatter

from gradlab.lab import style
from gradlab.lab.curves import AXIS_LABELS, PANELS, Against, dress_panel, select, tabulate_seeds
from gradlab.studies.batch_size.law import Law
from gradlab.studies.batch_size.plots import LOGARITHMIC

_BROAD = {"color": style.COLOURS[1], "linewidth": 3.2, "alpha": 0.45, "solid_capstyle": "butt"}
_MARK = {"color": style.COLOURS[1], "linewidth": 1.4, "linestyle": (0, (2, 1)), "zorder": 1.5}
_ARMS = [
    {"color": colour, "marker": marker, "linestyle": "none", "markersize": 5, "mec": colour, "mew": 0.8}
    for colour, marker in ((style.COLOURS[6], "X"), (style.COLOURS[0], "o"), (style.COLOURS[2], "s"))
]
_SEED = {"color": style.COLOURS[0], "fmt": "none", "elinewidth": 2.5, "capsize": 2.6, "capthick": 1.2}
_LAW = {"color": "0.25", "linewidth": 1.3}
_BEYOND = {"color": "0.9", "linewidth": 0}
_EYE = {"color": style.COLOURS[1], "marker": "D", "linestyle": "none", "markersize": 6, "mfc": "none", "mew": 1.5}
_SPREAD = 1.09  # between the brackets of neighbouring seeds, so that they do not hide one another


def plot_batch_sizes(curves: pd.DataFrame, *, against: Against) -> Figure:
    """Plot all batch sizes in the same four panels: median over seeds, and a band over their middle half.

    Against updates the axis is logarithmic, since a pass is 16 times as many updates at batch size 1 as at 16; the
    evaluation before the first update has no place on it and is left out. Median and band stop where a run diverged. The
    axes of accuracy begin below the smallest value after the first pass.

    Parameters
    ----------
    curves
        Tidy curves with `batch_size` and `seed`; without `seed` of one run each, which is drawn as the median would be.
    against
        `pass` or `update`.

    Raises
    ------
    ValueError
        If `against` is neither, or there are more batch sizes than colours.
    """
    if against not in AXIS_LABELS:
        raise ValueError(f"curves are drawn against 'pass' or 'update'; got {against!r}")
    figure, axes = style.panels(2, 2, width=9.0)
    alone = "seed" not in curves
    curves = curves.assign(seed=0) if alone else curves
    looks = _assign_looks(curves)
    for ax, (split, metric) in zip(axes, PANELS, strict=True):
        for place, (batch_size, look) in enumerate(looks.items()):
            table = tabulate_seeds(curves[curves["batch_size"] == batch_size], split, metric, against=against)
            spacing = style.space_markers(len(table), place=place, lines=len(looks))
            if not alone:
                ax.fill_between(table.index, *_middle_half(table), color=look["color"], alpha=0.2, linewidth=0)
            ax.plot(table.index, table.median(axis=1, skipna=False), **look, markevery=spacing, **style.REPRODUCED)
        dress_panel(ax, split, metric, curves, logarithmic=LOGARITHMIC, against=against)
    handles = [Line2D([], [], label=f"B = {size}", **look, **style.REPRODUCED) for size, look in looks.items()]
    if not alone:
        handles.append(Line2D([], [], color="0.3", label="median of seeds", **style.REPRODUCED))
        handles.append(Patch(color="0.3", alpha=0.2, linewidth=0, label="middle half of seeds"))
    figure.legend(handles=handles, loc="outside right upper")
    return figure


def plot_replays(curves: pd.DataFrame, published: pd.DataFrame) -> Figure:
    """Plot replays over the published logs: a column of panels for each batch size, ours a thin line and theirs a broad one.

    The axes of accuracy begin below the smallest value after the first pass of any batch size, which all columns share.

    Parameters
    ----------
    curves, published
        Tidy curves with `batch_size`, one run each.
    """
    sizes = sorted(int(size) for size in curves["batch_size"].unique())
    figure, axes = style.panels(len(PANELS), len(sizes), width=1.2 + 1.75 * len(sizes), height=1.65)
    grid = np.asarray(axes).reshape(len(PANELS), len(sizes))
    for row, (split, metric) in enumerate(PANELS):
        for column, size in enumerate(sizes):
            ax, last = grid[row, column], row == len(PANELS) - 1
            theirs, ours = (select(table[table["batch_size"] == size], split, metric) for table in (published, curves))
            ax.plot(theirs["pass"], theirs["value"], **_BROAD)
            ax.plot(ours["pass"], ours["value"], color=style.COLOURS[0], linewidth=1)
            dress_panel(ax, split, metric, curves, published, logarithmic=LOGARITHMIC)
            ax.sharey(grid[row, 0])
            ax.set_title("" if row else f"B = {size}", fontsize=10)
            ax.set_xlabel("passes" if last else "", fontsize=9)
            ax.set_ylabel("" if column else f"{split} {metric}", fontsize=9)
            ax.tick_params(labelsize=8, labelleft=column == 0, labelbottom=last)
    figure.align_ylabels(grid[:, 0])
    handles = [Line2D([], [], label="published", **_BROAD), Line2D([], [], color=style.COLOURS[0], label="replay")]
    figure.legend(handles=handles, loc="outside upper left", ncols=2, fontsize=9)
    return figure


def plot_interpolation(runs: pd.DataFrame, published: pd.DataFrame | None = None) -> Figure:
    """Plot updates and passes until the training accuracy is exactly 1, against the batch size: a mark for each run.

    The arms of a batch size stand side by side. A run that did not get there is an arrow at the last pass that it trained for.
    The axis of updates is logarithmic.

    Parameters
    ----------
    runs
        One row for each run: `batch_size`, `arm`, `passes`, `updates`, of which the two are None or NaN where it was not
        reached, `last_pass`, `last_update`.
    published
        One row for each batch size: `batch_size`, `passes`, `updates`.
    """
    figure, axes = style.panels(1, 2, width=9.6, height=3.4)
    sizes = sorted({int(size) for table in (runs, published) if table is not None for size in table["batch_size"]})
    arms = list(runs["arm"].unique())
    for ax, (quantity, last) in zip(axes, (("updates", "last_update"), ("passes", "last_pass")), strict=True):
        for place, size in enumerate(sizes):
            for number, arm in enumerate(arms):
                rows = runs[(runs["batch_size"] == size) & (runs["arm"] == arm)]
                values = pd.to_numeric(rows[quantity]).to_numpy(dtype=float)
                where = style.place_beside(place + (number - (len(arms) - 1) / 2) * 0.26, len(rows), 0.24)
                reached = np.isfinite(values)
                look = _ARMS[number]
                ax.plot(where[reached], values[reached], **look)
                ax.plot(where[~reached], rows[last].to_numpy()[~reached], **{**look, "marker": "^", "mfc": "none"})
            if published is not None:
                for value in published.loc[published["batch_size"] == size, quantity]:
                    ax.plot([place - 0.4, place + 0.4], [value, value], **_MARK)
        ax.set_xticks(range(len(sizes)), [str(size) for size in sizes])
        ax.set_xlim(-0.6, len(sizes) - 0.4)
        ax.set_xlabel("batch size")
        ax.set_ylabel(f"{quantity} until training accuracy is 1")
        ax.grid(visible=False, axis="x")
    axes[0].set_yscale("log")
    axes[1].yaxis.set_major_locator(MaxNLocator(integer=True))
    handles = [Line2D([], [], label=arm, **look) for arm, look in zip(arms, _ARMS, strict=False)]
    if runs["passes"].isna().any():
        handles.append(
            Line2D([], [], label="not reached", **{**_ARMS[0], "marker": "^", "mfc": "none", "color": "0.3"})
        )
    if published is not None:
        handles.append(Line2D([], [], label="published", **_MARK))
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), fontsize=9)
    return figure


def plot_law(
    table: pd.DataFrame, laws: Mapping[int, Law], fitted: Collection[int], published: Mapping[int, float] | None = None
) -> Figure:
    """Plot the brackets of the divergent learning rate against the batch size, with the law of each seed, and their ratio.

    On the left, every seed's brackets and law, and the published rates. On the right, each bracket as a share of what
    the law of its seed predicts. Grey: batch sizes beyond those that the law was fitted to.

    Parameters
    ----------
    table
        Columns `batch_size`, `seed`, `stable`, `divergent` and `predicted`.
    laws
        The law of each seed.
    fitted
        Batch sizes that it was fitted to.
    published
        The published divergent rate of a batch size.
    """
    figure, axes = style.panels(1, 2, width=9.6, height=3.6)
    sizes = sorted(table["batch_size"].unique())
    left, right = min(sizes) / 1.4, max(sizes) * 1.4
    places = np.geomspace(min(sizes), max(sizes), 200)
    for number, (seed, law) in enumerate(laws.items()):
        rows = table[table["seed"] == seed]
        x = rows["batch_size"] * _SPREAD ** (number - (len(laws) - 1) / 2)
        reach = np.array([np.zeros(len(rows)), rows["divergent"] - rows["stable"]])  # (2, sizes): below and above
        axes[0].errorbar(x, rows["stable"], reach, **_SEED)
        axes[0].plot(places, law.predict(places), **_LAW)
        axes[1].errorbar(x, rows["stable"] / rows["predicted"], reach / rows["predicted"].to_numpy(), **_SEED)
    axes[1].axhline(1, **_LAW)
    handles = [
        axes[0].errorbar([], [], [], label="a seed: stable below, divergent above", **_SEED),
        Line2D([], [], label="1/η* = a + b/B, fitted", **_LAW),
    ]
    if published:
        handles += axes[0].plot(list(published), list(published.values()), label="published, by eye", **_EYE)
    beyond = [size for size in sizes if size > max(fitted)]
    for ax in axes:
        ax.set_xscale("log", base=2)
        ax.set_xlim(left, right)
        ax.xaxis.set_major_locator(FixedLocator(sizes))
        ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.set_xlabel("batch size B")
        if beyond:
            ax.axvspan(np.sqrt(max(fitted) * beyond[0]), right, zorder=0, **_BEYOND)
    if beyond:
        handles.append(Patch(label="not fitted", **_BEYOND))
    axes[0].set_yscale("log")
    axes[0].set_ylabel("divergent learning rate η*")
    style.label_short_span(axes[0].yaxis)
    axes[1].set_ylabel("found / predicted by the law")
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), fontsize=9)
    return figure


def _assign_looks(curves: pd.DataFrame) -> dict[int, dict[str, object]]:
    """Return colour and marker for each batch size, smallest first."""
    sizes = sorted(int(size) for size in curves["batch_size"].unique())
    if len(sizes) > len(style.COLOURS):
        raise ValueError(f"{len(sizes)} batch sizes for {len(style.COLOURS)} colours: draw fewer in one figure")
    looks = zip(sizes, style.COLOURS, style.MARKERS, strict=False)
    return {size: {"color": colour, "marker": marker, **style.MARKER} for size, colour, marker in looks}


def _middle_half(table: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return the quartiles over the columns, NaN where one is: a seed with an extreme test loss leaves the rest readable."""
    whole = table.notna().all(axis=1)
    return table.quantile(0.25, axis=1).where(whole), table.quantile(0.75, axis=1).where(whole)
