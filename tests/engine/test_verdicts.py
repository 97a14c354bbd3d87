"""Verdicts against plain ones: integers and fractions in place of decimals and floats."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradlab.engine.figures import Figure
from gradlab.engine.verdicts import judge, judge_log, print_like
from gradlab.lab.follow import Following
from gradlab.lab.stats import summarise_arm


def figure(value, rule, limit=None, **fields):
    return Figure(id="x.y", study="s", source="F 1", value=value, rule=rule, limit=limit, **fields)


def write_fixed(number, decimals):
    """Write number · 10^−decimals, an integer being given, with that many decimals."""
    digits = str(abs(number)).zfill(decimals + 1)
    whole, rest = digits[: len(digits) - decimals], digits[len(digits) - decimals :]
    return ("-" if number < 0 else "") + whole + ("." + rest if decimals else "")


def write_scientific(mantissa, exponent, decimals):
    """Write mantissa · 10^(exponent − decimals), the mantissa being an integer with one digit before the point."""
    return f"{write_fixed(mantissa, decimals)}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def round_fixed(value, decimals):
    """Return the integer nearest to value · 10^decimals; of two that are equally near, the even one."""
    return round(Fraction(value) * 10**decimals)


def round_scientific(value, decimals):
    """Return the rounded mantissa, an integer, and the exponent; a mantissa that rounds up to 10 moves the exponent."""
    size = abs(Fraction(value))
    exponent = 0
    while size >= Fraction(10) ** (exponent + 1):
        exponent += 1
    while size < Fraction(10) ** exponent:
        exponent -= 1
    mantissa = round(size / Fraction(10) ** (exponent - decimals))
    if mantissa == 10 ** (decimals + 1):
        mantissa, exponent = 10**decimals, exponent + 1
    return (mantissa if value > 0 else -mantissa), exponent


decimals = st.integers(0, 18)
# Values of every size; ties, which a fraction of a power of two can be exactly; values just below a power of ten.
values = st.one_of(
    st.floats(-1e30, 1e30),
    st.builds(lambda numerator, power: numerator / 2**power, st.integers(-(10**6), 10**6), st.integers(0, 12)),
    st.builds(
        lambda exponent, nines, sign: sign * (1 - 10.0**-nines) * 10.0**exponent,
        st.integers(-20, 20),
        st.integers(1, 15),
        st.sampled_from([1, -1]),
    ),
)
sized = values.filter(lambda value: abs(value) > 1e-300)


@given(values, decimals)
def test_fixed_point_is_the_nearest_decimal(value, decimals):
    number = round_fixed(value, decimals)
    printed = print_like(value, write_fixed(0, decimals))
    assert (printed.removeprefix("-") if number == 0 else printed) == write_fixed(number, decimals)


@given(sized, decimals)
def test_a_mantissa_is_the_nearest_decimal(value, decimals):
    printed = print_like(value, write_scientific(10**decimals, 0, decimals))
    assert printed == write_scientific(*round_scientific(value, decimals), decimals)


@given(values, decimals, st.integers(-2, 2))
def test_exact_is_what_prints_to_the_same_digits_in_fixed_point(value, decimals, off):
    published = write_fixed(round_fixed(value, decimals) + off, decimals)
    assert judge(figure(published, "exact"), value).verdict == ("not reproduced" if off else "exact")


@given(sized, decimals, st.integers(-2, 2), st.sampled_from([str.lower, str.upper]))
def test_exact_is_what_prints_to_the_same_digits_with_an_exponent(value, decimals, off, letter):
    mantissa, exponent = round_scientific(value, decimals)
    published = letter(write_scientific(mantissa + off, exponent, decimals))
    assert judge(figure(published, "exact"), value).verdict == ("not reproduced" if off else "exact")


@pytest.mark.parametrize(
    "value, published, verdict",
    [
        (0.518, "0.5180", "exact"),
        (0.51804, "0.5180", "exact"),
        (0.51806, "0.5180", "not reproduced"),
        (0.125, "0.12", "exact"),  # a tie: the even digit
        (0.375, "0.38", "exact"),
        (2.675, "2.67", "exact"),  # no tie: as a binary fraction it lies below
        (9.996, "10.00", "exact"),
        (9.996e-9, "1.00e-08", "exact"),
        (9.994e-9, "1.00e-08", "not reproduced"),
        (1e-06, "1e-06", "exact"),
        (1e-06, "0.000001", "exact"),
        (1.4e-06, "1e-06", "exact"),
        (1.4e-06, "1.0e-06", "not reproduced"),
        (1e-06, "1E-6", "exact"),
        (-0.0, "0", "exact"),
        (-0.0, "-0.0", "exact"),
        (-0.4, "0", "exact"),
        (-0.6, "0", "not reproduced"),
        (0.5, "-0.5", "not reproduced"),
        (1e30, "0.007196856730011514", "not reproduced"),
        (5e-324, "0.000", "exact"),
    ],
)
def test_printed_digits_at_their_edges(value, published, verdict):
    assert judge(figure(published, "exact"), value).verdict == verdict


@pytest.mark.parametrize(
    "published, rule, limit, reproduced, difference, note",
    [
        ("0.518", "exact", None, 0.5183, 0.0003, ""),
        ("0.518", "exact", None, 0.516, -0.002, "digits differ"),
        ("0.500", "rounding", "0.015", 0.51, 0.01, "bound 0.015"),
        ("0.500", "rounding", "0.015", 0.4, -0.1, "bound 0.015"),
        ("2e-09", "below", "1.0e-8", 3e-9, 1e-9, "bound 1.0e-8"),
        ("2e-09", "below", "1.0e-8", 1e-7, 9.8e-8, "bound 1.0e-8"),
    ],
)
def test_a_verdict_comes_with_the_difference_and_what_was_allowed(published, rule, limit, reproduced, difference, note):
    found = judge(figure(published, rule, limit), reproduced)
    assert (found.difference, found.note) == (pytest.approx(difference, rel=1e-12), note)
    assert (found.low, found.high) == (None, None)


thousandths = st.integers(-2000, 2000)


@given(thousandths, thousandths, st.integers(1, 500))
def test_a_bound_reaches_equally_far_to_both_sides_and_holds_its_ends(published, reproduced, bound):
    limit = write_fixed(bound, 3)
    expected = "exact" if published == reproduced else "reproduced"
    inside = abs(reproduced - published) <= bound
    one = judge(figure(write_fixed(published, 3), "rounding", limit), reproduced / 1000)
    other = judge(figure(write_fixed(reproduced, 3), "rounding", limit), published / 1000)
    assert one.verdict == other.verdict == (expected if inside else "not reproduced")
    assert one.difference == -other.difference == (reproduced - published) / 1000
    for side in (bound, -bound):
        at_the_end = (published + side) / 1000
        assert judge(figure(write_fixed(published, 3), "rounding", limit), at_the_end).verdict == "reproduced"
        beyond = at_the_end + math.copysign(1e-9, side)
        assert judge(figure(write_fixed(published, 3), "rounding", limit), beyond).verdict == "not reproduced"


@given(thousandths, thousandths)
def test_a_bound_is_not_below_itself(bound, reproduced):
    found = judge(figure("0.25", "below", write_fixed(bound, 3)), reproduced / 1000)
    assert found.verdict == ("reproduced" if reproduced < bound else "not reproduced")
    assert found.difference == (reproduced - 250) / 1000


@pytest.mark.parametrize(
    "refused, verdict", [(5, "reproduced"), (4, "reproduced"), (3, "compatible"), (0, "compatible")]
)
def test_a_bound_that_hardly_anything_fails_says_no_more_than_compatible(refused, verdict):
    others = [0.9] * refused + [0.5] * (5 - refused)
    found = judge(figure("0.500", "rounding", "0.1"), 0.51, others=others)
    assert (found.verdict, found.power) == (verdict, refused / 5)
    assert judge(figure("0.500", "rounding", "0.1"), 0.7, others=others).verdict == "not reproduced"


@given(
    runs=st.lists(st.floats(0, 1), min_size=2, max_size=6),
    published=st.decimals(0, 1, places=3).map(str),
)
def test_interval_rule_is_the_prediction_interval_of_the_seeds(runs, published):
    found = judge(figure(published, "interval"), runs)
    low, high = summarise_arm(runs).prediction_interval
    assert (found.low, found.high) == (low, high)
    assert (found.verdict == "not reproduced") == (not low <= float(published) <= high)
    assert found.difference == pytest.approx(sum(runs) / len(runs) - float(published), abs=1e-12)
    assert found.note == f"95 % prediction interval, n = {len(runs)}"


def test_a_search_is_as_wide_as_its_bracket():
    # Three seeds with the same smallest divergent rate: the threshold lies between 0.02 / 1.05 and 0.02.
    runs = [0.02, 0.02, 0.02]
    assert judge(figure("0.0195", "interval"), runs).verdict == "not reproduced"
    found = judge(figure("0.0195", "interval"), runs, resolution=0.05)
    assert found.verdict == "compatible"
    assert (found.low, found.high) == (0.02 / 1.05, 0.02)
    assert found.note == "95 % prediction interval, n = 3, brackets of 5 %"
    assert judge(figure("0.0190", "interval"), runs, resolution=0.05).verdict == "not reproduced"


@pytest.mark.parametrize(
    "runs, note",
    [
        ([0.5], "no interval: one run shows no spread; our mean is 0.5, n = 1"),
        (0.5, "no interval: one run shows no spread; our mean is 0.5, n = 1"),
        ([None, None], "no interval: 2 of 2 runs have no value"),
        ([0.5, None], "no interval: 1 of 2 runs have no value; our mean is 0.5, n = 1"),
    ],
)
def test_an_interval_that_cannot_be_computed_is_no_verdict_and_says_what_there_is(runs, note):
    found = judge(figure("0.5", "interval"), runs)
    assert (found.verdict, found.difference, found.note) == ("not run", None, note)


positive_runs = st.lists(st.floats(1e-3, 1), min_size=2, max_size=6)
resolutions = st.floats(0, 1)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=6), thousandths, resolutions)
def test_brackets_widen_an_interval_downwards_only(runs, published, resolution):
    published = write_fixed(published, 3)
    sharp = judge(figure(published, "interval"), runs)
    wide = judge(figure(published, "interval"), runs, resolution=resolution)
    assert wide.low <= sharp.low
    assert wide.high == sharp.high
    assert wide.difference == sharp.difference
    assert (wide.verdict == "not reproduced") == (not wide.low <= float(published) <= wide.high)
    if sharp.verdict != "not reproduced":
        assert wide.verdict != "not reproduced"


@given(positive_runs, resolutions)
def test_an_interval_above_0_begins_where_it_would_if_every_run_were_the_lower_end_of_its_bracket(runs, resolution):
    # Scaling every run scales the interval.
    wide = judge(figure("0.5", "interval"), runs, resolution=resolution)
    low, _ = summarise_arm([run / (1 + resolution) for run in runs]).prediction_interval
    if low > 1e-6:
        assert wide.low == pytest.approx(low, rel=1e-6)
        assert judge(figure(repr(wide.low), "interval"), runs, resolution=resolution).verdict != "not reproduced"
        below = repr(wide.low * (1 - 1e-9))
        assert judge(figure(below, "interval"), runs, resolution=resolution).verdict == "not reproduced"


absent = st.sampled_from([None, math.nan, math.inf, -math.inf])


@given(st.lists(st.floats(0, 1), max_size=5), st.lists(absent, min_size=1, max_size=3), st.randoms(), resolutions)
def test_censored_seeds_are_longer_than_any_other_wherever_they_stand(known, censored, random, resolution):
    runs = known + censored
    random.shuffle(runs)
    found = judge(figure("0.5", "interval"), runs, resolution=resolution)
    if len(known) < 2:
        assert (found.verdict, found.difference, found.low, found.high) == ("not run", None, None, None)
        assert f"{len(censored)} of {len(runs)} runs have no value" in found.note
    else:
        assert (found.low, found.high) == (min(known) / (1 + resolution), None)
        assert (found.verdict == "not reproduced") == (found.low > 0.5)
        assert found.note == f"by rank, {len(censored)} of {len(runs)} runs censored"


def test_an_interval_made_from_seeds_refuses_few_of_them_and_says_compatible():
    found = judge(figure("0.52", "interval", cause="unseeded"), [0.50, 0.51, 0.52, 0.53, 0.54])
    assert (found.verdict, found.cause, found.power) == ("compatible", "unseeded", 0)
    # Each of the others is far from what these three would have expected.
    apart = judge(figure("0.5", "interval", cause="unseeded"), [0.5, 0.5, 0.5, 0.9])
    assert apart.power == 0.25


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6), thousandths)
def test_any_sequence_of_seeds_will_do(runs, published):
    judged = figure(write_fixed(published, 3), "interval")
    assert judge(judged, tuple(runs)) == judge(judged, runs)


RULES = [("exact", None), ("rounding", "0.1"), ("below", "0.1")]


@pytest.mark.parametrize("rule, limit", RULES)
def test_no_value_is_not_run(rule, limit):
    found = judge(figure("0.5", rule, limit), None)
    assert (found.verdict, found.cause, found.difference) == ("not run", "not compared", None)
    assert found.note == "the run did not give this figure"


@pytest.mark.parametrize("rule, limit", RULES)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_is_not_reproduced_and_named(rule, limit, value):
    found = judge(figure("0.5", rule, limit), value)
    assert (found.verdict, found.difference, found.note) == ("not reproduced", None, f"reproduced as {value}")


@given(
    st.floats() | st.integers(-(10**18), 10**18),
    st.sampled_from(RULES),
    decimals,
    st.integers(-(10**9), 10**9),
    st.booleans(),
)
def test_every_number_gets_a_verdict_and_a_cause(value, rule, decimals, published, scientific):
    rule, limit = rule
    text = f"{published:.{decimals}{'e' if scientific else 'f'}}"
    found = judge(figure(text, rule, limit), value)
    allowed = {"exact": {"exact"}, "rounding": {"exact", "reproduced"}, "below": {"reproduced"}}[rule]
    assert found.verdict in {"not reproduced", *allowed}
    causes = {"exact": "same digits", "reproduced": "rounding", "not reproduced": "unexplained"}
    assert found.cause == causes[found.verdict]


@pytest.mark.parametrize("rule, limit", RULES)
@pytest.mark.parametrize("value", [[0.5, 0.5], "0.5", True])
def test_what_is_not_one_number_is_not_compared_with_one(rule, limit, value):
    found = judge(figure("0.5", rule, limit), value)
    assert (found.verdict, found.difference) == ("not run", None)
    assert found.note == f"the rule {rule} compares one number; the run gave {value}"


# Logs ----------------------------------------------------------------------------------------------


def following(p_value, power, start=0.001):
    return Following(35, 0.9, p_value, null=200, power=power, others=5, start=start, start_of_others=0.01)


@pytest.mark.parametrize(
    "p_value, power, verdict, cause",
    [
        (0.01, 1.0, "reproduced", "chaotic growth of rounding"),
        (0.01, 0.8, "reproduced", "chaotic growth of rounding"),
        (0.01, 0.6, "compatible", "chaotic growth of rounding"),
        (0.01, None, "compatible", "chaotic growth of rounding"),
        (0.011, 1.0, "not reproduced", "chaotic growth of rounding"),
    ],
)
def test_a_log_follows_by_its_p_value_and_is_reproduced_by_its_power(p_value, power, verdict, cause):
    found = judge_log(following(p_value, power), 4, "pass")
    assert (found.verdict, found.cause, found.power) == (verdict, cause, power)
    assert "the same digits up to pass 4" in found.note
    assert "0.90" in found.note


@pytest.mark.parametrize("leading, start", [(-1, 0.001), (0, 0.01), (4, 0.02)])
def test_a_log_that_did_not_begin_as_the_published_one_and_does_not_follow_is_unexplained(leading, start):
    assert judge_log(following(0.5, 1.0, start), leading, "pass").cause == "unexplained"


def test_a_log_that_cannot_be_compared_is_not_run():
    assert judge_log(None, 3, "pass").verdict == "not run"


def test_a_figure_read_off_a_log_has_its_verdict_unless_its_own_digits_are_the_same():
    whole = judge_log(following(0.005, 1.0), 4, "pass")
    read = figure("35", "follows", log="none")
    found = judge(read, 41, following=whole)
    assert (found.verdict, found.cause, found.difference) == ("reproduced", "chaotic growth of rounding", 6)
    assert judge(read, 35, following=whole).verdict == "exact"
    assert judge(read, 41, following=judge_log(following(0.5, 1.0), 4, "pass")).verdict == "not reproduced"
    assert judge(read, 41, following=None).verdict == "not run"


def test_a_misprint_is_not_reproduced_unless_it_comes_out_as_printed():
    printed = figure("0.8301", "misprint", meant="0.831", log="test")
    found = judge(printed, 0.8312)
    assert (found.verdict, found.cause) == ("not reproduced", "misprint")
    assert "0.831" in found.note
    assert judge(printed, 0.83012).verdict == "exact"
