"""The two global random streams from which the FashionMNIST notebook draws: NumPy's legacy one and torch's (F §2, §3).

In a replay both are objects of their own, so that nothing else in the process moves them.
"""

from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class NotebookStreams:
    """The state of the notebook's two random streams."""

    torch: torch.Generator
    numpy: np.random.RandomState


def start_streams(*, torch_seed: int, numpy_seed: int) -> NotebookStreams:
    """Return the streams as the notebook seeds them at its beginning (F §2)."""
    return NotebookStreams(torch.Generator().manual_seed(torch_seed), np.random.RandomState(numpy_seed))
