import dataclasses
import json
import math
import re

import numpy as np
import pandas as pd
import pytest
import reference_mlp
import torch
from hypothesis import given
from hypothesis import strategies as st

from gradlab.lab.record import save_curves, save_metrics
from gradlab.lab.seeds import seed_streams
from gradlab.studies.batch_size import divergence, mlp

ROOT = 5
N = 120  # training images of a seed


def make_data(seeds, *, dtype=torch.float32):
    """Return data whose classes can be told apart, untrained networks, and fresh streams of the same seeds."""
    rng = np.random.default_rng(0)
    labels = rng.integers(10, size=300)
    images = rng.integers(0, 120, size=(300, 5, 5), dtype=np.uint8)
    images.reshape(300, -1)[np.arange(300), labels] += 130
    streams = [seed_streams(ROOT, seed) for seed in seeds]
    data = mlp.draw_data(images, labels, images[:10], labels[:10], size=N, streams=streams)
    initial = mlp.init_parameters(25, 16, streams=streams)
    data = dataclasses.replace(data, train_x=data.train_x.to(dtype), test_x=data.test_x.to(dtype))
    initial = mlp.Parameters(*(tensor.to(dtype) for tensor in vars(initial).values()))
    return data, initial, streams


def make_start(seeds, *, batch_size=4, dtype=torch.float32):
    data, initial, streams = make_data(seeds, dtype=dtype)
    return divergence.prepare_start(data, initial, batch_size=batch_size, streams=streams)


# The rule ------------------------------------------------------------------------------------------------------------


def judge(losses, untrained=2.4, *, constant=False):
    smoothed = divergence.smooth_losses(np.array([losses], dtype=np.float32))
    return bool(divergence.diverges(smoothed, np.full(smoothed.shape, untrained), np.array([constant]))[0])


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        (np.linspace(2.4, 0.4, 50), False),  # falls
        (np.linspace(2.4, 3.0, 50), True),  # rises
        (np.full(50, 2.4), True),  # ends where it began: no lower
        (np.full(50, 2.3), False),  # lower from the first window on
        ([*np.linspace(2.4, 0.4, 45), *[0.4, 0.4, 0.4, 0.4, 10.6]], True),  # the last window's mean is 2.44
        ([*np.linspace(2.4, 0.4, 45), *[0.4, 0.4, 0.4, 0.4, 10.0]], False),  # and here 2.32: one bad minibatch
        ([2.4, 1e6, *[1.0] * 48], False),  # a spike that training recovers from
        ([2.4, 1e6, *[3.0] * 48], True),  # far below the first window, but no lower than the untrained network
        ([2.4, math.nan, *[1.0] * 48], True),
        ([2.4, math.inf, *[1.0] * 48], True),
        ([*[1.0] * 49, math.nan], True),
    ],
)
def test_rule_on_sequences_of_losses(losses, expected):
    assert judge(losses) is expected


def test_constant_outputs_diverge_whatever_the_loss():
    assert judge([2.31] * 50, constant=True)
    assert not judge([2.31] * 50)


def test_seeds_are_judged_each_by_itself():
    smoothed = np.array([[1.0, 0.5], [1.0, math.nan], [1.0, 2.5], [1.0, 0.5], [1.0, 0.5]])
    untrained = np.array([[2.0, 2.0], [2.0, 2.0], [9.0, 2.0], [9.0, 0.5], [2.0, 2.0]])
    constant = np.array([False, False, False, False, True])
    np.testing.assert_array_equal(divergence.diverges(smoothed, untrained, constant), [False, True, True, True, True])


def test_smoothing_is_the_mean_of_stretches():
    losses = np.stack([np.arange(20), np.arange(20)[::-1]])
    np.testing.assert_array_equal(divergence.smooth_losses(losses)[0], np.arange(0.5, 20, 2))
    np.testing.assert_array_equal(divergence.smooth_losses(losses)[1], np.arange(0.5, 20, 2)[::-1])
    uneven = divergence.smooth_losses(np.arange(7)[None], 3)  # 0 1 2 | 3 4 | 5 6
    np.testing.assert_array_equal(uneven, [[1, 3.5, 5.5]])


def test_smoothing_is_exact_where_float32_sums_are_not():
    losses = np.full((1, 10 * 2**14), 0.1, dtype=np.float32)
    np.testing.assert_allclose(divergence.smooth_losses(losses), float(np.float32(0.1)), rtol=1e-13)


