"""The published figures, training logs and settings, as the project ships them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

# The evaluations before the first pass do not depend on training: they are compared digit by digit. One pass of training adds
# the float32 rounding of another machine.
PASS_1_TOLERANCE = "0.015"

BATCH_SIZE_SUBSET = 6000  # training images of the batch-size study (F §3)


@dataclass(frozen=True)
class Figure:
    """One published figure and the rule by which a reproduced value is held against it.

    Attributes
    ----------
    id
        The metric's name; what stands before its first dot names the cell.
    study, source
        The study; the notebook and section that print the figure.
    value
        The published figure, as text: its digits count.
    rule
        `exact`, `within`, `below`, `interval` or `erratum`.
    limit
        The tolerance of `within` and `erratum`, the bound of `below`, as text; else None.
    shown
        What the notebook prints, where it misreports (`erratum`).
    why
        Where the tolerance, or the error, comes from.
    claim
        What the figure is, in words.
    """

    id: str
    study: str
    source: str
    value: str
    rule: str
    limit: str | None = None
    shown: str | None = None
    why: str | None = None
    claim: str = ""

    @property
    def cell(self) -> str:
        return self.id.split(".")[0]


@dataclass(frozen=True)
class Deviation:
    """Where a cell of the published protocol knowingly does otherwise than the notebook.

    Attributes
    ----------
    study, source
        The study; the notebook and section.
    notebook, here, effect
        What the notebook does, what we do, and what that does to the figures.
    """

    study: str
    source: str
    notebook: str
    here: str
    effect: str


def load_figures(folder: Path) -> list[Figure]:
    """Return all published figures: those of `figures.yaml`, and the evaluations around the first pass of the log."""
    figures, claims = [], _read(folder, "claims")
    for study, entries in _read(folder, "figures").items():
        figures += _first_evaluations(folder) if study == "augmentation" else []
        for entry in entries:
            limit = entry.get("tolerance", entry.get("bound"))
            figures.append(
                Figure(
                    id=entry["id"],
                    study=study,
                    source=entry["source"],
                    value=entry["value"],
                    rule=entry["rule"],
                    limit=None if limit is None else str(limit),
                    shown=entry.get("shown"),
                    why=entry.get("why"),
                )
            )
    return [replace(figure, claim=_claim(figure, claims.get(figure.study, {}))) for figure in figures]


def _claim(figure: Figure, claims: Mapping[str, str]) -> str:
    """Return what a figure is in words; its id where no claim is written for it."""
    number = figure.cell.rpartition("-")[2]
    found = (claim for pattern, claim in claims.items() if fnmatchcase(figure.id, pattern))
    return next(found, figure.id).format(cell=figure.cell, number=number)


def _first_evaluations(folder: Path) -> list[Figure]:
    log = pd.read_csv(folder / "augmentation_curves.csv", dtype=str)
    sections = {setting: f"F 2.{2 + number}" for number, setting in enumerate(["none", "train", "test", "both"])}
    figures = []
    for _, row in log[log["pass"].isin(["0", "1"])].iterrows():
        rule = {"rule": "exact"}
        if row["pass"] == "1":
            rule = {"rule": "within", "limit": PASS_1_TOLERANCE, "why": "float32 rounding"}
        for measure in ("train_loss", "train_accuracy", "test_loss", "test_accuracy"):
            figures.append(
                Figure(
                    id=f"{row['setting']}.pass_{row['pass']}.{measure}",
                    study="augmentation",
                    source=sections[row["setting"]],
                    value=row[measure],
                    **rule,
                )
            )
    return figures


def load_settings(folder: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the settings under which figures were published: study → pattern of figure ids → parameter → value."""
    return _read(folder, "settings")


def load_corrected(folder: Path) -> dict[str, dict[str, dict[str, str]]]:
    """Return which corrected cells stand `beside` a figure, or are what it is `judged_by`: study → pattern → cells."""
    return _read(folder, "corrected")


def load_deviations(folder: Path) -> list[Deviation]:
    """Return where the published protocol knowingly does otherwise than the notebooks."""
    return [Deviation(study, **entry) for study, entries in _read(folder, "deviations").items() for entry in entries]


def _read(folder: Path, name: str) -> Any:
    return yaml.safe_load((folder / f"{name}.yaml").read_text(encoding="utf-8"))


def corrected_cells(study: str, metric: str, patterns: Mapping[str, Mapping[str, str]]) -> str | None:
    """Return the pattern of the corrected cells that measure a metric of a study; None where none do."""
    for pattern, cells in patterns.get(study, {}).items():
        if fnmatchcase(metric, pattern):
            return cells.replace("{cell}", metric.partition(".")[0])
    return None


def settings_of(figure_id: str, patterns: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return all settings whose pattern matches a figure's id."""
    settings: dict[str, Any] = {}
    for pattern, values in patterns.items():
        if fnmatchcase(figure_id, pattern):
            settings |= values
    return settings


def load_log(folder: Path, study: str) -> pd.DataFrame:
    """Return a published training log in tidy form: its key column, `pass`, `split`, `metric`, `value`."""
    log = pd.read_csv(folder / f"{study}_curves.csv")
    key = log.columns[0]
    tidy = log.melt(id_vars=[key, "pass"], var_name="measure")
    tidy[["split", "metric"]] = tidy.pop("measure").str.split("_", expand=True)
    return tidy[[key, "pass", "split", "metric", "value"]]
