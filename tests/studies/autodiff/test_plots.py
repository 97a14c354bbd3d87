"""Figures of the edge cases: they show the curves of the study, break at its jumps, and mark open and closed ends."""

import matplotlib
import numpy as np
import pytest
import torch

matplotlib.use("agg")

import matplotlib.pyplot as plt

from gradlab.lab import record
from gradlab.studies.autodiff import plots as plots
from gradlab.studies.autodiff.edge_cases import CASES, THRESHOLD, study
from gradlab.studies.autodiff.torch_functions import sample_graphs, select_examples, sweep_examples


@pytest.fixture(scope="module")
def studies():
    return {case: study(case, generator=torch.Generator().manual_seed(0)) for case in CASES}


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def ends(ax):
    """Return the marked points of a panel as {(x, y): whether it is filled}."""
    marked = {}
    for line in ax.lines:
        if len(line.get_xdata()) == 1:
            (x,), (y,) = line.get_data()
            marked[float(x), float(y)] = line.get_markerfacecolor() != "white"
    return marked


def lines(ax):
    return [line for line in ax.lines if len(line.get_xdata()) > 1]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("draw", [plots.draw_function, plots.draw_detail])
def test_figures_are_the_same_to_the_byte(case, draw, studies, tmp_path):
    for folder in ("a", "b"):
        record.save_figure(tmp_path / folder, "figure", draw(studies[case]), alt="")
    first, second = ((tmp_path / folder / "figure.svg").read_bytes() for folder in ("a", "b"))
    assert first == second


@pytest.mark.parametrize("case", CASES)
def test_every_panel_names_its_axes_and_every_figure_has_words(case, studies):
    for figure in (plots.draw_function(studies[case]), plots.draw_detail(studies[case])):
        assert all(ax.get_title() and ax.get_xlabel() for ax in figure.axes)
    assert len(plots.describe_function(case)) > 50 and len(plots.describe_detail(case)) > 50


def test_the_jump_has_a_closed_and_an_open_end(studies):
    function, derivative = plots.draw_function(studies["jump"]).axes
    assert ends(function) == {(0, 0): True, (0, 200): False}
    assert ends(derivative)[0, -1728] is True
    (line,) = lines(function)
    x, y = line.get_data()
    (gap,) = np.flatnonzero(np.isnan(y))
    assert x[gap - 1] == 0 and x[gap + 1] > 0
    closed, opened, quotients = plots.draw_detail(studies["jump"]).axes
    assert ends(closed) == {(0, 0): True} and ends(opened) == {(0, 200): False}
    left, right = lines(quotients)
    # The left quotient is h², the right one 200 / h + h².
    h = left.get_xdata()
    np.testing.assert_allclose(left.get_ydata(), h**2, rtol=1e-12)
    np.testing.assert_allclose(right.get_ydata(), 200 / h + h**2, rtol=1e-12)


def test_the_branch_of_the_power_is_one_point_apart(studies):
    function, derivative = plots.draw_function(studies["power"]).axes
    assert ends(function) == {} and ends(derivative) == {(0, 0): False, (0, 897): True}
    (ax,) = plots.draw_detail(studies["power"]).axes
    left, _, level = lines(ax)
    np.testing.assert_allclose(left.get_ydata(), left.get_xdata() ** 3, rtol=1e-12)
    assert set(level.get_ydata()) == {897}


def test_the_step_has_a_closed_and_an_open_end(studies):
    function, derivative = plots.draw_function(studies["step"]).axes
    assert ends(function) == {(0, 0): False, (0, 1): True}
    assert (lines(derivative)[0].get_ydata() == 0).all()
    accuracy, distance = plots.draw_detail(studies["step"]).axes
    stuck, trained = lines(distance)
    assert (stuck.get_ydata() == 0).all() and trained.get_ydata()[-1] > 1
    assert [len(line.get_xdata()) for line in lines(accuracy)] == [101, 101]


def test_the_sawtooth_is_drawn_without_lines_across_its_jumps(studies):
    function, _ = plots.draw_function(studies["halving"]).axes
    y = lines(function)[0].get_ydata()
    # Pieces: |x| < 1e-6 in one, and on either side one for each of the jumps at 2^k·1e-6 <= 2, k = 0 … 20.
    assert np.isnan(y).sum() == 2 * 21
    connected = ~np.isnan(np.diff(y))
    assert (np.diff(y)[connected] > 0).all()


