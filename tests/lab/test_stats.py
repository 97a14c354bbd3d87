import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gradlab.lab.stats import adjust_family, compare_pairs, describe_comparison, sampling_margin, summarise_arm


def test_two_runs_in_closed_form():
    # With one degree of freedom Student's t is Cauchy's distribution: the quantile is tan(π·(p − 1/2)).
    # For the values m ± d: s = d·√2, so t·s/√2 = t·d and t·s·√(3/2) = t·d·√3.
    t = math.tan(math.pi * 0.475)
    summary = summarise_arm([10.0, 14.0])
    assert (summary.n, summary.missing, summary.mean) == (2, 0, 12.0)
    assert summary.sd == pytest.approx(2 * math.sqrt(2), rel=1e-15)
    assert summary.mean_interval == pytest.approx((12 - 2 * t, 12 + 2 * t), rel=1e-12)
    assert summary.prediction_interval == pytest.approx(
        (12 - 2 * t * math.sqrt(3), 12 + 2 * t * math.sqrt(3)), rel=1e-12
    )


def test_another_level_has_another_quantile_and_says_so():
    # At 50 % Cauchy's quantile is tan(π/4) = 1: the interval of the mean reaches from one value to the other.
    summary = summarise_arm([10.0, 14.0], level=0.5)
    assert summary.mean_interval == pytest.approx((10, 14), rel=1e-12)
    assert summary.method == "Student's t, n = 2, 50 %"


