"""Conclusions and errata, from made-up results in one direction and in the other."""

import pandas as pd
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


@pytest.mark.parametrize(
    "alike, sd, words",
    [
        ([], 0.005, "3 seeds, which do not tell it from 0 of the other 3 (Dunnett's test"),
        ([0.002, 0.004], 0.005, "3 seeds, which do not tell it from 2 of the other 3 (Dunnett's test"),
        ([0.002, 0.004, 0.005], None, "one seed, which tells it from none of the others"),
    ],
)
def test_how_sure_the_choice_of_lambda_is_is_said(sentences, alike, sd, words):
    metrics = {"best_lambda": 0.003, "lambdas": [0.002, 0.003, 0.004, 0.005], "not_told_apart": alike, "pooled_sd": sd}
    choice = ({"seeds": [0, 1, 2] if sd else [0]}, {f"fine.{name}": value for name, value in metrics.items()})
    sentence = sentences(final_networks([0.500, 0.504]) | {"corrected/fine": choice})[0]
    assert sentence.startswith(f"With λ = 0.003, chosen on validation images by {words}")


def test_what_other_test_images_would_do_is_said_beside_the_accuracy(sentences):
    # 1.96 · √(0.5 · 0.5 / 10,000)
    assert "other ones would move an accuracy by ±0.0098" in sentences(final_networks([0.50, 0.51, 0.49]))[0]


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


def complete(*differences):
    """Cells of the final network at either λ, which end with the cycle as well."""
    cells = {}
    for arm in ("final", "final_at_published_lambda"):
        for seed, (before, difference) in enumerate(zip([0.50, 0.51, 0.49, 0.50, 0.52], differences, strict=True)):
            ends = {"test_accuracy": before, "complete_test_accuracy": before + difference}
            metrics = {f"{arm}.{end}": accuracy for end, accuracy in ends.items()}
            cells[f"corrected/{arm}-{seed}"] = (FINAL | {"seed": seed, "complete": True}, metrics)
    return cells


COSTS = (0.006, 0.007, 0.005, 0.006, 0.0065), "test accuracy is higher than that where "
NO_DIFFERENCE = (0.006, -0.007, 0.005, -0.006, 0.0), "no difference between test accuracy and that where "


@pytest.mark.parametrize("differences, words", [COSTS, NO_DIFFERENCE])
def test_what_cutting_the_last_cycle_off_costs(sentences, differences, words):
    (sentence,) = (text for text in sentences(complete(*differences)) if "cycle" in text)
    for which in ("the published λ", "the λ chosen over seeds"):
        assert f"with {which}, {words}the final network is cut off" in sentence


def test_comparisons_are_adjusted_as_one_family(make_material):
    """A p-value of 0.03 is a difference alone, and none as the smaller of two in a family."""
    found = complete(0.006, 0.001, 0.011, 0.002, 0.010)
    cells = {name: cell for name, cell in found.items() if "published" not in name}
    alone = make_material("regularization", cells).comparison(
        "complete last cycle − cut off, λ of the seeds, test accuracy"
    )
    assert (alone.family, alone.direction) == (1, 1) and 0.025 < alone.p_value < 0.05
    for seed, accuracy in enumerate([0.51, 0.50, 0.50, 0.51, 0.50]):
        cells[f"corrected/variant-flips-{seed}"] = ({"seed": seed}, {"variant-flips.test_accuracy": accuracy})
    both = make_material("regularization", cells).comparison(
        "complete last cycle − cut off, λ of the seeds, test accuracy"
    )
    assert (both.family, both.direction) == (2, 0)


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
def test_too_few_images(find, alone, verdict):
    cells = {
        "published/overfit-20": (OVERFIT | {"train_rows": [0, 20]}, {"overfit-20.training_accuracy": alone}),
        "corrected/overfit-100-0": (
            OVERFIT | {"train_rows": [0, 100], "seed": 0},
            {"overfit-100.training_accuracy": 0.98},
        ),
    }
    erratum = find(cells, 6)
    assert erratum.verdict == verdict
    assert (
        f"On 20 images the training accuracy ends at {alone:g}; on 100, after as many epochs, at 0.980"
        in erratum.evidence
    )
    name = "corrected/overfit-100-0"
    cells[name] = (cells[name][0] | {"epochs": 1}, cells[name][1])
    assert find(cells, 6).verdict == "not run"


CODE = {
    "backward_error.cross_entropy": 8e-10,
    "backward_error.as_written": 0.6,
    "backward_error.with_mean": 0.4,
    "backward_error.corrected": 5e-10,
    "cost_of_set_twice.as_written": 2.0,
    "cost_of_set_twice.corrected": 1.0000000000000002,
    "loss_at.softmax": 3.58,
    "loss_at.sigmoid": 7.3,
    "left_mirrored.view": 0.503,
    "left_mirrored.copy": 0.0,
}


