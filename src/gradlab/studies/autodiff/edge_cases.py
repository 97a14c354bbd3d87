"""The four edge cases of automatic differentiation (F 1), each with the answers that its diagnoses prove.

The functions are ordinary Python on tensors: autograd records the branch that ran, and nothing else.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import softplus

from gradlab.studies.autodiff.diagnosis import (
    Diagnosis,
    ScalarFunction,
    describe,
    diagnose_derivative,
    diagnose_sweep,
    differentiate,
)
from gradlab.studies.autodiff.quotients import Side

CASES = ("jump", "power", "halving", "step")
THRESHOLD = 1e-6  # at which halving stops


def jump_two_branches(x: Tensor) -> Tensor:
    """Return x³ for x <= 0 and x³ + 200 for x > 0; `x` has shape () (F 1.1)."""
    if x <= 0:
        return x**3
    return x**3 + 200


def jump_three_branches(x: Tensor) -> Tensor:
    """Return the values of `jump_two_branches`, with a branch of its own, -1728·x, at x = 0 (F 1.1)."""
    if x < 0:
        return x**3
    if x > 0:
        return x**3 + 200
    return -1728 * x


def power(x: Tensor) -> Tensor:
    """Return x⁴ (F 1.2)."""
    return x**4


def power_branch(x: Tensor) -> Tensor:
    """Return x⁴, with a branch of its own, 897·x, at x = 0; `x` has shape () (F 1.2)."""
    if x == 0:
        return 897 * x
    return x**4


def halve(x: Tensor) -> Tensor:
    """Return x halved until |x| < 1e-6 (F 1.3).

    Parameters
    ----------
    x
        Shape (), float32 or float64; finite. The threshold is rounded to its type.

    Raises
    ------
    ValueError
        If x is not finite: the loop would not end, or its result would mean nothing.
    """
    _check_finite(x)
    threshold = x.new_tensor(THRESHOLD)
    while x.abs() >= threshold:
        x = x / 2
    return x


def halve_non_strict(x: Tensor) -> Tensor:
    """Return x halved until |x| <= 1e-6; like `halve` but for the numbers whose halves include ±1e-6 (F 1.3)."""
    _check_finite(x)
    threshold = x.new_tensor(THRESHOLD)
    while x.abs() > threshold:
        x = x / 2
    return x


def halving_closed_form(x: Tensor, *, strict: bool = True) -> Tensor:
    """Return ψ(x) = x·2^(-k(x)), where k(x) is the number of halvings, without a loop (F 1.3, corrected).

    Parameters
    ----------
    x
        Any shape, float32 or float64; finite.
    strict
        k(x) = min{k >= 0 : |x|·2^(-k) < 1e-6} if true, with <= in the place of < if false.

    Returns
    -------
    Tensor
        Shape and dtype of `x`. Equal to the loop to the last bit: in binary floating point a half is exact.

    Raises
    ------
    ValueError
        If x is not finite.
    """
    halvings, mantissa, exponent = _count_halvings(x, strict)
    # By way of the mantissa, because 2^(-k) may lie below the smallest normal number although ψ(x) does not.
    return torch.where(halvings == 0, x, torch.ldexp(mantissa, exponent - halvings))


def halving_closed_form_derivative(x: Tensor, *, strict: bool = True) -> Tensor:
    """Return 2^(-k(x)), the slope of the piece of ψ that holds x; parameters as for `halving_closed_form`.

    At the jumps, |x| = 2^k·1e-6 with k >= 0, ψ has no derivative; the slope is then that of the piece that holds x.
    """
    halvings, _, _ = _count_halvings(x, strict)
    half = (-halvings) // 2
    # In two factors: each is a normal number, and only their product may be subnormal.
    one = torch.ones_like(x)
    return torch.ldexp(one, half) * torch.ldexp(one, -halvings - half)


def step(x: Tensor) -> Tensor:
    """Return φ(x) = 1 where x >= 0 and 0 elsewhere; any shape (F 1.4)."""
    return (x >= 0).to(x.dtype)


def _check_finite(x: Tensor) -> None:
    if not torch.isfinite(x).all():
        raise ValueError(f"halving needs finite numbers; got {x}: halves of an infinite number never fall below 1e-6")


def _count_halvings(x: Tensor, strict: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Return k(x), and the mantissa m (0.5 <= |m| < 1) and exponent e of x = m·2^e."""
    _check_finite(x)
    mantissa, exponent = torch.frexp(x)
    mantissa_t, exponent_t = torch.frexp(x.new_tensor(THRESHOLD))
    stops = mantissa.abs() < mantissa_t if strict else mantissa.abs() <= mantissa_t
    halvings = exponent - exponent_t + torch.where(stops, 0, 1)
    return torch.where(x == 0, 0, halvings.clamp(min=0)), mantissa, exponent


