"""What a planned cell's files say of it."""

import json

import pytest
from made_cells import finish_cell

from gradlab.engine.results import PlanError, load_plan, load_results

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
        (root / "plan.json").write_text(json.dumps({"cells": {NAME: parameters or {"epochs": 8}}}))
        return load_results(root / "plan.json")[NAME]

    load.folder, load.source = folder, source
    return load


def test_a_cell_that_is_as_its_manifest_says_is_done(cell):
    assert (cell().status, cell().outdated) == ("done", ())
    assert cell().metrics == {"a": 1}


@pytest.mark.parametrize(
    "parameters, phrase",
    [
        ({"epochs": 9}, "ran with epochs = 8, planned is 9"),
        ({"epochs": 8, "seed": 1}, "ran with seed = None, planned is 1"),
        ({"seed": None}, "ran with epochs = 8, planned is None"),
    ],
)
def test_other_parameters_make_it_stale(cell, parameters, phrase):
    assert cell(**parameters).status == "stale"
    assert phrase in cell(**parameters).outdated


def test_a_changed_source_makes_it_stale_and_its_metrics_are_not_read(cell):
    cell.source.write_text("x = 2\n")
    assert cell().status == "stale"
    assert cell().outdated == (f"{cell.source} has changed since",)
    assert cell().metrics == {} and cell().curves is None


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
    assert cell().manifest is None and cell().metrics == {} and cell().answers == [] and cell().curves is None


@pytest.mark.parametrize(
    "text, message",
    [
        (None, "there is no plan .*plan.json; the workflow writes it when it starts a job: run `make report`"),
        ('{"cells": {', "plan.json is not JSON .*: run `make report`"),
        ("[]", "plan.json is not a plan: it holds no parameters of cells; .*: run `make report`"),
        ('{"cells": []}', "plan.json is not a plan"),
        ('{"cells": {"s/published/one": 1}}', "plan.json is not a plan"),
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
