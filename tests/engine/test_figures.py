"""The file of published figures: how it is read, and every fault that is found in it before anything runs."""

import pytest
from made_cells import make_cell
from made_studies import make_study, write

from gradlab.engine.figures import Deviation, FigureError, check_figures, load_deviations, load_figures
from gradlab.engine.logs import load_logs, tabulate_log
from gradlab.engine.study import discover

CELLS = [
    make_cell("made/published/one", {"epochs": 8, "rate": 0.1}, metrics=["one.accuracy", "one.loss"]),
    make_cell("made/published/two", {"epochs": 8}, metrics=["two.accuracy", "both"]),
    make_cell("made/corrected/two", {"rate": 0.1}, metrics=["two.loss", "both"]),
]
SOUND = {"id": "one.accuracy", "value": "'0.50'", "source": "M 1", "claim": "accuracy", "rule": "exact"}
ROUNDING = {"rule": "rounding", "bound": "0.1", "why": "drift"}
POINT = {"id": "pass_0", "cell": "one", "point": "{pass: 0, split: test}"}
KEYS = (
    "allowed: id, value, source, claim, rule, meant, why, cell, judged_by, origin, cause, log, bound, settings, point"
)


def print_entry(**changes):
    """An entry in YAML, with changes of a sound one; a key that is changed to None is left out."""
    return "{" + ", ".join(f"{key}: {text}" for key, text in (SOUND | changes).items() if text is not None) + "}"


def print_figures(*entries):
    return "".join(["figures:\n", *(f"  - {entry}\n" for entry in entries)])


# A log ---------------------------------------------------------------------------------------------

LOG = {
    "id": "fits",
    "file": "fits.csv",
    "rows": "{run: a}",
    "index": "pass",
    "columns": "{test_loss: {split: test}}",
    "cell": "one",
    "source": "M 2",
    "claim": "fit",
    "rule": "exact",
}
FOLLOWS = {"rule": "follows", "measure": "test_loss", "others": "['corrected/*']"}
TABLE = "run,pass,test_loss,words\na,0,0.50,x\na,1,0.25,x\nb,0,0.75,x\n"


def print_log(**changes):
    """A log in YAML, with changes of a sound one; a key that is changed to None is left out."""
    return "{" + ", ".join(f"{key}: {text}" for key, text in (LOG | changes).items() if text is not None) + "}"


def make_logs(tmp_path, *entries):
    made = make_study(tmp_path, *CELLS, figures="figures: []\nlogs:\n" + "".join(f"  - {entry}\n" for entry in entries))
    write(made.published / "fits.csv", TABLE)
    return made


def test_a_log_is_read_as_it_was_printed_and_its_first_numbers_have_to_be_exact(tmp_path):
    made = make_logs(tmp_path, print_log(settings="{epochs: 8}", **FOLLOWS), print_log(id="b", bound="0.1", why="w"))
    check_figures([made])
    log, other = load_logs(made)
    assert [(figure.id, figure.value, figure.rule) for figure in log.figures()] == [
        ("fits.pass_0.test_loss", "0.50", "exact"),
        ("fits.pass_1.test_loss", "0.25", "follows"),
    ]
    first = log.figures()[0]
    assert (first.claim, first.log, first.settings) == ("fit, pass 0: test loss", "fits", {"epochs": 8})
    assert first.point == {"pass": 0, "split": "test"}
    assert (other.limit, other.why) == ("0.1", "w")
    assert [log.is_judged_by(cell) for cell in CELLS] == [True, False, False]
    assert [log.has_other(cell) for cell in CELLS] == [False, False, True]
    assert tabulate_log(log).values.tolist() == [[0, "test", 0.5], [1, "test", 0.25]]


LOG_FAULTS = {
    "unknown key": (
        {"column": "{}"},
        "unknown key column; did you mean columns?; allowed: id, file, index, columns, cell, ",
    ),
    "unknown rule": ({"rule": "interval"}, "rule = interval: expected one of exact, rounding, follows"),
    "no measure": ({**FOLLOWS, "measure": None}, "missing measure, which the rule follows needs"),
    "no others": ({**FOLLOWS, "others": None}, "missing others, which the rule follows needs"),
    "misspelt measure": ({**FOLLOWS, "measure": "loss"}, "measure = loss: expected one of test_loss"),
    "others that are none": (
        {**FOLLOWS, "others": "['corrected/seed-*']"},
        "others: no cell of made matches corrected/seed-*",
    ),
    "misspelt cell": ({"cell": "onne"}, "cell = onne: no published cell of made has this name; did you mean one?"),
    "misspelt setting": (
        {"settings": "{epoch: 8}"},
        "settings: made/published/one has no parameter epoch; did you mean epochs?",
    ),
    "no such file": ({"file": "fit.csv"}, "file = fit.csv: it cannot be read (No such file or directory)"),
    "no such rows": ({"rows": "{run: c}"}, "rows = {'run': 'c'}: fits.csv has no such row"),
    "rows that are not told apart": ({"rows": "{}"}, "index = pass: 3 rows have 0 more than once"),
    "nothing to follow": (
        {**FOLLOWS, "rows": "{run: b}"},
        "rule = follows: fits.csv has no row but that of pass 0, before ",
    ),
    "columns that are none": ({"columns": "[test_loss]"}, "columns: expected each column with a mapping, such as "),
    "no such column": (
        {"columns": "{loss: {}}"},
        "columns: loss of fits.csv has None; expected a number as it was printed",
    ),
    "words for numbers": (
        {"columns": "{words: {}}"},
        "columns: words of fits.csv has 'x'; expected a number as it was printed",
    ),
    "a name that a figure has": ({"id": "one.accuracy"}, "id = one.accuracy: this log stands in line 2 already"),
}


