"""What a cell costs beside its computation: the runner, the kernel, imports, and saving."""

import atexit
import json
import os
from collections.abc import Callable, Sequence
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

import nbformat

from benchmarks.commands import run_python
from benchmarks.timing import Benchmark, Places, Target
from gradlab.engine import warm
from gradlab.engine.job import WARM_VARIABLE
from gradlab.engine.study import Cell, cell_as_json
from gradlab.lifetime import RUN_VARIABLE

PROJECT = Path(__file__).parents[1]
PATH = [PROJECT / "src"]
CELL = Cell(study="trivial", protocol="published", name="cell", notebook="cell", figures=["curves.svg"])
PARAMETERS = 'output: str = "out"'
# The imports are those of the augmentation study, whose cells import most.
CODE = """
import pandas
from matplotlib.figure import Figure
from gradlab.lab import models, sgd, style
from gradlab.lab.record import save_curves, save_figure, save_metrics
from gradlab.studies.augmentation import augment, plots
curves = pandas.DataFrame({"pass": range(100), "metric": "loss", "value": 0.5})
figure = Figure()
figure.subplots().plot(curves["pass"], curves["value"])
save_curves(output, curves)
save_figure(output, "curves", figure, alt="A level line.")
save_metrics(output, {"loss": 0.5})
"""


@dataclass(frozen=True)
class Files:
    """A trivial cell: its plan, its notebook and the same code as a script, in a folder."""

    folder: Path

    @property
    def output(self) -> Path:
        """Where the cell leaves its results."""
        return self.folder / CELL.key

    def start_warm(self) -> str:
        """Start a warm process, which ends with this one; return its address."""
        os.environ |= {RUN_VARIABLE: str(os.getpid()), "PYTHONPATH": os.pathsep.join(map(str, PATH))}
        plan = json.loads((self.folder / "plan.json").read_text(encoding="utf-8"))
        with chdir(self.folder):
            server = warm.start(Path("plan.json"), plan, [CELL.key] * 2)
        atexit.register(lambda: (server.terminate(), server.wait()))
        return os.environ.pop(WARM_VARIABLE)

    def run(self, address: str = "") -> None:
        """Run the cell as the workflow does: by the warm process at an address, or in a process of its own."""
        job = ("-P", "-m", "gradlab", "cell", "plan.json", CELL.key)
        run_python(*job, folder=self.folder, path=PATH, variables={WARM_VARIABLE: address})

    def run_papermill(self) -> None:
        """Run the same notebook with papermill's own command."""
        notebook, executed = self.folder / CELL.template, self.output / "notebook.ipynb"
        options = ("--no-progress-bar", "-k", "python3", "-p", "output", self.output)
        run_python("-m", "papermill", notebook, executed, *options, folder=PROJECT, path=PATH)

    def run_script(self) -> None:
        """Run the notebook's code without a notebook."""
        run_python(self.folder / "cell.py", self.output, folder=PROJECT, path=PATH)

    def take_results(self) -> list[str]:
        """Return the names of what is there, and remove it, so that the next run cannot pass it off as its own."""
        found = [name for name in ("metrics.json", "curves.csv", "curves.svg") if (self.output / name).exists()]
        for name in found:
            (self.output / name).unlink()
        return found


def compare(places: Places) -> Benchmark:
    """Compare a trivial cell, run as the workflow does, with the same notebook under papermill, and with its bare code."""
    files = write_files(places.scratch / "cell")
    address = files.start_warm()

    def run(way: Callable[[], None]) -> list[str]:
        way()
        return files.take_results()

    return Benchmark(
        name="cell",
        title="A cell that imports what cells import, and saves a table, a figure and a few numbers",
        contenders={
            "a fork of the warm process": lambda: run(lambda: files.run(address)),
            "a process of its own": lambda: run(files.run),
            "papermill": lambda: run(files.run_papermill),
            "its code as a script": lambda: run(files.run_script),
        },
        target=Target(3, "papermill"),
        agree=check_results,
        clock="time",
    )


def check_results(results: Sequence[Sequence[str]]) -> None:
    """Refuse contenders that did not save everything."""
    if any(len(names) != 3 for names in results):
        raise ValueError(f"the contenders left {results}; expected metrics.json, curves.csv and curves.svg from each")


def write_files(folder: Path) -> Files:
    """Write a notebook that imports what cells import and saves what they save, and its code as a script."""
    notebook_file = folder / CELL.template
    for place in (folder / CELL.key, notebook_file.parent):
        place.mkdir(parents=True)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in (PARAMETERS, CODE)])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.cells[0].metadata.tags = ["parameters"]
    nbformat.write(notebook, notebook_file)
    (folder / "cell.py").write_text(f"import sys\noutput = sys.argv[1]\n{CODE}", encoding="utf-8")
    planned = {"given": {}, "inputs": [], "imports": [], "packages": {}, "rounding": None, "recipe": ""}
    plan = {"cells": {CELL.key: {**cell_as_json(CELL), **planned}}, "paths": [], "packages": [], "time_limit": None}
    (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    return Files(folder)
