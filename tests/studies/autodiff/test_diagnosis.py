"""Diagnoses against functions whose truth is known: textbook ones, and piecewise ones made by hypothesis."""

import math
import random
from dataclasses import FrozenInstanceError, dataclass, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import softshrink

from gradlab.studies.autodiff.diagnosis import describe, diagnose_derivative, diagnose_sweep, differentiate

DTYPES = (torch.float32, torch.float64)
both_types = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])


def patch_at(x0, value, f):
    """Return f with another value, or another function, at the single point x0."""

    def patched(x):
        if x == x0:
            return value(x) if callable(value) else 0 * x + value
        return f(x)

    return patched


# differentiate -------------------------------------------------------------------------------------


@pytest.mark.parametrize("x", [-1.5, 0.0, 2.0])
def test_differentiate_agrees_with_calculus(x):
    assert differentiate(lambda t: t**3 - 2 * t, x) == 3 * x**2 - 2
    assert differentiate(torch.exp, x) == pytest.approx(math.exp(x), rel=1e-15)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: 3.0,
        lambda x: torch.ones(()),
        lambda x: (x >= 0).to(x.dtype),
        lambda x: x.detach() ** 2,
        lambda x: torch.ones((), requires_grad=True) * 2,
    ],
    ids=["number", "tensor", "comparison", "detached", "another graph"],
)
def test_differentiate_gives_zero_where_no_path_leads_to_x(f):
    assert differentiate(f, 1.0) == 0.0


def test_differentiate_leaves_its_argument_alone_and_works_without_grad_mode():
    x = torch.tensor(2.0)
    with torch.no_grad():
        assert differentiate(lambda t: t * t, x) == 4.0
    assert x.grad is None and not x.requires_grad


def test_differentiate_evaluates_in_the_type_asked_for():
    seen = []

    def f(x):
        seen.append(x.dtype)
        return x

    differentiate(f, 1.0)
    differentiate(f, 1.0, dtype=torch.float32)
    differentiate(f, torch.tensor(1.0))
    assert seen == [torch.float64, torch.float32, torch.float32]


def test_more_than_one_number_is_refused():
    with pytest.raises(ValueError, match="f returned 2 numbers; expected one"):
        differentiate(lambda x: torch.stack([x, x]), 1.0)
    with pytest.raises(ValueError, match="x has 3 elements"):
        differentiate(lambda x: x.sum(), torch.zeros(3))


# diagnose_derivative on functions whose truth is in every textbook ---------------------------------


@both_types
@pytest.mark.parametrize(
    ("f", "x", "derivative"),
    [
        (torch.sin, 1.0, math.cos(1)),
        (torch.exp, -2.0, math.exp(-2)),
        (torch.log, 0.75, 1 / 0.75),
        (torch.cos, 0.0, 0.0),
        (lambda x: x**4, 0.0, 0.0),
        (lambda x: 1 / x, 0.5, -4.0),
        (lambda x: x * x - x, 1.0, 1.0),
        (lambda x: 7.0, 3.0, 0.0),
        (lambda x: x.abs() ** 1.5, 0.0, 0.0),
        (lambda x: x * x.abs(), 0.0, 0.0),
        (lambda x: 1e6 * torch.tanh(x), 0.0, 1e6),
    ],
)
def test_smooth_functions_are_differentiable_within_the_stated_error(f, x, derivative, dtype):
    found = diagnose_derivative(f, x, dtype=dtype)
    assert found.kind == "differentiable"
    assert found.continuous and found.differentiable and found.autograd_is_derivative
    assert found.jump == 0 and found.reason == ""
    assert abs(found.derivative - derivative) <= found.derivative_error
    assert abs(found.left.derivative - derivative) <= found.left.derivative_error
    assert abs(found.right.derivative - derivative) <= found.right.derivative_error


