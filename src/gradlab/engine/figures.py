"""The published figures of a study, as its `published/figures.yaml` has them, and the check of that file.

Each entry of its list holds all that is known of one figure:

`id`
    The name of the metric that reproduces it.
`value`
    What was printed, in quotes: its digits count.
`source`, `claim`
    The notebook and section that print it; what it is, in words.
`rule`
    `exact`
        the reproduced value, printed with as many digits, is the same text
    `within`
        it differs from the published one by at most `tolerance`, and `why` says where that comes from
    `below`
        it is below `bound`
    `interval`
        the published value lies in the 95 % prediction interval of our replicates
    `erratum`
        the notebook misreports: `shown` is what it prints, `value` what its own log says, with `tolerance` and `why`
`settings`, where it depends on any
    Parameters, with the values under which it was printed. It is compared only with cells that ran with these, and whose
    sources ran with those of their own figures.
`judged_by`, where it is not `published`
    The protocol whose cells reproduce it: those that declare a metric of its name.
`cell` and `point`, where it is no metric but a row of `curves.csv`
    The cell of the published protocol, and the values of the row's columns.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from gradlab.engine.study import PROTOCOLS, Cell, Study

if TYPE_CHECKING:
    import pandas as pd

# What an entry of each rule has to say beside what every entry does.
RULES: Mapping[str, Sequence[str]] = {
    "exact": (),
    "within": ("tolerance", "why"),
    "below": ("bound",),
    "interval": (),
    "erratum": ("shown", "tolerance", "why"),
}
_ALWAYS = ("id", "value", "source", "claim", "rule")
_TEXTS = ("id", "value", "source", "claim", "rule", "shown", "why", "cell", "judged_by")
_NUMBERS = ("tolerance", "bound")
_KNOWN = (*_TEXTS, *_NUMBERS, "settings", "point")


class FigureError(ValueError):
    """A file of figures that is refused; the message has a line for each fault."""


@dataclass(frozen=True)
class Figure:
    """One published figure and the rule by which a reproduced value is held against it.

    Attributes
    ----------
    id, study, source, value, rule, shown, why, claim, settings, judged_by, cell, point
        As the file has them; the study is its folder.
    limit
        The tolerance of `within` and `erratum`, the bound of `below`, as text; else None.
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
    settings: Mapping[str, Any] = field(default_factory=dict)
    judged_by: str = "published"
    cell: str | None = None
    point: Mapping[str, Any] | None = None

    def is_judged_by(self, cell: Cell) -> bool:
        """Whether a cell reproduces the figure."""
        if cell.study != self.study or cell.protocol != self.judged_by:
            return False
        return self.id in cell.metrics if self.point is None else cell.name == self.cell


@dataclass(frozen=True)
class Deviation:
    """Where a cell of the published protocol knowingly does otherwise than the notebook, or had to guess.

    Attributes
    ----------
    source
        The notebook and section.
    notebook, here, effect
        What the notebook does, what we do, and what that does to the figures.
    """

    source: str
    notebook: str
    here: str
    effect: str


def load_figures(study: Study) -> list[Figure]:
    """Return the published figures of a study, in their order; none where it publishes none."""
    figures = []
    for entry, _ in _read(study.published / "figures.yaml"):
        limit = entry.get("tolerance", entry.get("bound"))
        kept = {name: entry[name] for name in (*_TEXTS, "settings", "point") if entry.get(name) is not None}
        figures.append(Figure(study=study.name, limit=None if limit is None else str(limit), **kept))
    return figures


def load_deviations(study: Study) -> list[Deviation]:
    """Return where the published protocol knowingly does otherwise than the notebook: `published/deviations.yaml`."""
    file = study.published / "deviations.yaml"
    entries = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else []
    return [Deviation(**entry) for entry in entries]


def load_log(study: Study) -> "pd.DataFrame":
    """Return the published log, `published/curves.csv`, in tidy form: its key column, `pass`, `split`, `metric`, `value`."""
    import pandas as pd  # which the workflow, at each start, has no use for

    log = pd.read_csv(study.published / "curves.csv")
    key = log.columns[0]
    tidy = log.melt(id_vars=[key, "pass"], var_name="measure")
    tidy[["split", "metric"]] = tidy.pop("measure").str.split("_", expand=True)
    return tidy[[key, "pass", "split", "metric", "value"]]


def check_figures(studies: Iterable[Study]) -> None:
    """Refuse figures that could never be compared, before anything runs.

    Names of cells, metrics and settings are looked up in the study as published, which is what its defaults plan.

    Raises
    ------
    FigureError
        One line for each fault, with file and line.
    """
    faults = []
    for study in studies:
        file = study.published / "figures.yaml"
        if not file.exists():
            continue
        try:
            entries = _read(file)
        except FigureError as error:
            faults.append(str(error))
            continue
        cells = study.cells(study.config())
        seen: dict[str, int] = {}
        for entry, line in entries:
            faults += [f"{file}, line {line}: {fault}" for fault in _find_faults(entry, study.name, cells, seen)]
            seen.setdefault(str(entry.get("id")), line)
    if faults:
        raise FigureError("the published figures are refused:\n" + "\n".join(f"  {fault}" for fault in faults))


