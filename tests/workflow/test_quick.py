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

TORCH_FUNCTIONS = {"autodiff/corrected/torch_functions"}
AUTODIFF = {f"autodiff/published/{case}" for case in ("jump", "power", "halving", "step")}
REPLAYS = {f"augmentation/published/{setting}" for setting in ("none", "train", "test", "both")}
SEEDED = {f"augmentation/corrected/{training}-{seed}" for training in ("clean", "augmented") for seed in (0, 1)}
AUGMENTATION = REPLAYS | SEEDED
LEARNING_RATES = {f"batch_size/corrected/search-{size}" for size in (1, 16)}
FOUND_RATES = {f"batch_size/corrected/{size}" for size in (1, 16)}
BATCH_SIZE = {f"batch_size/published/{size}" for size in (1, 2, 4, 8, 16)} | FOUND_RATES
PUBLISHED_TRAININGS = {
    f"regularization/published/{cell}"
    for cell in [
        *("overfit-20", "one_cycle", "three_cycles", "final"),
        *(f"{search}-{point}" for search in ("coarse", "fine") for point in range(2)),
    ]
}
FINALS = {
    f"regularization/corrected/{cell}-{seed}"
    for cell in ("final", "variant-flips", "variant-binary_cross_entropy")
    for seed in (0, 1)
}
OVERFITTING = {f"regularization/corrected/overfit-100-{seed}" for seed in (0, 1)}
TRAININGS = PUBLISHED_TRAININGS | FINALS | OVERFITTING
COARSE_GRIDS, FINE_GRIDS = (
    {f"regularization/corrected/{search}-{seed}" for seed in (0, 1)} for search in ("coarse", "fine")
)
GRIDS = COARSE_GRIDS | FINE_GRIDS
SEARCHES = {"regularization/published/coarse", "regularization/published/fine"}
CHOICES = {"regularization/corrected/coarse", "regularization/corrected/fine"}
GRADIENT_CHECK = {"regularization/published/gradient_check"}
ROW_ORDER = {"regularization/corrected/row_order"}
REGULARIZATION = TRAININGS | SEARCHES | GRIDS | CHOICES | GRADIENT_CHECK | ROW_ORDER
CELLS = AUTODIFF | TORCH_FUNCTIONS | AUGMENTATION | LEARNING_RATES | BATCH_SIZE | REGULARIZATION
REPORT = {"Rendering"}


def test_every_cell_ran_and_its_files_are_those_of_its_manifest(quick):
    plan = quick.read("results/quick/plan.json")
    assert set(plan["cells"]) == CELLS
    for name in plan["cells"]:
        folder = quick.root / "results/quick" / name
        manifest = json.loads((folder / "manifest.json").read_text())
        assert {"notebook.ipynb", "metrics.json", "curves.csv"} < set(manifest["outputs"]), name
        assert any(file.endswith(".svg") for file in manifest["outputs"]), name
        assert {file.name for file in folder.iterdir()} == {*manifest["outputs"], "manifest.json"}
        assert all(sha256(folder / file) == digest for file, digest in manifest["outputs"].items())
        assert manifest["parameters"].items() >= plan["cells"][name].items()


def test_the_streams_of_the_augmentation_study_start_where_the_notebook_stood(quick):
    ledger = quick.read("results/quick/ledger.json")["figures"]
    first = [entry for entry in ledger if ".pass_0." in entry["id"]]
    second = [entry for entry in ledger if ".pass_1." in entry["id"]]
    assert [entry["verdict"] for entry in first] == ["exact"] * 16
    assert [entry["verdict"] for entry in second] == ["within"] * 16


def test_what_does_not_depend_on_the_shortening_is_reproduced_and_the_rest_is_not_compared(quick):
    ledger = quick.read("results/quick/ledger.json")["figures"]
    for entry in ledger:
        if entry["study"] == "autodiff":
            assert entry["verdict"] == "exact"
        elif entry["id"].startswith("gradient_check"):
            assert entry["verdict"] == "within"
        elif ".pass_" not in entry["id"]:
            assert entry["verdict"] == "not run"
            assert "other settings than published" in entry["note"] or "not part of this study" in entry["note"]


