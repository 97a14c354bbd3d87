"""The figure of the benchmarks: how many times as long other ways take."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, StrMethodFormatter

from gradlab.plots import style


@dataclass(frozen=True)
class Bar:
    """A ratio of times: its median, and its quartiles over the rounds; `label` says of which way."""

    label: str
    median: float
    lower: float
    upper: float


def plot_ratios(groups: Sequence[tuple[str, Sequence[Bar]]], *, own: str) -> Figure:
    """Draw the ratios of every benchmark as dots with their quartiles, on a logarithmic axis.

    Parameters
    ----------
    groups
        Each benchmark's name and the ratios of its other ways, positive; a benchmark without any is left out.
    own
        What a ratio of 1 is called.

    Raises
    ------
    ValueError
        There is no ratio to draw.
    """
    groups = [(name, bars) for name, bars in groups if bars]
    if not groups:
        raise ValueError("there is no ratio to draw; expected a benchmark with at least two ways")
    rows = sum(len(bars) + 1 for _, bars in groups)  # a line for each way, and one for the name of each benchmark
    figure, (ax,) = style.panels(1, 1, width=7.2, height=0.5 + 0.24 * rows)
    ax.set_xscale("log")
    place, places, labels = 0, [], []
    for name, bars in groups:
        ax.text(0, place, name, transform=ax.get_yaxis_transform(), fontweight="bold", va="center", fontsize=9)
        for bar in bars:
            place += 1
            ax.plot([bar.lower, bar.upper], [place, place], color=style.COLOURS[0], linewidth=4, alpha=0.35)
            ax.plot([bar.median], [place], color=style.COLOURS[0], marker="o", **style.MARKER)
            ax.annotate(
                f"{bar.median:.3g}",
                (bar.upper, place),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
            )
            places.append(place)
            labels.append(bar.label)
        place += 1
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.axvline(1, color="0.4", linewidth=1)
    ax.set_yticks(places, labels, fontsize=8)
    ax.set_ylim(place - 0.4, -0.6)
    ax.margins(x=0.12)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel(f"time, as a multiple of {own}")
    return figure