def notebook_code(**changed):
    """The cell that measures what the notebook's code does."""
    metrics = {f"notebook_code.{name}": value for name, value in (CODE | changed).items()}
    seen = {("view", 0.1): 0.44, ("copy", 0.1): 0.11, ("view", 0.5): 0.51, ("copy", 0.5): 0.49}
    curves = pd.DataFrame(
        [(batch, probability, 10, "seen", value) for (batch, probability), value in seen.items()],
        columns=["batch", "probability", "epoch", "metric", "value"],
    )
    return {"corrected/notebook_code": ({"flip_probability": 0.5}, metrics, curves)}


@pytest.mark.parametrize(
    "changed, verdict",
    [
        ({}, "confirmed"),
        ({"backward_error.as_written": 1e-9}, "not confirmed"),
        ({"backward_error.with_mean": 1e-9}, "not confirmed"),
        ({"backward_error.cross_entropy": 0.1}, "not confirmed"),  # the check itself is off
        ({"backward_error.corrected": 0.1}, "not confirmed"),
        ({"cost_of_set_twice.as_written": 1.0}, "not confirmed"),
        ({"cost_of_set_twice.corrected": 2.0}, "not confirmed"),
    ],
)
def test_the_binary_cross_entropy(find, changed, verdict):
    erratum = find(notebook_code(**changed), 7)
    assert erratum.verdict == verdict
    assert f"{(CODE | changed)['backward_error.as_written']:.2g} with the binary one" in erratum.evidence


@pytest.mark.parametrize(
    "changed, verdict, words",
    [
        ({}, "confirmed", "50.3 % of the training set stay mirrored; with a copy of each batch, 0 %"),
        ({"left_mirrored.view": 0.0}, "not confirmed", "0 % of the training set stay mirrored"),
        ({"left_mirrored.copy": 0.5}, "not confirmed", "with a copy of each batch, 50 %"),
    ],
)
def test_flips_of_the_training_set(find, changed, verdict, words):
    erratum = find(notebook_code(**changed), 9)
    assert erratum.verdict == verdict
    assert words in erratum.evidence
    assert (
        "With the probability 0.1, epoch 10 trains on 44 % mirrored images through a view, and on 11 %"
        in erratum.evidence
    )


@pytest.mark.parametrize("cycles, verdict", [(4.9, "confirmed"), (5.0, "not confirmed")])
@pytest.mark.parametrize("differences, words", [COSTS, NO_DIFFERENCE])
def test_five_cycles(find, cycles, verdict, differences, words):
    metrics = {"updates": 4900, "cycles": cycles, "updates_per_cycle": 1000, "last_learning_rate": 0.02021}
    metrics |= {"validation_accuracy": 0.507, "test_accuracy": 0.5045}
    cells = {"published/final": (FINAL, {f"final.{name}": value for name, value in metrics.items()})}
    erratum = find(cells, 8)
    assert erratum.verdict == verdict
    assert (
        f"makes 4,900 updates: {cycles:g} cycles of 1,000. Its last update has the learning rate 0.02."
        in erratum.evidence
    )
    assert "over seeds" not in erratum.evidence
    stream = "final_in_published_stream"
    found = {"updates": 5000, "validation_accuracy": 0.517, "test_accuracy": 0.5114}
    cells[f"corrected/{stream}"] = ({}, {f"{stream}.complete_{name}": value for name, value in found.items()})
    evidence = find(cells | complete(*differences), 8).evidence
    assert (
        "With 5,000, on the same stream, the validation accuracy is 0.517 instead of 0.507, the test accuracy 0.5114"
        in evidence
    )
    assert f"{words}it is cut off" in evidence
    cells["published/final"] = (FINAL | {"epochs": 2}, cells["published/final"][1])
    assert find(cells, 8).verdict == "not run"


@pytest.mark.parametrize(
    "differences, verdict, words",
    [
        ([0.0, 0.004, -0.006], "confirmed", "2 of 3 validation accuracies change, by up to 0.0060"),
        ([0.0, 0.0, 0.0], "not confirmed", "0 of 3 validation accuracies change"),
    ],
)
def test_hidden_row_order(find, differences, verdict, words):
    erratum = find({"corrected/row_order": (COARSE, row_order(*differences))}, 4)
    assert erratum.verdict == verdict
    assert words in erratum.evidence
    assert "moves from 0.0072 to 0.0019" in erratum.evidence


def test_another_row_order_under_other_settings_is_no_evidence(find):
    erratum = find({"corrected/row_order": (COARSE | {"epochs": 1}, row_order(0.004))}, 4)
    assert erratum.verdict == "not run"