def test_runs_in_single_precision_are_summarised_in_double():
    # 1 and 1 + 2⁻²³ are neighbours in float32; their mean lies between them.
    assert summarise_arm([np.float32(1), np.float32(1 + 2**-23)]).mean == 1 + 2**-24


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_the_mean_interval_is_scipy_s(values, level):
    summary = summarise_arm(values, level=level)
    sd = np.std(values, ddof=1)
    if sd > 0:
        expected = stats.t.interval(level, len(values) - 1, loc=np.mean(values), scale=sd / math.sqrt(len(values)))
        assert summary.mean_interval == pytest.approx(expected, rel=1e-9, abs=1e-6)
    else:  # scipy has no interval for a scale of 0
        assert summary.mean_interval == (summary.mean, summary.mean)
    half_mean = summary.mean_interval[1] - summary.mean
    half_run = summary.prediction_interval[1] - summary.mean
    # √(1 + 1/n) = √(n + 1)·√(1/n)
    assert half_run == pytest.approx(half_mean * math.sqrt(len(values) + 1), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_intervals_cover_what_they_claim(n):
    # 5,000 arms: the standard error of the share covered is 0.31 points, so 93 to 97 % is six of them to each side.
    rng = np.random.default_rng(n)
    arms, further = rng.normal(3.0, 0.2, size=(5_000, n)), rng.normal(3.0, 0.2, size=5_000)
    covered_run = covered_mean = 0
    for values, new in zip(arms, further, strict=True):
        summary = summarise_arm(values)
        covered_run += summary.prediction_interval[0] <= new <= summary.prediction_interval[1]
        covered_mean += summary.mean_interval[0] <= 3.0 <= summary.mean_interval[1]
    assert 0.93 < covered_run / 5_000 < 0.97
    assert 0.93 < covered_mean / 5_000 < 0.97


def test_one_run_has_a_mean_and_says_why_there_is_no_interval():
    summary = summarise_arm([0.84])
    assert (summary.n, summary.missing, summary.mean, summary.sd) == (1, 0, 0.84, None)
    assert summary.mean_interval is None
    assert summary.prediction_interval is None
    assert summary.method == "no interval: one run shows no spread"


@pytest.mark.parametrize("absent", [None, math.nan, math.inf, -math.inf])
def test_runs_without_a_value_are_counted_and_forbid_an_interval(absent):
    summary = summarise_arm([1.0, absent, 3.0])
    assert (summary.n, summary.missing, summary.mean) == (2, 1, 2.0)
    assert summary.sd == pytest.approx(math.sqrt(2))
    assert summary.mean_interval is None
    assert summary.prediction_interval is None
    assert summary.method == "no interval: 1 of 3 runs have no value"


def test_an_arm_in_which_no_run_has_a_value():
    summary = summarise_arm([None, None])
    assert (summary.n, summary.missing, summary.mean, summary.sd) == (0, 2, None, None)
    assert summary.method == "no interval: 2 of 2 runs have no value"


def test_equal_runs_give_an_interval_of_no_width():
    summary = summarise_arm([0.5, 0.5, 0.5])
    assert summary.mean_interval == (0.5, 0.5)
    assert summary.prediction_interval == (0.5, 0.5)


def test_no_runs_and_impossible_levels_are_refused():
    with pytest.raises(ValueError, match=r"^an arm without runs .* check the list of seeds$"):
        summarise_arm([])
    for level in (0, 1, 95):
        with pytest.raises(ValueError, match=f"level is {level}"):
            summarise_arm([1.0, 2.0], level=level)


def test_pairs_in_closed_form():
    # Differences 1 and 3: mean 2, s = √2, and with one degree of freedom t·s/√2 = t = tan(0.475·π).
    t = math.tan(math.pi * 0.475)
    comparison = compare_pairs([11.0, 23.0], [10.0, 20.0])
    assert comparison.differences == comparison.pairs == (1.0, 3.0)
    assert comparison.sd == pytest.approx(math.sqrt(2), rel=1e-15)
    assert comparison.interval == pytest.approx((2 - t, 2 + t), rel=1e-12)
    assert comparison.method == "Student's t, n = 2, 95 %"
    assert (comparison.n, comparison.won, comparison.lost, comparison.tied) == (2, 2, 0, 0)


arms = st.integers(2, 12).flatmap(
    lambda n: st.tuples(*[st.lists(st.floats(-100, 100, width=16), min_size=n, max_size=n)] * 2)
)


@given(arms)
def test_the_interval_of_the_pairs_is_that_of_scipy_s_paired_test(pair):
    first, second = pair
    comparison = compare_pairs(first, second)
    differences = np.subtract(first, second)
    if differences.std() > 0:
        expected = stats.ttest_rel(first, second).confidence_interval(0.95)
        assert comparison.interval == pytest.approx(tuple(expected), rel=1e-9, abs=1e-9)
        assert (stats.ttest_rel(first, second).pvalue < 0.05) == (comparison.direction != 0)
    assert comparison.won == (differences > 0).sum()
    assert comparison.won + comparison.lost + comparison.tied == len(first)


@given(arms)
def test_the_other_way_round_is_the_mirror_image(pair):
    one, other = compare_pairs(*pair), compare_pairs(*pair[::-1])
    assert (one.won, one.lost, one.tied) == (other.lost, other.won, other.tied)
    assert one.direction == -other.direction
    assert one.interval == pytest.approx(tuple(-end for end in other.interval[::-1]))


@pytest.mark.parametrize("n", [3, 5, 10])
def test_the_interval_of_the_pairs_covers_the_true_difference_whatever_the_seeds_share(n):
    # What a seed adds to both arms is ten times the noise and cancels. 5,000 studies: standard error 0.31 points.
    rng = np.random.default_rng(100 + n)
    shared = rng.normal(0.8, 0.1, size=(5_000, n))
    first = shared + 0.02 + rng.normal(0, 0.01, size=shared.shape)
    second = shared + rng.normal(0, 0.01, size=shared.shape)
    covered = 0
    for a, b in zip(first, second, strict=True):
        low, high = compare_pairs(a, b).interval
        covered += low <= 0.02 <= high
    assert 0.93 < covered / 5_000 < 0.97


def test_a_difference_that_is_not_there_is_claimed_in_one_study_of_twenty():
    rng = np.random.default_rng(5)
    claims = sum(compare_pairs(a, b).direction != 0 for a, b in rng.normal(size=(5_000, 2, 3)))
    assert 0.03 < claims / 5_000 < 0.07


def test_resampling_three_pairs_would_promise_too_much():
    # Why the intervals are Student's t: the percentile bootstrap at n = 3 does not cover what it claims.
    rng = np.random.default_rng(6)
    differences = rng.normal(size=(2_000, 3))
    resampled = differences[:, rng.integers(3, size=(400, 3))].mean(axis=2)  # (studies, resamples)
    low, high = np.quantile(resampled, [0.025, 0.975], axis=1)
    assert np.mean((low <= 0) & (high >= 0)) < 0.85


def test_pairs_with_a_missing_run_are_left_out_and_forbid_an_interval():
    comparison = compare_pairs([1.0, None, 5.0], [0.0, 1.0, math.nan])
    assert (comparison.differences, comparison.missing, comparison.n) == ((1.0,), 2, 1)
    assert comparison.pairs == (1.0, None, None)
    assert comparison.interval is None
    assert comparison.direction is None
    assert comparison.method == "no interval: 2 of 3 pairs are incomplete"
    assert compare_pairs([1.0], [0.5]).method == "no interval: one pair shows no spread"


def test_arms_of_different_length_are_refused():
    with pytest.raises(ValueError, match="3 runs against 2"):
        compare_pairs([1.0, 2.0, 3.0], [1.0, 2.0])


@pytest.mark.parametrize(
    "first, second, words",
    [
        (
            [0.90, 0.91, 0.92],
            [0.80, 0.81, 0.82],
            "a is higher than b by 0.1000 (n = 3, 95 % interval [+0.1000, +0.1000], higher in 3 of 3 pairs)",
        ),
        (
            [0.80, 0.81, 0.83],
            [0.90, 0.91, 0.92],
            "a is lower than b by 0.0967 (n = 3, 95 % interval [-0.1110, -0.0823]",
        ),
        (
            [0.90, 0.80, 0.85],
            [0.80, 0.90, 0.85],
            "no difference between a and b was detected at n = 3 (mean +0.0000, 95 % interval [-0.2484, +0.2484], "
            "higher in 1 of 3 pairs, equal in 1)",
        ),
        ([0.9], [0.8], "a minus b is +0.1000 (no interval: one pair shows no spread; higher in 1 of 1 pairs)"),
        ([None, None], [0.8, 0.7], "a and b cannot be compared (no interval: 2 of 2 pairs are incomplete)"),
    ],
)
def test_words_match_the_evidence(first, second, words):
    # The intervals: ±t·s/√3 with t = 4.3027 (two degrees of freedom); s = 0.00577 and 0.1.
    assert describe_comparison(compare_pairs(first, second), "a", "b").startswith(words)


# Censored runs, families, and the sampling of a test set ---------------------------------------------


def test_a_censored_run_is_longer_than_any_other():
    comparison = compare_pairs([None, 40, 38, 45, 41, 39], [35, 30, 33, None, None, 31], censored=True)
    # Differences ∞, 10, 5, −∞, −∞, 8: ranks 5, 3, 1, 5, 5, 2, of which 5 + 3 + 1 + 2 are positive.
    assert (comparison.won, comparison.lost, comparison.interval) == (4, 2, None)
    signs = list(itertools.product((0, 1), repeat=6))
    sums = [sum(sign * rank for sign, rank in zip(chosen, (5, 3, 1, 5, 5, 2), strict=True)) for chosen in signs]
    expected = sum(abs(total - 10.5) >= 0.5 for total in sums) / len(sums)
    assert comparison.p_value == pytest.approx(expected)
    assert comparison.direction == 0
    assert "3 of 6 pairs censored" in describe_comparison(comparison, "a", "b")


def test_six_pairs_all_one_way_are_told_apart_by_rank_and_both_censored_are_a_tie():
    comparison = compare_pairs([None] * 6, [30, 31, 32, 33, 34, 35], censored=True)
    assert (comparison.p_value, comparison.direction) == (pytest.approx(2 / 2**6), 1)
    assert describe_comparison(comparison, "a", "b").startswith("a is higher than b (signed ranks")
    both = compare_pairs([None, None], [None, None], censored=True)
    assert (both.tied, both.p_value, both.direction) == (2, 1.0, 0)


def test_without_a_censored_run_pairs_are_compared_as_ever():
    first, second = [3.0, 4.0, 5.5], [1.0, 2.5, 3.0]
    assert compare_pairs(first, second, censored=True) == compare_pairs(first, second)


@given(arms)
def test_the_p_value_is_that_of_scipy_s_paired_test(pair):
    first, second = pair
    if np.ptp(np.subtract(first, second)) > 1e-6:  # scipy warns of the others
        expected = stats.ttest_rel(first, second).pvalue
        assert compare_pairs(first, second).p_value == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_a_family_is_adjusted_by_holm_s_steps():
    alone = {
        name: compare_pairs([mean - 0.1, mean, mean + 0.1, mean], [0.0] * 4)
        for name, mean in {"small": 0.15, "big": 3.0, "none": 0.01, "middle": 0.5}.items()
    }
    alone["missing"] = compare_pairs([1.0, None], [0.0, 0.0])
    adjusted = adjust_family(alone)
    assert list(adjusted) == list(alone)
    assert adjusted["missing"] == alone["missing"]
    steps = {name: 1 - adjusted[name].level for name in ("big", "middle", "small", "none")}
    assert steps == pytest.approx({"big": 0.05 / 4, "middle": 0.05 / 3, "small": 0.05 / 2, "none": 0.05 / 2})
    assert [alone[name].direction for name in alone] == [1, 1, 0, 1, None]
    assert [adjusted[name].direction for name in alone] == [0, 1, 0, 1, None]
    assert "Holm-adjusted interval" in describe_comparison(adjusted["small"], "a", "b")


@given(st.lists(st.lists(st.floats(-1, 1), min_size=4, max_size=4), min_size=1, max_size=6))
def test_a_family_is_rejected_as_holm_s_adjusted_p_values_say(differences):
    comparisons = {place: compare_pairs(pairs, [0.0] * 4) for place, pairs in enumerate(differences)}
    adjusted = adjust_family(comparisons)
    p_values = sorted((comparison.p_value, place) for place, comparison in comparisons.items())
    largest = 0.0
    for step, (p_value, place) in enumerate(p_values):
        largest = max(largest, min(1.0, (len(p_values) - step) * p_value))
        if abs(largest - 0.05) > 1e-9:
            assert (adjusted[place].direction != 0) == (largest < 0.05)


def test_the_margin_of_a_sampled_test_set():
    assert sampling_margin(0.5, 10_000) == pytest.approx(0.0098, abs=1e-6)
    assert sampling_margin(1.0, 10_000) == 0