@both_types
@pytest.mark.parametrize(
    ("f", "x", "left", "right"),
    [
        (torch.abs, 0.0, -1, 1),
        (torch.relu, 0.0, 0, 1),
        (lambda x: x.clamp(max=1), 1.0, 1, 0),
        (lambda x: softshrink(x, 0.5), 0.5, 0, 1),
        (lambda x: torch.maximum(x**2, x + 2), 2.0, 1, 4),
    ],
)
def test_kinks_have_two_one_sided_derivatives(f, x, left, right, dtype):
    found = diagnose_derivative(f, x, dtype=dtype)
    assert found.kind == "kink"
    assert found.continuous is True and found.differentiable is False and found.autograd_is_derivative is False
    assert found.derivative is None
    assert abs(found.left.derivative - left) <= found.left.derivative_error < 0.05
    assert abs(found.right.derivative - right) <= found.right.derivative_error < 0.05


@both_types
@pytest.mark.parametrize(
    ("f", "x", "jump", "left_continuous", "right_continuous"),
    [
        (torch.floor, 2.0, 1, False, True),
        (torch.ceil, 2.0, 1, True, False),
        (torch.sign, 0.0, 2, False, False),
        (lambda x: x + 5 if x >= 1 else x, 1.0, 5, False, True),
        (lambda x: 1 - torch.exp(x) if x < 0 else -torch.cos(x), 0.0, -1, False, True),
    ],
)
def test_jumps_are_measured_and_their_closed_side_is_named(f, x, jump, left_continuous, right_continuous, dtype):
    found = diagnose_derivative(f, x, dtype=dtype)
    assert found.kind == "jump"
    assert abs(found.jump - jump) <= found.jump_error
    assert (found.left_continuous, found.right_continuous) == (left_continuous, right_continuous)
    assert found.continuous is False and found.differentiable is False and found.autograd_is_derivative is False
    for side, closed in ((found.left, left_continuous), (found.right, right_continuous)):
        assert math.isfinite(side.derivative) == closed
        assert closed or side.derivative == math.copysign(math.inf, jump)


@both_types
@pytest.mark.parametrize(
    ("f", "left", "right"),
    [
        (lambda x: x.abs().sqrt(), -math.inf, math.inf),
        (lambda x: x.sign() * x.abs() ** (1 / 3), math.inf, math.inf),
        (lambda x: 2 * x.abs() ** 0.7, -math.inf, math.inf),
    ],
)
def test_vertical_tangents_are_continuous_with_infinite_one_sided_derivatives(f, left, right, dtype):
    found = diagnose_derivative(f, 0.0, dtype=dtype)
    assert found.kind == "vertical"
    assert found.continuous is True and found.differentiable is False and found.autograd_is_derivative is False
    assert (found.left.derivative, found.right.derivative) == (left, right)


@both_types
@pytest.mark.parametrize(
    "f",
    [lambda x: 1 / x, lambda x: 1 / x**2, patch_at(0, 0, lambda x: 1 / x), lambda x: x.abs() ** -0.5 - 2],
    ids=["odd", "even", "with a value", "half a power"],
)
def test_poles(f, dtype):
    found = diagnose_derivative(f, 0.0, dtype=dtype)
    assert found.kind == "pole"
    assert found.continuous is False and found.differentiable is False and found.autograd_is_derivative is False
    assert found.jump is None


@both_types
def test_a_removable_discontinuity_is_no_jump(dtype):
    found = diagnose_derivative(patch_at(1, 5, torch.square), 1.0, dtype=dtype)
    assert found.kind == "removable"
    assert found.jump == 0
    assert found.continuous is False and found.left_continuous is False and found.right_continuous is False
    assert abs(found.left.limit - 1) <= found.left.limit_error


@both_types
@pytest.mark.parametrize(("f", "x"), [(torch.sqrt, 0.0), (torch.log, 0.0), (torch.asin, 1.0), (torch.log, -1.0)])
def test_a_point_at_the_edge_or_outside_of_the_domain_is_undefined(f, x, dtype):
    found = diagnose_derivative(f, x, dtype=dtype)
    assert found.kind == "undefined"
    assert found.differentiable is False and found.autograd_is_derivative is False


