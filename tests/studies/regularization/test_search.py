import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradlab.lab.stats import compare_pairs
from gradlab.studies.regularization import replay, search, twolayer

GRID = [0.001, 0.01, 0.1]


def metrics_of(accuracies, grid=GRID):
    """Return what the search of one seed leaves behind."""
    return {
        "coarse.lambdas": list(grid),
        "coarse.validation_accuracies": list(accuracies),
        "coarse.best_lambda": grid[0],
    }


# --- grids


def test_coarse_grid_is_even_in_the_exponent():
    grid = search.lambda_grid(8)
    np.testing.assert_allclose(np.log10(grid), [-5 + 4 * i / 7 for i in range(8)], rtol=1e-13)
    np.testing.assert_allclose(search.lambda_grid(3, (-2.0, 2.0)), [0.01, 1, 100], rtol=1e-15)


def test_published_best_lambdas_follow_from_the_grids():
    # Printed by the notebook: place 5 of the coarse grid, then place 1 of the grid between that one's neighbours.
    coarse = search.lambda_grid(8)
    assert str(float(coarse[5])) == "0.007196856730011514"
    assert str(float(search.refined_grid(coarse, 5, 10)[1])) == "0.004696948864873693"


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


# --- the runs of a grid


def small_problem():
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(20, 12)), rng.integers(5, size=20)
    split = twolayer.Split(images, labels, images)
    settings = [twolayer.Settings(2, 5, lmbda, 3, evaluate_every=100) for lmbda in (0.0, 0.1, 0.1, 1.0)]
    return split, settings


@pytest.mark.parametrize("make_stream", [np.random.RandomState, np.random.default_rng])
def test_each_run_of_a_grid_is_the_one_trained_alone(make_stream):
    split, settings = small_problem()

    def start():
        rng = make_stream(7)
        return twolayer.init_parameters(rng=rng, sizes=(12, 7, 5)), rng

    parameters, rng = start()
    order = np.random.default_rng(1).permutation(20)
    runs = search.train_grid(parameters, split, split, settings=settings, order=order, rng=rng)
    for run, one in zip(runs, settings, strict=True):
        parameters, fresh = start()
        alone = twolayer.train(parameters, split, split, settings=one, order=order, rng=fresh)
        for array, other in zip(run.parameters, alone.parameters, strict=True):
            np.testing.assert_array_equal(array, other)
        assert (run.training, run.validation, run.curves) == (alone.training, alone.validation, alone.curves)
        np.testing.assert_array_equal(run.order, alone.order)
    assert not np.array_equal(runs[0].parameters.W1, runs[1].parameters.W1)
    assert rng.random() == start()[1].random()  # the caller's stream has not moved


def test_a_grid_from_the_data_order_is_free_of_the_notebooks_hidden_state():
    # The notebook's own way, each run from the order that the one before it left: the first run agrees, a later one of
    # the same settings does not.
    split, settings = small_problem()
    order, accuracies = np.arange(20), []
    for one in settings:
        rng = replay.two_layer_stream()
        parameters = twolayer.init_parameters(rng=rng, sizes=(12, 7, 5))
        run = twolayer.train(parameters, split, split, settings=one, order=order, rng=rng)
        order = run.order
        accuracies.append(run.parameters.W1)
    rng = replay.two_layer_stream()
    parameters = twolayer.init_parameters(rng=rng, sizes=(12, 7, 5))
    runs = search.train_grid(parameters, split, split, settings=settings, order=np.arange(20), rng=rng)
    np.testing.assert_array_equal(runs[0].parameters.W1, accuracies[0])
    np.testing.assert_array_equal(runs[1].parameters.W1, runs[2].parameters.W1)
    assert not np.array_equal(accuracies[1], accuracies[2])


# --- the choice over several seeds


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
    choice = search.choose_lambda(range(len(accuracies)), [metrics_of(row) for row in accuracies])
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
    assert search.choose_lambda([0, 1, 2], [metrics_of(row) for row in rows]).best == 1


def test_means_that_differ_by_one_image_are_not_equal():
    # 5,000 validation images, five seeds: the smallest difference of two means is 1 / 25,000.
    rows = [[0.5, 0.5, 0.5]] * 4 + [[0.5, 0.5, 0.5 + 1 / 5000]]
    assert search.choose_lambda(range(5), [metrics_of(row) for row in rows]).best == 2


def test_unequal_grids_are_refused():
    other = [0.001, 0.02, 0.1]
    with pytest.raises(ValueError, match=r"seed 4 searched the grid \[0.001, 0.02, 0.1\], but seed 3 searched"):
        search.choose_lambda([3, 4], [metrics_of([0.1, 0.2, 0.3]), metrics_of([0.1, 0.2, 0.3], other)])


def test_a_search_without_an_accuracy_for_every_lambda_is_refused():
    with pytest.raises(ValueError, match="seed 4 has 2 validation accuracies for 3 λ"):
        search.choose_lambda([3, 4], [metrics_of([0.1, 0.2, 0.3]), metrics_of([0.1, 0.2])])
    with pytest.raises(ValueError, match="every run needs a validation accuracy"):
        search.choose_lambda([3], [metrics_of([0.1, None, 0.3])])


@pytest.mark.parametrize("seeds", [[], [0], [1, 1], [0, 1, 2]])
def test_searches_and_seeds_have_to_fit(seeds):
    with pytest.raises(ValueError, match="one search for each seed"):
        search.choose_lambda(seeds, [metrics_of([0.1, 0.2, 0.3])] * 2)


def test_other_lambdas_are_told_apart_by_the_side_of_their_interval():
    choice = search.choose_lambda([0], [metrics_of([0.1, 0.9, 0.2])])
    assert search.not_told_apart(choice, [-1, 0, 0]) == [0.1]
    assert search.not_told_apart(choice, [0, 0, -1]) == [0.001]
    assert search.not_told_apart(choice, [None, None, 1]) == [0.001]
    assert search.not_told_apart(choice, [-1, 0, -1]) == []


def test_paired_differences_tell_apart_what_the_spread_over_seeds_hides():
    # 0.01 is above 0.001 by 0.019 to 0.021 under every seed, though seeds differ by 0.1; 0.1 wins here and loses there.
    base = np.array([0.30, 0.40, 0.50])
    columns = [base, base + np.array([0.019, 0.020, 0.021]), base + np.array([0.030, 0.000, 0.020])]
    choice = search.choose_lambda([0, 1, 2], [metrics_of(row) for row in np.transpose(columns)])
    assert choice.best == 1
    arms = choice.accuracies.T
    directions = [compare_pairs(arm, arms[choice.best]).direction for arm in arms]
    assert search.not_told_apart(choice, directions) == [0.1]


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
