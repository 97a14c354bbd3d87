"""What a run of the workflow is made of: studies, configuration, cells, and the plan that jobs and report read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from gradlab.data import DATASETS, digest_preparing, is_outdated
from gradlab.engine.config import ConfigError, check_config, lay_over, read_config, read_packages
from gradlab.engine.config.keys import DATA
from gradlab.engine.figures import FigureError, check_figures
from gradlab.engine.notebook import ParameterError
from gradlab.engine.plan import describe_cells, plan_cells
from gradlab.engine.preflight import SurroundingsError, check_folders
from gradlab.engine.rounding import RoundingError, check_rounding
from gradlab.engine.study import Cell, Study, StudyError, discover
from gradlab.files import remedy_of, save_json
from gradlab.lab.devices import DeviceError, check_device, resolve_device

CUDA_MEMORY = 6000  # megabytes that CUDA's libraries take alone, by estimate
SHORT = 10  # minutes of a cell that may share a job of a cluster, at most
LOCK = ".snakemake/run.lock"
# What is refused before anything runs, each with a message for the person who started the run.
REFUSALS = (ConfigError, DeviceError, FigureError, ParameterError, RoundingError, StudyError, SurroundingsError)


@dataclass(frozen=True)
class Run:
    """A run that was planned.

    Attributes
    ----------
    studies
        Those that are on, by name, in their order.
    cells
        Their cells, by key.
    results
        The folder of results.
    device
        `cpu` or `cuda`.
    rounding
        The context to which cells are limited; see `gradlab.engine.rounding`.
    plan
        What is written before the first job starts, as `plan_run` makes it.
    """

    studies: Mapping[str, Study]
    cells: Mapping[str, Cell]
    results: Path
    device: str
    rounding: str | None
    plan: Mapping[str, Any]

    @cached_property
    def outdated_data(self) -> set[str]:
        """The data sets that are not there, or were prepared by other code than there is."""
        return {name for name in DATASETS if is_outdated(DATA / name)}

    @property
    def plan_file(self) -> Path:
        """Where the plan is written."""
        return self.results / "plan.json"

    def cells_of(self, *groups: str) -> list[Path]:
        """The manifest of every cell of the given studies, or protocols: what belongs to the cell, it says itself."""
        wanted = set(groups)
        return [
            self.results / key / "manifest.json"
            for key, cell in self.cells.items()
            if {cell.study, cell.protocol} & wanted
        ]

    def gpus_of(self, key: str) -> int:
        """How many GPUs a cell takes."""
        return int(self.device == "cuda" and self.cells[key].device is not None)

    def group_of(self, key: str) -> str | None:
        """The group of cells with which a cell may share a job of a cluster; None for a job, or none, of its own.

        A cell that waits for others is in no group: it could make two groups wait for one another, which Snakemake refuses.
        """
        cell = self.cells[key]
        short = cell.resources.minutes <= SHORT and not cell.resources.local and not cell.sources
        return "short" if short else None

    def memory_of(self, key: str) -> int:
        """Megabytes that a cell takes."""
        return max(self.cells[key].resources.memory, CUDA_MEMORY * self.gpus_of(key))


def plan_run(config: Mapping[str, Any], files: Sequence[str | Path]) -> Run:
    """Plan a run in the working directory, which is the project.

    Parameters
    ----------
    config
        What is laid over the files: what the command line says, and, where Snakemake has read them as well, what they hold.
    files
        The configuration files, each laid over the one before.

    Raises
    ------
    One of `REFUSALS`.
    """
    whole: dict[str, Any] = {}
    for layer in (*map(read_config, files), config):
        whole = lay_over(whole, layer)
    packages = read_packages(whole)
    found = discover(packages)
    settings = check_config(whole, found, files=files)
    studies = {name: found[name] for name in settings.sections}
    results = Path(settings.results)
    check_folders(results, DATA)
    check_figures(studies.values())
    cells = plan_cells(studies, settings.sections)
    device = resolve_device(settings.device)
    plan = {
        "packages": list(packages),
        "studies": list(studies),
        "time_limit": settings.time_limit,
        "datasets": {name: {"destination": str(DATA / name), **settings.data.for_dataset(name)} for name in DATASETS},
        # Folders from which studies are imported, beside the package's own.
        "paths": [str(Path(package).parent) for package in packages if "/" in package],
        "cells": describe_cells(
            cells,
            studies,
            results=results,
            data=DATA,
            device=device,
            prepared_by=digest_preparing(),
            rounding=settings.rounding,
        ),
    }
    return Run(studies, cells, results, device, settings.rounding, plan)


def begin(run: Run, *, here: bool) -> tuple[FileLock, str]:
    """Lock the project for one run, and write the plan.

    Parameters
    ----------
    here
        Whether jobs run on this machine; on others, each finds out for itself whether it has the device, and the context of
        rounding.

    Returns
    -------
    lock
        Held until it is released, or the process ends.
    warning
        Why the folder could not be locked; empty where it was.

    Raises
    ------
    DeviceError, RoundingError, SurroundingsError
        The device, or the context of rounding, is not there; another run is going on; the plan could not be written.
    """
    if here:
        check_device(run.device)
        check_rounding(run.rounding)
    lock, warning = FileLock(LOCK), ""
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise SurroundingsError("another run is going on in this folder; wait for its end, or end it") from None
    except OSError as error:
        warning = f"this folder cannot be locked ({error.strerror}): see to it that one run at a time goes on in it"
    try:
        save_json(run.plan_file, run.plan, sort_keys=False)  # the report keeps the order of the plan
    except OSError as error:
        reason = f"{run.plan_file} could not be written: {error.strerror}; {remedy_of(error)}"
        raise SurroundingsError(reason) from None
    return lock, warning
