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
                *("final", "final_complete", "final_complete_at_published_lambda"),
                *("variant-flips", "variant-binary_cross_entropy"),
            )
            for seed in range(5)
        ),
        "corrected/final_complete_in_published_stream",
    }
    for name, cell in plan().items():
        if cell.notebook == "two_layer":
            assert cell.parameters.get("test", True) == (name in measured)


def test_training_and_validation_images_never_meet():
    for cell in plan().values():
        if {"train_rows", "validation_rows"} <= cell.parameters.keys():
            (first, last), (start, end) = cell.parameters["train_rows"], cell.parameters["validation_rows"]
            assert last <= start or end <= first


def test_curves_have_ten_points_while_the_rate_rises_and_those_of_corrected_networks_four():
    assert plan()["published/three_cycles"].parameters["evaluate_every"] == 800 // 10
    assert plan()["corrected/final-0"].parameters["evaluate_every"] == 500 // 4


def test_a_complete_final_network_is_the_final_one_with_its_last_cycle_finished():
    """Five cycles of 2 · 500 updates, of which ten epochs of 490 leave out the last hundred."""
    found = plan()
    curves = {"evaluate_every": 125}  # of all corrected runs
    for name, final, own in (
        ("final_complete-3", "corrected/final-3", {}),
        ("final_complete_in_published_stream", "published/final", {"cut_off": 4900} | curves),
        (
            "final_complete_at_published_lambda-3",
            "published/final",
            {"cut_off": 4900, "seed": 3, "root_seed": 20210} | curves,
        ),
    ):
        complete, cut_off = found[f"corrected/{name}"], found[final]
        assert complete.reads == cut_off.reads
        changed = {
            name: value for name, value in complete.parameters.items() if value != cut_off.parameters.get(name, "none")
        }
        assert changed == {"epochs": None, "updates": 5000, "cell": complete.parameters["cell"]} | own
