"""What the figures of arms show: every run, the mean and interval of an arm, what is missing, and what was published."""

import itertools
import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gradlab.lab import arms as plots
from gradlab.lab.record import save_figure
from gradlab.lab.stats import adjust_family, compare_pairs


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def make_runs(**arms):
    rows = [(arm, seed, value) for arm, values in arms.items() for seed, value in enumerate(values)]
    return pd.DataFrame(rows, columns=["arm", "seed", "value"])


def lines_with(ax, marker):
    return [line for line in ax.get_lines() if line.get_marker() == marker]


def intervals_of(ax):
    """The bars behind the dots, as (low, high)."""
    return [tuple(line.get_xdata()) for line in lines_with(ax, "None") if not line.get_label().startswith("_")]


def rows_of(ax):
    """The names of the rows, from the top."""
    assert ax.yaxis_inverted()
    return [label.get_text() for label in ax.get_yticklabels()]


def legend_texts(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def assert_nothing_overlaps(figure):
    """Legend, axes and notes apart from one another, all of them on the page; no two neighbouring labels touch."""
    figure.canvas.draw()
    (ax,) = figure.axes
    notes = [text.get_window_extent() for text in ax.texts if text.get_text()]
    outside = [*notes, *(legend.get_window_extent() for legend in figure.legends)]
    for place, box in enumerate(outside):
        assert not box.overlaps(ax.get_window_extent())
        assert not any(box.overlaps(other) for other in outside[place + 1 :])
    page = figure.bbox
    for box in [*outside, ax.get_tightbbox()]:
        assert page.x0 - 1 <= box.x0 and box.x1 <= page.x1 + 1 and page.y0 - 1 <= box.y0 and box.y1 <= page.y1 + 1
    for axis in (ax.xaxis, ax.yaxis):
        low, high = sorted(axis.get_view_interval())
        places = zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=True)
        boxes = [label.get_window_extent() for at, label in places if low <= at <= high and label.get_text()]
        assert not any(box.overlaps(other) for box, other in itertools.pairwise(boxes))


def t_interval(values):
    """The interval of the mean, from scipy's own function."""
    return stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=stats.sem(values))


def test_every_run_is_a_dot_with_the_mean_and_interval_of_its_arm():
    values = {"none": [0.85, 0.86, 0.88], "both": [0.91, 0.90, 0.92]}
    figure = plots.plot_arms(make_runs(**values), label="test accuracy")
    (ax,) = figure.axes
    rows = zip(values.items(), lines_with(ax, "o"), lines_with(ax, "|"), intervals_of(ax), strict=True)
    for place, ((name, runs), dots, mean, interval) in enumerate(rows):
        assert dots.get_xdata().tolist() == runs
        assert len(set(dots.get_ydata())) == 3
        assert all(abs(at - place) < 0.3 for at in dots.get_ydata())
        assert mean.get_xydata().tolist() == [[pytest.approx(np.mean(runs)), place]]
        assert interval == pytest.approx(t_interval(runs))
        assert [line.get_label() for line in (dots, mean)] == [f"{name}: runs", f"{name}: mean of the runs"]
    assert rows_of(ax) == ["none", "both"]
    assert ax.get_xlabel() == "test accuracy"
    low, high = t_interval(values["none"])
    assert ax.texts[0].get_text() == f"0.8633\n[{low:.4f}, {high:.4f}]"
    assert legend_texts(figure) == ["a run", "mean of the runs", "95 % interval of the mean"]
    assert_nothing_overlaps(figure)


def test_the_same_seed_has_the_same_place_in_every_arm():
    runs = make_runs(a=[1.0, 2.0, 3.0], b=[4.0, None, 6.0]).sample(frac=1, random_state=1).sort_values("arm")
    (ax,) = plots.plot_arms(runs, label="value").axes
    whole, gappy = lines_with(ax, "o")
    assert whole.get_xdata().tolist() == [1, 2, 3] and gappy.get_xdata().tolist() == [4, 6]
    np.testing.assert_allclose(gappy.get_ydata(), whole.get_ydata()[[0, 2]] + 1)


