"""What a notebook leaves behind: metrics, curves, figures and answers, as files in its cell's directory.

Every file is written beside its place and renamed into it, so that a killed kernel leaves no half-written file.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from gradlab.files import atomic_path, save_json
from gradlab.lab.svg import draw_svg

Scalar = bool | int | float | str | None


def save_metrics(output: str | Path, metrics: Mapping[str, Scalar | Sequence[Scalar]]) -> None:
    """Write `metrics.json`.

    Parameters
    ----------
    output
        The cell's directory.
    metrics
        Scalars under the ids of `figures.yaml` where it has one. A metric measured under several seeds is a list in
        the order of the seeds. A value that is not finite (never reached, diverged) is stored as null.
    """
    save_json(Path(output) / "metrics.json", {name: _plain(value) for name, value in metrics.items()})


def save_curves(output: str | Path, curves: pd.DataFrame) -> None:
    """Write `curves.csv`, in tidy form.

    Parameters
    ----------
    output
        The cell's directory.
    curves
        One row for each measured value: key columns first (such as `seed`, `pass`, `update`, `split`), then `metric`
        and `value`. Numbers are written so that reading them gives the same number.
    """
    if list(curves.columns[-2:]) != ["metric", "value"]:
        raise ValueError(f"curves end with the columns metric and value; got {list(curves.columns)}")
    with atomic_path(Path(output) / "curves.csv") as temporary:
        curves.to_csv(temporary, index=False, lineterminator="\n")


def save_figure(output: str | Path, name: str, figure: Figure, *, alt: str) -> None:
    """Write `<name>.svg`, with `alt`, one or two sentences that say what the figure shows, as its description."""
    with atomic_path(Path(output) / f"{name}.svg") as temporary:
        temporary.write_text(draw_svg(figure, title=name, alt=alt), encoding="utf-8")


def save_answers(output: str | Path, answers: Sequence[Mapping[str, str]]) -> None:
    """Write `answers.json`: a list of mappings with the keys `question`, `answer` and `evidence` (plain text)."""
    for answer in answers:
        if set(answer) != {"question", "answer", "evidence"}:
            raise ValueError(f"an answer has a question, an answer and its evidence; got {sorted(answer)}")
    save_json(Path(output) / "answers.json", [dict(answer) for answer in answers])


def _plain(value: Any) -> Any:
    """Return `value` as JSON's own types: arrays and tensors as lists or scalars, what is not finite as None."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
