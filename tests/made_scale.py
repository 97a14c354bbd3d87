"""Studies of any size: configurations, and results as their cells would leave them, made from those of the quick study.

As a program it measures what studies of several sizes cost, and prints a table; docs/scale.md says how to run it.
"""

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from string import digits as DIGITS
from typing import Any

from made_cells import finish_cell

from gradlab.search import lambda_grid

# Of the quick study: cells that no seed and no point of a grid multiplies.
FIXED = 24
_LINKED = ("notebook.ipynb", "curves.csv", "answers.json")
_OVER_GRID = (
    "data_order_accuracies",
    "differences",
    "mean_validation_accuracies",
    "notebook_order_accuracies",
    "training_accuracies",
    "validation_accuracies",
    "validation_losses",
)


def grow_config(cells: int) -> dict[str, Any]:
    """Return what to lay over the quick study's configuration for a study of `cells` cells, an even number from 100 on.

    Most cells come from more seeds, some from more points of both searches and more batch sizes.
    """
    points, sizes = min(max(2, cells // 50), 200), min(max(2, cells // 100), 50)
    free = cells - FIXED - 2 * points - 2 * sizes
    seeds = free // 8  # of the final network: four cells each; an augmentation or a search has two
    augmented = (free - 4 * seeds) // 4
    searched = (free - 4 * seeds) // 2 - augmented
    return {
        "results": f"results/cells-{cells}",
        "augmentation": {"corrected": {"seeds": list(range(augmented))}},
        "batch_size": {"corrected": {"batch_sizes": list(range(1, sizes + 1))}},
        "regularization": {
            "coarse": {"points": points},
            "fine": {"points": points},
            "corrected": {"seeds": list(range(seeds)), "search_seeds": list(range(searched))},
        },
    }


@dataclass(frozen=True)
class Cost:
    """What a command took: `seconds` of processor time, `wall` seconds, and `memory` of its largest process in MB.

    Processor time is that of the command and of all that it waited for; unlike wall time it does not tell what else the
    machine had to do.
    """

    seconds: float
    wall: float
    memory: float


# A process begins with the memory of the one that starts it; so a small one starts what is measured.
_MEASURE = """
import json, resource, subprocess, sys
with open(sys.argv[1], "w") as output:
    code = subprocess.call(sys.argv[2:], stdout=output, stderr=output)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([code, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
"""


def measure(command: Sequence[str | Path], folder: Path, output: Path) -> Cost:
    """Run a command in a folder and return its cost; what it prints goes to a file, and stands in the error if it fails."""
    environment = os.environ | {"PYTHONPATH": str(folder / "src")}
    measured = [sys.executable, "-c", _MEASURE, output, *command]
    start = time.perf_counter()
    printed = subprocess.run(measured, cwd=folder, env=environment, stdout=subprocess.PIPE, check=True).stdout
    wall = time.perf_counter() - start
    code, seconds, memory = json.loads(printed)
    if code:
        raise RuntimeError(f"{command} ended with {code}:\n{output.read_text()[-5000:]}")
    return Cost(seconds, wall, memory)


def run_snakemake(project: Path, cells: int, *arguments: str) -> Cost:
    """Run snakemake on a study of `cells` cells in a copy of the project; what it prints goes to `terminal-<cells>.txt`."""
    config = project / f"config/cells-{cells}.json"
    config.write_text(json.dumps(grow_config(cells)), encoding="utf-8")
    configs = ["--configfile", "config/quick.yaml", str(config)]
    command = [sys.executable, "-m", "snakemake", "--nocolor", "--cores", "2", *configs, *arguments]
    return measure(command, project, project / f"terminal-{cells}.txt")


def make_study(project: Path, cells: int, quick: Path) -> Path:
    """Make the plan of a study and the results of all its cells, and return the plan, relative to the project.

    The plan is the workflow's own: it writes it before its first job, here the check of a ledger without figures.
    """
    root = Path(grow_config(cells)["results"])
    (project / root).mkdir(parents=True)
    (project / root / "ledger.json").write_text('{"figures": [], "errata": []}', encoding="utf-8")
    run_snakemake(project, cells, "--allowed-rules", "ledger", "--", "ledger")
    (project / root / "ledger.json").unlink()
    with chdir(project):  # the paths in the plan are relative to the project
        finish_study(root / "plan.json", quick)
    return root / "plan.json"


def render_study(project: Path, plan: Path) -> Cost:
    """Make ledger and report of a study in a copy of the project."""
    folders = ["--published", "workflow/published", "--templates", "workflow/report", "--data", "results/data"]
    return measure([sys.executable, "-m", "gradlab.report", plan, *folders], project, project / "terminal-report.txt")


def finish_study(plan_file: Path, quick: Path) -> None:
    """Write the results of every cell of a plan, in the working directory of the study.

    Metrics vary from cell to cell and have the length that the plan asks for; figures, curves and executed notebooks are links
    to those of a cell of the quick study. The manifests are right: digests of everything that went in and came out.

    Parameters
    ----------
    plan_file
        The plan, beside which the results go; relative to the project, as the plan's own paths are.
    quick
        The results of the quick study, on the same file system.
    """
    plan = json.loads(plan_file.read_text(encoding="utf-8"))["cells"]
    made_from = {name: _find_alike(name, quick) for name in plan}
    for name, parameters in plan.items():
        folder, alike = plan_file.parent / name, made_from[name]
        folder.mkdir(parents=True)
        for file in alike.iterdir():
            if file.suffix == ".svg" or file.name in _LINKED:
                os.link(file, folder / file.name)
        metrics = _vary(json.loads((alike / "metrics.json").read_text(encoding="utf-8")), name, parameters)
        (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    for name, parameters in plan.items():
        manifest = json.loads((made_from[name] / "manifest.json").read_text(encoding="utf-8"))
        shared = [Path(path) for path in manifest["inputs"] if not path.startswith("results/quick/")]
        read = [Path(path) for path in [*parameters.get("runs", []), *filter(None, [parameters.get("search")])]]
        facts = {fact: manifest[fact] for fact in ("machine", "versions", "wall_seconds")}
        finish_cell(plan_file.parent / name, parameters, inputs=[*shared, *read], **facts)


def _find_alike(name: str, quick: Path) -> Path:
    """Return the folder of a cell of the quick study with the same name, or one that differs in its last number alone."""
    if (quick / name).is_dir():
        return quick / name
    group, _, cell = name.rpartition("/")
    stem = cell.rstrip(DIGITS)
    return min(
        folder for folder in (quick / group).iterdir() if folder.name != stem and folder.name.rstrip(DIGITS) == stem
    )


def _vary(metrics: Mapping[str, Any], name: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return metrics under the names of the cell, with other values, and a list over λ for each point of its grid."""
    rng = random.Random(name)
    cell = name.rpartition("/")[2].removeprefix("search-")
    number = int(re.search(r"\d*$", cell)[0] or 0)
    points = _count_points(parameters)
    varied: dict[str, Any] = {}
    for metric, value in metrics.items():
        prefix, _, quantity = metric.partition(".")
        numbered = re.fullmatch(r"((coarse|fine)-)?\d+", prefix)
        if quantity == "lambdas":
            value = lambda_grid(points, (-5.0, -1.0)).tolist()
        elif quantity in _OVER_GRID:
            value = [value[0] + rng.gauss(0, 0.01) for _ in range(points)]
        elif quantity == "lambda" and numbered:
            value = 1e-5 * 1.04**number
        elif "accuracy" in quantity and isinstance(value, float):
            value += rng.gauss(0, 0.005)
        varied[f"{cell}.{quantity}" if numbered else metric] = value
    return varied


def _count_points(parameters: Mapping[str, Any]) -> int:
    """Return over how many λ a cell has measured: its own, or those of the runs that it compares; a choice over seeds, two."""
    compared = [] if "seeds" in parameters else parameters.get("runs", [])
    return len(parameters.get("lambdas", compared)) or 2


def main() -> None:
    """Print a row of costs for each size."""
    parser = argparse.ArgumentParser(description="Measure what studies of several sizes cost.")
    parser.add_argument("quick", type=Path, help="the results of the quick study")
    parser.add_argument("cells", type=int, nargs="+", help="how many cells a study has: even numbers from 100 on")
    options = parser.parse_args()
    source, quick = Path(__file__).parent.parent, options.quick.resolve()
    with tempfile.TemporaryDirectory(dir=quick.parent) as temporary:  # on the same file system, for links
        project = Path(temporary)
        for part in ("Snakefile", "benchmarks", "config", "notebooks", "profiles", "src", "workflow"):
            copy = shutil.copytree if (source / part).is_dir() else shutil.copy2
            copy(source / part, project / part)
        (project / "results").mkdir()
        (project / "results/data").symlink_to((source / "results/data").resolve())
        for cells in options.cells:
            dry = run_snakemake(project, cells, "--dry-run")
            plan = make_study(project, cells, quick)
            report = render_study(project, plan)
            root = project / plan.parent
            pages = sum(page.stat().st_size for page in (root / "pages").rglob("*.html"))
            files = sum(1 for _ in root.rglob("*"))
            sizes = [f"{(root / name).stat().st_size / 1e6:.1f} MB" for name in ("plan.json", "report.html")]
            costs = [f"{cost.seconds:.1f} s, {cost.memory:.0f} MB" for cost in (dry, report)]
            print(f"| {cells} | {' | '.join([*costs, *sizes])} | {pages / 1e6:.0f} MB | {files} |", flush=True)
            shutil.rmtree(root)


if __name__ == "__main__":
    main()
