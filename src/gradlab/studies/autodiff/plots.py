"""Figures of the edge cases (F 1), each function beside autograd's derivative of it, and of torch's own functions.

Curves are tidy, with the columns `series`, `x`, `metric`, `value`, as `edge_cases.CaseStudy` holds them.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from gradlab.lab.style import COLOURS, Look, panels
from gradlab.studies.autodiff.edge_cases import CASES, THRESHOLD, CaseStudy
from gradlab.studies.autodiff.quotients import Side

_FORMULAS = {
    "jump": "f(x) = x³ for x ≤ 0, x³ + 200 for x > 0",
    "power": "g(x) = x⁴",
    "halving": "ψ(x): x halved until |x| < 1e-6",
    "step": "φ(x) = 1 for x ≥ 0, 0 for x < 0",
}
_ALT_FUNCTION = {
    "jump": "Left: x cubed, with a jump of 200 at 0, the closed end at 0 filled and the open end at 200 hollow. Right: "
    "autograd's derivative, 3x² but for one point at 0, where three branches give -1728.",
    "power": "Left: x to the fourth power. Right: autograd's derivative, 4x³ but for one point at 0, where the branch "
    "gives 897.",
    "halving": "Left: the halving function on [-2, 2], a sawtooth whose teeth lie between 5e-7 and 1e-6 in size and "
    "shrink towards 0. Right: autograd's derivative, which doubles from piece to piece towards 0, on a logarithmic "
    "axis.",
    "step": "Left: the step function, 0 below 0 and 1 from 0 on, the closed end at 1 filled and the open end at 0 "
    "hollow. Right: autograd's derivative, 0 everywhere.",
}
_ALT_DETAIL = {
    "jump": "The closed end of the graph at (0, 0), the open end at (0, 200), and difference quotients against the "
    "step: from the left they fall to 0, from the right they grow without bound.",
    "power": "Difference quotients of x⁴ at 0 against the step, from both sides: they fall as the cube of the step, "
    "far from the 897 that autograd returns where the function is written with a branch.",
    "halving": "The halving function and autograd's derivative on ±2e-6, for both stopping rules, with the closed form "
    "as a dashed line on the loop's values; it jumps at ±1e-6 and ±2e-6.",
    "step": "Accuracy and distance of the parameters from their start over the updates: gradient descent on the "
    "accuracy moves nothing, on the logistic loss it trains.",
}


def describe_function(case: str) -> str:
    """Return a text alternative to the figure of `draw_function`."""
    return _ALT_FUNCTION[case]


def describe_detail(case: str) -> str:
    """Return a text alternative to the figure of `draw_detail`."""
    return _ALT_DETAIL[case]


def draw_function(study: CaseStudy) -> Figure:
    """Draw the function of a case and the derivative that autograd returns, side by side."""
    figure, (function, derivative) = panels(1, 2, height=3.0)
    function.set(title=_FORMULAS[study.name], xlabel="x", ylabel="value")
    derivative.set(title="what autograd returns", xlabel="x", ylabel="derivative")
    {"jump": _draw_jump, "power": _draw_power, "halving": _draw_halving, "step": _draw_step}[study.name](
        study, function, derivative
    )
    return figure


def draw_detail(study: CaseStudy) -> Figure:
    """Draw the closer look at a case.

    The ends of the graph and the difference quotients (`jump`), the difference quotients (`power`), the function on
    ±2e-6 (`halving`), or the two descents (`step`).
    """
    draw: dict[str, Callable[[CaseStudy], Figure]] = dict(
        zip(CASES, (_draw_ends, _draw_quotients, _draw_zoom, _draw_descents), strict=True)
    )
    return draw[study.name](study)


def draw_functions(table: pd.DataFrame, graphs: pd.DataFrame) -> Figure:
    """Draw functions around a point each, with a line through it of the slope that autograd returns there.

    Parameters
    ----------
    table
        As `gradlab.studies.autodiff.torch_functions.sweep_examples` returns it.
    graphs
        As `gradlab.studies.autodiff.torch_functions.sample_graphs` returns it: a panel for each of its functions, at least one.
    """
    names = list(dict.fromkeys(graphs["function"]))
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure, axes = panels(rows, columns, width=2.6 * columns, height=2.5)
    for ax, name in zip(axes, names, strict=False):
        _draw_slope(ax, table[table["function"] == name].iloc[0], graphs[graphs["function"] == name])
    for ax in axes[len(names) :]:
        ax.remove()
    return figure


def describe_functions(table: pd.DataFrame, graphs: pd.DataFrame) -> str:
    """Return a text alternative to the figure of `draw_functions`, from the same table."""
    drawn = table[table["function"].isin(graphs["function"])].drop_duplicates("function")
    said = (f"{row['function']} (x = {row['x']:g}): {_say_value(row)}" for _, row in drawn.iterrows())
    return (
        "Functions around the point in question, with a straight line of the slope that autograd returns there, green "
        f"and full where it is the derivative, red and dashed where it is not. {'; '.join(said)}."
    )


def _draw_slope(ax: Axes, found: pd.Series, graph: pd.DataFrame) -> None:
    x, y = graph["x"].to_numpy(), graph["value"].to_numpy()
    at, half = found["x"], float(x[-1] - found["x"])
    # A pole would leave nothing else to see.
    finite = y[np.isfinite(y) & ((np.abs(x - at) > half / 20) | (x == at))]
    low, high = finite.min(), finite.max()
    margin = 0.25 * max(high - low, 0.2)
    ax.set(xlim=(at - half, at + half), ylim=(low - margin, high + margin), xlabel="x")
    colour, dashes = (COLOURS[2], "-") if found["autograd_is_derivative"] is True else (COLOURS[1], (0, (2, 0.8)))
    # Without a finite value there is no point for a slope to pass through.
    if np.isfinite(found["value"]) and not np.isnan(found["autograd"]):
        # As long in every panel, whatever the units of its axes.
        tilt = found["autograd"] * 2 * half / (high - low + 2 * margin)
        across = 0.6 * half / np.hypot(1, tilt) if np.isfinite(tilt) else 0.0
        up = found["autograd"] * across if across else 0.3 * (high - low + 2 * margin)
        ends = ([at - across, at + across], [found["value"] - up, found["value"] + up])
        ax.plot(*ends, color=colour, linestyle=dashes, linewidth=2.4, zorder=2.5)
    for side, closed in ((x < at, found["left_continuous"]), (x > at, found["right_continuous"])):
        ax.plot(x[side], y[side], color=COLOURS[0])
        if found["kind"] in ("jump", "removable") and not closed:
            nearest = np.argmin(np.where(side, np.abs(x - at), np.inf))
            _mark(ax, at, y[nearest], closed=False)
    if np.isfinite(found["value"]):
        _mark(ax, at, found["value"], closed=True)
    ax.set_title(f"{found['function']}\n", fontsize=10)
    ax.text(0.5, 1.03, _say_value(found), transform=ax.transAxes, ha="center", fontsize=8, color=colour)


def _say_value(found: pd.Series) -> str:
    """Return autograd's value and what it is; a NaN is what it is."""
    value, convention = found["autograd"], found["convention"]
    return convention if np.isnan(value) else f"{value:.3g}, {convention}"


