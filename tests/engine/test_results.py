"""What a planned cell's files say of it."""

import json

import pytest
from made_cells import RECIPE, finish_cell, make_cell, write_plan
from made_studies import run_cells

from gradlab.engine.results import PlanError, collect_runs, load_plan, load_results, pair_runs

NAME = "s/published/one"


@pytest.fixture
def cell(tmp_path):
    """A finished cell with one input, and a function that loads it under given parameters."""
    root, source = tmp_path / "results", tmp_path / "module.py"
    source.write_text("x = 1\n")
    folder = root / NAME
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text('{"a": 1}')
    (folder / "curves.csv").write_text("metric,value\n")
    finish_cell(folder, {"epochs": 8}, inputs=[source])

    def load(**parameters):
        return load_results(write_plan(root, {NAME: parameters or {"epochs": 8}}))[NAME]

    load.folder, load.source = folder, source
    return load


def test_a_cell_that_is_as_its_manifest_says_is_done(cell):
    assert (cell().status, cell().outdated) == ("done", ())
    assert cell().metrics == {"a": 1}


@pytest.mark.parametrize(
    "parameters, phrase",
    [
        ({"epochs": 9}, "ran with epochs = 8, planned is 9"),
        ({"epochs": 8, "rate": 1}, "ran with rate = None, planned is 1"),
        ({"rate": None}, "ran with epochs = 8, planned is None"),
    ],
)
def test_other_parameters_make_it_stale(cell, parameters, phrase):
    assert cell(**parameters).status == "stale"
    assert phrase in cell(**parameters).outdated


def test_a_changed_source_makes_it_stale_and_its_metrics_are_not_read(cell):
    cell.source.write_text("x = 2\n")
    assert cell().status == "stale"
    assert cell().outdated == (f"{cell.source} has changed since",)
    assert cell().metrics == {} and cell().curves.empty


def test_a_source_that_is_gone_is_passed_over(cell):
    cell.source.unlink()
    assert cell().status == "done"


def test_a_file_of_another_run_makes_it_stale(cell):
    (cell.folder / "metrics.json").write_text('{"a": 2}')
    assert cell().outdated == ("metrics.json is not the file that was written",)
    (cell.folder / "metrics.json").unlink()
    assert cell().outdated == ("metrics.json is missing",)


def test_without_a_manifest_it_is_missing_or_failed(cell, tmp_path):
    (cell.folder / "manifest.json").unlink()
    assert (cell().status, cell().notebook) == ("missing", None)
    log = tmp_path / f"results/logs/{NAME}.ipynb"
    log.parent.mkdir(parents=True)
    log.touch()
    assert cell().status == "missing"
    log.write_text("{}")
    assert (cell().status, cell().notebook) == ("failed", log)


def test_inputs_are_looked_up_in_the_working_directory_only_where_that_is_the_studys(cell, tmp_path):
    cell()
    cell.source.write_text("x = 2\n")
    plan = tmp_path / "results/plan.json"
    assert load_results(plan)[NAME].status == "stale"
    assert load_results(plan, look_up_inputs=False)[NAME].status == "done"
    (cell.folder / "metrics.json").write_text("{}")
    assert load_results(plan, look_up_inputs=False)[NAME].status == "stale"


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[:-1],
        lambda text: "[]",
        lambda text: '"manifest"',
        lambda text: text.replace('"outputs"', '"products"'),
        lambda text: text.replace('"wall_seconds": 1.5', '"wall_seconds": "long"'),
        lambda text: text.replace("2026-01-01T12", "yesterday"),
        lambda text: text.encode() + b"\xff",
    ],
)
def test_a_cell_whose_manifest_is_damaged_is_not_done_and_says_so(cell, damage):
    manifest = cell.folder / "manifest.json"
    damaged = damage(manifest.read_text())
    manifest.write_bytes(damaged if isinstance(damaged, bytes) else damaged.encode())
    assert cell().status == "stale"
    (phrase,) = cell().outdated
    assert phrase.startswith("its manifest cannot be read (")
    assert cell().manifest is None and cell().metrics == {} and cell().answers == [] and cell().curves.empty


def test_a_folder_in_the_place_of_a_manifest_is_said_to_be_one(cell):
    (cell.folder / "manifest.json").unlink()
    (cell.folder / "manifest.json").mkdir()
    assert cell().outdated == ("its manifest cannot be read (Is a directory)",)


