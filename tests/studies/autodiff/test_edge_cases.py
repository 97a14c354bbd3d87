"""The four edge cases: published figures, the closed form of halving, descent through a step, and answers that hold."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gradlab.studies.autodiff import edge_cases
from gradlab.studies.autodiff.diagnosis import differentiate
from gradlab.studies.autodiff.edge_cases import (
    CASES,
    THRESHOLD,
    descend,
    halve,
    halve_non_strict,
    halving_closed_form,
    halving_closed_form_derivative,
    halving_grid,
    jump_three_branches,
    jump_two_branches,
    logistic_loss,
    make_two_classes,
    misclassification,
    power,
    power_branch,
    step,
    study,
)

LOOPS = [(halve, True), (halve_non_strict, False)]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def studies():
    return {case: study(case, generator=generator()) for case in CASES}


# The functions -------------------------------------------------------------------------------------


@given(x=st.floats(-100, 100))
@settings(max_examples=50, deadline=None)
def test_a_branch_at_one_point_changes_no_value(x):
    x = torch.tensor(x, dtype=torch.float64)
    assert jump_two_branches(x) == jump_three_branches(x) == (x**3 if x <= 0 else x**3 + 200)
    assert power(x) == power_branch(x) == x**4
    if x != 0:
        assert differentiate(jump_two_branches, x) == differentiate(jump_three_branches, x)
        assert differentiate(power, x) == differentiate(power_branch, x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("f", "x", "derivative"),
    [
        (jump_two_branches, 0.0, 0),
        (jump_three_branches, 0.0, -1728),
        (power, 0.0, 0),
        (power_branch, 0.0, 897),
        (halve, 1e-6, 0.5),
        (halve_non_strict, 1e-6, 1.0),
        (step, 0.0, 0),
    ],
)
def test_autograd_gives_the_published_figures_in_both_types(f, x, derivative, dtype):
    assert differentiate(f, x, dtype=dtype) == derivative


def halve_exactly(x: Fraction, threshold: Fraction, strict: bool) -> tuple[Fraction, int]:
    """Return (ψ(x), k(x)) in rational arithmetic."""
    k = 0
    while abs(x) / 2**k >= threshold if strict else abs(x) / 2**k > threshold:
        k += 1
    return x / 2**k, k


def check_halving(x: float, dtype: torch.dtype) -> None:
    point = torch.tensor(x, dtype=dtype)
    threshold = Fraction(torch.tensor(THRESHOLD, dtype=dtype).item())
    for loop, strict in LOOPS:
        value, k = halve_exactly(Fraction(point.item()), threshold, strict)
        assert Fraction(loop(point).item()) == value
        assert Fraction(halving_closed_form(point, strict=strict).item()) == value
        assert Fraction(differentiate(loop, point)) == Fraction(1, 2**k)
        assert Fraction(halving_closed_form_derivative(point, strict=strict).item()) == Fraction(1, 2**k)


@given(x=st.floats(width=32, allow_nan=False, allow_infinity=False))
@example(x=0.0)
@example(x=-0.0)
@example(x=2.0**-149)
@example(x=-(2.0**-126))
@example(x=float(np.finfo(np.float32).max))
@settings(max_examples=300, deadline=None)
def test_loop_closed_form_and_rational_arithmetic_agree_for_any_float32(x):
    check_halving(x, torch.float32)


@given(x=st.floats(allow_nan=False, allow_infinity=False))
@example(x=5e-324)
@example(x=-1.7976931348623157e308)
@settings(max_examples=40, deadline=None)
def test_loop_closed_form_and_rational_arithmetic_agree_for_any_float64(x):
    check_halving(x, torch.float64)


@given(k=st.integers(0, 147), beside=st.integers(-2, 2), negative=st.booleans())
@settings(max_examples=200, deadline=None)
def test_they_agree_at_the_jumps_and_beside_them(k, beside, negative):
    x = np.float32(float(np.float32(THRESHOLD)) * 2.0**k)
    for _ in range(abs(beside)):
        x = np.nextafter(x, np.float32(np.inf if beside > 0 else 0))
    check_halving(float(-x if negative else x), torch.float32)


def test_the_closed_form_takes_arrays():
    x = torch.tensor([[0.0, -3.0], [1e-6, 5e-7]])
    assert torch.equal(halving_closed_form(x), torch.stack([halve(t) for t in x.ravel()]).reshape(2, 2))
    assert halving_closed_form_derivative(x).dtype == x.dtype


@pytest.mark.parametrize("x", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("f", [halve, halve_non_strict, halving_closed_form, halving_closed_form_derivative])
def test_halving_refuses_what_it_would_never_finish(f, x):
    with pytest.raises(ValueError, match="halving needs finite numbers"):
        f(torch.tensor(x))


def test_step_works_element_by_element():
    assert step(torch.tensor([-1.0, -0.0, 0.0, 2.0])).tolist() == [0, 1, 1, 1]


# Descent -------------------------------------------------------------------------------------------


def test_descent_on_the_logistic_loss_follows_the_written_out_gradient():
    features, labels = make_two_classes(31, generator=generator())
    start = torch.tensor([0.5, -1.0, 0.2], dtype=torch.float64)
    table = descend(logistic_loss, features, labels, start, learning_rate=0.3, updates=7)
    X, y, w = features.numpy(), labels.numpy(), start.numpy().copy()
    for update in range(8):
        margins = y * (X @ w)
        row = table[table["x"] == update].set_index("metric")["value"]
        assert row["loss"] == pytest.approx(np.log1p(np.exp(-margins)).mean(), rel=1e-12)
        assert row["accuracy"] == pytest.approx((margins >= 0).mean(), abs=1e-15)
        assert row["distance"] == pytest.approx(np.linalg.norm(w - start.numpy()), rel=1e-12)
        w += 0.3 * ((y / (1 + np.exp(margins)))[:, None] * X).mean(axis=0)
    assert start.tolist() == [0.5, -1.0, 0.2]


def error_with_a_graph(margins):
    """Return 1 - accuracy like `misclassification`, but with a path to the parameters in the graph."""
    return 1 - torch.where(margins >= 0, 0 * margins + 1, 0 * margins).mean()


@pytest.mark.parametrize("objective", [misclassification, error_with_a_graph])
def test_descent_on_the_accuracy_moves_nothing_whether_or_not_there_is_a_graph(objective):
    features, labels = make_two_classes(40, generator=generator())
    start = torch.tensor([1.0, -1.0, 0.0], dtype=torch.float64)
    table = descend(objective, features, labels, start, learning_rate=1e6)
    wide = table.pivot(index="x", columns="metric", values="value")
    assert (wide["distance"] == 0).all()
    assert wide["loss"].nunique() == wide["accuracy"].nunique() == 1
    assert wide["loss"].iloc[0] == 1 - wide["accuracy"].iloc[0] > 0


def test_the_classes_follow_from_the_generator_alone():
    features, labels = make_two_classes(5, generator=generator(3))
    again, _ = make_two_classes(5, generator=generator(3))
    other, _ = make_two_classes(5, generator=generator(4))
    assert torch.equal(features, again) and not torch.equal(features, other)
    assert labels.tolist() == [-1, -1, 1, 1, 1]
    assert (features[:, 2] == 1).all()
    with pytest.raises(TypeError):
        make_two_classes(5)


def test_the_clouds_lie_where_they_should():
    features, labels = make_two_classes(20_000, generator=generator())
    for label in (-1, 1):
        points = features[labels == label, :2]
        # Five standard errors of a mean of 10,000 values with standard deviation 1.
        assert (points.mean(dim=0) - label).abs().max() < 0.05
        assert (points.std(dim=0) - 1).abs().max() < 0.05


@pytest.mark.parametrize("seed", range(10))
def test_the_answers_on_descent_hold_for_any_seed(seed):
    found = study("step", generator=generator(seed))
    assert found.metrics["step.accuracy_descent_distance"] == 0
    assert found.metrics["step.logistic_descent_accuracy"] > found.metrics["step.accuracy_descent_accuracy"]


# The studies ---------------------------------------------------------------------------------------


def test_the_metrics_are_the_published_figures_and_what_the_diagnoses_add(studies):
    metrics = {name: value for found in studies.values() for name, value in found.metrics.items()}
    published = {
        "jump.two_branches": 0,
        "jump.three_branches": -1728,
        "power.plain": 0,
        "power.branch": 897,
        "halving.strict": 0.5,
        "halving.non_strict": 1,
        "step.everywhere": 0,
    }
    assert {name: metrics[name] for name in published} == published
    assert not any(math.copysign(1, value) < 0 for value in metrics.values() if value == 0), "prints as -0"
    assert metrics["jump.jump_size"] == pytest.approx(200, rel=1e-12)
    assert metrics["halving.jump_size"] == pytest.approx(-np.float32(THRESHOLD) / 2, rel=1e-4)
    assert metrics["halving.closed_form_mismatches"] == metrics["halving.zeros"] == 0
    # Twenty halvings of 1 are 0.95e-6, below 1e-6; 2^20·1e-6 needs one more. Both signs of k = 0 … 20.
    assert metrics["halving.slope_at_1"] == metrics["halving.slope_at_-1"] == pytest.approx(2**-20, rel=1e-9)
    assert metrics["halving.slope_at_0"] == pytest.approx(1, rel=1e-6)
    assert [metrics[f"halving.jump_at_{x}"] for x in (-1, 0, 1)] == [0, 0, 0]
    assert (metrics["halving.jumps"], metrics["halving.jump_next_to_1"]) == (42, 1.048576)
    assert metrics["halving.negative_values"] == (halving_grid() < 0).sum()
    assert metrics["step.jump_size"] == 1


@pytest.mark.parametrize("case", CASES)
def test_every_case_has_tidy_curves_and_answers_in_words(case, studies):
    found = studies[case]
    assert found.name == case
    assert list(found.curves.columns) == ["series", "x", "metric", "value"]
    assert {"value", "derivative"} <= set(found.curves["metric"])
    assert np.isfinite(found.curves[["x", "value"]]).all().all()
    assert not found.curves.duplicated(["series", "x", "metric"]).any()
    for answer in found.answers:
        assert set(answer) == {"question", "answer", "evidence"}
        assert answer["question"].endswith("?") and all(answer.values())
        assert "None" not in answer["answer"] + answer["evidence"]


def test_the_answers_state_the_published_errors(studies):
    halving, step_ = (" ".join(a["answer"] for a in studies[case].answers) for case in ("halving", "step"))
    assert "published closed form says 0 where the loop ends" in halving
    assert "sees discontinuities at points such as ±1, and a jump at 0" in halving
    assert "says so too, if loosely" in step_


@pytest.mark.parametrize(
    ("case", "name", "changed", "message"),
    [
        (
            "jump",
            "jump_two_branches",
            lambda x: x**3,
            "kind = 'jump' at x = 0, but the diagnosis found 'differentiable'",
        ),
        ("jump", "jump_two_branches", lambda x: x**3 + 200 * (x >= 0), "left_continuous"),
        ("jump", "jump_two_branches", lambda x: x**3 + x if x <= 0 else x**3 + 200, "both ways of writing f agree"),
        (
            "jump",
            "jump_two_branches",
            lambda x: x**3 if x < 0 else x**3 + 200 if x > 0 else 5 * x,
            "one-sided derivative",
        ),
        ("power", "power_branch", power, "autograd_is_derivative = False"),
        ("power", "power", torch.abs, "kind = 'differentiable'"),
        ("halving", "halve", halve_non_strict, "left_continuous = False"),
        ("halving", "THRESHOLD", 2.0**-20, "kind = 'differentiable' at x = "),
        ("halving", "halving_closed_form", lambda x, strict=True: 0 * x, "the loop and the closed form differ"),
        ("step", "step", torch.sigmoid, "kind = 'jump'"),
        ("step", "misclassification", logistic_loss, "moved the parameters"),
        ("step", "logistic_loss", misclassification, "the logistic loss trains"),
    ],
)
def test_an_answer_that_the_evidence_contradicts_is_not_given(case, name, changed, message, monkeypatch):
    monkeypatch.setattr(edge_cases, name, changed)
    with pytest.raises(ValueError, match=message):
        study(case, generator=generator())


def test_an_unknown_case_is_refused():
    with pytest.raises(ValueError, match="no edge case is called 'leap': choose one of jump, power, halving, step"):
        study("leap", generator=generator())


def test_only_the_step_draws_from_the_generator():
    for case in CASES:
        used = generator()
        study(case, generator=used)
        assert torch.equal(used.get_state(), generator().get_state()) == (case != "step")


def test_the_grid_of_halving_holds_both_sides_of_every_jump():
    grid = halving_grid()
    assert (np.diff(grid) > 0).all() and np.array_equal(grid, -grid[::-1]) and np.abs(grid).max() == 2
    assert np.array_equal(grid, grid.astype(np.float32)) and 0 in grid
    jumps = np.float32(THRESHOLD) * 2.0 ** np.arange(21)
    assert set(jumps) <= set(grid)
    # Between neighbours of the grid at most one halving more or less happens: no piece is left out.
    _, k = np.frexp(halving_closed_form_derivative(torch.tensor(grid, dtype=torch.float32)).numpy())
    assert np.abs(np.diff(k)).max() == 1
