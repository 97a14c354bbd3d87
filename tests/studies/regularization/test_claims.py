"""Conclusions and errata, from made-up results in one direction and in the other."""

import pytest
from published_settings import settings_behind

from gradlab.engine.claims import conclude, find_errata

FINAL = settings_behind("regularization", "final.test_accuracy")
COARSE = settings_behind("regularization", "coarse-0.validation_accuracy")
# How the notebook trained on a handful of images, for which it prints no figure.
OVERFIT = {"lmbda": 0.0, "batch_size": 10, "epochs": 200, "eta_min": 0.001, "eta_max": 0.001}


def final_networks(accuracies, **changed):
    """Cells of the final network with the given test accuracies, for the seeds 0, 1, …"""
    return {
        f"corrected/final-{seed}": (FINAL | {"seed": seed} | changed, {"final.test_accuracy": value})
        for seed, value in enumerate(accuracies)
    }


def row_order(*differences, moves=True):
    """The metrics of the runs from two orders of rows."""
    return {
        "row_order.differences": list(differences),
        "row_order.largest_absolute_difference": max(map(abs, differences)),
        "row_order.best_lambda_notebook_order": 0.0072,
        "row_order.best_lambda_data_order": 0.0019 if moves else 0.0072,
        "row_order.chosen_lambda_moves": moves,
    }


@pytest.fixture
def sentences(make_material):
    """A function that returns the conclusions from given cells."""
    return lambda cells: [conclusion.text for conclusion in conclude(make_material("regularization", cells))]


@pytest.fixture
def find(make_material):
    """A function that returns an erratum by its number, as given cells show it."""

    def make(cells, number):
        errata = find_errata([make_material("regularization", cells)])
        return next(erratum for erratum in errata if erratum.number == number)

    return make


@pytest.mark.parametrize(
    "accuracies, words",
    [
        (
            [0.500, 0.504, 0.508, 0.503, 0.506],
            "(mean of 5 seeds, 95 % interval [0.5004, 0.5080]); the published 0.5045 lies inside",
        ),
        ([0.520, 0.524, 0.528, 0.523, 0.526], "the published 0.5045 lies outside the interval for one more run"),
        ([0.500], "(mean of 1 seeds; no interval: one run shows no spread); published is 0.5045"),
    ],
)
def test_the_published_accuracy_is_held_against_the_seeds(sentences, accuracies, words):
    # Mean 0.5042, s = 0.00303, t = 2.776: ±0.0038 for the mean.
    assert words in sentences(final_networks(accuracies))[0]


def test_under_other_settings_the_published_accuracy_is_not_mentioned(sentences):
    (sentence,) = sentences(final_networks([0.40, 0.41], epochs=1))
    assert "0.5045" not in sentence


@pytest.mark.parametrize("alike", [[], [0.002, 0.004]])
def test_how_sure_the_choice_of_lambda_is_is_said(sentences, alike):
    metrics = {"fine.best_lambda": 0.003, "fine.lambdas": [0.002, 0.003, 0.004, 0.005], "fine.not_told_apart": alike}
    sentence = sentences(final_networks([0.500, 0.504]) | {"corrected/fine": ({}, metrics)})[0]
    assert sentence.startswith("With λ = 0.003, chosen on validation images over several seeds")
    assert f"which do not tell it from {len(alike)} of the other 3" in sentence


@pytest.mark.parametrize(
    "difference, words",
    [
        (0.01, "With flips, test accuracy is higher than that of the final network by 0.0100"),
        (-0.01, "With flips, test accuracy is lower than that of the final network by 0.0100"),
        (0.0, "With flips, no difference between test accuracy and that of the final network was detected at n = 3"),
    ],
)
def test_variants_are_compared_with_the_final_network(sentences, difference, words):
    final, noise = [0.50, 0.51, 0.49], [0.001, -0.001, 0.0]
    cells = final_networks(final)
    for seed, (accuracy, error) in enumerate(zip(final, noise, strict=True)):
        metrics = {"variant-flips.test_accuracy": accuracy + error + difference}
        cells[f"corrected/variant-flips-{seed}"] = ({"seed": seed}, metrics)
    assert words in sentences(cells)[-1]


@pytest.mark.parametrize(
    "moves, words", [(True, "moves the best λ from 0.0072 to 0.0019"), (False, "leaves the best λ at 0.0072")]
)
def test_what_the_row_order_does_is_said_beside_the_replay(sentences, moves, words):
    cells = {
        "published/coarse-5": (COARSE, {"coarse-5.validation_accuracy": 0.518}),
        "published/coarse-6": (COARSE, {"coarse-6.validation_accuracy": 0.5}),
        "corrected/row_order": ({}, row_order(0.0123, moves=moves)),
    }
    (sentence,) = sentences(cells)
    assert sentence.startswith("1 of 2 figures that were compared digit by digit are the same to the last digit")
    assert "by up to 0.0123" in sentence
    assert words in sentence


@pytest.mark.parametrize("alone, verdict", [(1.0, "confirmed"), (0.95, "not confirmed")])
def test_too_few_images_and_the_wrong_divisor(find, alone, verdict):
    losses = {"training_loss": 2.0, "validation_loss": 2.2}
    cells = {
        "published/overfit-20": (OVERFIT | {"train_rows": [0, 20]}, {"overfit-20.training_accuracy": alone}),
        "corrected/overfit-100-0": (
            OVERFIT | {"train_rows": [0, 100], "seed": 0},
            {"overfit-100.training_accuracy": 0.98},
        ),
        "corrected/variant-binary_cross_entropy-0": (
            {"train_rows": [1000, 50000], "validation_rows": [0, 1000], "seed": 0},
            {f"variant-binary_cross_entropy.{name}": loss for name, loss in losses.items()},
        ),
    }
    erratum = find(cells, 6)
    assert erratum.verdict == verdict
    assert (
        f"On 20 images the training accuracy ends at {alone:g}; on 100, after as many epochs, at 0.980"
        in erratum.evidence
    )
    # 2.0 · 49,000 / 10 and 2.2 · 1,000 / 10
    assert "would show 9800 and 220, because there are 49 times as many" in erratum.evidence
    name = "corrected/overfit-100-0"
    cells[name] = (cells[name][0] | {"epochs": 1}, cells[name][1])
    assert find(cells, 6).verdict == "not run"


@pytest.mark.parametrize(
    "differences, verdict, words",
    [
        ([0.0, 0.004, -0.006], "confirmed", "2 of 3 validation accuracies change, by up to 0.0060"),
        ([0.0, 0.0, 0.0], "not confirmed", "0 of 3 validation accuracies change"),
    ],
)
def test_hidden_row_order(find, differences, verdict, words):
    erratum = find({"corrected/row_order": (COARSE, row_order(*differences))}, 7)
    assert erratum.verdict == verdict
    assert words in erratum.evidence
    assert "moves from 0.0072 to 0.0019" in erratum.evidence


def test_another_row_order_under_other_settings_is_no_evidence(find):
    erratum = find({"corrected/row_order": (COARSE | {"epochs": 1}, row_order(0.004))}, 7)
    assert erratum.verdict == "not run"
