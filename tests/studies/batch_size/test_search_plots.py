import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba

from gradlab.lab import style
from gradlab.lab.record import save_figure
from gradlab.studies.batch_size import divergence
from gradlab.studies.batch_size.law import Law
from gradlab.studies.batch_size.search_plots import plot_search
from gradlab.studies.batch_size.section_plots import plot_law

RATES = (0.01, 0.1, 0.2, 0.21, 0.3)
OUTCOMES = {
    0.2: (False, True, False),
    0.01: (False, False, False),
    0.1: (False, False, False),
    0.3: (True, True, True),
    0.21: (True, False, False),
}
SEARCH = divergence.Search(
    seeds=(divergence.Bracket(0.2, 0.21), divergence.Bracket(0.1, 0.2), divergence.Bracket(0.21, 0.3)),
    majority=divergence.Bracket(0.21, 0.3),
    outcomes=OUTCOMES,
)
SEEDS = [4, 5, 6]


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def make_trials():
    """Return trials whose losses tell rate and seed: stable ones fall, diverged ones grow and stop being finite."""
    windows = np.arange(10)
    trials = []
    for rate in RATES:
        smoothed = np.array(
            [
                (2 + 0.1 * seed) * np.exp((2 if out else -0.1) * windows * rate)
                for seed, out in enumerate(OUTCOMES[rate])
            ]
        )
        smoothed[np.array(OUTCOMES[rate]), 8:] = np.inf
        untrained = np.full((3, 10), 2.4) + 0.01 * np.arange(3)[:, None]
        trials.append(divergence.Trial(rate, smoothed, untrained, np.array(OUTCOMES[rate])))
    return trials


def make_figure():
    trials = make_trials()
    return trials, plot_search(divergence.tabulate_trials(trials, SEEDS), SEARCH, batch_size=8)


def test_losses_of_all_trials_are_lines_that_tell_the_outcome_twice():
    trials, figure = make_figure()
    ax = figure.axes[0]
    lines = ax.get_lines()
    assert len(lines) == len(RATES) * 3 + 3
    expected = [(trial, seed) for trial in trials for seed in range(3)]
    for line, (trial, seed) in zip(lines, expected, strict=False):
        values = np.where(np.isfinite(trial.smoothed[seed]), trial.smoothed[seed], np.nan)
        np.testing.assert_array_equal(line.get_xdata(), np.arange(1, 11))
        np.testing.assert_array_equal(line.get_ydata(), values)
        diverged = trial.diverged[seed]
        assert line.get_linestyle() == ("--" if diverged else "-")
        assert to_rgba(line.get_color()) == to_rgba(style.COLOURS[1 if diverged else 0])
    assert [line.get_ydata()[0] for line in lines[-3:]] == pytest.approx([2.4, 2.41, 2.42])
    assert {line.get_linestyle() for line in lines[-3:]} == {":"}
    assert ax.get_yscale() == "log"
    low, high = ax.get_ylim()
    assert 0 < low < min(trial.smoothed.min() for trial in trials)
    assert high == pytest.approx(30 * 2.42)


def test_brackets_and_trials_stand_in_a_row_for_each_seed_and_the_majority():
    _, figure = make_figure()
    ax = figure.axes[1]
    lines = ax.get_lines()
    assert len(lines) == 4 * 3  # a bar, the stable and the diverged trials of each row
    majority = {rate: sum(outcome) > 1 for rate, outcome in OUTCOMES.items()}
    for row, bracket in enumerate([*SEARCH.seeds, SEARCH.majority]):
        bar, stable, diverged = lines[3 * row : 3 * row + 3]
        assert list(bar.get_xdata()) == [bracket.stable, bracket.divergent]
        assert list(bar.get_ydata()) == [row, row]
        of_row = {rate: outcome[row] if row < 3 else majority[rate] for rate, outcome in OUTCOMES.items()}
        assert list(stable.get_xdata()) == sorted(rate for rate, out in of_row.items() if not out)
        assert list(diverged.get_xdata()) == sorted(rate for rate, out in of_row.items() if out)
        for marks, face in ((stable, "white"), (diverged, style.COLOURS[1])):
            assert set(marks.get_ydata()) <= {row}
            assert to_rgba(marks.get_markerfacecolor()) == to_rgba(face)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["seed 4", "seed 5", "seed 6", "majority"]
    assert ax.get_xscale() == "log"
    assert ax.get_xlim() == pytest.approx((0.1 / 1.5, 0.3 * 1.5))
    bottom, top = ax.get_ylim()
    assert bottom > top  # first seed on top


def test_legend_names_every_look_outside_the_axes():
    _, figure = make_figure()
    figure.canvas.draw()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["stable", "diverged", "untrained", "bracket"]
    for ax in figure.axes:
        assert not legend.get_window_extent().overlaps(ax.get_window_extent())
    assert "batch size 8" in figure.get_suptitle()


def test_figure_is_the_same_bytes_each_time(tmp_path):
    for attempt in ("first", "second"):
        save_figure(tmp_path / attempt, "search", make_figure()[1], alt="A figure of made-up numbers.")
    assert (tmp_path / "first/search.svg").read_bytes() == (tmp_path / "second/search.svg").read_bytes()


def test_the_law_is_drawn_for_each_seed_with_its_brackets_and_what_they_are_of_it():
    laws = {3: Law(1.0, 50.0), 5: Law(2.0, 40.0)}
    rows = [
        (size, seed, 0.98 * rate, 1.02 * rate) for size, rate in {1: 0.02, 4: 0.07, 32: 0.3}.items() for seed in laws
    ]
    table = pd.DataFrame(rows, columns=["batch_size", "seed", "stable", "divergent"])
    table["predicted"] = [
        laws[seed].predict(size) for size, seed in zip(table["batch_size"], table["seed"], strict=True)
    ]
    figure = plot_law(table, laws, [1, 4], {1: 0.01})
    rates, shares = figure.axes
    for ax, scale in ((rates, 1), (shares, table["predicted"])):
        drawn = sorted(
            [low, high] for bars in ax.collections for (_, low), (_, high) in bars.get_segments() if low < high
        )
        expected = table[["stable", "divergent"]].div(scale, axis=0)
        np.testing.assert_allclose(drawn, sorted(expected.to_numpy().tolist()))
    curves = [line for line in rates.get_lines() if line.get_label().endswith("law")]
    for line, law in zip(curves, laws.values(), strict=True):
        np.testing.assert_allclose(line.get_ydata(), 1 / (law.a + law.b / np.asarray(line.get_xdata())))
    assert [line.get_xydata().tolist() for line in rates.get_lines() if line.get_marker() == "D"] == [[[1, 0.01]]]
    (beyond,) = shares.patches
    assert 4 < beyond.get_x() < 32 < beyond.get_x() + beyond.get_width()
    assert [label.get_text() for label in rates.get_xticklabels()] == ["1", "4", "32"]
    assert {text.get_text() for text in rates.texts} == {
        "a seed: stable to divergent",
        "law 1/η* = a + b/B",
        "published, by eye",
        "not fitted",
    }
    assert [bars.get_label() for bars in rates.containers] == [
        "seed 3, stable to divergent",
        "seed 5, stable to divergent",
    ]
    assert figure.get_figwidth() <= 7.5
    everything = plot_law(table, laws, [1, 4, 32])
    assert not any(ax.patches for ax in everything.axes)
