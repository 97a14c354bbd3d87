"""Plans, and cells as a run leaves them, made without one."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gradlab.engine.study import Cell, cell_as_json
from gradlab.files import sha256

RECIPE = "0" * 64  # of every made cell


def make_cell(key: str, parameters: Mapping[str, Any], **fields: Any) -> Cell:
    """Return a cell of the plan, by its key; `fields` are those of `Cell`."""
    study, protocol, name = key.split("/")
    return Cell(**{"notebook": "made", **fields}, study=study, protocol=protocol, name=name, parameters=parameters)


def write_plan(root: Path, cells: Mapping[str, Mapping[str, Any] | Cell], **entries: Any) -> Path:
    """Write the plan of cells, given by their keys as `Cell`, or by their parameters alone; return its path."""
    made = {key: cell if isinstance(cell, Cell) else make_cell(key, cell) for key, cell in cells.items()}
    planned = {
        key: {
            **cell_as_json(cell),
            "given": dict(cell.parameters),
            "inputs": [],
            "imports": [],
            "packages": {},
            "rounding": None,
            "recipe": RECIPE,
        }
        for key, cell in made.items()
    }
    plan = {"packages": ["gradlab.studies"], "studies": list(dict.fromkeys(cell.study for cell in made.values()))}
    root.mkdir(parents=True, exist_ok=True)
    (root / "plan.json").write_text(json.dumps({**plan, "paths": [], "time_limit": None, "cells": planned, **entries}))
    return root / "plan.json"


def finish_cell(folder: Path, parameters: Mapping[str, Any], *, inputs: Iterable[Path] = (), **facts: Any) -> None:
    """Write the manifest of a cell whose other files are there; `facts` stand in it as they are given."""
    manifest = {
        "cell": "/".join(folder.parts[-3:]),
        "recipe": RECIPE,
        "parameters": {**parameters, "output": str(folder)},
        "started": "2026-01-01T12:00:00+00:00",
        "wall_seconds": 1.5,
        "machine": {"cpu": "made", "cores": 2, "system": "here", "threads": 1},
        "rounding": {"asked": None, "measured": {}},
        "versions": {"python": "3"},
        "git": None,
        "inputs": {str(path): sha256(path) for path in inputs},
        "outputs": {path.name: sha256(path) for path in sorted(folder.iterdir()) if path.name != "manifest.json"},
        **facts,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
