"""Derivatives along lines, against gradients known in closed form and functions that no gradient fits."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradlab.studies.autodiff.diagnosis import diagnose_derivative, diagnose_sweep
from gradlab.studies.autodiff.directions import along, diagnose_coordinates, diagnose_gradient

norm = torch.linalg.vector_norm


def ratio(x):
    """Return x₀²·x₁ / ‖x‖², 0 at the origin: a derivative along every line through it, but no gradient."""
    return x[0] ** 2 * x[1] / (x @ x) if x.any() else x.sum()


def geometric_mean(x):
    return (x[0] * x[1]).abs().sqrt()


def test_along_is_the_function_on_the_line_and_its_derivative_the_chain_rule():
    x, direction = torch.tensor([[1.0, -2.0], [0.5, 3.0]]), torch.tensor([[2.0, 0.0], [-1.0, 0.25]])
    line = along(lambda y: (y**2).sum(), x, direction)
    for t in (0.0, 0.5, -2.0):
        assert line(torch.tensor(t)).item() == ((x + t * direction) ** 2).sum().item()
    found = diagnose_derivative(line, 0.0)
    assert found.autograd == 2 * (x * direction).sum().item() and found.autograd_is_derivative is True
    assert x.grad is None and not x.requires_grad


def test_along_evaluates_in_the_type_of_its_argument_and_keeps_a_copy_of_the_point():
    x = torch.zeros(2)
    line = along(lambda y: (y + 1).sum(), x, [1, 0])
    x += 5
    assert line(torch.tensor(1.0, dtype=torch.float64)).dtype == torch.float64
    assert line(torch.tensor(1.0)).dtype == torch.float32 and line(torch.tensor(1.0)).item() == 3


def test_a_nan_in_the_gradient_of_a_coordinate_that_stands_still_does_not_spread():
    def f(x):
        return (x[0] ** 4).sqrt() + 3 * x[1]

    table = diagnose_coordinates(f, torch.zeros(2, dtype=torch.float64))
    assert math.isnan(table.loc[0, "autograd"]) and table.loc[1, "autograd"] == 3
    assert table["derivative"].tolist() == [0, 3]
    assert table["autograd_is_derivative"].tolist() == [False, True]


def test_the_table_of_coordinates_has_a_row_for_each_element_and_the_columns_of_the_sweep():
    x = torch.tensor([[1.0, 0.0, -2.0], [0.0, 4.0, 0.5]], dtype=torch.float64)
    table = diagnose_coordinates(lambda y: y.abs().sum(), x)
    assert list(table.columns) == ["coordinate", *diagnose_sweep(torch.sin, []).columns]
    assert table["coordinate"].tolist() == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    assert table["x"].tolist() == x.flatten().tolist()
    smooth = [1, None, -1, None, 1, 1]
    kinds = ["kink" if slope is None else "differentiable" for slope in smooth]
    assert table["kind"].tolist() == kinds
    assert table["derivative"].dropna().tolist() == pytest.approx([slope for slope in smooth if slope is not None])


def test_a_number_and_an_empty_tensor_are_points_too():
    assert diagnose_coordinates(torch.sin, torch.tensor(1.0))["coordinate"].tolist() == [()]
    table = diagnose_coordinates(lambda y: y.sum(), torch.zeros(0))
    assert len(table) == 0 and "coordinate" in table.columns


@settings(max_examples=120, deadline=None, derandomize=True)
@given(
    dtype=st.sampled_from([torch.float32, torch.float64]),
    x=st.lists(st.sampled_from([0.0, 1e-3, 0.7, -2.3, 50.0, -1e4]), min_size=1, max_size=3),
    data=st.data(),
)
def test_the_derivative_along_a_line_is_the_gradient_times_the_direction(dtype, x, data):
    parts = st.sampled_from([0.0, 1.0, -1.0, 0.3, -2.7, 1e-3])
    direction = data.draw(st.lists(parts, min_size=len(x), max_size=len(x)).filter(any))
    slopes = data.draw(st.lists(st.floats(-2, 2), min_size=len(x), max_size=len(x)))
    shift = data.draw(st.sampled_from([0.0, 1e3]))
    x, direction = torch.tensor(x, dtype=dtype), torch.tensor(direction, dtype=dtype)
    slopes = torch.tensor(slopes, dtype=dtype)

    def f(y):
        return torch.sin(y / 2).sum() + (slopes * y).sum() - shift

    gradient = torch.cos(x.double() / 2) / 2 + slopes.double()
    true = (gradient * direction.double()).sum().item()
    # The terms may cancel, so that f is far smaller than they are: the diagnosis has to be told.
    magnitude = sum(map(abs, (3 * (abs(x) + abs(direction))).tolist())) + shift
    found = diagnose_derivative(along(f, x, direction), 0.0, dtype=dtype, magnitude=magnitude)
    assert found.kind in ("differentiable", "cannot tell")
    assert found.autograd_is_derivative is not False
    if dtype == torch.float64 and magnitude < 100 and abs(true) > 0.01:
        assert found.autograd_is_derivative is True
    if found.derivative is not None:
        assert abs(found.derivative - true) <= found.derivative_error


@pytest.mark.parametrize("x", [[1e6, 2e6], [1.0, 2.0], [1e-3, 1e-5], [0.0, 1.0]])
def test_the_steps_suit_the_size_of_the_point(x):
    found = diagnose_gradient(lambda y: (y * y).sum() + y[0], torch.tensor(x, dtype=torch.float64))
    table = found.coordinates
    assert table["autograd_is_derivative"].tolist() == [True, True]
    assert (abs(table["derivative"] - [2 * x[0] + 1, 2 * x[1]]) <= table["derivative_error"]).all()
    # With steps as large as 1 the logarithm would leave its domain.
    assert diagnose_coordinates(lambda y: y.log().sum(), [1e-3, 2.0])["autograd_is_derivative"].tolist() == [True] * 2


def test_a_far_point_allows_coarse_steps_only():
    # The numbers at 1e4 are 2^-10 apart in float32, so that t moves the second coordinate by jerks of 2^-10 / 0.3.
    line = along(lambda y: torch.sin(y / 2).sum(), torch.tensor([0.0, -1e4]), torch.tensor([-2.7, 0.3]))
    found = diagnose_derivative(line, 0.0, dtype=torch.float32)
    assert 2.0**-9 <= found.right.steps[-1] and found.autograd_is_derivative is not False
    # At 0 the numbers are as close as need be, whatever the direction.
    line = along(torch.sum, torch.tensor([0.0]), torch.tensor([-2.7]))
    assert line.limit_steps(torch.zeros((), dtype=torch.float64)) == (1.0, 0.0)
    # Elsewhere on the line the numbers are those of that place.
    line = along(torch.sum, torch.tensor([-1e4]), torch.tensor([1.0]))
    assert diagnose_derivative(line, torch.tensor(1e4 - 1)).right.steps[-1] <= 2.0**-10
    assert diagnose_derivative(line, torch.tensor(1e4 - 1), spacing=0.5, scale=1e6).right.steps[-1] == 0.5


def test_the_tip_of_a_cone_is_a_kink_along_every_line():
    found = diagnose_gradient(norm, torch.zeros(3, dtype=torch.float64))
    assert found.differentiable is False
    assert found.remark == "not differentiable: f has no derivative along coordinate (0,) (kink)"
    assert set(found.coordinates["kind"]) == set(found.directions["kind"]) == {"kink"}
    # torch returns the subgradient 0 there, the mean of -√3 and √3.
    assert found.directions["autograd"].tolist() == [0, 0]
    assert found.directions["right"].tolist() == pytest.approx([math.sqrt(3)] * 2)


def test_derivatives_along_the_coordinates_do_not_make_a_gradient():
    found = diagnose_gradient(geometric_mean, [0.0, 0.0])
    assert found.coordinates["derivative"].tolist() == [0, 0]
    assert found.differentiable is False and "along the direction (1.0, 1.0) (kink)" in found.remark
    found = diagnose_gradient(ratio, [0.0, 0.0])
    assert found.coordinates["derivative"].tolist() == [0, 0]
    assert found.directions["derivative"].tolist() == pytest.approx([0.5, -0.5])
    assert found.differentiable is False
    assert "the derivative along the direction (1.0, 1.0) is 0.5, where those along the coordinates add up to 0" in (
        found.remark
    )


def test_lines_that_agree_prove_nothing_and_are_chosen_by_the_user():
    found = diagnose_gradient(lambda x: (x**3).sum(), [1.0, 2.0])
    assert found.differentiable is None and "no line contradicts" in found.remark
    assert found.directions["derivative"].tolist() == pytest.approx([15, -9])
    # Straight along both coordinates, and along no other line but theirs.
    assert diagnose_gradient(ratio, [0.0, 0.0], directions=[[0.0, 2.0]]).differentiable is None
    assert diagnose_gradient(ratio, [0.0, 0.0], directions=[[1.0, 2.0]]).differentiable is False
    assert len(diagnose_gradient(torch.abs, [1.0]).directions) == 0


def test_a_line_that_cannot_be_told_is_named():
    found = diagnose_gradient(lambda x: torch.xlogy(x[0], x[0].abs()) + x[1], [0.0, 0.0], directions=[])
    assert found.differentiable is None and found.remark == "cannot tell along coordinate (0,)"


@pytest.mark.parametrize(
    ("direction", "message"),
    [
        ([1.0], r"the direction has shape \(1,\) and x \(2,\)"),
        ([0.0, 0.0], r"\[0.0, 0.0\] is not a direction"),
        ([math.nan, 1.0], r"\[nan, 1.0\] is not a direction"),
    ],
)
def test_directions_without_meaning_are_refused(direction, message):
    with pytest.raises(ValueError, match=message):
        along(norm, [1.0, 1.0], direction)
    with pytest.raises(ValueError, match=message):
        diagnose_gradient(norm, [1.0, 1.0], directions=[direction])


def test_points_and_types_without_meaning_are_refused():
    with pytest.raises(ValueError, match="a coordinate that moves along the direction is not finite"):
        diagnose_derivative(along(norm, [math.inf, 1.0], [1.0, 0.0]), 0.0)
    still = diagnose_derivative(along(lambda x: x[1] ** 2, [math.inf, 1.0], [0.0, 1.0]), 0.0)
    assert still.autograd_is_derivative is True
    with pytest.raises(ValueError, match=r"needs float32 or float64; got torch\.float16"):
        diagnose_coordinates(norm, torch.ones(2, dtype=torch.float16))
