"""What the figures of the augmentation study show: the right numbers in the right panels, told apart."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba

from gradlab.lab import style
from gradlab.lab.record import save_figure
from gradlab.studies.augmentation import augment
from gradlab.studies.augmentation import plots as plots

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


def test_every_setting_has_a_colour_and_a_marker_of_its_own():
    for looks in (plots.SETTING_COLOURS, plots.SETTING_MARKERS):
        assert list(looks) == list(augment.SETTINGS)
        assert len(set(looks.values())) == len(augment.SETTINGS)


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
            assert ours.get_marker() == theirs.get_marker() == plots.SETTING_MARKERS[setting]
            assert to_rgba(theirs.get_markerfacecolor()) == to_rgba("white") != to_rgba(ours.get_markerfacecolor())


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


def make_evaluations(settings, *, last, seed=0):
    """Curves of one run: trained on every pass, tested on every 5th and the last five; shared but for the test accuracy."""
    rng = np.random.default_rng([seed, last])
    rows = []
    for number, (split, metric) in itertools.product(range(last + 1), PANELS):
        if split == "test" and number % 5 and number <= last - 5:
            continue
        shared = rng.uniform(0.1, 1)
        for place, setting in enumerate(settings):
            own = 0.01 * place if (split, metric) == ("test", "accuracy") else 0
            rows.append((setting, seed, number, split, metric, shared + own))
    return pd.DataFrame(rows, columns=["setting", "seed", "pass", "split", "metric", "value"])


def lines_of(ax, setting):
    """The single seeds' thin lines of a setting, and the others, which have its marker."""
    lines = [line for line in ax.get_lines() if to_rgba(line.get_color()) == to_rgba(plots.SETTING_COLOURS[setting])]
    marked = [line for line in lines if line.get_marker() == plots.SETTING_MARKERS[setting]]
    return [line for line in lines if line not in marked], marked


def marked_passes(line):
    every = line.get_markevery()
    start, step = every if isinstance(every, tuple) else (0, every)
    return list(line.get_xdata()[start::step])


def legend_texts_outside(figure):
    figure.canvas.draw()
    (legend,) = figure.legends
    assert not any(legend.get_window_extent().overlaps(ax.get_window_extent()) for ax in figure.axes)
    return [text.get_text() for text in legend.get_texts()]


def is_broken(line):
    return line.get_linestyle() != "-"


def test_one_run_under_two_settings_that_share_its_training():
    curves = make_evaluations(["train", "both"], last=22)
    figure = plots.plot_arms(curves.drop(columns="seed").sample(frac=1, random_state=0))
    for ax, (split, metric) in zip(figure.axes, PANELS, strict=True):
        (_, (full,)), (_, (broken,)) = lines_of(ax, "train"), lines_of(ax, "both")
        for line, setting in ((full, "train"), (broken, "both")):
            assert line.get_ydata().tolist() == values_of(curves, setting, split, metric)
        # Drawn later, so on top: it must leave the line below it to be seen.
        assert ax.get_lines().index(broken) > ax.get_lines().index(full)
        assert is_broken(broken) and not is_broken(full)
        if split == "test":
            assert marked_passes(full) == marked_passes(broken) == [0, 5, 10, 15, 18, 19, 20, 21, 22]
            assert full.get_markersize() > broken.get_markersize() + 2 * broken.get_markeredgewidth()
        else:
            assert not set(marked_passes(full)) & set(marked_passes(broken))
            assert 4 <= len(marked_passes(full)) <= 11
        assert ax.get_ylabel() == metric and ax.get_xlabel() == "passes over the data"
    assert legend_texts_outside(figure) == ["train", "both"]


def test_settings_with_lines_of_the_same_style_differ_in_marker():
    curves = pd.concat([make_evaluations(["none", "test"], last=12), make_evaluations(["train", "both"], last=30)])
    figure = plots.plot_arms(curves)
    for ax in figure.axes:
        assert len({line.get_marker() for line in ax.get_lines()}) == len(ax.get_lines()) == 4
    assert legend_texts_outside(figure) == list(plots.SETTING_COLOURS)


