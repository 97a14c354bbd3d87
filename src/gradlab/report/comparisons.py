"""Paired differences between arms, as a table and a figure; and the family of those that conclusions rest on."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gradlab.engine.material import Material
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
            f"Differences in {quantity} between runs of the same seed, with the interval of their mean"
            f"{_describe_level(known.values())}.",
            ["Comparison", "Pairs", "Mean difference", "Interval", "Higher in"],
            [_row(name, comparison, cells[name]) for name, comparison in known.items()],
        ),
        draw(
            plot_differences(known, label=f"difference in {quantity}"),
            "differences",
            alt=f"Paired differences in {quantity}: a dot for each seed, mean and interval, and a line at 0.",
            caption="An interval that holds 0 is no evidence of a difference.",
        ),
    ]


def tabulate_family(materials: Iterable[Material]) -> Table | None:
    """Return every comparison that conclusions rest on, adjusted; None where there is none."""
    found = [
        (material.study, name, comparison)
        for material in materials
        for name, comparison in material.comparisons.items()
    ]
    if not found:
        return None
    words = {1: "higher", -1: "lower", 0: "no difference detected", None: "not computed"}
    rows = [
        [study.short, *_row(name, comparison, ()), print_p(comparison), words[comparison.direction]]
        for study, name, comparison in found
    ]
    header = ["Study", "Comparison", "Pairs", "Mean difference", "Adjusted interval", "Higher in", "p", "The first is"]
    return Table(
        f"The {len(rows)} comparisons that the conclusions rest on, over runs of the same seed. They are one family: by Holm's "
        "steps, the probability of finding any difference where there is none is at most 5 %; p is unadjusted.",
        header,
        rows,
    )


def print_p(comparison: PairedComparison) -> str | None:
    """Return a p-value with two digits."""
    return None if comparison.p_value is None else f"{comparison.p_value:.2g}"


def _describe_level(comparisons: Iterable[PairedComparison]) -> str:
    return ", Holm-adjusted" if any(comparison.family > 1 for comparison in comparisons) else " (95 %, Student's t)"


def _row(name: str, comparison: PairedComparison, cells: Sequence[CellResult]) -> list[Any]:
    if comparison.mean is None and comparison.p_value is None:
        return [name, comparison.n, None, comparison.method, None]
    interval, pairs = comparison.interval, comparison.won + comparison.lost + comparison.tied
    digits = 4 if comparison.mean is None or abs(comparison.mean) < 1 else 1
    return [
        name,
        pairs,
        None if comparison.mean is None else cite(f"{comparison.mean:+.{digits}f}", *cells),
        comparison.method if interval is None else f"[{interval[0]:+.{digits}f}, {interval[1]:+.{digits}f}]",
        f"{comparison.won} of {pairs}" + (f", equal in {comparison.tied}" if comparison.tied else ""),
    ]
