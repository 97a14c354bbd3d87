"""The plan of a study: the parameters of every cell, and its recipe, which is all that its results depend on."""

import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from gradlab.engine.manifest import digest_content, find_changed_outputs, read_manifest
from gradlab.engine.sources import PACKAGE, imported_packages, imported_sources
from gradlab.files import sha256


def add_recipes(plan: dict[str, Any], preparing: Mapping[str, str]) -> None:
    """Complete the recipes of a plan, in place, from what is in the working directory, which is the project.

    Each comes with `notebook`, `data` (names of data sets), `reads` (cells whose metrics it reads), and `figures` (files that
    it writes beside the others). It gets `sources` (the modules that the notebook imports), `packages` (the versions of other
    packages that these import), and `digest`: of all of this with the contents of the files, of the parameters, and of the
    digests of the cells that it reads. So a change is a change of all cells that depend on it.

    Parameters
    ----------
    plan
        `cells`, the parameters of each by its name, and `recipes`.
    preparing
        For each data set, a digest of the code that prepares it.
    """
    recipes = plan["recipes"]

    @cache
    def imports(notebook: str) -> tuple[list[str], dict[str, str], dict[str, str]]:
        sources = [os.path.relpath(path) for path in imported_sources(notebook)]
        return sources, imported_packages(notebook), {path: sha256(Path(path)) for path in (notebook, *sources)}

    @cache
    def digest(name: str) -> str:
        recipe = recipes[name]
        recipe["sources"], recipe["packages"], files = imports(recipe["notebook"])
        recipe["digest"] = digest_content(
            {
                "parameters": plan["cells"][name],
                "files": files,
                "packages": recipe["packages"],
                "data": {data: preparing[data] for data in recipe["data"]},
                "reads": {read: digest(read) for read in recipe["reads"]},
                "figures": recipe["figures"],
            }
        )
        return recipe["digest"]

    for name in recipes:
        digest(name)


def describe_report(plan: Mapping[str, Any], root: Path, materials: Sequence[Path]) -> dict[str, Any]:
    """Return `recipe` and `inputs` of the manifest of a report that would be rendered now.

    Parameters
    ----------
    plan
        The plan.
    root
        The folder of results.
    materials
        Files, and folders of files, that the report is made from beside the results of cells and its own modules.
    """
    manifests = [root / name / "manifest.json" for name in plan["cells"]]
    logs = [root / f"logs/{name}.ipynb" for name in plan["cells"]]
    report = PACKAGE / "report.py"
    files = [*manifests, *logs, *materials, report, *imported_sources(report)]
    files = [file for path in files for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()]
    return {
        "recipe": digest_content([plan["cells"], plan.get("recipes")]),
        "inputs": {os.path.relpath(file): sha256(file) for file in sorted(files)},
    }


def is_rendered(plan: Mapping[str, Any], root: Path, materials: Sequence[Path]) -> bool:
    """Tell whether the report that lies there is whole, and the one that would be rendered now; see `describe_report`."""
    try:
        manifest = read_manifest(root / "manifest.json")
    except ValueError:
        return False
    return (
        manifest is not None
        and {key: manifest.get(key) for key in ("recipe", "inputs")} == describe_report(plan, root, materials)
        and not list(find_changed_outputs(root, manifest))
    )