def _select(study: CaseStudy, series: str, metric: str) -> tuple[np.ndarray, np.ndarray]:
    curves = study.curves
    rows = curves[(curves["series"] == series) & (curves["metric"] == metric)]
    if rows.empty:
        raise ValueError(f"the curves of {study.name} have no {metric} of {series!r}: they hold {_contents(curves)}")
    return rows["x"].to_numpy(), rows["value"].to_numpy()


def _contents(curves: pd.DataFrame) -> str:
    pairs = curves[["series", "metric"]].drop_duplicates().itertuples(index=False)
    return ", ".join(f"{metric} of {series!r}" for series, metric in pairs)


def _plot_pieces(ax: Axes, x: np.ndarray, y: np.ndarray, breaks: np.ndarray, **style: Any) -> None:
    """Draw y over x without a line across a break: where `breaks`, shape (n - 1,), is true between neighbours."""
    # A NaN between two points lifts the pen.
    after = np.flatnonzero(breaks) + 1
    ax.plot(np.insert(x, after, np.nan), np.insert(y, after, np.nan), **style)


def _limit_of(side: Side) -> float:
    assert side.limit is not None  # the examples that are drawn have one
    return side.limit


def _mark(ax: Axes, x: float, y: float, *, closed: bool, colour: str = COLOURS[0]) -> None:
    ax.plot([x], [y], "o", markersize=6, color=colour, markerfacecolor=colour if closed else "white", zorder=3)