@dataclass(frozen=True)
class CaseStudy:
    """What one case found.

    Attributes
    ----------
    name
        One of `CASES`.
    metrics
        Scalars by id: the published figures, each from a call of autograd, and further ones from the diagnoses.
    curves
        Columns `series`, `x`, `metric`, `value`. The metrics `value` and `derivative` (autograd's) are over x;
        `quotient`, where present, is over the step size; `loss`, `accuracy` and `distance` (of the parameters from
        where they started) are over the updates.
    diagnoses
        By name, as the answers quote them.
    answers
        Mappings with the keys `question`, `answer` and `evidence`.
    """

    name: str
    metrics: Mapping[str, float | None]
    curves: pd.DataFrame
    diagnoses: Mapping[str, Diagnosis]
    answers: Sequence[Mapping[str, str]]


def study(case: str, *, generator: torch.Generator) -> CaseStudy:
    """Run one case.

    Parameters
    ----------
    case
        One of `CASES`.
    generator
        Draws the data of `step`; the other cases draw nothing.

    Raises
    ------
    ValueError
        If there is no such case, or if a diagnosis contradicts an answer.
    """
    if case not in CASES:
        raise ValueError(f"no edge case is called {case!r}: choose one of {', '.join(CASES)}")
    if case == "step":
        return study_step(generator=generator)
    return {"jump": study_jump, "power": study_power, "halving": study_halving}[case]()


def study_jump() -> CaseStudy:
    """Run the case `jump`: one function, written with two and with three branches (F 1.1)."""
    written = {"two branches": jump_two_branches, "three branches": jump_three_branches}
    found = {name: diagnose_derivative(f, 0.0) for name, f in written.items()}
    two, three = found["two branches"], found["three branches"]
    for diagnosis in found.values():
        _require(diagnosis, kind="jump", left_continuous=True, right_continuous=False, autograd_is_derivative=False)
    _require_one_sided(two, two.left)
    _require_equal("the values at 0", two.value, three.value)
    grid = np.linspace(-6, 6, 241)
    curves = [_tabulate(name, f, grid) for name, f in written.items()]
    curves += _tabulate_quotients(two)
    same = sum(jump_two_branches(x).item() == jump_three_branches(x).item() for x in torch.tensor(grid))
    _require_equal("the number of points at which both ways of writing f agree", same, len(grid))

    answers = [
        {
            "question": "Is f continuous at 0?",
            "answer": f"No. It jumps by {two.jump:g}: the left limit {two.left.limit:g} is the value at 0, so that f "
            f"is left-continuous there (the closed end of its graph), and the right limit is {two.right.limit:g} (the "
            "open end).",
            "evidence": describe(two),
        },
        {
            "question": "Does f have a derivative at 0?",
            "answer": "No: where f is not continuous it has none. From the left the quotients tend to "
            f"{two.left.derivative:g}; from the right they grow without bound as the step shrinks.",
            "evidence": f"At the step {two.right.steps[20]:.3g} the right quotient is {two.right.quotients[20]:.6g}, "
            f"at {two.right.steps[40]:.3g} it is {two.right.quotients[40]:.6g}.",
        },
        {
            "question": "What does autograd return at 0, and is it a derivative?",
            "answer": f"Written with two branches, f has the autograd value {two.autograd:g} at 0; written with three, "
            f"{three.autograd:g}. Neither is a derivative, for there is none. The first happens to be the derivative "
            "from the left. The second is the slope of the branch that ran at this one point, and could be any number.",
            "evidence": f"Both ways of writing f give the same value at all {same} points of a grid on [-6, 6], 0 "
            f"among them. Three branches: {describe(three)}",
        },
    ]
    metrics = {
        "jump.two_branches": differentiate(jump_two_branches, 0.0, dtype=torch.float32),
        "jump.three_branches": differentiate(jump_three_branches, 0.0, dtype=torch.float32),
        "jump.jump_size": two.jump,
        "jump.left_derivative": two.left.derivative,
    }
    return CaseStudy("jump", metrics, pd.concat(curves, ignore_index=True), found, answers)


