"""What a user sees, and what stays, when a cell fails: the notebook, the terminal and the report say which, and why."""

import shlex
from contextlib import suppress

import nbformat
import pytest
from workflow.conftest import SNAKEMAKE

pytestmark = pytest.mark.workflow

# What is wrong with three of the four cases, and what is said about it.
DAMAGE = """
import time
if case == "power":
    raise ValueError("broken on purpose")
if case == "halving":
    bytearray(1 << 36)
if case == "step":
    time.sleep(120)
"""
SAID = {
    "power": "ValueError: broken on purpose",
    "halving": "MemoryError: ",
    "step": "the time limit of 30 s was reached",
}


@pytest.fixture(scope="module")
def broken(copy_project):
    """A copy, on a machine with little memory, whose autodiff notebook fails for three of its four cases, after a run."""
    copy = copy_project("--config", "time_limit=30")
    notebook = copy.root / "notebooks/autodiff.ipynb"
    whole = notebook.read_text(encoding="utf-8")
    template = nbformat.reads(whole, as_version=4)
    template.cells.append(nbformat.v4.new_code_cell(DAMAGE))
    nbformat.write(template, notebook)
    command = shlex.join([*SNAKEMAKE, "--cores", "2", *copy.options, "--", "autodiff"])
    status = copy.start("bash", "-c", f"ulimit -v 16000000; {command}").wait()
    return copy, status, copy.terminal, whole


def test_the_other_cells_finish(broken):
    copy, status, _, _ = broken
    assert status != 0
    assert [path.parent.name for path in copy.root.glob("results/autodiff/published/*/manifest.json")] == ["jump"]
    assert (copy.root / "results/autodiff/corrected/torch_functions/manifest.json").exists()


@pytest.mark.parametrize("case", SAID)
def test_the_terminal_names_the_cell_the_error_and_the_notebook(broken, case):
    _, _, terminal, _ = broken
    (message,) = [part for part in terminal.split("gradlab: ") if part.startswith(f"autodiff/published/{case} failed")]
    assert message.startswith(f"autodiff/published/{case} failed in code cell [")
    assert SAID[case] in message
    assert f"executed notebook, with the traceback: results/logs/autodiff/published/{case}.ipynb" in message
    assert "Traceback" not in terminal


@pytest.mark.parametrize("case", SAID)
def test_the_saved_notebook_says_that_it_failed_and_why(broken, case):
    copy, _, _, _ = broken
    log = nbformat.read(copy.root / f"results/logs/autodiff/published/{case}.ipynb", as_version=4)
    errors = [output for cell in log.cells for output in cell.get("outputs", []) if output.output_type == "error"]
    assert SAID[case] in f"{errors[-1].ename}: {errors[-1].evalue}"
    assert log.metadata.papermill.exception is True
    assert not list((copy.root / "results/autodiff/published" / case).glob("*"))


@pytest.mark.parametrize("case", SAID)
def test_the_report_shows_the_failed_cell_and_links_its_traceback(broken, case):
    copy, _, _, _ = broken
    report = (copy.root / "results/report.html").read_text(encoding="utf-8")
    assert "3 failed (autodiff/published/power, " in report
    assert "missing (augmentation/published/none" in report
    assert f'href="pages/autodiff/published/{case}.html"' in report
    page = (copy.root / f"results/pages/autodiff/published/{case}.html").read_text(encoding="utf-8")
    assert SAID[case].partition(": ")[2].strip() in page
    ledger = copy.read("results/ledger.json")["figures"]
    notes = {entry["note"] for entry in ledger if f"autodiff/published/{case}" in entry["cells"]}
    assert notes == {"the cell failed"}
    assert {entry["verdict"] for entry in ledger if "autodiff/published/jump" in entry["cells"]} == {"exact"}


def test_once_mended_only_the_failed_cells_run(broken):
    copy, _, _, whole = broken
    (copy.root / "notebooks/autodiff.ipynb").write_text(whole, encoding="utf-8")
    # The notebook of all four is edited back; the cell that had finished ran with the other text.
    assert copy.planned("autodiff") == {f"autodiff/published/{case}" for case in (*SAID, "jump")}
    copy.snakemake("autodiff")
    assert "Nothing to be done" in copy.snakemake("autodiff").stdout


def test_a_full_disk_is_said_in_one_line(copy_project, small_disk):
    copy = copy_project("--config", "results=results/small")
    (copy.root / "results/small").symlink_to(small_disk)
    (small_disk / "filler").write_bytes(bytes(900_000))
    full = copy.snakemake("results/small/autodiff/published/jump/metrics.json", check=False)
    assert full.returncode != 0
    assert "gradlab: autodiff/published/jump failed\n  [Errno 28] No space left on device" in full.stdout
    assert "make room on the disk, and run this again" in full.stdout
    assert "Traceback" not in full.stdout
    assert not (small_disk / "autodiff/published/jump/manifest.json").exists()
    (small_disk / "filler").unlink()
    copy.snakemake("results/small/autodiff/published/jump/metrics.json")


def test_a_disk_that_is_full_from_the_start_is_said_in_one_line(copy_project, small_disk):
    copy = copy_project("--config", "results=results/small")
    (copy.root / "results/small").symlink_to(small_disk)
    with suppress(OSError), (small_disk / "filler").open("wb", buffering=0) as filler:
        while filler.write(bytes(4096)):
            pass
    full = copy.snakemake("results/small/autodiff/published/jump/metrics.json", check=False)
    assert full.returncode != 0
    assert "results/small/plan.json could not be written: No space left on device" in full.stdout
    assert "Traceback" not in full.stdout


def test_a_cell_that_is_not_planned_is_refused_with_the_cells_that_are(copy_project):
    copy = copy_project()
    refused = copy.snakemake("results/batch_size/published/3/metrics.json", check=False)
    assert refused.returncode != 0
    assert "batch_size/published/3 is not a cell of this study; its cells are autodiff/published/jump" in refused.stdout
    assert [path.name for path in (copy.root / "results").iterdir()] == ["data"]