def test_every_published_figure_of_a_planned_cell_is_measured(quick, project):
    plan = quick.read("results/quick/plan.json")["cells"]
    measured = {}
    for name in plan:
        measured.setdefault(name.split("/")[0], set()).update(quick.read(f"results/quick/{name}/metrics.json"))
    unmeasured = {
        figure.id
        for figure in load_figures(project / "workflow/published")
        if ".pass_" not in figure.id and figure.id not in measured[figure.study]
    }
    # The quick study searches 2 of 8 and 2 of 10 λ, and a divergent learning rate for 2 of 5 batch sizes.
    assert unmeasured == {
        *(f"coarse-{point}.validation_accuracy" for point in range(2, 8)),
        *(f"fine-{point}.validation_accuracy" for point in range(2, 10)),
        *(f"{size}.divergent_learning_rate" for size in (2, 4, 8)),
    }


def test_errata_stand_in_the_ledger_with_their_evidence(quick):
    errata = quick.read("results/quick/ledger.json")["errata"]
    assert [erratum["number"] for erratum in errata] == [1, 2, 3, 4, 5, 6, 7]
    verdicts = {erratum["number"]: erratum["verdict"] for erratum in errata}
    # All others ask for cells under the published settings.
    assert verdicts == {number: "confirmed" if number == 3 else "not run" for number in range(1, 8)}
    plan = quick.read("results/quick/plan.json")["cells"]
    assert all(set(erratum["cells"]) <= set(plan) for erratum in errata)


def test_settings_that_train_alike_share_their_network(quick):
    for training, (plain, voted) in {"clean": ("none", "test"), "augmented": ("train", "both")}.items():
        metrics = quick.read(f"results/quick/augmentation/corrected/{training}-0/metrics.json")
        for metric in ("final_train_accuracy", "final_test_loss", "passes"):
            assert metrics[f"{plain}.{metric}"] == metrics[f"{voted}.{metric}"]
        assert metrics[f"{plain}.final_test_accuracy"] != metrics[f"{voted}.final_test_accuracy"]


def test_training_takes_half_of_the_rate_that_the_search_found(quick):
    for size in ("1", "16"):
        found = quick.read(f"results/quick/batch_size/corrected/search-{size}/metrics.json")
        low, high = found[f"{size}.majority_bracket"]
        assert low < high <= 1.05 * low * (1 + 1e-9)
        trained = quick.read(f"results/quick/batch_size/corrected/{size}/metrics.json")
        assert trained[f"{size}.learning_rate"] == found[f"{size}.learning_rate"] == high / 2


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
        ("src/gradlab/corrected_fashion.py", '"""', '"""Edited. ', SEEDED | REPORT),
        ("src/gradlab/edge_cases.py", '"""', '"""Edited. ', AUTODIFF | TORCH_FUNCTIONS | REPORT),
        ("src/gradlab/torch_functions.py", '"""', '"""Edited. ', TORCH_FUNCTIONS | REPORT),
        ("src/gradlab/divergence.py", '"""', '"""Edited. ', LEARNING_RATES | FOUND_RATES | REPORT),
        ("src/gradlab/mlp.py", '"""', '"""Edited. ', LEARNING_RATES | BATCH_SIZE | REPORT),
        ("src/gradlab/cell.py", '"""', '"""Edited. ', set()),
        ("src/gradlab/ledger.py", '"""', '"""Edited. ', REPORT),
        ("notebooks/batch_size.ipynb", "Batch size", "Batch sizes", BATCH_SIZE | REPORT),
        ("notebooks/lambda_search.ipynb", "search", "hunt", SEARCHES),
        ("src/gradlab/errata.py", '"""', '"""Edited. ', REPORT),
        ("src/gradlab/svg.py", '"""', '"""Edited. ', CELLS | REPORT),
        ("src/gradlab/provenance.py", '"""', '"""Edited. ', REPORT),
        ("src/gradlab/archive.py", '"""', '"""Edited. ', set()),
        ("workflow/report/style.css", "16px", "17px", REPORT),
        ("workflow/report/ledger.js", "Sorts", "Orders", REPORT),
        ("workflow/report/macros.html.j2", "tables", "Tables", REPORT),
        ("workflow/report/captions/curves.svg.rst", "Loss", "Losses", set()),
        ("workflow/published/claims.yaml", "plain", "as it is", REPORT),
        ("workflow/published/deviations.yaml", "Inferred", "Guessed", REPORT),
        ("workflow/published/figures.yaml", "# rule", "# Rule", REPORT),
        ("config/config.yaml", "# The", "# the", set()),
        ("config/config.yaml", "retries: 2", "retries: 3", set()),
        ("config/config.yaml", "time_limit: null", "time_limit: 3600", set()),
        ("config/config.yaml", "local: {fashion_mnist: null", "local: {fashion_mnist: /data", set()),
        (
            "config/quick.yaml",
            "corrected: {seeds: [0, 1]}",
            "corrected: {seeds: [0, 1, 5]}",
            {"augmentation/corrected/clean-5", "augmentation/corrected/augmented-5"} | REPORT,
        ),
        ("config/quick.yaml", "corrected: {seeds: [0, 1]}", "corrected: {seeds: [1]}", REPORT),
        # The seeds of a batch size are trained as one stack: its cells are new as a whole.
        ("config/quick.yaml", "  seeds: [0, 1]\n", "  seeds: [0, 1, 2]\n", BATCH_SIZE | REPORT),
        (
            "config/quick.yaml",
            "corrected: {seeds: [0, 1], search_seeds",
            "corrected: {seeds: [0, 1, 9], search_seeds",
            {
                f"regularization/corrected/{cell}-9"
                for cell in ("overfit-100", "final", "variant-flips", "variant-binary_cross_entropy")
            }
            | REPORT,
        ),
        (
            "config/quick.yaml",
            "search_seeds: [0, 1]",
            "search_seeds: [0, 1, 2]",
            {"regularization/corrected/coarse-2", "regularization/corrected/fine-2"}
            | FINE_GRIDS
            | CHOICES
            | FINALS
            | REPORT,
        ),
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


