"""Conclusions from made-up results, in one direction and in the other."""

import pytest
from gradlab.report.conclusions import conclude
from published_settings import settings_behind


def sentences_of(study, material):
    return [conclusion.text for conclusion in conclude(study, material)]


PUBLISHED = settings_behind("augmentation", "train.final_test_accuracy")


def augmentation(none, test, train, both, *, last_five=0.0):
    """Cells of the corrected protocol whose final test accuracies are the given ones, for the seeds 0, 1, …"""
    cells = {}
    for seed, values in enumerate(zip(none, test, train, both, strict=True)):
        for training, settings in (("clean", ("none", "test")), ("augmented", ("train", "both"))):
            metrics = {}
            for setting in settings:
                value = values[("none", "test", "train", "both").index(setting)]
                metrics[f"{setting}.final_test_accuracy"] = value
                metrics[f"{setting}.test_accuracy_mean_last_five"] = value + last_five
            cells[f"augmentation/corrected/{training}-{seed}"] = (PUBLISHED | {"seed": seed}, metrics)
    metrics = {"train.final_test_accuracy": 0.86, "train.test_accuracy_mean_last_five": 0.85}
    return cells | {"augmentation/published/train": (PUBLISHED, metrics)}


LOW, HIGH = [0.870, 0.871, 0.874], [0.890, 0.892, 0.893]


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
            [0.871, 0.870, 0.874],
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
def test_whether_augmentation_hurts_follows_from_the_runs(make_material, none, train, words):
    sentence = sentences_of("augmentation", make_material(augmentation(none, none, train, train)))[0]
    assert sentence.startswith(
        "The published conclusion that augmenting the training images lowers the test accuracy (0.8767"
    )
    assert words in sentence
    assert "; in the mean of the last five passes, " in sentence


def test_what_the_vote_does_is_said_for_both_trainings(make_material):
    sentence = sentences_of("augmentation", make_material(augmentation(LOW, HIGH, HIGH, LOW)))[1]
    assert "on images as they are, test is higher than none by 0.0200" in sentence
    assert "on augmented images, both is lower than train by 0.0200" in sentence


def test_how_much_the_last_pass_swings_is_measured(make_material):
    conclusion = conclude("augmentation", make_material(augmentation(LOW, LOW, LOW, LOW, last_five=0.002)))[2]
    sentence = conclusion.text
    assert conclusion.cells == (
        "augmentation/published/train",
        *(f"augmentation/corrected/augmented-{seed}" for seed in (0, 1, 2)),
    )
    assert "0.0100 away from the mean of its last five" in sentence
    assert "at most 0.0020 (3 runs)" in sentence


def test_a_run_that_is_missing_leaves_no_interval(make_material):
    cells = augmentation(LOW, LOW, HIGH, HIGH)
    cells["augmentation/corrected/augmented-1"] = (PUBLISHED | {"seed": 1}, {})
    sentence = sentences_of("augmentation", make_material(cells))[0]
    assert "cannot be judged by so few runs" in sentence
    assert "1 of 3 pairs are incomplete" in sentence


def test_other_settings_say_nothing_about_the_published_conclusions(make_material):
    cells = augmentation(HIGH, HIGH, LOW, LOW)
    for parameters, _ in cells.values():
        parameters["max_passes"] = 1
    sentence = sentences_of("augmentation", make_material(cells))[0]
    assert sentence.startswith("With a transform for every image, train is lower than none by 0.0200")
    assert sentence.endswith("under these settings that says nothing about the published conclusion.")
    cells = {
        f"regularization/corrected/final-{seed}": (FINAL | {"seed": seed, "epochs": 1}, {"final.test_accuracy": value})
        for seed, value in enumerate([0.40, 0.41])
    }
    (sentence,) = sentences_of("regularization", make_material(cells))
    assert "0.5045" not in sentence


@pytest.mark.parametrize("study", ["autodiff", "augmentation", "batch_size", "regularization"])
def test_without_results_nothing_is_concluded(make_material, study):
    assert sentences_of(study, make_material({f"{study}/published/none": None})) == []


@pytest.mark.parametrize(
    "three, words",
    [
        (-1728.0, "depends on how a function is written"),
        (0.0, "Two ways of writing the same function give the same value"),
    ],
)
def test_what_autograd_returns_for_two_ways_of_writing(make_material, three, words):
    metrics = {"jump.two_branches": 0.0, "jump.three_branches": three}
    assert words in sentences_of("autodiff", make_material({"autodiff/published/jump": ({}, metrics)}))[0]


