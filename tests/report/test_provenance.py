"""Cost and provenance, from made cells."""

import json

import pytest
from made_cells import finish_cell, make_cell, write_plan
from made_report import describe_study

from gradlab.engine.results import load_results
from gradlab.engine.verify import Comparison, MetricDifference, Repeat
from gradlab.files import sha256
from gradlab.report.provenance import describe_data, describe_provenance, describe_repeats, measure_cost

STUDIES = {name: describe_study(name) for name in ("slopes", "areas")}


@pytest.fixture
def study(tmp_path):
    """Three cells of two studies that ran for 60, 30 and 7200 s, one that is missing, and the data of two of them."""
    data = tmp_path / "data/made/dataset.json"
    data.parent.mkdir(parents=True)
    data.write_text(json.dumps({"name": "made", "content": {"images": "sha256:0123"}}))
    ran = {
        "slopes/corrected/1": ([1, 0], 60, "10:00:00", "abc", [data]),
        "slopes/corrected/2": ([2], 30, "09:00:00", "abc", [data]),
        "areas/published/final": ([], 7200, "11:30:00", "def", []),
    }
    cells = {"areas/published/missing": {}}
    for name, (seeds, seconds, started, commit, inputs) in ran.items():
        cells[name] = make_cell(name, {}, replicates=seeds)
        (tmp_path / "results" / name).mkdir(parents=True)
        finish_cell(
            tmp_path / "results" / name,
            {},
            inputs=inputs,
            wall_seconds=seconds,
            started=f"2026-01-01T{started}+00:00",
            git={"commit": commit, "dirty": commit == "def"},
            machine={"cpu": "made", "cores": 2, "system": "made", "threads": 1, "gpu": "made GPU" if inputs else None},
            rounding={"asked": None, "measured": {"torch": {"capability": "AVX2"}} if inputs else {}},
        )
    plan = write_plan(tmp_path / "results", cells)
    return lambda: load_results(plan)


def test_cost_is_added_up_by_study_and_protocol(study):
    times, where = measure_cost(study(), STUDIES)
    rows = [[item.value if hasattr(item, "cells") else item for item in row] for row in times.rows]
    assert rows == [
        ["Slopes", "corrected", 2, "1.5 min", "1", "1 min"],
        ["Areas", "published", 1, "2 h", "final", "2 h"],
        ["all", "", 3, "2 h", "final", "2 h"],
    ]
    assert times.rows[0][4].cells == ["slopes/corrected/1"]
    facts = dict(where.rows)
    assert facts["first cell started"] == "2026-01-01 09:00 UTC"
    assert facts["last cell ended"] == "2026-01-01 13:30 UTC"
    assert facts["processor"] == "made, 2 cores"
    assert facts["torch capability"] == "AVX2"  # of the cells that imported it
    assert facts["GPU"] == "made GPU"  # of those that used one


@pytest.mark.parametrize(
    "seeds, text",
    [
        ([4, 0, 1, 2, 3], "0, 1, 2, 3, 4"),
        (list(range(6)), "0 … 5"),
        ([7, *range(100, 1100), 2000, 2001], "7, 100 … 1099, 2000, 2001"),
    ],
)
def test_many_seeds_that_follow_one_another_are_told_by_their_ends(tmp_path, seeds, text):
    name = "slopes/corrected/1"
    (tmp_path / name).mkdir(parents=True)
    finish_cell(tmp_path / name, {})
    results = load_results(write_plan(tmp_path, {name: make_cell(name, {}, replicates=seeds)}))
    _, table = describe_provenance(results, STUDIES)
    assert table.rows == [["Slopes", "corrected", text]]


def test_provenance_counts_what_cells_do_not_share_and_names_the_seeds(study):
    facts, seeds = describe_provenance(study(), STUDIES)
    assert facts.rows == [
        ["commit", "abc (2 cells)"],
        ["commit", "def, with uncommitted changes (1 cell)"],
        ["python", "3"],
    ]
    assert seeds.rows == [
        ["Slopes", "corrected", "0, 1, 2"],
        ["Areas", "published", "those of the notebook"],
    ]


