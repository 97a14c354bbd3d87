"""Which passes of a run are late ones, and how far the accuracy swings over them."""

import statistics

import pandas as pd
import pytest

from gradlab.studies.augmentation.late import find_late_passes, measure_swing, name_late_passes


@pytest.mark.parametrize(
    "passes, share, first", [(100, 0.5, 51), (35, 0.5, 18), (30, 0.5, 16), (1, 0.5, 1), (10, 0.0, 1), (10, 0.99, 10)]
)
def test_late_passes_come_after_a_share_of_those_that_were_run(passes, share, first):
    assert list(find_late_passes(passes, share)) == list(range(first, passes + 1))


def test_without_a_pass_there_is_the_untrained_network():
    assert list(find_late_passes(0, 0.5)) == [0]


def test_late_passes_are_named():
    assert [name_late_passes(share) for share in (0.5, 0.75)] == ["the second half", "the last 25 %"]


def make_curves(accuracies):
    """Test accuracies after pass 0, 1, …, and training accuracies that swing otherwise."""
    rows = [
        (number, split, "accuracy", value)
        for number, accuracy in enumerate(accuracies)
        for split, value in (("train", number / 10), ("test", accuracy))
        if value is not None
    ]
    return pd.DataFrame(rows, columns=["pass", "split", "metric", "value"]).sample(frac=1, random_state=0)


def test_a_swing_is_the_standard_deviation_over_the_late_passes():
    late = [0.84, 0.88, 0.83]
    assert measure_swing(make_curves([0.1, 0.9, 0.2, *late]), 0.5) == pytest.approx(statistics.stdev(late), rel=1e-12)
    assert measure_swing(make_curves([0.1, None, None, *late]), 0.5) == pytest.approx(statistics.stdev(late), rel=1e-12)


@pytest.mark.parametrize("accuracies", [[0.1], [0.1, 0.2], [0.1, 0.2, 0.2, 0.8, None, 0.83]])
def test_too_few_evaluations_show_no_swing(accuracies):
    assert measure_swing(make_curves(accuracies), 0.5) is None
