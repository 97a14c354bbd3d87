"""Figures of arms run under several seeds: every single run, what is common to an arm, and paired differences.

In all of them an arm, or a comparison, is a row: a dot is one run or one pair, the line across is a mean, the pale bar behind
it the 95 % interval of that mean, and a hollow diamond a published figure; at the right, mean and interval in digits. Intervals
are those of `gradlab.lab.stats.summarise_arm`, which gives none to an arm with a single run or with runs that have no value.
"""

import math
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from gradlab.lab import style
from gradlab.lab.stats import PairedComparison, summarise_arm

_OURS = style.COLOURS[0]
_DOT: style.Look = {**style.DOT, "linestyle": "none", "markersize": 5.5, "zorder": 3}
_MEAN: style.Look = {"color": _OURS, "marker": "|", "linestyle": "none", "markersize": 20, "mew": 2}
_INTERVAL: style.Look = {"color": _OURS, "alpha": 0.22, "linewidth": 20, "solid_capstyle": "butt", "zorder": 1.5}
_DIAMOND: style.Look = {**style.DIAMOND, "markersize": 6.5}

_ROW = 0.5  # inches, from one arm to the next; more where names take more than two lines
_HALF_WIDTH = 0.26  # of an arm's runs, which stand one below the other; neighbouring arms stand 1 apart
_LETTERS_OF_A_NAME = 30  # in one line, which leaves the larger part of a figure to the data


def plot_arms(runs: pd.DataFrame, *, published: Mapping[str, float | None] | None = None, label: str) -> Figure:
    """Draw a row for each arm: every run as a dot, their mean, its 95 % interval, and the published figure.

    Parameters
    ----------
    runs
        Columns `arm`, `seed`, `value`, a row for each run. A value of None, NaN or an infinity is a run without one: it
        has no dot, the arm then has no interval, and "k of n runs" beside the arm says how many have one.
    published
        The published figure of an arm. An arm without a run is drawn after the others, None is not drawn.
    label
        The name of the values, with their unit where they have one.

    Raises
    ------
    ValueError
        If there is neither a run nor a published figure.
    """
    arms = {arm: list(runs.loc[runs["arm"] == arm].sort_values("seed")["value"]) for arm in runs["arm"].unique()}
    printed = {arm: value for arm, value in (published or {}).items() if value is not None}
    order = list(dict.fromkeys([*arms, *printed]))
    if not order:
        raise ValueError("there is no arm to draw; expected runs or published figures: check which cells are complete")
    figure, ax = _draw_rows(order, label)
    for place, arm in enumerate(order):
        if arm in arms:
            _draw_runs(ax, place, arm, arms[arm], "run", "95 % interval")
        if arm in printed:
            ax.plot([printed[arm]], [place], **_DIAMOND, zorder=4, label=f"{arm}: published")
    _explain(figure, ax, "run", "95 % interval")
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
    figure, ax = _draw_rows(list(comparisons), label)
    ax.axvline(0, color="0.25", linewidth=1)
    adjusted = any(comparison.family > 1 for comparison in comparisons.values())
    words = "Holm-adjusted interval" if adjusted else "95 % interval"
    for place, (name, comparison) in enumerate(comparisons.items()):
        _draw_runs(ax, place, name, comparison.pairs, "pair", words, interval=comparison.interval, sign="+")
    _explain(figure, ax, "pair", words)
    return figure


def _draw_rows(names: Sequence[str], label: str) -> tuple[Figure, Axes]:
    """Return a figure with an empty row for each name."""
    wrapped = [textwrap.fill(str(name), _LETTERS_OF_A_NAME) for name in names]
    row = max(_ROW, 0.1 + 0.17 * max(name.count("\n") + 1 for name in wrapped))  # inches
    figure, (ax,) = style.panels(1, 1, width=7.4, height=0.9 + row * len(names))
    ax.set_yticks(range(len(names)), wrapped)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel(label)
    ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    ax.grid(visible=False, axis="y")
    return figure, ax


def _draw_runs(
    ax: Axes,
    place: float,
    name: str,
    values: Sequence[float | None],
    run: str,
    words: str,
    *,
    interval: tuple[float, float] | None = None,
    sign: str = "",
) -> None:
    """Draw interval, mean and dots of one arm into its row, and write them beside it; `run` is what one dot stands for.

    The interval is that of the arm's mean where none is given; `words` are what it is called.

    Equal places across the arms are equal seeds, where all arms have the same ones.
    """
    arm = summarise_arm(values)
    level = np.array([math.nan if value is None else value for value in values], dtype=float)  # (n,)
    finite = np.isfinite(level)
    notes = []
    if interval := interval or arm.mean_interval:
        ax.plot(interval, [place, place], **_INTERVAL, label=f"{name}: {words} of the mean")
    if arm.mean is not None:
        places = style.place_beside(place, len(level), 2 * _HALF_WIDTH)
        ax.plot([arm.mean], [place], **_MEAN, label=f"{name}: mean of the {run}s")
        ax.plot(level[finite], places[finite], **_DOT, label=f"{name}: {run}s")
        digits = f"{sign}.{4 if abs(arm.mean) < 1 else 1}f"
        notes.append(f"{arm.mean:{digits}}")
        if interval:
            notes.append(f"[{interval[0]:{digits}}, {interval[1]:{digits}}]")
    if arm.missing:
        notes.append(f"{arm.n} of {len(values)} {run}s")
    ax.text(
        1.02, place, "\n".join(notes).replace("-", "−"), transform=ax.get_yaxis_transform(), va="center", fontsize=9
    )


def _explain(figure: Figure, ax: Axes, run: str, words: str) -> None:
    """Put a legend above the axes that names what is drawn in them; `run` is what one dot stands for."""
    looks = {
        f"a {run}": _DOT,
        f"mean of the {run}s": {**_MEAN, "markersize": 11},
        f"{words} of the mean": {**_INTERVAL, "linewidth": 8},
        "published": _DIAMOND,
    }
    drawn = {
        (line.get_marker(), line.get_linestyle())
        for line in ax.get_lines()
        if not str(line.get_label()).startswith("_")
    }
    handles = [Line2D([], [], label=label, **look) for label, look in looks.items()]
    handles = [handle for handle in handles if (handle.get_marker(), handle.get_linestyle()) in drawn]
    if handles:
        figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), fontsize=9)