def _draw_isolated(ax: Axes, x: np.ndarray, y: np.ndarray, label: str) -> None:
    """Draw a curve whose value at 0 comes from a branch of its own: the curve, and the one point apart."""
    apart = x == 0
    before, after = np.flatnonzero(~apart & (x < 0))[-1], np.flatnonzero(~apart & (x > 0))[0]
    ax.plot(x[~apart], y[~apart], color=COLOURS[1], linestyle=(0, (4, 3)), label=label)
    _mark(ax, 0, (y[before] + y[after]) / 2, closed=False, colour=COLOURS[1])
    _mark(ax, 0, float(y[apart][0]), closed=True, colour=COLOURS[1])
    ax.annotate(f"{y[apart][0]:g}", (0, y[apart][0]), textcoords="offset points", xytext=(8, -3))


def _draw_jump(study: CaseStudy, function: Axes, derivative: Axes) -> None:
    found = study.diagnoses["two branches"]
    x, y = _select(study, "two branches", "value")
    _plot_pieces(function, x, y, (x[:-1] <= 0) & (x[1:] > 0), color=COLOURS[0])
    _mark(function, 0, found.value, closed=True)
    _mark(function, 0, _limit_of(found.right), closed=False)
    derivative.plot(*_select(study, "two branches", "derivative"), color=COLOURS[0], label="two branches")
    _draw_isolated(derivative, *_select(study, "three branches", "derivative"), label="three branches")
    derivative.legend(loc="center left")


def _draw_power(study: CaseStudy, function: Axes, derivative: Axes) -> None:
    function.plot(*_select(study, "plain", "value"), color=COLOURS[0])
    derivative.plot(*_select(study, "plain", "derivative"), color=COLOURS[0], label="written plainly")
    _draw_isolated(derivative, *_select(study, "branch", "derivative"), label="with a branch at 0")
    derivative.legend(loc="center left")


def _draw_halving(study: CaseStudy, function: Axes, derivative: Axes) -> None:
    x, y = _select(study, "strict", "value")
    _, slope = _select(study, "strict", "derivative")
    breaks = slope[:-1] != slope[1:]
    _plot_pieces(function, x, y / THRESHOLD, breaks, color=COLOURS[0], linewidth=1.2)
    function.set_ylabel("value / 10⁻⁶")
    _plot_pieces(derivative, x, slope, breaks, color=COLOURS[0])
    derivative.set_yscale("log", base=2)


def _draw_step(study: CaseStudy, function: Axes, derivative: Axes) -> None:
    found = study.diagnoses["x = 0"]
    x, y = _select(study, "step", "value")
    _plot_pieces(function, x, y, (x[:-1] < 0) & (x[1:] >= 0), color=COLOURS[0])
    _mark(function, 0, _limit_of(found.left), closed=False)
    _mark(function, 0, found.value, closed=True)
    derivative.plot(*_select(study, "step", "derivative"), color=COLOURS[0])
    derivative.set_ylim(-0.5, 0.5)


def _draw_ends(study: CaseStudy) -> Figure:
    figure, (closed, opened, quotients) = panels(1, 3, width=9.6, height=3.0)
    found = study.diagnoses["two branches"]
    x, y = _select(study, "two branches", "value")
    ends = ((closed, "the closed end", found.value), (opened, "the open end", _limit_of(found.right)))
    for ax, title, level in ends:
        _plot_pieces(ax, x, y, (x[:-1] <= 0) & (x[1:] > 0), color=COLOURS[0])
        _mark(ax, 0, level, closed=level == found.value)
        ax.set(title=title, xlabel="x", xlim=(-1, 1), ylim=(level - 1, level + 1))
        ax.ticklabel_format(useOffset=False)
    closed.set_ylabel("f(x)")
    _plot_quotients(study, quotients)
    quotients.legend(loc="center left")
    return figure


