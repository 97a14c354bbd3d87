"""The choice of λ, and which others cannot be told from it."""

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import chi

from gradlab.studies.regularization.choice import choose_lambda, compare_with_best

GRID = [0.001, 0.01, 0.1]


def metrics_of(accuracies, grid=GRID):
    """Return what the search of one seed leaves behind."""
    return {
        "coarse.lambdas": list(grid),
        "coarse.validation_accuracies": list(accuracies),
        "coarse.best_lambda": grid[0],
    }


@pytest.mark.parametrize(
    ("accuracies", "best", "of_each_seed"),
    [
        # The mean chooses what one seed of three would not have chosen, then what two of three would not have.
        ([[0.50, 0.53, 0.10], [0.51, 0.50, 0.10], [0.50, 0.52, 0.10]], 1, (1, 0, 1)),
        ([[0.50, 0.51, 0.10], [0.50, 0.51, 0.10], [0.56, 0.50, 0.10]], 0, (1, 1, 0)),
        ([[0.10, 0.20, 0.90]], 2, (2,)),
    ],
)
def test_the_highest_mean_is_chosen(accuracies, best, of_each_seed):
    choice = choose_lambda(range(len(accuracies)), [metrics_of(row) for row in accuracies])
    assert (choice.best, choice.best_of_each_seed) == (best, of_each_seed)
    for place, mean in enumerate(choice.means):
        assert mean == pytest.approx(sum(row[place] for row in accuracies) / len(accuracies), rel=1e-14)
    assert choice.lambdas.tolist() == GRID
    assert choice.accuracies.tolist() == accuracies


@pytest.mark.parametrize("swapped", [False, True])
def test_equal_means_go_to_the_first_lambda_in_spite_of_rounding(swapped):
    # In floating point, (0.1 + 0.2) + 0.3 and (0.3 + 0.2) + 0.1 are not equal.
    up, down = [0.1, 0.2, 0.3], [0.3, 0.2, 0.1]
    assert sum(up) != sum(down)
    columns = [down, up] if swapped else [up, down]
    rows = [[0.0, *row] for row in zip(*columns, strict=True)]
    assert choose_lambda([0, 1, 2], [metrics_of(row) for row in rows]).best == 1


def test_means_that_differ_by_one_image_are_not_equal():
    # 5,000 validation images, five seeds: the smallest difference of two means is 1 / 25,000.
    rows = [[0.5, 0.5, 0.5]] * 4 + [[0.5, 0.5, 0.5 + 1 / 5000]]
    assert choose_lambda(range(5), [metrics_of(row) for row in rows]).best == 2


def test_unequal_grids_are_refused():
    other = [0.001, 0.02, 0.1]
    with pytest.raises(ValueError, match=r"seed 4 searched the grid \[0.001, 0.02, 0.1\], but seed 3 searched"):
        choose_lambda([3, 4], [metrics_of([0.1, 0.2, 0.3]), metrics_of([0.1, 0.2, 0.3], other)])


def test_a_search_without_an_accuracy_for_every_lambda_is_refused():
    with pytest.raises(ValueError, match="seed 4 has 2 validation accuracies for 3 λ"):
        choose_lambda([3, 4], [metrics_of([0.1, 0.2, 0.3]), metrics_of([0.1, 0.2])])
    with pytest.raises(ValueError, match="every run needs a validation accuracy"):
        choose_lambda([3], [metrics_of([0.1, None, 0.3])])


@pytest.mark.parametrize("seeds", [[], [0], [1, 1], [0, 1, 2]])
def test_searches_and_seeds_have_to_fit(seeds):
    with pytest.raises(ValueError, match="one search for each seed"):
        choose_lambda(seeds, [metrics_of([0.1, 0.2, 0.3])] * 2)


def compare(rows, grid=GRID):
    return compare_with_best(choose_lambda(range(len(rows)), [metrics_of(row, grid) for row in rows]))


def dunnett_p_value(statistic, others, freedom):
    """Return P(max_i (Z_i − Z_0) / (√2·S) ≥ t) by quadrature: given Z_0 and S the Z_i are independent."""
    z, s = np.linspace(-8, 8, 801), np.linspace(1e-3, 4, 800)
    densities = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi), chi.pdf(s * np.sqrt(freedom), freedom) * np.sqrt(freedom)
    below = ndtr(np.sqrt(2) * statistic * s[:, None] + z) ** others  # (s, z)
    return 1 - np.trapezoid(np.trapezoid(below * densities[0], z) * densities[1], s)


def test_every_lambda_is_held_against_the_best_in_one_procedure():
    rows = np.array([[0.50, 0.52, 0.45, 0.518], [0.51, 0.53, 0.46, 0.522], [0.505, 0.54, 0.44, 0.527]])
    found = compare(rows, [0.001, 0.01, 0.1, 1.0])
    sd = np.sqrt(np.mean([np.var(arm, ddof=1) for arm in rows.T]))  # one variance for all λ
    assert found.sd == pytest.approx(sd)
    assert found.p_values[1] is None
    for place in (0, 2, 3):
        statistic = (rows[:, 1].mean() - rows[:, place].mean()) / (sd * np.sqrt(2 / 3))
        assert found.p_values[place] == pytest.approx(dunnett_p_value(statistic, 3, 4 * 2), abs=2e-4)
    assert found.not_told_apart == (1.0,)
    assert compare(rows, [0.001, 0.01, 0.1, 1.0]) == found  # the same digits each time


def test_the_error_rate_is_that_of_all_comparisons_together():
    """A difference that tells one other λ from the best does not where there are many."""
    row = np.array(
        [[0.48, 0.50], [0.49, 0.51], [0.47, 0.49]]
    )  # 0.02 at s = 0.01: t = 2.45, one-sided p = 0.035 with 4 df
    assert compare(row, [0.001, 0.01]).not_told_apart == ()
    many = np.hstack([row[:, :1]] * 9 + [row[:, 1:]])
    assert len(compare(many, list(range(10))).not_told_apart) == 9


@pytest.mark.parametrize("rows", [[[0.1, 0.9, 0.2]], [[0.1, 0.9, 0.2]] * 3])
def test_without_a_spread_over_seeds_nothing_is_told_apart(rows):
    found = compare(rows)
    assert found.p_values == (None, None, None)
    assert found.not_told_apart == (0.001, 0.1)
    assert (found.sd is None) == (len(rows) == 1)
