"""The rules by which a reproduced value is held against a published one, what they say, and what they could have refused."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from gradlab.engine.figures import Figure
from gradlab.lab.follow import LEVEL, START, Following
from gradlab.lab.stats import summarise_arm

VERDICTS = ("exact", "reproduced", "compatible", "not reproduced", "not run")
# The share of other runs that a rule has to refuse for its verdict to be "reproduced".
POWER = 0.8
# What a rule has shown where it is passed without the same digits; where it is not given here, the figure names its cause.
_CAUSES = {"rounding": "rounding", "below": "rounding", "follows": "chaotic growth of rounding"}


@dataclass(frozen=True)
class Judgement:
    """What the comparison of a figure says: its attributes are as in `gradlab.engine.ledger.Entry`."""

    verdict: str
    cause: str
    difference: float | None = None
    note: str = ""
    low: float | None = None
    high: float | None = None
    power: float | None = None


def not_run(note: str) -> Judgement:
    """Return the judgement of a figure that was not compared, for the reason that `note` gives."""
    return Judgement("not run", "not compared", note=note)


def print_like(value: float, published: str) -> str:
    """Return `value` as Python prints it with as many decimals as a published text has, in the same notation.

    The notation is fixed point, or a mantissa with an exponent where the text has one.
    """
    mantissa, notation, _ = published.lower().partition("e")
    decimals = len(mantissa.partition(".")[2])
    return f"{value:.{decimals}{notation or 'f'}}"


def judge(
    figure: Figure,
    reproduced: float | Sequence[float | None] | None,
    *,
    resolution: float = 0.0,
    following: Judgement | None = None,
    others: Sequence[float] = (),
) -> Judgement:
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
    following
        For the rules `follows` and `misprint`: the judgement of the log that the figure is read off.
    others
        For the rule `rounding`: other numbers of our own, of which its power is the share that it would have refused.
    """
    if figure.rule == "interval":
        return _judge_interval(figure, reproduced, resolution)
    if reproduced is None:
        return not_run("the run did not give this figure")
    if isinstance(reproduced, bool) or not isinstance(reproduced, int | float):
        return not_run(f"the rule {figure.rule} compares one number; the run gave {reproduced}")
    if not math.isfinite(reproduced):
        return Judgement("not reproduced", figure.cause or "unexplained", note=f"reproduced as {reproduced}")
    value, published = Decimal(repr(reproduced)), Decimal(figure.value)
    difference = float(value - published)
    same = Decimal(print_like(reproduced, figure.value)) == published
    if figure.rule == "exact":
        if same:
            return Judgement("exact", "same digits", difference)
        return Judgement("not reproduced", figure.cause or "unexplained", difference, "digits differ")
    if figure.rule in ("follows", "misprint"):
        return _judge_by_log(figure, difference, same, following)
    if figure.rule == "rounding" and same:
        return Judgement("exact", "same digits", difference)
    assert figure.limit is not None  # every rule that is left has one
    limit = Decimal(figure.limit)
    passed = value < limit if figure.rule == "below" else abs(value - published) <= limit
    if not passed:
        return Judgement("not reproduced", figure.cause or "unexplained", difference, f"bound {figure.limit}")
    power = sum(abs(Decimal(repr(other)) - published) > limit for other in others) / len(others) if others else None
    return Judgement(
        _weigh(power),
        figure.cause or _CAUSES[figure.rule],
        difference,
        f"bound {figure.limit}",
        power=power,
    )