def _draw_quotients(study: CaseStudy) -> Figure:
    figure, (ax,) = panels(1, 1, width=6.4, height=3.4)
    _plot_quotients(study, ax)
    branch = study.diagnoses["branch"].autograd
    ax.axhline(branch, color=COLOURS[1], linestyle=(0, (4, 3)), label=f"autograd, with a branch: {branch:g}")
    ax.legend(loc="lower right")
    return figure


def _plot_quotients(study: CaseStudy, ax: Axes) -> None:
    styles = {"from the left": ("o", COLOURS[0]), "from the right": ("x", COLOURS[2])}
    for series, (marker, colour) in styles.items():
        step, quotient = _select(study, series, "quotient")
        ax.plot(step, np.abs(quotient), marker, markersize=4, markerfacecolor="none", color=colour, label=series)
    ax.set(title="difference quotients at 0", xlabel="step", ylabel="|quotient|", xscale="log", yscale="log")
    ax.xaxis.set_major_locator(LogLocator(numticks=5))


def _draw_zoom(study: CaseStudy) -> Figure:
    figure, axes = panels(2, 2, height=2.6)
    rows = (("strict", "until |x| < 1e-6"), ("non-strict", "until |x| ≤ 1e-6"))
    for (series, rule), (function, derivative) in zip(rows, (axes[:2], axes[2:]), strict=True):
        x, y = _select(study, series, "value")
        _, slope = _select(study, series, "derivative")
        near = np.abs(x) <= 2.02 * THRESHOLD
        x, y, slope = x[near] / THRESHOLD, y[near] / THRESHOLD, slope[near]
        breaks = slope[:-1] != slope[1:]
        for ax, values, label in ((function, y, "the loop"), (derivative, slope, None)):
            _plot_pieces(ax, x, values, breaks, color=COLOURS[0], label=label)
            for i in np.flatnonzero(breaks):
                # Of the two numbers beside a jump, the piece that holds 2^k·1e-6 itself ends in the closed one.
                outer_is_closed = (series == "strict") == (x[i] > 0)
                _mark(ax, x[i], values[i], closed=not outer_is_closed)
                _mark(ax, x[i + 1], values[i + 1], closed=outer_is_closed)
            ax.set(xlabel="x / 10⁻⁶", xlim=(-2.1, 2.1))
        if series == "strict":
            x, y = (values[near] / THRESHOLD for values in _select(study, "closed form", "value"))
            dashes = {"color": COLOURS[1], "linestyle": (0, (3, 3)), "linewidth": 2.2}
            _plot_pieces(function, x, y, breaks, label="closed form", **dashes)
            function.legend(loc="upper left")
        function.set(title=f"ψ(x), halved {rule}", ylabel="value / 10⁻⁶")
        derivative.set(title="what autograd returns", ylabel="derivative")
    return figure


def _draw_descents(study: CaseStudy) -> Figure:
    figure, (accuracy, distance) = panels(1, 2, height=3.0)
    names = {"accuracy descent": "on the accuracy, through φ", "logistic descent": "on the logistic loss"}
    looks: tuple[Look, Look] = ({"color": COLOURS[1], "linestyle": "-."}, {"color": COLOURS[0]})
    for (series, label), look in zip(names.items(), looks, strict=True):
        accuracy.plot(*_select(study, series, "accuracy"), label=label, **look)
        distance.plot(*_select(study, series, "distance"), label=label, **look)
    accuracy.set(title="accuracy", xlabel="update", ylabel="accuracy")
    distance.set(title="how far the parameters moved", xlabel="update", ylabel="distance")
    accuracy.legend(loc="center right", title="gradient descent")
    return figure
