"""Figures of the batch-size study (F §3, §4): the curves of one batch size, all of them together, and interpolation.

Tables of curves are tidy: `pass`, `update`, `split`, `metric`, `value`; reproduced ones with `seed`, and with
`batch_size` where a table holds several batch sizes.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from gradlab.plots import style

_PANELS = [("train", "loss"), ("test", "loss"), ("train", "accuracy"), ("test", "accuracy")]
_AXIS_LABELS = {"pass": "passes over the data", "update": "updates"}


def plot_runs(curves: pd.DataFrame) -> Figure:
    """Plot one batch size: train and test, loss and accuracy against passes, a thin line per seed and their median.

    A line stops where its run diverged, and the median where the first one did. The axes of accuracy begin below the
    smallest value after the first pass, so the untrained network's accuracy is off them.

    Parameters
    ----------
    curves
        Tidy curves with `seed`.
    """
    figure, axes = style.panels(2, 2)
    seeds = sorted(curves["seed"].unique())
    for ax, (split, metric) in zip(axes, _PANELS, strict=True):
        table = _by_seed(curves, split, metric, against="pass")
        for seed in seeds:
            ax.plot(table.index, table[seed], color=style.COLOURS[0], linewidth=0.7, alpha=0.5)
        ax.plot(table.index, table.median(axis=1, skipna=False), color=style.COLOURS[0], **style.REPRODUCED)
        _dress(ax, split, metric, against="pass")
        _zoom_accuracy(ax, split, metric, curves)
    handles = [
        Line2D([], [], color=style.COLOURS[0], linewidth=0.7, alpha=0.5, label=f"{len(seeds)} seeds"),
        Line2D([], [], color=style.COLOURS[0], label="median", **style.REPRODUCED),
    ]
    figure.legend(handles=handles, loc="outside right upper")
    return figure


def plot_batch_sizes(
    curves: pd.DataFrame, published: pd.DataFrame | None = None, *, against: Literal["pass", "update"]
) -> Figure:
    """Plot all batch sizes in the same four panels: median over seeds, band over their middle half, published dashed.

    Against updates the axis is logarithmic, since a pass is 16 times as many updates at batch size 1 as at 16; the
    evaluation before the first update has no place on it and is left out. Median and band stop where a run diverged. The
    axes of accuracy begin below the smallest value after the first pass.

    Parameters
    ----------
    curves
        Tidy curves with `batch_size` and `seed`.
    published
        Tidy curves with `batch_size`, one run each; drawn in the colour of its batch size.
    against
        `pass` or `update`.

    Raises
    ------
    ValueError
        If `against` is neither, or there are more batch sizes than colours.
    """
    if against not in _AXIS_LABELS:
        raise ValueError(f"curves are drawn against 'pass' or 'update'; got {against!r}")
    figure, axes = style.panels(2, 2, width=9.0)
    colours = _colours(curves, published)
    for ax, (split, metric) in zip(axes, _PANELS, strict=True):
        for batch_size, colour in colours.items():
            table = _by_seed(curves[curves["batch_size"] == batch_size], split, metric, against=against)
            if table.size:
                ax.fill_between(
                    table.index,
                    *_middle_half(table),
                    color=colour,
                    alpha=0.2,
                    linewidth=0,
                )
                ax.plot(table.index, table.median(axis=1, skipna=False), color=colour, **style.REPRODUCED)
            if published is not None:
                rows = _select(published[published["batch_size"] == batch_size], split, metric, against=against)
                ax.plot(rows[against], rows["value"], color=colour, **style.PUBLISHED)
        _dress(ax, split, metric, against=against)
        _zoom_accuracy(ax, split, metric, curves, published)
    handles = [
        Line2D([], [], color=colour, label=f"B = {size}", **style.REPRODUCED) for size, colour in colours.items()
    ]
    handles.append(Line2D([], [], color="0.3", label="median of seeds", **style.REPRODUCED))
    handles.append(Patch(color="0.3", alpha=0.2, linewidth=0, label="middle half of seeds"))
    if published is not None:
        handles.append(Line2D([], [], color="0.3", label="published", **style.PUBLISHED))
    figure.legend(handles=handles, loc="outside right upper")
    return figure


def interpolation_bars(runs: pd.DataFrame, published: pd.DataFrame | None = None) -> Figure:
    """Plot updates and passes until the training accuracy is exactly 1, against the batch size.

    Bars are the means of our seeds, dots the single seeds, hollow hatched bars beside them the published run. Seeds
    that never got there have no dot and no part in the mean; a batch size that has any carries "k of n" above its bar.
    The axis of updates is logarithmic.

    Parameters
    ----------
    runs
        One row for each run: `batch_size`, `seed`, `passes`, `updates`; None or NaN where it was not reached.
    published
        One row for each batch size: `batch_size`, `passes`, `updates`.
    """
    figure, axes = style.panels(1, 2, width=9.0, height=3.2)
    colours = _colours(runs, published)
    width = 0.8 if published is None else 0.4
    for ax, quantity in zip(axes, ("updates", "passes"), strict=True):
        for place, (batch_size, colour) in enumerate(colours.items()):
            values = pd.to_numeric(runs.loc[runs["batch_size"] == batch_size, quantity]).to_numpy(dtype=float)
            reached = values[np.isfinite(values)]
            ours = place if published is None else place - width / 2
            if len(reached):
                ax.bar(ours, reached.mean(), width, color=colour, alpha=0.55)
                ax.plot(
                    _spread(ours, len(reached), width), reached, "o", color=colour, markersize=4, mec="white", mew=0.5
                )
            if len(reached) < len(values):
                ax.annotate(
                    f"{len(reached)} of {len(values)}",
                    (ours, reached.max() if len(reached) else 1),
                    xytext=(0, 4),
                    textcoords="offset points",
                    ha="center",
                    fontsize=8,
                )
            if published is not None:
                for value in published.loc[published["batch_size"] == batch_size, quantity]:
                    ax.bar(place + width / 2, value, width, fill=False, edgecolor=colour, hatch="///", linewidth=1)
        ax.set_xticks(range(len(colours)), [str(size) for size in colours])
        ax.set_xlabel("batch size")
        ax.set_ylabel(f"{quantity} until training accuracy is 1")
        ax.grid(visible=False, axis="x")
    axes[0].set_yscale("log")
    updates = pd.concat([table["updates"] for table in (runs, published) if table is not None])
    smallest = pd.to_numeric(updates).min()
    if np.isfinite(smallest):
        axes[0].set_ylim(bottom=10 ** np.floor(np.log10(0.8 * smallest)))  # bars on a logarithmic axis have no zero
    handles: list[Line2D | Patch] = [
        Patch(color="0.3", alpha=0.55, label="mean of seeds"),
        Line2D([], [], color="0.3", marker="o", linestyle="", markersize=4, label="a seed"),
    ]
    if published is not None:
        handles.append(Patch(fill=False, edgecolor="0.3", hatch="///", label="published"))
    figure.legend(handles=handles, loc="outside right upper")
    return figure


def _select(curves: pd.DataFrame, split: str, metric: str, *, against: str) -> pd.DataFrame:
    """Return the rows of one panel in the order of its axis, without update 0 where that axis is logarithmic."""
    rows = curves[(curves["split"] == split) & (curves["metric"] == metric)]
    return (rows[rows["update"] > 0] if against == "update" else rows).sort_values(against)


def _by_seed(curves: pd.DataFrame, split: str, metric: str, *, against: str) -> pd.DataFrame:
    """Return one panel's values with a column for each seed; the index is `against`."""
    return _select(curves, split, metric, against=against).pivot(index=against, columns="seed", values="value")


