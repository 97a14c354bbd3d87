"""The rules by which a reproduced value is held against a published figure, and what they say."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from gradlab.engine.figures import Figure
from gradlab.lab.stats import summarise_arm

VERDICTS = ("exact", "within", "inside interval", "erratum", "outside", "not run")


def print_like(value: float, published: str) -> str:
    """Return `value` as Python prints it with as many decimals as a published text has, in the same notation.

    The notation is fixed point, or a mantissa with an exponent where the text has one.
    """
    mantissa, notation, _ = published.lower().partition("e")
    decimals = len(mantissa.partition(".")[2])
    return f"{value:.{decimals}{notation or 'f'}}"


@dataclass(frozen=True)
class Judgement:
    """What the comparison of a figure says: `verdict`, `difference`, `note`, `low` and `high` as in `Entry`."""

    verdict: str
    difference: float | None = None
    note: str = ""
    low: float | None = None
    high: float | None = None


def judge(figure: Figure, reproduced: float | Sequence[float | None] | None, *, resolution: float = 0.0) -> Judgement:
    """Hold a reproduced value against a published figure by the figure's rule.

    Parameters
    ----------
    figure
        The published figure.
    reproduced
        A number; for the rule `interval` one number for each seed, None for a seed that did not reach the event.
    resolution
        For the rule `interval`: each number is the upper end of a bracket that begins at most this share below it. The
        lower end of the interval gives way by as much.
    """
    if figure.rule == "interval":
        return _judge_interval(figure, reproduced, resolution)
    if reproduced is None:
        return Judgement("not run", note="the run did not give this figure")
    if isinstance(reproduced, bool) or not isinstance(reproduced, int | float):
        return Judgement("not run", note=f"the rule {figure.rule} compares one number; the run gave {reproduced}")
    value, published = Decimal(repr(reproduced)), Decimal(figure.value)
    if not value.is_finite():
        return Judgement("outside", note=f"reproduced as {reproduced}")
    difference = float(value - published)
    if figure.rule == "exact":
        same = Decimal(print_like(reproduced, figure.value)) == published
        return Judgement("exact", difference) if same else Judgement("outside", difference, "digits differ")
    limit = Decimal(figure.limit)
    if figure.rule == "below":
        return Judgement("within" if value < limit else "outside", difference, f"bound {figure.limit}")
    verdict = {"within": "within", "erratum": "erratum"}[figure.rule]
    inside = abs(value - published) <= limit
    return Judgement(verdict if inside else "outside", difference, f"tolerance {figure.limit}")


def _judge_interval(figure: Figure, reproduced: Any, resolution: float) -> Judgement:
    arm = summarise_arm(reproduced if isinstance(reproduced, Sequence) else [reproduced])
    if arm.prediction_interval is None:
        gave = f"; our mean is {arm.mean:.6g}, n = {arm.n}" if arm.n else ""
        return Judgement("not run", note=f"{arm.method}{gave}")
    low, high = arm.prediction_interval
    low = min(low, low / (1 + resolution))  # an end below 0 would move up
    bracket = f", brackets of {100 * resolution:g} %" if resolution else ""
    return Judgement(
        "inside interval" if low <= float(figure.value) <= high else "outside",
        arm.mean - float(figure.value),
        f"95 % prediction interval, n = {arm.n}{bracket}",
        low,
        high,
    )
