import dataclasses

import numpy as np
import pytest

from gradlab.lab.seeds import seed_streams

SOURCES = ("split", "initialisation", "order", "augmentation", "vote")


def draws(streams):
    return {source: getattr(streams, source).random(8) for source in SOURCES}


def test_same_root_and_seed_give_the_same_draws():
    first, second = draws(seed_streams(20210, 3)), draws(seed_streams(20210, 3))
    for source in SOURCES:
        np.testing.assert_array_equal(first[source], second[source])


def test_every_stream_of_every_seed_and_root_is_its_own():
    streams = [seed_streams(root, seed) for root in (0, 1, 20210) for seed in range(5)]
    values = np.array([drawn for each in streams for drawn in draws(each).values()])
    assert values.shape == (3 * 5 * 5, 8)
    assert len(np.unique(values)) == values.size


def test_a_stream_is_not_moved_by_draws_from_another():
    expected = draws(seed_streams(7, 0))["order"]
    streams = seed_streams(7, 0)
    streams.split.permutation(1000)
    streams.initialisation.normal(size=50)
    streams.augmentation.random(3)
    streams.vote.spawn(2)
    streams.vote.random(4)
    np.testing.assert_array_equal(streams.order.random(8), expected)


def test_a_seed_is_the_child_that_spawn_would_give():
    children = np.random.SeedSequence(20210).spawn(3)
    for seed, child in enumerate(children):
        for source, sequence in zip(SOURCES, child.spawn(5), strict=True):
            expected = np.random.default_rng(sequence).random(8)
            np.testing.assert_array_equal(getattr(seed_streams(20210, seed), source).random(8), expected)


def test_a_stream_added_at_the_end_moves_none_before_it():
    # Four streams, as long as nothing voted: results made with them still hold.
    four = np.random.SeedSequence(20210, spawn_key=(2,)).spawn(4)
    streams = seed_streams(20210, 2)
    for source, sequence in zip(SOURCES[:4], four, strict=True):
        np.testing.assert_array_equal(getattr(streams, source).random(8), np.random.default_rng(sequence).random(8))


@pytest.mark.parametrize(("root", "seed"), [(-1, 0), (0, -1), (1.0, 0), (0, "1"), (True, 0), (None, 0)])
def test_anything_but_a_natural_number_is_refused(root, seed):
    with pytest.raises(ValueError, match="expected an integer of at least 0"):
        seed_streams(root, seed)


def test_streams_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        seed_streams(0, 0).seed = 1
