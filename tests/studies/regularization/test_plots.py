import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from gradlab.lab import record
from gradlab.studies.regularization import plots, section_plots

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def curves_of(values):
    """Return curves in which metric and split are told apart by their values."""
    rows = []
    for place, metric in enumerate(("cost", "loss", "accuracy")):
        for split, sign in (("train", 1), ("validation", -1)):
            rows += [(10 * i, split, metric, sign * (place + 1) * value) for i, value in enumerate(values)]
    rows += [(10 * i, "train", "learning_rate", 0.01) for i in range(len(values))]
    return pd.DataFrame(rows, columns=["update", "split", "metric", "value"])


def lines_of(axis):
    return {line.get_label(): line for line in axis.lines}


def test_training_curves_show_each_metric_in_its_panel():
    figure = plots.training_curves(curves_of([1.0, 2.0, 4.0]), test_accuracy=0.5045)
    for place, (axis, metric) in enumerate(zip(figure.axes, ("cost", "loss", "accuracy"), strict=True)):
        assert axis.get_ylabel() == metric
        lines = lines_of(axis)
        np.testing.assert_array_equal(lines["training"].get_xdata(), [0, 10, 20])
        np.testing.assert_array_equal(lines["training"].get_ydata(), (place + 1) * np.array([1, 2, 4]))
        np.testing.assert_array_equal(lines["validation"].get_ydata(), -(place + 1) * np.array([1, 2, 4]))
    level = lines_of(figure.axes[2])["test, at the end: 0.5045"]
    assert set(level.get_ydata()) == {0.5045}


def test_without_a_test_accuracy_there_is_no_line_for_it():
    figure = plots.training_curves(curves_of([1.0, 2.0]))
    assert [set(lines_of(axis)) for axis in figure.axes] == [{"training", "validation"}] * 3


def test_a_run_that_diverged_is_drawn_as_far_as_it_goes(tmp_path):
    figure = plots.training_curves(curves_of([1.0, 2.0, np.inf, np.nan]))
    drawn = lines_of(figure.axes[0])["training"].get_ydata()
    np.testing.assert_array_equal(np.isfinite(drawn), [True, True, False, False])
    record.save_figure(tmp_path, "curves", figure, alt="A run that diverges.")
    assert (tmp_path / "curves.svg").stat().st_size > 0


def test_learning_rates_are_drawn_update_by_update():
    rates = np.array([0.1, 0.2, 0.3, 0.2])
    (axis,) = plots.learning_rates(rates).axes
    np.testing.assert_array_equal(axis.lines[0].get_xdata(), [0, 1, 2, 3])
    np.testing.assert_array_equal(axis.lines[0].get_ydata(), rates)


def test_weights_become_colour_images_with_gaps():
    weights = RNG.normal(size=(3, 3072))
    picture = plots.weight_images(weights, columns=2)
    assert picture.shape == (67, 67, 3)
    tiles = [picture[1:33, 1:33], picture[1:33, 34:66], picture[34:66, 1:33]]
    for tile, unit in zip(tiles, weights, strict=True):
        assert tile.min() == 0 and tile.max() == 255
        for plane, row, column in ((0, 0, 1), (1, 5, 7), (2, 31, 0)):
            value = unit[1024 * plane + 32 * row + column]
            scaled = 255 * (value - unit.min()) / (unit.max() - unit.min())
            assert abs(tile[row, column, plane] - scaled) <= 0.5 + 1e-9
    assert (picture[34:, 34:] == 255).all()
    assert (picture[[0, 33, 66]] == 255).all() and (picture[:, [0, 33, 66]] == 255).all()


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_weights_without_a_range_are_grey(value):
    picture = plots.weight_images(np.full((1, 3072), value), columns=1)
    assert set(np.unique(picture[1:33, 1:33])) == {128}


def test_the_first_layer_is_one_raster():
    (axis,) = plots.first_layer(RNG.normal(size=(50, 3072))).axes
    (image,) = axis.images
    assert image.get_array().shape == (5 * 33 + 1, 10 * 33 + 1, 3)