def _find_faults(entry: Mapping[str, Any], study: str, cells: Sequence[Cell], seen: Mapping[str, int]) -> Iterator[str]:
    for name in entry:
        if name not in _KNOWN:
            yield f"unknown key {name}{_suggest(str(name), _KNOWN)}; allowed: {', '.join(_KNOWN)}"
    rule = entry.get("rule")
    if isinstance(rule, str) and rule not in RULES:
        yield f"rule = {rule}: expected one of {', '.join(RULES)}{_suggest(rule, RULES)}"
    for name in (*_ALWAYS, *RULES.get(str(rule), ())):
        if entry.get(name) is None:
            yield f"missing {name}" + (f", which the rule {rule} needs" if name not in _ALWAYS else "")
    for name in _TEXTS:
        if entry.get(name) is not None and not isinstance(entry[name], str):
            yield f"{name} = {entry[name]}: expected text; write it in quotes, since its digits count"
    for name in _NUMBERS:
        value = entry.get(name)
        if value is not None and (not isinstance(value, int | float) or isinstance(value, bool)):
            yield f"{name} = {value}: expected a number, without quotes and, with an exponent, as 1.0e-8"
    if isinstance(entry.get("value"), str) and not _is_number(entry["value"]):
        yield f"value = {entry['value']!r}: expected a number as it was printed"
    identifier = entry.get("id")
    if not isinstance(identifier, str):
        return
    if identifier in seen:
        yield f"id = {identifier}: this figure stands in line {seen[identifier]} already"
    yield from _find_unknown_names(entry, study, cells)


def _find_unknown_names(entry: Mapping[str, Any], study: str, cells: Sequence[Cell]) -> Iterator[str]:
    """Say which cell, metric or setting the study as published does not have."""
    protocol, point = entry.get("judged_by") or "published", entry.get("point")
    if protocol not in PROTOCOLS:
        yield f"judged_by = {protocol}: expected one of {', '.join(PROTOCOLS)}"
        return
    candidates = [cell for cell in cells if cell.protocol == protocol]
    if (point is None) != (entry.get("cell") is None):
        yield "cell and point go together: they name a row of a cell's curves.csv"
        return
    if point is None:
        judging = [cell for cell in candidates if entry["id"] in cell.metrics]
        known = [metric for cell in candidates for metric in cell.metrics]
        if not judging:
            yield f"id = {entry['id']}: no {protocol} cell of {study} declares this metric{_suggest(entry['id'], known)}"
    else:
        judging = [cell for cell in candidates if cell.name == entry["cell"]]
        if not judging:
            yield f"cell = {entry['cell']}: no {protocol} cell of {study} has this name" + _suggest(
                str(entry["cell"]), [cell.name for cell in candidates]
            )
        if not isinstance(point, Mapping):
            yield f"point = {point}: expected the values of columns, such as {{pass: 0, split: train, metric: loss}}"
    settings = entry.get("settings") or {}
    if not isinstance(settings, Mapping):
        yield f"settings = {settings}: expected parameters with values"
        return
    for name in settings:
        if judging and not all(name in cell.parameters for cell in judging):
            known = [known for cell in judging for known in cell.parameters]
            yield f"settings: {judging[0].key} has no parameter {name}{_suggest(str(name), known)}"


def _suggest(name: str, known: Iterable[str]) -> str:
    meant = get_close_matches(name, [*dict.fromkeys(known)], 1)
    return f"; did you mean {meant[0]}?" if meant else ""


def _is_number(text: str) -> bool:
    try:
        return isfinite(float(text))
    except ValueError:
        return False


def _read(file: Path) -> list[tuple[dict[str, Any], int]]:
    """Return the entries of a file of figures, each with its line; none where there is no file."""
    if not file.exists():
        return []
    try:
        loader = yaml.SafeLoader(file.read_text(encoding="utf-8"))
        root = loader.get_single_node()
        content = None if root is None else loader.construct_document(root)
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        reason = " ".join(str(getattr(error, "problem", None) or error).split())
        raise FigureError(f"{file}{where}: this is not YAML ({reason})") from None
    entries = content.get("figures") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise FigureError(
            f"{file}, line 1: expected the key `figures` with a list of entries, each of keys with values"
        )
    node = next(value for key, value in root.value if key.value == "figures")
    return [(entry, item.start_mark.line + 1) for entry, item in zip(entries, node.value, strict=True)]
