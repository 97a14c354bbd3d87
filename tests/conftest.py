"""Fixtures of all tests: the project's folder, its prepared data, and small notebooks made on the spot."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

PROJECT = Path(__file__).parent.parent
# Processes that the tests start import the package from here, as the workflow's jobs do.
os.environ["PYTHONPATH"] = str(PROJECT / "src")
# Tests compute with one thread, as cells do.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"


@pytest.fixture(scope="session")
def project() -> Path:
    """The root of the project."""
    return PROJECT


@pytest.fixture(scope="session")
def prepared_data(project: Path) -> Path:
    """The folder of the prepared data sets, fetched where they are not there yet."""
    data = project / "results/data"
    descriptions = [data / name / "dataset.json" for name in ("fashion_mnist", "cifar10")]
    if not all(description.exists() for description in descriptions):
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "fashion_mnist", "cifar10"]
        subprocess.run(command, cwd=project, check=True)
    return data


@pytest.fixture
def write_notebook(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a notebook: the parameters cell first, then code cells; Markdown begins with '#'."""

    def write(*cells: str, parameters: str = "output: str = 'out'", name: str = "template.ipynb") -> Path:
        notebook = nbformat.v4.new_notebook()
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        declared = nbformat.v4.new_code_cell(parameters)
        declared.metadata.tags = ["parameters"]
        new = {True: nbformat.v4.new_markdown_cell, False: nbformat.v4.new_code_cell}
        notebook.cells = [declared, *(new[cell.startswith("# ")](cell) for cell in cells)]
        path = tmp_path / name
        nbformat.write(notebook, path)
        return path

    return write
