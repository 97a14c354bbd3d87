"""The replayed augmentation study: against notebooks run whole on the global streams, and against the published log."""

import numpy as np
import pandas as pd
import pytest
import reference
import torch

from gradlab.data import load_fashion_mnist
from gradlab.lab import models, sgd
from gradlab.lab.streams import start_streams
from gradlab.studies.augmentation import augment, replay

CHECKED_PASSES = 1

# A small study in which `none` reaches full training accuracy early and the others do not.
SMALL = replay.Protocol(
    sgd=sgd.Settings(batch_size=5, learning_rate=0.02, max_passes=9),
    ranges=augment.TransformRanges(scale=(0.75, 1.0), ratio=(0.75, 4 / 3), max_angle=10.0),
    copies=3,
)


# Of the second and third, most crops do not fit at the first attempt, and many not at the tenth, on either side of the ratio.
@pytest.mark.parametrize(
    ("scale", "ratio", "max_angle"),
    [((0.75, 1.0), (0.75, 4 / 3), 10.0), ((0.9, 1.0), (1.5, 1.9), 180.0), ((0.9, 1.0), (0.4, 0.7), 0.0)],
)
def test_transforms_are_those_of_the_notebook_on_its_own_stream(scale, ratio, max_angle):
    """To the last bit, one after another; and torch's global stream stays where it was."""
    images = torch.rand(5, 28, 28, generator=torch.Generator().manual_seed(3))
    random_transform = reference.plain_transform(scale, ratio, max_angle)
    ranges, rng, before = augment.TransformRanges(scale, ratio, max_angle), torch.Generator(), torch.get_rng_state()
    for seed in range(5):
        rng.manual_seed(seed)
        with reference.global_streams(torch_seed=seed, numpy_seed=0):
            expected, after = [random_transform(images) for _ in range(40)], torch.get_rng_state()
        drawn = [replay.draw_transform(ranges, 28, 28, rng=rng) for _ in range(40)]
        for transform, pictures in zip(drawn, expected, strict=True):
            assert torch.equal(replay.apply_transform(images, transform), pictures)
        assert torch.equal(rng.get_state(), after)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.fixture(scope="module")
def small_sets():
    """Raw training and test images with labels: (80, 28, 28) and (30, 28, 28)."""
    rng = np.random.default_rng(12)
    prototypes = rng.normal(size=(10, 28, 28))
    labels = rng.integers(0, 10, 110)
    images = (prototypes[labels] + rng.normal(size=(110, 28, 28))).astype(np.float32)
    return (images[:80], labels[:80]), (images[80:], labels[80:])


def prepare(subset, train, test) -> tuple[sgd.LabelledImages, sgd.LabelledImages]:
    images = models.standardise(torch.from_numpy(train[0][subset]), torch.from_numpy(test[0]))
    labels = train[1][subset], test[1]
    return tuple(sgd.LabelledImages(x, torch.from_numpy(y)) for x, y in zip(images, labels, strict=True))


@pytest.fixture(scope="module")
def small_notebook(small_sets):
    """The four runs one after another on the global streams, and the five sample pictures."""
    transform = reference.plain_transform(SMALL.ranges.scale, SMALL.ranges.ratio, SMALL.ranges.max_angle)
    with reference.global_streams(torch_seed=0, numpy_seed=1):
        subset = np.random.choice(80, replace=False, size=42)
        samples = np.random.choice(42, 5)
        train, test = prepare(subset, *small_sets)
        runs = {
            name: reference.plain_run(
                train,
                test,
                SMALL.sgd,
                transform,
                augment_train=augmentation.train,
                copies=SMALL.copies if augmentation.test else 0,
            )
            for name, augmentation in augment.SETTINGS.items()
        }
    return subset, samples, runs


