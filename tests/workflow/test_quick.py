"""The quick study, end to end on the real data: every kind of cell, the ledger, what runs again and what does not."""

import json
import os
import shutil

import pytest
from workflow.conftest import Copy

from gradlab.cell import run_cell
from gradlab.files import sha256
from gradlab.published import load_figures

pytestmark = pytest.mark.workflow

AUTODIFF = {f"autodiff/published/{case}" for case in ("jump", "power", "halving", "step")}
AUGMENTATION = {f"augmentation/published/{setting}" for setting in ("none", "train", "test", "both")}
BATCH_SIZE = {f"batch_size/published/{size}" for size in (1, 2, 4, 8, 16)}
TRAININGS = {
    f"regularization/published/{cell}"
    for cell in [
        *("overfit-20", "overfit-100", "one_cycle", "three_cycles", "final"),
        *("variant-flips", "variant-binary_cross_entropy"),
        *(f"coarse-{point}" for point in range(8)),
        *(f"fine-{point}" for point in range(10)),
    ]
}
SEARCHES = {"regularization/published/coarse", "regularization/published/fine"}
REGULARIZATION = TRAININGS | SEARCHES | {"regularization/published/gradient_check"}
REPORT = {"Rendering"}


def test_every_published_cell_ran_and_its_files_are_those_of_its_manifest(quick):
    plan = quick.read("results/quick/plan.json")
    assert set(plan["cells"]) == AUTODIFF | AUGMENTATION | BATCH_SIZE | REGULARIZATION
    for name in plan["cells"]:
        folder = quick.root / "results/quick" / name
        manifest = json.loads((folder / "manifest.json").read_text())
        assert {"notebook.ipynb", "metrics.json", "curves.csv"} < set(manifest["outputs"]), name
        assert any(file.endswith(".svg") for file in manifest["outputs"]), name
        assert {file.name for file in folder.iterdir()} == {*manifest["outputs"], "manifest.json"}
        assert all(sha256(folder / file) == digest for file, digest in manifest["outputs"].items())
        assert manifest["parameters"].items() >= plan["cells"][name].items()


def test_the_streams_of_the_augmentation_study_start_where_the_notebook_stood(quick):
    ledger = quick.read("results/quick/ledger.json")
    first = [entry for entry in ledger if ".pass_0." in entry["id"]]
    second = [entry for entry in ledger if ".pass_1." in entry["id"]]
    assert [entry["verdict"] for entry in first] == ["exact"] * 16
    assert [entry["verdict"] for entry in second] == ["within"] * 16


def test_what_does_not_depend_on_the_shortening_is_reproduced_and_the_rest_is_not_compared(quick):
    ledger = quick.read("results/quick/ledger.json")
    for entry in ledger:
        if entry["study"] == "autodiff":
            assert entry["verdict"] == "exact"
        elif entry["id"].startswith("gradient_check"):
            assert entry["verdict"] == "within"
        elif ".pass_" not in entry["id"]:
            assert entry["verdict"] == "not run"
            assert "other settings than published" in entry["note"] or "no cell" in entry["note"]


def test_every_published_figure_but_the_divergent_rates_is_measured(quick, project):
    measured = {}
    for name in quick.read("results/quick/plan.json")["cells"]:
        measured.setdefault(name.split("/")[0], set()).update(quick.read(f"results/quick/{name}/metrics.json"))
    unmeasured = {
        figure.id
        for figure in load_figures(project / "workflow/published")
        if ".pass_" not in figure.id and figure.id not in measured[figure.study]
    }
    assert unmeasured == {f"{size}.divergent_learning_rate" for size in (1, 2, 4, 8, 16)}


def test_overfitting_reaches_training_accuracy_1_on_20_images(quick):
    metrics = quick.read("results/quick/regularization/published/overfit-20/metrics.json")
    assert metrics["overfit-20.training_accuracy"] == 1


def test_a_second_run_has_nothing_to_do(quick):
    assert "Nothing to be done" in quick.snakemake().stdout


@pytest.mark.parametrize(
    "path, old, new, again",
    [
        ("src/gradlab/augment.py", '"""', '"""Edited. ', AUGMENTATION | REPORT),
        ("src/gradlab/twolayer.py", '"""', '"""Edited. ', REGULARIZATION | REPORT),
        ("src/gradlab/edge_cases.py", '"""', '"""Edited. ', AUTODIFF | REPORT),
        ("src/gradlab/mlp.py", '"""', '"""Edited. ', BATCH_SIZE | REPORT),
        ("src/gradlab/cell.py", '"""', '"""Edited. ', set()),
        ("src/gradlab/ledger.py", '"""', '"""Edited. ', REPORT),
        ("notebooks/batch_size.ipynb", "Batch size", "Batch sizes", BATCH_SIZE | REPORT),
        ("notebooks/lambda_search.ipynb", "search", "hunt", SEARCHES),
        ("workflow/report/style.css", "16px", "17px", REPORT),
        ("workflow/published/figures.yaml", "# rule", "# Rule", REPORT),
        ("config/config.yaml", "# The", "# the", set()),
        ("config/quick.yaml", "seeds: [0, 1]", "seeds: [0, 1, 2]", BATCH_SIZE | REPORT),
        ("config/config.yaml", "step: 1.0e-5", "step: 1.0e-6", {"regularization/published/gradient_check"} | REPORT),
        ("config/config.yaml", "[none, train, test, both]", "[none, train]", REPORT),
    ],
)
def test_an_edit_runs_again_what_depends_on_it_and_nothing_else(quick, path, old, new, again):
    with quick.edited(path, old, new):
        planned = quick.planned()
    if path == "notebooks/lambda_search.ipynb":
        # What a search finds goes into the fine runs and the final network, whatever it finds.
        assert again < planned <= REGULARIZATION | REPORT
        assert "regularization/published/coarse-0" not in planned
    else:
        assert planned == again


def test_touched_files_and_a_moved_project_run_nothing_again(quick, tmp_path):
    moved = Copy(tmp_path / "elsewhere", quick.options)
    shutil.copytree(quick.root, moved.root)
    for part in ("Snakefile", "config", "notebooks", "src", "workflow"):
        for path in [moved.root / part, *(moved.root / part).rglob("*")]:
            os.utime(path)
    assert moved.planned() == set()


@pytest.mark.parametrize(
    "name", ["augmentation/published/train", "autodiff/published/step", "regularization/published/variant-flips"]
)
def test_the_same_cell_twice_gives_the_same_bytes(quick, name, tmp_path, monkeypatch):
    monkeypatch.chdir(quick.root)
    notebook = {"augmentation": "augmentation", "autodiff": "autodiff", "regularization": "two_layer"}[
        name.split("/")[0]
    ]
    again = run_cell(
        name,
        quick.root / f"notebooks/{notebook}.ipynb",
        quick.read("results/quick/plan.json")["cells"][name],
        output=tmp_path / "again",
        log=tmp_path / "log.ipynb",
    )
    first = quick.read(f"results/quick/{name}/manifest.json")
    for outputs in (first["outputs"], again["outputs"]):
        del outputs["notebook.ipynb"]  # tells when it ran
    assert again["outputs"] == first["outputs"]
