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
_FAN_IN = [channels * _KERNEL**2 for channels in _CHANNELS[:2]]
_FEATURES = _CHANNELS[2] * (_SIDE // 4) ** 2  # two poolings halve each side twice


def init_conv_net(*, rng: torch.Generator) -> list[Tensor]:
    """Draw the network's parameters as torch's own layers do by default.

    Weights and biases are uniform in ±1/√fan_in, drawn in the order of the layers, each weight before its bias: the
    numbers are those of `nn.Conv2d`, `nn.Conv2d` and `nn.Linear` built one after another on a stream in the same state.

    Returns
    -------
    list of Tensor
        Weights and biases, float32: (16, 1, 5, 5), (16,), (32, 16, 5, 5), (32,), (10, 1568), (10,).
    """
    shapes = [(_CHANNELS[i + 1], _CHANNELS[i], _KERNEL, _KERNEL) for i in range(2)] + [(CLASSES, _FEATURES)]
    return [parameter for shape in shapes for parameter in init_layer(shape, rng=rng)]


def init_layer(shape: tuple[int, ...], *, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw weight and bias as `nn.Conv2d` and `nn.Linear` do by default, with the same numbers: uniform in ±1/√fan_in.

    Parameters
    ----------
    shape
        Of the weight: outputs, and what one of them is made from.
    rng
        Moves on as torch's global stream does where such a layer is built.
    """
    bound = 1 / math.sqrt(math.prod(shape[1:]))
    weight = torch.empty(shape)
    # With a = √5, the gain of He's initialisation is 1/√3 and its bound is 1/√fan_in; through the same function as in
    # torch's layers, so that the bound is rounded in the same way.
    torch.nn.init.kaiming_uniform_(weight, a=math.sqrt(5), generator=rng)
    return weight, torch.empty(shape[0]).uniform_(-bound, bound, generator=rng)


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
    x = images.unsqueeze(1)  # (N, 28, 28) -> (N, 1, 28, 28)
    # In oneDNN's own blocked layout a quarter of the time is saved when evaluating, and a tenth when training.
    if _suits_onednn(parameters, images):
        x = x.to_mkldnn()
    for weight, bias in ((w1, b1), (w2, b2)):
        x = torch.relu(F.max_pool2d(F.conv2d(x, weight, bias, padding=2), 2, 2))  # (N, 16, 14, 14), (N, 32, 7, 7)
    if x.is_mkldnn:
        x = x.to_dense()
    return F.linear(x.flatten(1), w3, b3)  # (N, 32, 7, 7) -> (N, 1568) -> (N, 10)


def _suits_onednn(parameters: list[Tensor], images: Tensor) -> bool:
    """Whether the convolutions can be left to oneDNN, whose pooling and ReLU turn NaN into a number.

    A network that diverged would look like one that did not. So it has to be certain that no convolution overflows: its
    outputs are at most the number of inputs times the largest weight times the largest input, plus the largest bias. The
    norm of a tensor stands for its largest element, being at least that, and five times faster to find.
    """
    if not (images.is_cpu and images.dtype == torch.float32 and torch.backends.mkldnn.is_available()):
        return False
    with torch.no_grad():
        bound, *norms = torch.stack(torch._foreach_norm([images, *parameters[:4]])).tolist()
    for fan_in, weight, bias in zip(_FAN_IN, norms[::2], norms[1::2], strict=True):
        bound = fan_in * weight * bound + bias
    return bool(bound < torch.finfo(torch.float32).max)


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
