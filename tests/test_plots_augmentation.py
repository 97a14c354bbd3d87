"""What the figures of the augmentation study show: the right numbers in the right panels, told apart."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba

from gradlab import augment
from gradlab.plots import augmentation as plots
from gradlab.plots import style
from gradlab.record import save_figure

PANELS = [("train", "loss"), ("test", "loss"), ("train", "accuracy"), ("test", "accuracy")]


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def make_curves(settings=tuple(augment.SETTINGS), *, passes=5, seed=0):
    rng = np.random.default_rng(seed)
    rows = [
        (setting, number, split, metric, rng.uniform(0.1, 1))
        for setting, number, (split, metric) in itertools.product(settings, range(passes + 1), PANELS)
    ]
    return pd.DataFrame(rows, columns=["setting", "pass", "split", "metric", "value"]).sample(frac=1, random_state=seed)


def values_of(curves, setting, split, metric):
    rows = curves[(curves["setting"] == setting) & (curves["split"] == split) & (curves["metric"] == metric)]
    return rows.sort_values("pass")["value"].tolist()


def line_of(ax, setting, look):
    (line,) = [
        line
        for line in ax.get_lines()
        if to_rgba(line.get_color()) == to_rgba(plots.SETTING_COLOURS[setting])
        and line.get_linewidth() == look["linewidth"]
    ]
    return line


def test_every_setting_has_a_colour_of_its_own():
    assert list(plots.SETTING_COLOURS) == list(augment.SETTINGS)
    assert len(set(plots.SETTING_COLOURS.values())) == len(augment.SETTINGS)


def test_one_run_is_a_line_in_each_panel():
    curves = make_curves(["test"])
    figure = plots.plot_run(curves.drop(columns="setting"))
    for ax, (split, metric) in zip(figure.axes, PANELS, strict=True):
        (line,) = ax.get_lines()
        assert line.get_xdata().tolist() == [0, 1, 2, 3, 4, 5]
        assert line.get_ydata().tolist() == values_of(curves, "test", split, metric)
        assert ax.get_ylabel() == metric and split[:4] in ax.get_title()


def test_settings_are_drawn_reproduced_and_published():
    reproduced, published = make_curves(), make_curves(seed=1, passes=8)
    figure = plots.plot_settings(reproduced, published)
    for ax, (split, metric) in zip(figure.axes, PANELS, strict=True):
        for setting in augment.SETTINGS:
            ours, theirs = line_of(ax, setting, style.REPRODUCED), line_of(ax, setting, style.PUBLISHED)
            assert ours.get_ydata().tolist() == values_of(reproduced, setting, split, metric)
            assert theirs.get_ydata().tolist() == values_of(published, setting, split, metric)
            assert ours.get_linestyle() == "-" and theirs.get_linestyle() == "--"


def test_the_legend_names_settings_and_looks_and_covers_no_panel():
    figure = plots.plot_settings(make_curves(["none", "both"]), make_curves(["train", "both"], seed=1))
    figure.canvas.draw()
    (legend,) = figure.legends
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts == ["none", "train", "both", "reproduced", "published"]
    assert not any(legend.get_window_extent().overlaps(ax.get_window_extent()) for ax in figure.axes)


def test_panels_are_scaled_for_trained_networks():
    curves = make_curves(["none"])
    curves.loc[curves["pass"] == 0, "value"] = 50.0
    _, *others = plots.plot_run(curves).axes
    for ax in others:
        trained = ax.get_lines()[0].get_ydata()[1:]
        bottom, top = ax.get_ylim()
        assert bottom < min(trained) < max(trained) < top < 2


@pytest.mark.parametrize("passes", [0, 1])
def test_short_runs_can_be_drawn(passes, tmp_path):
    curves = make_curves(passes=passes)
    save_figure(tmp_path, "settings", plots.plot_settings(curves, curves), alt="Curves.")
    save_figure(tmp_path, "run", plots.plot_run(curves[curves["setting"] == "none"]), alt="Curves.")


def test_a_run_that_diverges_can_be_drawn(tmp_path):
    curves = make_curves(["train"])
    curves.loc[curves["pass"] == 5, "value"] = np.nan
    curves.loc[curves["pass"] == 4, "value"] = np.inf
    save_figure(tmp_path, "run", plots.plot_run(curves), alt="Curves.")


def test_an_unknown_setting_is_refused():
    with pytest.raises(ValueError, match="'all'"):
        plots.plot_settings(make_curves(["all"]), make_curves())


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
    for name in ("first", "second"):
        save_figure(tmp_path / name, "settings", plots.plot_settings(make_curves(), make_curves(seed=1)), alt="Curves.")
    first, second = (tmp_path / name / "settings.svg" for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()
