"""What claims and sections are made from."""

import pandas as pd
import pytest
from made_cells import make_cell
from made_studies import make_study, run_cells, write

from gradlab.engine.ledger import build_ledger
from gradlab.engine.material import compare_runs, gather_material, ran_with

FIGURES = """
figures:
  - {id: one.loss, value: "0.50", source: M, claim: loss, rule: exact, settings: {epochs: 8}}
  - {id: two.loss, value: "0.25", source: M, claim: loss of two, rule: exact}
"""
CELLS = [
    make_cell("made/published/one", {"epochs": 8}, metrics=["one.loss"]),
    make_cell("made/published/two", {"epochs": 9}, metrics=["two.loss"]),
    make_cell("made/corrected/one-0", {}, metrics=["one.loss"], replicates=[0]),
    make_cell("made/corrected/one-1", {}, metrics=["one.loss"], replicates=[1]),
    make_cell("made/corrected/other", {}, metrics=["two.loss"], replicates=[0]),
    make_cell("late/published/one", {}),
]
METRICS = {
    "made/published/one": {"one.loss": 0.5},
    "made/corrected/one-1": {"one.loss": 0.75},
    "late/published/one": {"late": 1},
}


@pytest.fixture
def gathered(tmp_path):
    """The material of two made studies; of one of them, three of five cells have not run."""
    studies = {"made": make_study(tmp_path, figures=FIGURES), "late": make_study(tmp_path, name="late")}
    curves = {"made/published/one": pd.DataFrame([("loss", 0.5)], columns=["metric", "value"])}
    results = run_cells(tmp_path / "results", CELLS, METRICS, curves)
    return gather_material(studies, results, build_ledger(results, studies, root=tmp_path / "results"))


@pytest.fixture
def made(gathered):
    return gathered["made"]


def names(cells):
    return [cell.name for cell in cells]


def test_every_study_has_its_own_cells_and_entries(gathered):
    made, late = gathered.values()
    assert list(made.results) == [cell.key.partition("/")[2] for cell in CELLS[:5]]
    assert list(late.results) == ["published/one"]
    assert ([entry.id for entry in made.entries], late.entries) == (["one.loss", "two.loss"], [])
    assert (made.study.name, late.study.name) == ("made", "late")


def test_cells_are_found_by_protocol_pattern_and_metric(made):
    assert list(made.done()) == ["one"] and list(made.done("corrected")) == ["one-1"]
    assert names(made.find("corrected/one-*")) == ["made/corrected/one-0", "made/corrected/one-1"]
    assert names(made.find("published/one", "*/one")) == ["made/published/one"]
    assert made.find("one") == made.find() == []
    assert made.names_done(["corrected/*", "*/one*"]) == ("made/corrected/one-1", "made/published/one")
    assert names(made.corrected("one.loss")) == ["made/corrected/one-0", "made/corrected/one-1"]
    assert made.corrected("zero.loss") == []


def test_values_are_there_or_none(made):
    assert made.metric("published/one", "one.loss") == 0.5
    for cell, metric in (("published/one", "two.loss"), ("published/two", "two.loss"), ("published/zero", "x")):
        assert made.metric(cell, metric) is None
    assert made.runs("one.loss") == {0: None, 1: 0.75}
    assert made.curves("setting").values.tolist() == [["loss", 0.5, "one"]]


def test_figures_are_found_by_their_names(made):
    assert made.entry("one.loss").verdict == "exact"
    assert made.published_text("one.loss") == "0.50"
    assert made.entry("zero.loss") is None and made.published_text("zero.loss") is None


def test_whether_cells_ran_as_published(made):
    one, two, *_ = made.results.values()
    assert made.as_published("one.loss", [one]) and ran_with([one], {"epochs": 8})
    assert not ran_with([one], {"epochs": 9}) and not ran_with([one], {"rate": 1})
    assert not made.as_published("one.loss", [one, two])
    assert not ran_with([two], {})  # it has not run
    assert ran_with([], {"epochs": 8})


def test_the_published_log(made):
    write(made.study.published / "curves.csv", "setting,pass,test_loss\na,0,0.5\n")
    assert made.log().values.tolist() == [["a", 0, "test", "loss", 0.5]]


def test_arms_are_compared_over_the_seeds_that_both_plan():
    first, second = {0: 1.0, 1: 2.0, 2: 3.0, 5: 9.0}, {0: 0.5, 1: 1.0, 2: 1.5, 6: 9.0}
    found = compare_runs(first, second)
    assert found.n == 3 and found.mean == pytest.approx(1.0)
    assert compare_runs(first, {6: 9.0}) is None
