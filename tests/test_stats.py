import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gradlab.stats import summarise_arm


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
    assert (summary.n, summary.mean, summary.sd) == (1, 0.84, None)
    assert summary.mean_interval is None
    assert summary.prediction_interval is None
    assert summary.method == "no interval: one run shows no spread"


@pytest.mark.parametrize("absent", [None, math.nan, math.inf, -math.inf])
def test_runs_without_a_value_are_counted_and_forbid_an_interval(absent):
    summary = summarise_arm([1.0, absent, 3.0])
    assert (summary.n, summary.missing, summary.mean) == (2, 1, 2.0)
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
    with pytest.raises(ValueError, match="an arm without runs"):
        summarise_arm([])
    for level in (0, 1, 95):
        with pytest.raises(ValueError, match=f"level is {level}"):
            summarise_arm([1.0, 2.0], level=level)