@both_types
@pytest.mark.parametrize(
    ("f", "x", "derivative"),
    [
        (patch_at(0, lambda x: 897 * x, lambda x: x**4), 0.0, 0),
        (lambda x: (x**4).sqrt(), 0.0, 0),  # autograd: 0 · inf = nan
        (lambda x: torch.where(x > 0, x.sqrt() ** 2, x), 0.0, 1),
        (lambda x: torch.relu(x) - torch.relu(-x), 0.0, 1),  # autograd takes 0 for both kinks
        (lambda x: x.detach() * x, 2.0, 4),
    ],
    ids=["branch", "square root", "where", "two kinks", "detached"],
)
def test_autograd_is_contradicted_where_it_is_wrong(f, x, derivative, dtype):
    found = diagnose_derivative(f, x, dtype=dtype)
    assert found.kind == "differentiable"
    assert abs(found.derivative - derivative) <= found.derivative_error
    assert found.autograd_is_derivative is False
    assert abs(found.autograd - derivative) > 0.5 or math.isnan(found.autograd)


@pytest.mark.parametrize("error", [0.01, -0.01])
def test_an_autograd_value_that_is_wrong_by_a_little_is_caught(error):
    # Both branches have the value sin(x); the graph of the second is off by one part in a hundred.
    found = diagnose_derivative(lambda x: torch.sin(x) + error * (x - x.detach()), 1.0)
    assert found.autograd == pytest.approx(math.cos(1) + error)
    assert found.autograd_is_derivative is False


# "cannot tell" -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "continuous"),
    [
        (patch_at(0, 0, lambda x: torch.sin(1 / x)), None),
        (patch_at(0, 0, lambda x: x * torch.sin(1 / x)), True),
        (patch_at(0, 0, lambda x: x * x.abs().log()), True),
        (patch_at(0, 0, lambda x: 1 / x.abs().log()), None),
        # Straight at the powers of two, and at 16 places of each octave.
        (patch_at(0, 0, lambda x: x * (2 + torch.sin(2 * math.pi * x.abs().log2()))), True),
        (patch_at(0, 0, lambda x: x * (2 + torch.sin(16 * math.pi * x.abs().log2()))), True),
        (patch_at(0, 0, lambda x: torch.sin(2 * math.pi * x.abs().log2())), None),
        (patch_at(0, 0, lambda x: x.sign() * 2 ** x.abs().log2().floor()), True),
        (lambda x: (1e8 + x) - 1e8, True),
        (lambda x: (1e10 + x) - 1e10, True),
        (lambda x: torch.tanh(1e9 * x), None),
        (lambda x: softshrink(x, 1e-7), True),
    ],
    ids=[
        *("sin 1/x", "x sin 1/x", "x log x", "1/log", "x in octaves", "x in finer octaves", "octaves", "powers of two"),
        *("cancellation", "more of it", "steep", "fine structure"),
    ],
)
def test_it_says_that_it_cannot_tell(f, continuous):
    found = diagnose_derivative(f, 0.0)
    assert found.kind == "cannot tell"
    assert found.continuous is continuous
    assert found.differentiable is None and found.autograd_is_derivative is None and found.derivative is None
    assert "pass a scale" in found.reason and found.reason in describe(found)


def test_cancellation_is_not_taken_for_a_slope():
    # (1 - cos x) / x² is flat at 1e-6 up to 1e-6; rounding makes a sawtooth of slope 1e6 of it.
    found = diagnose_derivative(lambda x: (1 - torch.cos(x)) / x**2, 1e-6)
    assert found.kind == "cannot tell" and found.autograd_is_derivative is None


