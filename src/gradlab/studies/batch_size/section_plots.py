"""Plots of the batch-size study in the report (F §3, §4): all batch sizes, replays beside logs, interpolation, the law of η*.

Tables of curves are tidy: `pass`, `update`, `split`, `metric`, `value`; reproduced ones with `seed`, and with
`batch_size` where a table holds several batch sizes.
"""

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator, NullFormatter, NullLocator, StrMethodFormatter
from matplotlib.transforms import ScaledTranslation

from gradlab.lab import style
from gradlab.lab.curves import AXIS_LABELS, Against, name_lines, select, tabulate_seeds
from gradlab.studies.batch_size.law import Law
from gradlab.studies.batch_size.plots import LOGARITHMIC

_WIDTH = 7.5  # inches: a column of text
_ROWS = ("accuracy", "loss")
_SPLITS = {
    "train": {"color": style.COLOURS[0], "linewidth": 1.3},
    "test": {"color": style.COLOURS[2], "linewidth": 1.3, "linestyle": (0, (4, 1.5))},
}
_WORDS = {"train": "training", "test": "test"}
_REPLAY: style.Look = {"color": style.COLOURS[0], "linewidth": 1}
_BROAD: style.Look = {"color": style.COLOURS[1], "linewidth": 3.2, "alpha": 0.45, "solid_capstyle": "butt"}
_PUBLISHED: style.Look = {
    "color": style.COLOURS[1],
    "marker": "_",
    "markersize": 30,
    "mew": 1.6,
    "linestyle": "none",
    "zorder": 1.5,
}
_ARMS: list[style.Look] = [
    {"color": colour, "marker": marker, "linestyle": "none", "markersize": 5, "mec": "white", "mew": 0.5}
    for colour, marker in (("0.25", "X"), (style.COLOURS[0], "o"), (style.COLOURS[2], "s"))
]
_SEED: style.Look = {"color": style.COLOURS[0], "fmt": "none", "elinewidth": 2, "capsize": 2.2, "capthick": 1}
_LAW: style.Look = {"color": "0.25", "linewidth": 1.2}
_BEYOND: style.Look = {"color": "0.5", "alpha": 0.18, "linewidth": 0}
_EYE: style.Look = {**style.DIAMOND, "markersize": 6}
_SPREAD = 5  # points, between the brackets of neighbouring seeds, so that they do not hide one another