@pytest.mark.parametrize(("row", "strict"), [(0, True), (2, False)])
def test_the_zoom_marks_the_ends_of_the_rule_that_it_shows(row, strict, studies):
    figure = plots.draw_detail(studies["halving"])
    marked = ends(figure.axes[row])
    t = float(np.float32(THRESHOLD)) / THRESHOLD
    for jump in (t, 2 * t):
        for sign in (-1, 1):
            at = {y: filled for (x, y), filled in marked.items() if abs(x - sign * jump) < 1e-6}
            upper, lower = max(at, key=abs), min(at, key=abs)
            # Halving once more, the strict rule owns the lower end; the other rule owns the upper one.
            assert (at[upper], at[lower]) == (not strict, strict)
            assert abs(upper) == pytest.approx(2 * abs(lower), rel=1e-6)


def test_a_missing_series_is_named(studies):
    found = studies["power"]
    broken = type(found)(
        found.name, found.metrics, found.curves.query("series != 'plain'"), found.diagnoses, found.answers
    )
    with pytest.raises(ValueError, match="have no value of 'plain': they hold value of 'branch'"):
        plots.draw_function(broken)


def draw_functions(*names):
    """Return the panels of `draw_functions` by title, and the text alternative."""
    examples = select_examples(names)
    table, graphs = sweep_examples(examples), sample_graphs(examples)
    figure = plots.draw_functions(table, graphs)
    return {ax.get_title().strip(): ax for ax in figure.axes}, plots.describe_functions(table, graphs)


def slope_line(ax):
    """Return the thick line of autograd's slope, or None."""
    thick = [line for line in ax.lines if line.get_linewidth() > 2]
    return thick[0] if thick else None


def test_the_thick_line_has_autograds_slope_and_passes_through_the_point():
    panels, _ = draw_functions("amax", "hardswish", "atan2(x, -1)", "sinc")
    expected = {"amax": (0, 0, 0.5), "hardswish": (-3, 0, 0), "atan2(x, -1)": (0, np.pi, -1), "sinc": (0, 1, 0)}
    assert set(panels) == set(expected)
    for name, (x, y, slope) in expected.items():
        line = slope_line(panels[name])
        (left, right), (lower, upper) = line.get_data()
        assert ((left + right) / 2, (lower + upper) / 2) == pytest.approx((x, y))
        assert (upper - lower) / (right - left) == pytest.approx(slope)
        # Green and full only where it is the derivative.
        assert (line.get_linestyle() == "-") == (line.get_color() == plots.COLOURS[2]) == (name == "sinc")


def test_a_nan_has_no_line_and_an_infinite_slope_an_upright_one():
    panels, alt = draw_functions("sqrt(x⁴)", "sqrt", "log", "sin(x)/x")
    assert slope_line(panels["sqrt(x⁴)"]) is None and "sqrt(x⁴) (x = 0): NaN" in alt
    (left, right), (lower, upper) = slope_line(panels["sqrt"]).get_data()
    assert left == right == 0 and lower < 0 < upper
    # These have no value at 0, and so no point for a line to pass through.
    for name in ("log", "sin(x)/x"):
        assert slope_line(panels[name]) is None and ends(panels[name]) == {}


@pytest.mark.parametrize(
    ("name", "closed", "opened"),
    [("floor", (2, 2), [(2, 1)]), ("sign", (0, 0), [(0, -1), (0, 1)]), ("abs", (0, 0), [])],
)
def test_the_ends_of_a_jump_are_open_or_closed_as_the_diagnosis_found(name, closed, opened):
    panels, _ = draw_functions(name)
    assert ends(panels[name]) == {closed: True, **dict.fromkeys(opened, False)}
    left, right = (line for line in lines(panels[name]) if line is not slope_line(panels[name]))
    assert max(left.get_xdata()) < closed[0] < min(right.get_xdata())


def test_the_figure_of_the_functions_says_what_it_shows_and_is_the_same_to_the_byte(tmp_path):
    examples = select_examples(["relu", "hardtanh", "floor", "digamma", "reciprocal"])
    table, graphs = sweep_examples(examples), sample_graphs(examples)
    for folder in ("a", "b"):
        record.save_figure(tmp_path / folder, "functions", plots.draw_functions(table, graphs), alt="")
    first, second = ((tmp_path / folder / "functions.svg").read_bytes() for folder in ("a", "b"))
    assert first == second
    figure = plots.draw_functions(table, graphs)
    assert len(figure.axes) == 5 and all(ax.get_title() and ax.get_xlabel() for ax in figure.axes)
    alt = plots.describe_functions(table, graphs)
    # hardtanh has two points in the table; only the first is drawn.
    assert "hardtanh (x = -1): 0, the left derivative" in alt and "x = 1)" not in alt
    assert "reciprocal (x = 0): -inf, none of these" in alt
