"""Manifests: what is done, stale or missing is read from them, by the report and, before a run is planned, by the workflow.

A manifest stands beside results and says what they were made from (`inputs`, digests by path; `recipe`, one digest of all that
the plan knows) and what they are (`outputs`, digests by name). Whatever differs from it makes them stale.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from gradlab.engine.study import OUTPUT
from gradlab.files import sha256

# What the manifest of a cell holds, of which type, as far as it is read here and in the report.
_CELL = {
    "git": dict | None,
    "inputs": dict,
    "machine": dict,
    "outputs": dict,
    "parameters": dict,
    "recipe": str,
    "rounding": dict,
    "started": str,
    "versions": dict,
    "wall_seconds": int | float,
}


def digest_content(content: Any) -> str:
    """Return the SHA-256 of what JSON can hold, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_manifest(file: Path) -> dict[str, Any] | None:
    """Return what a manifest holds, None where there is none.

    Raises
    ------
    ValueError
        The file cannot be read, or is no manifest.
    """
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ValueError(error.strerror) from error
    if not isinstance(manifest, dict) or not all(isinstance(manifest.get(key), dict) for key in ("inputs", "outputs")):
        raise ValueError("it has no inputs and outputs")
    return manifest


def read_cell_manifest(file: Path) -> dict[str, Any] | None:
    """Return the manifest of a cell, with all that the report reads from it; as `read_manifest`."""
    manifest = read_manifest(file)
    if manifest is not None:
        if wrong := [key for key, kind in _CELL.items() if key not in manifest or not isinstance(manifest[key], kind)]:
            raise ValueError(f"{wrong[0]} is missing, or of another type")
        datetime.fromisoformat(manifest["started"])
    return manifest


def inspect_cell(
    folder: Path,
    planned: Mapping[str, Any],
    *,
    digest: Callable[[Path], str] | None,
) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
    """Return the manifest of a cell, and in what it no longer is as that says, a phrase for each difference.

    Parameters
    ----------
    folder
        The folder of its results.
    planned
        What is planned, see `gradlab.engine.plan.describe_cells`.
    digest
        Returns the digest of an input; None where inputs are not to be looked up. One that is gone is passed over: data can
        be made again, and whether a module is still imported, the recipe says.

    Returns
    -------
    manifest
        None where there is none, or it cannot be read.
    changes
        Empty where the cell is as planned, or has no manifest.
    """
    try:
        manifest = read_cell_manifest(folder / "manifest.json")
    except ValueError as error:
        return None, (f"its manifest cannot be read ({error})",)
    if manifest is None:
        return None, ()
    found = list(_find_other_parameters(planned["given"], manifest["parameters"]))
    if (before := manifest["rounding"].get("asked")) != planned["rounding"]:
        found.append(f"ran with rounding = {before}, planned is {planned['rounding']}")
    if digest is not None:
        for path, before in manifest["inputs"].items():
            if Path(path).exists() and digest(Path(path)) != before:
                found.append(f"{path} has changed since")
    for name, version in planned["packages"].items():
        before = manifest["versions"].get(name, version)
        if before != version:
            found.append(f"ran with {name} {before}, installed is {version}")
    if not found and manifest["recipe"] != planned["recipe"]:
        found.append("ran with other code or data, or a cell that it reads has changed")
    return manifest, (*found, *find_changed_outputs(folder, manifest))


def find_changed_outputs(folder: Path, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Say which files of a folder are missing, or are not those of its manifest."""
    for name, before in manifest["outputs"].items():
        if not (folder / name).is_file():
            yield f"{name} is missing"
        elif sha256(folder / name) != before:
            yield f"{name} is not the file that was written"


def _find_other_parameters(planned: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[str]:
    run_with = {name: value for name, value in given.items() if name != OUTPUT}
    for name in sorted({*run_with, *planned}):
        if name not in planned or name not in run_with or run_with[name] != planned[name]:
            yield f"ran with {name} = {run_with.get(name)}, planned is {planned.get(name)}"


def find_outdated(plan: Mapping[str, Any], root: Path) -> dict[str, str]:
    """Return the cells of a plan that have to run, with the reason of each; an empty one where there are no results.

    Parameters
    ----------
    plan
        The plan.
    root
        The folder of results.
    """
    digest = cache(sha256)  # cells share most of what goes in
    outdated = {}
    for name, planned in plan["cells"].items():
        manifest, changes = inspect_cell(root / name, planned, digest=digest)
        if manifest is None or changes:
            outdated[name] = next(iter(changes), "")
    return outdated
