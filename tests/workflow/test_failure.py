"""What a user sees, and what stays, when a cell fails: the notebook, the terminal and the report say which, and why."""

import shlex

import nbformat
import pytest
from workflow.conftest import SNAKEMAKE, Copy, find_outputs, link
from workflow.test_tiny import CELLS

pytestmark = pytest.mark.workflow

# What is wrong with three descents, and what is said about it.
DAMAGE = """
if label == "0.5":
    raise ValueError("broken on purpose")
if label == "1.5":
    bytearray(1 << 36)
if label == "half-2":
    time.sleep(120)
"""
SAID = {
    "tiny/published/0.5": "ValueError: broken on purpose",
    "tiny/published/1.5": "MemoryError: ",
    "tiny/corrected/half-2": "the time limit of 25 s was reached",
}
DESCENT = "notebooks/tiny/descent.ipynb"
FIRST = next(iter(SAID))


@pytest.fixture(scope="module")
def broken(tiny, tmp_path_factory):
    """The tiny study after a run, on a machine with little memory, in which three of five descents fail."""
    copy = link(tiny, tmp_path_factory.mktemp("broken") / "project")
    copy = Copy(copy.root, (*copy.options, "--config", "time_limit=25"))
    notebook = copy.root / DESCENT
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
    results = copy.root / "results/tiny"
    done = {path.parent.relative_to(results).as_posix() for path in results.glob("tiny/*/*/manifest.json")}
    assert done == CELLS - SAID.keys()


@pytest.mark.parametrize("name", SAID)
def test_terminal_and_notebook_say_what_failed_and_why(broken, name):
    copy, _, terminal = broken
    (message,) = [part for part in terminal.split("gradlab: ") if part.startswith(f"{name} failed")]
    assert message.startswith(f"{name} failed in code cell [")
    assert SAID[name] in message
    assert f"executed notebook, with the traceback: results/tiny/logs/{name}.ipynb" in message
    assert "Traceback" not in terminal
    log = nbformat.read(copy.root / f"results/tiny/logs/{name}.ipynb", as_version=4)
    errors = [output for cell in log.cells for output in cell.get("outputs", []) if output.output_type == "error"]
    assert SAID[name] in f"{errors[-1].ename}: {errors[-1].evalue}"
    assert log.metadata.papermill.exception is True
    assert not list((copy.root / "results/tiny" / name).glob("*"))


@pytest.mark.parametrize("name", SAID)
def test_the_report_shows_the_failed_cell_and_links_its_traceback(broken, name):
    copy, _, _ = broken
    report = (copy.root / "results/tiny/report.html").read_text(encoding="utf-8")
    assert f"3 failed ({FIRST}, " in report
    assert f'href="../pages/{name}.html"' in (copy.root / "results/tiny/pages/tiny.html").read_text(encoding="utf-8")
    page = (copy.root / f"results/tiny/pages/{name}.html").read_text(encoding="utf-8")
    assert SAID[name].partition(": ")[2].strip() in page
    ledger = copy.read("results/tiny/ledger.json")["figures"]
    assert {entry["note"] for entry in ledger if name in entry["cells"]} <= {"the cell failed"}
    assert {entry["verdict"] for entry in ledger if "tiny/published/2.5" in entry["cells"]} == {
        "not reproduced",
        "exact",
    }


def test_asked_again_what_failed_runs_again_until_it_is_mended(broken, tiny):
    """A report that was rendered after a failure does not count as the end of a study."""
    copy, _, _ = broken
    assert copy.planned() == SAID.keys() | {"Rendering"}
    again = copy.snakemake(f"results/tiny/{FIRST}/manifest.json", check=False)
    assert again.returncode != 0
    assert copy.planned() == SAID.keys() | {"Rendering"}
    notebook = copy.root / DESCENT
    notebook.with_suffix(".whole").replace(notebook)
    copy.snakemake()
    assert copy.planned() == set()
    found, expected = (find_outputs(project.root / "results/tiny") for project in (copy, tiny))
    for outputs in (found, expected):
        del outputs["plan.json"]  # tells the time limit
    assert found == expected
