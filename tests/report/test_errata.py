"""Each known error from made-up results that bear it out, and from others that do not."""

import pandas as pd
import pytest
from gradlab.report.errata import VERDICTS, find_errata
from published_settings import settings_behind

AUGMENTATION = settings_behind("augmentation", "train.final_test_accuracy")
BATCH_SIZE = {"subset_size": 6000, "hidden": 64, "passes": 50, "seeds": [0, 1]}
OVERFIT = settings_behind("regularization", "overfit-20.training_accuracy")
COARSE = settings_behind("regularization", "coarse-0.validation_accuracy")


def find(material, number):
    return next(erratum for erratum in find_errata(material) if erratum.number == number)


def augmentation(none, train, test=None):
    """The four replays, and corrected runs with the given accuracies; `both` has those of `train`."""
    replayed = {"none": (0.8762, 0.88), "train": (0.8596, 0.47), "test": (0.8274, 0.83), "both": (0.8351, 0.69)}
    cells = {
        f"augmentation/published/{setting}": (
            AUGMENTATION,
            {f"{setting}.final_test_accuracy": accuracy, f"{setting}.final_test_loss": loss},
        )
        for setting, (accuracy, loss) in replayed.items()
    }
    for training, values in (
        ("clean", {"none": none, "test": test or train}),
        ("augmented", {"train": train, "both": train}),
    ):
        for seed in range(len(none)):
            metrics = {f"{setting}.final_test_accuracy": runs[seed] for setting, runs in values.items()}
            cells[f"augmentation/corrected/{training}-{seed}"] = (AUGMENTATION | {"seed": seed}, metrics)
    return cells


LOW, HIGH = [0.870, 0.871, 0.874], [0.890, 0.892, 0.893]


def test_a_loss_was_printed_as_an_accuracy(make_material):
    erratum = find(make_material(augmentation(LOW, HIGH)), 1)
    assert erratum.verdict == "confirmed"
    assert "test: printed 0.8301; its own log ends with test loss 0.830 and test accuracy 0.831" in erratum.evidence
    assert "both: printed 0.6932; its own log ends with test loss 0.693 and test accuracy 0.831" in erratum.evidence
    assert "our replay with 0.6900 and 0.8351" in erratum.evidence
    assert erratum.right == "The test accuracies are those of the log: 0.831 (test) and 0.831 (both)."
    assert erratum.cells == ("augmentation/published/test", "augmentation/published/both")


def test_a_figure_that_the_log_does_not_bear_out_as_a_loss_is_not_confirmed(make_material, monkeypatch):
    material = make_material(augmentation(LOW, HIGH))
    log = material.log("augmentation")
    log.loc[log["metric"] == "loss", "value"] += 0.1
    monkeypatch.setattr("gradlab.engine.material.load_log", lambda *_: log)
    assert find(material, 1).verdict == "not confirmed"


NOISE = [0.871, 0.870, 0.874]


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
    make_material, none, train, test, verdict, right
):
    erratum = find(make_material(augmentation(none, train, test)), 2)
    assert erratum.verdict == verdict
    assert right in erratum.right


@pytest.mark.parametrize(
    "jump, mismatches, verdict", [(1.0, 0, "confirmed"), (0.0, 0, "not confirmed"), (1.0, 3, "not confirmed")]
)
def test_the_step_and_the_closed_form(make_material, jump, mismatches, verdict):
    cells = {
        "autodiff/published/step": ({}, {"step.jump_size": jump}),
        "autodiff/published/halving": ({}, {"halving.closed_form_mismatches": mismatches}),
    }
    erratum = find(make_material(cells), 3)
    assert erratum.verdict == verdict
    assert f"differ at {mismatches} of" in erratum.evidence


def curves(accuracy):
    """Curves of two seeds with the same training accuracies over the passes."""
    rows = [(seed, number, "train", "accuracy", value) for seed in (0, 1) for number, value in enumerate(accuracy)]
    return pd.DataFrame(rows, columns=["seed", "pass", "split", "metric", "value"])


def test_rounding_comes_before_interpolation(make_material):
    # The published log prints 1.000 at batch size 1 from pass 34 on, and the notebook counts 39 passes: 234,000 updates.
    table = curves([0.1, 0.99, 0.9996, 0.9998, 1.0])
    erratum = find(make_material({"batch_size/published/1": (BATCH_SIZE | {"learning_rate": 0.005}, {}, table)}), 4)
    assert erratum.verdict == "confirmed"
    assert "B = 1: 39, log 1.000 from 34 on" in erratum.evidence
    assert "comes 2.0 passes before the exact one on average, at most 2 (2 runs)" in erratum.evidence


def test_without_an_early_print_there_is_no_rounding(make_material):
    # At batch size 16 the log prints 1.000 first at the very pass that the notebook counts, 32.
    erratum = find(
        make_material({"batch_size/published/16": (BATCH_SIZE | {"learning_rate": 0.075}, {}, curves([0.1, 1.0]))}), 4
    )
    assert erratum.verdict == "not confirmed"
    assert "B = 16: 32, log 1.000 from 32 on" in erratum.evidence


