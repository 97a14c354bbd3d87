"""What the report's first screen says, from made entries and results."""

import pytest
from made_cells import finish_cell, write_plan
from made_report import describe_study
from made_report import make_entry as entry

from gradlab.engine.ledger import Ledger, LogEntry
from gradlab.engine.results import load_results
from gradlab.engine.study import discover
from gradlab.engine.verify import Repeat
from gradlab.report.overview import (
    describe_trouble,
    list_deviations,
    list_differences,
    list_verdicts,
    print_corrected,
    print_reproduced,
    summarise,
    summarise_repeats,
    tabulate_causes,
    tabulate_power,
)


def as_typed(texts):
    return tuple(text.replace("\N{NO-BREAK SPACE}", " ") for text in texts)


def test_two_sentences_count_cells_and_verdicts(tmp_path):
    (tmp_path / "slopes/published/jump").mkdir(parents=True)
    finish_cell(tmp_path / "slopes/published/jump", {})
    results = load_results(write_plan(tmp_path, {"slopes/published/jump": {}, "slopes/published/power": {}}))
    verdicts = ["exact"] * 3 + ["reproduced"] * 2 + ["compatible", "not reproduced", "not reproduced", "not run"]
    assert summarise(results, [entry(verdict=verdict) for verdict in verdicts]) == (
        "1 of 2 planned experiments ran again, each in a notebook of its own. Of the 9 numbers that the notebooks print, 3 are "
        "the same to the last printed digit, 2 are reproduced, 1 is compatible with ours, 2 are not reproduced and 1 was not "
        "compared."
    )
    assert describe_trouble(results) == "1 missing (slopes/published/power)"
    assert describe_trouble({name: cell for name, cell in results.items() if cell.status == "done"}) == ""
    assert list_verdicts([entry(), entry(), entry(verdict="not run")]) == [("=", "exact", 2), ("–", "not run", 1)]


def test_trouble_names_the_first_five_cells_of_each_state(tmp_path):
    results = load_results(write_plan(tmp_path, {f"slopes/published/case-{number}": {} for number in range(7)}))
    shown = ", ".join(f"slopes/published/case-{number}" for number in range(5))
    assert describe_trouble(results) == f"7 missing ({shown} and 2 more)"


@pytest.mark.parametrize(
    "reproduced, low, high, printed",
    [
        (None, None, None, ("–", "")),
        (-1728.0, None, None, ("-1728", "")),
        ([0.5, 0.52, 0.51], 0.4612345, 0.56, ("0.51", "[0.4612, 0.56], n = 3")),
        ([30, 34, 35.5], 20.00000, 45.25, ("33.1667", "[20, 45.25], n = 3")),
        ([200_000.0, 232_000.0], 171_342.9, 260_657.1, ("216000", "[171343, 260657], n = 2")),
        ([30, None], None, None, ("30", "1 of 2 runs")),
        ([30, 34, None], 20.0, None, ("32", "[20, ∞), 2 of 3 runs")),
        ([None, None], None, None, ("–", "")),
    ],
)
def test_our_value_is_printed_with_interval_and_number(reproduced, low, high, printed):
    assert as_typed(print_reproduced(entry(reproduced=reproduced, low=low, high=high))) == printed


def test_our_value_has_all_digits_of_the_published_one():
    exact = entry(published="0.007196856730011514", reproduced=0.007196856730011514)
    assert print_reproduced(exact) == ("0.007196856730011514", "")


@pytest.mark.parametrize(
    "n, missing, mean, low, high, printed",
    [
        (None, None, None, None, None, ("–", "")),
        (3, 0, 0.87321, 0.85, 0.89, ("0.8732", "[0.85, 0.89], n = 3")),
        (2, 3, 33750.0, None, None, ("33750", "2 of 5 runs")),
        (0, 5, None, None, None, ("–", "in none of 5 runs")),
        (1, 0, 0.0019, None, None, ("0.0019", "")),
    ],
)
def test_corrected_runs_are_printed_with_interval_and_number(n, missing, mean, low, high, printed):
    corrected = dict(zip(("n", "missing", "mean", "low", "high"), (n, missing, mean, low, high), strict=True))
    found = print_corrected(entry(**{f"corrected_{name}": value for name, value in corrected.items()}))
    assert as_typed(found) == printed


