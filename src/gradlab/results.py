"""Reads what the cells of a study left behind, and says of each planned cell whether it is there."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from gradlab.files import sha256


@dataclass(frozen=True)
class CellResult:
    """One planned cell and its results, as far as they exist.

    Attributes
    ----------
    name
        `<study>/<protocol>/<cell>`.
    parameters
        What the plan gives to the cell's notebook.
    directory
        Where its results lie.
    log
        The executed notebook of a run that failed.
    manifest
        The manifest, or None where the cell is not complete.
    outdated
        What no longer is as the manifest says, a phrase each: the parameters, the files that went in, those that came out.
    """

    name: str
    parameters: Mapping[str, Any]
    directory: Path
    log: Path
    manifest: Mapping[str, Any] | None
    outdated: Sequence[str] = ()

    @property
    def study(self) -> str:
        return self.name.split("/")[0]

    @property
    def protocol(self) -> str:
        return self.name.split("/")[1]

    @property
    def cell(self) -> str:
        return self.name.split("/")[-1]

    @property
    def status(self) -> str:
        """`done`; `stale`, where something differs from the manifest; `failed`; or `missing`."""
        if self.manifest is None:
            return "failed" if self._failed else "missing"
        return "stale" if self.outdated else "done"

    @property
    def commit(self) -> str | None:
        """The commit that a cell with a manifest ran on, and whether files differed from it; None outside a repository."""
        git = self.manifest["git"]
        return None if git is None else git["commit"] + (", with uncommitted changes" if git["dirty"] else "")

    @property
    def notebook(self) -> Path | None:
        """The executed notebook, of a failed run too; None where there is none."""
        if self.manifest is None:
            return self.log if self._failed else None
        notebook = self.directory / "notebook.ipynb"
        return notebook if notebook.exists() else None

    @property
    def _failed(self) -> bool:
        """Whether a failed run left its notebook; a run that succeeds leaves an empty file there."""
        return self.log.exists() and self.log.stat().st_size > 0

    @cached_property
    def metrics(self) -> Mapping[str, Any]:
        """The metrics, empty unless the cell is done."""
        return (
            json.loads((self.directory / "metrics.json").read_text(encoding="utf-8")) if self.status == "done" else {}
        )

    @cached_property
    def answers(self) -> Sequence[Mapping[str, str]]:
        """The answers in words, empty where the cell gives none or is not done."""
        file = self.directory / "answers.json"
        return json.loads(file.read_text(encoding="utf-8")) if self.status == "done" and file.exists() else []

    @cached_property
    def curves(self) -> pd.DataFrame | None:
        """The tidy curves, None unless the cell is done."""
        return pd.read_csv(self.directory / "curves.csv") if self.status == "done" else None


def load_results(plan_file: Path) -> dict[str, CellResult]:
    """Return every cell of a plan under its name.

    The results lie beside the plan's file. The files that went into a cell are looked up in the working directory, as the
    manifest names them.
    """
    plan = json.loads(plan_file.read_text(encoding="utf-8"))
    root = plan_file.parent
    digest = cache(sha256)  # cells share most of the files that went in
    results = {}
    for name, parameters in plan["cells"].items():
        file = root / name / "manifest.json"
        manifest = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
        results[name] = CellResult(
            name=name,
            parameters=parameters,
            directory=root / name,
            log=root / "logs" / f"{name}.ipynb",
            manifest=manifest,
            outdated=tuple(_find_outdated(root / name, parameters, manifest, digest)) if manifest else (),
        )
    return results


def _find_outdated(
    directory: Path, parameters: Mapping[str, Any], manifest: Mapping[str, Any], digest: Callable[[Path], str]
) -> Iterator[str]:
    run_with = {name: value for name, value in manifest["parameters"].items() if name != "output"}
    for name in sorted({*run_with, *parameters}):
        if name not in parameters or name not in run_with or run_with[name] != parameters[name]:
            yield f"ran with {name} = {run_with.get(name)}, planned is {parameters.get(name)}"
    for path, before in manifest["inputs"].items():
        # One that is gone is passed over: data can be made again, and what imported a module that is gone has changed as well.
        if Path(path).exists() and digest(Path(path)) != before:
            yield f"{path} has changed since"
    for name, before in manifest["outputs"].items():
        if not (directory / name).exists():
            yield f"{name} is missing"
        elif sha256(directory / name) != before:
            yield f"{name} is not the file that the cell wrote"
