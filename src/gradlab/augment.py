"""Random crops and rotations of images, and the vote over augmented copies of a test set (F §2)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gradlab.torchvision_cpu import torchvision


@dataclass(frozen=True)
class Augmentation:
    """Where a setting augments: the training images, the test images, both or neither."""

    train: bool
    test: bool


# In the order in which the notebook runs them.
SETTINGS = {
    "none": Augmentation(train=False, test=False),
    "train": Augmentation(train=True, test=False),
    "test": Augmentation(train=False, test=True),
    "both": Augmentation(train=True, test=True),
}


def find_setting(name: str) -> Augmentation:
    """Return the setting called `name`; a ValueError names the four that exist."""
    if name not in SETTINGS:
        raise ValueError(f"no augmentation setting is called {name!r}; choose one of {', '.join(SETTINGS)}")
    return SETTINGS[name]


@dataclass(frozen=True)
class TransformRanges:
    """The ranges from which a crop and an angle are drawn.

    Attributes
    ----------
    scale
        Smallest and largest area of the crop, as shares of the image's area, in (0, 1].
    ratio
        Smallest and largest aspect ratio of the crop, width / height, drawn uniformly in its logarithm.
    max_angle
        The angle is uniform in [-max_angle, max_angle], in degrees.
    """

    scale: tuple[float, float]
    ratio: tuple[float, float]
    max_angle: float

    def __post_init__(self) -> None:
        if not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise ValueError(f"scale is {self.scale}, but needs 0 < smallest <= largest <= 1 (shares of the area)")
        if not 0 < self.ratio[0] <= self.ratio[1]:
            raise ValueError(f"ratio is {self.ratio}, but needs 0 < smallest <= largest (width / height)")
        if not 0 <= self.max_angle <= 180:
            raise ValueError(f"max_angle is {self.max_angle}, but needs a value from 0 to 180 degrees")


@dataclass(frozen=True)
class Transform:
    """One crop, resized to the size of the image, followed by one rotation.

    Attributes
    ----------
    top, left, height, width
        The crop, in pixels.
    angle
        Degrees, counter-clockwise.
    """

    top: int
    left: int
    height: int
    width: int
    angle: float


def draw_transform(ranges: TransformRanges, height: int, width: int, *, rng: torch.Generator) -> Transform:
    """Draw one transform for images of `height` × `width` pixels.

    The draws are those of torchvision's `RandomResizedCrop` and then `RandomRotation`, number for number, taken from a
    generator of the caller's instead of torch's global one: area, ratio, top and left, then the angle.
    """
    crop = _draw_crop(ranges, height, width, rng=rng)
    return Transform(*crop, angle=_uniform(-ranges.max_angle, ranges.max_angle, rng=rng).item())


def _draw_crop(ranges: TransformRanges, height: int, width: int, *, rng: torch.Generator) -> tuple[int, int, int, int]:
    lowest, highest = torch.log(torch.tensor(ranges.ratio)).tolist()  # rounded to float32, as torchvision does
    for _ in range(10):
        area = height * width * _uniform(*ranges.scale, rng=rng).item()
        ratio = _uniform(lowest, highest, rng=rng).exp().item()  # in float32, likewise
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            top = torch.randint(0, height - h + 1, size=(1,), generator=rng).item()
            left = torch.randint(0, width - w + 1, size=(1,), generator=rng).item()
            return top, left, h, w
    # Ten crops did not fit: torchvision takes the largest central one of an allowed ratio.
    smallest, largest = ranges.ratio
    if width / height < smallest:
        h, w = round(width / smallest), width
    elif width / height > largest:
        h, w = height, round(height * largest)
    else:
        h, w = height, width
    return (height - h) // 2, (width - w) // 2, h, w


def _uniform(low: float, high: float, *, rng: torch.Generator) -> Tensor:
    return torch.empty(1).uniform_(low, high, generator=rng)


def apply_transform(images: Tensor, transform: Transform) -> Tensor:
    """Return `images` under one and the same transform, as torchvision's crop, resize and rotation compute it.

    Parameters
    ----------
    images
        Floating-point tensor of shape (N, height, width).
    transform
        The crop is resized bilinearly to the size of the images; the rotation takes the nearest pixel, and 0 beyond the
        edge.

    Returns
    -------
    Tensor
        Shape and dtype of `images`.
    """
    functional = torchvision.transforms.functional
    top, left, height, width = transform.top, transform.left, transform.height, transform.width
    # A crop is only ever enlarged, where antialiasing changes rounding errors and nothing else; it is the faster path.
    cropped = functional.resized_crop(images, top, left, height, width, list(images.shape[-2:]), antialias=True)
    # Without `fill`, torchvision fills with zeros too, and spares a mask of the size of the images.
    return functional.rotate(cropped, transform.angle)


def majority_vote(predictions: Tensor) -> Tensor:
    """Return the label that most copies of an image got, the lowest one where several share the lead.

    Parameters
    ----------
    predictions
        Labels, int64 of shape (T, N): one row for each of the T copies of the N images.

    Returns
    -------
    Tensor
        Labels, int64 of shape (N,).
    """
    if predictions.ndim != 2 or len(predictions) == 0:
        raise ValueError(f"a vote needs predictions of shape (copies, images), not {tuple(predictions.shape)}")
    votes = torch.nn.functional.one_hot(predictions).sum(dim=0)  # (T, N, classes) -> (N, classes)
    return votes.argmax(dim=1)  # the first of equal counts, so the lowest label
