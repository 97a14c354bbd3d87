"""The convolutional network of the FashionMNIST notebook, and the standardisation of its inputs (F §2).

A network is a function of its parameters and of a batch of images; its parameters are a list of tensors.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

CLASSES = 10
_SIDE = 28
_KERNEL = 5
_CHANNELS = (1, 16, 32)
_FEATURES = _CHANNELS[2] * (_SIDE // 4) ** 2  # two poolings halve each side twice


def init_conv_net(*, rng: torch.Generator) -> list[Tensor]:
    """Draw the network's parameters as torch's own layers do by default.

    Weights and biases are uniform in ±1/√fan_in, drawn in the order of the layers, each weight before its bias: the
    numbers are those of `nn.Conv2d`, `nn.Conv2d` and `nn.Linear` built one after another on a stream in the same state.

    Returns
    -------
    list of Tensor
        Weights and biases, float32: (16, 1, 5, 5), (16,), (32, 16, 5, 5), (32,), (10, 1568), (10,). The kernels are in
        the channels-last layout, which more than halves the time of the network.
    """
    shapes = [(_CHANNELS[i + 1], _CHANNELS[i], _KERNEL, _KERNEL) for i in range(2)] + [(CLASSES, _FEATURES)]
    parameters = []
    for shape in shapes:
        bound = 1 / math.sqrt(math.prod(shape[1:]))
        weight = torch.empty(shape)
        # With a = √5, the gain of He's initialisation is 1/√3 and its bound is 1/√fan_in; through the same function as
        # in torch's layers, so that the bound is rounded in the same way.
        torch.nn.init.kaiming_uniform_(weight, a=math.sqrt(5), generator=rng)
        bias = torch.empty(shape[0]).uniform_(-bound, bound, generator=rng)
        layout = torch.channels_last if weight.ndim == 4 else torch.contiguous_format
        parameters += [weight.contiguous(memory_format=layout), bias]
    return parameters


def conv_net(parameters: list[Tensor], images: Tensor) -> Tensor:
    """Return the logits of a batch.

    Two blocks of convolution (5×5, padding 2), ReLU and 2×2 max-pooling, then one linear layer. Pooling comes before
    ReLU: the two commute, and ReLU then has a quarter of the work.

    Parameters
    ----------
    parameters
        As `init_conv_net` returns them.
    images
        Standardised images, float32 of shape (N, 28, 28).

    Returns
    -------
    Tensor
        Logits, float32 of shape (N, 10).
    """
    w1, b1, w2, b2, w3, b3 = parameters
    # (N, 28, 28) -> (N, 1, 28, 28). The strides must say channels-last here: a tensor with one channel that was merely
    # given an axis for it passes for channels-first, and the first pooling then takes nine times as long.
    x = images.unsqueeze(-1).permute(0, 3, 1, 2)
    x = F.relu(_pool(F.conv2d(x, w1, b1, padding=2)))  # (N, 16, 14, 14)
    x = F.relu(_pool(F.conv2d(x, w2, b2, padding=2)))  # (N, 32, 7, 7)
    return F.linear(x.flatten(1), w3, b3)  # (N, 32, 7, 7) -> (N, 1568) -> (N, 10)


def _pool(x: Tensor) -> Tensor:
    """Return the largest of every 2×2 pixels, (N, channels, height, width) -> (N, channels, height/2, width/2).

    Without gradients two maxima over every other row and column give the same values in a quarter less time. With them
    it has to be torch's pooling: where pixels are equal, it passes the gradient to the first one, and a maximum to both.
    """
    if torch.is_grad_enabled():
        return F.max_pool2d(x, 2)
    rows = torch.maximum(x[:, :, ::2], x[:, :, 1::2])
    return torch.maximum(rows[..., ::2], rows[..., 1::2])


def standardise(train: Tensor, test: Tensor, *, epsilon: float = 1e-6) -> tuple[Tensor, Tensor]:
    """Standardise every pixel by its mean and unbiased standard deviation over the training images.

    Parameters
    ----------
    train, test
        Images, float32 of shapes (n, height, width) and (m, height, width), grey levels from 0 to 255, n ≥ 2. Scaled to
        [0, 1], the accuracy before the first pass of the first run is not the published one.
    epsilon
        Added to the standard deviation; a pixel that is constant over the training images becomes 0 in them.

    Returns
    -------
    tuple of Tensor
        The training and the test images, float32 of the same shapes.
    """
    mean, scale = train.mean(dim=0), train.std(dim=0) + epsilon
    return (train - mean) / scale, (test - mean) / scale
