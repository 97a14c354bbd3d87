"""The catalogue of torch's functions, against one-sided derivatives known in closed form."""

import math

import pandas as pd
import pytest
import torch

from gradlab.studies.autodiff.diagnosis import diagnose_derivative, tabulate_diagnoses
from gradlab.studies.autodiff.torch_functions import (
    CATALOGUE,
    CONVENTIONS,
    DRAWN,
    NAMES,
    answer_questions,
    choose_drawn,
    count_findings,
    name_convention,
    sample_graphs,
    select_examples,
    sweep_examples,
    tabulate_curves,
)

NAN, INF = math.nan, math.inf
# Kind, left and right derivative (NaN: there is none), and what the formulas of torch's derivatives give at the point:
# relu and its kin compare with > or >=, amax and maximum share a tie, norms and sign return 0, and 0·∞ is NaN.
TRUTH = {
    ("relu", 0): ("kink", 0, 1, 0),
    ("leaky_relu", 0): ("kink", 0.01, 1, 0.01),
    ("relu6", 0): ("kink", 0, 1, 0),
    ("relu6", 6): ("kink", 1, 0, 0),
    ("hardtanh", -1): ("kink", 0, 1, 0),
    ("hardtanh", 1): ("kink", 1, 0, 0),
    ("clamp(x, -1, 1)", -1): ("kink", 0, 1, 1),
    ("clamp(x, -1, 1)", 1): ("kink", 1, 0, 1),
    ("elu, α = 2", 0): ("kink", 2, 1, 2),
    # x·(x + 3) / 6 between -3 and 3: its slope is (2x + 3) / 6.
    ("hardswish", -3): ("kink", 0, -0.5, 0),
    ("hardswish", 3): ("kink", 1.5, 1, 1),
    ("softshrink", -0.5): ("kink", 1, 0, 0),
    ("softshrink", 0.5): ("kink", 0, 1, 0),
    ("hardshrink", -0.5): ("jump", INF, 0, 0),
    ("hardshrink", 0.5): ("jump", 0, INF, 0),
    ("huber_loss", 1): ("differentiable", 1, 1, 1),
    ("abs", 0): ("kink", -1, 1, 0),
    ("x·sign(x)", 0): ("kink", -1, 1, 0),
    ("maximum(x, -x)", 0): ("kink", -1, 1, 0),
    ("fmax(x, -x)", 0): ("kink", -1, 1, 1),
    ("amax", 0): ("kink", 0, 1, 0.5),
    ("max with dim", 0): ("kink", 0, 1, 1),
    ("sort", 0): ("kink", 0, 1, 0),
    ("median", 0): ("kink", 1, -1, 0),
    ("vector_norm", 0): ("kink", -5, 5, 0),
    ("sqrt of a sum of squares", 0): ("kink", -5, 5, NAN),
    # LAPACK returns the eigenvectors of the zero matrix in order, so that the last belongs to -x.
    ("eigvalsh", 0): ("kink", -1, 1, -1),
    ("special.i0e", 0): ("kink", 1, -1, 0),
    ("sqrt", 0): ("undefined", NAN, INF, INF),
    ("sign(x)·|x|^(1/3)", 0): ("vertical", INF, INF, NAN),
    ("where(x > 0, sqrt(x), 0)", -1): ("differentiable", 0, 0, NAN),
    ("where(x > 0, sqrt(x), 0)", 0): ("vertical", 0, INF, NAN),
    ("sqrt(x⁴)", 0): ("differentiable", 0, 0, NAN),
    ("x² with a branch at 0", 0): ("differentiable", 0, 0, 3),
    ("x²·sin(1/x)", 0): ("differentiable", 0, 0, 0),
    ("sin(x)/x", 0): ("undefined", NAN, NAN, NAN),
    ("sinc", 0): ("differentiable", 0, 0, 0),
    ("reciprocal", 0): ("pole", NAN, NAN, -INF),
    ("digamma", 0): ("pole", NAN, NAN, INF),
    # The formula is π²/sin²(πx) less a little, and sin(π) is 1.2e-16 in float64.
    ("digamma", -1): ("pole", NAN, NAN, (math.pi / math.sin(math.pi)) ** 2),
    ("log", 0): ("undefined", NAN, NAN, INF),
    ("xlogy(x, |x|)", 0): ("cannot tell", NAN, NAN, NAN),
    ("normalize", 0): ("cannot tell", NAN, NAN, 1e12),
    ("atan2(x, -1)", 0): ("jump", INF, -1, -1),
    ("floor", 2): ("jump", INF, 0, 0),
    ("ceil", 2): ("jump", 0, INF, 0),
    ("round", 0.5): ("jump", 0, INF, 0),
    ("round", 1.5): ("jump", INF, 0, 0),
    ("sign", 0): ("jump", INF, INF, 0),
    ("remainder(x, 1)", 0): ("jump", -INF, 1, 1),
    ("remainder(x, 1)", 1): ("jump", -INF, 1, 1),
    ("fmod(x, 1)", 0): ("differentiable", 1, 1, 1),
    ("fmod(x, 1)", 1): ("jump", -INF, 1, 1),
}


