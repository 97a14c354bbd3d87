import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from gradlab.studies.moons import plots
from gradlab.studies.moons.network import Network

POINTS = np.array([[-0.5, 0.0], [-1.0, 1.0], [0.75, 0.5]]), np.array([-1.0, -1.0, 1.0])


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def make_line(at):
    """Return a network whose output is x₁ − at."""
    return Network([np.array([[1.0, 0.0]])], [np.array([-at])])


def levels_of(ax):
    """Return the first coordinates of each contour that is drawn."""
    paths = [path for collection in ax.collections for path in collection.get_paths()]
    return [path.vertices[:, 0] for path in paths if len(path.vertices)]


def test_boundary_and_margins_lie_where_the_output_has_their_values():
    ax = plots.plot_boundary(make_line(0.25), POINTS).axes[0]
    assert len(levels_of(ax)) == 3
    for drawn, at in zip(levels_of(ax), (0.25, -0.75, 1.25), strict=True):
        np.testing.assert_allclose(drawn, at, atol=1e-12)


def test_a_boundary_elsewhere_and_a_network_that_diverged_are_not_drawn():
    for network in (make_line(100.0), make_line(np.nan)):
        assert levels_of(plots.plot_boundary(network, POINTS).axes[0]) == []


def test_points_are_drawn_by_their_labels():
    minus, plus = plots.plot_boundary(make_line(0.0), POINTS).axes[0].lines
    np.testing.assert_array_equal(minus.get_xydata(), POINTS[0][:2])
    np.testing.assert_array_equal(plus.get_xydata(), POINTS[0][2:])
    assert minus.get_marker() != plus.get_marker()


def test_each_network_has_its_boundary():
    figure = plots.plot_boundaries([make_line(0.0), make_line(0.5)], POINTS)
    assert [round(float(drawn.mean()), 9) for drawn in levels_of(figure.axes[0])] == [0.0, 0.5]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "label −1",
        "label 1",
        "boundary of each seed",
    ]


def test_training_has_a_panel_each_for_loss_and_accuracy():
    rows = [
        (step, "train", metric, value)
        for step in range(3)
        for metric, value in (("loss", 2.0**-step), ("accuracy", 50 + step))
    ]
    loss, accuracy = plots.plot_training(pd.DataFrame(rows, columns=["step", "split", "metric", "value"])).axes
    np.testing.assert_array_equal(loss.lines[0].get_ydata(), [1, 0.5, 0.25])
    np.testing.assert_array_equal(accuracy.lines[0].get_ydata(), [50, 51, 52])
    assert loss.get_yscale() == "log"


def test_accuracy_shows_every_seed_and_the_mean():
    rows = [
        (seed, step, split, "accuracy", 60.0 + 10 * seed + step - (5 if split == "held out" else 0))
        for seed in (0, 1)
        for step in range(3)
        for split in ("train", "held out")
    ]
    curves = pd.DataFrame(rows, columns=["seed", "step", "split", "metric", "value"])
    lines = plots.plot_accuracy(curves).axes[0].lines
    drawn = {line.get_label(): line.get_ydata() for line in lines if not line.get_label().startswith("_")}
    np.testing.assert_array_equal(drawn["training points"], [65, 66, 67])
    np.testing.assert_array_equal(drawn["held-out points"], [60, 61, 62])
    assert len(lines) == 6
