"""The corrected augmentation study on small made images: against a plain loop, and what may not depend on what."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
import reference
import torch

from gradlab.lab import models, sgd
from gradlab.lab.seeds import seed_streams
from gradlab.studies.augmentation import augment, corrected
from gradlab.studies.augmentation.corrected import Protocol

SMALL = Protocol(
    sgd=sgd.Settings(batch_size=5, learning_rate=0.02, max_passes=4),
    ranges=augment.TransformRanges(scale=(0.75, 1.0), ratio=(0.75, 4 / 3), max_angle=10.0),
    copies=3,
    evaluate_every=1,
    average_from=0.5,
)


def changed(protocol: Protocol = SMALL, **changes) -> Protocol:
    """`protocol` with other passes, learning rate, copies or distance of the evaluations."""
    names = {"max_passes", "learning_rate"}
    of_sgd = dataclasses.replace(protocol.sgd, **{name: changes[name] for name in names & set(changes)})
    rest = {name: value for name, value in changes.items() if name not in names}
    return dataclasses.replace(protocol, sgd=of_sgd, **rest)


@pytest.fixture(scope="module")
def sets() -> tuple[sgd.LabelledImages, sgd.LabelledImages]:
    """Training and test images of ten noisy classes: 42 and 33."""
    rng = np.random.default_rng(12)
    prototypes = rng.normal(size=(10, 28, 28))
    labels = rng.integers(0, 10, 75)
    images = torch.from_numpy((prototypes[labels] + rng.normal(size=(75, 28, 28))).astype(np.float32))
    labels = torch.from_numpy(labels)
    return sgd.LabelledImages(images[:42], labels[:42]), sgd.LabelledImages(images[42:], labels[42:])


def run(training, sets, protocol=SMALL, *, seed=0):
    return corrected.run_training(training, *sets, protocol, streams=seed_streams(7, seed))


def test_trainings_share_out_the_settings():
    assert corrected.TRAININGS == {"clean": ["none", "test"], "augmented": ["train", "both"]}


@pytest.mark.parametrize("setting", augment.SETTINGS)
def test_a_run_against_a_plain_loop(setting, sets, monkeypatch):
    # In float64: in float32, rounding can make another pixel the largest of its pool, and the two ways drift apart.
    init = models.init_conv_net
    monkeypatch.setattr(models, "init_conv_net", lambda *, rng: [parameter.double() for parameter in init(rng=rng)])
    sets = [sgd.LabelledImages(data.images.double(), data.labels) for data in sets]
    augmentation = augment.SETTINGS[setting]
    ours = run("augmented" if augmentation.train else "clean", sets)[setting]
    plain = reference.plain_corrected_run(
        *sets,
        SMALL.sgd,
        SMALL.ranges,
        augment_train=augmentation.train,
        copies=SMALL.copies if augmentation.test else 0,
        streams=seed_streams(7, 0),
    )
    before, *trained = ours.results
    assert before.test is None
    np.testing.assert_allclose((before.train.loss, before.train.accuracy), plain.rows[0][:2], rtol=1e-9)
    rows = [(r.train.loss, r.train.accuracy, r.test.loss, r.test.accuracy) for r in trained]
    np.testing.assert_allclose(rows, plain.rows[1:], rtol=1e-9)
    for parameter, expected in zip(ours.parameters, plain.parameters, strict=True):
        torch.testing.assert_close(parameter, expected, rtol=1e-9, atol=1e-9)


def test_augmentation_moves_nothing_but_the_network(sets):
    streams = {training: seed_streams(7, 0) for training in corrected.TRAININGS}
    protocol = changed(max_passes=2, learning_rate=1e-4)
    trained = {
        training: corrected.train_network(training, sets[0], protocol, streams=streams[training])
        for training in streams
    }
    clean, augmented = trained["clean"], trained["augmented"]
    for first, second in zip(clean.snapshots[0], augmented.snapshots[0], strict=True):
        assert torch.equal(first, second)
    assert not torch.equal(clean.run.parameters[0], augmented.run.parameters[0])
    assert clean.run.passes == augmented.run.passes
    for stream in ("split", "initialisation", "order", "vote"):
        assert getattr(streams["clean"], stream).random() == getattr(streams["augmented"], stream).random()


def test_every_use_of_an_image_has_a_transform_of_its_own(sets, monkeypatch):
    drawn = []

    def draw_and_keep(*args, rng):
        drawn.append(augment_draw(*args, rng=rng))
        return drawn[-1]

    augment_draw = augment.draw_transforms
    monkeypatch.setattr(augment, "draw_transforms", draw_and_keep)
    run("augmented", sets, changed(max_passes=2, learning_rate=1e-4))
    # 8 updates of 5 images in each of 2 passes; 3 copies of 33 test images after each, and for the averaged weights.
    assert [len(each) for each in drawn] == [40] * 2 + [33] * 9
    angles = np.concatenate([each.angle for each in drawn])
    assert len(np.unique(angles)) == len(angles)


@pytest.mark.parametrize("training", corrected.TRAININGS)
def test_the_vote_and_how_often_it_is_taken_move_no_training(training, sets):
    protocols = [SMALL, changed(copies=1, evaluate_every=3), changed(evaluate_every=100)]
    results = [run(training, sets, protocol) for protocol in protocols]
    networks = [
        corrected.train_network(training, sets[0], SMALL, streams=seed_streams(7, 0)).run,  # no vote at all
        *(each for runs in results for each in runs.values()),
    ]
    for network in networks:
        assert [result.train for result in network.results] == [result.train for result in networks[0].results]
        for first, second in zip(network.parameters, networks[0].parameters, strict=True):
            assert torch.equal(first, second)


@pytest.mark.parametrize("training", corrected.TRAININGS)
def test_a_test_result_does_not_depend_on_how_often_the_others_are_taken(training, sets):
    protocol = changed(max_passes=9, learning_rate=1e-3)
    every_pass = run(training, sets, protocol)
    for distance, voted, late in ((2, {2, 4, 6, 8, 9}, {5, 6, 7, 8, 9}), (50, {9}, {5, 6, 7, 8, 9})):
        sparse = run(training, sets, dataclasses.replace(protocol, evaluate_every=distance))
        for (setting, each), evaluated in zip(sparse.items(), (voted | late, voted), strict=True):
            expected = [
                result if number in evaluated else sgd.PassResult(result.train)
                for number, result in enumerate(every_pass[setting].results)
            ]
            assert list(each.results) == expected
            assert each.averaged_test_accuracy == every_pass[setting].averaged_test_accuracy


@pytest.mark.parametrize("training", corrected.TRAININGS)
@pytest.mark.parametrize("share, averaged", [(0.5, [3, 4, 5]), (0.7, [4, 5]), (0.99, [5]), (0.0, [1, 2, 3, 4, 5])])
def test_the_weights_of_the_last_passes_are_averaged(training, share, averaged, sets):
    protocol = changed(max_passes=5, learning_rate=1e-3, average_from=share)
    trained = corrected.train_network(training, sets[0], protocol, streams=seed_streams(7, 0))
    mean = [
        torch.stack(each).double().mean(dim=0) for each in zip(*(trained.snapshots[i] for i in averaged), strict=True)
    ]
    ours = corrected.average_weights(trained.snapshots[number] for number in averaged)
    for parameter, expected in zip(ours, mean, strict=True):
        torch.testing.assert_close(parameter.double(), expected, rtol=1e-6, atol=1e-7)
    plain, voting = corrected.evaluate_network(trained, sets[1], protocol, streams=seed_streams(7, 0)).values()
    assert plain.averaged_test_accuracy == sgd.evaluate(models.conv_net, ours, sets[1]).accuracy
    # The two trainings of a seed, whose runs differ in length, are asked about the same copies.
    votes = corrected.predict_by_vote(ours, sets[1].images, protocol, rng=seed_streams(7, 0).vote.spawn(1)[0])
    assert voting.averaged_test_accuracy == (votes == sets[1].labels).double().mean()
    for last, kept in zip(trained.run.parameters, trained.snapshots[-1], strict=True):
        assert torch.equal(last, kept)  # averaging moves no weights


def test_losses_are_never_augmented(sets):
    for runs in (run("clean", sets), run("augmented", sets)):
        plain, voting = runs.values()
        losses = [[result.test.loss for result in each.results[1:]] for each in (plain, voting)]
        assert losses[0] == losses[1]
        assert [result.train for result in plain.results] == [result.train for result in voting.results]


def test_results_after_a_pass_are_those_of_its_parameters(sets):
    trained = corrected.train_network("augmented", sets[0], SMALL, streams=seed_streams(7, 0))
    assert len(trained.snapshots) == trained.run.passes + 1
    for number, parameters in enumerate(trained.snapshots):
        assert sgd.evaluate(models.conv_net, parameters, sets[0]) == trained.run.results[number].train
    for last, final in zip(trained.snapshots[trained.run.passes], trained.run.parameters, strict=True):
        assert torch.equal(last, final)


def test_training_ends_after_the_first_pass_with_every_image_correct(sets):
    runs = run("clean", sets, changed(max_passes=60, evaluate_every=7))
    for each in runs.values():
        assert 5 < each.passes < 60
        assert each.reached_full_training_accuracy
        assert all(result.train.accuracy < 1 for result in each.results[:-1])
        voted = {*range(7, each.passes, 7), each.passes}
        late = set(range(each.passes // 2 + 1, each.passes + 1))
        evaluated = {number for number, result in enumerate(each.results) if result.test}
        assert evaluated == (voted | late if each is runs["none"] else voted)


def test_divergence_is_a_result(sets):
    runs = run("augmented", sets, changed(max_passes=50, learning_rate=1e30))
    for each in runs.values():
        assert each.diverged and each.passes < 50
        assert not math.isfinite(each.final.test.loss)


def test_no_pass_leaves_the_evaluation_before_the_first(sets):
    runs = run("clean", sets, changed(max_passes=0))
    assert [each.passes for each in runs.values()] == [0, 0]
    assert runs["none"].final.test.accuracy == runs["none"].averaged_test_accuracy


def test_the_same_seed_gives_the_same_and_another_seed_another_run(sets):
    first, again, other = (run("augmented", sets, changed(max_passes=1), seed=seed) for seed in (3, 3, 4))
    for setting, each in first.items():
        assert each.results == again[setting].results
        assert all(map(torch.equal, each.parameters, again[setting].parameters))
        assert not any(map(torch.equal, each.parameters, other[setting].parameters))


def test_votes_are_counted_over_copies_and_ties_go_to_the_lowest_label(monkeypatch):
    # Four copies of three images, as a network would label them: a majority, a tie of two, a tie of four.
    copies = iter(torch.tensor([[5, 8, 9], [5, 2, 4], [1, 2, 7], [5, 8, 3]]))
    # An image is known by its grey level, which no transform changes in its middle.
    monkeypatch.setattr(sgd, "predict", lambda network, parameters, images: next(copies)[images[:, 14, 14].long()])
    protocol = changed(copies=4)
    images = torch.arange(3.0).view(3, 1, 1).expand(3, 28, 28)
    votes = corrected.predict_by_vote([], images, protocol, rng=np.random.default_rng(0))
    assert votes.tolist() == [5, 2, 3]


def test_the_subset_has_no_repetitions_and_follows_the_seed():
    subset = corrected.draw_subset(500, 120, streams=seed_streams(7, 0))
    assert len(np.unique(subset)) == 120 and 0 <= subset.min() and subset.max() < 500
    np.testing.assert_array_equal(subset, corrected.draw_subset(500, 120, streams=seed_streams(7, 0)))
    assert set(subset) != set(corrected.draw_subset(500, 120, streams=seed_streams(7, 1)))


def test_metrics_and_curves_of_both_settings():
    evaluations = [sgd.Evaluation(2.0 - 0.1 * i, i / 10) for i in range(8)]
    results = tuple(
        sgd.PassResult(each, each if i in (0, 3, 4, 5, 6, 7) else None) for i, each in enumerate(evaluations)
    )
    voted = (*results[:-1], sgd.PassResult(evaluations[7], sgd.Evaluation(1.3, 0.2)))
    runs = {"none": corrected.EvaluatedRun(results, [], 0.8), "test": corrected.EvaluatedRun(voted, [], 0.3)}
    shared = {
        "final_test_loss": 1.3,
        "final_train_accuracy": 0.7,
        "final_train_loss": 1.3,
        "passes": 7,
        "reached_full_training_accuracy": False,
    }
    none = {"final_test_accuracy": 0.7, "averaged_test_accuracy": 0.8} | shared
    test = {"final_test_accuracy": 0.2, "averaged_test_accuracy": 0.3} | shared
    expected = {f"none.{name}": value for name, value in none.items()}
    expected |= {f"test.{name}": value for name, value in test.items()}
    assert corrected.collect_metrics(runs) == pytest.approx(expected)

    rows = [
        (setting, number, split, metric, getattr(getattr(result, split), metric))
        for setting, sequence in (("none", results), ("test", voted))
        for number, result in enumerate(sequence)
        for split in (("train", "test") if result.test else ("train",))
        for metric in ("loss", "accuracy")
    ]
    columns = ["setting", "pass", "split", "metric", "value"]
    pd.testing.assert_frame_equal(corrected.collect_curves(runs), pd.DataFrame(rows, columns=columns))


def test_an_unknown_training_is_refused_with_the_known_ones(sets):
    with pytest.raises(ValueError, match=r"'none'.*clean, augmented"):
        run("none", sets)


@pytest.mark.parametrize("size", [1, 501])
def test_an_impossible_subset_is_refused(size):
    with pytest.raises(ValueError, match=f"subset_size is {size}; expected 2 to 500"):
        corrected.draw_subset(500, size, streams=seed_streams(7, 0))


@pytest.mark.parametrize(
    "name, value", [("copies", 0), ("evaluate_every", 0), ("average_from", 1), ("average_from", -0.1)]
)
def test_impossible_protocols_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} is {value}"):
        changed(**{name: value})