@pytest.fixture(scope="module")
def table():
    return sweep_examples()


def equal(number, other, error=0.0):
    if math.isnan(other):
        return math.isnan(number)
    return number == other or abs(number - other) <= error + 1e-12 * abs(other)


def test_every_entry_is_what_calculus_says(table):
    assert [(row.function, row.x) for row in table.itertuples()] == list(TRUTH)
    for row in table.itertuples():
        kind, left, right, autograd = TRUTH[row.function, row.x]
        assert row.kind == kind, row
        assert equal(row.left, left, row.left_error) and equal(row.right, right, row.right_error), row
        assert equal(row.autograd, autograd), row
        told = kind != "cannot tell"
        assert row.differentiable == ((kind == "differentiable") if told else None)
        assert row.autograd_is_derivative == ((kind == "differentiable" and autograd == left) if told else None)


def test_the_convention_follows_from_the_truth(table):
    for row in table.itertuples():
        kind, left, right, autograd = TRUTH[row.function, row.x]
        if math.isnan(autograd):
            expected = "NaN"
        elif kind == "cannot tell":
            expected = "cannot tell"
        elif kind == "differentiable":
            expected = "the derivative" if autograd == left else "not the derivative"
        elif autograd == left:
            expected = "the left derivative"
        elif autograd == right:
            expected = "the right derivative"
        elif math.isfinite(left) and autograd == (left + right) / 2:
            expected = "the mean of left and right"
        else:
            expected = "none of these"
        assert row.convention == expected, row
        assert row.convention in CONVENTIONS


class WithSlope(torch.autograd.Function):
    """|x|, or its cube root with the sign of x, with whatever derivative at 0 it is told."""

    @staticmethod
    def forward(ctx, x, power, slope):
        ctx.slope = slope
        return x.sign() * x.abs() ** power if power < 1 else x.abs()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.slope, None, None


@pytest.mark.parametrize(
    ("power", "slope", "convention"),
    [
        (1, -1.0, "the left derivative"),
        (1, 1.0, "the right derivative"),
        (1, 0.0, "the mean of left and right"),
        (1, 0.5, "none of these"),
        (1, INF, "none of these"),
        (1, NAN, "NaN"),
        (1 / 3, INF, "both one-sided derivatives"),
        (1 / 3, -INF, "none of these"),
        (1 / 3, 0.0, "none of these"),
    ],
)
def test_each_convention_is_told_from_the_others(power, slope, convention):
    found = diagnose_derivative(lambda x: WithSlope.apply(x, power, slope), 0.0)
    assert found.autograd == slope or math.isnan(slope)
    assert name_convention(found) == convention


def test_a_side_that_cannot_be_told_leaves_the_convention_open():
    # From the right the derivative is infinite, as of x·log(x); autograd returns 0, which is the left one, or 5.
    found = diagnose_derivative(lambda x: x * x.log() if x > 0 else 0 * x, 0.0)
    assert found.differentiable is None and name_convention(found) == "cannot tell"
    found = diagnose_derivative(lambda x: x * x.log() if x > 0 else 5 * x if x == 0 else 0 * x - 1, 0.0)
    assert found.differentiable is False and name_convention(found) == "cannot tell"


def test_normalize_is_told_with_a_scale_below_its_eps():
    (example,) = select_examples(["normalize"])
    found = diagnose_derivative(example.f, 0.0, scale=1e-13)
    assert found.autograd_is_derivative is True and found.derivative == pytest.approx(1e12)


def test_the_catalogue_is_well_formed():
    assert len(set(NAMES)) == len(NAMES) and set(DRAWN) <= set(NAMES)
    assert all(example.remark and example.points for example in CATALOGUE)


def test_examples_are_chosen_by_name():
    assert [example.name for example in select_examples(["floor", "abs"])] == ["abs", "floor"]
    assert select_examples() == CATALOGUE
    with pytest.raises(ValueError, match="no function called 'gelu': choose from relu, leaky_relu"):
        select_examples(["abs", "gelu"])
    assert [example.name for example in choose_drawn(CATALOGUE)] == [name for name in NAMES if name in DRAWN]
    few = select_examples(["abs", "ceil"])
    assert choose_drawn(few) == few


