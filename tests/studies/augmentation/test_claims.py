"""Conclusions and errata, from made-up results in one direction and in the other."""

import numpy as np
import pandas as pd
import pytest
from published_settings import settings_behind

from gradlab.engine.claims import conclude, find_errata
from gradlab.studies.augmentation import claims

PUBLISHED = settings_behind("augmentation", "train.final_test_accuracy")
SETTINGS = {"clean": ("none", "test"), "augmented": ("train", "both")}  # those that share a network, by the training
LOW, HIGH = [0.870, 0.871, 0.874], [0.890, 0.892, 0.893]
NOISE = [0.871, 0.870, 0.874]  # around LOW
FEW = (0.0187, [0.005, 0.007, 0.006])  # the swings of the replay, and of the corrected runs


def make_curves(swing, setting=None):
    """Test accuracies after 100 passes: constant at first, then with the standard deviation `swing`."""
    accuracy = np.full(101, 0.8)
    accuracy[51:] += np.resize([swing, -swing], 50) * np.sqrt(49 / 50)
    curves = pd.DataFrame({"pass": np.arange(101), "split": "test", "metric": "accuracy", "value": accuracy})
    return curves if setting is None else curves.assign(setting=setting)


def make_cells(none, train, test=None, both=None, *, last=None, swings=FEW):
    """The four replays, and corrected runs with the given accuracies of averaged weights for the seeds 0, 1, …; None: no value.

    `test` and `both` are those of `train`, where none are given; `last` are the last passes of train, where those of none are
    LOW.
    """
    replayed = {"none": (0.8762, 0.88), "train": (0.86, 0.47), "test": (0.8274, 0.83), "both": (0.8351, 0.69)}
    cells = {
        f"published/{setting}": (
            PUBLISHED,
            {f"{setting}.final_test_accuracy": accuracy, f"{setting}.final_test_loss": loss, f"{setting}.passes": 100},
            make_curves(swings[0]),
        )
        for setting, (accuracy, loss) in replayed.items()
    }
    runs = {"none": none, "test": test or train, "train": train, "both": both or train}
    ends = {"none": LOW, "train": last or LOW}
    for seed in range(len(none)):
        for training, settings in SETTINGS.items():
            metrics = {}
            for setting in settings:
                metrics[f"{setting}.averaged_test_accuracy"] = runs[setting][seed]
                metrics[f"{setting}.final_test_accuracy"] = ends.get(setting, LOW)[seed]
                metrics[f"{setting}.passes"] = 100
            curves = make_curves(swings[1][seed], settings[0])
            cells[f"corrected/{training}-{seed}"] = (PUBLISHED | {"seed": seed, "average_from": 0.5}, metrics, curves)
    return cells


@pytest.fixture
def augmentation(make_material):
    """A function that makes the material of given accuracies, see `make_cells`."""
    return lambda *runs, **others: make_material("augmentation", make_cells(*runs, **others))


def find(material, number):
    return next(erratum for erratum in find_errata([material]) if erratum.number == number)


def test_the_comparisons_are_those_that_the_conclusions_rest_on(augmentation):
    material = augmentation(LOW, HIGH, last=NOISE)
    assert list(claims.COMPARISONS) == [
        "train − none, averaged weights",
        "train − none, last pass",
        "test − none, averaged weights",
        "both − train, averaged weights",
    ]
    assert material.comparison("train − none, averaged weights").mean == pytest.approx(np.mean(HIGH) - np.mean(LOW))
    assert material.comparison("train − none, last pass").mean == pytest.approx(np.mean(NOISE) - np.mean(LOW))
    # A level of the family, which four comparisons share.
    assert material.comparison("train − none, averaged weights").level > 0.95


@pytest.mark.parametrize(
    "none, train, words",
    [
        (LOW, HIGH, "train is higher than none by 0.0200"),
        (HIGH, LOW, "train is lower than none by 0.0200"),
        (LOW, NOISE, "no difference between train and none was detected at n = 3"),
        (LOW[:1], HIGH[:1], "train minus none is +0.0200"),
        (LOW, [HIGH[0], None, HIGH[2]], "1 of 3 pairs are incomplete"),
    ],
)
def test_what_augmentation_does_follows_from_the_averaged_weights(augmentation, none, train, words):
    material = augmentation(none, train, last=[value - 0.01 for value in LOW])
    text = conclude(material)[0].text
    averaged, _, last = text.partition("After the last pass alone, ")
    assert averaged.startswith(
        "With a transform for every image, and weights averaged over the second half of training, "
    )
    assert words in averaged and "0.0100" in last and "F does not say so" in last
    assert "F's runs end at 0.8767 (none) and 0.8613 (train, with one transform for all images of a pass)" in text