@pytest.mark.parametrize("setting", augment.SETTINGS)
def test_a_setting_on_its_own_is_the_one_in_the_whole_notebook(setting, small_sets, small_notebook):
    subset, samples, plain = small_notebook
    streams = start_streams(torch_seed=0, numpy_seed=1)
    ours_subset, ours_samples = replay.draw_subset(80, 42, streams=streams)
    assert (ours_subset.tolist(), ours_samples.tolist()) == (subset.tolist(), samples.tolist())
    train, test = prepare(ours_subset, *small_sets)
    for earlier in list(augment.SETTINGS)[: list(augment.SETTINGS).index(setting)]:
        passes = len(plain[earlier].rows) - 1
        replay.skip_run(earlier, passes, tuple(train.images.shape), SMALL, streams=streams)
    run = replay.train_run(setting, train, test, SMALL, streams=streams)
    rows = [(r.train.loss, r.train.accuracy, r.test.loss, r.test.accuracy) for r in run.results]
    # float32 rounding grows with the updates; one wrong draw would show in the first digit of every pass after it.
    assert len(rows) == len(plain[setting].rows)
    np.testing.assert_allclose(rows[:4], plain[setting].rows[:4], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(rows, plain[setting].rows, rtol=1e-2, atol=1e-3)
    for ours, theirs in zip(run.parameters, plain[setting].parameters, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-2, atol=1e-3)


def test_the_small_study_has_a_run_that_ends_early(small_notebook):
    # Otherwise the number of passes of an earlier run would never matter.
    passes = {name: len(run.rows) - 1 for name, run in small_notebook[2].items()}
    assert passes["none"] < SMALL.sgd.max_passes == passes["train"]


@pytest.mark.parametrize("setting", augment.SETTINGS)
def test_skipping_a_run_leaves_the_streams_where_training_does(setting, small_sets):
    train, test = prepare(np.arange(42), *small_sets)
    trained, skipped = (start_streams(torch_seed=3, numpy_seed=4) for _ in range(2))
    run = replay.train_run(setting, train, test, SMALL, streams=trained)
    replay.skip_run(setting, run.passes, tuple(train.images.shape), SMALL, streams=skipped)
    assert torch.equal(trained.torch.get_state(), skipped.torch.get_state())
    assert trained.numpy.random_sample() == skipped.numpy.random_sample()


def test_impossible_requests_are_refused():
    streams = start_streams(torch_seed=0, numpy_seed=1)
    with pytest.raises(ValueError, match="81 images"):
        replay.draw_subset(80, 81, streams=streams)
    with pytest.raises(ValueError, match="-1 passes"):
        replay.skip_run("none", -1, (42, 28, 28), SMALL, streams=streams)
    with pytest.raises(ValueError, match="copies is 0"):
        replay.Protocol(SMALL.sgd, SMALL.ranges, copies=0)


@pytest.fixture(scope="module")
def published(project):
    """The published log, indexed by setting and pass."""
    path = project / "src/gradlab/studies/augmentation/published/curves.csv"
    return pd.read_csv(path, dtype=str).set_index(["setting", "pass"])


@pytest.fixture(scope="module")
def fashion_mnist(prepared_data):
    """The real data; both splits as raw images, float32, and labels."""
    data = load_fashion_mnist(prepared_data / "fashion_mnist")
    train = data.train_images.astype(np.float32), np.array(data.train_labels)
    return train, (data.test_images.astype(np.float32), np.array(data.test_labels))


@pytest.mark.parametrize("setting", augment.SETTINGS)
def test_a_setting_starts_where_the_published_log_does(setting, fashion_mnist, published):
    ranges = augment.TransformRanges(scale=(0.75, 1.0), ratio=(0.75, 4 / 3), max_angle=10.0)
    protocol = replay.Protocol(sgd.Settings(16, 0.04, CHECKED_PASSES), ranges, copies=8)
    streams = start_streams(torch_seed=0, numpy_seed=1)
    subset, _ = replay.draw_subset(60000, 7200, streams=streams)
    train, test = prepare(subset, *fashion_mnist)
    for earlier in list(augment.SETTINGS)[: list(augment.SETTINGS).index(setting)]:
        passes = max(int(number) for number in published.loc[earlier].index)
        replay.skip_run(earlier, passes, tuple(train.images.shape), protocol, streams=streams)
    run = replay.train_run(setting, train, test, protocol, streams=streams)
    rows = [[r.train.loss, r.train.accuracy, r.test.loss, r.test.accuracy] for r in run.results]
    columns = ["train_loss", "train_accuracy", "test_loss", "test_accuracy"]
    assert [f"{value:.3f}" for value in rows[0]] == published.loc[(setting, "0"), columns].tolist()
    # From here on, float32 rounding differs from machine to machine and grows.
    np.testing.assert_allclose(rows[1], published.loc[(setting, "1"), columns].astype(float), rtol=0, atol=0.015)