def study_power() -> CaseStudy:
    """Run the case `power`: x⁴, written plainly and with a branch at 0 (F 1.2)."""
    written = {"plain": power, "branch": power_branch}
    found = {name: diagnose_derivative(f, 0.0) for name, f in written.items()}
    plain, branch = found["plain"], found["branch"]
    _require(plain, kind="differentiable", continuous=True, autograd_is_derivative=True)
    _require(branch, kind="differentiable", continuous=True, autograd_is_derivative=False)
    _require_equal("the quotients", plain.right.quotients, branch.right.quotients)
    grid = np.linspace(-2, 2, 161)
    curves = [_tabulate(name, f, grid) for name, f in written.items()]
    curves += _tabulate_quotients(plain)

    answers = [
        {
            "question": "Does g have a derivative at 0?",
            "answer": f"Yes: {plain.derivative:g}, from both sides. Writing g with a branch at 0 changes none of its "
            "values, and so not its derivative.",
            "evidence": describe(plain),
        },
        {
            "question": "What does autograd return at 0?",
            "answer": f"{plain.autograd:g} where g is written plainly, which is the derivative; {branch.autograd:g} "
            "where the value at 0 comes from a branch of its own, which is not: the derivative of g at 0 is "
            f"{branch.derivative:g} however it is written.",
            "evidence": describe(branch),
        },
        {
            "question": "Why is it wrong for a function that is smooth?",
            "answer": "Autograd differentiates the operations that ran. At 0 those are the multiplication of x by "
            f"{branch.autograd:g}, a straight line that meets g at 0 but is not its tangent there.",
            "evidence": f"Both ways of writing g have the same quotients at all {len(plain.right.steps)} steps to the "
            f"right of 0; at the step {plain.right.steps[10]:.3g} the quotient is {plain.right.quotients[10]:.3g}.",
        },
    ]
    metrics = {
        "power.plain": differentiate(power, 0.0, dtype=torch.float32),
        "power.branch": differentiate(power_branch, 0.0, dtype=torch.float32),
        "power.derivative": plain.derivative,
        "power.derivative_error": plain.derivative_error,
    }
    return CaseStudy("power", metrics, pd.concat(curves, ignore_index=True), found, answers)


