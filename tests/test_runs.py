from gradlab.runs import collect_runs, find_cells, pair_runs


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


def test_a_planned_run_that_is_not_there_has_no_value(make_material):
    material = make_material({"augmentation/corrected/clean-0": None})
    assert list(material.runs("augmentation", "clean-*", "none.passes").values()) == [None]


def test_pairs_are_of_the_seeds_that_both_arms_plan():
    assert pair_runs({0: 1.0, 1: 2.0, 2: None}, {1: 5.0, 2: 6.0, 3: 7.0}) == ([2.0, None], [5.0, 6.0])