@pytest.mark.parametrize(
    "text, message",
    [
        (None, "there is no plan .*plan.json; the workflow writes it when it starts a job: run `make report`"),
        ('{"cells": {', "plan.json is not JSON .*: run `make report`"),
        ("[]", "plan.json is not a plan of this version; .*: run `make report`"),
        ('{"cells": []}', "plan.json is not a plan of this version"),
        ('{"cells": {"s/published/one": 1}}', "plan.json is not a plan of this version"),
        (
            '{"cells": {"s/published/one": {"notebook": "n", "parameters": {}}}}',
            "plan.json is not a plan of this version",
        ),
    ],
)
def test_a_plan_that_cannot_be_read_says_what_writes_it(tmp_path, text, message):
    if text is not None:
        (tmp_path / "plan.json").write_text(text)
    for load in (load_plan, load_results):
        with pytest.raises(PlanError, match=message):
            load(tmp_path / "plan.json")


def test_a_folder_in_the_place_of_the_plan_is_said_to_be_one(tmp_path):
    with pytest.raises(PlanError, match="cannot be read: Is a directory"):
        load_plan(tmp_path)


@pytest.mark.parametrize(
    ("key", "content", "message"),
    [
        ("s/one", {}, "is not a plan of this version: zip"),
        ("s/printed/one", {}, "is not a plan of this version: s/printed/one: the protocol is 'printed'"),
        (NAME, {"resources": {"kilobytes": 1}}, "is not a plan of this version: .*kilobytes"),
        (NAME, {"parameters": 1}, "is not a plan of this version: .*int"),
    ],
)
def test_a_plan_of_cells_that_there_cannot_be_is_none_of_this_version(tmp_path, key, content, message):
    every = {"notebook": "n", "parameters": {}, "given": {}, "packages": {}, "rounding": None, "recipe": RECIPE}
    (tmp_path / "plan.json").write_text(json.dumps({"cells": {key: {**every, **content}}}))
    with pytest.raises(PlanError, match=message):
        load_results(tmp_path / "plan.json")


def test_the_commit_of_a_cell_is_that_of_its_manifest(cell):
    assert cell().commit is None
    for dirty, said in ((False, "abc"), (True, "abc, with uncommitted changes")):
        finish_cell(cell.folder, {"epochs": 8}, git={"commit": "abc", "dirty": dirty})
        assert cell().commit == said


# Runs ----------------------------------------------------------------------------------------------


def test_a_metric_by_the_seeds_of_its_runs(tmp_path):
    cells = {
        "s/corrected/stack": (dict(replicates=[2, 5, 7]), {"loss": [0.5, None, 0.25], "rate": 3}),
        "s/corrected/one": (dict(replicates=[0]), {"loss": 1.0}),
        "s/corrected/three": (dict(replicates=[3]), {"loss": [2.0]}),
        "s/corrected/planned": (dict(replicates=[8, 9]), None),
        "s/published/once": ({}, {"loss": 4.0}),
        "s/published/never": ({}, None),
    }
    planned = [make_cell(key, {}, **fields) for key, (fields, _) in cells.items()]
    written = {key: metrics for key, (_, metrics) in cells.items() if metrics is not None}
    stack, one, three, absent, once, never = run_cells(tmp_path, planned, written).values()
    assert collect_runs([stack, one, three], "loss") == {2: 0.5, 5: None, 7: 0.25, 0: 1.0, 3: 2.0}
    assert collect_runs([stack, one], "other") == {2: None, 5: None, 7: None, 0: None}
    assert collect_runs([absent], "loss") == {8: None, 9: None}
    assert collect_runs([once], "loss") == {None: 4.0} and collect_runs([never], "loss") == {None: None}
    assert collect_runs([stack], "rate") == {None: 3}
    assert collect_runs([], "loss") == {}


def test_a_list_of_another_length_than_there_are_replicates_is_refused(tmp_path):
    planned = [make_cell(NAME, {}, replicates=[1, 2])]
    results = run_cells(tmp_path, planned, {NAME: {"loss": [1.0, 2.0, 3.0]}}).values()
    with pytest.raises(ValueError, match="loss of s/published/one has 3 values for 2 replicates"):
        collect_runs(results, "loss")


def test_pairs_are_of_the_seeds_that_both_arms_plan():
    assert pair_runs({0: 1.0, 1: 2.0, 2: None}, {1: 5.0, 2: 6.0, 3: 7.0}) == ([2.0, None], [5.0, 6.0])
