"""What claims and sections are made from."""

import pandas as pd
import pytest
from made_cells import make_cell
from made_studies import make_study, run_cells, write

from gradlab.engine.ledger import build_ledger
from gradlab.engine.material import compare_runs, gather_material, list_comparisons, ran_with
from gradlab.lab.stats import adjust_family

FIGURES = """
logs:
  - {id: log, file: curves.csv, rows: {setting: a}, index: pass, columns: {test_loss: {split: test, metric: loss}}, cell: one,
     source: M, claim: log, rule: exact}
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
    write(studies["made"].published / "curves.csv", "setting,pass,test_loss\na,0,0.5\na,1,0.25\nb,0,0.75\n")
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


def test_published_logs(made):
    assert made.log("log").values.tolist() == [[0, "test", "loss", 0.5], [1, "test", "loss", 0.25]]
    assert made.logs_of("run", ["log", "log"])["run"].tolist() == ["log"] * 4
    assert [log.id for log in made.logs] == ["log"]


COMPARISONS = """
from gradlab.engine.material import compare_runs

COMPARISONS = {{
    "a − b": lambda material: compare_runs(material.runs("{study}.a"), material.runs("{study}.b")),
    "a − none": lambda material: compare_runs(material.runs("{study}.a"), material.runs("{study}.none")),
}}
"""


def test_the_comparisons_of_all_studies_are_one_family(tmp_path):
    studies, cells, metrics = {}, [], {}
    for study, difference in (("big", 1.0), ("small", 0.011)):
        key = f"{study}/corrected/arms"
        studies[study] = make_study(tmp_path, name=study, claims=COMPARISONS.format(study=study))
        cells.append(make_cell(key, {}, replicates=[0, 1, 2, 3], metrics=[f"{study}.{arm}" for arm in "ab"]))
        metrics[key] = {
            f"{study}.a": [difference, difference + 0.008, difference - 0.008, difference],
            f"{study}.b": [0.0] * 4,
        }
    results = run_cells(tmp_path / "results", cells, metrics)
    materials = gather_material(studies, results, build_ledger(results, studies, root=tmp_path / "results"))
    alone = {
        name: compare_runs(material.runs(f"{name}.a"), material.runs(f"{name}.b"))
        for name, material in materials.items()
    }
    found = {name: material.comparison("a − b") for name, material in materials.items()}
    assert found == adjust_family(alone)
    assert [comparison.direction for comparison in alone.values()] == [1, 1]
    assert [comparison.family for comparison in found.values()] == [2, 2]
    assert found["big"].level == 0.975
    assert materials["big"].comparison("a − none") is None
    listed = list_comparisons(materials.values())
    assert [(item["study"], item["name"], item["direction"]) for item in listed] == [
        ("big", "a − b", 1),
        ("small", "a − b", 1),
    ]


def test_arms_are_compared_over_the_seeds_that_both_plan():
    first, second = {0: 1.0, 1: 2.0, 2: 3.0, 5: 9.0}, {0: 0.5, 1: 1.0, 2: 1.5, 6: 9.0}
    found = compare_runs(first, second)
    assert found.n == 3 and found.mean == pytest.approx(1.0)
    assert compare_runs(first, {6: 9.0}) is None
