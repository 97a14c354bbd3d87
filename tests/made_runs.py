"""A second run of a study as the workflow leaves it, made from the first one."""

import json
import shutil
from pathlib import Path
from typing import Any

from gradlab.files import sha256


def copy_run(root: Path, again: Path, *, started: str = "2026-01-02T12:00:00+00:00") -> Path:
    """Make a second run that is the first but for its folder, the time of its cells and their executed notebooks."""
    plan = json.loads((root / "plan.json").read_text(encoding="utf-8"))
    again.mkdir(parents=True)
    shutil.copy(root / "plan.json", again)
    for name in plan["cells"]:
        if (root / name).exists():
            shutil.copytree(root / name, again / name)
            with (again / name / "notebook.ipynb").open("a") as notebook:
                notebook.write("\n")
            seal(again / name, started=started)
    return again


def seal(folder: Path, **changed: Any) -> None:
    """Write a cell's manifest anew: with the digests of the files that are there now, and with the given changes."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    files = [path for path in sorted(folder.iterdir()) if path.name != "manifest.json"]
    manifest |= {"outputs": {path.name: sha256(path) for path in files}, **changed}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
