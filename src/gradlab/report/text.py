"""Numbers as the report prints them."""

from collections.abc import Sequence
from typing import Any

from gradlab.lab.stats import ArmSummary, summarise_arm


def print_figure(value: Any, digits: int = 6) -> str:
    """Return a number with at most `digits` significant digits, anything else as text."""
    if isinstance(value, bool) or not isinstance(value, float):
        return str(value)
    return f"{value:.{digits}g}"


def print_spread(arm: ArmSummary) -> str | None:
    """Return mean ± standard deviation, and how many runs these are where some have no value.

    Accuracies have four decimals, counts none.
    """
    if arm.mean is None:
        return None
    digits = 4 if abs(arm.mean) < 1 else 0
    spread = f"{arm.mean:.{digits}f}" + (f" ± {arm.sd:.{digits}f}" if arm.sd is not None else "")
    return f"{spread} ({arm.n} of {arm.n + arm.missing} runs)" if arm.missing else spread


def print_runs(values: Sequence[float | None]) -> str | None:
    """Return mean ± standard deviation of runs."""
    return print_spread(summarise_arm(values)) if values else None


def print_interval(interval: tuple[float, float] | None) -> str | None:
    """Return the ends of an interval: four decimals below 1, none above."""
    if interval is None:
        return None
    digits = 4 if abs(interval[1]) <= 1 else 0
    return f"[{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]"
