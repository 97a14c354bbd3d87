"""Numbers as the report prints them."""

import pytest

from gradlab.lab.stats import summarise_arm
from gradlab.report.text import print_figure, print_interval, print_runs, print_spread


@pytest.mark.parametrize(
    "value, printed",
    [(0.123456789, "0.123457"), (12000.0, "12000"), (3, "3"), (True, "True"), ("a", "a"), (2.5e-9, "2.5e-09")],
)
def test_numbers_have_six_digits(value, printed):
    assert print_figure(value) == printed


@pytest.mark.parametrize(
    "runs, printed",
    [
        ([0.5, 0.7], "0.6000 ± 0.1414"),  # the standard deviation of two values is their distance over √2
        ([12000.0, 14000.0], "13000 ± 1414"),
        ([0.25], "0.2500"),
        ([30.0, None], "30 (1 of 2 runs)"),
        ([None], None),
        ([], None),
    ],
)
def test_runs_are_printed_as_mean_and_standard_deviation(runs, printed):
    assert print_runs(runs) == printed
    if runs:
        assert print_spread(summarise_arm(runs)) == printed


@pytest.mark.parametrize(
    "interval, printed", [((0.51234, 0.6), "[0.5123, 0.6000]"), ((10.4, 20.6), "[10, 21]"), (None, None)]
)
def test_intervals_have_four_decimals_below_1(interval, printed):
    assert print_interval(interval) == printed