@pytest.mark.parametrize("changes, fault", LOG_FAULTS.values(), ids=LOG_FAULTS)
def test_a_fault_of_a_log_is_one_line_with_file_and_line(tmp_path, changes, fault):
    made = make_study(tmp_path, *CELLS, figures=f"{print_figures(print_entry())}logs:\n  - {print_log(**changes)}\n")
    write(made.published / "fits.csv", TABLE)
    with pytest.raises(FigureError) as refused:
        check_figures([made])
    (line,) = str(refused.value).splitlines()[1:]
    assert line.startswith(f"  {made.published}/figures.yaml, line 4: {fault}")


# What is read --------------------------------------------------------------------------------------


def test_figures_are_read_as_they_were_printed(tmp_path):
    made = make_study(
        tmp_path,
        figures=print_figures(
            print_entry(settings="{epochs: 8}"),
            print_entry(id="one.loss", value="'2e-09'", rule="below", bound="1.0e-8", settings="", judged_by=""),
            print_entry(id="both", judged_by="corrected", origin="plot", cause="unseeded", **ROUNDING),
            print_entry(**POINT),
        ),
    )
    first, second, third, fourth = load_figures(made)
    assert (first.study, first.value, first.limit, first.settings) == ("made", "0.50", None, {"epochs": 8})
    assert (second.limit, second.settings, second.judged_by) == ("1e-08", {}, "published")
    assert (third.limit, third.why, third.origin, third.cause) == ("0.1", "drift", "plot", "unseeded")
    assert (first.origin, first.cause) == ("printed", None)
    assert fourth.point == {"pass": 0, "split": "test"}
    judging = [
        [cell.key.partition("/")[2] for cell in CELLS if figure.is_judged_by(cell)] for figure in load_figures(made)
    ]
    assert judging == [["published/one"], ["published/one"], ["corrected/two"], ["published/one"]]


def test_a_cell_of_another_study_judges_nothing(tmp_path):
    (figure,) = load_figures(make_study(tmp_path, figures=print_figures(print_entry())))
    assert not figure.is_judged_by(make_cell("other/published/one", {}, metrics=["one.accuracy"]))


def test_what_a_study_does_not_publish_is_not_there(tmp_path):
    made = make_study(tmp_path)
    (made.published / "figures.yaml").unlink()
    assert load_figures(made) == load_deviations(made) == []
    check_figures([made])
    write(made.published / "deviations.yaml", "[{source: M 1, notebook: rounds, here: cuts, effect: none}]")
    assert load_deviations(made) == [Deviation("M 1", "rounds", "cuts", "none")]


# What is refused -----------------------------------------------------------------------------------

