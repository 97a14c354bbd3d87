from fnmatch import fnmatchcase

import pytest
from gradlab.engine.runs import collect_runs, find_cells, pair_runs


def test_runs_come_from_cells_of_one_seed_and_from_stacks_of_seeds(make_material):
    material = make_material(
        {
            "augmentation/corrected/clean-0": ({"seed": 0}, {"none.passes": 35}),
            "augmentation/corrected/clean-3": ({"seed": 3}, {"none.passes": 31}),
            "augmentation/corrected/augmented-0": ({"seed": 0}, {"train.passes": 100}),
            "augmentation/published/none": ({}, {"none.passes": 36}),
            "batch_size/corrected/4": ({"seeds": [2, 5]}, {"4.passes": [7, None]}),
        }
    )
    clean = find_cells(material.results, "augmentation", "clean-*")
    assert collect_runs(clean, "none.passes") == {0: 35, 3: 31}
    assert collect_runs(clean, "none.unmeasured") == {0: None, 3: None}
    stack = find_cells(material.results, "batch_size", "4")
    assert collect_runs(stack, "4.passes") == {2: 7, 5: None}
    assert collect_runs(stack, "4.unmeasured") == {2: None, 5: None}
    published = find_cells(material.results, "augmentation", "none", protocol="published")
    assert collect_runs(published, "none.passes") == {None: 36}


@pytest.mark.parametrize("pattern", ["*", "coarse", "coarse-*", "coarse-1", "coarse-?", "[a-c]*", "fine", "absent", ""])
def test_cells_are_found_by_the_study_the_protocol_and_the_pattern_of_their_short_names(make_material, pattern):
    names = ("coarse", "coarse-0", "coarse-1", "coarse-10", "fine", "search-1")
    groups = ("a/published", "a/corrected", "ab/corrected")
    results = make_material(dict.fromkeys(f"{group}/{name}" for group in groups for name in names)).results
    for protocol in ("published", "corrected"):
        found = find_cells(results, "a", pattern, protocol=protocol)
        assert [cell.name for cell in found] == [f"a/{protocol}/{n}" for n in names if fnmatchcase(n, pattern)]


def test_a_planned_run_that_is_not_there_has_no_value(make_material):
    material = make_material({"augmentation/corrected/clean-0": None})
    assert list(material.runs("augmentation", "none.passes").values()) == [None]


def test_which_cells_measure_a_metric_follows_from_one_table(make_material):
    names = (
        "augmentation/corrected/clean-0",
        "augmentation/corrected/augmented-0",
        "batch_size/corrected/4",
        "batch_size/corrected/search-4",
        "regularization/corrected/final-0",
        "regularization/corrected/variant-flips-0",
    )
    material = make_material(dict.fromkeys(names))
    found = {
        metric: [cell.cell for cell in material.corrected(study, metric)]
        for study, metric in [
            ("augmentation", "test.passes"),
            ("augmentation", "both.final_test_loss"),
            ("batch_size", "4.interpolation_passes"),
            ("batch_size", "4.divergent_learning_rate"),
            ("regularization", "final.test_accuracy"),
            ("regularization", "variant-flips.test_accuracy"),
            ("regularization", "coarse-0.validation_accuracy"),
        ]
    }
    assert list(found.values()) == [
        ["clean-0"],
        ["augmented-0"],
        ["4"],
        ["search-4"],
        ["final-0"],
        ["variant-flips-0"],
        [],
    ]


def test_pairs_are_of_the_seeds_that_both_arms_plan():
    assert pair_runs({0: 1.0, 1: 2.0, 2: None}, {1: 5.0, 2: 6.0, 3: 7.0}) == ([2.0, None], [5.0, 6.0])
