"""Figures of the batch-size study (F §3, §4): one batch size, all of them together, replays beside the log, interpolation.

Tables of curves are tidy: `pass`, `update`, `split`, `metric`, `value`; reproduced ones with `seed`, and with
`batch_size` where a table holds several batch sizes.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from gradlab.lab import style
from gradlab.lab.curves import AXIS_LABELS, PANELS, Against, dress_panel, select, tabulate_seeds

_BROAD = {"color": style.COLOURS[1], "linewidth": 3.2, "alpha": 0.45, "solid_capstyle": "butt"}
_MARK = {"color": style.COLOURS[1], "linewidth": 1.4, "linestyle": (0, (2, 1)), "zorder": 1.5}
_ARMS = [
    {"color": colour, "marker": marker, "linestyle": "none", "markersize": 5, "mec": colour, "mew": 0.8}
    for colour, marker in ((style.COLOURS[6], "X"), (style.COLOURS[0], "o"), (style.COLOURS[2], "s"))
]
_LOGARITHMIC = {("train", "loss"), ("test", "loss")}  # a seed's test loss can be orders of magnitude above the others'


def plot_runs(curves: pd.DataFrame) -> Figure:
    """Plot one batch size: train and test, loss and accuracy against passes, a thin line per seed and their median.

    A line stops where its run diverged, and the median where the first one did. The axes of accuracy begin below the
    smallest value after the first pass, so the untrained network's accuracy is off them.

    Parameters
    ----------
    curves
        Tidy curves with `seed`; without it they are those of one run, which is drawn as the median would be.
    """
    figure, axes = style.panels(2, 2)
    alone = "seed" not in curves
    curves = curves.assign(seed=0) if alone else curves
    seeds = sorted(curves["seed"].unique())
    for ax, (split, metric) in zip(axes, PANELS, strict=True):
        table = tabulate_seeds(curves, split, metric)
        for seed in [] if alone else seeds:
            ax.plot(table.index, table[seed], color=style.COLOURS[0], **style.SINGLE_SEED)
        ax.plot(table.index, table.median(axis=1, skipna=False), color=style.COLOURS[0], **style.REPRODUCED)
        dress_panel(ax, split, metric, curves, logarithmic=_LOGARITHMIC)
    if not alone:
        handles = [
            Line2D([], [], color=style.COLOURS[0], label=f"{len(seeds)} seeds", **style.SINGLE_SEED),
            Line2D([], [], color=style.COLOURS[0], label="median", **style.REPRODUCED),
        ]
        figure.legend(handles=handles, loc="outside right upper")
    return figure


def plot_trial(curves: pd.DataFrame) -> Figure:
    """Plot the running average of the loss over the trial pass, and the training loss before the pass and after it.

    Parameters
    ----------
    curves
        Tidy curves of a replay.
    """
    figure, (ax,) = style.panels(1, 1, width=6.4, height=3.2)
    train = curves[curves["split"] == "train"]
    averages, losses = (train[train["metric"] == name] for name in ("trial_running_average", "trial_loss"))
    ax.plot(averages["update"], averages["value"], color=style.COLOURS[0], label="running average", **style.REPRODUCED)
    look = {"marker": "D", "markersize": 6.5, "mfc": "none", "mew": 1.5, "linestyle": "none"}
    ax.plot(losses["update"], losses["value"], color=style.COLOURS[1], label="on all training images", **look)
    ax.set(xlabel="updates", ylabel="loss", ylim=(0, None))
    figure.legend(loc="outside upper left", ncols=2, fontsize=9)
    return figure


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
        dress_panel(ax, split, metric, curves, logarithmic=_LOGARITHMIC, against=against)
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
            dress_panel(ax, split, metric, curves, published, logarithmic=_LOGARITHMIC)
            ax.sharey(grid[row, 0])
            ax.set_title("" if row else f"B = {size}", fontsize=10)
            ax.set_xlabel("passes" if last else "", fontsize=9)
            ax.set_ylabel("" if column else f"{split} {metric}", fontsize=9)
            ax.tick_params(labelsize=8, labelleft=column == 0, labelbottom=last)
    figure.align_ylabels(grid[:, 0])
    handles = [Line2D([], [], label="published", **_BROAD), Line2D([], [], color=style.COLOURS[0], label="replay")]
    figure.legend(handles=handles, loc="outside upper left", ncols=2, fontsize=9)
    return figure


def plot_residuals(residuals: pd.DataFrame, correlations: Mapping[int, float]) -> Figure:
    """Plot, for each batch size, what a running median leaves of our training accuracies against what it leaves of the log's.

    Parameters
    ----------
    residuals
        One row for each pass that is compared: `batch_size`, `pass`, `published`, `ours`.
    correlations
        Of each batch size.
    """
    sizes = sorted(correlations)
    figure, axes = style.panels(1, len(sizes), width=1.2 + 1.75 * len(sizes), height=2.3)
    for ax, size in zip(axes, sizes, strict=True):
        rows = residuals[residuals["batch_size"] == size]
        reach = 1.15 * max(rows[["published", "ours"]].abs().to_numpy().max(), 0.001)  # one printed digit at least
        ax.plot([-reach, reach], [-reach, reach], color="0.75", linewidth=1, zorder=1)
        ax.plot(rows["published"], rows["ours"], "o", color=style.COLOURS[0], markersize=4, mec="white", mew=0.5)
        ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
        ax.set_title(f"B = {size}: r = {correlations[size]:.2f}", fontsize=10)
        ax.xaxis.set_major_locator(MaxNLocator(3, symmetric=True))
        ax.yaxis.set_major_locator(MaxNLocator(3, symmetric=True))
        ax.tick_params(labelsize=8)
        ax.set_xlabel("published", fontsize=9)
    axes[0].set_ylabel("replay", fontsize=9)
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


def _middle_half(table: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return the quartiles over the columns, NaN where one is: a seed with an extreme test loss leaves the rest readable."""
    whole = table.notna().all(axis=1)
    return table.quantile(0.25, axis=1).where(whole), table.quantile(0.75, axis=1).where(whole)


def _assign_looks(curves: pd.DataFrame) -> dict[int, dict[str, object]]:
    """Return colour and marker for each batch size, smallest first."""
    sizes = sorted(int(size) for size in curves["batch_size"].unique())
    if len(sizes) > len(style.COLOURS):
        raise ValueError(f"{len(sizes)} batch sizes for {len(style.COLOURS)} colours: draw fewer in one figure")
    looks = zip(sizes, style.COLOURS, style.MARKERS, strict=False)
    return {size: {"color": colour, "marker": marker, **style.MARKER} for size, colour, marker in looks}
