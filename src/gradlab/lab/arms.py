"""Figures of arms run under several seeds: every single run, what is common to an arm, and paired differences.

In all of them a dot is one run or one pair, a line across is a mean, the pale bar behind it the 95 % interval of that
mean, and a hollow diamond a published figure. Intervals are those of `gradlab.lab.stats.summarise_arm`, which gives none to
an arm with a single run or with runs that have no value.
"""

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from gradlab.lab import style
from gradlab.lab.stats import PairedComparison, summarise_arm

_OURS = style.COLOURS[0]
_DOT = {"color": _OURS, "marker": "o", "linestyle": "none", "markersize": 5.5, "mec": "white", "mew": 0.6, "zorder": 3}
_MEAN = {"color": _OURS, "linewidth": 2, "solid_capstyle": "butt"}
_INTERVAL = {"facecolor": _OURS, "alpha": 0.22, "linewidth": 0}
_DIAMOND = {"color": style.COLOURS[1], "marker": "D", "linestyle": "none", "markersize": 6.5, "mfc": "none", "mew": 1.5}

_HALF_WIDTH = 0.26  # of an arm's mean and interval; neighbouring arms stand 1 apart
_BESIDE = 0.4  # from an arm to its published figure
_LETTERS_OF_A_NAME = 22  # of a comparison in one line, which leaves the larger part of a narrow figure to the data


def plot_arms(
    runs: pd.DataFrame,
    *,
    published: Mapping[str, float | None] | None = None,
    label: str,
    scale: Literal["linear", "log"] = "linear",
) -> Figure:
    """Draw every run of each arm as a dot, with the arm's mean, its 95 % interval, and the published figure beside it.

    Parameters
    ----------
    runs
        Columns `arm`, `seed`, `value`, a row for each run. A value of None, NaN or an infinity is a run without one: it
        has no dot, the arm then has no interval, and "k of n runs" above the arm says how many have one.
    published
        The published figure of an arm. An arm without a run is drawn after the others, None is not drawn.
    label
        The name of the values, with their unit where they have one.
    scale
        Of the axis of values.

    Raises
    ------
    ValueError
        If there is neither a run nor a published figure, or a value has no place on a logarithmic axis.
    """
    arms = {arm: list(runs.loc[runs["arm"] == arm].sort_values("seed")["value"]) for arm in runs["arm"].unique()}
    published = {arm: value for arm, value in (published or {}).items() if value is not None}
    order = list(dict.fromkeys([*arms, *published]))
    if not order:
        raise ValueError("there is no arm to draw; expected runs or published figures: check which cells are complete")
    width = min(max(5.2, 1.0 + 0.7 * len(order)), 9.0)
    figure, (ax,) = style.panels(1, 1, width=width, height=3.8)
    ax.set_yscale(scale)
    for place, arm in enumerate(order):
        if scale == "log":
            _check_positive(f"arm {arm}", [*arms.get(arm, []), published.get(arm)])
        if arm in arms:
            _draw_runs(ax, place, arms[arm], "run")
        if arm in published:
            ax.plot([place + _BESIDE], [published[arm]], **_DIAMOND)
    names = [str(arm) for arm in order]
    slant = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"} if _is_crowded(names, width) else {}
    ax.set_xticks(range(len(names)), names, **slant)
    _centre_columns(ax, len(order))
    ax.set_ylabel(label)
    ax.grid(visible=False, axis="x")
    if scale == "log":
        style.label_short_span(ax.yaxis)
    _explain(figure, ax, "run")
    return figure


