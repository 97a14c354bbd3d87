"""Crops, rotations and votes, against torchvision and against loops."""

import numpy as np
import pytest
import reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from gradlab.studies.augmentation import augment
from gradlab.studies.augmentation.augment import TransformRanges, Transforms
from gradlab.studies.augmentation.torchvision_cpu import torchvision

PUBLISHED = TransformRanges(scale=(0.75, 1.0), ratio=(0.75, 4 / 3), max_angle=10.0)
# Of these, most crops do not fit at the first attempt, and many not at the tenth, on both sides of the ratio.
FLAT = TransformRanges(scale=(0.9, 1.0), ratio=(1.5, 1.9), max_angle=180.0)
TALL = TransformRanges(scale=(0.9, 1.0), ratio=(0.4, 0.7), max_angle=0.0)
FULL = TransformRanges(scale=(1.0, 1.0), ratio=(0.2, 5.0), max_angle=45.0)


def make_transforms(*rows: tuple[int, int, int, int, float]) -> Transforms:
    top, left, height, width, angle = zip(*rows, strict=True)
    return Transforms(*(np.array(values) for values in (top, left, height, width)), angle=np.array(angle, dtype=float))


# Far beyond what the study draws: from a tenth of the image to all of it, twice as wide as high, any angle.
WIDE = TransformRanges(scale=(0.1, 1.0), ratio=(0.5, 2.0), max_angle=180.0)
# Crops at each corner and edge and of a single row, column and pixel, under angles whose sine or cosine is special.
SPECIAL_CROPS = [(0, 0, 28, 28), (0, 0, 13, 20), (15, 8, 13, 20), (0, 3, 21, 25), (7, 0, 21, 28), (27, 0, 1, 28)]
SPECIAL_CROPS += [(0, 27, 28, 1), (27, 27, 1, 1), (5, 6, 14, 7)]
SPECIAL_ANGLES = [0.0, 30.0, 45.0, 60.0, 90.0, -90.0, 135.0, 180.0, -180.0, 1e-7]
SPECIAL = make_transforms(*((*crop, angle) for crop in SPECIAL_CROPS for angle in SPECIAL_ANGLES))


def draw(ranges, count=2000, side=28, seed=0):
    return augment.draw_transforms(ranges, count, side, side, rng=np.random.default_rng(seed))


def find_ties(transforms, within, side=28):
    """Where the rotation takes a pixel from a place halfway between two, to `within`: what is nearest hangs on rounding."""
    centre = (side - 1) / 2
    y, x = torch.meshgrid(torch.arange(side) - centre, torch.arange(side) - centre, indexing="ij")
    angle = torch.from_numpy(np.radians(transforms.angle))[:, None, None]
    places = torch.stack([x * angle.cos() - y * angle.sin(), x * angle.sin() + y * angle.cos()]) + centre
    return ((places % 1 - 0.5).abs() < within).any(dim=0)  # (N, side, side)


# Neighbouring values differ by 1 at most, so the bound is that on the place, in pixels, whose float32 has 2e-6 as its last
# digit near the far edge. Where two neighbours are equally near, processors differ in the one that is taken.
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-5), (torch.float64, 1e-13)])
@pytest.mark.parametrize("transforms", [draw(PUBLISHED), draw(WIDE), draw(FLAT, 300), SPECIAL])
def test_a_transform_for_each_image_against_torchvision_image_by_image(transforms, dtype, bound):
    images = torch.rand(len(transforms), 28, 28, generator=torch.Generator().manual_seed(1), dtype=dtype)
    expected = reference.plain_transforms(images, transforms)
    ours = augment.apply_transforms(images, transforms)
    assert ours.dtype == dtype
    ties = find_ties(transforms, bound)
    assert ties.float().mean() < 0.02
    assert (ours - expected).abs()[~ties].max() <= bound


def transform_alike(images, *row):
    return augment.apply_transforms(images, make_transforms(*[row] * len(images)))


def test_the_whole_image_without_rotation_is_the_image():
    images = torch.rand(3, 28, 28)
    torch.testing.assert_close(transform_alike(images, 0, 0, 28, 28, 0.0), images, rtol=0, atol=1e-5)


def test_a_quarter_turn_is_counter_clockwise():
    images = torch.rand(3, 28, 28)
    turned = transform_alike(images, 0, 0, 28, 28, 90.0)
    torch.testing.assert_close(turned, torch.rot90(images, dims=(1, 2)), rtol=0, atol=1e-5)