@pytest.mark.parametrize(
    "package, again",
    [
        ("ruff", set()),
        ("torch", CELLS - REGULARIZATION | REPORT),
        # The choices of λ have intervals; what they choose goes into the fine grid and the final networks.
        ("scipy", BATCH_SIZE | CHOICES | FINE_GRIDS | FINALS | REPORT),
        ("numpy", CELLS | REPORT),
    ],
)
def test_another_version_of_a_package_runs_again_what_imports_it(quick, package, again, tmp_path):
    """What is installed counts, not what the lock file says: the Makefile installs what that says."""
    with quick.edited("requirements.lock", f"\n{package}==", f"\n{package}==9999."):
        assert quick.planned() == set()
    (tmp_path / f"{package}-9999.dist-info").mkdir()
    (tmp_path / f"{package}-9999.dist-info/METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {package}\nVersion: 9999\n"
    )
    assert quick.planned(PYTHONPATH=str(tmp_path)) == again


def test_data_that_were_moved_run_nothing_again(quick, tmp_path):
    link = quick.root / "results/data"
    before = link.readlink()
    moved = tmp_path / "moved"
    shutil.copytree(before, moved, copy_function=os.link)
    link.unlink()
    link.symlink_to(moved)
    try:
        assert quick.planned() == set()
    finally:
        link.unlink()
        link.symlink_to(before)


def test_touched_files_and_a_moved_project_run_nothing_again(quick, tmp_path):
    moved = Copy(tmp_path / "elsewhere", quick.options)
    shutil.copytree(quick.root, moved.root)
    for part in ("Snakefile", "config", "notebooks", "src", "workflow"):
        for path in [moved.root / part, *(moved.root / part).rglob("*")]:
            os.utime(path)
    assert moved.planned() == set()


@pytest.mark.parametrize(
    "name",
    [
        "augmentation/published/train",
        "autodiff/published/step",
        "regularization/corrected/variant-flips-1",
        "augmentation/corrected/augmented-1",
        "batch_size/corrected/search-16",
    ],
)
def test_the_same_cell_twice_gives_the_same_bytes(quick, name, tmp_path, monkeypatch):
    monkeypatch.chdir(quick.root)
    notebook = {
        "augmentation/published": "augmentation",
        "augmentation/corrected": "augmentation_corrected",
        "autodiff/published": "autodiff",
        "batch_size/corrected": "learning_rate_search",
        "regularization/corrected": "two_layer",
    }[name.rpartition("/")[0]]
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