def test_a_smaller_scale_or_the_magnitude_resolves_what_could_not_be_told():
    assert diagnose_derivative(lambda x: torch.tanh(1e9 * x), 0.0, scale=1e-10).autograd_is_derivative is True
    assert diagnose_derivative(lambda x: softshrink(x, 1e-7), 0.0, scale=1e-8).derivative == 0
    found = diagnose_derivative(lambda x: (1e8 + x) - 1e8, 0.0, magnitude=1e8)
    assert abs(found.derivative - 1) <= found.derivative_error < 1e-3
    assert found.autograd_is_derivative is True


def test_a_slope_that_rounding_hides_is_neither_confirmed_nor_denied():
    found = diagnose_derivative(lambda x: 1 + 1e-9 * x, 0.0, dtype=torch.float32)
    assert found.derivative_error > 1e-9 and found.autograd_is_derivative is None
    assert "cannot tell whether the derivative" in describe(found)
    assert diagnose_derivative(lambda x: 1 + 1e-9 * x, 0.0).autograd_is_derivative is True
    assert diagnose_derivative(lambda x: 1 + 0 * x, 0.0, dtype=torch.float32).autograd_is_derivative is True


def test_one_side_can_settle_what_the_other_leaves_open():
    found = diagnose_derivative(lambda x: x if x <= 0 else 1 + torch.sin(1 / x), 0.0)
    assert found.kind == "cannot tell" and found.left_continuous is True and found.continuous is None
    found = diagnose_derivative(lambda x: x - 3 if x < 0 else x * torch.sin(1 / x) if x > 0 else x, 0.0)
    assert found.kind == "jump" and found.right_continuous is True and found.differentiable is False
    found = diagnose_derivative(lambda x: x - 3 if x < 0 else torch.sin(1 / x) if x > 0 else x, 0.0)
    assert found.kind == "cannot tell" and found.continuous is False and found.autograd_is_derivative is False


@pytest.mark.parametrize(
    ("f", "x", "scale", "reason"),
    [
        (torch.sin, 1.0, 1e-14, "on both sides, only 6 steps lie between the scale and the spacing"),
        (lambda x: 1e3 + x, 0.0, 1e-3, "on both sides, the quotients tend to"),
        (lambda x: torch.log(x - 0.999), 1.0, 1.0, "on the left, f is not finite at some of the steps"),
    ],
)
def test_the_reason_says_what_stands_in_the_way(f, x, scale, reason):
    dtype = torch.float32 if x == 0 else torch.float64
    found = diagnose_derivative(f, x, scale=scale, dtype=dtype)
    assert found.kind == "cannot tell" and reason in found.reason, found.reason
    assert diagnose_derivative(f, x, scale=2.0**-12).kind == "differentiable"  # in float64


# Pieces made by hypothesis, their truth known ------------------------------------------------------

coefficients = st.sampled_from([-3.0, -1.3, -0.5, -0.1, 0.0, 0.2, 0.7, 1.0, 2.9])
gaps = st.sampled_from([-2.0, -0.3, 0.0, 0.0, 0.05, 1.7])
places = st.sampled_from([-2.0, -0.3, 0.0, 0.1, 1.0, 3.7])
# What the diagnosis must recognise in float64 …
CLEAR = ("polynomial", "flat", "root", "pole", "outside")
# … and where it may say that it cannot tell, but nothing untrue.
UNCLEAR = (
    *("oscillation", "damped oscillation", "squeezed oscillation", "oscillation in octaves", "octaves", "steps"),
    *("logarithm", "s log s", "kink beside", "jump beside"),
)