def study_halving() -> CaseStudy:
    """Run the case `halving`: a loop whose length depends on x, in float32 (F 1.3)."""
    at = torch.tensor(THRESHOLD, dtype=torch.float32)
    loops = {"strict": halve, "non-strict": halve_non_strict}
    found = {name: diagnose_derivative(f, at) for name, f in loops.items()}
    found["at 0"] = diagnose_derivative(halve, torch.zeros(()), scale=THRESHOLD / 2)
    between = torch.tensor(-0.75 * THRESHOLD, dtype=torch.float32)
    found["below the threshold"] = diagnose_derivative(halve, between)
    strict, non_strict = found["strict"], found["non-strict"]
    _require(strict, kind="jump", left_continuous=False, right_continuous=True, autograd_is_derivative=False)
    _require(non_strict, kind="jump", left_continuous=True, right_continuous=False, autograd_is_derivative=False)
    _require_one_sided(strict, strict.right)
    _require_one_sided(non_strict, non_strict.left)
    # In float64, where 2^k·1e-6 is rounded no more than 1e-6 is.
    found |= {f"at {x:g}": diagnose_derivative(halve, x) for x in (-1.0, 1.0)}
    for name in ("at 0", "at -1", "at 1", "below the threshold"):
        _require(found[name], kind="differentiable", continuous=True, autograd_is_derivative=True)
    edges = np.array([sign * THRESHOLD * 2.0**k for k in range(21) for sign in (-1, 1)])
    jumps = diagnose_sweep(halve, edges)
    _require_equal("the number of points ±2^k·1e-6 at which ψ jumps", int((jumps["kind"] == "jump").sum()), len(edges))
    nearest = jumps.iloc[np.abs(edges - 1).argmin()]

    grid = halving_grid()
    x = torch.tensor(grid, dtype=torch.float32)
    tables = {name: _tabulate(name, f, grid, dtype=torch.float32) for name, f in loops.items()}
    mismatches = 0
    for name, table in tables.items():
        values, slopes = (table.loc[table["metric"] == metric, "value"] for metric in ("value", "derivative"))
        is_strict = name == "strict"
        mismatches += int((halving_closed_form(x, strict=is_strict).double().numpy() != values).sum())
        mismatches += int((halving_closed_form_derivative(x, strict=is_strict).double().numpy() != slopes).sum())
    _require_equal("the number of points at which the loop and the closed form differ", mismatches, 0)
    closed_form = pd.DataFrame(
        {"series": "closed form", "x": x.tolist(), "metric": "value", "value": halving_closed_form(x).tolist()}
    )
    curves = pd.concat([*tables.values(), closed_form], ignore_index=True)

    inside = found["below the threshold"]
    values = tables["strict"].query("metric == 'value' and x != 0")["value"]
    zeros, negative = int((values == 0).sum()), int((values < 0).sum())
    answers = [
        {
            "question": "What is ψ in closed form?",
            "answer": "ψ(x) = x·2^(-k(x)), where k(x) is the least k >= 0 with |x|·2^(-k) < 1e-6. It is odd, made of "
            "straight pieces through the origin, and jumps wherever |x| = 2^k·1e-6 for k = 0, 1, 2, … Below 1e-6 no "
            "halving happens and ψ(x) = x. The published closed form says 0 where the loop ends, and leaves out "
            "negative x; both are wrong.",
            "evidence": "The loops and the closed form agree to the last bit, in value and in autograd's derivative, "
            f"at {len(grid)} numbers (float32, both rules). No x but 0 is sent to 0: the smallest |ψ(x)| among them is "
            f"{values.abs().min():.3g}, and negative x give values down to {values.min():.6g}. {describe(inside)}",
        },
        {
            "question": "Where is ψ discontinuous? At ±1, and at 0?",
            "answer": f"At none of the three. At ±1 it has the slope {found['at 1'].derivative:.10g}, which is 2^(-20), and at "
            f"0 the slope {found['at 0'].derivative:g}. It jumps at ±2^k·1e-6; the jump next to 1 is at {nearest['x']:.7g}. "
            "The published solution sees discontinuities at points such as ±1, and a jump at 0.",
            "evidence": f"{describe(found['at 1'])} {describe(found['at 0'])} Of the {len(edges)} points ±2^k·1e-6 up to "
            f"{edges.max():.7g}, the diagnosis finds a jump at all.",
        },
        {
            "question": "Which derivative does autograd return at x = 1e-6 (float32)?",
            "answer": f"{strict.autograd:g} where the loop stops at |x| < 1e-6, for it then halves once; "
            f"{non_strict.autograd:g} where it stops at |x| <= 1e-6, for it then does nothing.",
            "evidence": f"{describe(strict)} With <=: {describe(non_strict)}",
        },
        {
            "question": "Is either of them the derivative of ψ there?",
            "answer": f"No. ψ jumps by {strict.jump:.3g} at 1e-6 under both rules, which only differ in the piece that "
            "holds the point itself: it is right-continuous with <, left-continuous with <=. Autograd returns the "
            "slope of that piece, a one-sided derivative at most.",
            "evidence": f"With <, the derivative from the right is {strict.right.derivative:.6g}; with <=, the "
            f"derivative from the left is {non_strict.left.derivative:.6g}. On the other side the quotients grow "
            "without bound.",
        },
        {
            "question": "Is autograd right anywhere?",
            "answer": "Yes, at every x that is not at a jump: 2^(-k(x)) is the slope of the straight piece, and 1 for "
            "all |x| < 1e-6, 0 included.",
            "evidence": describe(found["at 0"]),
        },
    ]
    metrics = {
        "halving.strict": differentiate(halve, at),
        "halving.non_strict": differentiate(halve_non_strict, at),
        "halving.jump_size": strict.jump,
        "halving.right_derivative": strict.right.derivative,
        "halving.left_derivative": non_strict.left.derivative,
        **{f"halving.slope_{name.replace(' ', '_')}": found[name].derivative for name in ("at -1", "at 0", "at 1")},
        **{f"halving.jump_{name.replace(' ', '_')}": found[name].jump for name in ("at -1", "at 0", "at 1")},
        "halving.jumps": len(edges),
        "halving.jump_next_to_1": float(nearest["x"]),
        "halving.zeros": zeros,
        "halving.negative_values": negative,
        "halving.closed_form_mismatches": mismatches,
    }
    return CaseStudy("halving", metrics, curves, found, answers)


