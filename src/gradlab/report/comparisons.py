"""Paired differences between arms, as a table and a figure."""

from collections.abc import Mapping, Sequence
from typing import Any

from gradlab.engine.results import CellResult
from gradlab.lab.arms import plot_differences
from gradlab.lab.stats import PairedComparison
from gradlab.report.blocks import Block, Table, cite, draw


def show_comparisons(
    comparisons: Mapping[str, PairedComparison | None],
    cells: Mapping[str, Sequence[CellResult]],
    *,
    quantity: str,
) -> list[Block]:
    """Return a table and a figure of comparisons under their names; nothing where there is nothing to compare.

    Parameters
    ----------
    comparisons
        Each named as a difference, such as "train − none"; None where the arms share no seed.
    cells
        The cells of both arms of each comparison.
    quantity
        What differs, such as "test accuracy".
    """
    known = {name: comparison for name, comparison in comparisons.items() if comparison is not None}
    if not known:
        return []
    return [
        Table(
            f"Differences in {quantity} between runs of the same seed, with the 95 % t interval of their mean.",
            ["Comparison", "Pairs", "Mean difference", "95 % interval", "Higher in"],
            [_row(name, comparison, cells[name]) for name, comparison in known.items()],
        ),
        draw(
            plot_differences(
                {name: comparison.pairs for name, comparison in known.items()}, label=f"difference in {quantity}"
            ),
            "differences",
            alt=f"Paired differences in {quantity}: a dot for each seed, mean and 95 % interval, and a line at 0.",
            caption="An interval that holds 0 is no evidence of a difference.",
        ),
    ]


def _row(name: str, comparison: PairedComparison, cells: Sequence[CellResult]) -> list[Any]:
    if comparison.mean is None:
        return [name, comparison.n, None, comparison.method, None]
    interval = comparison.interval
    return [
        name,
        comparison.n,
        cite(f"{comparison.mean:+.4f}", *cells),
        comparison.method if interval is None else f"[{interval[0]:+.4f}, {interval[1]:+.4f}]",
        f"{comparison.won} of {comparison.n}" + (f", equal in {comparison.tied}" if comparison.tied else ""),
    ]