@dataclass(frozen=True)
class Piece:
    """One side of a function: f(place + s) for s of one sign."""

    shape: str
    limit: float
    slope: float
    bend: float
    factor: float
    power: float
    beside: float

    def __call__(self, s):
        size = s.abs()
        straight = self.limit + self.slope * s
        match self.shape:
            case "polynomial" | "flat":
                return straight + self.bend * s * s * (1 + s)
            case "root":
                return self.limit + self.factor * size**self.power
            case "pole":
                return self.limit + self.factor * size ** -(2 * self.power)
            case "outside":
                return s * math.nan
            case "oscillation":
                return self.limit + torch.sin(1 / s)
            case "damped oscillation":
                return straight + s * torch.sin(1 / s)
            case "squeezed oscillation":
                return straight + s * s * torch.sin(1 / s)
            case "oscillation in octaves":
                return straight + s * torch.sin(2 * math.pi * size.log2())
            case "octaves":
                return self.limit + torch.sin(2 * math.pi * size.log2())
            case "steps":
                return self.limit + 2 ** size.log2().floor()
            case "logarithm":
                return self.limit + size.log()
            case "s log s":
                return straight + s * size.log()
            case "kink beside":
                return straight + self.factor * torch.relu(size - self.beside)
            case "jump beside":
                return straight + self.factor * (size >= self.beside)

    @property
    def tends_to(self):
        """The limit, ±inf, or None where there is none."""
        if self.shape in ("oscillation", "octaves", "outside"):
            return None
        if self.shape == "logarithm":
            return -math.inf
        return math.copysign(math.inf, self.factor) if self.shape == "pole" else self.limit

    def derivative(self, value, side):
        """The limit of the quotients of a function with this piece and `value` at s = 0; None where there is none."""
        if self.tends_to is None or math.isinf(self.tends_to):
            return None
        if self.limit != value:
            return math.copysign(math.inf, (self.limit - value) * side)
        if self.shape == "root":
            return math.copysign(math.inf, self.factor * side)
        if self.shape == "s log s":
            return -math.inf
        return None if self.shape in ("damped oscillation", "oscillation in octaves", "steps") else self.slope


@dataclass(frozen=True)
class Pieces:
    """A function with a piece on either side of `place`, and a value at it; all known exactly."""

    place: float
    left: Piece
    right: Piece
    value: float

    def __call__(self, x):
        s = x - self.place
        if s == 0:
            return 0 * s + self.value
        return self.right(s) if s > 0 else self.left(s)

    @property
    def sides(self):
        return ((self.left, -1), (self.right, 1))

    @property
    def slopes(self):
        return tuple(piece.derivative(self.value, side) for piece, side in self.sides)

    @property
    def differentiable(self):
        left, right = self.slopes
        return left is not None and left == right and math.isfinite(left)

    @property
    def kinds(self):
        """What it is to be called, as a set; the empty one where nothing but "cannot tell" will do."""
        shapes, limits = (self.left.shape, self.right.shape), [piece.tends_to for piece, _ in self.sides]
        if "pole" in shapes:
            return {"pole"}
        if "outside" in shapes or "logarithm" in shapes:
            return {"undefined"} if "outside" in shapes else {"pole"}
        if None in limits:
            return set()
        if limits[0] != limits[1]:
            return {"jump"}
        if self.value != limits[0]:
            return {"removable"}
        if None in self.slopes:
            return set()
        if any(math.isinf(slope) for slope in self.slopes):
            return {"vertical"}
        return {"differentiable"} if self.differentiable else {"kink"}


@st.composite
def pieces(draw, shapes=CLEAR):
    left = draw(coefficients)
    limits = (left, left + draw(gaps))
    value = draw(st.sampled_from([*limits, *limits, limits[0] + 0.7]))
    slope = draw(coefficients)
    slopes = (slope, draw(st.sampled_from([slope, 0.0, slope + 0.5])))
    # Half of the pieces are polynomials, or too few functions would be continuous, and fewer differentiable.
    drawn = st.one_of(st.just("polynomial"), st.sampled_from(shapes))
    made = []
    for limit, slope in zip(limits, slopes, strict=True):
        shape = draw(drawn)
        flat = shape == "flat"
        made.append(
            Piece(
                shape,
                limit,
                slope=0.0 if flat else slope,
                bend=0.0 if flat else draw(coefficients),
                factor=draw(st.sampled_from([-1.0, 1.0, 2.0, -0.6])),
                power=draw(st.sampled_from([0.25, 0.5, 0.7])),
                beside=10 ** draw(st.floats(-10, -1)),
            )
        )
    return Pieces(draw(places), *made, value)


