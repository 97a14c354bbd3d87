"""Two interleaving half circles with noise: the points that the networks tell apart."""

import numpy as np


def draw_moons(
    count: int, noise: float, generator: np.random.RandomState | np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw points of two moons in random order, as scikit-learn's `make_moons` does.

    The places on the two half circles are equally spaced; order and noise are drawn. A `RandomState` gives the very points
    that scikit-learn draws from its seed: it draws the order first, then the noise.

    Parameters
    ----------
    count
        Points, an even number: half of them on each moon.
    noise
        Standard deviation of the normal noise that is added to both coordinates, ≥ 0.
    generator
        Gives order and noise.

    Returns
    -------
    X
        Coordinates, float64, shape (count, 2).
    y
        Labels, float64, shape (count,): −1 on the upper moon, around (0, 0), and 1 on the lower one, around (1, 0.5).
    """
    angle = np.linspace(0.0, np.pi, count // 2)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)  # (count / 2, 2)
    lower = np.stack([1 - np.cos(angle), 1 - np.sin(angle) - 0.5], axis=1)
    order = np.arange(count)
    generator.shuffle(order)
    X = np.concatenate([upper, lower])[order]
    y = np.repeat([-1.0, 1.0], count // 2)[order]
    return X + generator.normal(scale=noise, size=X.shape), y
