"""torch's own functions at the points where they are not smooth: what autograd returns there, beside what there is.

The catalogue holds functions, points and the reason to look; whatever is said about them is computed by the diagnosis.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, special
from torch.nn import functional

from gradlab.studies.autodiff.diagnosis import Diagnosis, ScalarFunction, diagnose_derivative, tabulate_diagnoses
from gradlab.studies.autodiff.directions import along

CONVENTIONS = (
    "the derivative",
    "not the derivative",
    "the left derivative",
    "the right derivative",
    "both one-sided derivatives",
    "the mean of left and right",
    "none of these",
    "NaN",
    "cannot tell",
)


@dataclass(frozen=True)
class Example:
    """A function and where to look at it.

    Attributes
    ----------
    name
        torch's name of it, or the formula.
    f
        Takes and returns a tensor of shape (); functions of vectors and matrices are met along a line.
    points
        Where f, or what autograd makes of it, needs a closer look.
    remark
        Why, in one line.
    """

    name: str
    f: ScalarFunction
    points: tuple[float, ...]
    remark: str


def _with_zero(x: Tensor) -> Tensor:
    return torch.stack([x, torch.zeros_like(x)])  # (2,)


def _root_where_positive(x: Tensor) -> Tensor:
    return torch.where(x > 0, x.sqrt(), 0.0)


def _square_with_branch(x: Tensor) -> Tensor:
    return 3 * x if x == 0 else x * x


def _damped_oscillation(x: Tensor) -> Tensor:
    return 0 * x if x == 0 else x * x * torch.sin(1 / x)


def _larger_eigenvalue(x: Tensor) -> Tensor:
    larger: Tensor = torch.linalg.eigvalsh(torch.diag(torch.stack([x, -x])))[-1]
    return larger


CATALOGUE = (
    Example("relu", torch.relu, (0.0,), "the kink that most networks are made of"),
    Example("leaky_relu", functional.leaky_relu, (0.0,), "a kink between the slopes 0.01 and 1"),
    Example(
        "relu6", functional.relu6, (0.0, 6.0), "flat on both sides of its slope: which end does the gradient pass?"
    ),
    Example("hardtanh", functional.hardtanh, (-1.0, 1.0), "the values of clamp(x, -1, 1)"),
    Example("clamp(x, -1, 1)", lambda x: x.clamp(-1, 1), (-1.0, 1.0), "the values of hardtanh"),
    Example("elu, α = 2", lambda x: functional.elu(x, alpha=2.0), (0.0,), "smooth for α = 1 only"),
    Example("hardswish", functional.hardswish, (-3.0, 3.0), "a piece of a parabola between two straight lines"),
    Example("softshrink", functional.softshrink, (-0.5, 0.5), "soft thresholding: continuous, with kinks"),
    Example("hardshrink", functional.hardshrink, (-0.5, 0.5), "hard thresholding: it jumps to 0"),
    Example(
        "huber_loss", lambda x: functional.huber_loss(x, 0 * x), (1.0,), "where its parabola meets its straight line"
    ),
    Example("abs", torch.abs, (0.0,), "the kink of every textbook"),
    Example("x·sign(x)", lambda x: x * torch.sign(x), (0.0,), "|x| again: sign passes no gradient on"),
    Example("maximum(x, -x)", lambda x: torch.maximum(x, -x), (0.0,), "|x| as the larger of two, which tie at 0"),
    Example(
        "fmax(x, -x)", lambda x: torch.fmax(x, -x), (0.0,), "|x| once more: does another maximum treat a tie alike?"
    ),
    Example("amax", lambda x: _with_zero(x).amax(), (0.0,), "relu as the maximum of (x, 0), a tie at 0"),
    Example(
        "max with dim", lambda x: _with_zero(x).max(dim=0).values, (0.0,), "relu as a maximum that also returns where"
    ),
    Example("sort", lambda x: _with_zero(x).sort().values[-1], (0.0,), "relu as the last of (x, 0) in order"),
    Example("median", lambda x: torch.stack([x, -x]).median(), (0.0,), "-|x|: of two numbers, torch's is the smaller"),
    Example(
        "vector_norm", along(torch.linalg.vector_norm, [0.0, 0.0], [3.0, 4.0]), (0.0,), "a cone's tip, along (3, 4)"
    ),
    Example(
        "sqrt of a sum of squares",
        along(lambda x: (x * x).sum().sqrt(), [0.0, 0.0], [3.0, 4.0]),
        (0.0,),
        "the same cone along the same line, written out",
    ),
    Example("eigvalsh", _larger_eigenvalue, (0.0,), "|x| as the larger eigenvalue of diag(x, -x), which cross at 0"),
    Example("special.i0e", special.i0e, (0.0,), "exp(-|x|)·I₀(x): a kink that its formula hides"),
    Example("sqrt", torch.sqrt, (0.0,), "the edge of its domain, with a vertical tangent"),
    Example("sign(x)·|x|^(1/3)", lambda x: x.sign() * x.abs() ** (1 / 3), (0.0,), "the cube root, vertical at 0"),
    Example("where(x > 0, sqrt(x), 0)", _root_where_positive, (-1.0, 0.0), "the branch that was not taken is NaN or ∞"),
    Example("sqrt(x⁴)", lambda x: (x**4).sqrt(), (0.0,), "x², by way of a root: 0 times ∞"),
    Example("x² with a branch at 0", _square_with_branch, (0.0,), "3x at this one point, which changes no value of x²"),
    Example(
        "x²·sin(1/x)",
        _damped_oscillation,
        (0.0,),
        "0 at 0 and differentiable there, although its derivative has no limit",
    ),
    Example("sin(x)/x", lambda x: torch.sin(x) / x, (0.0,), "0/0 at a point where the limit is 1"),
    Example("sinc", torch.sinc, (0.0,), "sin(πx)/(πx) with the limit filled in"),
    Example("reciprocal", torch.reciprocal, (0.0,), "a pole"),
    Example("digamma", torch.digamma, (0.0, -1.0), "two poles of the same function"),
    Example("log", torch.log, (0.0,), "-∞ at the edge of its domain"),
    Example("xlogy(x, |x|)", lambda x: torch.xlogy(x, x.abs()), (0.0,), "x·log|x|: its slope grows like a logarithm"),
    Example(
        "normalize", lambda x: functional.normalize(x.reshape(1), dim=0)[0], (0.0,), "sign(x), smoothed below 1e-12"
    ),
    Example(
        "atan2(x, -1)", lambda x: torch.atan2(x, torch.full_like(x, -1)), (0.0,), "crosses the cut between π and -π"
    ),
    Example("floor", torch.floor, (2.0,), "right-continuous jumps between flat pieces"),
    Example("ceil", torch.ceil, (2.0,), "left-continuous jumps between flat pieces"),
    Example("round", torch.round, (0.5, 1.5), "halves go to the even neighbour: closed below or above by turns"),
    Example("sign", torch.sign, (0.0,), "continuous from neither side"),
    Example(
        "remainder(x, 1)",
        lambda x: torch.remainder(x, 1.0),
        (0.0, 1.0),
        "a sawtooth with a tooth at every whole number",
    ),
    Example(
        "fmod(x, 1)",
        lambda x: torch.fmod(x, 1.0),
        (0.0, 1.0),
        "the same for positive x: what is left of the tooth at 0?",
    ),
)
NAMES = tuple(example.name for example in CATALOGUE)
DRAWN = (
    *("relu", "hardtanh", "clamp(x, -1, 1)", "maximum(x, -x)", "fmax(x, -x)", "amax"),
    *("sqrt of a sum of squares", "sqrt(x⁴)", "x² with a branch at 0", "atan2(x, -1)", "floor", "sinc"),
)


def select_examples(names: Sequence[str] = ()) -> tuple[Example, ...]:
    """Return the entries of the catalogue called `names`, in its own order; all of them where `names` is empty.

    Raises
    ------
    ValueError
        If the catalogue has no entry of such a name.
    """
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise ValueError(f"the catalogue has no function called {unknown[0]!r}: choose from {', '.join(NAMES)}")
    return tuple(example for example in CATALOGUE if not names or example.name in names)


def sweep_examples(examples: Sequence[Example] = CATALOGUE) -> pd.DataFrame:
    """Diagnose each example at each of its points, in float64.

    Returns
    -------
    DataFrame
        One row a point: `function`, the columns of `diagnose_sweep`, `convention` (one of `CONVENTIONS`, as
        `name_convention` says) and `remark`.
    """
    places = [(example, x) for example in examples for x in example.points]
    found = [diagnose_derivative(example.f, x) for example, x in places]
    table = tabulate_diagnoses(found)
    table.insert(0, "function", [example.name for example, _ in places])
    table["convention"] = [name_convention(diagnosis) for diagnosis in found]
    table["remark"] = [example.remark for example, _ in places]
    return table


def name_convention(diagnosis: Diagnosis) -> str:
    """Say what autograd's value is, in the words of `CONVENTIONS`.

    Where f is differentiable: the derivative, or not the derivative. Elsewhere: one of the one-sided derivatives (which may be
    infinite), both, their mean, or none of these. A NaN is always named. Like the diagnosis, within the stated errors.
    """
    d = diagnosis
    if math.isnan(d.autograd):
        return "NaN"
    if d.differentiable is None or (d.differentiable and d.autograd_is_derivative is None):
        return "cannot tell"
    if d.differentiable:
        return "the derivative" if d.autograd_is_derivative else "not the derivative"
    sides = (d.left, d.right)
    matches = [side.slope is not None and _is_within(d.autograd, *side.slope) for side in sides]
    if not math.isfinite(d.value):
        return "none of these"
    if any(matches):
        return CONVENTIONS[4] if all(matches) else CONVENTIONS[2] if matches[0] else CONVENTIONS[3]
    if any(side.behaviour == "cannot tell" for side in sides):
        return "cannot tell"
    if d.left.slope is not None and d.right.slope is not None:
        (left, left_error), (right, right_error) = d.left.slope, d.right.slope
        finite = math.isfinite(left) and math.isfinite(right)
        if finite and _is_within(d.autograd, (left + right) / 2, (left_error + right_error) / 2):
            return "the mean of left and right"
    return "none of these"


def _is_within(number: float, other: float, error: float) -> bool:
    if math.isinf(number) or math.isinf(other):
        return number == other
    return abs(number - other) <= error + 8 * torch.finfo(torch.float64).eps * max(abs(number), abs(other))


def count_findings(table: pd.DataFrame) -> dict[str, int]:
    """Return how many points of `sweep_examples` are what, and what autograd returned at how many of them.

    Returns
    -------
    dict
        Under `torch_functions.`: `functions`, `points`; `differentiable`, `not_differentiable`, `cannot_tell`, which
        add up to the points; `kinks`, `jumps`; `autograd_is_derivative`, `autograd_is_not_derivative` (a wrong number,
        or any number where there is no derivative) and `autograd_cannot_tell`, which add up as well;
        `autograd_misses_derivative` (there is one, autograd returns something else); `autograd_is_nan`,
        `autograd_is_infinite`; `kinks_left`, `kinks_right`, `kinks_mean`, `kinks_nan`, `kinks_other` (what autograd
        returns at a kink).
    """
    differentiable, is_derivative = table["differentiable"], table["autograd_is_derivative"]
    kinks = table.loc[table["kind"] == "kink", "convention"]
    names = dict(zip(CONVENTIONS[2:], ("left", "right", "other", "mean", "other", "nan", "other"), strict=True))
    at_kinks = kinks.map(names)
    counts = {
        "functions": table["function"].nunique(),
        "points": len(table),
        "differentiable": differentiable.eq(True).sum(),
        "not_differentiable": differentiable.eq(False).sum(),
        "cannot_tell": differentiable.isna().sum(),
        "kinks": len(kinks),
        "jumps": table["kind"].eq("jump").sum(),
        "autograd_is_derivative": is_derivative.eq(True).sum(),
        "autograd_is_not_derivative": is_derivative.eq(False).sum(),
        "autograd_cannot_tell": is_derivative.isna().sum(),
        "autograd_misses_derivative": (differentiable.eq(True) & is_derivative.eq(False)).sum(),
        "autograd_is_nan": table["autograd"].isna().sum(),
        "autograd_is_infinite": np.isinf(table["autograd"]).sum(),
        **{f"kinks_{name}": at_kinks.eq(name).sum() for name in ("left", "right", "mean", "nan", "other")},
    }
    return {f"torch_functions.{name}": int(count) for name, count in counts.items()}


def tabulate_curves(table: pd.DataFrame) -> pd.DataFrame:
    """Return the numbers of the table in tidy form.

    Returns
    -------
    DataFrame
        Columns `function`, `x`, `metric`, `value`; the metrics are `value`, `jump`, `left`, `right`, `derivative` and
        `autograd`. What is unknown or does not exist has no row; autograd's value always has one, NaN or not.
    """
    metrics = ["value", "jump", "left", "right", "derivative", "autograd"]
    numbers = table[["function", "x"]].assign(row=range(len(table))).join(table[metrics])
    # A temporary name, because the melted column and the metric `value` cannot share one.
    tidy = numbers.melt(["row", "function", "x"], metrics, var_name="metric", value_name="number")
    tidy = tidy[tidy["number"].notna() | (tidy["metric"] == "autograd")]
    tidy = tidy.sort_values("row", kind="stable", ignore_index=True)
    return tidy.drop(columns="row").rename(columns={"number": "value"})


def answer_questions(table: pd.DataFrame) -> list[dict[str, str]]:
    """Return questions with the keys `question`, `answer` and `evidence`, generated from the table alone."""
    exists = table[table["differentiable"].eq(True)]
    kinks, breaks = table[table["kind"] == "kink"], table[table["kind"].isin(["jump", "pole"])]
    missed, unclear = exists[exists["autograd_is_derivative"].eq(False)], table[table["differentiable"].isna()]

    at_kinks = "No point of this selection is a kink."
    if len(kinks):
        counts = kinks["convention"].value_counts()
        words = (f"{name} at {counts[name]}" for name in CONVENTIONS if name in counts)
        depends = "That depends on the function and on how it is written. " if len(counts) > 1 else ""
        at_kinks = f"{depends}Of {len(kinks)} kinks: {', '.join(words)}."
    where_it_exists = f"Not at any of the {len(exists)} points of this selection that have one."
    if len(missed):
        where_it_exists = f"Yes, at {len(missed)} of the {len(exists)} points that have one: {_list_places(missed)}."
    at_breaks = "No point of this selection is a jump or a pole."
    if len(breaks):
        finite = int(np.isfinite(breaks["autograd"]).sum())
        at_breaks = (
            f"Of {len(breaks)} jumps and poles, autograd's value is NaN or infinite at {len(breaks) - finite}; at the other "
            f"{finite} it is a finite number like any other."
        )
    left_open = f"Nowhere: it can at all {len(table)} points of this selection."
    if len(unclear):
        left_open = f"At {len(unclear)} of {len(table)} points: {_list_places(unclear)}."
    return [
        {
            "question": "What does autograd return at a kink?",
            "answer": at_kinks,
            "evidence": _list_evidence(
                kinks, "from the left {left:.4g}, from the right {right:.4g}, autograd {autograd:.4g}"
            ),
        },
        {
            "question": "Is autograd wrong where there is a derivative?",
            "answer": where_it_exists,
            "evidence": _list_evidence(
                missed,
                "the derivative is {derivative:.4g} within {derivative_error:.1g}, autograd returns {autograd:.4g}",
            ),
        },
        {
            "question": "Does autograd's value give a jump or a pole away?",
            "answer": at_breaks,
            "evidence": _list_evidence(breaks, "a {kind}, autograd {autograd:.4g} ({convention})"),
        },
        {
            "question": "Where can the diagnosis not tell?",
            "answer": left_open,
            "evidence": _list_evidence(unclear, "{reason}"),
        },
    ]


def _list_places(rows: pd.DataFrame) -> str:
    return ", ".join(f"{row.function} (x = {row.x:g})" for row in rows.itertuples())


def _list_evidence(rows: pd.DataFrame, template: str) -> str:
    """Return what `template` says of each row, or that there is none."""
    said = (f"{row['function']} (x = {row['x']:g}): {template.format_map(row)}" for row in rows.to_dict("records"))
    return "; ".join(said) + "." if len(rows) else "No such point in the table."


def choose_drawn(examples: Sequence[Example]) -> tuple[Example, ...]:
    """Return the examples to draw: those that `DRAWN` names, or the first twelve where it names none of them."""
    return tuple(example for example in examples if example.name in DRAWN) or tuple(examples[:12])


def sample_graphs(examples: Sequence[Example], *, half_width: float = 0.9, points: int = 161) -> pd.DataFrame:
    """Return each f around the first point of its example, for a drawing that breaks there.

    Parameters
    ----------
    examples
        Entries of the catalogue; none has another jump within the default half width.
    half_width
        How far the samples reach to either side.
    points
        Number of samples, odd: as many on either side, and the point itself.

    Returns
    -------
    DataFrame
        Columns `function`, `x` (rising within a function) and `value`, float64. Beside the point, the nearest samples
        are a thousandth of the half width away.
    """
    side = half_width * np.geomspace(1e-3, 1, points // 2)
    around = np.concatenate([-side[::-1], [0.0], side])
    graphs = []
    for example in examples:
        grid = example.points[0] + around
        with torch.no_grad():
            values = [float(example.f(torch.tensor(x, dtype=torch.float64))) for x in grid]
        graphs.append(pd.DataFrame({"function": example.name, "x": grid, "value": values}))
    return pd.concat(graphs, ignore_index=True)