def study_step(*, generator: torch.Generator) -> CaseStudy:
    """Run the case `step`: φ, and gradient descent on an accuracy made of it (F 1.4)."""
    found = {f"x = {x:g}": diagnose_derivative(step, x) for x in (0.0, -1.0, 1.0)}
    at_zero = found["x = 0"]
    _require(at_zero, kind="jump", left_continuous=False, right_continuous=True, autograd_is_derivative=False)
    grid = np.linspace(-2, 2, 161)
    elsewhere = diagnose_sweep(step, grid[::4][grid[::4] != 0])
    confirmed = int((elsewhere["autograd_is_derivative"].eq(True) & elsewhere["derivative"].eq(0)).sum())
    _require_equal("the number of points but 0 at which the derivative is 0", confirmed, len(elsewhere))
    table = _tabulate("step", step, grid, dtype=torch.float32)
    steepest = float(table.loc[table["metric"] == "derivative", "value"].abs().max())
    _require_equal("the largest |derivative| that autograd returns on the grid", steepest, 0.0)

    features, labels = make_two_classes(100, generator=generator)
    start = torch.tensor([1.0, -1.0, 0.0], dtype=torch.float64)  # at right angles to what separates the classes
    descents = {
        "accuracy descent": descend(misclassification, features, labels, start),
        "logistic descent": descend(logistic_loss, features, labels, start),
    }
    curves = pd.concat([table, *(d.assign(series=name) for name, d in descents.items())], ignore_index=True)
    stuck, trained = (d.pivot(index="x", columns="metric", values="value") for d in descents.values())
    _require_equal("the distance that descent on the accuracy moved the parameters", stuck["distance"].max(), 0.0)
    before, after = trained.iloc[0], trained.iloc[-1]
    if not (after["loss"] < before["loss"] and after["accuracy"] > before["accuracy"]):
        raise ValueError(
            f"the answers say that the logistic loss trains, but its loss went from {before['loss']:.3g} to "
            f"{after['loss']:.3g} and the accuracy from {before['accuracy']:.3g} to {after['accuracy']:.3g}: choose "
            "another seed, or mend the descent"
        )

    answers = [
        {
            "question": "Is φ continuous?",
            "answer": f"No. It jumps by {at_zero.jump:g} at 0, where it is right-continuous; it is continuous "
            "everywhere else. The published solution says so too, if loosely: continuous, with the exception of x = 0.",
            "evidence": describe(at_zero),
        },
        {
            "question": "Where does φ have a derivative, and what does autograd return?",
            "answer": f"Everywhere but at 0, and there it is 0. Autograd returns {at_zero.autograd:g} everywhere, at 0 "
            "too, where there is no derivative: a comparison leaves no trace in the graph.",
            "evidence": f"The largest |derivative| that autograd returns at {len(grid)} points of [-2, 2] is "
            f"{steepest:g}; at {confirmed} of these, 0 not among them, the diagnosis confirms 0 as the derivative. "
            f"{describe(found['x = 1'])}",
        },
        {
            "question": "Can accuracy be maximised by gradient descent through φ?",
            "answer": "No: every gradient is 0, so that no parameter ever moves. The logistic loss, a smooth stand-in "
            "for the errors, trains the same classifier from the same start: its accuracy rises from "
            f"{before['accuracy']:.2f} to {after['accuracy']:.2f}.",
            "evidence": f"After {len(stuck) - 1} updates on 1 - accuracy the parameters are "
            f"{stuck['distance'].max():g} away from their start and the accuracy is still "
            f"{stuck['accuracy'].iloc[-1]:.2f}; after as many on the logistic loss they are {after['distance']:.3g} "
            f"away and the loss has fallen from {before['loss']:.3g} to {after['loss']:.3g}.",
        },
    ]
    metrics = {
        "step.everywhere": steepest,
        "step.jump_size": at_zero.jump,
        "step.accuracy_descent_distance": float(stuck["distance"].max()),
        "step.accuracy_descent_accuracy": float(stuck["accuracy"].iloc[-1]),
        "step.logistic_descent_distance": float(after["distance"]),
        "step.logistic_descent_accuracy": float(after["accuracy"]),
    }
    return CaseStudy("step", metrics, curves, found, answers)


