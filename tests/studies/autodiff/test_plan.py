"""Which cells are planned."""

from gradlab.studies.autodiff.config import Config
from gradlab.studies.autodiff.plan import cells


def test_a_cell_for_each_case_and_one_for_torchs_own_functions():
    assert [cell.name for cell in cells(Config())] == ["jump", "power", "halving", "step", "torch_functions"]
    assert [cell.name for cell in cells(Config(cases=["step"], torch_functions=False, seed=3))] == ["step"]


def test_the_seed_reaches_every_case():
    assert {cell.parameters["seed"] for cell in cells(Config(seed=3)) if cell.protocol == "published"} == {3}
