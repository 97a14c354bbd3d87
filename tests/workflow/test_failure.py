"""What a user sees, and what stays, when something is wrong."""

import nbformat
import pytest

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def broken(copy_project):
    """A copy whose autodiff notebook fails for one of its four cases, after a run."""
    copy = copy_project()
    notebook = copy.root / "notebooks/autodiff.ipynb"
    whole = notebook.read_text(encoding="utf-8")
    template = nbformat.reads(whole, as_version=4)
    template.cells.append(nbformat.v4.new_code_cell("if case == 'power':\n    raise ValueError('broken on purpose')"))
    nbformat.write(template, notebook)
    failed = copy.snakemake("autodiff", check=False)
    return copy, failed, whole


def test_a_failing_cell_leaves_its_traceback_and_the_others_finish(broken):
    copy, failed, _ = broken
    assert failed.returncode != 0
    cells = copy.root / "results/autodiff/published"
    assert sorted(path.parent.name for path in cells.glob("*/manifest.json")) == ["halving", "jump", "step"]
    assert not list(cells.glob("power/*"))
    log = nbformat.read(copy.root / "results/logs/autodiff/published/power.ipynb", as_version=4)
    errors = [output for cell in log.cells for output in cell.get("outputs", []) if output.output_type == "error"]
    assert [error.evalue for error in errors] == ["broken on purpose"]


def test_the_terminal_names_the_cell_the_error_and_the_notebook(broken):
    _, failed, _ = broken
    assert "gradlab: autodiff/published/power failed in code cell" in failed.stdout
    assert "ValueError: broken on purpose" in failed.stdout
    assert "results/logs/autodiff/published/power.ipynb" in failed.stdout
    assert "Traceback" not in failed.stdout


def test_the_report_shows_the_failed_cell_and_links_its_traceback(broken):
    copy, _, _ = broken
    report = (copy.root / "results/report.html").read_text(encoding="utf-8")
    assert "1 failed (autodiff/published/power)" in report
    assert "missing (augmentation/published/none" in report
    assert 'href="pages/autodiff/published/power.html"' in report
    page = (copy.root / "results/pages/autodiff/published/power.html").read_text(encoding="utf-8")
    assert "broken on purpose" in page
    ledger = {entry["id"]: entry for entry in copy.read("results/ledger.json")["figures"]}
    assert ledger["power.plain"]["note"] == "the cell failed"
    assert ledger["jump.two_branches"]["verdict"] == "exact"


def test_once_mended_only_the_failed_cell_runs(broken):
    copy, _, whole = broken
    (copy.root / "notebooks/autodiff.ipynb").write_text(whole, encoding="utf-8")
    done = copy.snakemake("autodiff")
    assert "autodiff/published/power" in done.stdout
    assert (copy.root / "results/autodiff/published/power/manifest.json").exists()
    assert "Nothing to be done" in copy.snakemake("autodiff").stdout


@pytest.mark.parametrize(
    "overlay, message",
    [
        ("augmentation: {batch_size: 0}", "augmentation.batch_size = 0: 0 is less than the minimum of 1"),
        ("augmentation: {settings: [most]}", "augmentation.settings.0 = 'most'"),
        ("regularization: {one_cycle: {lambda: -0.1}}", "regularization.one_cycle.lambda = -0.1"),
        ("regularisation: {}", "unknown key regularisation"),
    ],
)
def test_a_bad_configuration_is_refused_before_anything_runs(copy_project, overlay, message):
    copy = copy_project("--configfile", "bad.yaml")
    (copy.root / "bad.yaml").write_text(overlay)
    refused = copy.snakemake(check=False)
    assert refused.returncode != 0
    assert message in refused.stdout
    assert "Traceback" not in refused.stdout
    assert not (copy.root / "results").exists()


def test_a_cell_that_is_not_planned_is_refused_with_the_cells_that_are(copy_project):
    copy = copy_project()
    refused = copy.snakemake("results/batch_size/published/3/metrics.json", check=False)
    assert refused.returncode != 0
    assert "batch_size/published/3 is not a cell of this study; its cells are autodiff/published/jump" in refused.stdout
    assert not (copy.root / "results").exists()
