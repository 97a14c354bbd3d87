"""Cells as a run leaves them, made without one."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gradlab.files import sha256


def finish_cell(folder: Path, parameters: Mapping[str, Any], *, inputs: Iterable[Path] = (), **facts: Any) -> None:
    """Write the manifest of a cell whose other files are there; `facts` stand in it as they are given."""
    manifest = {
        "cell": "/".join(folder.parts[-3:]),
        "parameters": {**parameters, "output": str(folder)},
        "started": "2026-01-01T12:00:00+00:00",
        "wall_seconds": 1.5,
        "machine": {"cpu": "made", "cores": 2, "system": "here", "threads": 1},
        "versions": {"python": "3"},
        "git": None,
        "inputs": {str(path): sha256(path) for path in inputs},
        "outputs": {path.name: sha256(path) for path in sorted(folder.iterdir()) if path.name != "manifest.json"},
        **facts,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
