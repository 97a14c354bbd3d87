"""Gradient descent on f(x) = curvature · x² / 2, whose minimum is at 0. After n steps, x = (1 − rate · curvature)ⁿ · start."""

import numpy as np


def descend(curvature: float, rate: float, *, start: float, steps: int) -> np.ndarray:
    """Return the positions, (steps + 1,), from the start on."""
    path = np.empty(steps + 1)
    path[0] = start
    for step in range(steps):
        path[step + 1] = path[step] - rate * curvature * path[step]
    return path


def loss(curvature: float, x: np.ndarray) -> np.ndarray:
    """Return f at some positions."""
    return curvature * x**2 / 2