def test_data_are_named_by_the_digest_that_stands_in_the_manifests(study, tmp_path):
    (found,) = describe_data(study(), tmp_path / "data")
    description = tmp_path / "data/made/dataset.json"
    assert (found["name"], found["id"], found["digest"]) == ("made", "made", sha256(description))
    assert found["used"] and found["current"]
    assert found["table"].rows == [["images", "sha256:0123"]]
    description.write_text(json.dumps({"name": "made", "content": {"images": "sha256:4567"}}))
    (changed,) = describe_data(study(), tmp_path / "data")
    assert changed["used"] and not changed["current"]


def test_without_a_complete_cell_there_is_nothing_to_say(tmp_path):
    results = load_results(write_plan(tmp_path, {"slopes/published/jump": {}}))
    assert measure_cost(results, STUDIES) == describe_provenance(results, STUDIES) == []
    assert describe_data(results, tmp_path) == []


def test_damaged_data_are_named_and_keep_nothing_from_being_shown(study, tmp_path):
    (tmp_path / "data/made/dataset.json").write_text('{"name": ')
    (found,) = describe_data(study(), tmp_path / "data")
    assert (found["name"], found["used"], found["current"]) == ("made", True, False)
    assert found["table"].rows == [["dataset.json", "cannot be read; remove its folder"]]


def run_of(day, *, cpu="made", torch="2", git=None):
    return {
        "started": f"2026-01-0{day}T12:00:00+00:00",
        "wall_seconds": 1.0,
        "machine": {"cpu": cpu, "cores": 2, "system": "here", "threads": 1},
        "rounding": {"asked": None, "measured": {}},
        "versions": {"torch": torch},
        "git": git,
    }


def test_second_runs_are_described_with_what_differs_and_why_others_were_not_compared():
    commit = {"commit": "abc", "dirty": True}
    comparisons = {
        "s/p/same": Comparison("", run_of(1), run_of(3, git=commit), {"curves.csv": ("0", "0")}),
        "s/p/other": Comparison(
            "",
            run_of(1),
            run_of(2, cpu="new", torch="3"),
            {"curves.csv": ("0", "1"), "metrics.json": ("0", "1"), "curves.svg": ("0", "0")},
            MetricDifference("accuracy", 0.1, 0.30000000000000004),
        ),
        "s/p/figure": Comparison("", run_of(1), run_of(2), {"curves.svg": ("0", None)}),
        "s/p/old": Comparison("", run_of(1), run_of(4), {"curves.csv": ("0", "1")}),
        "s/p/one": Comparison("the second run is missing"),
        "s/p/two": Comparison("the second run is missing"),
        "s/p/failed now": Comparison("the second run failed"),
    }
    held = ("s/p/same", "s/p/other", "s/p/figure")
    repeats = {name: Repeat("same", "", "", comparisons[name]) for name in held}
    repeats |= {name: Repeat("none", "", "") for name in ("s/p/old", "s/p/one", "s/p/two")}
    second, differing, absent = describe_repeats(repeats, comparisons)
    assert second.rows == [
        ["first cell started", "2026-01-02 12:00 UTC"],
        ["last cell started", "2026-01-03 12:00 UTC"],
        ["processor", "made (2 cells)"],
        ["processor", "new (1 cell)"],
        ["commit", "abc, with uncommitted changes (1 cell)"],
        ["commit", "not in a repository (2 cells)"],
        ["setup that differs", "none (2 cells)"],
        ["setup that differs", "processor made and new; torch 2 and 3 (1 cell)"],
    ]
    assert [[row[0].cells, *row[1:]] for row in differing.rows] == [
        [["s/p/other"], "curves.csv, metrics.json", "accuracy", "0.1", "0.30000000000000004"],
        [["s/p/figure"], "curves.svg", None, None, None],
    ]
    assert [(row[0], row[1].value, row[1].cells) for row in absent.rows] == [
        ("the second run is missing", 2, ["s/p/one", "s/p/two"])
    ]
    assert describe_repeats({}, {}) == []
