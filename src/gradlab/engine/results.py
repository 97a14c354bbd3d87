"""Reads what the cells of a study left behind, and says of each planned cell whether it is there."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from gradlab.engine.manifest import inspect_cell
from gradlab.engine.study import Cell, StudyError, cell_from_json
from gradlab.files import sha256

Runs = Mapping[int | None, float | None]  # a metric by the seed of each run; None for a run that has no value


class PlanError(RuntimeError):
    """A plan cannot be read; the message says why, and what writes it."""


@dataclass(frozen=True)
class CellResult:
    """One planned cell and its results, as far as they exist.

    Attributes
    ----------
    planned
        The cell.
    directory
        Where its results lie.
    log
        The executed notebook of a run that failed.
    manifest
        The manifest, or None where the cell is not complete or its manifest cannot be read.
    outdated
        What no longer is as the manifest says, a phrase each: the parameters, the files that went in, those that came out;
        or that the manifest cannot be read.
    """

    planned: Cell
    directory: Path
    log: Path
    manifest: Mapping[str, Any] | None
    outdated: Sequence[str] = ()

    @property
    def name(self) -> str:
        """`<study>/<protocol>/<cell>`."""
        return self.planned.key

    @property
    def study(self) -> str:
        return self.planned.study

    @property
    def protocol(self) -> str:
        return self.planned.protocol

    @property
    def cell(self) -> str:
        return self.planned.name

    @property
    def parameters(self) -> Mapping[str, Any]:
        return self.planned.parameters

    @property
    def status(self) -> str:
        """`done`; `stale`, where something differs from the manifest; `failed`; or `missing`."""
        if self.outdated:
            return "stale"
        if self.manifest is None:
            return "failed" if self._failed else "missing"
        return "done"

    @property
    def run(self) -> Mapping[str, Any]:
        """The manifest, of a cell that has one."""
        assert self.manifest is not None
        return self.manifest

    @property
    def commit(self) -> str | None:
        """The commit that a cell with a manifest ran on, and whether files differed from it; None outside a repository."""
        return print_commit(self.run["git"])

    @property
    def notebook(self) -> Path | None:
        """The executed notebook, of a failed run too; None where there is none."""
        if self.status in ("failed", "missing"):
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
    def curves(self) -> pd.DataFrame:
        """The tidy curves, empty unless the cell is done."""
        return pd.read_csv(self.directory / "curves.csv") if self.status == "done" else pd.DataFrame()


def collect_runs(cells: Iterable[CellResult], metric: str) -> dict[int | None, float | None]:
    """Return a metric of every planned run by its seed; None for a run that is not there or has no such value.

    A cell with replicates has a list for a metric, in their order, or a number where there is one replicate. Any other number
    stands under the seed None.

    Raises
    ------
    ValueError
        A list has another length than the cell has replicates.
    """
    runs: dict[int | None, float | None] = {}
    for cell in cells:
        value = cell.metrics.get(metric)
        seeds: Sequence[int | None] = cell.planned.replicates
        if isinstance(value, list):
            if len(value) != len(seeds):
                raise ValueError(f"{metric} of {cell.name} has {len(value)} values for {len(seeds)} replicates")
            runs |= dict(zip(seeds, value, strict=True))
        elif value is None:
            runs |= dict.fromkeys(seeds or [None])
        else:
            runs[seeds[0] if len(seeds) == 1 else None] = value
    return runs


def is_number(cell: CellResult, metric: str) -> bool:
    """Whether a metric is a number, or one for each seed of its cell; None stands for a number that is not there."""
    value = cell.metrics.get(metric)
    values = value if isinstance(value, list) and len(value) == len(cell.planned.replicates) > 0 else [value]
    return all(value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in values)


def pair_runs(first: Runs, second: Runs) -> tuple[list[float | None], list[float | None]]:
    """Return the values of two arms, seed by seed, for the seeds that both arms plan."""
    seeds = [seed for seed in first if seed in second]
    return [first[seed] for seed in seeds], [second[seed] for seed in seeds]


def print_commit(git: Mapping[str, Any] | None) -> str | None:
    """Return the commit of a manifest, and whether files differed from it; None where it names none."""
    return None if git is None else git["commit"] + (", with uncommitted changes" if git["dirty"] else "")


def load_plan(plan_file: Path) -> dict[str, Any]:
    """Return a study's plan.

    Raises
    ------
    PlanError
        The file is not there, cannot be read, or is no plan.
    """
    remedy = (
        "the workflow writes it when it starts a job: run `make report` (or `make quick`), or, where nothing is left to be "
        "done, `snakemake --cores 1 --forcerun report`"
    )
    try:
        plan: dict[str, Any] = json.loads(plan_file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PlanError(f"there is no plan {plan_file}; {remedy}") from None
    except OSError as error:
        raise PlanError(f"the plan {plan_file} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise PlanError(f"the plan {plan_file} is not JSON ({error}); {remedy}") from None
    cells = plan.get("cells") if isinstance(plan, dict) else None
    if not isinstance(cells, dict) or not all(
        isinstance(cell, dict) and _EVERY <= cell.keys() for cell in cells.values()
    ):
        raise PlanError(f"{plan_file} is not a plan of this version; {remedy}")
    return plan


# What a plan has to hold of every cell for its results to be read.
_EVERY = {"notebook", "parameters", "given", "packages", "recipe", "rounding"}


def load_results(plan_file: Path, *, look_up_inputs: bool = True) -> dict[str, CellResult]:
    """Return every cell of a plan under its name.

    Parameters
    ----------
    plan_file
        The plan, beside which the results lie.
    look_up_inputs
        Whether files that went into a cell are looked up, as its manifest names them, in the working directory, and the
        cell is stale where one has changed. A study that ran in another working directory has its files there.

    Raises
    ------
    PlanError
        See `load_plan`.
    """
    plan = load_plan(plan_file)
    root = plan_file.parent
    digest = cache(sha256) if look_up_inputs else None  # cells share most of the files that went in
    results = {}
    for name, planned in plan["cells"].items():
        manifest, outdated = inspect_cell(root / name, planned, digest=digest)
        try:
            cell = cell_from_json(name, planned)
        except (StudyError, TypeError, ValueError) as error:
            raise PlanError(f"{plan_file} is not a plan of this version: {error}") from None
        results[name] = CellResult(
            planned=cell,
            directory=root / name,
            log=root / "logs" / f"{name}.ipynb",
            manifest=manifest,
            outdated=outdated,
        )
    return results