def test_gradient_errors_are_drawn_for_each_parameter_with_the_bound():
    rows = [(name, step, "relative_error", step * i) for i, name in enumerate(("W1", "b1"), 1) for step in (1e-6, 1e-4)]
    curves = pd.DataFrame(rows, columns=["parameter", "step", "metric", "value"])
    (axis,) = plots.gradient_errors(curves, bound=1e-8).axes
    lines = lines_of(axis)
    np.testing.assert_array_equal(lines["b1"].get_xdata(), [1e-6, 1e-4])
    np.testing.assert_array_equal(lines["b1"].get_ydata(), [2e-6, 2e-4])
    assert set(lines["bound 1e-08"].get_ydata()) == {1e-8}
    assert axis.get_xscale() == axis.get_yscale() == "log"


def test_search_marks_the_best_lambda():
    rows = [(value, "validation", "accuracy", share) for value, share in ((1e-3, 0.4), (1e-2, 0.5), (1e-1, 0.3))]
    rows += [(value, "train", "accuracy", 0.9) for value in (1e-3, 1e-2, 1e-1)]
    curves = pd.DataFrame(rows, columns=["lambda", "split", "metric", "value"])
    (axis,) = plots.search_accuracy(curves, best_lambda=1e-2).axes
    lines = lines_of(axis)
    np.testing.assert_array_equal(lines["validation"].get_ydata(), [0.4, 0.5, 0.3])
    np.testing.assert_array_equal(lines["training"].get_ydata(), [0.9, 0.9, 0.9])
    assert lines["best: λ = 0.01"].get_xydata().tolist() == [[0.01, 0.5]]
    assert axis.get_xscale() == "log"


def seeds_curves():
    values = {0: [0.4, 0.50, 0.3], 1: [0.5, 0.48, 0.2], 2: [0.3, 0.46, 0.1]}
    rows = [
        (seed, lmbda, split, "accuracy", value + (split == "train"))
        for seed, row in values.items()
        for lmbda, value in zip((1e-3, 1e-2, 1e-1), row, strict=True)
        for split in ("train", "validation")
    ]
    return pd.DataFrame(rows, columns=["seed", "lambda", "split", "metric", "value"])


def test_a_search_over_seeds_shows_every_seed_and_the_mean():
    (axis,) = plots.search_over_seeds(seeds_curves(), best_lambda=1e-2).axes
    lines = lines_of(axis)
    dots = sorted(map(tuple, lines["one seed"].get_xydata().tolist()))
    assert dots == [
        (1e-3, 0.3),
        (1e-3, 0.4),
        (1e-3, 0.5),
        *((1e-2, v) for v in (0.46, 0.48, 0.5)),
        *((1e-1, v) for v in (0.1, 0.2, 0.3)),
    ]
    np.testing.assert_array_equal(lines["mean of 3"].get_xdata(), [1e-3, 1e-2, 1e-1])
    np.testing.assert_allclose(lines["mean of 3"].get_ydata(), [0.4, 0.48, 0.2])
    np.testing.assert_allclose(lines["highest mean: λ = 0.01"].get_xydata(), [[0.01, 0.48]])
    assert axis.get_xscale() == "log"


def orders_curves():
    values = {"left": [0.5, 0.52, 0.4], "data": [0.5, 0.51, 0.45]}
    rows = [
        (order, lmbda, split, "accuracy", value + (split == "train"))
        for order, row in values.items()
        for lmbda, value in zip((1e-3, 1e-2, 1e-1), row, strict=True)
        for split in ("train", "validation")
    ]
    return pd.DataFrame(rows, columns=["order", "lambda", "split", "metric", "value"])


