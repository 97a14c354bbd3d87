import numpy as np
import pytest
from sklearn.datasets import make_moons

from gradlab.studies.moons.points import draw_moons


@pytest.mark.parametrize("noise", [0.1, 0.3])
def test_points_are_those_of_scikit_learn(noise):
    X, y = draw_moons(100, noise, np.random.RandomState(1337))
    expected, classes = make_moons(100, noise=noise, random_state=1337)
    np.testing.assert_array_equal(X, expected)
    np.testing.assert_array_equal(y, 2 * classes - 1)


def test_without_noise_points_lie_on_two_half_circles():
    X, y = draw_moons(60, 0.0, np.random.default_rng(0))
    for label, centre, side in ((-1, (0, 0), 1), (1, (1, 0.5), -1)):
        offset = X[y == label] - centre
        assert len(offset) == 30
        np.testing.assert_allclose(np.hypot(*offset.T), 1, rtol=1e-12)
        assert (side * offset[:, 1] > -1e-12).all()
        np.testing.assert_allclose(np.diff(np.sort(np.arccos(np.clip(offset[:, 0], -1, 1)))), np.pi / 29, rtol=1e-6)


def test_noise_has_the_standard_deviation_in_both_coordinates():
    count, noise = 20_000, 0.3
    # The same generator draws the same order, so that the difference is the noise alone.
    drawn, still = (draw_moons(count, scale, np.random.default_rng(1))[0] for scale in (noise, 0.0))
    offset = drawn - still
    # The standard error of a standard deviation of n draws is σ/√(2n); of a mean, σ/√n. Five of them are allowed.
    np.testing.assert_allclose(offset.std(axis=0), noise, atol=5 * noise / np.sqrt(2 * count))
    np.testing.assert_allclose(offset.mean(axis=0), 0, atol=5 * noise / np.sqrt(count))


def test_order_is_drawn():
    _, y = draw_moons(100, 0.1, np.random.default_rng(2))
    _, other = draw_moons(100, 0.1, np.random.default_rng(3))
    assert y.sum() == 0 and (y != other).any()
