import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba

from gradlab.lab import style
from gradlab.lab.record import save_figure
from gradlab.studies.batch_size import plots, section_plots

SIZES = [1, 4, 16]
PANELS = [("train", "loss"), ("test", "loss"), ("train", "accuracy"), ("test", "accuracy")]


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def make_curves(*, sizes=SIZES, seeds=(0, 1, 2), passes=6):
    rng = np.random.default_rng(0)
    rows = [
        (size, seed, done, done * (48 // size), split, metric, rng.uniform(0.1, 1))
        for size, seed, done, (split, metric) in itertools.product(sizes, seeds, range(passes + 1), PANELS)
    ]
    return pd.DataFrame(rows, columns=["batch_size", "seed", "pass", "update", "split", "metric", "value"])


def make_published(**shape):
    return make_curves(seeds=[0], **shape).drop(columns="seed")


def expected_table(curves, size, split, metric):
    rows = curves[(curves["batch_size"] == size) & (curves["split"] == split) & (curves["metric"] == metric)]
    return rows.pivot(index="pass", columns="seed", values="value").to_numpy()


def legend_texts(figure):
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def assert_legend_is_outside(figure):
    figure.canvas.draw()
    (legend,) = figure.legends
    box = legend.get_window_extent()
    for ax in figure.axes:
        assert not box.overlaps(ax.get_window_extent())


def test_runs_of_one_batch_size_are_lines_with_their_median():
    curves = make_curves(sizes=[4])
    figure = plots.plot_runs(curves.drop(columns="batch_size"))
    for ax, (split, metric) in zip(figure.axes, PANELS, strict=True):
        table = expected_table(curves, 4, split, metric)
        lines = ax.get_lines()
        assert len(lines) == 4
        for line, values in zip(lines, [*table.T, np.median(table, axis=1)], strict=True):
            np.testing.assert_array_equal(line.get_xdata(), np.arange(7))
            np.testing.assert_allclose(line.get_ydata(), values, rtol=1e-12)
        assert ax.get_yscale() == ("log" if metric == "loss" else "linear")
        assert ax.get_ylabel() == metric
        assert ax.get_xlabel() == "passes over the data"
    assert legend_texts(figure) == ["3 seeds", "median"]
    assert_legend_is_outside(figure)


def test_a_single_run_is_one_line_without_a_legend():
    curves = make_curves(sizes=[4], seeds=[0]).drop(columns=["seed", "batch_size"])
    figure = plots.plot_runs(curves)
    assert [len(ax.get_lines()) for ax in figure.axes] == [1] * 4
    assert not figure.legends


def test_the_trial_shows_its_running_average_and_the_losses_at_both_ends():
    rows = [(100, "train", "trial_running_average", 1.1), (200, "train", "trial_running_average", 0.9)]
    rows += [(0, "train", "trial_loss", 2.4), (250, "train", "trial_loss", 0.5), (0, "test", "trial_loss", 2.5)]
    (ax,) = plots.plot_trial(pd.DataFrame(rows, columns=["update", "split", "metric", "value"])).axes
    assert [line.get_xydata().tolist() for line in ax.get_lines()] == [[[100, 1.1], [200, 0.9]], [[0, 2.4], [250, 0.5]]]


def test_the_median_stops_where_a_run_diverges():
    curves = make_curves(sizes=[4])
    curves.loc[(curves["seed"] == 1) & (curves["pass"] >= 3), "value"] = np.nan
    for figure in (plots.plot_runs(curves), section_plots.plot_batch_sizes(curves, against="pass")):
        for ax in figure.axes:
            median = np.asarray(ax.get_lines()[-1].get_ydata(), dtype=float)
            assert np.isfinite(median[:3]).all()
            assert np.isnan(median[3:]).all()


@pytest.mark.parametrize("against", ["pass", "update"])
def test_all_batch_sizes_with_bands(against):
    curves = make_curves()
    figure = section_plots.plot_batch_sizes(curves, against=against)
    first = 1 if against == "update" else 0  # update 0 has no place on a logarithmic axis
    for ax, (split, metric) in zip(figure.axes, PANELS, strict=True):
        assert len(ax.get_lines()) == len(ax.collections) == len(SIZES)
        for size, colour, line, band in zip(SIZES, style.COLOURS, ax.get_lines(), ax.collections, strict=False):
            table = expected_table(curves, size, split, metric)[first:]
            x = np.arange(first, 7) * (48 // size if against == "update" else 1)
            np.testing.assert_array_equal(line.get_xdata(), x)
            np.testing.assert_allclose(line.get_ydata(), np.median(table, axis=1), rtol=1e-12)
            vertices = band.get_paths()[0].vertices
            for place, lowest, highest in zip(x, *np.percentile(table, [25, 75], axis=1), strict=True):
                heights = vertices[vertices[:, 0] == place, 1]
                np.testing.assert_allclose((heights.min(), heights.max()), (lowest, highest), rtol=1e-12)
            assert to_rgba(line.get_color()) == to_rgba(colour)
        assert len({line.get_marker() for line in ax.get_lines()}) == len(SIZES)
        assert ax.get_xscale() == ("log" if against == "update" else "linear")
    assert legend_texts(figure) == ["B = 1", "B = 4", "B = 16", "median of seeds", "middle half of seeds"]
    assert_legend_is_outside(figure)


def test_single_runs_have_no_band():
    figure = section_plots.plot_batch_sizes(make_published(), against="pass")
    assert not any(ax.collections for ax in figure.axes)
    assert legend_texts(figure) == ["B = 1", "B = 4", "B = 16"]


def test_replays_lie_over_the_published_logs_in_a_column_for_each_batch_size():
    replays, published = (
        make_published(),
        make_curves(seeds=[7]).drop(columns="seed"),
    )  # the same numbers: one generator
    published["value"] += 0.01
    figure = section_plots.plot_replays(replays, published)
    axes = np.array(figure.axes).reshape(4, len(SIZES))
    for row, (split, metric) in zip(axes, PANELS, strict=True):
        assert len({ax.get_ylim() for ax in row}) == 1
        for ax, size in zip(row, SIZES, strict=True):
            theirs, ours = (line.get_ydata() for line in ax.get_lines())
            expected = replays[(replays["batch_size"] == size) & (replays["split"] == split)]
            np.testing.assert_array_equal(ours, expected.loc[expected["metric"] == metric, "value"])
            np.testing.assert_allclose(theirs - ours, 0.01)
    assert [ax.get_title() for ax in axes[0]] == ["B = 1", "B = 4", "B = 16"]
    assert [ax.get_ylabel() for ax in axes[:, 0]] == ["train loss", "test loss", "train accuracy", "test accuracy"]
    assert legend_texts(figure) == ["published", "replay"]
    assert_legend_is_outside(figure)


def test_axes_of_accuracy_begin_at_the_trained_networks():
    curves = make_curves()
    curves.loc[curves["pass"] == 0, "value"] = 0.001
    for figure, table in [
        (section_plots.plot_batch_sizes(curves, against="pass"), curves),
        (plots.plot_runs(curves[curves["batch_size"] == 4]), curves[curves["batch_size"] == 4]),
    ]:
        for ax, (split, metric) in zip(figure.axes, PANELS, strict=True):
            low, high = ax.get_ylim()
            if metric == "loss":
                assert low <= 0.001
                continue
            rows = table[(table["split"] == split) & (table["metric"] == metric) & (table["pass"] > 0)]
            assert 0.001 < low < rows["value"].min() <= rows["value"].max() < high


def test_unknown_axis_and_too_many_batch_sizes_are_refused():
    with pytest.raises(ValueError, match="against 'pass' or 'update'; got 'epoch'"):
        section_plots.plot_batch_sizes(make_curves(), against="epoch")
    with pytest.raises(ValueError, match="8 batch sizes for 7 colours"):
        section_plots.plot_batch_sizes(make_curves(sizes=range(1, 9)), against="pass")


def make_interpolation():
    runs = pd.DataFrame(
        [
            *((1, "replay", 13, 624), (1, "seeds", 10, 480), (1, "seeds", 12, 576)),
            *((16, "seeds", 20, 60), (16, "seeds", None, None)),
        ],
        columns=["batch_size", "arm", "passes", "updates"],
    )
    runs = runs.assign(last_pass=30, last_update=30 * (48 // runs["batch_size"]))
    return runs, pd.DataFrame({"batch_size": [1, 16], "passes": [13, 24], "updates": [624, 72]})


def test_every_run_is_a_mark_and_one_that_did_not_get_there_an_arrow_where_it_ended():
    figure = section_plots.plot_interpolation(*make_interpolation())
    for ax, dots, arrow, published in zip(
        figure.axes,
        ([[624], [480, 576], [60]], [[13], [10, 12], [20]]),
        (90, 30),
        ([624, 72], [13, 24]),
        strict=True,
    ):
        lines = [line for line in ax.get_lines() if len(line.get_xdata())]
        arrows = [line for line in lines if line.get_marker() == "^"]
        levels = [line for line in lines if line.get_marker() == "None"]
        marks = [line for line in lines if line not in arrows + levels]
        assert [line.get_ydata().tolist() for line in marks] == dots
        assert [line.get_ydata().tolist() for line in arrows] == [[arrow]]
        assert [line.get_ydata()[0] for line in levels] == published
        places = [place for line in [*marks, *arrows] for place in line.get_xdata()]
        assert len(set(places)) == 5
        assert all(abs(place - round(place)) < 0.5 for place in places)
        assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "16"]
    assert [ax.get_yscale() for ax in figure.axes] == ["log", "linear"]
    assert legend_texts(figure) == ["replay", "seeds", "not reached", "published"]
    assert_legend_is_outside(figure)


def test_figures_are_the_same_bytes_each_time(tmp_path):
    curves = make_curves()
    files = []
    for attempt in ("first", "second"):
        for name, figure in {
            "runs": plots.plot_runs(curves[curves["batch_size"] == 1]),
            "updates": section_plots.plot_batch_sizes(curves, against="update"),
            "interpolation": section_plots.plot_interpolation(*make_interpolation()),
        }.items():
            save_figure(tmp_path / attempt, name, figure, alt="A figure of made-up numbers.")
        files.append([path.read_bytes() for path in sorted((tmp_path / attempt).iterdir())])
    assert len(files[0]) == 3
    assert files[0] == files[1]
