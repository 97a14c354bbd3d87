"""Which cells are planned, and what they read."""

import pytest

from gradlab.engine.figures import load_figures
from gradlab.engine.study import discover
from gradlab.studies.batch_size.config import Config
from gradlab.studies.batch_size.plan import cells


def plan(**changes):
    return {f"{cell.protocol}/{cell.name}": cell for cell in cells(Config.model_validate(changes))}


def test_published_cells_train_at_half_of_the_published_divergent_rates():
    """F §3.7."""
    rates = {
        figure.id.split(".")[0]: float(figure.value)
        for figure in load_figures(discover()["batch_size"])
        if figure.id.endswith("divergent_learning_rate")
    }
    trained = {name: plan()[f"published/{name}"].parameters["learning_rate"] for name in rates}
    assert trained == pytest.approx({name: rate / 2 for name, rate in rates.items()})


def test_corrected_cells_take_their_rate_from_the_search_at_their_batch_size():
    for size in ("1", "16"):
        cell = plan()[f"corrected/{size}"]
        assert cell.reads == {"search": f"batch_size/corrected/search-{size}"}
        assert cell.parameters["learning_rate"] is None


def test_a_search_is_as_fine_as_it_is_configured_and_its_seeds_are_its_own():
    search = plan(corrected={"tolerance": 0.01, "search_seeds": [4, 5]})["corrected/search-2"]
    assert (search.resolution, search.parameters["tolerance"], search.replicates) == (0.01, 0.01, [4, 5])


def test_only_corrected_cells_can_use_a_gpu():
    assert {cell.protocol for cell in plan().values() if cell.device} == {"corrected"}