def judge_log(following: Following | None, leading: int, index: str) -> Judgement:
    """Return the one verdict for a log that is followed.

    Where ours does not follow, but the untrained network is the same and the first passes are nearer to the published ones than
    those of any other seed, rounding has made it another run.

    Parameters
    ----------
    following
        How our log follows the published one; None where that cannot be told.
    leading
        The largest index up to which every number is the same, digit by digit; −1 where not even the first are.
    index
        What the log's rows are counted in.
    """
    if following is None:
        return not_run("the logs are too short, or too few other logs have run, to tell whether ours follows")
    same = f"the same digits up to {index} {leading}" if leading >= 0 else "other digits from the start"
    note = (
        f"{same}; then the correlation over {following.passes} rows, less a running median, is "
        f"{following.correlation:.2f}, p = {following.p_value:.2g} among {following.null} shifted logs and logs of other seeds"
    )
    if following.start_of_others is not None:
        note += (
            f"; over the first {START} rows ours lies {following.start:.2g} from the published log, the nearest other seed "
            f"{following.start_of_others:.2g}"
        )
    if not following.follows:
        cause = _CAUSES["follows"] if leading >= 0 and following.began_alike else "unexplained"
        return Judgement("not reproduced", cause, note=f"{note}. Expected p ≤ {LEVEL:g}", power=following.power)
    verdict = "reproduced" if following.power is not None and following.power >= POWER else "compatible"
    return Judgement(verdict, _CAUSES["follows"], note=note, power=following.power)


def _judge_by_log(figure: Figure, difference: float, same: bool, following: Judgement | None) -> Judgement:
    if same:
        return Judgement("exact", "same digits", difference)
    if figure.rule == "misprint":
        return Judgement("not reproduced", "misprint", difference, f"meant is {figure.meant}, as the log has it")
    if following is None or following.verdict == "not run":
        return not_run(following.note if following else f"there is no log {figure.log}")
    return Judgement(
        following.verdict, figure.cause or following.cause, difference, following.note, power=following.power
    )


def _weigh(power: float | None) -> str:
    """Return the verdict of a rule that is passed; one without a power is bound by a derivation, not by other runs."""
    return "reproduced" if power is None or power >= POWER else "compatible"


def _judge_interval(figure: Figure, reproduced: Any, resolution: float) -> Judgement:
    runs = list(reproduced) if isinstance(reproduced, Sequence) else [reproduced]
    found = _find_interval(runs, resolution)
    if isinstance(found, str):
        return not_run(found)
    low, high, note = found
    inside = low <= float(figure.value) <= high
    power = _measure_power(runs, resolution)
    mean = summarise_arm(runs).mean
    return Judgement(
        ("compatible" if power is None else _weigh(power)) if inside else "not reproduced",
        figure.cause or "unexplained",
        None if mean is None else mean - float(figure.value),
        note,
        low,
        high if math.isfinite(high) else None,
        power,
    )


def _find_interval(runs: Sequence[float | None], resolution: float) -> tuple[float, float, str] | str:
    """Return the interval for one more run, and how it was found; or why there is none.

    Runs that did not reach the event are longer than any other: the interval then reaches from the smallest to the largest.
    """
    arm = summarise_arm(runs)
    if arm.prediction_interval is None:
        if arm.missing and arm.n >= 2:
            known = [run for run in runs if run is not None and math.isfinite(run)]
            return min(known) / (1 + resolution), math.inf, f"by rank, {arm.missing} of {len(runs)} runs censored"
        return arm.method + (f"; our mean is {arm.mean:.6g}, n = {arm.n}" if arm.n else "")
    low, high = arm.prediction_interval
    low = min(low, low / (1 + resolution))  # an end below 0 would move up
    bracket = f", brackets of {100 * resolution:g} %" if resolution else ""
    return low, high, f"95 % prediction interval, n = {arm.n}{bracket}"


def _measure_power(runs: Sequence[float | None], resolution: float) -> float | None:
    """Return the share of our runs that the interval of the others refuses; None where these give none."""
    refused = []
    for place, run in enumerate(runs):
        found = _find_interval([*runs[:place], *runs[place + 1 :]], resolution) if len(runs) > 2 else ""
        if isinstance(found, str) or run is None:
            continue
        low, high, _ = found
        refused.append(not low <= run <= high)
    return sum(refused) / len(refused) if refused else None
