"""Conclusions and errata, from made-up results in one direction and in the other."""

import pandas as pd
import pytest
from published_settings import settings_behind

from gradlab.engine.claims import conclude, find_errata

SEEDS = {"seeds": [0, 1, 2]}
SEARCH = settings_behind("batch_size", "1.divergent_learning_rate") | SEEDS
SAME = {1: [0.84, 0.85, 0.84], 16: [0.85, 0.84, 0.84]}  # accuracies of two batch sizes, under the seeds
PASSES = {1: [30, 33, 31], 16: [30, 31, 33]}


def trained(size):
    """The settings behind the published training at a batch size, under two seeds."""
    return settings_behind("batch_size", f"{size}.interpolation_updates") | {"seeds": [0, 1]}


def made_cells(passes, accuracy, rates=None):
    """Corrected cells of the batch sizes 1 and 16, with the given passes and accuracies for three seeds."""
    cells = {}
    for size, updates_per_pass in ((1, 6000), (16, 375)):
        metrics = {
            f"{size}.interpolation_passes": passes[size],
            f"{size}.interpolation_updates": [None if p is None else p * updates_per_pass for p in passes[size]],
            f"{size}.final_test_accuracy": accuracy[size],
        }
        cells[f"corrected/{size}"] = (SEEDS | {"passes": 50}, metrics)
    for size, found in (rates or {}).items():
        cells[f"corrected/search-{size}"] = (SEARCH, {f"{size}.divergent_learning_rate": found})
    return cells


@pytest.fixture
def sentences(make_material):
    """A function that returns the conclusions from given cells."""
    return lambda cells: [conclusion.text for conclusion in conclude(make_material("batch_size", cells))]


@pytest.fixture
def find(make_material):
    """A function that returns an erratum by its number, as given cells show it."""

    def make(cells, number):
        errata = find_errata([make_material("batch_size", cells)])
        return next(erratum for erratum in errata if erratum.number == number)

    return make


@pytest.mark.parametrize(
    "passes, words",
    [
        ({1: [40, 41, 42], 16: [30, 31, 33]}, "more updates (246000 against 11750, 3 pairs) and more passes"),
        ({1: [20, 21, 22], 16: [30, 31, 33]}, "more updates (126000 against 11750, 3 pairs) and fewer passes"),
        (PASSES, "and no detectably different number of passes"),
    ],
)
def test_updates_and_passes_are_compared_in_pairs(sentences, passes, words):
    assert words in sentences(made_cells(passes, SAME))[0]


def test_seeds_that_never_get_there_are_counted_and_not_averaged_away(sentences):
    sentence = sentences(made_cells({1: [None, None, None], 16: [30, None, 34]}, SAME))[0]
    assert "Within 50 passes" in sentence
    assert (
        "at batch size 1 under 0 of 3 seeds, batch size 16 under 2 of 3 seeds (after 32 passes on average)." in sentence
    )


@pytest.mark.parametrize(
    "small, word",
    [
        ([0.80, 0.81, 0.80], "lower"),  # −0.04, −0.03, −0.05: ±0.0248 around −0.04
        ([0.88, 0.87, 0.89], "higher"),
    ],
)
def test_the_rates_found_are_held_against_the_published_ones_under_the_same_seeds(sentences, small, word):
    cells = made_cells(PASSES, {1: small, 16: [0.85, 0.84, 0.85]})
    for size, accuracy in {1: [0.84, 0.84, 0.85], 16: [0.84, 0.85, 0.85]}.items():
        cells[f"published/{size}"] = (SEEDS, {f"{size}.final_test_accuracy": accuracy})
    # At batch size 16: +0.01, −0.01, 0.
    others = "no different that these seeds could tell at batch size 16 (n = 3)."
    assert f"is {word} at batch size 1 (n = 3); {others}" in sentences(cells)[1]


@pytest.mark.parametrize(
    "found, words",
    [
        ([0.0102, 0.0099, 0.0101], "at 1.01 to 1.01 times the published rates; 1 of 1 published rates lie inside"),
        ([0.0150, 0.0149, 0.0151], "at 1.50 to 1.50 times the published rates; 0 of 1 published rates lie inside"),
    ],
)
def test_divergent_rates_are_held_against_the_published_ones(sentences, found, words):
    assert words in sentences(made_cells(PASSES, SAME, {1: found}))[0]


def curves(accuracy):
    """Curves of two seeds with the same training accuracies over the passes."""
    rows = [(seed, number, "train", "accuracy", value) for seed in (0, 1) for number, value in enumerate(accuracy)]
    return pd.DataFrame(rows, columns=["seed", "pass", "split", "metric", "value"])


def test_rounding_comes_before_interpolation(find):
    # The published log prints 1.000 at batch size 1 from pass 34 on, and the notebook counts 39 passes: 234,000 updates.
    table = curves([0.1, 0.99, 0.9996, 0.9998, 1.0])
    erratum = find({"published/1": (trained(1), {}, table)}, 4)
    assert erratum.verdict == "confirmed"
    assert "B = 1: 39, log 1.000 from 34 on" in erratum.evidence
    assert "comes 2.0 passes before the exact one on average, at most 2 (2 runs)" in erratum.evidence


def test_without_an_early_print_there_is_no_rounding(find):
    # At batch size 16 the log prints 1.000 first at the very pass that the notebook counts, 32.
    erratum = find({"published/16": (trained(16), {}, curves([0.1, 1.0]))}, 4)
    assert erratum.verdict == "not confirmed"
    assert "B = 16: 32, log 1.000 from 32 on" in erratum.evidence


@pytest.mark.parametrize(
    "stable, divergent, verdict",
    [([0.012, 0.013], [0.0125, 0.0135], "confirmed"), ([0.009, 0.0099], [0.0094, 0.0104], "not confirmed")],
)
def test_rates_by_eye_against_rates_by_rule(find, stable, divergent, verdict):
    metrics = {"1.largest_stable_learning_rate": stable, "1.divergent_learning_rate": divergent}
    erratum = find({"corrected/search-1": (SEARCH | {"seeds": [0, 1]}, metrics)}, 5)
    assert erratum.verdict == verdict
    assert f"B = 1: {min(stable):.3g} to {max(divergent):.3g} (published 0.01)" in erratum.evidence
    assert f"differ by at most {100 * (divergent[1] / divergent[0] - 1):.0f} % at one batch size" in erratum.right


@pytest.mark.parametrize("number", [4, 5])
def test_cells_under_other_settings_are_no_evidence(find, number):
    metrics = {"1.largest_stable_learning_rate": [0.02], "1.divergent_learning_rate": [0.021]}
    cells = {
        "published/1": (trained(1) | {"passes": 3}, {}, curves([0.1, 1.0])),
        "corrected/search-1": (SEARCH | {"subset_size": 600, "seeds": [0]}, metrics),
    }
    assert find(cells, number).verdict == "not run"