def test_two_row_orders_are_told_apart_by_their_lines_and_their_differences_stand_below():
    above, below = plots.row_orders(orders_curves()).axes
    lines = lines_of(above)
    left, data = lines["order left by earlier runs"], lines["the data's own order"]
    np.testing.assert_array_equal(left.get_xydata(), [[1e-3, 0.5], [1e-2, 0.52], [1e-1, 0.4]])
    np.testing.assert_array_equal(data.get_xydata(), [[1e-3, 0.5], [1e-2, 0.51], [1e-1, 0.45]])
    assert (left.get_linestyle(), data.get_linestyle()) == ("--", "-")
    dots = below.lines[0].get_xydata()
    np.testing.assert_allclose(dots, [[1e-3, 0], [1e-2, -0.01], [1e-1, 0.05]], atol=1e-15)
    np.testing.assert_allclose(
        [stem[:, 1] for stem in below.collections[0].get_segments()], [[0, 0], [0, -0.01], [0, 0.05]], atol=1e-15
    )
    assert above.get_xscale() == below.get_xscale() == "log"


def test_what_flips_leave_is_drawn_for_each_way_and_probability():
    begins = {("view", 0.5): 0.5, ("copy", 0.5): 0.0, ("view", 0.1): 0.125, ("copy", 0.1): 0.0}
    rows = [
        (*arm, epoch, metric, begin + epoch / 64)
        for arm, begin in begins.items()
        for epoch in (1, 2)
        for metric in ("left", "seen")
    ]
    curves = pd.DataFrame(rows, columns=["batch", "probability", "epoch", "metric", "value"])
    (axis,) = plots.flips_left(curves).axes
    drawn = {line.get_label(): (*line.get_xdata(), *line.get_ydata()) for line in axis.lines}
    assert drawn["view, probability 0.1"] == (1, 2, 0.140625, 0.15625)
    assert len(drawn) == 4 and len({(line.get_color(), line.get_linestyle()) for line in axis.lines}) == 4


def test_figures_are_the_same_bytes_each_time(tmp_path):
    curves, weights = curves_of([1.0, 2.0, 4.0]), RNG.normal(size=(50, 3072))
    for attempt in ("a", "b"):
        figures = {
            "curves": plots.training_curves(curves, test_accuracy=0.5),
            "learning_rate": plots.learning_rates(np.array([0.1, 0.2])),
            "weights": plots.first_layer(weights),
            "seeds": plots.search_over_seeds(seeds_curves(), best_lambda=1e-2),
            "row_order": plots.row_orders(orders_curves()),
        }
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for name, figure in figures.items():
                record.save_figure(tmp_path / attempt, name, figure, alt=name)
    for name in figures:
        assert (tmp_path / f"a/{name}.svg").read_bytes() == (tmp_path / f"b/{name}.svg").read_bytes()


def test_searches_stand_beside_the_published_accuracies():
    coarse = pd.DataFrame({"lambda": [1e-5, 1e-3, 1e-1], "ours": [0.3, 0.5, 0.4], "published": [0.3, 0.5, np.nan]})
    fine = pd.DataFrame({"lambda": [1e-3, 2e-3, 4e-3], "ours": [0.4, 0.5, 0.6], "published": [np.nan] * 3})
    figure = section_plots.compare_searches({"coarse": coarse, "fine": fine})
    for axis, table, scale in zip(figure.axes, (coarse, fine), ("log", "linear"), strict=True):
        ours, published = axis.get_lines()
        np.testing.assert_array_equal(ours.get_ydata(), table["ours"])
        np.testing.assert_array_equal(published.get_ydata(), table["published"])
        assert published.get_linestyle() == "None"
        np.testing.assert_array_equal(published.get_xdata(), table["lambda"])
        assert axis.get_xscale() == scale
        assert [line.get_label() for line in (ours, published)] == ["ours", "published"]
    first, second = ([text.get_text() for text in axis.texts] for axis in figure.axes)
    assert sorted(first) == ["best λ = 0.0010", "ours", "published"] and second == ["best λ = 0.0040"]
    assert figure.get_figwidth() <= 7.5
