from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradlab.engine.figures import load_figures
from gradlab.engine.study import discover
from gradlab.studies.regularization import search

# --- grids


def test_coarse_grid_is_even_in_the_exponent():
    grid = search.lambda_grid(8)
    np.testing.assert_allclose(np.log10(grid), [-5 + 4 * i / 7 for i in range(8)], rtol=1e-13)
    np.testing.assert_allclose(search.lambda_grid(3, (-2.0, 2.0)), [0.01, 1, 100], rtol=1e-15)


def test_published_lambdas_follow_from_the_grids():
    """Two are printed: place 5 of the coarse grid, then place 1 of the grid between that one's neighbours."""
    coarse = search.lambda_grid(8)
    grids = {"coarse": coarse, "fine": search.refined_grid(coarse, 5, 10)}
    values = {figure.id: figure.value for figure in load_figures(discover()["regularization"])}
    published = {
        f"{name}-{place}": values.get(f"{name}-{place}.lambda") for name in grids for place in range(len(grids[name]))
    }
    assert [cell for cell, value in published.items() if value is None] == ["coarse-5", "fine-1"]
    published |= {"coarse-5": values["coarse.best_lambda"], "fine-1": values["fine.best_lambda"]}
    assert [*published.values()] == [str(value) for grid in grids.values() for value in grid.tolist()]


def test_the_coarse_grid_is_the_formula_rounded_once():
    """10^e to fifty digits, for the exponent as floating point has it."""
    with localcontext(prec=50):
        exact = [float(Decimal(10) ** Decimal(4 * u - 5)) for u in np.linspace(0, 1, 8).tolist()]
    assert search.lambda_grid(8).tolist() == exact


@given(
    grid=st.lists(st.floats(1e-6, 1), min_size=1, max_size=9, unique=True).map(sorted),
    points=st.integers(2, 12),
    data=st.data(),
)
def test_refined_grid_runs_from_neighbour_to_neighbour(grid, points, data):
    best = data.draw(st.integers(0, len(grid) - 1))
    refined = search.refined_grid(grid, best, points)
    assert len(refined) == points
    assert refined[0] == (grid[best] if best == 0 else grid[best - 1])
    assert refined[-1] == (grid[best] if best == len(grid) - 1 else grid[best + 1])
    spacing = (refined[-1] - refined[0]) / (points - 1)
    np.testing.assert_allclose(np.diff(refined), spacing, rtol=1e-6, atol=1e-15)


@pytest.mark.parametrize("best", [-1, 3])
def test_refining_a_place_outside_the_grid_is_refused(best):
    with pytest.raises(ValueError, match=f"best is {best}"):
        search.refined_grid([0.1, 0.2, 0.3], best, 5)


def test_best_is_the_first_of_the_highest():
    assert search.best_index([0.2, 0.5, 0.5, 0.1]) == 1


@pytest.mark.parametrize("accuracies", [[], [0.2, None], [float("nan")]])
def test_a_missing_accuracy_is_refused(accuracies):
    with pytest.raises(ValueError, match="validation accuracy"):
        search.best_index(accuracies)


def test_a_metric_is_found_under_any_cell_name():
    metrics = {"fine-3.validation_accuracy": 0.5, "fine-3.best_lambda": 0.1}
    assert search.find_metric(metrics, "best_lambda") == 0.1
    with pytest.raises(KeyError, match="refined_grid"):
        search.find_metric(metrics, "refined_grid")
    with pytest.raises(KeyError, match=r"b\.best_lambda"):
        search.find_metric({"a.best_lambda": 1, "b.best_lambda": 2}, "best_lambda")


# --- the order of the rows


def test_the_effect_of_the_order_leaves_the_control_out():
    effect = search.compare_orders([0.5, 0.52, 0.40, 0.1], [0.5, 0.50, 0.55, 0.1])
    np.testing.assert_allclose(effect.differences, [0, -0.02, 0.15, 0], atol=1e-15)
    assert effect.largest_absolute == pytest.approx(0.15)
    assert effect.mean_absolute == pytest.approx(0.17 / 3)
    assert (effect.best_from_left_order, effect.best_from_data_order) == (1, 2)


def test_a_first_run_that_differs_is_refused():
    with pytest.raises(ValueError, match=r"accuracy 0\.5 with the runs before it and 0\.5002 without"):
        search.compare_orders([0.5, 0.6], [0.5002, 0.6])


def test_a_single_run_has_nothing_before_it():
    effect = search.compare_orders([0.5], [0.5])
    assert (effect.largest_absolute, effect.mean_absolute) == (0.0, 0.0)
