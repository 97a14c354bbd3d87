"""The majority vote over augmented copies of a test set, which asks no further than it takes (F §2)."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def vote(copies: Sequence[Callable[[Tensor], Tensor]], images: int, classes: int) -> Tensor:
    """Return the label that most copies of an image get, the lowest one where several share the lead.

    A copy is asked only about images whose label the remaining copies could still change. Where most copies agree, the
    last ones are hardly asked: five of eight that name the same label have decided.

    Parameters
    ----------
    copies
        For each copy of the images a function that takes the indices of some, int64 of shape (n,), and returns the
        labels that these get, int64 of shape (n,), in [0, classes), on any device.
    images
        The number of images, N.
    classes
        The number of labels.

    Returns
    -------
    Tensor
        Labels, int64 of shape (N,), on the CPU.
    """
    if not copies:
        raise ValueError("a vote needs at least one copy of the images")
    # A vote counts `classes` points and label k begins with classes − 1 − k: points are never equal, and of labels with
    # equally many votes the lowest leads.
    points = torch.arange(classes - 1, -1, -1).repeat(images, 1)  # (N, classes)
    open_images = torch.arange(images)
    for asked, copy in enumerate(copies, start=1):
        if not len(open_images):
            break
        points[open_images, copy(open_images).cpu()] += classes
        first, second = points[open_images].topk(2, dim=1).values.unbind(dim=1)
        open_images = open_images[first - second < (len(copies) - asked) * classes]
    return points.argmax(dim=1)