def make_seeds(lengths=(22, 31, 40), settings=("none", "test")):
    return pd.concat([make_evaluations(settings, last=last, seed=seed) for seed, last in enumerate(lengths)])


def test_every_seed_is_a_thin_line_over_all_of_its_own_passes():
    curves = make_seeds()
    figure = plots.plot_seeds(curves.sample(frac=1, random_state=0))
    for ax, (split, metric) in zip(figure.axes, PANELS, strict=True):
        for setting in ("none", "test"):
            thin, (median,) = lines_of(ax, setting)
            assert len(thin) == 3
            for seed, line in enumerate(thin):
                run = curves[curves["seed"] == seed]
                assert line.get_ydata().tolist() == values_of(run, setting, split, metric)
                assert line.get_linewidth() < median.get_linewidth() / 2
                assert is_broken(line) == is_broken(median) == (setting == "test")
                assert ax.get_lines().index(line) < ax.get_lines().index(median)
    assert legend_texts_outside(figure) == ["none", "test", "median of the seeds", "a seed"]


def test_the_median_is_over_passes_that_all_seeds_were_measured_at():
    curves = make_seeds()
    figure = plots.plot_seeds(curves)
    for ax, (split, metric) in zip(figure.axes, PANELS, strict=True):
        _, (median,) = lines_of(ax, "none")
        # The shortest run ends at 22; its passes 18, 19, 21 and 22 are evaluated on the test set in no other run.
        expected = list(range(23)) if split == "train" else [0, 5, 10, 15, 20]
        assert list(median.get_xdata()) == expected
        rows = curves[(curves["setting"] == "none") & (curves["split"] == split) & (curves["metric"] == metric)]
        by_hand = [sorted(rows.loc[rows["pass"] == number, "value"])[1] for number in expected]  # of three
        np.testing.assert_allclose(median.get_ydata(), by_hand, rtol=1e-12)


@pytest.mark.parametrize("nowhere", [np.nan, np.inf])
def test_the_median_stops_where_a_run_diverges(nowhere, tmp_path):
    curves = make_seeds()
    curves.loc[(curves["seed"] == 1) & (curves["pass"] >= 12), "value"] = nowhere
    figure = plots.plot_seeds(curves)
    for ax in figure.axes:
        _, (median,) = lines_of(ax, "none")
        assert max(median.get_xdata()) in (10, 11) and np.isfinite(median.get_ydata()).all()
    save_figure(tmp_path, "seeds", figure, alt="Curves.")


def test_one_seed_is_its_own_median():
    curves = make_seeds(lengths=[7], settings=["both"])
    for ax in plots.plot_seeds(curves).axes:
        (thin,), (median,) = lines_of(ax, "both")
        assert thin.get_xdata().tolist() == median.get_xdata().tolist()
        assert thin.get_ydata().tolist() == median.get_ydata().tolist()


def test_corrected_figures_refuse_an_unknown_setting():
    for plot in (plots.plot_arms, plots.plot_seeds):
        with pytest.raises(ValueError, match="'all'"):
            plot(make_seeds(settings=["none", "all"]))


@pytest.mark.parametrize("passes", [0, 1])
def test_short_runs_can_be_drawn(passes, tmp_path):
    curves = make_curves(passes=passes)
    save_figure(tmp_path, "settings", plots.plot_settings(curves, curves), alt="Curves.")
    save_figure(tmp_path, "run", plots.plot_run(curves[curves["setting"] == "none"]), alt="Curves.")
    save_figure(tmp_path, "arms", plots.plot_arms(curves), alt="Curves.")
    save_figure(tmp_path, "seeds", plots.plot_seeds(curves.assign(seed=0)), alt="Curves.")


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
    for attempt in ("first", "second"):
        for name, figure in {
            "settings": plots.plot_settings(make_curves(), make_curves(seed=1)),
            "arms": plots.plot_arms(make_evaluations(["none", "test"], last=12)),
            "seeds": plots.plot_seeds(make_seeds()),
        }.items():
            save_figure(tmp_path / attempt, name, figure, alt="Curves.")
    for name in ("settings", "arms", "seeds"):
        first, second = (tmp_path / attempt / f"{name}.svg" for attempt in ("first", "second"))
        assert first.read_bytes() == second.read_bytes()
