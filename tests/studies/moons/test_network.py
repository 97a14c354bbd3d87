import random

import numpy as np
import pytest

from gradlab.studies.moons.network import (
    Network,
    differentiate,
    draw_network,
    measure_accuracy,
    measure_loss,
    score,
)


def draw_case(sizes, count, seed):
    """Return a network with biases, and points with labels."""
    generator = np.random.default_rng(seed)
    network = draw_network(sizes, generator)
    biases = [generator.normal(size=b.shape) for b in network.biases]
    y = np.where(generator.random(count) < 0.5, -1.0, 1.0)
    return Network(network.weights, biases), generator.normal(size=(count, sizes[0])), y


def plain_loss(network, X, y, penalty):
    """Return outputs and loss, one scalar operation after the other in the demo's order."""
    scores = []
    for point in X.tolist():
        for place, (W, b) in enumerate(zip(network.weights, network.biases, strict=True)):
            units = []
            for weights, bias in zip(W.tolist(), b.tolist(), strict=True):
                total = bias
                for weight, value in zip(weights, point, strict=True):
                    total += weight * value
                units.append(total if place == len(network.weights) - 1 else max(total, 0.0))
            point = units
        scores += point
    hinge = 0.0
    for label, output in zip(y.tolist(), scores, strict=True):
        hinge += max(1 - label * output, 0.0)
    squares = 0.0
    for W, b in zip(network.weights, network.biases, strict=True):
        for weights, bias in zip(W.tolist(), b.tolist(), strict=True):
            for parameter in (*weights, bias):
                squares += parameter * parameter
    return scores, hinge * (1 / len(y)) + penalty * squares


def flatten(gradient):
    return np.concatenate([part.ravel() for part in (*gradient.weights, *gradient.biases)])


def test_a_network_by_hand():
    # Hidden units max(0, x₁ − x₂) and max(0, x₂ + 1); output 2h₁ − h₂ + 0.5.
    network = Network(
        [np.array([[1.0, -1.0], [0.0, 1.0]]), np.array([[2.0, -1.0]])], [np.array([0.0, 1.0]), np.array([0.5])]
    )
    X, y = np.array([[2.0, 1.0], [0.0, 1.0]]), np.array([1.0, 1.0])
    scores = score(network, X)
    # h = (1, 2) and (0, 2): outputs 2 − 2 + 0.5 and −2 + 0.5.
    np.testing.assert_array_equal(scores, [0.5, -1.5])
    # Hinge losses 0.5 and 2.5; squares 1 + 1 + 1 + 1 + 4 + 1 + 0.25.
    assert measure_loss(network, scores, y, 0.1) == pytest.approx(1.5 + 0.1 * 9.25, rel=1e-15)
    assert measure_accuracy(scores, y) == 50
    loss, outputs, gradient = differentiate(network, X, y, 0.0)
    assert loss == 1.5 and (outputs == scores).all()
    # Both margins are below 1: ds = −1/2 for each point. The first unit is on for the first point alone.
    np.testing.assert_array_equal(gradient.weights[1], [[-0.5, -2.0]])
    np.testing.assert_array_equal(gradient.biases[1], [-1.0])
    np.testing.assert_array_equal(gradient.weights[0], [[-2.0, -1.0], [1.0, 1.0]])
    np.testing.assert_array_equal(gradient.biases[0], [-1.0, 1.0])


@pytest.mark.parametrize("sizes", [[2, 1], [2, 5, 1], [2, 16, 16, 1], [3, 4, 5, 6, 1]])
def test_loss_has_the_digits_of_scalar_sums(sizes):
    network, X, y = draw_case(sizes, 37, seed=len(sizes))
    scores, loss = plain_loss(network, X, y, 1e-4)
    np.testing.assert_array_equal(score(network, X), scores)
    assert measure_loss(network, score(network, X), y, 1e-4) == loss


@pytest.mark.parametrize("sizes", [[2, 1], [2, 5, 1], [2, 16, 16, 1]])
@pytest.mark.parametrize("penalty", [0.0, 0.1])
def test_gradient_agrees_with_centred_differences(sizes, penalty):
    network, X, y = draw_case(sizes, 20, seed=7)
    _, _, gradient = differentiate(network, X, y, penalty)
    step, quotients = 1e-6, []
    parts = [*network.weights, *network.biases]
    for place, part in enumerate(parts):
        for index in np.ndindex(part.shape):
            losses = []
            for sign in (1, -1):
                moved = [other.copy() for other in parts]
                moved[place][index] += sign * step
                layers = len(network.weights)
                losses.append(plain_loss(Network(moved[:layers], moved[layers:]), X, y, penalty)[1])
            quotients.append((losses[0] - losses[1]) / (2 * step))
    # Between kinks the loss is quadratic in one parameter: what is left is rounding, about 1e-16 × loss / step.
    np.testing.assert_allclose(flatten(gradient), quotients, rtol=1e-6, atol=1e-8)


def test_kinks_have_the_derivative_0():
    network = Network([np.array([[1.0, 0.0]]), np.array([[1.0]])], [np.zeros(1), np.zeros(1)])
    # At x₁ = 0 the ReLU is at its kink; at x₁ = 1 the margin is 1, the kink of the hinge loss.
    _, _, at_relu = differentiate(network, np.array([[0.0, 3.0]]), np.array([1.0]), 0.0)
    np.testing.assert_array_equal(at_relu.weights[0], [[0.0, 0.0]])
    _, _, at_hinge = differentiate(network, np.array([[1.0, 3.0]]), np.array([1.0]), 0.0)
    assert not flatten(at_hinge).any()


def test_an_output_of_0_counts_as_minus_1():
    assert measure_accuracy(np.zeros(4), np.array([-1.0, -1.0, -1.0, 1.0])) == 75


def test_weights_are_drawn_in_order_from_either_generator():
    network, generator = draw_network([2, 3, 1], random.Random(5)), random.Random(5)
    expected = [generator.uniform(-1, 1) for _ in range(2 * 3 + 3)]
    assert np.concatenate([W.ravel() for W in network.weights]).tolist() == expected
    assert not any(b.any() for b in network.biases)
    drawn = draw_network([2, 300, 1], np.random.default_rng(0)).weights[0]
    assert -1 <= drawn.min() < -0.95 and 0.95 < drawn.max() < 1


def test_parameters_stand_unit_after_unit():
    network = Network(
        [np.array([[1.0, 2.0], [4.0, 5.0]]), np.array([[7.0, 8.0]])], [np.array([3.0, 6.0]), np.array([9.0])]
    )
    assert network.parameters.tolist() == list(range(1, 10))
    # (2 + 1)·16 + (16 + 1)·16 + 16 + 1, as the demo prints.
    assert draw_network([2, 16, 16, 1], random.Random(0)).parameters.size == 337