def test_published_values_are_hollow_diamonds_in_the_row_of_their_arm():
    runs = make_runs(none=[0.85, 0.86], train=[0.9, 0.91], test=[0.8, 0.82])
    figure = plots.plot_arms(runs, published={"test": 0.83, "none": 0.87, "train": None}, label="test accuracy")
    (ax,) = figure.axes
    diamonds = lines_with(ax, "D")
    assert [line.get_xydata().tolist() for line in diamonds] == [[[0.87, 0]], [[0.83, 2]]]
    assert all(line.get_markerfacecolor() == "none" for line in diamonds)
    assert legend_texts(figure)[-1] == "published"
    assert_nothing_overlaps(figure)


def test_a_published_arm_without_a_run_keeps_a_row():
    figure = plots.plot_arms(make_runs(none=[0.85, 0.86]), published={"both": 0.8}, label="test accuracy")
    (ax,) = figure.axes
    assert rows_of(ax) == ["none", "both"]
    assert len(lines_with(ax, "o")) == 1
    empty = plots.plot_arms(make_runs(), published={"both": 0.8}, label="test accuracy")
    assert legend_texts(empty) == ["published"]


@pytest.mark.parametrize("gap", [None, math.nan, math.inf])
def test_missing_values_are_counted_and_leave_no_interval(gap):
    runs = make_runs(whole=[0.85, 0.86, 0.87], part=[0.9, gap, 0.92], none=[gap, gap, gap])
    figure = plots.plot_arms(runs, label="test accuracy")
    (ax,) = figure.axes
    assert [text.get_text() for text in ax.texts[1:]] == ["0.9100\n2 of 3 runs", "0 of 3 runs"]
    assert [text.get_position()[1] for text in ax.texts] == [0, 1, 2]
    assert [line.get_xdata().tolist() for line in lines_with(ax, "o")] == [[0.85, 0.86, 0.87], [0.9, 0.92]]
    assert [line.get_xdata()[0] for line in lines_with(ax, "|")] == pytest.approx([0.86, 0.91])
    assert len(intervals_of(ax)) == 1
    assert_nothing_overlaps(figure)


def test_a_single_run_has_no_interval():
    figure = plots.plot_arms(make_runs(final=[0.5]), published={"final": 0.5045}, label="test accuracy")
    (ax,) = figure.axes
    assert not intervals_of(ax) and [text.get_text() for text in ax.texts] == ["0.5000"]
    assert legend_texts(figure) == ["a run", "mean of the runs", "published"]
    assert_nothing_overlaps(figure)


@pytest.mark.parametrize("name", ["B = {}", "batch size {}, half the rate, last cycle complete"])
def test_twelve_arms_fit(name):
    runs = make_runs(**{name.format(i): [i + 0.1, i + 0.4, None if i == 3 else i + 0.6] for i in range(12)})
    figure = plots.plot_arms(runs, published={name.format(4): 8.0}, label="passes until training accuracy is 1")
    (ax,) = figure.axes
    assert [row.replace("\n", " ") for row in rows_of(ax)] == [name.format(i) for i in range(12)]
    assert ax.get_window_extent().width > figure.bbox.width / 3
    assert_nothing_overlaps(figure)


def test_no_arm_at_all_is_refused():
    with pytest.raises(ValueError, match="no arm to draw"):
        plots.plot_arms(make_runs(), label="loss")


def compare(**differences):
    """Comparisons by name, in which the second arm is 0 throughout."""
    return {
        name: compare_pairs(pairs, [None if pair is None else 0.0 for pair in pairs])
        for name, pairs in differences.items()
    }


