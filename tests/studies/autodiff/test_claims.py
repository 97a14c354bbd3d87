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


HALVING = {
    **{f"halving.slope_at_{x}": slope for x, slope in ((-1, 2**-20), (0, 1.0), (1, 2**-20))},
    **{f"halving.jump_at_{x}": 0.0 for x in (-1, 0, 1)},
    "halving.jumps": 42,
    "halving.jump_next_to_1": 1.048576,
    "halving.zeros": 0,
    "halving.negative_values": 406,
    "halving.closed_form_mismatches": 0,
}


@pytest.mark.parametrize(
    "changed, verdict, words",
    [
        ({}, "confirmed", "at −1, 0 and 1 it has none, and the slopes there are 9.54e-07, 1 and 9.54e-07"),
        ({"halving.jump_at_0": 1e-6}, "not confirmed", "at −1, 0 and 1 the jumps are 0, 1e-06 and 0"),
        ({"halving.jump_at_1": 1e-6}, "not confirmed", "at −1, 0 and 1 the jumps are 0, 0 and 1e-06"),
        ({"halving.zeros": 3}, "not confirmed", "it sends 3 to 0"),
        ({"halving.negative_values": 0}, "not confirmed", "0 to negative values"),
        ({"halving.closed_form_mismatches": 3}, "not confirmed", "differs from the loop at 3 of them"),
        ({"halving.jumps": 0}, "not confirmed", "ψ jumps at 0 points"),
    ],
)
def test_where_halving_jumps(make_material, changed, verdict, words):
    (erratum,) = find_errata([make_material("autodiff", {"published/halving": ({}, HALVING | changed)})])
    assert erratum.verdict == verdict
    assert words in erratum.evidence
    assert "the one next to 1 being 1.048576" in erratum.evidence