def plot_differences(comparisons: Mapping[str, PairedComparison], *, label: str) -> Figure:
    """Draw paired differences, a row for each comparison: the pairs, their mean and its interval, and a line at 0.

    The axis follows the differences and 0, not the same distance to both sides.

    Parameters
    ----------
    comparisons
        By name, such as "train − none". Pairs without a difference are counted in the margin.
    label
        The name of what differs, with its unit where it has one.

    Raises
    ------
    ValueError
        If there is no comparison, or one without pairs.
    """
    if not comparisons:
        raise ValueError("there is no comparison to draw; expected at least one: check which cells are complete")
    names = [textwrap.fill(name, _LETTERS_OF_A_NAME) for name in comparisons]
    figure, (ax,) = style.panels(1, 1, width=5.2, height=1.3 + 0.5 * len(names))
    ax.axvline(0, color="0.25", linewidth=1)
    for place, comparison in enumerate(comparisons.values()):
        _draw_runs(ax, place, comparison.pairs, "pair", sideways=True, interval=comparison.interval)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel(label)
    ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    ax.grid(visible=False, axis="y")
    adjusted = any(comparison.family > 1 for comparison in comparisons.values())
    _explain(figure, ax, "pair", "Holm-adjusted interval" if adjusted else "95 % interval")
    return figure


def _draw_runs(
    ax: Axes,
    place: float,
    values: Sequence[float | None],
    run: str,
    *,
    sideways: bool = False,
    interval: tuple[float, float] | None = None,
) -> None:
    """Draw interval, mean and dots of one arm above `place`, or sideways beside it; `run` is what one dot stands for.

    The interval is that of the arm's mean where none is given.

    Equal places across the arms are equal seeds, where all arms have the same ones.
    """
    arm = summarise_arm(values)
    level = np.array([math.nan if value is None else value for value in values], dtype=float)  # (n,)
    finite = np.isfinite(level)
    edges = np.array([place - _HALF_WIDTH, place + _HALF_WIDTH])
    if interval := interval or arm.mean_interval:
        (ax.fill_betweenx if sideways else ax.fill_between)(edges, *interval, **_INTERVAL)
    if arm.mean is not None:
        places = style.place_beside(place, len(level), 2 * _HALF_WIDTH)
        for at, height, look in ((edges, np.full(2, arm.mean), _MEAN), (places[finite], level[finite], _DOT)):
            ax.plot(*((height, at) if sideways else (at, height)), **look)
    if arm.missing:
        _note_count(ax, place, f"{arm.n} of {len(values)}\n{run}s", sideways=sideways)


def _note_count(ax: Axes, place: float, count: str, *, sideways: bool = False) -> None:
    """Write how many runs have a value outside the axes: above `place`, or sideways to the right of it."""
    look = {"ha": "left", "va": "center"} if sideways else {"ha": "center", "va": "bottom"}
    transform = ax.get_yaxis_transform() if sideways else ax.get_xaxis_transform()
    ax.text(*((1.02, place) if sideways else (place, 1.02)), count, transform=transform, fontsize=9, **look)


def _centre_columns(ax: Axes, columns: int) -> None:
    """Give the columns the whole width, but one or two of them no more than a third of it each."""
    middle, half = (columns - 1) / 2, max(columns, 3) / 2 + 0.1
    ax.set_xlim(middle - half, middle + half)


def _is_crowded(names: Sequence[str], width: float) -> bool:
    """Return whether names side by side, each over the same share of `width` inches, would touch."""
    return max(map(len, names)) > 11 * width / len(names)


def _explain(figure: Figure, ax: Axes, run: str, interval: str = "95 % interval") -> None:
    """Put a legend above the axes that names what is drawn in them; `run` is what one dot stands for."""
    drawn = {line.get_marker() for line in ax.get_lines()}
    handles: list[Line2D | Patch] = []
    if _DOT["marker"] in drawn:
        handles += [Line2D([], [], label=f"a {run}", **_DOT), Line2D([], [], label=f"mean of the {run}s", **_MEAN)]
    if ax.collections:
        handles.append(Patch(label=f"{interval} of the mean", **_INTERVAL))
    if _DIAMOND["marker"] in drawn:
        handles.append(Line2D([], [], label="published", **_DIAMOND))
    if handles:
        figure.legend(handles=handles, loc="outside upper left", ncols=2, fontsize=9)


def _check_positive(name: str, values: Iterable[float | None]) -> None:
    """Refuse what a logarithmic axis cannot show; a missing value is none."""
    for value in values:
        if value is not None and value <= 0:
            raise ValueError(f"{name} has the value {value:g}; a logarithmic axis shows only values above 0")