@pytest.mark.parametrize(
    "moved, words", [(0.0, "moves no parameter (accuracy stays at 0.60)"), (0.5, "moves the parameters by 0.5")]
)
def test_whether_the_accuracy_can_be_descended(make_material, moved, words):
    metrics = {
        "step.accuracy_descent_distance": moved,
        "step.logistic_descent_distance": 3.0,
        "step.accuracy_descent_accuracy": 0.6,
        "step.logistic_descent_accuracy": 0.9,
    }
    (sentence,) = sentences_of("autodiff", make_material({"autodiff/published/step": ({}, metrics)}))
    assert words in sentence


@pytest.mark.parametrize("missed", [0, 3])
def test_the_sweep_over_torch_s_functions_is_summed_up(make_material, missed):
    counts = {"points": 10, "functions": 8, "not_differentiable": 7, "autograd_is_nan": 2, "autograd_is_infinite": 1}
    metrics = {f"torch_functions.{name}": value for name, value in counts.items()}
    metrics["torch_functions.autograd_misses_derivative"] = missed
    (sentence,) = sentences_of("autodiff", make_material({"autodiff/corrected/torch_functions": ({}, metrics)}))
    assert sentence.startswith(
        "Of 10 points at which 8 of torch's own functions are not smooth, or look it, 7 have no derivative"
    )
    assert f"At {missed} points it misses a derivative" in sentence


def batch_sizes(passes, accuracy, rates=None):
    """Corrected cells of the batch sizes 1 and 16, with the given passes and accuracies for three seeds."""
    cells = {}
    for size, updates_per_pass in ((1, 6000), (16, 375)):
        metrics = {
            f"{size}.interpolation_passes": passes[size],
            f"{size}.interpolation_updates": [None if p is None else p * updates_per_pass for p in passes[size]],
            f"{size}.final_test_accuracy": accuracy[size],
        }
        cells[f"batch_size/corrected/{size}"] = ({"seeds": [0, 1, 2]}, metrics)
    for size, found in (rates or {}).items():
        settings = {"subset_size": 6000, "hidden": 64, "seeds": [0, 1, 2]}
        cells[f"batch_size/corrected/search-{size}"] = (settings, {f"{size}.divergent_learning_rate": found})
    return cells


SAME = {1: [0.84, 0.85, 0.84], 16: [0.85, 0.84, 0.84]}


@pytest.mark.parametrize(
    "passes, words",
    [
        ({1: [40, 41, 42], 16: [30, 31, 33]}, "more updates (246000 against 11750, 3 pairs) and more passes"),
        ({1: [20, 21, 22], 16: [30, 31, 33]}, "more updates (126000 against 11750, 3 pairs) and fewer passes"),
        ({1: [30, 33, 31], 16: [30, 31, 33]}, "and no detectably different number of passes"),
    ],
)
def test_updates_and_passes_are_compared_in_pairs(make_material, passes, words):
    sentences = sentences_of("batch_size", make_material(batch_sizes(passes, SAME)))
    assert words in sentences[0]


def test_seeds_that_never_get_there_are_counted_and_not_averaged_away(make_material):
    cells = batch_sizes({1: [None, None, None], 16: [30, None, 34]}, SAME)
    for parameters, _ in cells.values():
        parameters["passes"] = 50
    sentence = sentences_of("batch_size", make_material(cells))[0]
    assert "Within 50 passes" in sentence
    assert (
        "at batch size 1 under 0 of 3 seeds, batch size 16 under 2 of 3 seeds (after 32 passes on average)." in sentence
    )


def test_the_rates_found_are_held_against_the_published_ones_under_the_same_seeds(make_material):
    cells = batch_sizes({1: [30, 33, 31], 16: [30, 31, 33]}, {1: [0.80, 0.81, 0.80], 16: [0.85, 0.84, 0.85]})
    for size, accuracy in {1: [0.84, 0.84, 0.85], 16: [0.84, 0.85, 0.85]}.items():
        cells[f"batch_size/published/{size}"] = ({"seeds": [0, 1, 2]}, {f"{size}.final_test_accuracy": accuracy})
    sentence = sentences_of("batch_size", make_material(cells))[1]
    # B = 1: −0.04, −0.03, −0.05, so ±0.0248 around −0.04; B = 16: +0.01, −0.01, 0.
    assert (
        "is lower at batch size 1 (n = 3); no different that these seeds could tell at batch size 16 (n = 3)."
        in sentence
    )
    better = {1: [0.88, 0.87, 0.89], 16: [0.85, 0.84, 0.85]}
    for size, accuracy in better.items():
        cells[f"batch_size/corrected/{size}"][1][f"{size}.final_test_accuracy"] = accuracy
    assert "is higher at batch size 1 (n = 3)" in sentences_of("batch_size", make_material(cells))[1]


