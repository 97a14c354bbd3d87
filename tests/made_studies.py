"""Studies that tests make up, found as any other; and runs of their cells, made without a notebook."""

import importlib
import json
from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd
from made_cells import finish_cell, write_plan

from gradlab.engine.results import CellResult, load_results
from gradlab.engine.study import Cell, Study, discover

MODULES = {
    "__init__": "",
    "study": "from gradlab.engine.study import Study\n\nSTUDY = Study('A made study', 'Made', 'What is found?', 'M §1')\n",
    "config": "from pydantic import BaseModel\n\n\nclass Config(BaseModel):\n    pass\n",
}
_numbers = count()


def make_study(folder: Path, *cells: Cell, name: str = "made", figures: str = "", **modules: str) -> Study:
    """Write a study and return it as it is found.

    Parameters
    ----------
    folder
        Where the package that holds it is made; its name is one that no other has, since Python keeps what it imported.
    cells
        What it plans.
    name
        Its own name.
    figures
        The text of `published/figures.yaml`.
    modules
        The texts of its modules, in place of the plainest that there can be; `{package}` in them is its package's full name.
    """
    package = folder / f"made_studies_{next(_numbers)}"
    plan = f"from gradlab.engine.study import Cell, Resources\n\n\ndef cells(config):\n    return {list(cells)!r}\n"
    write_study(package / name, figures or "figures: []", **{"plan": plan, **modules})
    return discover([str(package)])[name]


def write_study(folder: Path, figures: str, **modules: str) -> None:
    """Write the package of a study into a folder, which lies in the package that holds it; as `make_study` says."""
    for module, text in {**MODULES, **modules}.items():
        write(folder / f"{module}.py", text.replace("{package}", f"{folder.parent.name}.{folder.name}"))
    write(folder / "published/figures.yaml", figures)
    importlib.invalidate_caches()


def write(path: Path, text: str) -> None:
    """Write a file into a folder that is made where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def run_cells(
    root: Path,
    cells: Iterable[Cell],
    metrics: Mapping[str, Mapping[str, Any]],
    curves: Mapping[str, pd.DataFrame] | None = None,
) -> dict[str, CellResult]:
    """Write the plan of cells, and the results of those that have metrics, by key, into a folder; return all as read."""
    planned = {cell.key: cell for cell in cells}
    for key, written in metrics.items():
        table = pd.DataFrame(columns=["metric", "value"]) if curves is None or key not in curves else curves[key]
        write(root / key / "metrics.json", json.dumps(written))
        write(root / key / "curves.csv", table.to_csv(index=False))
        write(root / key / "notebook.ipynb", json.dumps({"ran in": str(root)}))
        finish_cell(root / key, planned[key].parameters)
    return load_results(write_plan(root, planned))
