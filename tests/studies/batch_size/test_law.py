"""The law of the divergent rate: exact where it holds, and seen to fail where it does not."""

import numpy as np
import pytest

from gradlab.studies.batch_size import law

SIZES = (1, 2, 4, 8, 16, 32, 256)
FITTED = SIZES[:5]


def made_searches(rates, *, width=1.04):
    """Metrics of searches whose brackets have the given rates of each seed as their geometric middles."""
    return {
        size: {
            f"{size}.largest_stable_learning_rate": [rate / width**0.5 for rate in of_seeds],
            f"{size}.divergent_learning_rate": [rate * width**0.5 for rate in of_seeds],
        }
        for size, of_seeds in rates.items()
    }


def test_a_law_that_holds_is_found_for_each_seed_and_predicts_the_rest():
    truth = [law.Law(1.1, 54.0), law.Law(0.9, 60.0)]
    searches = made_searches({size: [one.predict(size) for one in truth] for size in SIZES})
    brackets = law.tabulate_brackets(searches, [7, 3])
    laws = law.fit_seeds(brackets, FITTED)
    assert list(laws) == [7, 3]
    for found, one in zip(laws.values(), truth, strict=True):
        assert (found.a, found.b) == pytest.approx((one.a, one.b))
    metrics = law.measure_law(law.add_predictions(brackets, laws), laws, FITTED)
    assert metrics["law.a"] == pytest.approx([1.1, 0.9])
    assert metrics["law.misfit"] == pytest.approx(0, abs=1e-9)
    assert metrics["law.256.predicted"] == pytest.approx(metrics["law.256.found"])


def test_batch_sizes_beyond_the_fit_do_not_move_it():
    rates = {size: [law.Law(1.0, 50.0).predict(size)] for size in SIZES}
    brackets = law.tabulate_brackets(made_searches(rates | {256: [0.4]}), [0])
    laws = law.fit_seeds(brackets, FITTED)
    metrics = law.measure_law(law.add_predictions(brackets, laws), laws, FITTED)
    assert metrics["law.256.predicted"] == pytest.approx([1 / (1 + 50 / 256)])
    assert metrics["law.256.found"] == pytest.approx([0.4])


def test_every_batch_size_weighs_the_same():
    """Off by the same share at one of them, the law moves as far whether that one's rate is large or small."""
    exact = np.array([law.Law(0.0, 1.0).predict(size) for size in (1, 100)])  # η* = B, where a is 0
    one, other = (
        law.fit_law([1, 1, 100, 100], exact[[0, 0, 1, 1]] * shares) for shares in ([1, 1.1, 1, 1], [1, 1, 1, 1.1])
    )
    errors = [np.abs(exact * (found.a + found.b / np.array([1, 100])) - 1).max() for found in (one, other)]
    assert errors[0] == pytest.approx(errors[1], rel=1e-6)


def test_the_largest_relative_error_of_the_fit_is_told():
    rates = {1: [0.1], 2: [0.2], 4: [0.44]}
    brackets = law.tabulate_brackets(made_searches(rates), [0])
    laws = law.fit_seeds(brackets, rates)
    errors = [laws[0].predict(size) / rate - 1 for size, (rate,) in rates.items()]
    metrics = law.measure_law(law.add_predictions(brackets, laws), laws, rates)
    assert metrics["law.misfit"] == pytest.approx(max(map(abs, errors)))
    assert metrics["law.misfit"] > 0.01


@pytest.mark.parametrize(
    "sizes, rates, said", [([4], [0.1], "two batch sizes"), ([1, 2], [0.1, 0.0], "positive, finite")]
)
def test_what_cannot_be_fitted_is_refused(sizes, rates, said):
    with pytest.raises(ValueError, match=said):
        law.fit_law(sizes, rates)
