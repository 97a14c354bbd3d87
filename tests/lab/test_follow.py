"""Logs that follow one another, and logs that do not; correlations against numpy's, medians against plain loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradlab.lab.follow import detrend, find_end, follow

PASSES = 40


def make_log(seed):
    rng = np.random.default_rng(seed)
    return 1 - np.exp(-np.arange(1, PASSES + 1) / 15) + 0.01 * rng.standard_normal(PASSES)


PUBLISHED = make_log(0)
OTHERS = [make_log(seed) for seed in range(1, 6)]


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=40))
def test_a_running_median_of_eleven_is_taken_off(values):
    for place, (value, left) in enumerate(zip(values, detrend(values), strict=True)):
        reach = min(5, place, len(values) - 1 - place)
        window = sorted(values[place - reach : place + reach + 1])
        assert left == pytest.approx(value - window[reach])


@pytest.mark.parametrize(
    ("logs", "end"),
    [
        (([0.1, 0.2, 0.3],), 3),
        (([0.1, 1.0, 1.0, 1.0],), 2),  # the first of the constant ones is a change still
        (([0.1, 0.2, 0.3], [0.1, 0.2]), 2),
        (([0.1, 1.0, 1.0], [0.1, 0.2, 0.3]), 2),
        (([1.0, 1.0],), 1),
    ],
)
def test_logs_are_compared_up_to_where_one_ends_or_stays_constant(logs, end):
    assert find_end(*logs) == end


def test_what_is_left_of_two_logs_is_correlated():
    ours = PUBLISHED + 0.005 * np.random.default_rng(9).standard_normal(PASSES)
    found = follow(ours, PUBLISHED, OTHERS)
    assert found.correlation == pytest.approx(np.corrcoef(detrend(ours), detrend(PUBLISHED))[0, 1])
    assert found.follows
    assert (found.passes, found.others, found.null) == (PASSES, 5, 39 + 5 * 40)
    assert found.p_value == pytest.approx(1 / 240)
    assert found.power >= 0.8


@pytest.mark.parametrize("shift", [1, 2, 5, 20])
def test_a_shifted_log_does_not_follow(shift):
    assert not follow(np.roll(PUBLISHED, shift), PUBLISHED, OTHERS).follows


def test_logs_of_other_seeds_follow_as_rarely_as_the_level_says():
    followed = [follow(make_log(seed), PUBLISHED, OTHERS).follows for seed in range(100, 200)]
    assert np.mean(followed) < 0.05


def test_a_rule_that_other_seeds_pass_has_no_power():
    alike = [PUBLISHED + 0.001 * log for log in OTHERS]
    found = follow(PUBLISHED + 0.005 * make_log(9), PUBLISHED, alike)
    assert not found.follows  # five of the null's logs correlate as well
    one = follow(PUBLISHED, PUBLISHED, [*OTHERS, PUBLISHED + 0.001 * make_log(9)])
    assert one.follows
    assert one.power == pytest.approx(5 / 6)


def test_a_log_began_alike_where_no_other_seed_is_nearer_in_the_first_five_passes():
    parted = np.concatenate([PUBLISHED[:5] + 0.0001, OTHERS[0][5:]])
    found = follow(parted, PUBLISHED, OTHERS)
    assert found.start == pytest.approx(0.0001)
    assert found.start_of_others == pytest.approx(min(np.abs(log[:5] - PUBLISHED[:5]).mean() for log in OTHERS))
    assert found.began_alike
    assert not follow(make_log(50), PUBLISHED, [*OTHERS, PUBLISHED]).began_alike


def test_a_log_that_diverged_does_not_follow():
    diverged = np.where(np.arange(PASSES) < 30, PUBLISHED, np.nan)
    found = follow(diverged, PUBLISHED, OTHERS)
    assert found.p_value == 1
    assert not found.follows


def test_too_few_passes_or_too_small_a_null_say_nothing():
    assert follow(PUBLISHED[:14], PUBLISHED[:14], OTHERS) is None
    assert follow(PUBLISHED, PUBLISHED, []) is None
    assert follow(PUBLISHED, PUBLISHED, OTHERS[:1]) is None


def test_a_log_that_leaves_nothing_correlates_with_nothing():
    found = follow(np.linspace(0, 1, PASSES), PUBLISHED, OTHERS)
    assert found.correlation == 0
    assert not found.follows