FAULTS = {
    "unquoted value": ({"value": "0.50"}, "value = 0.5: expected text; write it in quotes, since its digits count"),
    "value in words": ({"value": "'half'"}, "value = 'half': expected a number as it was printed"),
    "value that is not finite": ({"value": "'nan'"}, "value = 'nan': expected a number as it was printed"),
    "meant in words": (
        {"rule": "misprint", "meant": "'one'", "log": "fits"},
        "meant = 'one': expected a number as it was printed",
    ),
    **{f"no {key}": ({key: None}, f"missing {key}") for key in SOUND},
    "empty claim": ({"claim": ""}, "missing claim"),
    "unknown rule": (
        {"rule": "exakt"},
        "rule = exakt: expected one of exact, rounding, follows, interval, below, misprint; did you mean exact?",
    ),
    "rule that is a list": (
        {"rule": "[exact]"},
        "rule = ['exact']: expected text; write it in quotes, since its digits count",
    ),
    "no reason": ({**ROUNDING, "why": None}, "missing why, which the rule rounding needs"),
    "empty bound": ({**ROUNDING, "bound": ""}, "missing bound, which the rule rounding needs"),
    "no bound": ({"rule": "below"}, "missing bound, which the rule below needs"),
    "no log": ({"rule": "follows"}, "missing log, which the rule follows needs"),
    "no cause": ({"rule": "interval"}, "missing cause, which the rule interval needs"),
    "nothing meant": ({"rule": "misprint", "log": "fits"}, "missing meant, which the rule misprint needs"),
    "unknown log": ({"rule": "follows", "log": "fit"}, "log = fit: expected one of fits; did you mean fits?"),
    "unknown origin": (
        {"origin": "plots"},
        "origin = plots: expected one of printed, text, plot, formula; did you mean plot?",
    ),
    "unknown cause": (
        {"cause": "eye"},
        "cause = eye: expected one of same digits, rounding, chaotic growth of rounding, unseeded, chosen by eye, misprint, "
        "hidden state, code differs from text, not compared, unexplained",
    ),
    "bound that YAML reads as text": (
        {**ROUNDING, "bound": "1e-8"},
        "bound = 1e-8: expected a number, without quotes and, with an exponent, as 1.0e-8",
    ),
    "bound that is true": (
        {**ROUNDING, "bound": "true"},
        "bound = True: expected a number, without quotes and, with an exponent, as 1.0e-8",
    ),
    "unknown key": ({"setting": "{}"}, f"unknown key setting; did you mean settings?; {KEYS}"),
    "unknown key that is like none": ({"7": "1"}, f"unknown key 7; {KEYS}"),
    "misspelt metric": (
        {"id": "one.acuracy"},
        "id = one.acuracy: no published cell of made declares this metric; did you mean one.accuracy?",
    ),
    "metric of the other protocol": (
        {"id": "two.loss"},
        "id = two.loss: no published cell of made declares this metric; did you mean one.loss?",
    ),
    "other protocol than the metric's": (
        {"judged_by": "corrected", "id": "zzz"},
        "id = zzz: no corrected cell of made declares this metric",
    ),
    "number for an id": ({"id": "1"}, "id = 1: expected text; write it in quotes, since its digits count"),
    "unknown protocol": ({"judged_by": "corected"}, "judged_by = corected: expected one of published, corrected"),
    "misspelt cell": (
        POINT | {"cell": "onne"},
        "cell = onne: no published cell of made has this name; did you mean one?",
    ),
    "cell without a point": ({"cell": "one"}, "cell and point go together: they name a row of a cell's curves.csv"),
    "point without a cell": (
        {"point": "{pass: 0}"},
        "cell and point go together: they name a row of a cell's curves.csv",
    ),
    "point that is none": (
        POINT | {"point": "3"},
        "point = 3: expected the values of columns, such as {pass: 0, split: train, metric: loss}",
    ),
    "misspelt setting": (
        {"settings": "{epoch: 8}"},
        "settings: made/published/one has no parameter epoch; did you mean epochs?",
    ),
    "setting of another cell": (
        {"id": "two.accuracy", "settings": "{rate: 0.1}"},
        "settings: made/published/two has no parameter rate",
    ),
    "settings that are none": ({"settings": "[8]"}, "settings = [8]: expected parameters with values"),
}


@pytest.mark.parametrize("changes, fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_is_one_line_with_file_and_line(tmp_path, changes, fault):
    figures = print_figures(print_entry(id="both"), print_entry(**changes))
    made = make_study(tmp_path, *CELLS, figures=f"{figures}logs:\n  - {print_log()}\n")
    write(made.published / "fits.csv", TABLE)
    with pytest.raises(FigureError) as refused:
        check_figures([made])
    title, *faults = str(refused.value).splitlines()
    assert title == "the published figures are refused:"
    assert faults == [f"  {made.published}/figures.yaml, line 3: {fault}"]


def test_faults_of_all_entries_and_studies_are_listed(tmp_path):
    twice = make_study(tmp_path / "a", *CELLS, figures=print_figures(*[print_entry()] * 3))
    wrong = make_study(tmp_path / "b", *CELLS, figures="figures: {", name="wrong")
    with pytest.raises(FigureError) as refused:
        check_figures([twice, make_study(tmp_path / "c"), wrong])
    faults = str(refused.value).splitlines()[1:]
    already = "id = one.accuracy: this figure stands in line 2 already"
    assert faults[:2] == [f"  {twice.published}/figures.yaml, line {line}: {already}" for line in (3, 4)]
    assert faults[2].startswith(f"  {wrong.published}/figures.yaml, line 2: this is not YAML (")
    assert len(faults) == 3


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"figures:\n  - {id: a\n  - {id: b}\n", ", line 3: this is not YAML (did not find expected ',' or '}')"),
        (b"a: \xff", ": this is not YAML ('utf-8' codec can't decode byte"),
        (b"a: \0", ": this is not YAML ("),
        *(
            (content, ", line 1: expected the key `figures` with a list of entries, each of keys with values")
            for content in (b"", b"[]", b"figures:", b"figures: {a: 1}", b"figures: [a]", b"figure: []")
        ),
    ],
)
def test_a_file_that_holds_no_figures_is_refused(tmp_path, content, fault):
    made = make_study(tmp_path)
    (made.published / "figures.yaml").write_bytes(content)
    with pytest.raises(FigureError) as refused:
        check_figures([made])
    (line,) = str(refused.value).splitlines()[1:]
    assert line.startswith(f"  {made.published}/figures.yaml{fault}")


# The studies of the project ------------------------------------------------------------------------


def test_what_the_studies_publish_can_be_compared_and_every_figure_has_a_claim_of_its_own():
    studies = discover().values()
    check_figures(studies)
    for study in studies:
        figures = load_figures(study)
        assert len({figure.claim for figure in figures}) == len(figures)
        assert all(deviation.source and deviation.effect for deviation in load_deviations(study))