@pytest.mark.parametrize(
    "stable, divergent, verdict",
    [([0.012, 0.013], [0.0125, 0.0135], "confirmed"), ([0.009, 0.0099], [0.0094, 0.0104], "not confirmed")],
)
def test_rates_by_eye_against_rates_by_rule(make_material, stable, divergent, verdict):
    metrics = {"1.largest_stable_learning_rate": stable, "1.divergent_learning_rate": divergent}
    erratum = find(make_material({"batch_size/corrected/search-1": (BATCH_SIZE, metrics)}), 5)
    assert erratum.verdict == verdict
    assert f"B = 1: {min(stable):.3g} to {max(divergent):.3g} (published 0.01)" in erratum.evidence
    assert f"differ by at most {100 * (divergent[1] / divergent[0] - 1):.0f} % at one batch size" in erratum.right


@pytest.mark.parametrize("alone, verdict", [(1.0, "confirmed"), (0.95, "not confirmed")])
def test_too_few_images_and_the_wrong_divisor(make_material, alone, verdict):
    cells = {
        "regularization/published/overfit-20": (
            OVERFIT | {"train_rows": [0, 20]},
            {"overfit-20.training_accuracy": alone},
        ),
        "regularization/corrected/overfit-100-0": (
            OVERFIT | {"train_rows": [0, 100], "seed": 0},
            {"overfit-100.training_accuracy": 0.98},
        ),
        "regularization/corrected/variant-binary_cross_entropy-0": (
            {"train_rows": [1000, 50000], "validation_rows": [0, 1000], "seed": 0},
            {
                "variant-binary_cross_entropy.training_loss": 2.0,
                "variant-binary_cross_entropy.validation_loss": 2.2,
            },
        ),
    }
    erratum = find(make_material(cells), 6)
    assert erratum.verdict == verdict
    assert (
        f"On 20 images the training accuracy ends at {alone:g}; on 100, after as many epochs, at 0.980"
        in erratum.evidence
    )
    # 2.0 · 49,000 / 10 and 2.2 · 1,000 / 10
    assert "would show 9800 and 220, because there are 49 times as many" in erratum.evidence


@pytest.mark.parametrize(
    "differences, verdict, words",
    [
        ([0.0, 0.004, -0.006], "confirmed", "2 of 3 validation accuracies change, by up to 0.0060"),
        ([0.0, 0.0, 0.0], "not confirmed", "0 of 3 validation accuracies change"),
    ],
)
def test_hidden_row_order(make_material, differences, verdict, words):
    metrics = {
        "row_order.differences": differences,
        "row_order.largest_absolute_difference": max(map(abs, differences)),
        "row_order.best_lambda_notebook_order": 0.0072,
        "row_order.best_lambda_data_order": 0.0019,
        "row_order.chosen_lambda_moves": True,
    }
    erratum = find(make_material({"regularization/corrected/row_order": (COARSE, metrics)}), 7)
    assert erratum.verdict == verdict
    assert words in erratum.evidence
    assert "moves from 0.0072 to 0.0019" in erratum.evidence


def test_cells_under_other_settings_are_no_evidence(make_material):
    shortened = {
        name: (parameters | {"max_passes": 1}, metrics)
        for name, (parameters, metrics) in augmentation(LOW, HIGH).items()
    }
    shortened["batch_size/published/1"] = (BATCH_SIZE | {"learning_rate": 0.005, "passes": 3}, {}, curves([0.1, 1.0]))
    metrics = {"1.largest_stable_learning_rate": [0.02], "1.divergent_learning_rate": [0.021]}
    shortened["batch_size/corrected/search-1"] = (BATCH_SIZE | {"subset_size": 600, "seeds": [0]}, metrics)
    shortened["regularization/corrected/row_order"] = (COARSE | {"epochs": 1}, {})
    errata = {erratum.number: erratum.verdict for erratum in find_errata(make_material(shortened))}
    assert errata == dict.fromkeys([1, 2, 4, 5, 6, 7], "not run")


def test_all_seven_are_listed_where_nothing_has_run(make_material):
    studies = ("autodiff", "augmentation", "batch_size", "regularization")
    errata = find_errata(make_material({f"{study}/published/none": None for study in studies}))
    assert [erratum.number for erratum in errata] == [1, 2, 3, 4, 5, 6, 7]
    assert {erratum.verdict for erratum in errata} == {"not run"}
    assert all(erratum.claim and erratum.source and erratum.cells == () for erratum in errata)
    assert set(VERDICTS) == {"confirmed", "not confirmed", "undecided", "not run"}


def test_errata_of_studies_that_are_not_planned_are_left_out(make_material):
    errata = find_errata(make_material({"batch_size/published/1": None}))
    assert [erratum.number for erratum in errata] == [4, 5]
