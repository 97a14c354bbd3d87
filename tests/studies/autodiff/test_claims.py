"""Conclusions and the erratum, from made-up results in one direction and in the other."""

import pytest

from gradlab.engine.claims import conclude, find_errata


@pytest.mark.parametrize(
    "three, words",
    [
        (-1728.0, "depends on how a function is written"),
        (0.0, "Two ways of writing the same function give the same value"),
    ],
)
def test_what_autograd_returns_for_two_ways_of_writing(make_material, three, words):
    metrics = {"jump.two_branches": 0.0, "jump.three_branches": three}
    (conclusion,) = conclude(make_material("autodiff", {"published/jump": ({}, metrics)}))
    assert words in conclusion.text


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
    (conclusion,) = conclude(make_material("autodiff", {"published/step": ({}, metrics)}))
    assert words in conclusion.text


@pytest.mark.parametrize("missed", [0, 3])
def test_the_sweep_over_torch_s_functions_is_summed_up(make_material, missed):
    counts = {"points": 10, "functions": 8, "not_differentiable": 7, "autograd_is_nan": 2, "autograd_is_infinite": 1}
    metrics = {f"torch_functions.{name}": value for name, value in counts.items()}
    metrics["torch_functions.autograd_misses_derivative"] = missed
    (conclusion,) = conclude(make_material("autodiff", {"corrected/torch_functions": ({}, metrics)}))
    assert conclusion.text.startswith(
        "Of 10 points at which 8 of torch's own functions are not smooth, or look it, 7 have no derivative"
    )
    assert f"At {missed} points it misses a derivative" in conclusion.text


@pytest.mark.parametrize(
    "jump, mismatches, verdict", [(1.0, 0, "confirmed"), (0.0, 0, "not confirmed"), (1.0, 3, "not confirmed")]
)
def test_the_step_and_the_closed_form(make_material, jump, mismatches, verdict):
    descent = {
        f"step.{loss}_descent_{what}": 0.0 for loss in ("accuracy", "logistic") for what in ("distance", "accuracy")
    }
    cells = {
        "published/step": ({}, {"step.jump_size": jump} | descent),
        "published/halving": ({}, {"halving.closed_form_mismatches": mismatches}),
    }
    (erratum,) = find_errata([make_material("autodiff", cells)])
    assert erratum.verdict == verdict
    assert f"differ at {mismatches} of" in erratum.evidence
