"""Conclusions and errata, from made-up results in one direction and in the other."""

import pytest
from published_settings import settings_behind

from gradlab.engine.claims import conclude, find_errata

PUBLISHED = settings_behind("augmentation", "train.final_test_accuracy")
SETTINGS = {"clean": ("none", "test"), "augmented": ("train", "both")}  # those that share a network, by the training
LOW, HIGH = [0.870, 0.871, 0.874], [0.890, 0.892, 0.893]
NOISE = [0.871, 0.870, 0.874]  # around LOW


def made_cells(none, train, test=None, both=None, *, last_five=0.0):
    """The four replays, and corrected runs with the given final accuracies for the seeds 0, 1, …; None for no value.

    `test` and `both` are those of `train`, where none are given.
    """
    replayed = {"none": (0.8762, 0.88), "train": (0.86, 0.47), "test": (0.8274, 0.83), "both": (0.8351, 0.69)}
    cells = {
        f"published/{setting}": (
            PUBLISHED,
            {
                f"{setting}.final_test_accuracy": accuracy,
                f"{setting}.final_test_loss": loss,
                f"{setting}.test_accuracy_mean_last_five": accuracy - 0.01,
            },
        )
        for setting, (accuracy, loss) in replayed.items()
    }
    runs = {"none": none, "test": test or train, "train": train, "both": both or train}
    for seed in range(len(none)):
        for training, settings in SETTINGS.items():
            metrics = {}
            for setting in settings:
                value = runs[setting][seed]
                metrics[f"{setting}.final_test_accuracy"] = value
                metrics[f"{setting}.test_accuracy_mean_last_five"] = None if value is None else value + last_five
            cells[f"corrected/{training}-{seed}"] = (PUBLISHED | {"seed": seed}, metrics)
    return cells


@pytest.fixture
def augmentation(make_material):
    """A function that makes the material of given accuracies, see `made_cells`."""
    return lambda *runs, **others: make_material("augmentation", made_cells(*runs, **others))


def find(material, number):
    return next(erratum for erratum in find_errata([material]) if erratum.number == number)


@pytest.mark.parametrize(
    "none, train, words",
    [
        (
            LOW,
            HIGH,
            "does not survive the correction: with a transform for every image, train is higher than none by 0.0200",
        ),
        (HIGH, LOW, "survives the correction: with a transform for every image, train is lower than none by 0.0200"),
        (
            LOW,
            NOISE,
            "is neither borne out nor refuted: with a transform for every image, no difference between train and none was "
            "detected at n = 3",
        ),
        (
            LOW[:1],
            HIGH[:1],
            "cannot be judged by so few runs: with a transform for every image, train minus none is +0.0200",
        ),
    ],
)
def test_whether_augmentation_hurts_follows_from_the_runs(augmentation, none, train, words):
    sentence = conclude(augmentation(none, train))[0].text
    assert sentence.startswith(
        "The published conclusion that augmenting the training images lowers the test accuracy (0.8767"
    )
    assert words in sentence
    assert "; in the mean of the last five passes, " in sentence


def test_what_the_vote_does_is_said_for_both_trainings(augmentation):
    sentence = conclude(augmentation(LOW, HIGH, test=HIGH, both=LOW))[1].text
    assert "on images as they are, test is higher than none by 0.0200" in sentence
    assert "on augmented images, both is lower than train by 0.0200" in sentence


def test_how_much_the_last_pass_swings_is_measured(augmentation):
    conclusion = conclude(augmentation(LOW, LOW, last_five=0.002))[2]
    augmented = [f"augmentation/corrected/augmented-{seed}" for seed in range(3)]
    assert conclusion.cells == ("augmentation/published/train", *augmented)
    assert "0.0100 away from the mean of its last five" in conclusion.text
    assert "at most 0.0020 (3 runs)" in conclusion.text


def test_a_run_without_a_value_leaves_no_interval(augmentation):
    sentence = conclude(augmentation(LOW, [HIGH[0], None, HIGH[2]]))[0].text
    assert "cannot be judged by so few runs" in sentence
    assert "1 of 3 pairs are incomplete" in sentence


def test_other_settings_say_nothing_about_what_was_published(make_material):
    cells = made_cells(HIGH, LOW)
    cells = {name: (parameters | {"max_passes": 1}, metrics) for name, (parameters, metrics) in cells.items()}
    material = make_material("augmentation", cells)
    sentence = conclude(material)[0].text
    assert sentence.startswith("With a transform for every image, train is lower than none by 0.0200")
    assert sentence.endswith("under these settings that says nothing about the published conclusion.")
    assert {erratum.verdict for erratum in find_errata([material])} == {"not run"}


def test_a_loss_was_printed_as_an_accuracy(augmentation):
    erratum = find(augmentation(LOW, HIGH), 1)
    assert erratum.verdict == "confirmed"
    assert "test: printed 0.8301; its own log ends with test loss 0.830 and test accuracy 0.831" in erratum.evidence
    assert "both: printed 0.6932; its own log ends with test loss 0.693 and test accuracy 0.831" in erratum.evidence
    assert "our replay with 0.6900 and 0.8351" in erratum.evidence
    assert erratum.right == "The test accuracies are those of the log: 0.831 (test) and 0.831 (both)."
    assert erratum.cells == ("augmentation/published/test", "augmentation/published/both")


def test_a_figure_that_the_log_does_not_bear_out_as_a_loss_is_not_confirmed(augmentation, monkeypatch):
    material = augmentation(LOW, HIGH)
    log = material.log()
    log.loc[log["metric"] == "loss", "value"] += 0.1
    monkeypatch.setattr("gradlab.engine.material.load_log", lambda _: log)
    assert find(material, 1).verdict == "not confirmed"


@pytest.mark.parametrize(
    "none, train, test, verdict, right",
    [
        (
            LOW,
            HIGH,
            HIGH,
            "confirmed",
            "for train and test and both, it raises the accuracy: the claim does not survive.",
        ),
        (HIGH, LOW, LOW, "not confirmed", "for train and test and both, it lowers the accuracy: the claim survives"),
        (LOW, NOISE, NOISE, "undecided", "for train and test and both, no difference is detected"),
        (
            HIGH,
            [0.891, 0.891, 0.893],
            LOW,
            "undecided",
            "for test, it lowers the accuracy: the claim survives the correction; for train and both, no difference is",
        ),
        (LOW[:1], HIGH[:1], HIGH[:1], "not run", ""),
    ],
)
def test_whether_shared_transforms_misled_follows_from_the_corrected_runs(
    augmentation, none, train, test, verdict, right
):
    erratum = find(augmentation(none, train, test), 2)
    assert erratum.verdict == verdict
    assert right in erratum.right
