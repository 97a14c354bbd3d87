import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

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


def texts_of(ax):
    return [text.get_text() for text in ax.texts]


@pytest.mark.parametrize("against", ["pass", "update"])
def test_every_batch_size_has_a_column_with_medians_and_bands(against):
    curves = make_curves()
    figure = section_plots.plot_batch_sizes(curves, against=against)
    first = 1 if against == "update" else 0  # update 0 has no place on a logarithmic axis
    axes = np.array(figure.axes).reshape(2, len(SIZES))
    for row, metric in zip(axes, ("accuracy", "loss"), strict=True):
        for ax, size in zip(row, SIZES, strict=True):
            for split, line, band in zip(("train", "test"), ax.get_lines(), ax.collections, strict=True):
                table = expected_table(curves, size, split, metric)[first:]
                x = np.arange(first, 7) * (48 // size if against == "update" else 1)
                np.testing.assert_array_equal(line.get_xdata(), x)
                np.testing.assert_allclose(line.get_ydata(), np.median(table, axis=1), rtol=1e-12)
                vertices = band.get_paths()[0].vertices
                for place, lowest, highest in zip(x, *np.percentile(table, [25, 75], axis=1), strict=True):
                    heights = vertices[vertices[:, 0] == place, 1]
                    np.testing.assert_allclose((heights.min(), heights.max()), (lowest, highest), rtol=1e-12)
                words = {"train": "training", "test": "test"}[split]
                assert line.get_label() == f"{words}, median of 3 seeds"
            assert len({line.get_linestyle() for line in ax.get_lines()}) == 2
            assert ax.get_xscale() == ("log" if against == "update" else "linear")
            assert ax.get_label() == f"B = {size}: {metric}"
        assert len({ax.get_ylim() for ax in row}) == len({ax.get_yscale() for ax in row}) == 1
    assert [ax.get_title() for ax in axes[0]] == ["B = 1", "B = 4", "B = 16"]
    assert sorted(texts_of(axes[0, 0])) == ["test", "training"]


@pytest.mark.parametrize("sizes", [[4], range(1, 8)])
def test_any_number_of_batch_sizes_fits_a_column_of_text(sizes):
    curves = make_curves(sizes=sizes)
    for figure in (
        section_plots.plot_batch_sizes(curves, against="pass"),
        section_plots.plot_replays(make_published(sizes=sizes), make_published(sizes=sizes)),
    ):
        assert figure.get_figwidth() <= 7.5


def test_single_runs_have_no_band():
    figure = section_plots.plot_batch_sizes(make_published(), against="pass")
    assert not any(ax.collections for ax in figure.axes)
    assert {line.get_label() for ax in figure.axes for line in ax.get_lines()} == {"training", "test"}


def test_replays_lie_over_the_published_logs_in_a_column_for_each_batch_size():
    replays, published = (
        make_published(),
        make_curves(seeds=[7]).drop(columns="seed"),
    )  # the same numbers: one generator
    published["value"] += 0.01
    figure = section_plots.plot_replays(replays, published)
    axes = np.array(figure.axes).reshape(4, len(SIZES))
    panels = [("train", "accuracy"), ("test", "accuracy"), ("train", "loss"), ("test", "loss")]
    for row, (split, metric) in zip(axes, panels, strict=True):
        assert len({ax.get_ylim() for ax in row}) == 1
        for ax, size in zip(row, SIZES, strict=True):
            theirs, ours = (line.get_ydata() for line in ax.get_lines())
            expected = replays[(replays["batch_size"] == size) & (replays["split"] == split)]
            np.testing.assert_array_equal(ours, expected.loc[expected["metric"] == metric, "value"])
            np.testing.assert_allclose(theirs - ours, 0.01)
            assert [line.get_label() for line in ax.get_lines()] == ["published", "replay"]
    assert [ax.get_title() for ax in axes[0]] == ["B = 1", "B = 4", "B = 16"]
    rows = ["training accuracy", "test accuracy", "training loss", "test loss"]
    assert [ax.get_ylabel() for ax in axes[:, 0]] == rows
    assert sorted(texts_of(axes[0, 0])) == ["published", "replay"]


def test_axes_of_accuracy_begin_at_the_trained_networks():
    curves = make_curves(seeds=[0]).drop(columns="seed")
    curves.loc[curves["pass"] == 0, "value"] = 0.001
    trained = curves[(curves["metric"] == "accuracy") & (curves["pass"] > 0)]
    columns = len(SIZES)
    of_all = section_plots.plot_batch_sizes(curves, against="pass").axes[:columns]
    replayed = section_plots.plot_replays(curves, curves).axes
    of_splits = {"train": replayed[:columns], "test": replayed[columns : 2 * columns]}
    for axes, rows in [(of_all, trained), *((of_splits[split], rows) for split, rows in trained.groupby("split"))]:
        for ax in axes:
            low, high = ax.get_ylim()
            assert 0.001 < low < rows["value"].min() <= rows["value"].max() < high


def test_an_unknown_axis_is_refused():
    with pytest.raises(ValueError, match="against 'pass' or 'update'; got 'epoch'"):
        section_plots.plot_batch_sizes(make_curves(), against="epoch")


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
        ([[13], [10, 12], [20]], [[624], [480, 576], [60]]),
        (30, 90),
        ([13, 24], [624, 72]),
        strict=True,
    ):
        lines = [line for line in ax.get_lines() if len(line.get_xdata())]
        arrows = [line for line in lines if line.get_marker() == "^"]
        levels = [line for line in lines if line.get_marker() == "_"]
        marks = [line for line in lines if line not in arrows + levels]
        assert [line.get_ydata().tolist() for line in marks] == dots
        assert [line.get_label() for line in marks] == ["replay, B = 1", "seeds, B = 1", "seeds, B = 16"]
        assert [line.get_ydata().tolist() for line in arrows] == [[arrow]]
        assert [line.get_label() for line in arrows] == ["seeds, B = 16: not reached"]
        assert [line.get_xydata().tolist() for line in levels] == [
            [[place, value]] for place, value in enumerate(published)
        ]
        places = [place for line in [*marks, *arrows] for place in line.get_xdata()]
        assert len(set(places)) == 5
        assert all(abs(place - round(place)) < 0.5 for place in places)
        assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "16"]
    assert [ax.get_yscale() for ax in figure.axes] == ["linear", "log"]
    assert legend_texts(figure) == ["replay", "seeds", "not reached", "published"]
    assert figure.get_figwidth() <= 7.5
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