def test_a_cropped_ramp_is_a_slower_ramp():
    # Bilinear interpolation is exact on a linear function: pixel x of the result is at left + (x + ½)·w/28 − ½.
    ramp = torch.arange(28.0).expand(2, 28, 28)
    cropped = transform_alike(ramp, 3, 5, 20, 14, 0.0)  # top, left, height, width, angle
    expected = 5 + (torch.arange(28) + 0.5) * 14 / 28 - 0.5
    inside = slice(1, 27)  # beyond the middle of the outermost pixel of the crop, its value is continued
    torch.testing.assert_close(cropped[..., inside], expected[inside].expand(2, 28, 26), rtol=0, atol=1e-4)


@pytest.mark.parametrize(("height", "width"), [(28, 28), (7, 12), (13, 5), (1, 4)])
def test_images_need_not_be_square(height, width):
    images = torch.rand(300, height, width, generator=torch.Generator().manual_seed(4))
    transforms = augment.draw_transforms(WIDE, 300, height, width, rng=np.random.default_rng(5))
    # The crop and the resized image have different sides, so a mix-up of the two axes cannot pass.
    torch.testing.assert_close(
        augment.apply_transforms(images, transforms),
        reference.plain_transforms(images, transforms),
        rtol=0,
        atol=1e-5,
    )


def test_images_do_not_depend_on_those_beside_them():
    images, transforms = torch.rand(523, 28, 28), draw(PUBLISHED, 523)
    together = augment.apply_transforms(images, transforms)
    backwards = Transforms(**{name: values[::-1].copy() for name, values in vars(transforms).items()})
    assert torch.equal(augment.apply_transforms(images.flip(0), backwards).flip(0), together)


def test_no_image_has_no_transform():
    assert augment.apply_transforms(torch.empty(0, 28, 28), draw(PUBLISHED, 0)).shape == (0, 28, 28)


def test_every_image_needs_its_transform():
    with pytest.raises(ValueError, match="3 images have 2 transforms"):
        augment.apply_transforms(torch.zeros(3, 28, 28), draw(PUBLISHED, 2))


@settings(deadline=None)  # a busy machine is no failure
@given(seed=st.integers(0, 2**31), height=st.integers(1, 40), width=st.integers(1, 40))
def test_drawn_crops_lie_within_the_image(seed, height, width):
    drawn = augment.draw_transforms(PUBLISHED, 50, height, width, rng=np.random.default_rng(seed))
    assert np.all((drawn.top >= 0) & (drawn.height > 0) & (drawn.top + drawn.height <= height))
    assert np.all((drawn.left >= 0) & (drawn.width > 0) & (drawn.left + drawn.width <= width))
    assert np.all(np.abs(drawn.angle) <= PUBLISHED.max_angle)


# A comparison of two correct samplers would fail for one seed in a thousand; the seeds are fixed.
SIGNIFICANT = 1e-3


def crops_of_torchvision(ranges, count, side=28):
    """The crops of `count` draws of torchvision's own: arrays of top, left, height and width."""
    with reference.global_streams(torch_seed=11, numpy_seed=0):
        image, crop = torch.empty(1, side, side), torchvision.transforms.RandomResizedCrop
        return np.array([crop.get_params(image, list(ranges.scale), list(ranges.ratio)) for _ in range(count)]).T


def homogeneity(ours, theirs):
    """The p-value of the χ² test that two samples have one distribution; rare values are pooled, some 40 together."""
    values, codes = np.unique(np.concatenate([ours, theirs]), return_inverse=True)
    counts = np.array([np.bincount(part, minlength=len(values)) for part in np.split(codes, [len(ours)])])
    order = np.argsort(counts.sum(axis=0), kind="stable")
    # Rare values together until the pool is large enough; common ones each on its own.
    pools = np.cumsum(counts.sum(axis=0)[order]) // 40
    table = np.array([np.bincount(pools, weights=row[order]) for row in counts])
    return stats.chi2_contingency(table[:, table.sum(axis=0) > 0]).pvalue


def crop_code(top, left, height, width):
    return ((top * 64 + left) * 64 + height) * 64 + width


@pytest.mark.parametrize("ranges", [PUBLISHED, FLAT, TALL, FULL, WIDE])
def test_crops_have_the_distribution_of_torchvisions(ranges):
    ours = draw(ranges, 20_000)
    top, left, height, width = crops_of_torchvision(ranges, 4000)
    assert homogeneity(ours.width, width) > SIGNIFICANT
    assert homogeneity(ours.height, height) > SIGNIFICANT
    assert homogeneity(ours.height * 64 + ours.width, height * 64 + width) > SIGNIFICANT
    assert homogeneity(ours.top, top) > SIGNIFICANT
    assert homogeneity(ours.left, left) > SIGNIFICANT
    assert homogeneity(crop_code(ours.top, ours.left, ours.height, ours.width), crop_code(top, left, height, width)) > (
        SIGNIFICANT
    )