def plot_batch_sizes(curves: pd.DataFrame, *, against: Against) -> Figure:
    """Plot a column of panels for each batch size: training and test, median over seeds, and a band over their middle half.

    Against updates the axis is logarithmic, since a pass is 16 times as many updates at batch size 1 as at 16; the
    evaluation before the first update has no place on it and is left out. Median and band stop where a run diverged. The
    axes of accuracy begin below the smallest value drawn after the first pass.

    Parameters
    ----------
    curves
        Tidy curves with `batch_size` and `seed`; without `seed` of one run each, which is drawn as the median would be.
    against
        `pass` or `update`.

    Raises
    ------
    ValueError
        If `against` is neither.
    """
    if against not in AXIS_LABELS:
        raise ValueError(f"curves are drawn against 'pass' or 'update'; got {against!r}")
    sizes = sorted(int(size) for size in curves["batch_size"].unique())
    alone = "seed" not in curves
    curves = curves.assign(seed=0) if alone else curves
    words = "" if alone else f", median of {curves['seed'].nunique()} seeds"
    figure, axes = style.panels(2, len(sizes), width=min(1.2 + 2.0 * len(sizes), _WIDTH), height=1.9)
    grid = np.asarray(axes).reshape(2, len(sizes))
    for row, metric in enumerate(_ROWS):
        levels = []
        for size, ax in zip(sizes, grid[row], strict=True):
            for split, look in _SPLITS.items():
                table = tabulate_seeds(curves[curves["batch_size"] == size], split, metric, against=against)
                low, high = _middle_half(table)
                if not alone:
                    ax.fill_between(table.index, low, high, color=look["color"], alpha=0.2, linewidth=0)
                median = table.median(axis=1, skipna=False)
                ax.plot(table.index, median, **look, label=f"{_WORDS[split]}{words}")
                levels += [column[table.index > 0] for column in (low, high)]
            _label(ax, f"B = {size}: {metric}", AXIS_LABELS[against], metric, ax is grid[row, 0])
            ax.set_title("" if row else f"B = {size}", fontsize=10)
            if ax is not grid[0, 0]:
                ax.sharex(grid[0, 0])
            ax.sharey(grid[row, 0])
        _scale(grid[row, 0], metric, pd.concat(levels))
    if against == "update":
        grid[0, 0].set_xscale("log")
        grid[0, 0].xaxis.set_minor_formatter(NullFormatter())
    else:
        grid[0, 0].xaxis.set_major_locator(MaxNLocator(3, integer=True, steps=[1, 2, 5, 10]))
    figure.supxlabel(AXIS_LABELS[against], fontsize=10)
    name_lines(grid[0, 0], {_WORDS[split]: look for split, look in _SPLITS.items()})
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
    panels = [(split, metric) for metric in _ROWS for split in _SPLITS]
    figure, axes = style.panels(len(panels), len(sizes), width=min(1.2 + 1.75 * len(sizes), _WIDTH), height=1.55)
    grid = np.asarray(axes).reshape(len(panels), len(sizes))
    for row, (split, metric) in enumerate(panels):
        for size, ax in zip(sizes, grid[row], strict=True):
            for name, table, look in (("published", published, _BROAD), ("replay", curves, _REPLAY)):
                rows = select(table[table["batch_size"] == size], split, metric)
                ax.plot(rows["pass"], rows["value"], **look, label=name)
            words = f"{_WORDS[split]} {metric}"
            _label(ax, f"B = {size}: {words}", AXIS_LABELS["pass"], words, ax is grid[row, 0])
            ax.set_title("" if row else f"B = {size}", fontsize=10)
            ax.xaxis.set_major_locator(MaxNLocator(3, integer=True, steps=[1, 2, 5, 10]))
            ax.tick_params(labelbottom=row == len(panels) - 1)
            ax.sharey(grid[row, 0])
        drawn = pd.concat([select(table, split, metric) for table in (curves, published)])
        _scale(grid[row, 0], metric, drawn.loc[drawn["pass"] > 0, "value"])
    figure.align_ylabels(grid[:, 0])
    figure.supxlabel(AXIS_LABELS["pass"], fontsize=10)
    name_lines(grid[0, 0], {"replay": _REPLAY, "published": _BROAD})
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
    figure, axes = style.panels(1, 2, width=_WIDTH, height=3.4)
    sizes = sorted({int(size) for table in (runs, published) if table is not None for size in table["batch_size"]})
    arms = list(runs["arm"].unique())
    arrow = {"marker": "^", "mfc": "none", "mew": 1}
    for ax, (quantity, last) in zip(axes, (("passes", "last_pass"), ("updates", "last_update")), strict=True):
        for place, size in enumerate(sizes):
            if published is not None:
                values = published.loc[published["batch_size"] == size, quantity]
                ax.plot([place] * len(values), values, **_PUBLISHED, label=f"published, B = {size}")
            for number, (arm, look) in enumerate(zip(arms, _ARMS, strict=False)):
                rows = runs[(runs["batch_size"] == size) & (runs["arm"] == arm)]
                values = pd.to_numeric(rows[quantity]).to_numpy(dtype=float)
                where = style.place_beside(place + (number - (len(arms) - 1) / 2) * 0.26, len(rows), 0.24)
                reached = np.isfinite(values)
                ax.plot(where[reached], values[reached], **look, label=f"{arm}, B = {size}")
                hollow = {**look, **arrow, "mec": look["color"], "label": f"{arm}, B = {size}: not reached"}
                ax.plot(where[~reached], rows[last].to_numpy()[~reached], **hollow)
        ax.set_xticks(range(len(sizes)), [str(size) for size in sizes])
        ax.set(xlim=(-0.6, len(sizes) - 0.4), xlabel="batch size B", ylabel=quantity, label=quantity)
        ax.set_title(f"{quantity} until the training accuracy is 1", fontsize=10)
        ax.grid(visible=False, axis="x")
    axes[0].yaxis.set_major_locator(MaxNLocator(integer=True))
    axes[1].set_yscale("log")
    style.label_short_span(axes[1].yaxis)
    axes[1].yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    handles = [Line2D([], [], label=arm, **look) for arm, look in zip(arms, _ARMS, strict=False)]
    if runs["passes"].isna().any():
        handles.append(Line2D([], [], label="not reached", **{**_ARMS[0], **arrow, "mec": "0.25"}))
    if published is not None:
        handles.append(Line2D([], [], label="published", **{**_PUBLISHED, "markersize": 14}))
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), fontsize=9, columnspacing=1.2)
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
    figure, axes = style.panels(1, 2, width=_WIDTH, height=3.4)
    sizes = sorted(table["batch_size"].unique())
    left, right = min(sizes) / 1.4, max(sizes) * 1.4
    places = np.geomspace(min(sizes), max(sizes), 33)
    for number, (seed, law) in enumerate(laws.items()):
        rows = table[table["seed"] == seed]
        reach = np.array([np.zeros(len(rows)), rows["divergent"] - rows["stable"]])  # (2, sizes): below and above
        aside = ScaledTranslation((number - (len(laws) - 1) / 2) * _SPREAD / 72, 0, figure.dpi_scale_trans)
        for ax, scale in ((axes[0], 1), (axes[1], rows["predicted"].to_numpy())):
            look = {**_SEED, "label": f"seed {seed}, stable to divergent", "transform": ax.transData + aside}
            ax.errorbar(rows["batch_size"], rows["stable"] / scale, reach / scale, **look)
        axes[0].plot(places, law.predict(places), **_LAW, label=f"seed {seed}, law")
    axes[1].axhline(1, **_LAW)
    if published:
        axes[0].plot(list(published), list(published.values()), **_EYE, label="published, by eye")
    beyond = [size for size in sizes if size > max(fitted)]
    for ax in axes:
        ax.set_xscale("log", base=2)
        ax.set(xlim=(left, right), xlabel="batch size B")
        ax.xaxis.set_major_locator(FixedLocator(sizes))
        ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.xaxis.set_minor_locator(NullLocator())
        if beyond:
            start = np.sqrt(max(fitted) * beyond[0])
            ax.axvspan(start, right, zorder=0, **_BEYOND)
            ax.text(start * 1.1, 0.98, "not fitted", transform=ax.get_xaxis_transform(), va="top", fontsize=9)
    rates = table[["stable", "divergent"]]
    shares = rates.div(table["predicted"], axis=0).to_numpy()
    shown = [
        *rates.to_numpy().ravel(),
        *(published or {}).values(),
        *(law.predict(max(sizes)) for law in laws.values()),
    ]
    margin = 0.05 * np.ptp([1, *shares.ravel()])
    axes[1].set_ylim(min(1, shares.min()) - margin, max(1, shares.max()) + margin)
    axes[0].set(yscale="log", ylim=(0.8 * min(shown), 1.25 * max(shown)))
    axes[0].set(ylabel="divergent learning rate η*", label="η*")
    style.label_short_span(axes[0].yaxis)
    axes[1].set(ylabel="found / predicted by the law", label="η* against the law")
    names = {"a seed: stable to divergent": _SEED, "law 1/η* = a + b/B": _LAW}
    name_lines(axes[0], names | ({"published, by eye": _EYE} if published else {}))
    return figure


def _label(ax: Axes, panel: str, x: str, y: str, first: bool) -> None:
    """Name a panel and its axes; x stands below all columns together, y beside the first one alone."""
    ax.set(label=panel, xlabel=x, ylabel=y)
    ax.yaxis.label.set_fontsize(9)
    ax.xaxis.label.set_visible(False)
    ax.yaxis.label.set_visible(first)
    ax.tick_params(labelsize=8, labelleft=first)


def _scale(ax: Axes, metric: str, values: pd.Series) -> None:
    """Give a row of panels that share their axis of values a logarithmic one for losses, else one that holds `values`."""
    finite = values.astype(float)
    finite = finite[np.isfinite(finite)]
    if ("test", metric) in LOGARITHMIC:
        ax.set_yscale("log")
        style.label_short_span(ax.yaxis)
    elif finite.min() < finite.max():
        margin = 0.05 * (finite.max() - finite.min())
        ax.set_ylim(finite.min() - margin, finite.max() + margin)


def _middle_half(table: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return the quartiles over the columns, NaN where one is: a seed with an extreme test loss leaves the rest readable."""
    whole = table.notna().all(axis=1)
    return table.quantile(0.25, axis=1).where(whole), table.quantile(0.75, axis=1).where(whole)