def test_the_sampling_of_the_test_set_is_said(augmentation):
    text = conclude(augmentation([0.5] * 3, [0.5] * 3))[0].text
    assert "10,000 test images; drawing other images would move one accuracy by ±0.0098." in text


def test_what_the_vote_does_is_said_for_both_trainings(augmentation):
    sentence = conclude(augmentation(LOW, HIGH, test=HIGH, both=LOW))[1].text
    assert "trained on images as they are, test is higher than none by 0.0200" in sentence
    assert "trained on augmented images, both is lower than train by 0.0200" in sentence


@pytest.mark.parametrize(
    "swings, words",
    [
        (FEW, "less in every run"),
        ((0.005, [0.006, 0.007, 0.008]), "more in every run"),
        ((0.0055, [0.005, 0.007, 0.006]), "less in some runs, not in all"),
    ],
)
def test_swings_are_standard_deviations_from_pass_to_pass(augmentation, swings, words):
    conclusion = conclude(augmentation(LOW, LOW, swings=swings))[2]
    augmented = [f"augmentation/corrected/augmented-{seed}" for seed in range(3)]
    assert conclusion.cells == ("augmentation/published/train", *augmented)
    assert f"standard deviation of {swings[0]:.4f} in our replay" in conclusion.text
    assert f"of {min(swings[1]):.4f} to {max(swings[1]):.4f} with a transform for every image" in conclusion.text
    assert words in conclusion.text


def test_other_settings_say_nothing_about_what_was_published(make_material):
    cells = make_cells(HIGH, LOW)
    cells = {name: (parameters | {"max_passes": 1}, *rest) for name, (parameters, *rest) in cells.items()}
    material = make_material("augmentation", cells)
    sentence = conclude(material)[0].text
    assert "train is lower than none by 0.0200" in sentence
    assert sentence.endswith("Under these settings that says nothing about the published figures.")
    assert {erratum.verdict for erratum in find_errata([material])} == {"not run"}


def test_without_cells_nothing_is_said(make_material):
    material = make_material("augmentation", dict.fromkeys(make_cells(LOW, HIGH)))
    assert conclude(material) == []
    assert {erratum.verdict for erratum in find_errata([material])} == {"not run"}


def test_a_loss_was_printed_as_an_accuracy(augmentation):
    erratum = find(augmentation(LOW, HIGH), 1)
    assert erratum.verdict == "confirmed"
    assert "test: printed 0.8301; its own log ends with test loss 0.830 and test accuracy 0.831" in erratum.evidence
    assert "both: printed 0.6932; its own log ends with test loss 0.693 and test accuracy 0.831" in erratum.evidence
    assert "our replay with 0.6900 and 0.8351" in erratum.evidence
    assert erratum.right == "The test accuracies are those of the log: 0.831 (test) and 0.831 (both)."
    assert erratum.cells == ("augmentation/published/test", "augmentation/published/both")


def change_logs(monkeypatch, change):
    """Let every published log be what `change` makes of it."""
    logs = claims.Material.log
    monkeypatch.setattr(claims.Material, "log", lambda self, name: change(logs(self, name)))


def test_a_figure_that_the_log_does_not_bear_out_as_a_loss_is_not_confirmed(augmentation, monkeypatch):
    material = augmentation(LOW, HIGH)
    change_logs(monkeypatch, lambda log: log.assign(value=log["value"] + 0.1 * (log["metric"] == "loss")))
    assert find(material, 1).verdict == "not confirmed"


@pytest.mark.parametrize(
    "none, train, right",
    [
        (LOW, HIGH, "augmenting the training images raises the accuracy: with averaged weights, train is higher"),
        (HIGH, LOW, "augmenting the training images lowers the accuracy: with averaged weights, train is lower"),
        (LOW, NOISE, "augmenting the training images makes no difference that these seeds detect"),
    ],
)
def test_what_holds_with_own_transforms_follows_from_the_corrected_runs(augmentation, none, train, right):
    erratum = find(augmentation(none, train), 2)
    assert erratum.verdict == "confirmed"
    assert right in erratum.right
    assert "0.0183 in F's log and of 0.0187 in our replay" in erratum.evidence
    assert "F does not say so" in erratum.evidence


@pytest.mark.parametrize(
    "swings, verdict",
    [
        ((0.0187, [0.005, 0.007, 0.02]), "not confirmed"),  # F's log swings as one with own transforms may
        ((0.006, [0.005, 0.007, 0.006]), "undecided"),  # F's log does not, but a shared transform in our replay does
    ],
)
def test_whether_a_transform_was_shared_shows_in_the_swings(augmentation, swings, verdict):
    assert find(augmentation(LOW, HIGH, swings=swings), 2).verdict == verdict


def test_one_seed_decides_nothing(augmentation):
    assert find(augmentation(LOW[:1], HIGH[:1]), 2).verdict == "not run"