def test_counts_add_up_and_follow_from_the_truth(table):
    counts = {name.removeprefix("torch_functions."): count for name, count in count_findings(table).items()}
    kinds = [kind for kind, *_ in TRUTH.values()]
    autograd = [value for *_, value in TRUTH.values()]
    assert counts["functions"] == len(NAMES) and counts["points"] == len(TRUTH)
    assert counts["differentiable"] == kinds.count("differentiable")
    assert counts["cannot_tell"] == counts["autograd_cannot_tell"] == kinds.count("cannot tell")
    assert counts["differentiable"] + counts["not_differentiable"] + counts["cannot_tell"] == len(TRUTH)
    assert counts["kinks"] == kinds.count("kink") and counts["jumps"] == kinds.count("jump")
    right = [kind == "differentiable" and value == left for kind, left, _, value in TRUTH.values()]
    assert counts["autograd_is_derivative"] == sum(right)
    assert counts["autograd_is_not_derivative"] == len(TRUTH) - sum(right) - counts["cannot_tell"]
    assert counts["autograd_misses_derivative"] == counts["differentiable"] - sum(right)
    assert counts["autograd_is_nan"] == sum(map(math.isnan, autograd))
    assert counts["autograd_is_infinite"] == sum(map(math.isinf, autograd))
    at_kinks = [(left, right, value) for kind, left, right, value in TRUTH.values() if kind == "kink"]
    assert counts["kinks_left"] == sum(value == left for left, _, value in at_kinks)
    assert counts["kinks_right"] == sum(value == right for _, right, value in at_kinks)
    assert counts["kinks_mean"] == sum(value == (left + right) / 2 for left, right, value in at_kinks)
    assert counts["kinks_nan"] == sum(math.isnan(value) for *_, value in at_kinks)
    assert sum(counts[f"kinks_{name}"] for name in ("left", "right", "mean", "nan", "other")) == counts["kinks"]
    assert all(type(count) is int for count in counts.values())


def test_curves_hold_the_numbers_of_the_table(table):
    curves = tabulate_curves(table)
    assert list(curves.columns) == ["function", "x", "metric", "value"]
    assert not curves.duplicated(["function", "x", "metric"]).any()
    wide = curves.pivot(index=["function", "x"], columns="metric", values="value")
    assert (curves["metric"] == "autograd").sum() == len(table)
    for row in table.itertuples():
        for metric in ("value", "jump", "left", "right", "derivative", "autograd"):
            assert equal(wide.loc[(row.function, row.x), metric], getattr(row, metric))
    assert curves.loc[curves["metric"] != "autograd", "value"].notna().all()


def test_answers_quote_the_table(table):
    kink, exists, breaks, left_open = answer_questions(table)
    assert all(
        answer[key] for answer in (kink, exists, breaks, left_open) for key in ("question", "answer", "evidence")
    )
    kinks = [truth for truth in TRUTH.values() if truth[0] == "kink"]
    assert f"Of {len(kinks)} kinks" in kink["answer"] and "NaN at 1." in kink["answer"]
    assert "amax (x = 0): from the left 0, from the right 1, autograd 0.5" in kink["evidence"]
    assert exists["answer"].startswith("Yes, at 3 of the 7 points") and "sqrt(x⁴) (x = 0)" in exists["answer"]
    assert "the derivative is 0 within" in exists["evidence"] and "autograd returns 3" in exists["evidence"]
    assert "Of 14 jumps and poles, autograd's value is NaN or infinite at 2; at the other 12" in breaks["answer"]
    assert left_open["answer"] == f"At 2 of {len(TRUTH)} points: xlogy(x, |x|) (x = 0), normalize (x = 0)."


def test_answers_about_a_selection_claim_no_more_than_it_shows():
    kink, exists, breaks, left_open = answer_questions(sweep_examples(select_examples(["abs"])))
    assert kink["answer"] == "Of 1 kinks: the mean of left and right at 1."
    assert exists["answer"].startswith("Not at any of the 0 points")
    assert breaks["answer"] == "No point of this selection is a jump or a pole."
    assert left_open["answer"] == "Nowhere: it can at all 1 points of this selection."
    assert left_open["evidence"] == "No such point in the table."
    kink, *_ = answer_questions(sweep_examples(select_examples(["floor"])))
    assert kink["answer"] == "No point of this selection is a kink."


def test_graphs_are_sampled_on_either_side_of_the_first_point():
    graphs = sample_graphs(select_examples(["relu6", "reciprocal"]), points=41)
    relu6 = graphs[graphs["function"] == "relu6"]
    assert len(relu6) == 41 and relu6["x"].is_monotonic_increasing
    assert relu6["x"].iloc[[0, 20, 40]].tolist() == pytest.approx([-0.9, 0, 0.9])
    assert relu6["value"].tolist() == relu6["x"].clip(lower=0).tolist()
    assert graphs["value"].iloc[41 + 20] == INF


def test_the_sweep_is_the_diagnosis_of_each_point(table):
    (example,) = select_examples(["round"])
    rows = table[table["function"] == "round"].drop(columns=["function", "convention", "remark"])
    diagnoses = [diagnose_derivative(example.f, x) for x in example.points]
    pd.testing.assert_frame_equal(rows.reset_index(drop=True), tabulate_diagnoses(diagnoses))
