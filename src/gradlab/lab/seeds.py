"""Random streams of the runs that are not replays: one root, and under it five independent streams for every seed."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Streams:
    """The generators of one seed, one for each source of randomness, so that drawing from one never moves another.

    Attributes
    ----------
    seed
        The number of the seed under its root.
    split
        Draws the subset of the training data.
    initialisation
        Draws the parameters of the network.
    order
        Draws the examples of each minibatch.
    augmentation
        Draws the transforms of the training images.
    vote
        Draws the transforms of the augmented copies of the test set.
    """

    seed: int
    split: np.random.Generator
    initialisation: np.random.Generator
    order: np.random.Generator
    augmentation: np.random.Generator
    vote: np.random.Generator


def seed_streams(root: int, seed: int) -> Streams:
    """Return fresh streams of `seed` under `root`; the same two numbers always give the same draws.

    A seed's streams descend from the root's child number `seed`, as `SeedSequence.spawn` numbers it. They depend
    neither on the other seeds of the design nor on their number, so arms that use the same seeds can be compared in
    pairs.

    Parameters
    ----------
    root
        Root of the whole design, ≥ 0.
    seed
        Number of the seed, ≥ 0.

    Raises
    ------
    ValueError
        If either is not an integer ≥ 0.
    """
    for name, value in (("root", root), ("seed", seed)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
            raise ValueError(f"{name} is {value!r}; expected an integer of at least 0: change it in the configuration")
    child = np.random.SeedSequence(int(root), spawn_key=(int(seed),))
    # The order of these five is part of every result: a new stream goes to the end.
    split, initialisation, order, augmentation, vote = (np.random.default_rng(sequence) for sequence in child.spawn(5))
    return Streams(int(seed), split, initialisation, order, augmentation, vote)
