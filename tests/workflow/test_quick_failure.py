"""What a user sees, and what stays, when a cell fails: the notebook, the terminal and the report say which, and why."""

import os
import shlex
import shutil

import nbformat
import pytest
from workflow.conftest import SNAKEMAKE, Copy, find_outputs

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
def broken(quick, tmp_path_factory):
    """The quick study after a run, on a machine with little memory, whose autodiff notebook fails for three of four cases."""
    copy = Copy(tmp_path_factory.mktemp("broken") / "project", (*quick.options, "--config", "time_limit=30"))
    shutil.copytree(quick.root, copy.root, symlinks=True, copy_function=os.link)
    notebook = copy.root / "notebooks/autodiff.ipynb"
    template = nbformat.read(notebook, as_version=4)
    template.cells.append(nbformat.v4.new_code_cell(DAMAGE))
    notebook.rename(notebook.with_suffix(".whole"))
    nbformat.write(template, notebook)
    command = shlex.join([*SNAKEMAKE, "--cores", "2", *copy.options])
    status = copy.start("bash", "-c", f"ulimit -v 16000000; {command}").wait()
    return copy, status, copy.terminal


def test_the_other_cells_finish(broken):
    copy, status, _ = broken
    assert status != 0
    done = {path.parent.name for path in copy.root.glob("results/quick/autodiff/published/*/manifest.json")}
    assert done == {"jump"}


@pytest.mark.parametrize("case", SAID)
def test_terminal_and_notebook_say_what_failed_and_why(broken, case):
    copy, _, terminal = broken
    (message,) = [part for part in terminal.split("gradlab: ") if part.startswith(f"autodiff/published/{case} failed")]
    assert message.startswith(f"autodiff/published/{case} failed in code cell [")
    assert SAID[case] in message
    assert f"executed notebook, with the traceback: results/quick/logs/autodiff/published/{case}.ipynb" in message
    assert "Traceback" not in terminal
    log = nbformat.read(copy.root / f"results/quick/logs/autodiff/published/{case}.ipynb", as_version=4)
    errors = [output for cell in log.cells for output in cell.get("outputs", []) if output.output_type == "error"]
    assert SAID[case] in f"{errors[-1].ename}: {errors[-1].evalue}"
    assert log.metadata.papermill.exception is True
    assert not list((copy.root / "results/quick/autodiff/published" / case).glob("*"))


@pytest.mark.parametrize("case", SAID)
def test_the_report_shows_the_failed_cell_and_links_its_traceback(broken, case):
    copy, _, _ = broken
    report = (copy.root / "results/quick/report.html").read_text(encoding="utf-8")
    assert "3 failed (autodiff/published/power, " in report
    assert f'href="pages/autodiff/published/{case}.html"' in report
    page = (copy.root / f"results/quick/pages/autodiff/published/{case}.html").read_text(encoding="utf-8")
    assert SAID[case].partition(": ")[2].strip() in page
    ledger = copy.read("results/quick/ledger.json")["figures"]
    notes = {entry["note"] for entry in ledger if f"autodiff/published/{case}" in entry["cells"]}
    assert notes == {"the cell failed"}
    assert {entry["verdict"] for entry in ledger if "autodiff/published/jump" in entry["cells"]} == {"exact"}


def test_asked_again_what_failed_runs_again_until_it_is_mended(broken, quick):
    """A report that was rendered after a failure does not count as the end of a study."""
    copy, _, _ = broken
    assert copy.planned() == {f"autodiff/published/{case}" for case in SAID} | {"Rendering"}
    again = copy.snakemake(f"results/quick/autodiff/published/{next(iter(SAID))}/manifest.json", check=False)
    assert again.returncode != 0
    assert copy.planned() == {f"autodiff/published/{case}" for case in SAID} | {"Rendering"}
    notebook = copy.root / "notebooks/autodiff.ipynb"
    notebook.with_suffix(".whole").replace(notebook)
    copy.snakemake()
    assert copy.planned() == set()
    found, expected = (find_outputs(project.root / "results/quick") for project in (copy, quick))
    for outputs in (found, expected):
        del outputs["plan.json"]  # tells the time limit
    assert found == expected