def _middle_half(table: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return the quartiles over the columns, NaN where one is: a seed with an extreme test loss leaves the rest readable."""
    whole = table.notna().all(axis=1)
    return table.quantile(0.25, axis=1).where(whole), table.quantile(0.75, axis=1).where(whole)


def _colours(*tables: pd.DataFrame | None) -> dict[int, str]:
    """Return a colour for each batch size that occurs in any of the tables, smallest first."""
    sizes = sorted({int(size) for table in tables if table is not None for size in table["batch_size"]})
    if len(sizes) > len(style.COLOURS):
        raise ValueError(f"{len(sizes)} batch sizes for {len(style.COLOURS)} colours: draw fewer in one figure")
    return dict(zip(sizes, style.COLOURS, strict=False))


def _spread(centre: float, count: int, width: float) -> Sequence[float]:
    """Return places side by side across a bar, so that equal values do not hide one another."""
    return centre + width * (np.arange(count) - (count - 1) / 2) / max(count + 1, 1)


def _zoom_accuracy(ax: Axes, split: str, metric: str, *tables: pd.DataFrame | None) -> None:
    """Let an axis of accuracy begin below what was measured after the first pass; before it, all networks guess."""
    trained = [_select(table, split, metric, against="update")["value"] for table in tables if table is not None]
    lowest, highest = pd.concat(trained).min(), pd.concat(trained).max()
    if metric == "accuracy" and lowest < highest:
        margin = 0.05 * (highest - lowest)
        ax.set_ylim(lowest - margin, highest + margin)


def _dress(ax: Axes, split: str, metric: str, *, against: str) -> None:
    """Label one panel; losses span decades and get a logarithmic axis."""
    ax.set_title({"train": "training subset", "test": "test set"}[split], fontsize=10)
    ax.set_xlabel(_AXIS_LABELS[against])
    ax.set_ylabel(metric)
    if against == "update":
        ax.set_xscale("log")
    else:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if metric == "loss":
        ax.set_yscale("log")