def place_of(f, dtype):
    """Return f moved to where its place is a number of the type, so that x - place is 0 there.

    What lies beside the place is moved to where it is no smaller than rounding errors, nor nearer than the steps.
    """
    least = 2.0**10 * torch.finfo(dtype).eps
    sides = {"left": f.left, "right": f.right}
    sides = {name: replace(piece, beside=max(piece.beside, least)) for name, piece in sides.items()}
    return replace(f, place=torch.tensor(f.place, dtype=dtype).item(), **sides)


def assert_nothing_untrue(found, f, dtype):
    """Check each statement of a diagnosis at the place of f, where "cannot tell" is none."""
    said = describe(found)
    rounding = 4 * torch.finfo(dtype).eps  # of the constants themselves, each below 4
    for (piece, side), seen in zip(f.sides, (found.left, found.right), strict=True):
        true = piece.derivative(f.value, side)
        if seen.continuous is not None:
            assert seen.continuous == (piece.tends_to == f.value), said
        if seen.limit is not None:
            assert piece.tends_to is not None and abs(seen.limit - piece.limit) <= seen.limit_error + rounding, said
        if seen.derivative is not None and math.isinf(seen.derivative):
            assert seen.derivative == true, said
        elif seen.derivative is not None:
            assert true is not None and abs(seen.derivative - true) <= seen.derivative_error + rounding, said
        expected = {"pole": piece.shape in ("pole", "logarithm"), "undefined": piece.shape == "outside"}
        assert expected.get(seen.behaviour, True), said
    assert found.kind == "cannot tell" or found.kind in f.kinds, said
    if found.jump is not None:
        true = f.right.limit - f.left.limit if found.kind == "jump" else 0
        assert abs(found.jump - true) <= found.jump_error + 2 * rounding, said
    if found.continuous is not None:
        assert found.continuous == all(piece.tends_to == f.value for piece, _ in f.sides), said
    if found.differentiable is not None:
        assert found.differentiable == f.differentiable, said
    # At the place itself f is a constant in the graph.
    assert found.autograd == 0
    if found.autograd_is_derivative is not None:
        assert found.autograd_is_derivative == (f.differentiable and f.slopes[0] == 0), said


@both_types
@given(f=pieces())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_what_was_made_is_what_is_found(f, dtype):
    f = place_of(f, dtype)
    found = diagnose_derivative(f, f.place, dtype=dtype, scale=0.25)
    assert_nothing_untrue(found, f, dtype)
    if dtype == torch.float64:
        assert {found.kind} == f.kinds, describe(found)
        behaviours = {
            "polynomial": "slope",
            "flat": "slope",
            "root": "vertical",
            "pole": "pole",
            "outside": "undefined",
        }
        for (piece, _), side in zip(f.sides, (found.left, found.right), strict=True):
            closed = piece.tends_to in (None, f.value) or math.isinf(piece.tends_to)
            assert side.behaviour == (behaviours[piece.shape] if closed else "jump"), describe(found)
        for piece, side in ((f.left, found.left), (f.right, found.right)):
            if piece.shape == "flat" and side.behaviour == "slope":
                assert side.derivative == 0
    elif found.kind == "cannot tell":
        assert "float64" in found.reason


@both_types
@given(f=pieces(shapes=CLEAR + UNCLEAR))
@settings(max_examples=250, deadline=None, derandomize=True)
def test_what_cannot_be_told_is_left_open_and_never_wrong(f, dtype):
    f = place_of(f, dtype)
    assert_nothing_untrue(diagnose_derivative(f, f.place, dtype=dtype, scale=0.25), f, dtype)