def test_wrong_distributions_of_crops_are_told_from_torchvisions():
    top, _, height, width = crops_of_torchvision(PUBLISHED, 4000)
    # The ratio uniform instead of its logarithm: by rejection from what is drawn, with a probability ∝ ratio.
    ours = draw(PUBLISHED, 20_000)
    kept = np.random.default_rng(1).random(len(ours)) < ours.width / ours.height / 1.5
    assert homogeneity(ours.height[kept] * 64 + ours.width[kept], height * 64 + width) < SIGNIFICANT
    # One attempt instead of ten: the whole image where the first crop does not fit.
    rng = np.random.default_rng(2)
    area, ratio = 784 * rng.uniform(0.75, 1, 20_000), np.exp(rng.uniform(*np.log(PUBLISHED.ratio), 20_000))
    w, h = np.rint(np.sqrt(area * ratio)), np.rint(np.sqrt(area / ratio))
    w[(w > 28) | (h > 28)] = 28
    assert homogeneity(w, width) < SIGNIFICANT
    # The crop never at the far edge: an upper end left out.
    assert homogeneity(np.clip(ours.top, 0, np.maximum(27 - ours.height, 0)), top) < SIGNIFICANT


def test_draws_in_closed_form():
    # In a large image, rounding to whole pixels is small; with these ranges every first attempt fits.
    ranges, side = TransformRanges(scale=(0.1, 0.4), ratio=(0.75, 4 / 3), max_angle=25.0), 100_000
    drawn = draw(ranges, 5000, side=side)
    share, ratio = drawn.width * drawn.height / side**2, drawn.width / drawn.height
    quantities = {
        "area": (share - 0.1) / 0.3,
        "log ratio": np.log(ratio / 0.75) / np.log((4 / 3) / 0.75),
        "top": drawn.top / (side - drawn.height),
        "left": drawn.left / (side - drawn.width),
        "angle": (drawn.angle + 25) / 50,
    }
    for name, values in quantities.items():
        assert stats.kstest(values, "uniform").pvalue > SIGNIFICANT, name
    # All five are independent of one another.
    ranks = stats.spearmanr(np.stack(list(quantities.values()), axis=1)).pvalue
    assert ranks[~np.eye(5, dtype=bool)].min() > SIGNIFICANT
    # And the ratio itself is not uniform: the test sees the difference.
    assert stats.kstest((ratio - 0.75) / (4 / 3 - 0.75), "uniform").pvalue < SIGNIFICANT


def test_square_crops_in_closed_form():
    # With ratio 1 the side is round(28·√s), s uniform in [0.25, 1]: k has the share of s in ((k − ½)/28)² to ((k + ½)/28)².
    drawn = draw(TransformRanges(scale=(0.25, 1.0), ratio=(1.0, 1.0), max_angle=0.0), 20_000)
    np.testing.assert_array_equal(drawn.height, drawn.width)
    edges = np.clip(((np.arange(14, 30) - 0.5) / 28) ** 2, 0.25, 1)
    counts = np.bincount(drawn.width, minlength=29)[14:]
    assert stats.chisquare(counts, np.diff(edges) / 0.75 * counts.sum()).pvalue > SIGNIFICANT
    # Given the side, the top is uniform over the places that are left.
    for k in range(20, 28):
        assert stats.chisquare(np.bincount(drawn.top[drawn.height == k], minlength=29 - k)).pvalue > SIGNIFICANT
    assert not drawn.angle.any()


def test_a_crop_that_never_fits_is_the_largest_central_one():
    # All of the area at ratios from 2 on never fits a square; what does is its full width at half of its height.
    ranges = TransformRanges(scale=(1.0, 1.0), ratio=(2.0, 3.0), max_angle=5.0)
    drawn = draw(ranges, 100)
    with reference.global_streams(torch_seed=0, numpy_seed=0):
        crop = torchvision.transforms.RandomResizedCrop.get_params(torch.empty(1, 28, 28), [1.0, 1.0], [2.0, 3.0])
    assert crop == (7, 0, 14, 28)
    for values, expected in zip((drawn.top, drawn.left, drawn.height, drawn.width), crop, strict=True):
        assert set(values.tolist()) == {expected}


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
