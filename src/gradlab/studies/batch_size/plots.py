"""Figures of the batch-size study (F §3, §4): the curves of one batch size, all of them together, and interpolation.

Tables of curves are tidy: `pass`, `update`, `split`, `metric`, `value`; reproduced ones with `seed`, and with
`batch_size` where a table holds several batch sizes.
"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from gradlab.lab import style
from gradlab.lab.curves import AXIS_LABELS, PANELS, Against, dress_panel, select, tabulate_seeds

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


def plot_batch_sizes(curves: pd.DataFrame, published: pd.DataFrame | None = None, *, against: Against) -> Figure:
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
    if against not in AXIS_LABELS:
        raise ValueError(f"curves are drawn against 'pass' or 'update'; got {against!r}")
    figure, axes = style.panels(2, 2, width=9.0)
    tables = [curves] if published is None else [curves, published]
    looks = _assign_looks(*tables)
    for ax, (split, metric) in zip(axes, PANELS, strict=True):
        for place, (batch_size, look) in enumerate(looks.items()):
            table = tabulate_seeds(curves[curves["batch_size"] == batch_size], split, metric, against=against)
            spacing = style.space_markers(len(table), place=2 * place, lines=2 * len(looks))
            if table.size:
                ax.fill_between(table.index, *_middle_half(table), color=look["color"], alpha=0.2, linewidth=0)
                ax.plot(table.index, table.median(axis=1, skipna=False), **look, markevery=spacing, **style.REPRODUCED)
            if published is not None:
                rows = select(published[published["batch_size"] == batch_size], split, metric, against=against)
                spacing = style.space_markers(len(rows), place=2 * place + 1, lines=2 * len(looks))
                ax.plot(rows[against], rows["value"], markevery=spacing, **style.hollow(look), **style.PUBLISHED)
        dress_panel(ax, split, metric, *tables, logarithmic=_LOGARITHMIC, against=against)
    handles = [Line2D([], [], label=f"B = {size}", **look, **style.REPRODUCED) for size, look in looks.items()]
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
    looks = _assign_looks(*([runs] if published is None else [runs, published]))
    width = 0.8 if published is None else 0.4
    for ax, quantity in zip(axes, ("updates", "passes"), strict=True):
        for place, (batch_size, look) in enumerate(looks.items()):
            colour = look["color"]
            values = pd.to_numeric(runs.loc[runs["batch_size"] == batch_size, quantity]).to_numpy(dtype=float)
            reached = values[np.isfinite(values)]
            ours = place if published is None else place - width / 2
            if len(reached):
                ax.bar(ours, reached.mean(), width, color=colour, alpha=0.55)
                places = style.place_beside(ours, len(reached), width)
                ax.plot(places, reached, "o", color=colour, markersize=4, mec="white", mew=0.5)
            if len(reached) < len(values):
                ax.annotate(
                    f"{len(reached)} of {len(values)}",
                    (ours, reached.max() if len(reached) else 0),
                    xycoords="data" if len(reached) else ax.get_xaxis_transform(),
                    xytext=(0, 4),
                    textcoords="offset points",
                    ha="center",
                    fontsize=8,
                    rotation=0 if len(reached) else 90,  # beside the neighbour's bar, not across it
                )
            if published is not None:
                for value in published.loc[published["batch_size"] == batch_size, quantity]:
                    ax.bar(place + width / 2, value, width, fill=False, edgecolor=colour, hatch="///", linewidth=1)
        ax.set_xticks(range(len(looks)), [str(size) for size in looks])
        ax.set_xlim(-0.6, len(looks) - 0.4)
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


def _middle_half(table: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return the quartiles over the columns, NaN where one is: a seed with an extreme test loss leaves the rest readable."""
    whole = table.notna().all(axis=1)
    return table.quantile(0.25, axis=1).where(whole), table.quantile(0.75, axis=1).where(whole)


def _assign_looks(*tables: pd.DataFrame) -> dict[int, dict[str, object]]:
    """Return colour and marker for each batch size that occurs in any of the tables, smallest first."""
    sizes = sorted({int(size) for table in tables for size in table["batch_size"]})
    if len(sizes) > len(style.COLOURS):
        raise ValueError(f"{len(sizes)} batch sizes for {len(style.COLOURS)} colours: draw fewer in one figure")
    looks = zip(sizes, style.COLOURS, style.MARKERS, strict=False)
    return {size: {"color": colour, "marker": marker, **style.MARKER} for size, colour, marker in looks}
