"""What the figures of training curves share: the rows of a panel, its scales, and marks that do not hide one another."""

import itertools
import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from gradlab.lab import curves, style

COLUMNS = ["seed", "pass", "update", "split", "metric", "value"]


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def make_curves(values):
    """Rows of two seeds in every panel; `values` holds one value for each pass from 0 on, the second seed twice that."""
    rows = [
        (seed, done, 10 * done, split, metric, (seed + 1) * value)
        for seed, (split, metric), (done, value) in itertools.product((0, 1), curves.PANELS, enumerate(values))
    ]
    return pd.DataFrame(rows, columns=COLUMNS).sample(frac=1, random_state=0)


def dressed(table, *, drawn=True, **options):
    """The axes of (test, accuracy) with the rows of seed 0 as a line."""
    _, (ax,) = style.panels(1, 1)
    if drawn:
        rows = curves.select(table[table["seed"] == 0], "test", "accuracy")
        ax.plot(rows[options.get("against", "pass")], rows["value"])
    curves.dress_panel(ax, "test", "accuracy", table, **{"logarithmic": (), **options})
    return ax


def test_the_panels_are_train_and_test_loss_and_accuracy():
    assert sorted(curves.PANELS) == sorted(itertools.product(("train", "test"), ("loss", "accuracy")))


def test_rows_of_a_panel_in_the_order_of_its_axis():
    table = make_curves([0.1, 0.5, 0.6])
    rows = curves.select(table[table["seed"] == 0], "train", "loss")
    assert rows["pass"].tolist() == [0, 1, 2] and rows["value"].tolist() == [0.1, 0.5, 0.6]
    assert set(rows["split"]) == {"train"} and set(rows["metric"]) == {"loss"}


def test_update_0_has_no_place_on_a_logarithmic_axis():
    table = make_curves([0.1, 0.5, 0.6])
    assert curves.select(table[table["seed"] == 1], "test", "loss", against="update")["update"].tolist() == [10, 20]


def test_seeds_stand_side_by_side_with_nan_where_one_was_not_measured():
    table = make_curves([0.1, 0.5, 0.25])
    table = table[(table["seed"] == 0) | (table["pass"] != 1)]
    side_by_side = curves.tabulate_seeds(table, "test", "accuracy")
    assert side_by_side.index.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(side_by_side, [[0.1, 0.2], [0.5, math.nan], [0.25, 0.5]])


def test_labels_and_scales_of_a_panel():
    table = make_curves([0.1, 0.5, 0.6])
    ax = dressed(table)
    assert (ax.get_title(), ax.get_xlabel(), ax.get_ylabel()) == ("test set", "passes over the data", "accuracy")
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "linear")
    ax = dressed(table, against="update", logarithmic={("test", "accuracy")})
    assert ax.get_xlabel() == "updates"
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")


def test_a_linear_axis_holds_what_every_table_measured_after_the_first_pass():
    bottom, top = dressed(make_curves([0.01, 0.5, 0.6, np.inf, np.nan])).get_ylim()
    # From 0.5 of the first seed to 2 · 0.6 of the second, and 5 % of that range on either side.
    np.testing.assert_allclose((bottom, top), (0.5 - 0.05 * 0.7, 1.2 + 0.05 * 0.7))


@pytest.mark.parametrize("values", [[0.1], [0.1, np.nan], []])
def test_an_untrained_run_is_drawn_as_it_is(values):
    ax = dressed(make_curves(values))
    ax.figure.canvas.draw()
    assert all(np.isfinite(ax.get_ylim()))


def test_a_logarithmic_axis_has_room_for_the_untrained_network():
    bottom, top = dressed(make_curves([9.0, 0.5, 0.6]), logarithmic={("test", "accuracy")}).get_ylim()
    assert bottom < 0.5 < 9.0 < top


@pytest.mark.parametrize("limits", [(0.45, 1.3), (0.8, 0.95), (0.008, 0.3), (0.02, 1.9)])
def test_an_axis_of_a_short_span_has_several_labels_in_plain_numbers(limits):
    figure, (ax,) = style.panels(1, 1)
    ax.set_yscale("log")
    ax.set_ylim(limits)
    style.label_short_span(ax.yaxis)
    figure.canvas.draw()
    labelled = [
        (place, label.get_text())
        for place, label in zip(ax.get_yticks(), ax.get_yticklabels(), strict=True)
        if limits[0] <= place <= limits[1]
    ]
    assert len(labelled) >= 3
    assert all(float(text) == pytest.approx(place) for place, text in labelled)


def test_an_axis_of_many_decades_keeps_its_powers():
    figure, (ax,) = style.panels(1, 1)
    ax.set_yscale("log")
    ax.set_ylim(1e-5, 1e5)
    style.label_short_span(ax.yaxis)
    figure.canvas.draw()
    assert any("10^" in label.get_text() for label in ax.get_yticklabels())


@pytest.mark.parametrize("points", [0, 1, 5, 6, 31, 101])
def test_markers_are_few_and_begin_later_on_later_lines(points):
    starts, steps = zip(*(style.space_markers(points, place=place, lines=4) for place in range(4)), strict=True)
    assert list(starts) == sorted(starts) and starts[0] == 0 and starts[-1] < steps[0]
    assert len(set(steps)) == 1 and len(range(0, points, steps[0])) <= 11
    if points >= 24:
        assert len(set(starts)) == 4


@pytest.mark.parametrize("count", [0, 1, 2, 8])
def test_marks_side_by_side_stay_within_their_width(count):
    places = style.place_beside(3.0, count, 0.8)
    assert len(set(places)) == count
    if count:
        assert np.mean(places) == pytest.approx(3.0)
        assert 2.6 < min(places) and max(places) < 3.4


def test_every_colour_has_a_marker_of_its_own():
    assert len(set(style.MARKERS)) == len(style.MARKERS) == len(style.COLOURS)