@pytest.mark.parametrize("shape", CLEAR + UNCLEAR)
def test_the_shapes_are_recognised_or_left_open_one_by_one(shape):
    piece = Piece(shape, limit=1.0, slope=0.0 if shape == "flat" else 2.0, bend=0.0, factor=1.0, power=0.5, beside=1e-5)
    found = diagnose_derivative(Pieces(0.0, piece, piece, 1.0), 0.0)
    # A squeezed oscillation is told apart by its quotients, which fall with the step.
    told = shape in CLEAR or shape == "squeezed oscillation"
    assert (found.kind != "cannot tell") == told, describe(found)


@both_types
@given(f=pieces(shapes=("polynomial",)), size=st.sampled_from([1e-3, 1e-5, 1e-8, 1e-12]))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_noise_hides_but_does_not_mislead(f, size, dtype):
    f = place_of(f, dtype)

    def noisy(x):
        return f(x) + size * random.Random(x.item()).uniform(-1, 1)  # the same each time

    found = diagnose_derivative(noisy, f.place, dtype=dtype, scale=0.25)
    assert found.kind in {*f.kinds, "cannot tell"}, describe(found)
    for piece, side in ((f.left, found.left), (f.right, found.right)):
        if side.behaviour == "slope":
            assert abs(side.derivative - piece.slope) <= side.derivative_error, describe(found)


@given(f=pieces(shapes=CLEAR + UNCLEAR))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_the_mirror_image_has_the_sides_exchanged(f):
    f = place_of(f, torch.float64)
    found = diagnose_derivative(f, f.place, scale=0.25)
    mirrored = diagnose_derivative(lambda x: f(-x), -f.place, scale=0.25)
    assert mirrored.kind == found.kind
    assert (mirrored.left_continuous, mirrored.right_continuous) == (found.right_continuous, found.left_continuous)
    for side, other in ((mirrored.left, found.right), (mirrored.right, found.left)):
        assert (side.behaviour, side.limit, side.limit_error) == (other.behaviour, other.limit, other.limit_error)
        assert side.derivative == (None if other.derivative is None else -other.derivative)


@given(f=pieces(), distance=st.floats(-8, 0), bump=st.sampled_from([0.0, 0.3, -2.0]), turn=st.sampled_from([0.5, -3.0]))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_structure_beside_the_point_makes_it_silent_but_never_wrong(f, distance, bump, turn):
    edge = f.place + 10**distance

    def disturbed(x):
        return f(x) if x < edge else f(x) + bump + turn * (x - edge)

    assert_nothing_untrue(diagnose_derivative(disturbed, f.place, scale=1.0), f, torch.float64)
    # Small beside the structure, the scale leaves only the pieces at the point itself.
    assert_nothing_untrue(diagnose_derivative(disturbed, f.place, scale=10**distance / 4), f, torch.float64)


@both_types
@given(
    x=st.floats(-3, 3),
    a=st.sampled_from([0.3, 1.0, 4.0]),
    shift=st.sampled_from([0.0, 10.0, -1e3]),
)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_a_smooth_function_is_never_called_anything_else(x, a, shift, dtype):
    x = torch.tensor(x, dtype=dtype).item()
    found = diagnose_derivative(lambda t: torch.sin(a * t) + t * t + shift, x, dtype=dtype, scale=0.25)
    assert found.kind in ("differentiable", "cannot tell"), describe(found)
    assert found.autograd_is_derivative in (True, None), describe(found)
    if found.derivative is not None:
        assert abs(found.derivative - (a * math.cos(a * x) + 2 * x)) <= found.derivative_error
    if dtype == torch.float64:
        assert found.kind == "differentiable"


@both_types
@given(f=pieces(), octaves=st.integers(-30, 10))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_the_diagnosis_scales_with_the_unit_of_x(f, octaves, dtype):
    # Powers of two scale exactly, so that nothing but the unit may change.
    f = place_of(f, dtype)
    unit = 2.0**octaves
    found = diagnose_derivative(f, f.place, dtype=dtype, scale=0.25)
    scaled = diagnose_derivative(lambda x: f(x / unit), f.place * unit, dtype=dtype, scale=0.25 * unit)
    assert scaled.kind == found.kind
    assert (scaled.jump, scaled.jump_error) == (found.jump, found.jump_error)
    if found.derivative is not None:
        assert scaled.derivative == found.derivative / unit


