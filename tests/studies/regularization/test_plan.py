"""Which cells are planned, and from where the published ones start."""

import pytest

from gradlab.studies.regularization.config import Config
from gradlab.studies.regularization.plan import cells


def plan(**changes):
    return {f"{cell.protocol}/{cell.name}": cell for cell in cells(Config.model_validate(changes))}


def test_each_run_of_the_searches_starts_from_the_order_that_all_runs_before_it_left():
    """The notebook shuffles one training set in place, in eight runs of 8 epochs and ten of 12."""
    runs = [*(f"coarse-{point}" for point in range(8)), *(f"fine-{point}" for point in range(10))]
    epochs = [8] * 8 + [12] * 10
    for place, run in enumerate(runs):
        cell = plan()[f"published/{run}"]
        assert cell.parameters["earlier_epochs"] == epochs[:place]
        assert cell.parameters["epochs"] == epochs[place]
    assert plan()["published/three_cycles"].parameters["earlier_epochs"] == [10]


def test_the_coarse_grid_is_evenly_spaced_in_the_exponent():
    grid = [plan()[f"published/coarse-{point}"].parameters["lmbda"] for point in range(8)]
    assert grid == pytest.approx([10 ** (4 * point / 7 - 5) for point in range(8)])
    assert plan()["corrected/coarse-0"].parameters["lambdas"] == grid


def test_searches_read_their_runs_and_what_follows_reads_the_search():
    published = plan()
    for search, points in (("coarse", 8), ("fine", 10)):
        runs = [f"regularization/published/{search}-{point}" for point in range(points)]
        assert published[f"published/{search}"].reads == {"runs": runs}
    assert published["published/fine-3"].reads == {"search": "regularization/published/coarse"}
    assert published["published/fine-3"].parameters["search_index"] == 3
    assert published["published/final"].reads == {"search": "regularization/published/fine"}
    assert published["corrected/final-2"].reads == {"search": "regularization/corrected/fine"}
    assert published["corrected/row_order"].reads == published["published/coarse"].reads


def test_the_test_set_is_left_alone_in_searches_and_checks():
    measured = {name for name, cell in plan().items() if any(".test_accuracy" in metric for metric in cell.metrics)}
    assert measured == {
        *(f"published/{run}" for run in ("one_cycle", "three_cycles", "final")),
        *(
            f"corrected/{arm}-{seed}"
            for arm in (
                *("final", "final_at_published_lambda"),
                *("variant-flips", "variant-binary_cross_entropy"),
            )
            for seed in range(5)
        ),
        "corrected/final_in_published_stream",
    }
    for name, cell in plan().items():
        if cell.notebook == "two_layer":
            assert cell.parameters.get("test", True) == (name in measured)


def test_training_and_validation_images_never_meet():
    for cell in plan().values():
        if {"train_rows", "validation_rows"} <= cell.parameters.keys():
            (first, last), (start, end) = cell.parameters["train_rows"], cell.parameters["validation_rows"]
            assert last <= start or end <= first


def test_curves_have_ten_points_while_the_rate_rises_and_those_of_corrected_networks_and_searches_two():
    assert plan()["published/three_cycles"].parameters["evaluate_every"] == 800 // 10
    assert plan()["corrected/final-0"].parameters["evaluate_every"] == 500 // 2
    assert plan()["published/coarse-0"].parameters["evaluate_every"] == 900 // 2


@pytest.mark.parametrize(
    "name, seed",
    [("final-3", {"seed": 3}), ("final_at_published_lambda-3", {"seed": 3}), ("final_in_published_stream", {})],
)
def test_a_corrected_final_network_is_the_published_one_and_goes_on(name, seed):
    found = plan()
    final, published = found[f"corrected/{name}"], found["published/final"]
    changed = {key: value for key, value in final.parameters.items() if value != published.parameters.get(key, "none")}
    for key, value in seed.items():
        assert changed.pop(key) == value
    assert {key: value for key, value in changed.items() if key not in ("cell", "root_seed")} == {
        "complete": True,
        "evaluate_every": 250,
    }
    prefix = final.parameters["cell"]
    assert {f"{prefix}.{which}test_accuracy" for which in ("", "complete_")} <= set(final.metrics)
    protocol = "corrected" if name == "final-3" else "published"
    assert final.reads == {"search": f"regularization/{protocol}/fine"}
