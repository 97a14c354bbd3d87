"""Random crops and rotations, a transform of its own for every image (F §2).

The one transform that all images of a published run share is torchvision's own: see `replay`.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample


@dataclass(frozen=True)
class Augmentation:
    """Where a setting augments: the training images, the test images, both or neither."""

    train: bool
    test: bool


# Crops that torchvision tries before it takes a central one.
_ATTEMPTS = 10
# Images transformed at once: their sampling positions, two floats for each pixel, stay in the processor's cache.
_CHUNK = 100
# Farther from the image than any neighbour, in the coordinates of `grid_sample`, which run from -1 to 1.
_FAR = 4.0

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


def _central_crop(ranges: TransformRanges, height: int, width: int) -> tuple[int, int, int, int]:
    """Return torchvision's crop where no attempt fitted: the largest central one of an allowed ratio."""
    smallest, largest = ranges.ratio
    if width / height < smallest:
        h, w = round(width / smallest), width
    elif width / height > largest:
        h, w = height, round(height * largest)
    else:
        h, w = height, width
    return (height - h) // 2, (width - w) // 2, h, w


@dataclass(frozen=True)
class Transforms:
    """A crop for each of N images, resized to the size of the image, followed by a rotation.

    Attributes
    ----------
    top, left, height, width
        The crops, in pixels: int64 of shape (N,).
    angle
        Degrees, counter-clockwise: float64 of shape (N,).
    """

    top: np.ndarray
    left: np.ndarray
    height: np.ndarray
    width: np.ndarray
    angle: np.ndarray

    def __len__(self) -> int:
        return len(self.angle)

    def select(self, indices: np.ndarray) -> "Transforms":
        """Return the transforms of some of the images, int64 of shape (n,)."""
        return Transforms(**{name: values[indices] for name, values in vars(self).items()})


def draw_transforms(
    ranges: TransformRanges, count: int, height: int, width: int, *, rng: np.random.Generator
) -> Transforms:
    """Draw a transform for each of `count` images of `height` × `width` pixels.

    The distributions are those of torchvision's `RandomResizedCrop` and `RandomRotation`, here for all images at once:
    a crop that does not fit is drawn again, ten times at most, and then replaced by the largest central one.
    """
    crops = np.tile(np.array(_central_crop(ranges, height, width)), (count, 1))  # (count, 4)
    pending = np.arange(count)
    for _ in range(_ATTEMPTS):
        area = height * width * rng.uniform(*ranges.scale, size=len(pending))
        narrowest, widest = np.log(ranges.ratio)
        ratio = np.exp(rng.uniform(narrowest, widest, size=len(pending)))
        w, h = (np.rint(np.sqrt(squared)).astype(np.int64) for squared in (area * ratio, area / ratio))
        fits = (w > 0) & (w <= width) & (h > 0) & (h <= height)
        w, h = w[fits], h[fits]
        crops[pending[fits]] = np.stack(
            [rng.integers(0, height - h, endpoint=True), rng.integers(0, width - w, endpoint=True), h, w], axis=1
        )
        pending = pending[~fits]
    top, left, h, w = crops.T
    return Transforms(top, left, h, w, rng.uniform(-ranges.max_angle, ranges.max_angle, size=count))


def apply_transforms(images: Tensor, transforms: Transforms) -> Tensor:
    """Return `images`, each under its own transform, as torchvision computes it for one image after another.

    The crop is resized bilinearly; the rotation takes the nearest pixel, and 0 beyond the edge. Here, the two steps become
    one. The rotation takes every pixel of the result from the nearest pixel (x, y) of the resized crop, or from nowhere,
    which gives 0. That pixel has a fixed place in the image, left + (x + ½)·width/W − ½, held within the crop, and likewise
    for y; there, the image is interpolated bilinearly.

    Parameters
    ----------
    images
        Floating-point tensor of shape (N, height, width).
    transforms
        One for each image.

    Returns
    -------
    Tensor
        Shape, dtype and device of `images`. On a CPU in float32, the largest difference from torchvision's result is
        5.5e-6 over 20,000 images with values in [0, 1], because places are rounded on the way to `grid_sample`; in float64
        it is 1.2e-14. Where two neighbours are equally near, which of them is taken depends on the processor: on one, none of
        their 15.7 million pixels came from another neighbour than torchvision's, on another a few did.
    """
    if len(images) != len(transforms):
        raise ValueError(f"{len(images)} images have {len(transforms)} transforms; each needs one")
    height, width = images.shape[-2:]
    size = np.array([width, height])
    radians = np.radians(transforms.angle)
    cosine, sine = np.cos(radians), np.sin(radians)
    turn = np.stack([np.stack([cosine, -sine], axis=1), np.stack([sine, cosine], axis=1)], axis=1)  # (N, 2, 2)
    extent = np.stack([transforms.width, transforms.height], axis=1)  # (N, 2)
    corner = np.stack([transforms.left, transforms.top], axis=1)  # (N, 2)

    def to_tensor(values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(images)  # to their dtype and their device

    def to_grid(places: np.ndarray) -> Tensor:
        """Return places in pixels in the coordinates of `grid_sample`: (N, 2) to (N, 2, 1, 1)."""
        return to_tensor((2 * places + 1) / size - 1)[:, :, None, None]

    # Which pixel is nearest hangs on the last bit where two are equally near. So from here to its rounding, everything
    # is done in the order in which torchvision's rotation and then `grid_sample` do it.
    half = to_tensor(size / 2)
    rotation = to_tensor(turn) / half[:, None]  # (N, 2, 2), rows for x and y
    columns, rows = (torch.linspace(-(n - 1) / 2, (n - 1) / 2, steps=n, dtype=images.dtype) for n in (width, height))
    base = torch.stack([columns.repeat(height), rows.repeat_interleave(width)]).to(images.device)  # (2, height · width)
    half = half[:, None, None]
    last = to_tensor(size - 1)[:, None, None]

    step = to_tensor(2 * extent / size**2)[:, :, None, None]
    start = to_grid(corner + extent / (2 * size) - 0.5)
    lowest, highest = to_grid(corner), to_grid(corner + extent - 1)

    transformed = torch.empty_like(images)
    for first in range(0, len(images), _CHUNK):
        chunk = slice(first, first + _CHUNK)
        # (2 n, 2) @ (2, height · width) -> (n, 2, height, width): one plane for x and one for y, whole rows at a time
        place = (rotation[chunk].flatten(0, 1) @ base).view(-1, 2, height, width)
        place.add_(1).mul_(half).sub_(0.5).round_()
        # Twice as fast as with masks and with `clamp` by tensors: what is left of a place outside, in whole pixels, moves it
        # beyond all neighbours, and is 0 inside.
        inside = torch.minimum(place.clamp(min=0), last)
        beyond = place.sub_(inside).mul_(_FAR)
        inside.mul_(step[chunk]).add_(start[chunk])
        torch.maximum(inside, lowest[chunk], out=inside)
        torch.minimum(inside, highest[chunk], out=inside)
        grid = inside.add_(beyond).permute(0, 2, 3, 1)  # (n, 2, height, width) -> (n, height, width, 2)
        transformed[chunk] = grid_sample(images[chunk, None], grid, align_corners=False)[:, 0]
    return transformed