def test_figures_that_differ_stand_alone_and_those_not_compared_by_their_reason():
    entries = [
        entry(verdict="exact"),
        entry(
            verdict="not reproduced", claim="off", reproduced=0.7, note="bound 0.1", cause="misprint", cells=["s/p/one"]
        ),
        *(entry(verdict="not run", claim=f"claim {n}", note="the cell failed", cells=["s/p/two"]) for n in range(7)),
        entry(verdict="not run", claim="other", note="no cell measures it"),
    ]
    studies = {"slopes": describe_study("slopes")}
    differ, absent = list_differences(entries, studies)
    (row,) = differ.rows
    study, claim, published, ours, against, cause = row
    assert (study, claim, published, against, cause) == ("Slopes", "off", "0.5", "bound 0.1", "misprint")
    assert (ours.value, ours.cells) == ("0.7", ["s/p/one"])
    assert [row[3] for row in absent.rows] == ["no cell measures it", "the cell failed"]
    failed = next(row for row in absent.rows if row[3] == "the cell failed")
    assert (failed[1].value, failed[1].cells) == (7, ["s/p/two"])
    assert failed[2] == "claim 0, claim 1, claim 2, claim 3, claim 4 and 2 more"
    assert list_differences(entries[:1], studies) == []


def test_causes_are_counted_by_verdict():
    entries = [entry(cause="same digits")] * 2 + [entry(verdict="reproduced", cause="rounding")]
    entries += [entry(verdict="not reproduced", cause="rounding")]
    table = tabulate_causes(entries)
    assert table.header == ["Cause", "exact", "reproduced", "not reproduced", "All"]
    assert table.rows == [["same digits", 2, None, None, 2], ["rounding", None, 1, 1, 2]]


def test_the_table_of_power_has_every_log_and_every_figure_that_stands_alone():
    log = LogEntry("a", "slopes", "log a", "M", "follows", "loss", 9, {}, "reproduced", "", 1.0, "")
    entries = [
        entry(rule="follows", power=1.0),
        entry(rule="interval", power=0.2, claim="b", verdict="compatible"),
        entry(rule="exact"),
    ]
    studies = {"slopes": describe_study("slopes")}
    table = tabulate_power(Ledger(entries, [], [log]), studies)
    assert table.rows == [
        ["Slopes", "log a", "follows", "1.00", "reproduced"],
        ["Slopes", "b", "interval", "0.20", "compatible"],
    ]
    assert tabulate_power(Ledger(entries[2:], [], []), studies) is None


def test_deviations_are_those_of_the_studies_that_are_shown(made):
    deviation = {"source": "Notes 2", "notebook": "does", "here": "ours", "effect": "none"}
    made.add_study("slopes", deviations=[deviation])
    made.add_study("areas")
    studies = discover([str(made.package)])
    table = list_deviations(studies.values())
    assert table.rows == [["Slopes, Notes 2", "does", "ours", "none"]]
    assert list_deviations([studies["areas"]]) is None


@pytest.mark.parametrize(
    "states, sentence",
    [
        ([], ""),
        (["same"] * 48, "48 of 48 complete cells were run a second time, with the same bytes."),
        (["same"], "1 of 1 complete cells was run a second time, with the same bytes."),
        (
            ["same", "same", "differs", "changed", "none", "none"],
            "2 of 6 complete cells were run a second time, with the same bytes; 1 with other bytes (s/p/2); "
            "1 has changed since; 2 were not run again.",
        ),
        (
            ["none", "changed", "changed"],
            "0 of 3 complete cells were run a second time, with the same bytes; 2 have changed since; 1 was not run again.",
        ),
    ],
)
def test_one_sentence_counts_second_runs(states, sentence):
    assert summarise_repeats({f"s/p/{n}": Repeat(state, "", "") for n, state in enumerate(states)}) == sentence
