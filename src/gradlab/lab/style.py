"""The look that all figures share: sizes, colours told apart by colour-blind readers, and SVG that is the same each time."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from IPython import get_ipython
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from matplotlib_inline.backend_inline import set_matplotlib_formats

Look = Mapping[str, Any]  # what matplotlib's functions take as keywords

# Okabe and Ito (2008), "Color Universal Design", without the yellow, which is too light for lines on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")

# Each colour has a marker of its own, so that what it stands for can be told without seeing it.
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
# Seen on its own line and on others.
MARKER: Look = {"markersize": 4.5, "markeredgecolor": "white", "markeredgewidth": 0.6}

# Reproduced values are drawn as full lines, published ones dashed: told apart in print and without colour.
# A run of ours, and what is published.
DOT: Look = {"color": COLOURS[0], "marker": "o", "mec": "white", "mew": 0.6}
DIAMOND: Look = {"color": COLOURS[1], "marker": "D", "linestyle": "none", "mfc": "none", "mew": 1.5}
REPRODUCED: Look = {"linestyle": "-", "linewidth": 1.6}
PUBLISHED: Look = {"linestyle": (0, (4, 2)), "linewidth": 1.2, "alpha": 0.85}
SINGLE_SEED: Look = {"linestyle": "-", "linewidth": 0.7, "alpha": 0.5}  # the thin lines behind a mean or a median

_SETTINGS: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.dpi": 100,
    "figure.figsize": (6.4, 3.6),
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "svg.fonttype": "none",  # text stays text: searchable, small, and read aloud by screen readers
    "svg.hashsalt": "gradlab",  # ids in the file follow from this and the content, not from a random number
}


def use_style() -> None:
    """Make the project's style the default of this process, whatever a matplotlibrc says; a notebook shows figures as SVG."""
    shell = get_ipython()
    # The backend is set too: the user's own may need a screen. It comes first, since it changes settings.
    mpl.use("module://matplotlib_inline.backend_inline" if shell else "agg")
    mpl.rcdefaults()
    plt.rcParams.update(_SETTINGS)
    if shell:
        set_matplotlib_formats("svg")


def panels(rows: int, columns: int, *, width: float = 8.0, height: float = 2.8) -> tuple[Figure, Sequence[Axes]]:
    """Return a figure of `rows` × `columns` axes as a flat sequence; `width` is the figure's, `height` a row's (inches)."""
    use_style()
    figure, axes = plt.subplots(rows, columns, figsize=(width, height * rows), squeeze=False)
    return figure, list(axes.flat)


def space_markers(points: int, *, place: int = 0, lines: int = 1) -> tuple[int, int]:
    """Return first point and step (`markevery`) of about six markers on a line of `points` points.

    The markers of the line number `place` of `lines` begin later than those of the lines before it, so that lines that
    lie on one another show their markers in turn.
    """
    step = max(points // 6, 1)
    return step * place // lines, step


def place_beside(centre: float, count: int, width: float) -> np.ndarray:
    """Return `count` places side by side across `width`, so that marks at equal values do not hide one another."""
    return centre + width * (np.arange(count) - (count - 1) / 2) / (count + 1)


def label_short_span(axis: Axis) -> None:
    """Label a logarithmic axis that spans less than a factor of 100 at several places of each decade, in plain numbers.

    Powers of ten alone would leave such an axis with one label or none. Call it when the limits are final.
    """
    low, high = axis.get_view_interval()
    if high < 100 * low:
        axis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7) if high < 10 * low else (1, 2, 5)))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())
