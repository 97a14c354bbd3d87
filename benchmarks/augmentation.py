"""A transform of its own for every test image (F §2)."""

import importlib
from collections.abc import Sequence

import numpy as np
import torch
from reference import global_streams, plain_transform
from torch import Tensor

from benchmarks.fashion import TEST, load_images
from benchmarks.timing import Benchmark, Places, Target
from gradlab.studies.augmentation import augment
from gradlab.studies.augmentation.torchvision_cpu import torchvision

RANGES = augment.TransformRanges(scale=(0.75, 1), ratio=(3 / 4, 4 / 3), max_angle=10)


def compare(places: Places, *, images: int = TEST) -> Benchmark:
    """Compare all transforms at once with torchvision's, image by image, in its first and in its second interface."""
    _, test = load_images(places.data, test=images)
    images = len(test)  # where there are fewer
    first = plain_transform(RANGES.scale, RANGES.ratio, RANGES.max_angle)
    v2 = importlib.import_module(f"{torchvision.__name__}.transforms.v2")  # not imported with torchvision itself
    second = v2.Compose(
        [
            v2.RandomResizedCrop((28, 28), scale=RANGES.scale, ratio=RANGES.ratio),
            v2.RandomRotation((-RANGES.max_angle, RANGES.max_angle)),
        ]
    )

    def transform_own() -> Tensor:
        transforms = augment.draw_transforms(RANGES, *test.images.shape, rng=np.random.default_rng(0))
        return augment.apply_transforms(test.images, transforms)

    def transform_each(transform: torch.nn.Module) -> Tensor:
        with global_streams(torch_seed=0, numpy_seed=0):
            return torch.cat([transform(image[None]) for image in test.images])

    return Benchmark(
        name="augmentation",
        title=f"A random crop and a random rotation for each of {images:,} images",
        contenders={
            "gradlab": transform_own,
            "torchvision, image by image": lambda: transform_each(first),
            "torchvision.transforms.v2, image by image": lambda: transform_each(second),
        },
        target=Target(30, "torchvision, image by image"),
        agree=check_shapes,
    )


def check_shapes(results: Sequence[Tensor]) -> None:
    """Refuse contenders that returned something else than as many images; each draws transforms of its own."""
    if len(shapes := {tuple(images.shape) for images in results}) != 1:
        raise ValueError(f"the contenders returned images of shapes {shapes}; expected the same from each")