def test_differences_are_rows_with_their_pairs_mean_and_interval():
    comparisons = {"train − none": [0.01, 0.012, 0.02], "test − none": [-0.03, -0.02, -0.01]}
    figure = plots.plot_differences(compare(**comparisons), label="difference in test accuracy")
    (ax,) = figure.axes
    assert [line.get_xdata() for line in lines_with(ax, "None") if line.get_label().startswith("_")] == [[0, 0]]
    rows = zip(comparisons.values(), lines_with(ax, "o"), lines_with(ax, "|"), intervals_of(ax), strict=True)
    for place, (pairs, dots, mean, interval) in enumerate(rows):
        assert dots.get_xdata().tolist() == pairs
        assert mean.get_xydata().tolist() == [[pytest.approx(np.mean(pairs)), place]]
        assert min(dots.get_ydata()) < place < max(dots.get_ydata())
        assert interval == pytest.approx(t_interval(pairs))
    assert rows_of(ax) == list(comparisons)  # the first comparison on top
    assert ax.texts[1].get_text().startswith("−0.0200\n[−0.04")
    assert ax.get_xlabel() == "difference in test accuracy"
    assert legend_texts(figure) == ["a pair", "mean of the pairs", "95 % interval of the mean"]
    assert_nothing_overlaps(figure)


def test_an_adjusted_interval_is_drawn_as_it_is_and_called_so():
    alone = compare(**{"a − b": [0.01, 0.012, 0.02], "c − b": [0.03, 0.02, 0.01]})
    adjusted = adjust_family(alone)
    figure = plots.plot_differences(adjusted, label="difference")
    (ax,) = figure.axes
    for interval, comparison in zip(intervals_of(ax), adjusted.values(), strict=True):
        assert interval == pytest.approx(comparison.interval)
    assert legend_texts(figure)[-1] == "Holm-adjusted interval of the mean"


def test_the_axis_of_differences_holds_0_and_follows_the_pairs():
    (ax,) = plots.plot_differences(compare(**{"a − b": [0.5, 0.6, 0.7]}), label="difference").axes
    left, right = ax.get_xlim()
    assert left <= 0 < 0.7 < right
    assert -left < right / 2


def test_missing_pairs_are_counted_beside_their_row():
    comparisons = {"whole": [0.1, 0.2], "part": [0.1, None, math.nan, 0.4], "one": [0.3], "nothing": [None, None]}
    figure = plots.plot_differences(compare(**comparisons), label="difference")
    (ax,) = figure.axes
    notes = [text.get_text().splitlines()[-1] for text in ax.texts]
    assert notes[1:] == ["2 of 4 pairs", "+0.3000", "0 of 2 pairs"]
    assert [line.get_xdata().tolist() for line in lines_with(ax, "o")] == [[0.1, 0.2], [0.1, 0.4], [0.3]]
    assert len(intervals_of(ax)) == 1
    assert_nothing_overlaps(figure)


def test_long_names_of_comparisons_leave_room_for_the_data():
    name = "augmented training images − training images as they are"
    figure = plots.plot_differences(
        compare(**{name: [0.012, -0.011], "test − none": [0.001, 0.002]}), label="difference"
    )
    assert_nothing_overlaps(figure)
    (ax,) = figure.axes
    assert rows_of(ax)[0].replace("\n", " ") == name
    assert ax.get_window_extent().width > figure.bbox.width / 3


def test_no_comparison_at_all_is_refused():
    with pytest.raises(ValueError, match="no comparison to draw"):
        plots.plot_differences({}, label="difference")


def test_figures_are_the_same_bytes_each_time(tmp_path):
    files = []
    for attempt in ("first", "second"):
        for name, figure in {
            "arms": plots.plot_arms(make_runs(a=[1.0, 2.0], b=[2.0, None]), published={"a": 1.5}, label="loss"),
            "differences": plots.plot_differences(compare(**{"a − b": [0.1, 0.2, None]}), label="difference"),
        }.items():
            save_figure(tmp_path / attempt, name, figure, alt="A figure of made-up numbers.")
        files.append([path.read_bytes() for path in sorted((tmp_path / attempt).iterdir())])
    assert len(files[0]) == 2
    assert files[0] == files[1]