# The results themselves ----------------------------------------------------------------------------


def test_steps_and_quotients_are_those_of_the_definition():
    found = diagnose_derivative(torch.square, 1.0, scale=0.3)
    assert found.right.steps[:3] == (0.25, 0.125, 0.0625)
    # ((1 ± h)² - 1) / ±h = 2 ± h, exactly in floating point for these steps.
    assert found.right.quotients[:3] == (2.25, 2.125, 2.0625)
    assert found.left.quotients[:3] == (1.75, 1.875, 1.9375)
    assert found.right.steps[-1] == torch.finfo(torch.float64).eps


def test_a_tensor_keeps_its_type_and_a_diagnosis_cannot_be_changed():
    found = diagnose_derivative(torch.square, torch.tensor(1.0))
    assert found.right.steps[-1] == torch.finfo(torch.float32).eps
    with pytest.raises(FrozenInstanceError):
        found.kind = "kink"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": math.inf}, "x = inf has no neighbours"),
        ({"x": math.nan}, "x = nan"),
        ({"x": 1.0, "scale": 0.0}, "scale = 0.0 is not a step"),
        ({"x": 1.0, "scale": math.inf}, "scale = inf"),
        ({"x": 1.0, "spacing": -1.0}, "spacing = -1.0 is not a distance"),
        ({"x": 1.0, "dtype": torch.float16}, "needs float32 or float64; got torch.float16"),
    ],
)
def test_arguments_without_meaning_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        diagnose_derivative(torch.sin, **arguments)


def test_the_sweep_has_a_row_for_each_point_and_keeps_cannot_tell_apart():
    f = patch_at(0, 0, lambda x: x * torch.sin(1 / x) if x < 0.5 else torch.floor(x))
    table = diagnose_sweep(f, [0.0, 1.5, 2.0])
    assert table["x"].tolist() == [0.0, 1.5, 2.0]
    assert table["kind"].tolist() == ["cannot tell", "differentiable", "jump"]
    assert table["differentiable"].tolist() == [None, True, False]
    assert table["autograd_is_derivative"].tolist() == [None, True, False]
    assert table["right_continuous"].tolist() == [True, True, True]
    assert table.loc[1, "derivative"] == 0 and math.isnan(table.loc[0, "derivative"])
    assert table.loc[2, ["left", "right", "jump"]].tolist() == [math.inf, 0, 1]
    assert (table["reason"] != "").tolist() == [True, False, False]


def test_a_sweep_over_no_points_has_the_same_columns():
    assert list(diagnose_sweep(torch.sin, []).columns) == list(diagnose_sweep(torch.sin, [1.0]).columns)


@pytest.mark.parametrize(
    ("f", "x", "words"),
    [
        (torch.floor, 2.0, ["a jump of 1 ±", "right-continuous", "left derivative infinite", "not the derivative"]),
        (torch.abs, 0.0, ["verdict: kink", "left derivative -1", "right derivative 1", "not the derivative"]),
        (lambda x: 3 * x, 1.0, ["differentiable, with derivative 3", "autograd returns 3: the derivative"]),
        (lambda x: 1 / x, 0.0, ["a pole on the left", "verdict: pole"]),
        (torch.sqrt, 0.0, ["not defined on the left"]),
        (patch_at(0, 0, lambda x: torch.sin(1 / x)), 0.0, ["cannot tell whether the derivative", "left limit unknown"]),
    ],
)
def test_the_description_says_what_was_found(f, x, words):
    sentence = describe(diagnose_derivative(f, x))
    assert [word for word in words if word not in sentence] == [], sentence
