"""What the notebook's binary cross-entropy and flips do, against plain formulas and shares that are known."""

import numpy as np
import pytest
import reference_twolayer as reference

from gradlab.studies.regularization import notebook_code, twolayer

SIZES = (12, 7, 5)


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    parameters = twolayer.init_parameters(rng=rng, sizes=SIZES)
    return parameters, rng.normal(size=(12, 9)), reference.one_hot(rng.integers(5, size=9), 5)


def as_columns(parameters):
    return parameters.W1, parameters.b1[:, None], parameters.W2, parameters.b2[:, None]


def check(problem, loss, *, mean=False):
    parameters, X, Y = problem
    return notebook_code.check_backward(
        notebook_code.gradients(parameters, X, Y, lmbda=0.1),
        lambda moved: notebook_code.cost(moved, X, Y, lmbda=0.1, loss=loss, mean=mean),
        parameters,
        step=1e-5,
    )


def test_the_cross_entropy_and_its_backward_pass_are_right(problem):
    parameters, X, Y = problem
    plain = reference.cost(*as_columns(parameters), X, Y, 0.1, "cross_entropy")
    assert notebook_code.cost(parameters, X, Y, lmbda=0.1, loss="cross_entropy") == pytest.approx(plain, rel=1e-12)
    slopes = reference.gradients(*as_columns(parameters), X, Y, 0.1, "cross_entropy")
    for own, other in zip(notebook_code.gradients(parameters, X, Y, lmbda=0.1), slopes, strict=True):
        np.testing.assert_allclose(own, other.reshape(own.shape), rtol=1e-10, atol=1e-14)
    assert check(problem, "cross_entropy") < 1e-8


@pytest.mark.parametrize("mean", [False, True])
def test_the_backward_pass_is_not_that_of_the_binary_cross_entropy(problem, mean):
    assert check(problem, "binary_cross_entropy", mean=mean) > 0.01


def test_a_wrong_slope_is_found_in_any_array(problem):
    parameters, X, Y = problem
    for place in range(4):
        slopes = notebook_code.gradients(parameters, X, Y, lmbda=0.1)
        [*slopes][place].flat[-1] += 1e-3
        error = notebook_code.check_backward(
            slopes,
            lambda moved: notebook_code.cost(moved, X, Y, lmbda=0.1, loss="cross_entropy"),
            parameters,
            step=1e-5,
            entries=3,  # the first, one in the middle, and the last
        )
        assert error > 1e-5


def test_binary_cross_entropies_of_an_undecided_network():
    """Ten classes, three images: softmax outputs of 1/10, sigmoids of 1/2."""
    S, Y = np.zeros((10, 3)), np.eye(10)[:, :3]
    at_softmax = notebook_code.binary_cross_entropies(notebook_code.softmax(S), Y)
    assert at_softmax == pytest.approx(3 * (np.log(10) + 9 * np.log(10 / 9)))
    assert notebook_code.binary_cross_entropies(notebook_code.sigmoid(S), Y) == pytest.approx(30 * np.log(2))


def test_the_cost_grows_with_the_set_where_it_is_divided_by_the_classes(problem):
    parameters, X, Y = problem
    costs = {}
    for mean in (False, True):
        found = {"lmbda": 0.0, "loss": "binary_cross_entropy", "mean": mean}
        costs[mean] = [
            notebook_code.cost(parameters, np.tile(X, times), np.tile(Y, times), **found) for times in (1, 2)
        ]
    assert costs[False][1] == pytest.approx(2 * costs[False][0])
    assert costs[True][1] == pytest.approx(costs[True][0])
    assert costs[False][0] == pytest.approx(costs[True][0] * 9 / 5)  # nine images, five classes


def flip(probability, *, copy, n=1000, epochs=4):
    X = np.random.default_rng(1).normal(size=(3072, n)).astype(np.float32)
    before = X.copy()
    rng = np.random.default_rng(2)
    found = notebook_code.flip_epochs(X, epochs=epochs, batch_size=50, probability=probability, rng=rng, copy=copy)
    shares = list(found)
    np.testing.assert_array_equal(X, before)
    return shares


def test_through_a_view_every_second_epoch_undoes_what_the_one_before_it_flipped():
    assert flip(1.0, copy=False, n=50) == [(1, 1), (0, 0), (1, 1), (0, 0)]
    assert flip(1.0, copy=True, n=50) == [(1, 0)] * 4


def test_through_a_view_the_share_of_mirrored_images_drifts_to_one_half():
    """After e epochs an image is mirrored where an odd number of e flips happened: (1 − (1 − 2p)^e) / 2."""
    for epoch, (seen, left) in enumerate(flip(0.1, copy=False), 1):
        share = (1 - 0.8**epoch) / 2
        assert seen == left == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 1000))
    for seen, left in flip(0.1, copy=True):
        assert (seen, left) == (pytest.approx(0.1, abs=4 * np.sqrt(0.09 / 1000)), 0)
