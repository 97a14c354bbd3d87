import random

import numpy as np
import pytest

from gradlab.engine.figures import load_figures
from gradlab.engine.study import discover
from gradlab.engine.verdicts import judge
from gradlab.studies.moons.network import Network, differentiate, draw_network
from gradlab.studies.moons.points import draw_moons
from gradlab.studies.moons.training import name_metrics, schedule_rates, trace, train

FIGURES = load_figures(discover()["moons"])
SETTINGS = {"steps": 100, "rates": [0.1, 1.0], "penalty": 1e-4}


def draw_demo():
    return draw_network([2, 16, 16, 1], random.Random(1337)), draw_moons(100, 0.1, np.random.RandomState(1337))


@pytest.fixture(scope="module")
def demo():
    """The metrics of the demo, without notebook or workflow."""
    network, points = draw_demo()
    _, curves = trace(network, {"train": points}, **SETTINGS)
    return {"parameters": network.parameters.size, **name_metrics(curves)}


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.id)
def test_published_figures_follow(figure, demo):
    passed = {"exact": ("exact",), "rounding": ("exact", "reproduced")}
    assert judge(figure, demo[figure.id]).verdict in passed[figure.rule]


def test_the_bound_holds_other_orders_of_the_sums_and_nothing_else():
    network, (X, y) = draw_demo()
    published = {int(f.id[5:7]): (float(f.value), float(f.limit)) for f in FIGURES if f.rule == "rounding"}
    assert list(published) == [96, 97, 98, 99]
    generator = np.random.default_rng(0)
    for _ in range(20):
        order = generator.permutation(len(y))
        losses = [loss for loss, _, _ in train(network, (X[order], y[order]), **SETTINGS)]
        assert all(abs(losses[step] - value) <= limit for step, (value, limit) in published.items())
    # A step more or less, or a penalty that is off in its tenth digit, is refused.
    for step, (value, limit) in published.items():
        assert abs(losses[step + 1] - value) > 1e9 * limit
    off = [loss for loss, _, _ in train(network, (X, y), **{**SETTINGS, "penalty": 1e-4 * (1 + 1e-10)})]
    assert all(abs(off[step] - value) > limit for step, (value, limit) in published.items())


def test_rates_fall_linearly():
    # 1 − 0.9 k/100 at step k, as in the demo.
    assert schedule_rates(100, [0.1, 1.0]) == [1.0 - 0.9 * step / 100 for step in range(100)]
    assert schedule_rates(3, [0.5, 0.5]) == [0.5, 0.5, 0.5]


def test_a_step_goes_against_the_gradient():
    network, points = draw_demo()
    results = list(train(network, points, steps=2, rates=[0.1, 1.0], penalty=1e-4))
    assert len(results) == 3 and results[0][2] is network
    _, _, gradient = differentiate(network, *points, 1e-4)
    for before, after, slope in zip(network.weights, results[1][2].weights, gradient.weights, strict=True):
        np.testing.assert_array_equal(after, before - slope)  # at a rate of 1


def test_the_penalty_alone_shrinks_parameters_geometrically():
    # Far beyond the margin the hinge loss is 0: each step multiplies all parameters by 1 − 2 · rate · penalty.
    network = Network([np.array([[100.0, 0.0]])], [np.zeros(1)])
    points = np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([1.0, -1.0])
    last, curves = trace(network, {"train": points}, steps=5, rates=[0.5, 0.5], penalty=0.1)
    assert last.weights[0][0, 0] == pytest.approx(100 * 0.9**5, rel=1e-14)
    losses = curves[curves["metric"] == "loss"]["value"]
    np.testing.assert_allclose(losses, [0.1 * (100 * 0.9**step) ** 2 for step in range(6)], rtol=1e-14)


def test_measured_points_change_nothing():
    network, points = draw_demo()
    others = draw_moons(50, 0.1, np.random.default_rng(0))
    alone, curves = trace(network, {"train": points}, **{**SETTINGS, "steps": 10})
    watched, both = trace(network, {"train": points, "held out": others}, **{**SETTINGS, "steps": 10})
    np.testing.assert_array_equal(alone.parameters, watched.parameters)
    assert both[both["split"] == "train"].reset_index(drop=True).equals(curves)
    assert set(both["split"]) == {"train", "held out"}
    assert max(name_metrics(both), key=lambda name: int(name[5:].split(".")[0])).startswith("step_9.")


def test_a_divergent_training_is_recorded():
    network, points = draw_demo()
    _, curves = trace(network, {"train": points}, steps=100, rates=[1000.0, 1000.0], penalty=1.0)
    losses = curves[curves["metric"] == "loss"]["value"]
    assert np.isfinite(losses.iloc[0]) and not np.isfinite(losses.iloc[-1])
