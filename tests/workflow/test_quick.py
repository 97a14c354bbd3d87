"""The quick study, end to end on the real data: every kind of cell, the ledger, what runs again and what does not."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest
from workflow.conftest import find_outputs

from gradlab.engine.cell import run_cell
from gradlab.engine.figures import load_figures
from gradlab.files import sha256

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
PUBLISHED, FINAL = "regularization/published", "regularization/published/final"


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
        ("src/gradlab/divergence.py", '"""', '"""Edited. ', LEARNING_RATES | FOUND_RATES | REPORT),
        # What a search finds goes into the fine runs and the final network, whatever it finds.
        (
            "notebooks/lambda_search.ipynb",
            "search",
            "hunt",
            SEARCHES | {f"{PUBLISHED}/fine-0", f"{PUBLISHED}/fine-1", FINAL} | REPORT,
        ),
        ("workflow/published/claims.yaml", "plain", "as it is", REPORT),
        ("config/config.yaml", "retries: 2", "retries: 3", set()),
        (
            "config/quick.yaml",
            "corrected: {seeds: [0, 1]}",
            "corrected: {seeds: [0, 1, 5]}",
            {"augmentation/corrected/clean-5", "augmentation/corrected/augmented-5"} | REPORT,
        ),
    ],
)
def test_an_edit_runs_again_what_depends_on_it_and_nothing_else(quick, path, old, new, again):
    with quick.edited(path, old, new):
        assert quick.planned() == again


def test_what_was_deleted_is_made_again_and_only_that(linked):
    """A manifest, a plot, a cell's folder that others read from, a page: all at once, in a real run."""
    results = linked.root / "results/quick"
    before = find_outputs(results)
    (results / "autodiff/published/jump/manifest.json").unlink()
    (results / "autodiff/published/power/detail.svg").unlink()
    shutil.rmtree(results / "regularization/published/coarse")
    (results / "regularization/published/fine-0/manifest.json").unlink()  # reads what was deleted just now
    (results / "batch_size/corrected/search-16/search.svg").unlink()
    shutil.rmtree(results / "autodiff/corrected")
    (results / "pages/autodiff/published/step.html").unlink()
    deleted = {
        "batch_size/corrected/search-16",
        "regularization/published/fine-0",
        "autodiff/published/jump",
        "autodiff/published/power",
        "regularization/published/coarse",
        *TORCH_FUNCTIONS,
    }
    assert linked.planned() == deleted | REPORT
    linked.snakemake()
    assert find_outputs(results) == before
    assert linked.planned() == set()


def test_without_snakemakes_records_manifests_decide(linked):
    """As after an archive was unpacked elsewhere: with times of its own, in another place, and some of them in the future."""
    shutil.rmtree(linked.root / ".snakemake")
    future = time.time() + 1e8
    for part in ("config", "notebooks", "src", "workflow"):
        for file in filter(Path.is_file, (linked.root / part).rglob("*")):
            content = file.read_bytes()
            file.unlink()
            file.write_bytes(content)
            os.utime(file, (future, future))
    assert linked.planned() == set()
    config = linked.root / "config/config.yaml"
    config.write_text(config.read_text().replace("step: 1.0e-5", "step: 1.0e-6"))
    seeds = linked.root / "src/gradlab/torch_functions.py"
    seeds.write_text(seeds.read_text() + "# edited\n")
    os.utime(seeds, (0, 0))
    before = {path: path.stat().st_mtime_ns for path in (linked.root / "results/quick").rglob("*")}
    dry = linked.snakemake("--dry-run").stdout
    assert {path: path.stat().st_mtime_ns for path in (linked.root / "results/quick").rglob("*")} == before
    assert "gradient_check runs again: ran with step = 1e-05, planned is 1e-06" in dry
    assert "torch_functions runs again: src/gradlab/torch_functions.py has changed since" in dry
    linked.snakemake("results/quick/autodiff/corrected/torch_functions/manifest.json")
    assert linked.planned() == GRADIENT_CHECK | REPORT


def test_data_that_were_deleted_are_made_again_only_for_cells_that_have_to_run(linked):
    (linked.root / "results/data").unlink()
    assert linked.planned() == set()
    (linked.root / "results/quick/regularization/published/gradient_check/errors.svg").unlink()
    assert linked.planned() == {"Fetching"} | GRADIENT_CHECK | REPORT


def test_a_changed_byte_is_found(linked):
    curves = linked.root / "results/quick/batch_size/published/16/curves.csv"
    content = curves.read_bytes()
    curves.unlink()
    curves.write_bytes(content.replace(b"0", b"1", 1))
    assert linked.planned() == {"batch_size/published/16"} | REPORT


def test_data_from_the_future_are_refused_before_a_cell_runs(linked):
    """Snakemake would refuse them as well, and delete what the cell has computed."""
    (linked.root / "results/quick/regularization/published/fine-0/manifest.json").unlink()
    link = linked.root / "results/data"
    data = link.resolve()
    link.unlink()
    (link / "cifar10").mkdir(parents=True)
    for file in (data / "cifar10").iterdir():
        (link / "cifar10" / file.name).symlink_to(file)
    description = link / "cifar10/dataset.json"
    description.unlink()
    shutil.copy(data / "cifar10/dataset.json", description)
    os.utime(description, (time.time() + 1e6,) * 2)
    refused = linked.snakemake(check=False).stdout
    assert "results/data/cifar10/dataset.json is dated" in refused
    assert "in the future: set the clock right, or `touch` the file" in refused


@pytest.mark.parametrize("name", ["augmentation/corrected/augmented-1", "regularization/corrected/variant-flips-1"])
def test_the_same_cell_twice_gives_the_same_bytes(quick, name, tmp_path, monkeypatch):
    monkeypatch.chdir(quick.root)
    plan = quick.read("results/quick/plan.json")
    again = run_cell(
        name,
        quick.root / plan["recipes"][name]["notebook"],
        plan["cells"][name],
        output=tmp_path / "again",
        log=tmp_path / "log.ipynb",
    )
    first = quick.read(f"results/quick/{name}/manifest.json")
    for outputs in (first["outputs"], again["outputs"]):
        del outputs["notebook.ipynb"]  # tells when it ran
    assert again["outputs"] == first["outputs"]
