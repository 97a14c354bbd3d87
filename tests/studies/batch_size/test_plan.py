"""Which cells are planned, and what they read."""

from gradlab.engine.figures import load_figures
from gradlab.engine.study import discover
from gradlab.studies.batch_size.config import Config
from gradlab.studies.batch_size.plan import cells


def plan(**changes):
    return {f"{cell.protocol}/{cell.name}": cell for cell in cells(Config.model_validate(changes))}


def test_published_cells_try_the_published_divergent_rates_and_train_at_half_of_them():
    """F §3.7."""
    rates = {
        figure.id.split(".")[0]: float(figure.value)
        for figure in load_figures(discover()["batch_size"])
        if figure.id.endswith("divergent_learning_rate")
    }
    replays = {name: plan()[f"published/{name}"].parameters for name in rates}
    assert {name: replay["trial_rate"] for name, replay in replays.items()} == rates
    assert {name: replay["learning_rate"] for name, replay in replays.items()} == {
        name: rate / 2 for name, rate in rates.items()
    }


def test_a_replay_stands_where_the_notebook_came_to_its_batch_size_whatever_else_is_configured():
    alone = plan(learning_rates={8: 0.05, 32: 0.1})
    assert [alone[f"published/{size}"].parameters["earlier_sizes"] for size in (8, 32)] == [3, 5]


def test_corrected_cells_train_at_the_published_rate_and_at_half_of_the_rate_found():
    for size in ("1", "16"):
        given, found = (plan()[f"corrected/{size}-{rate}"] for rate in ("published_rate", "found_rate"))
        assert found.reads == {"search": f"batch_size/corrected/search-{size}"}
        assert found.parameters["learning_rate"] is None
        assert given.parameters["learning_rate"] == plan()[f"published/{size}"].parameters["learning_rate"]
        same = given.parameters.keys() - {"learning_rate"}
        assert {key: found.parameters[key] for key in same} == {key: given.parameters[key] for key in same}


def test_a_law_is_fitted_to_the_batch_sizes_that_train_and_tested_at_those_that_are_only_searched():
    changed = plan(corrected={"batch_sizes": [1, 4, 8], "search_only": [64, 8]})
    law = changed["corrected/law"]
    assert (law.parameters["batch_sizes"], law.parameters["fitted"]) == ([1, 4, 8, 64], [1, 4, 8])
    assert law.reads == {"searches": [f"batch_size/corrected/search-{size}" for size in (1, 4, 8, 64)]}
    assert "corrected/64-found_rate" not in changed
    assert "corrected/law" not in plan(corrected={"batch_sizes": [4]})


def test_a_search_is_as_fine_as_it_is_configured_and_its_seeds_are_its_own():
    search = plan(corrected={"tolerance": 0.01, "search_seeds": [4, 5]})["corrected/search-2"]
    assert (search.resolution, search.parameters["tolerance"], search.replicates) == (0.01, 0.01, [4, 5])


def test_only_corrected_cells_can_use_a_gpu():
    assert {cell.protocol for cell in plan().values() if cell.device} == {"corrected"}
