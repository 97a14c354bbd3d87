"""Published figures of the CIFAR-10 notebook from single cells, each run on its own under the whole configuration."""

import json
from pathlib import Path

import pytest

from gradlab.engine.cell import run_cell
from gradlab.engine.figures import load_figures
from gradlab.engine.study import discover
from gradlab.engine.verdicts import judge
from gradlab.studies.regularization.search import lambda_grid, refined_grid

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def figures():
    return {figure.id: figure for figure in load_figures(discover()["regularization"])}


@pytest.mark.parametrize("cell, metric", [("three_cycles", "test_accuracy"), ("coarse-5", "validation_accuracy")])
def test_one_cell_alone_gives_its_figure(copy_project, figures, cell, metric):
    copy = copy_project()
    folder = f"results/regularization/published/{cell}"
    copy.snakemake(f"{folder}/metrics.json")
    assert [path.name for path in (copy.root / "results/regularization/published").iterdir()] == [cell]
    value = copy.read(f"{folder}/metrics.json")[f"{cell}.{metric}"]
    assert judge(figures[f"{cell}.{metric}"], value).verdict == "exact", value


@pytest.mark.parametrize("name, printed", [("fine-1", 1), ("final", 2)])
def test_a_run_with_the_published_best_lambda_gives_its_figures(
    project, prepared_data, figures, tmp_path, monkeypatch, name, printed
):
    """With fewer points in its curves: they do not move what it trains."""
    monkeypatch.chdir(project)
    study = discover()["regularization"]
    (cell,) = (cell for cell in study.cells(study.config()) if cell.key == f"regularization/published/{name}")
    grid = lambda_grid(8).tolist()
    best = grid.index(float(figures["coarse.best_lambda"].value))
    found = {
        "coarse.refined_grid": refined_grid(grid, best, 10).tolist(),
        "fine.best_lambda": float(figures["fine.best_lambda"].value),
    }
    search = tmp_path / "search.json"
    search.write_text(json.dumps(found))
    run_cell(
        cell.key,
        Path(cell.template),
        {
            **cell.parameters,
            "data": str(prepared_data / "cifar10"),
            "search": str(search),
            "evaluate_every": cell.parameters["n_s"],
        },
        output=tmp_path / "cell",
        log=tmp_path / "log.ipynb",
    )
    values = json.loads((tmp_path / "cell/metrics.json").read_text())
    judged = {metric: judge(figures[metric], values[metric]).verdict for metric in values if metric in figures}
    assert [*judged.values()] == ["exact"] * printed
