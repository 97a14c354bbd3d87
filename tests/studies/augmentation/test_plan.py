"""Which cells are planned, and from where the published ones start."""

from gradlab.engine.logs import load_logs
from gradlab.engine.study import discover
from gradlab.studies.augmentation.config import Config
from gradlab.studies.augmentation.plan import cells

ORDER = ["none", "train", "test", "both"]  # of the notebook's sections (F §2.2 to §2.5)


def plan(**changes):
    return {f"{cell.protocol}/{cell.name}": cell for cell in cells(Config.model_validate(changes))}


def test_each_setting_starts_after_the_passes_that_the_published_log_has_of_those_before_it():
    passes = {log.id: log.table.index.max() for log in load_logs(discover()["augmentation"])}
    for number, setting in enumerate(ORDER):
        expected = [[before, passes[before]] for before in ORDER[:number]]
        assert plan()[f"published/{setting}"].parameters["earlier_runs"] == expected


def test_a_setting_that_is_left_out_is_still_drawn_before_the_next_one():
    assert plan(settings=["test"]).keys() & {"published/none", "published/train"} == set()
    assert plan(settings=["test"])["published/test"].parameters == plan()["published/test"].parameters


def test_a_seed_more_plans_its_cells_and_leaves_the_others_as_they_are():
    before, after = plan(), plan(corrected={"seeds": [0, 1, 2, 3, 4, 7]})
    assert after.keys() - before.keys() == {"corrected/clean-7", "corrected/augmented-7"}
    assert {name: after[name] for name in before} == before
    assert after["corrected/clean-7"].replicates == [7]


def test_settings_that_share_a_network_are_measured_by_one_cell():
    measured = {
        setting: [name for name, cell in plan().items() if f"{setting}.passes" in cell.metrics] for setting in ORDER
    }
    for setting, training in zip(ORDER, ("clean", "augmented", "clean", "augmented"), strict=True):
        assert measured[setting] == [f"published/{setting}", *(f"corrected/{training}-{seed}" for seed in range(5))]


def test_the_pictures_that_the_notebook_shows_first_are_judged_by_the_cell_of_its_first_run():
    assert [name for name, cell in plan().items() if "sample_1.label" in cell.metrics] == ["published/none"]
