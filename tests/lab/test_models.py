"""The convolutional network and the standardisation, against torch's layers and against NumPy."""

import numpy as np
import pytest
import reference
import torch

from gradlab.lab import models


@pytest.fixture
def images():
    return torch.randn(12, 28, 28, generator=torch.Generator().manual_seed(1))


def test_parameters_are_drawn_as_torch_layers_draw_them():
    rng = torch.Generator().manual_seed(5)
    with reference.global_streams(torch_seed=5, numpy_seed=0):
        for _ in range(2):
            drawn = models.init_conv_net(rng=rng)
            for ours, theirs in zip(drawn, reference.plain_conv_net().parameters(), strict=True):
                assert torch.equal(ours, theirs)
        assert torch.equal(rng.get_state(), torch.get_rng_state())


def test_logits_and_gradients_are_those_of_torch_layers(images):
    labels = torch.arange(12) % 10
    with reference.global_streams(torch_seed=2, numpy_seed=0):
        net = reference.plain_conv_net().double()
    parameters = [p.detach().requires_grad_() for p in models.init_conv_net(rng=torch.Generator().manual_seed(2))]
    parameters = [p.detach().double().requires_grad_() for p in parameters]
    logits = models.conv_net(parameters, images.double())
    torch.testing.assert_close(logits, net(images.double()), rtol=1e-10, atol=1e-12)
    gradients = torch.autograd.grad(torch.nn.functional.cross_entropy(logits, labels), parameters)
    torch.nn.functional.cross_entropy(net(images.double()), labels).backward()
    for ours, theirs in zip(gradients, net.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs.grad, rtol=1e-8, atol=1e-10)


def test_gradients_in_the_blocked_layout_are_those_of_torch_layers(images):
    images[:4] = 0.5  # equal pixels, which the background of the pictures is full of
    labels = torch.arange(12) % 10
    with reference.global_streams(torch_seed=2, numpy_seed=0):
        net = reference.plain_conv_net()
    parameters = [p.requires_grad_() for p in models.init_conv_net(rng=torch.Generator().manual_seed(2))]
    gradients = torch.autograd.grad(
        torch.nn.functional.cross_entropy(models.conv_net(parameters, images), labels), parameters
    )
    torch.nn.functional.cross_entropy(net(images), labels).backward()
    for ours, theirs in zip(gradients, net.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("layer", range(6))
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_is_as_in_torch_layers(images, layer, value):
    # oneDNN's pooling and ReLU turn NaN into a number: a network that diverged would look like one that did not.
    with reference.global_streams(torch_seed=2, numpy_seed=0):
        net = reference.plain_conv_net()
    list(net.parameters())[layer].data.view(-1)[:2] = torch.tensor([value, -value])
    with torch.inference_mode():
        expected = net(images)
        logits = models.conv_net(list(net.parameters()), images)
    assert not expected.isfinite().all()
    torch.testing.assert_close(logits, expected, equal_nan=True)


def test_a_convolution_that_overflows_is_not_hidden(images):
    parameters = [parameter * 1e20 for parameter in models.init_conv_net(rng=torch.Generator().manual_seed(2))]
    assert all(parameter.isfinite().all() for parameter in parameters)
    assert models.conv_net(parameters, images).isnan().all()


def test_standardisation_against_numpy():
    rng = np.random.default_rng(0)
    train, test = rng.integers(0, 256, (50, 4, 3)), rng.integers(0, 256, (20, 4, 3))
    train[:, 0, 0] = 7  # constant over the training images
    ours = models.standardise(torch.tensor(train).float(), torch.tensor(test).float())
    mean, scale = train.mean(axis=0), train.std(axis=0, ddof=1) + 1e-6
    for result, original in zip(ours, (train, test), strict=True):
        np.testing.assert_allclose(result, (original - mean) / scale, rtol=1e-4, atol=1e-5)
    assert (ours[0][:, 0, 0] == 0).all()


def test_evaluation_gives_the_very_logits_that_training_sees(images):
    # Equal pixels, which the background of the pictures is full of, and infinite ones included.
    images[:4] = 0.5
    images[5, 3] = float("inf")
    parameters = models.init_conv_net(rng=torch.Generator().manual_seed(2))
    with_gradients = models.conv_net(parameters, images)
    with torch.inference_mode():
        assert torch.equal(models.conv_net(parameters, images).nan_to_num(), with_gradients.nan_to_num())
