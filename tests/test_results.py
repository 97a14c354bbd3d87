"""What a planned cell's files say of it."""

import json

import pytest
from made_cells import finish_cell

from gradlab.results import load_results

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
    assert cell().outdated == ("metrics.json is not the file that the cell wrote",)
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
