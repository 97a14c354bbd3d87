import pytest
from pydantic import ValidationError

from gradlab.studies.moons.config import Config, Corrected
from gradlab.studies.moons.plan import cells


@pytest.mark.parametrize("section", [{"points": 99}, {"corrected": Corrected(held_out=11)}])
def test_two_moons_have_the_same_size(section):
    with pytest.raises(ValidationError, match="an even number"):
        Config(**section)


def test_a_noise_is_a_cell_and_the_demos_noise_measures_what_the_demo_printed():
    demo, *arms = cells(Config(corrected=Corrected(noises=[0.1, 0.5], seeds=[3, 4])))
    assert demo.key == "moons/published/demo" and "step_99.loss" in demo.metrics
    assert [arm.key for arm in arms] == ["moons/corrected/noise-0.1", "moons/corrected/noise-0.5"]
    assert ["step_99.loss" in arm.metrics for arm in arms] == [True, False]
    assert all(arm.replicates == [3, 4] for arm in arms)


def test_fewer_steps_promise_fewer_metrics():
    demo = cells(Config(steps=20))[0]
    assert [name for name in demo.metrics if name.endswith("loss")] == [f"step_{step}.loss" for step in (0, 1, 2, 10)]