def test_a_pass_with_fewer_updates_than_windows_is_refused():
    data, initial, streams = make_data([0])
    with pytest.raises(ValueError, match="a pass of 8 updates cannot be smoothed over 10 windows"):
        divergence.prepare_start(data, initial, batch_size=15, streams=streams)


# A trial -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 4])
def test_trial_agrees_with_a_plain_loop(batch_size):
    seeds, rate = [0, 3], 0.05
    start = make_start(seeds, batch_size=batch_size, dtype=torch.float64)
    trial = divergence.try_rate(start, rate)
    updates = N // batch_size
    for s, seed in enumerate(seeds):
        order = seed_streams(ROOT, seed).order.integers(N, size=(updates, batch_size))
        x, y = start.data.train_x[s], start.data.train_y[s]
        for learning_rate, got in ((rate, trial.smoothed[s]), (0.0, trial.untrained[s])):
            network = reference_mlp.build_network(start.initial, s)
            losses = reference_mlp.train_pass(network, x, y, order=order, learning_rate=learning_rate)
            windows = [np.mean(losses[i * updates // 10 : (i + 1) * updates // 10]) for i in range(10)]
            np.testing.assert_allclose(got, windows, rtol=1e-9)
    assert trial.learning_rate == rate


@pytest.mark.parametrize("batch_size", [1, 4])
def test_huge_rates_diverge_and_moderate_and_tiny_ones_do_not(batch_size):
    start = make_start([0, 1, 2], batch_size=batch_size)
    for rate in (1e30, 1e3, 10):
        assert divergence.try_rate(start, rate).diverged.all()
    # The tiny ones move the loss by far less than minibatches differ, but the same minibatches are compared.
    for rate in (0.02, 1e-4, 1e-5):
        assert not divergence.try_rate(start, rate).diverged.any()


def test_ascent_diverges():
    # Its loss is finite all the way, and rises by little.
    start = make_start([0, 1, 2])
    trial = divergence.try_rate(start, -1e-4)
    assert np.isfinite(trial.smoothed).all()
    assert trial.diverged.all()


def test_a_network_without_active_units_diverges_although_its_loss_falls():
    start = make_start([0, 1])
    dead = start.initial.copy()
    dead.W1[1], dead.b1[1] = 0, -1
    dead.b2[1] = torch.linspace(0, 2, 10)  # far from the frequencies of the classes, which it learns
    start = dataclasses.replace(start, initial=dead)
    start = dataclasses.replace(start, untrained=divergence.try_rate(start, 0.0).smoothed)
    trial = divergence.try_rate(start, 0.02)
    assert trial.smoothed[1, -1] < trial.untrained[1, -1]
    np.testing.assert_array_equal(trial.diverged, [False, True])


def test_trials_do_not_depend_on_the_trials_before_them():
    start = make_start([0, 1])
    first = divergence.try_rate(start, 0.02)
    divergence.try_rate(start, 1e30)
    again = divergence.try_rate(start, 0.02)
    np.testing.assert_array_equal(first.smoothed, again.smoothed)


def test_a_diverged_seed_leaves_the_others_alone():
    start = make_start([0, 1, 2])
    expected = divergence.try_rate(start, 0.02)
    broken = start.initial.copy()
    broken.W1[1] = math.nan
    trial = divergence.try_rate(dataclasses.replace(start, initial=broken), 0.02)
    np.testing.assert_array_equal(trial.diverged, [False, True, False])
    np.testing.assert_array_equal(trial.smoothed[[0, 2]], expected.smoothed[[0, 2]])


def test_minibatches_are_those_of_the_first_pass_of_training():
    data, initial, streams = make_data([0, 1])
    start = divergence.prepare_start(data, initial, batch_size=4, streams=streams)
    _, fresh_initial, fresh = make_data([0, 1])
    _, trained = mlp.train(data, fresh_initial, batch_size=4, learning_rate=0.02, passes=1, streams=fresh)
    parameters = initial.copy()
    mlp.train_pass(parameters, data, start.order, learning_rate=0.02)
    assert torch.equal(parameters.W1, trained.W1)


def test_mismatched_streams_are_refused():
    data, initial, streams = make_data([0, 1])
    with pytest.raises(ValueError, match="1 streams for data of 2 seeds"):
        divergence.prepare_start(data, initial, batch_size=4, streams=streams[:1])


# The search ----------------------------------------------------------------------------------------------------------


def thresholds_to_outcomes(thresholds, tried=None):
    """Return outcomes of seeds that diverge from their threshold on, and note the rates asked for."""

    def outcomes(rate):
        if tried is not None:
            tried.append(rate)
        return [rate >= threshold for threshold in thresholds]

    return outcomes


def assert_brackets(bracket, threshold, tolerance):
    assert bracket.stable < threshold <= bracket.divergent
    assert bracket.divergent <= bracket.stable * (1 + tolerance) * (1 + 1e-12)


@given(
    thresholds=st.lists(st.floats(1e-4, 1e3), min_size=1, max_size=7),
    start=st.floats(1e-3, 1e2),
    tolerance=st.sampled_from([0.01, 0.05, 0.5, 1.0]),
)
def test_search_brackets_every_known_threshold_in_few_trials(thresholds, start, tolerance):
    tried = []
    search = divergence.search_rates(thresholds_to_outcomes(thresholds, tried), start=start, tolerance=tolerance)
    assert len(search.seeds) == len(thresholds)
    for bracket, threshold in zip(search.seeds, thresholds, strict=True):
        assert_brackets(bracket, threshold, tolerance)
    # More than half of S diverge from the threshold number S // 2 on, counted from 0: the median where S is odd.
    assert_brackets(search.majority, sorted(thresholds)[len(thresholds) // 2], tolerance)
    assert divergence.count_stable_above_divergent(search) == 0

    assert tried == list(search.outcomes)
    assert len(set(tried)) == len(tried)  # no rate twice
    # Bracketing walks once over the doublings between start and the furthest threshold on either side; each seed then
    # bisects a factor of 2, which its bracket may share with others: the majority adds no rate of its own.
    walk = sum(
        1 + max(0, math.ceil(sign * math.log2(far / start)))
        for sign, far in ((1, max(thresholds)), (-1, min(thresholds)))
    )
    halvings = math.ceil(math.log2(math.log(2) / math.log(1 + tolerance)))
    assert len(tried) <= 1 + walk + halvings * len(thresholds) + len(thresholds)


def test_search_for_one_threshold_in_closed_form():
    # 1, 2, 4 bracket 3; then √8 = 2.83 is stable, 2^1.75 = 3.36 diverges, 2^1.625 = 3.08 diverges.
    search = divergence.search_rates(thresholds_to_outcomes([3.0]), start=1.0, tolerance=0.1)
    assert list(search.outcomes) == pytest.approx([1, 2, 4, 2**1.5, 2**1.75, 2**1.625])
    assert list(search.outcomes.values()) == [(False,), (False,), (True,), (False,), (True,), (True,)]
    assert search.seeds[0] == search.majority
    assert (search.majority.stable, search.majority.divergent) == pytest.approx((2**1.5, 2**1.625))


def test_seeds_with_the_same_threshold_share_all_trials():
    tried = []
    search = divergence.search_rates(thresholds_to_outcomes([0.3] * 5, tried), start=0.1, tolerance=0.05)
    assert len(tried) == 3 + 4  # 0.1, 0.2, 0.4; and a factor of 2 is halved four times: 2^(1/16) = 1.044
    assert set(search.seeds) == {search.majority}


def test_most_is_more_than_half():
    assert divergence.most_diverge([True]) and divergence.most_diverge([True, False, True])
    assert not divergence.most_diverge([True, False]) and not divergence.most_diverge([False, False, True])


def test_majority_of_an_even_number_needs_more_than_half():
    search = divergence.search_rates(thresholds_to_outcomes([1.0, 2.0, 3.0, 4.0]), start=1.5, tolerance=0.01)
    assert_brackets(search.majority, 3.0, 0.01)


@pytest.mark.parametrize("always", [False, True])
def test_search_without_a_threshold_says_so(always):
    word, end = ("diverges", 2.0**-40) if always else ("is stable", 2.0**40)
    tried = []

    def outcomes(rate):
        tried.append(rate)
        return [rate >= 1.5, always]

    with pytest.raises(ValueError, match=re.escape(f"to {end:g}; expected the other outcome within 40 steps")) as error:
        divergence.search_rates(outcomes, start=1.0, tolerance=0.05)
    assert f"seed number 1 of the stack {word} at 1 and at every" in str(error.value)
    assert (min(tried) if always else max(tried)) == end


@pytest.mark.parametrize("start", [0, -1.0, math.nan, math.inf])
def test_impossible_start_is_refused(start):
    with pytest.raises(ValueError, match=f"start is {start}"):
        divergence.search_rates(thresholds_to_outcomes([1.0]), start=start, tolerance=0.05)


@pytest.mark.parametrize("tolerance", [0, -0.05, 1e-9, 1.5, math.nan])
def test_impossible_tolerance_is_refused(tolerance):
    with pytest.raises(ValueError, match=f"tolerance is {tolerance}"):
        divergence.search_rates(thresholds_to_outcomes([1.0]), start=1.0, tolerance=tolerance)


def test_outcomes_against_the_assumption_are_counted():
    # The first seed diverges from 0.8 on, and between 0.2 and 0.3, where the second one asks for a trial.
    def outcomes(rate):
        return [rate >= 0.8 or 0.2 < rate < 0.3, rate >= 0.1]

    search = divergence.search_rates(outcomes, start=1.0, tolerance=1.0)
    assert sorted(search.outcomes) == [0.0625, 0.125, 0.25, 0.5, 1.0]
    assert divergence.count_stable_above_divergent(search) == 1  # stable at 0.5, diverged at 0.25
    assert search.seeds == (divergence.Bracket(0.5, 1.0), divergence.Bracket(0.0625, 0.125))
    another = dataclasses.replace(search, outcomes={**search.outcomes, 0.7: (False, False), 0.05: (False, True)})
    assert divergence.count_stable_above_divergent(another) == 2 + 2  # at 0.5 and 0.7; at 0.0625 and 0.7


# Results -------------------------------------------------------------------------------------------------------------


def test_metrics_carry_the_ids_and_half_of_the_majoritys_divergent_rate():
    search = divergence.Search(
        seeds=(divergence.Bracket(0.1, 0.2), divergence.Bracket(0.2, 0.3), divergence.Bracket(0.3, 0.4)),
        majority=divergence.Bracket(0.2, 0.3),
        outcomes={0.2: (True, False, False), 0.1: (False,) * 3, 0.4: (True,) * 3, 0.3: (False, True, False)},
    )
    assert divergence.measure_search(search, batch_size=8) == {
        "8.divergent_learning_rate": [0.2, 0.3, 0.4],
        "8.largest_stable_learning_rate": [0.1, 0.2, 0.3],
        "8.majority_bracket": [0.2, 0.3],
        "8.learning_rate": 0.15,
        "8.trials": 4,
        "8.stable_above_divergent": 1,
    }


def run_search(seeds=(0, 1, 2)):
    return divergence.find_divergent_rates(make_start(seeds), rate=1.0, tolerance=0.2)


def test_brackets_of_real_training_have_the_outcomes_that_they_claim():
    search, trials = run_search()
    by_rate = {trial.learning_rate: trial.diverged for trial in trials}
    assert sorted(by_rate) == sorted(search.outcomes) == [trial.learning_rate for trial in trials]
    for s, bracket in enumerate(search.seeds):
        assert not by_rate[bracket.stable][s]
        assert by_rate[bracket.divergent][s]
    assert by_rate[search.majority.stable].sum() <= 1
    assert by_rate[search.majority.divergent].sum() >= 2


def test_table_of_trials_is_tidy():
    search, trials = run_search([4, 7])
    table = divergence.tabulate_trials(trials, [4, 7])
    assert list(table.columns) == ["learning_rate", "seed", "window", "metric", "value"]
    assert len(table) == len(trials) * 2 * (10 + 2)
    assert not np.isinf(table["value"]).any()
    for trial in trials:
        for s, seed in enumerate([4, 7]):
            rows = table[(table["learning_rate"] == trial.learning_rate) & (table["seed"] == seed)]
            losses = rows[rows["metric"] == "smoothed_loss"]
            assert list(losses["window"]) == list(range(1, 11))
            expected = np.where(np.isfinite(trial.smoothed[s]), trial.smoothed[s], np.nan)
            np.testing.assert_array_equal(losses["value"], expected)
            last = rows[rows["window"] == 10].set_index("metric")["value"]
            assert last["diverged"] == search.outcomes[trial.learning_rate][s]
            assert last["untrained_loss"] == trial.untrained[s, -1]


def test_the_same_search_gives_the_same_bytes(tmp_path):
    files = []
    for attempt in ("first", "second"):
        search, trials = run_search()
        save_metrics(tmp_path / attempt, divergence.measure_search(search, batch_size=4))
        save_curves(tmp_path / attempt, divergence.tabulate_trials(trials, [0, 1, 2]))
        files.append([(tmp_path / attempt / name).read_bytes() for name in ("metrics.json", "curves.csv")])
    assert files[0] == files[1]
    metrics = json.loads(files[0][0])
    assert metrics["4.learning_rate"] * 2 == metrics["4.majority_bracket"][1]
    read = pd.read_csv(tmp_path / "first" / "curves.csv")
    assert set(read["learning_rate"]) == set(search.outcomes)
