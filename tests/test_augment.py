"""Crops, rotations and votes, against torchvision and against loops."""

import pytest
import reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradlab import augment
from gradlab.augment import Transform, TransformRanges

PUBLISHED = TransformRanges(scale=(0.75, 1.0), ratio=(0.75, 4 / 3), max_angle=10.0)
# Of these, most crops do not fit at the first attempt, and many not at the tenth, on both sides of the ratio.
FLAT = TransformRanges(scale=(0.9, 1.0), ratio=(1.5, 1.9), max_angle=180.0)
TALL = TransformRanges(scale=(0.9, 1.0), ratio=(0.4, 0.7), max_angle=0.0)
FULL = TransformRanges(scale=(1.0, 1.0), ratio=(0.2, 5.0), max_angle=45.0)


@pytest.mark.parametrize("ranges", [PUBLISHED, FLAT, TALL, FULL])
def test_transforms_are_drawn_and_applied_as_torchvision_does(ranges):
    images = torch.rand(5, 28, 28, generator=torch.Generator().manual_seed(3))
    random_transform = reference.plain_transform(ranges.scale, ranges.ratio, ranges.max_angle)
    rng = torch.Generator().manual_seed(7)
    with reference.global_streams(torch_seed=7, numpy_seed=0):
        for _ in range(40):
            expected = random_transform(images)
            drawn = augment.draw_transform(ranges, 28, 28, rng=rng)
            assert torch.equal(augment.apply_transform(images, drawn), expected)
        assert torch.equal(rng.get_state(), torch.get_rng_state())


def test_draws_leave_the_global_stream_alone():
    before = torch.get_rng_state()
    augment.draw_transform(PUBLISHED, 28, 28, rng=torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), before)


@settings(deadline=None)  # a busy machine is no failure
@given(seed=st.integers(0, 2**31), height=st.integers(4, 40), width=st.integers(4, 40))
def test_a_drawn_crop_lies_within_the_image(seed, height, width):
    drawn = augment.draw_transform(PUBLISHED, height, width, rng=torch.Generator().manual_seed(seed))
    assert 0 <= drawn.top < drawn.top + drawn.height <= height
    assert 0 <= drawn.left < drawn.left + drawn.width <= width
    assert -PUBLISHED.max_angle <= drawn.angle <= PUBLISHED.max_angle


def test_the_whole_image_without_rotation_is_the_image():
    images = torch.rand(3, 28, 28)
    assert torch.equal(augment.apply_transform(images, Transform(0, 0, 28, 28, 0.0)), images)


def test_a_quarter_turn_is_counter_clockwise():
    images = torch.rand(3, 28, 28)
    turned = augment.apply_transform(images, Transform(0, 0, 28, 28, 90.0))
    assert torch.equal(turned, torch.rot90(images, dims=(1, 2)))


def test_a_cropped_ramp_is_a_slower_ramp():
    # Bilinear interpolation is exact on a linear function: pixel x of the result is at left + (x + ½)·w/28 − ½.
    ramp = torch.arange(28.0).expand(2, 28, 28)
    cropped = augment.apply_transform(ramp, Transform(top=3, left=5, height=20, width=14, angle=0.0))
    expected = 5 + (torch.arange(28) + 0.5) * 14 / 28 - 0.5
    inside = slice(1, 27)  # beyond the middle of the outermost pixel of the crop, its value is continued
    torch.testing.assert_close(cropped[..., inside], expected[inside].expand(2, 28, 26))


@settings(deadline=None)  # a busy machine is no failure
@given(st.integers(1, 9).flatmap(lambda n: st.lists(st.lists(st.integers(0, 9), min_size=n, max_size=n), min_size=1)))
def test_votes_against_a_count(predictions):
    assert augment.majority_vote(torch.tensor(predictions)).tolist() == reference.plain_votes(predictions)


def test_a_tie_goes_to_the_lowest_label():
    predictions = torch.tensor([[9, 1], [2, 1], [9, 0], [2, 0]])
    assert augment.majority_vote(predictions).tolist() == [2, 0]


def test_a_vote_needs_copies():
    with pytest.raises(ValueError, match="copies"):
        augment.majority_vote(torch.empty(0, 4, dtype=torch.int64))


def test_an_unknown_setting_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'all'.*none, train, test, both"):
        augment.find_setting("all")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"scale": (0.0, 1.0)}, "scale"),
        ({"scale": (0.9, 0.8)}, "scale"),
        ({"ratio": (2.0, 1.0)}, "ratio"),
        ({"max_angle": -1.0}, "max_angle"),
    ],
)
def test_impossible_ranges_are_refused(change, named):
    with pytest.raises(ValueError, match=named):
        TransformRanges(**{"scale": (0.75, 1.0), "ratio": (0.75, 4 / 3), "max_angle": 10.0} | change)