@pytest.mark.parametrize(
    "found, words",
    [
        ([0.0102, 0.0099, 0.0101], "at 1.01 to 1.01 times the published rates; 1 of 1 published rates lie inside"),
        ([0.0150, 0.0149, 0.0151], "at 1.50 to 1.50 times the published rates; 0 of 1 published rates lie inside"),
    ],
)
def test_divergent_rates_are_held_against_the_published_ones(make_material, found, words):
    cells = batch_sizes({1: [30, 33, 31], 16: [30, 31, 33]}, SAME, {1: found})
    assert words in sentences_of("batch_size", make_material(cells))[0]


FINAL = settings_behind("regularization", "final.test_accuracy")


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
def test_the_published_accuracy_is_held_against_the_seeds(make_material, accuracies, words):
    # Mean 0.5042, s = 0.00303, t = 2.776: ±0.0038 for the mean.
    cells = {
        f"regularization/corrected/final-{seed}": (FINAL | {"seed": seed}, {"final.test_accuracy": value})
        for seed, value in enumerate(accuracies)
    }
    assert words in sentences_of("regularization", make_material(cells))[0]


@pytest.mark.parametrize("alike", [[], [0.002, 0.004]])
def test_how_sure_the_choice_of_lambda_is_is_said(make_material, alike):
    cells = {
        f"regularization/corrected/final-{seed}": (FINAL | {"seed": seed}, {"final.test_accuracy": value})
        for seed, value in enumerate([0.500, 0.504])
    }
    metrics = {"fine.best_lambda": 0.003, "fine.lambdas": [0.002, 0.003, 0.004, 0.005], "fine.not_told_apart": alike}
    cells["regularization/corrected/fine"] = ({}, metrics)
    sentence = sentences_of("regularization", make_material(cells))[0]
    assert sentence.startswith("With λ = 0.003, chosen on validation images over several seeds")
    assert f"which do not tell it from {len(alike)} of the other 3" in sentence


@pytest.mark.parametrize(
    "difference, words",
    [
        (0.01, "with flips, test accuracy is higher than that of the final network by 0.0100"),
        (-0.01, "with flips, test accuracy is lower than that of the final network by 0.0100"),
        (0.0, "with flips, no difference between test accuracy and that of the final network was detected at n = 3"),
    ],
)
def test_variants_are_compared_with_the_final_network(make_material, difference, words):
    cells = {}
    for seed, (final, noise) in enumerate([(0.50, 0.001), (0.51, -0.001), (0.49, 0.0)]):
        flips = final + noise + difference
        cells[f"regularization/corrected/final-{seed}"] = ({"seed": seed}, {"final.test_accuracy": final})
        cells[f"regularization/corrected/variant-flips-{seed}"] = (
            {"seed": seed},
            {"variant-flips.test_accuracy": flips},
        )
    sentence = sentences_of("regularization", make_material(cells))[-1]
    assert sentence[0].isupper()
    assert words.lower() in sentence.lower()


@pytest.mark.parametrize(
    "moves, words", [(True, "moves the best λ from 0.0072 to 0.0019"), (False, "leaves the best λ at 0.0072")]
)
def test_what_the_row_order_does_is_said_beside_the_replay(make_material, moves, words):
    best = {"lmbda": 0.0072, "train_rows": [5000, 50000], "validation_rows": [0, 5000]}
    order = {
        "row_order.chosen_lambda_moves": moves,
        "row_order.largest_absolute_difference": 0.0123,
        "row_order.best_lambda_notebook_order": 0.0072,
        "row_order.best_lambda_data_order": 0.0019 if moves else 0.0072,
    }
    settings = best | {"n_s": 900, "epochs": 8, "batch_size": 100, "eta_min": 1e-5, "eta_max": 0.1}
    cells = {
        "regularization/published/coarse-5": (settings, {"coarse-5.validation_accuracy": 0.518}),
        "regularization/published/coarse-6": (settings, {"coarse-6.validation_accuracy": 0.5}),
        "regularization/corrected/row_order": ({}, order),
    }
    sentence = sentences_of("regularization", make_material(cells))[0]
    assert sentence.startswith("1 of 2 figures that were compared digit by digit are the same to the last digit")
    assert "by up to 0.0123" in sentence
    assert words in sentence
