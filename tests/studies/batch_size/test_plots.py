import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba

from gradlab.lab import style
from gradlab.lab.record import save_figure
from gradlab.studies.batch_size import plots as plots

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


def test_the_median_stops_where_a_run_diverges():
    curves = make_curves(sizes=[4])
    curves.loc[(curves["seed"] == 1) & (curves["pass"] >= 3), "value"] = np.nan
    for figure in (plots.plot_runs(curves), plots.plot_batch_sizes(curves, against="pass")):
        for ax in figure.axes:
            median = np.asarray(ax.get_lines()[-1].get_ydata(), dtype=float)
            assert np.isfinite(median[:3]).all()
            assert np.isnan(median[3:]).all()


@pytest.mark.parametrize("against", ["pass", "update"])
def test_all_batch_sizes_with_bands_and_published_lines(against):
    curves, published = make_curves(), make_published()
    figure = plots.plot_batch_sizes(curves, published, against=against)
    first = 1 if against == "update" else 0  # update 0 has no place on a logarithmic axis
    for ax, (split, metric) in zip(figure.axes, PANELS, strict=True):
        ours, theirs = ax.get_lines()[::2], ax.get_lines()[1::2]
        assert len(ours) == len(theirs) == len(ax.collections) == len(SIZES)
        for size, colour, line, dashed, band in zip(SIZES, style.COLOURS, ours, theirs, ax.collections, strict=False):
            table = expected_table(curves, size, split, metric)[first:]
            x = np.arange(first, 7) * (48 // size if against == "update" else 1)
            np.testing.assert_array_equal(line.get_xdata(), x)
            np.testing.assert_allclose(line.get_ydata(), np.median(table, axis=1), rtol=1e-12)
            rows = published[(published["batch_size"] == size) & (published["split"] == split)]
            expected = rows.loc[rows["metric"] == metric, "value"].to_numpy()[first:]
            np.testing.assert_array_equal(dashed.get_xdata(), x)
            np.testing.assert_array_equal(dashed.get_ydata(), expected)
            vertices = band.get_paths()[0].vertices
            for place, lowest, highest in zip(x, *np.percentile(table, [25, 75], axis=1), strict=True):
                heights = vertices[vertices[:, 0] == place, 1]
                np.testing.assert_allclose((heights.min(), heights.max()), (lowest, highest), rtol=1e-12)
            assert to_rgba(line.get_color()) == to_rgba(dashed.get_color()) == to_rgba(colour)
            assert line.get_marker() == dashed.get_marker()
            assert to_rgba(dashed.get_markerfacecolor()) == to_rgba("white") != to_rgba(line.get_markerfacecolor())
            assert line.get_linestyle() == "-"
            assert dashed.get_linestyle() == "--"
        assert len({line.get_marker() for line in ours}) == len(SIZES)
        assert ax.get_xscale() == ("log" if against == "update" else "linear")
    assert legend_texts(figure) == ["B = 1", "B = 4", "B = 16", "median of seeds", "middle half of seeds", "published"]
    assert_legend_is_outside(figure)


def test_axes_of_accuracy_begin_at_the_trained_networks():
    curves, published = make_curves(), make_published()
    for table in (curves, published):
        table.loc[table["pass"] == 0, "value"] = 0.001
    for figure, tables in [
        (plots.plot_batch_sizes(curves, published, against="pass"), (curves, published)),
        (plots.plot_runs(curves[curves["batch_size"] == 4]), (curves[curves["batch_size"] == 4],)),
    ]:
        for ax, (split, metric) in zip(figure.axes, PANELS, strict=True):
            low, high = ax.get_ylim()
            if metric == "loss":
                assert low <= 0.001
                continue
            for table in tables:
                rows = table[(table["split"] == split) & (table["metric"] == metric) & (table["pass"] > 0)]
                assert 0.001 < low < rows["value"].min() <= rows["value"].max() < high


def test_without_published_curves_nothing_is_dashed():
    figure = plots.plot_batch_sizes(make_curves(), against="pass")
    assert {line.get_linestyle() for ax in figure.axes for line in ax.get_lines()} == {"-"}
    assert "published" not in legend_texts(figure)


def test_a_batch_size_keeps_its_colour_when_our_runs_of_it_are_missing():
    figure = plots.plot_batch_sizes(make_curves(sizes=[4, 16]), make_published(), against="pass")
    lines = figure.axes[0].get_lines()
    colours = [to_rgba(line.get_color()) for line in lines]
    assert colours == [to_rgba(style.COLOURS[index]) for index in (0, 1, 1, 2, 2)]
    assert lines[0].get_linestyle() == "--"


def test_unknown_axis_and_too_many_batch_sizes_are_refused():
    with pytest.raises(ValueError, match="against 'pass' or 'update'; got 'epoch'"):
        plots.plot_batch_sizes(make_curves(), against="epoch")
    with pytest.raises(ValueError, match="8 batch sizes for 7 colours"):
        plots.plot_batch_sizes(make_curves(sizes=range(1, 9)), against="pass")


def make_interpolation():
    runs = pd.DataFrame(
        [(1, 0, 10, 480), (1, 1, 12, 576), (1, 2, 14, 672), (16, 0, 20, 60), (16, 1, None, None), (16, 2, 30, 90)],
        columns=["batch_size", "seed", "passes", "updates"],
    )
    return runs, pd.DataFrame({"batch_size": [1, 16], "passes": [13, 24], "updates": [624, 72]})


def test_bars_are_means_with_every_seed_as_a_dot_and_published_bars_hollow():
    runs, published = make_interpolation()
    figure = plots.interpolation_bars(runs, published)
    for ax, means, dots, theirs in [
        (figure.axes[0], [576, 75], [[480, 576, 672], [60, 90]], [624, 72]),
        (figure.axes[1], [12, 25], [[10, 12, 14], [20, 30]], [13, 24]),
    ]:
        ours, hollow = ax.patches[::2], ax.patches[1::2]
        assert [bar.get_height() for bar in ours] == means
        assert [bar.get_height() for bar in hollow] == theirs
        assert all(bar.get_fill() and not bar.get_hatch() for bar in ours)
        assert all(bar.get_hatch() and not bar.get_fill() for bar in hollow)
        for line, bar, values in zip(ax.get_lines(), ours, dots, strict=True):
            assert list(line.get_ydata()) == values
            assert len(set(line.get_xdata())) == len(values)
            assert bar.get_x() < min(line.get_xdata()) <= max(line.get_xdata()) < bar.get_x() + bar.get_width()
        assert [text.get_text() for text in ax.texts] == ["2 of 3"]
        assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "16"]
    assert [ax.get_yscale() for ax in figure.axes] == ["log", "linear"]
    assert [ax.get_ylim()[0] for ax in figure.axes] == [10, 0]  # the decade below the smallest of the updates, 60
    assert legend_texts(figure) == ["mean of seeds", "a seed", "published"]
    assert_legend_is_outside(figure)


def test_bars_of_a_batch_size_that_no_seed_interpolates():
    runs, _ = make_interpolation()
    runs.loc[runs["batch_size"] == 16, ["passes", "updates"]] = np.nan
    figure = plots.interpolation_bars(runs)
    for ax in figure.axes:
        assert len(ax.patches) == 1
        assert [text.get_text() for text in ax.texts] == ["0 of 3"]
    figure.canvas.draw()
    assert legend_texts(figure) == ["mean of seeds", "a seed"]


def test_figures_are_the_same_bytes_each_time(tmp_path):
    curves, published = make_curves(), make_published()
    runs, bars = make_interpolation()
    files = []
    for attempt in ("first", "second"):
        for name, figure in {
            "runs": plots.plot_runs(curves[curves["batch_size"] == 1]),
            "updates": plots.plot_batch_sizes(curves, published, against="update"),
            "bars": plots.interpolation_bars(runs, bars),
        }.items():
            save_figure(tmp_path / attempt, name, figure, alt="A figure of made-up numbers.")
        files.append([path.read_bytes() for path in sorted((tmp_path / attempt).iterdir())])
    assert len(files[0]) == 3
    assert files[0] == files[1]
