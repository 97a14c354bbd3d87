"""Reads what the cells of a study left behind, and says of each planned cell whether it is there."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd


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
    """

    name: str
    parameters: Mapping[str, Any]
    directory: Path
    log: Path
    manifest: Mapping[str, Any] | None

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
        """`done`; `stale`, run with other parameters than the plan's; `failed`; or `missing`."""
        if self.manifest is None:
            return "failed" if self._failed else "missing"
        run_with = {name: value for name, value in self.manifest["parameters"].items() if name != "output"}
        return "done" if run_with == dict(self.parameters) else "stale"

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
    """Return every cell of a plan under its name; the results lie beside the plan's file."""
    plan = json.loads(plan_file.read_text(encoding="utf-8"))
    root = plan_file.parent
    results = {}
    for name, parameters in plan["cells"].items():
        manifest = root / name / "manifest.json"
        results[name] = CellResult(
            name=name,
            parameters=parameters,
            directory=root / name,
            log=root / "logs" / f"{name}.ipynb",
            manifest=json.loads(manifest.read_text(encoding="utf-8")) if manifest.exists() else None,
        )
    return results
