"""Published figures of the CIFAR-10 notebook from single cells, each run on its own under the whole configuration."""

import json

import pytest

from gradlab.engine.cell import run_cell
from gradlab.engine.figures import load_figures
from gradlab.engine.ledger import judge
from gradlab.studies.regularization.search import lambda_grid, refined_grid

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def figures(project):
    return {figure.id: figure for figure in load_figures(project / "workflow/published")}


@pytest.mark.parametrize("cell, metric", [("three_cycles", "test_accuracy"), ("coarse-5", "validation_accuracy")])
def test_one_cell_alone_gives_its_figure(copy_project, figures, cell, metric):
    copy = copy_project()
    folder = f"results/regularization/published/{cell}"
    copy.snakemake(f"{folder}/metrics.json")
    assert [path.name for path in (copy.root / "results/regularization/published").iterdir()] == [cell]
    value = copy.read(f"{folder}/metrics.json")[f"{cell}.{metric}"]
    assert judge(figures[f"{cell}.{metric}"], value).verdict == "exact", value


RUNS_AFTER_A_SEARCH = {
    "fine-1": {
        "train_rows": [5000, 50000],
        "validation_rows": [0, 5000],
        "search_index": 1,
        "n_s": 900,
        "epochs": 12,
        "earlier_epochs": [8] * 8 + [12],
        "evaluate_every": 900,
        "test": False,
    },
    "final": {
        "train_rows": [1000, 50000],
        "validation_rows": [0, 1000],
        "n_s": 500,
        "epochs": 10,
        "evaluate_every": 500,
    },
}


@pytest.mark.parametrize("cell", RUNS_AFTER_A_SEARCH)
def test_a_run_with_the_published_best_lambda_gives_its_figures(
    project, prepared_data, figures, tmp_path, monkeypatch, cell
):
    monkeypatch.chdir(project)
    grid = lambda_grid(8).tolist()
    best = grid.index(float(figures["coarse.best_lambda"].value))
    found = {
        "coarse.refined_grid": refined_grid(grid, best, 10).tolist(),
        "fine.best_lambda": float(figures["fine.best_lambda"].value),
    }
    search = tmp_path / "search.json"
    search.write_text(json.dumps(found))
    run_cell(
        f"regularization/published/{cell}",
        project / "notebooks/two_layer.ipynb",
        {"cell": cell, "data": str(prepared_data / "cifar10"), "search": str(search), **RUNS_AFTER_A_SEARCH[cell]},
        output=tmp_path / "cell",
        log=tmp_path / "log.ipynb",
    )
    values = json.loads((tmp_path / "cell/metrics.json").read_text())
    printed = [name for name in values if name in figures]
    assert len(printed) == {"fine-1": 1, "final": 2}[cell]
    assert {name: judge(figures[name], values[name]).verdict for name in printed} == dict.fromkeys(printed, "exact")