def halving_grid() -> np.ndarray:
    """Return the float32 numbers at which `halving` is drawn, in float64, rising, symmetric, shape (n,).

    Both ends of every straight piece of ψ on [-2, 2] are among them, so that each jump lies between neighbouring
    numbers; so are 401 equally spaced numbers on ±2e-6.
    """
    threshold = np.float32(THRESHOLD)
    edges = threshold * np.float32(2) ** np.arange(21, dtype=np.float32)
    below = np.nextafter(edges, np.float32(0))
    above = np.nextafter(edges, np.float32(np.inf))
    within = [np.linspace(a, b, 9, dtype=np.float32) for a, b in zip(edges, [*edges[1:], np.float32(2)], strict=True)]
    fine = np.linspace(0, 2e-6, 201, dtype=np.float32)
    positive = np.concatenate([edges, below, above, *within, fine])
    positive = np.unique(positive[positive <= 2])
    return np.unique(np.concatenate([-positive, positive])).astype(float)


def make_two_classes(n: int, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return `n` points in the plane from two overlapping normal clouds.

    Parameters
    ----------
    n
        Number of points, at least 2; as many of each class, the odd one of class 1.
    generator
        Draws the points.

    Returns
    -------
    features : Tensor of float64, shape (n, 3)
        Two coordinates (standard deviation 1, means ±(1, 1)) and a 1 for the bias.
    labels : Tensor of float64, shape (n,)
        -1 or 1.
    """
    labels = torch.ones(n, dtype=torch.float64)
    labels[: n // 2] = -1
    points = torch.randn(n, 2, generator=generator, dtype=torch.float64) + labels[:, None]
    return torch.cat([points, torch.ones(n, 1, dtype=torch.float64)], dim=1), labels


def misclassification(margins: Tensor) -> Tensor:
    """Return 1 - accuracy, the accuracy being the mean of φ over the margins label·score, shape (n,)."""
    return 1 - step(margins).mean()


def logistic_loss(margins: Tensor) -> Tensor:
    """Return the mean of log(1 + exp(-margin)) over the margins label·score, shape (n,)."""
    return softplus(-margins).mean()


def descend(
    objective: Callable[[Tensor], Tensor],
    features: Tensor,
    labels: Tensor,
    start: Tensor,
    *,
    learning_rate: float = 0.5,
    updates: int = 100,
) -> pd.DataFrame:
    """Train a linear classifier by gradient descent on the whole data.

    Parameters
    ----------
    objective
        Takes the margins label·score, shape (n,), and returns the loss, shape ().
    features, labels
        Shapes (n, d) and (n,); the labels are -1 or 1.
    start
        The first parameters, shape (d,); left as they are.
    learning_rate, updates
        Step size and number of updates.

    Returns
    -------
    DataFrame
        Columns `x` (the update, 0 for the start), `metric` and `value`: `loss`; `accuracy`, the mean of φ over the
        margins; `distance`, the Euclidean distance of the parameters from the start.
    """
    parameters = start.clone().requires_grad_()
    rows = []
    for update in range(updates + 1):
        margins = labels * (features @ parameters)
        loss = objective(margins)
        with torch.no_grad():
            accuracy = 1 - misclassification(margins)
            distance = torch.linalg.vector_norm(parameters - start)
        for metric, value in (("loss", loss), ("accuracy", accuracy), ("distance", distance)):
            rows.append((update, metric, value.item()))
        # A loss built from comparisons has no graph; `backward` would raise. Its gradient is 0, as for any constant.
        if loss.requires_grad:
            (gradient,) = torch.autograd.grad(loss, parameters)
            with torch.no_grad():
                parameters -= learning_rate * gradient
    return pd.DataFrame(rows, columns=["x", "metric", "value"])


def _tabulate(series: str, f: ScalarFunction, grid: np.ndarray, *, dtype: torch.dtype = torch.float64) -> pd.DataFrame:
    """Return f and autograd's derivative of it on a grid, as rows of curves."""
    points = torch.tensor(grid, dtype=dtype)
    values = [float(f(point)) for point in points]
    slopes = [differentiate(f, point) for point in points]
    columns = {"series": series, "x": points.tolist()}
    return pd.concat(
        [
            pd.DataFrame({**columns, "metric": "value", "value": values}),
            pd.DataFrame({**columns, "metric": "derivative", "value": slopes}),
        ]
    )


def _tabulate_quotients(diagnosis: Diagnosis) -> list[pd.DataFrame]:
    """Return the difference quotients of a diagnosis, as rows of curves over the step size."""
    sides = {"from the left": diagnosis.left, "from the right": diagnosis.right}
    return [
        pd.DataFrame({"series": series, "x": side.steps, "metric": "quotient", "value": side.quotients})
        for series, side in sides.items()
    ]


def _require(diagnosis: Diagnosis, **expected: object) -> None:
    """Refuse to state an answer that the diagnosis does not bear out."""
    for field, value in expected.items():
        if getattr(diagnosis, field) != value:
            raise ValueError(
                f"the answers rest on {field} = {value!r} at x = {diagnosis.x:g}, but the diagnosis found "
                f"{getattr(diagnosis, field)!r}. {describe(diagnosis)} Correct the answer, or the function"
            )


def _require_one_sided(diagnosis: Diagnosis, side: Side) -> None:
    """Refuse to call autograd's value a one-sided derivative where it is not."""
    if side.behaviour != "slope" or side.slope is None or abs(diagnosis.autograd - side.slope[0]) > side.slope[1]:
        raise ValueError(
            f"the answers call autograd's {diagnosis.autograd:g} a one-sided derivative at x = {diagnosis.x:g}, but it "
            f"is not. {describe(diagnosis)} Correct the answer, or the function"
        )


def _require_equal(what: str, measured: object, expected: object) -> None:
    """Refuse to state an answer that a measurement does not bear out."""
    if measured != expected:
        raise ValueError(f"the answers rest on {what} being {expected!r}; measured {measured!r}: correct the answer")
