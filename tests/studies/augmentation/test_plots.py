"""What the figures of the augmentation study show: the right numbers in the right panels, told apart."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba

from gradlab.lab import style
from gradlab.lab.record import save_figure
from gradlab.lab.residuals import plot_residuals
from gradlab.studies.augmentation import augment, plots, section_plots

PANELS = [("train", "loss"), ("test", "loss"), ("train", "accuracy"), ("test", "accuracy")]
OURS, PUBLISHED = style.COLOURS[:2]
COLUMN = 7.5  # inches: the width of a column of the report


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def make_curves(settings=section_plots.SETTINGS, *, passes=5, seed=0):
    rng = np.random.default_rng(seed)
    rows = [
        (setting, seed, number, split, metric, rng.uniform(0.1, 1))
        for setting, number, (split, metric) in itertools.product(settings, range(passes + 1), PANELS)
    ]
    columns = ["setting", "seed", "pass", "split", "metric", "value"]
    return pd.DataFrame(rows, columns=columns).sample(frac=1, random_state=seed)


def values_of(curves, setting, split, metric="accuracy"):
    rows = curves[(curves["setting"] == setting) & (curves["split"] == split) & (curves["metric"] == metric)]
    return rows.sort_values("pass")["value"].tolist()


def lines_of(ax, colour):
    return [line for line in ax.get_lines() if to_rgba(line.get_color()) == to_rgba(colour)]


def texts_apart(figure):
    """The texts of the figure, once none is found to lie on another one."""
    figure.canvas.draw()
    texts = [
        text
        for ax in figure.axes
        for text in (*ax.texts, ax.title, ax.xaxis.label, ax.yaxis.label)
        if text.get_text() and text.get_visible()
    ]
    boxes = [text.get_window_extent() for text in texts]
    assert not any(first.overlaps(second) for first, second in itertools.combinations(boxes, 2))
    return [text.get_text() for text in texts]


def test_the_settings_are_those_of_the_study():
    assert list(section_plots.SETTINGS) == list(augment.SETTINGS)


def test_one_run_is_a_line_in_each_panel():
    curves = make_curves(["test"])
    for ax, (split, metric) in zip(plots.plot_run(curves).axes, PANELS, strict=True):
        (line,) = ax.get_lines()
        assert line.get_xdata().tolist() == [0, 1, 2, 3, 4, 5]
        assert line.get_ydata().tolist() == values_of(curves, "test", split, metric)
        assert ax.get_ylabel() == metric and split[:4] in ax.get_title()


def test_votes_stand_beside_the_test_accuracy_of_their_network():
    curves, votes = make_curves(["none"]), make_curves(["test"], seed=1)
    votes = votes[votes["pass"].isin([2, 4, 5])]
    figure = plots.plot_run(curves, votes)
    *others, ax = figure.axes
    assert all(len(other.get_lines()) == 1 for other in others)
    (line,) = (line for line in ax.get_lines() if line.get_linestyle() == "None")
    assert line.get_xdata().tolist() == [2, 4, 5]
    assert line.get_ydata().tolist() == values_of(votes, "test", "test")
    assert {"images as they are", "votes over copies"} <= set(texts_apart(figure))


def test_every_setting_has_a_panel_with_our_line_over_the_published_one():
    reproduced, published = make_curves(), make_curves(seed=1, passes=8)
    figure = section_plots.plot_settings(reproduced, published)
    for ax, (split, setting) in zip(
        figure.axes, itertools.product(("train", "test"), section_plots.SETTINGS), strict=True
    ):
        (ours,), (theirs,) = lines_of(ax, OURS), lines_of(ax, PUBLISHED)
        assert (ours.get_label(), theirs.get_label()) == ("ours", "published")
        assert ours.get_ydata().tolist() == values_of(reproduced, setting, split)
        assert theirs.get_ydata().tolist() == values_of(published, setting, split)
        assert ax.get_lines() == [theirs, ours]
    assert [ax.get_title() for ax in figure.axes[:4]] == list(section_plots.SETTINGS)
    assert {"ours", "published", "training accuracy", "test accuracy"} <= set(texts_apart(figure))
    assert figure.get_figwidth() <= COLUMN


def test_residuals_are_points_in_percentage_points_with_their_correlation():
    ours = pd.Series([0.01, -0.02, 0.0, 0.03])
    residuals = {
        "none": pd.DataFrame({"ours": ours, "published": ours}),
        "both": pd.DataFrame({"ours": ours, "published": -ours}),
    }
    figure = plot_residuals(residuals)
    for ax, sign, title in zip(figure.axes, (1, -1), ("none: r = 1.00", "both: r = -1.00"), strict=True):
        (points,) = lines_of(ax, OURS)
        np.testing.assert_allclose(points.get_ydata(), [1, -2, 0, 3])
        np.testing.assert_allclose(points.get_xdata(), sign * points.get_ydata())
        assert ax.get_title() == title and ax.get_xlim() == ax.get_ylim()
    assert figure.get_figwidth() <= COLUMN
    texts_apart(figure)


def test_averaging_joins_the_arms_of_each_seed():
    runs = pd.DataFrame(
        [
            (setting, seed, *(base + seed / 100 for base in (0.86 + place / 1000, 0.87 + place / 1000)))
            for place, setting in enumerate(section_plots.SETTINGS)
            for seed in (0, 1)
        ],
        columns=["setting", "seed", "last", "averaged"],
    )
    runs.loc[(runs["setting"] == "train") & (runs["seed"] == 1), "last"] = None
    figure = section_plots.plot_averaging(runs, {"none": 0.8767, "both": 0.831})
    plain, votes = figure.axes
    assert [line.get_xdata().tolist() for line in lines_of(plain, OURS)] == [[0, 1], [0, 1], [2, 3], [2, 3]]
    np.testing.assert_allclose(
        [line.get_ydata() for line in lines_of(plain, OURS)],
        [[0.86, 0.861], [0.87, np.nan], [0.87, 0.871], [0.88, 0.881]],
    )
    np.testing.assert_allclose(lines_of(votes, OURS)[2].get_ydata(), [0.872, 0.873])
    means = [line.get_ydata() for line in plain.get_lines() if line.get_label().startswith("mean")]
    np.testing.assert_allclose(means, [[0.865, 0.861], [0.875, 0.876]])
    for ax, place, value in ((plain, 0, 0.8767), (votes, 1, 0.831)):
        (diamond,) = lines_of(ax, PUBLISHED)
        assert (diamond.get_xdata().tolist(), diamond.get_ydata().tolist()) == ([place], [value])
    assert plain.get_ylim() == votes.get_ylim()
    assert figure.get_figwidth() <= COLUMN
    texts_apart(figure)


def test_every_seed_is_a_line_beside_the_run_with_one_transform():
    curves = pd.concat([make_curves(seed=seed, passes=length) for seed, length in enumerate((6, 9, 7))])
    shared = make_curves(["none", "train"], seed=9)
    figure = section_plots.plot_seeds(curves, shared)
    panels = zip(figure.axes, [("train", "none"), ("train", "train"), ("test", "none"), ("test", "train")], strict=True)
    for ax, (split, setting) in panels:
        assert [line.get_ydata().tolist() for line in lines_of(ax, OURS)] == [
            values_of(curves[curves["seed"] == seed], setting, split) for seed in range(3)
        ]
        voted = {"none": "test", "train": "both"}[setting]
        beside = {
            line.get_label(): line.get_ydata().tolist() for line in ax.get_lines() if line not in lines_of(ax, OURS)
        }
        expected = {}
        if split == "test":
            expected = {
                f"seed {seed}, votes over copies": values_of(curves[curves["seed"] == seed], voted, "test")
                for seed in range(3)
            }
        if (split, setting) == ("test", "train"):  # only there is a transform to share
            expected["one transform for all images (replay)"] = values_of(shared, setting, "test")
        assert beside == expected
    assert figure.get_figwidth() <= COLUMN
    assert "one transform for all images (replay)" in texts_apart(figure)


@pytest.mark.parametrize("passes", [0, 1])
def test_short_runs_can_be_drawn(passes, tmp_path):
    curves = make_curves(passes=passes)
    nothing = pd.DataFrame({"ours": [0.0] * passes, "published": [0.0] * passes})
    for name, figure in {
        "settings": section_plots.plot_settings(curves, curves),
        "run": plots.plot_run(curves[curves["setting"] == "none"]),
        "residuals": plot_residuals({"none": nothing}),
        "seeds": section_plots.plot_seeds(curves, curves),
    }.items():
        save_figure(tmp_path, name, figure, alt="Curves.")


@pytest.mark.parametrize("nowhere", [np.nan, np.inf])
def test_a_run_that_diverges_can_be_drawn(nowhere, tmp_path):
    curves = make_curves()
    curves.loc[curves["pass"] >= 4, "value"] = nowhere
    save_figure(tmp_path, "run", plots.plot_run(curves[curves["setting"] == "none"]), alt="Curves.")
    save_figure(tmp_path, "seeds", section_plots.plot_seeds(curves, curves), alt="Curves.")


def test_an_unknown_setting_is_refused():
    for plot in (section_plots.plot_settings, section_plots.plot_seeds):
        with pytest.raises(ValueError, match="'all'"):
            plot(make_curves(["all"]), make_curves())


def test_samples_stand_above_their_transformed_copies():
    rng = np.random.default_rng(0)
    clean, transformed = rng.uniform(0, 255, (2, 3, 28, 28))
    figure = plots.plot_samples(clean, transformed, [9, 0, 3])
    shown = [ax.get_images()[0].get_array() for ax in figure.axes]
    np.testing.assert_array_equal(shown, [*clean, *transformed])
    assert [ax.get_title() for ax in figure.axes[:3]] == ["ankle boot", "T-shirt/top", "dress"]
    assert all(ax.get_images()[0].get_clim() == (0, 255) for ax in figure.axes)


def test_samples_without_labels_are_refused():
    with pytest.raises(ValueError, match="2 labels"):
        plots.plot_samples(np.zeros((3, 4, 4)), np.zeros((3, 4, 4)), [1, 2])


def test_the_same_figure_gives_the_same_file(tmp_path):
    for attempt in ("first", "second"):
        save_figure(
            tmp_path / attempt, "seeds", section_plots.plot_seeds(make_curves(), make_curves(seed=1)), alt="Curves."
        )
    first, second = (tmp_path / attempt / "seeds.svg" for attempt in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()
