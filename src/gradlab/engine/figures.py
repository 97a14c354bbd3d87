"""What a study publishes, as its `published/figures.yaml` has it, and the check of that file.

Each entry of the list `figures` holds all that is known of one printed number:

`id`
    The name of the metric that reproduces it.
`value`
    What was printed, in quotes: its digits count.
`source`, `claim`
    The notebook and section that print it; what it is, in words.
`origin`, where it was not printed as a number
    Where the value was read: one of `ORIGINS`.
`rule`
    `exact`
        the reproduced value, printed with as many digits, is the same text
    `rounding`
        it differs from the published one by at most `bound`, and `why` says how that follows from rounding
    `follows`
        it is read off the log whose id is `log`, and has the verdict of that log
    `interval`
        the published value lies in the 95 % prediction interval of our replicates
    `below`
        it is below `bound`
    `misprint`
        the notebook prints another number than it means: `meant` is what its own log, whose id is `log`, has
`cause`, where it does not come out digit by digit, and the rule does not give the cause
    One of `gradlab.engine.verdicts.CAUSES`.
`why`, where there is more to say
    A sentence for the reader.
`settings`, where it depends on any
    Parameters, with the values under which it was printed. It is compared only with cells that ran with these, and whose
    sources ran with those of their own figures.
`judged_by`, where it is not `published`
    The protocol whose cells reproduce it: those that declare a metric of its name.
`cell` and `point`, where it is no metric but a row of `curves.csv`
    The cell of the published protocol, and the values of the row's columns.

Tables of numbers stand beside it as CSV, and in the list `logs`: see `gradlab.engine.logs`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import Any

import yaml

from gradlab.engine.study import PROTOCOLS, Cell, Study

# What an entry of each rule has to say beside what every entry does.
RULES: Mapping[str, Sequence[str]] = {
    "exact": (),
    "rounding": ("bound", "why"),
    "follows": ("log",),
    "interval": ("cause",),
    "below": ("bound",),
    "misprint": ("meant", "log"),
}
ORIGINS = ("printed", "text", "plot", "formula")
# Why a published number does, or does not, come out digit by digit.
CAUSES = (
    "same digits",
    "rounding",
    "chaotic growth of rounding",
    "unseeded",
    "chosen by eye",
    "misprint",
    "hidden state",
    "code differs from text",
    "not compared",
    "unexplained",
)
_ALWAYS = ("id", "value", "source", "claim", "rule")
_TEXTS = ("id", "value", "source", "claim", "rule", "meant", "why", "cell", "judged_by", "origin", "cause", "log")
_NUMBERS = ("bound",)
_KNOWN = (*_TEXTS, *_NUMBERS, "settings", "point")


class FigureError(ValueError):
    """A file of figures that is refused; the message has a line for each fault."""


@dataclass(frozen=True)
class Figure:
    """One published number and the rule by which a reproduced value is held against it.

    Attributes
    ----------
    id, study, source, value, rule, meant, why, claim, settings, judged_by, cell, point, origin, cause, log
        As the file has them; the study is its folder. A number of a log has the id of the log, and its place in it.
    limit
        The bound of `rounding` and `below`, as text; else None.
    """

    id: str
    study: str
    source: str
    value: str
    rule: str
    limit: str | None = None
    meant: str | None = None
    why: str | None = None
    claim: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    judged_by: str = "published"
    cell: str | None = None
    point: Mapping[str, Any] | None = None
    origin: str = "printed"
    cause: str | None = None
    log: str | None = None

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
    for entry, _ in read_entries(study.published / "figures.yaml", "figures"):
        limit = entry.get("bound")
        kept = {name: entry[name] for name in (*_TEXTS, "settings", "point") if entry.get(name) is not None}
        figures.append(Figure(study=study.name, limit=None if limit is None else str(limit), **kept))
    return figures


def load_deviations(study: Study) -> list[Deviation]:
    """Return where the published protocol knowingly does otherwise than the notebook: `published/deviations.yaml`."""
    file = study.published / "deviations.yaml"
    entries = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else []
    return [Deviation(**entry) for entry in entries]


def check_figures(studies: Iterable[Study]) -> None:
    """Refuse figures and logs that could never be compared, before anything runs.

    Names of cells, metrics and settings are looked up in the study as published, which is what its defaults plan.

    Raises
    ------
    FigureError
        One line for each fault, with file and line.
    """
    from gradlab.engine.logs import find_log_faults

    faults = []
    for study in studies:
        file = study.published / "figures.yaml"
        if not file.exists():
            continue
        try:
            entries, logs = read_entries(file, "figures"), read_entries(file, "logs")
        except FigureError as error:
            faults.append(str(error))
            continue
        cells = study.cells(study.config())
        seen: dict[str, int] = {}
        known = [str(log.get("id")) for log, _ in logs]
        for entry, line in entries:
            found = _find_faults(entry, study.name, cells, seen, known)
            faults += [f"{file}, line {line}: {fault}" for fault in found]
            seen.setdefault(str(entry.get("id")), line)
        for log, line in logs:
            found = find_log_faults(log, study, cells, seen)
            faults += [f"{file}, line {line}: {fault}" for fault in found]
            seen.setdefault(str(log.get("id")), line)
    if faults:
        raise FigureError("the published figures are refused:\n" + "\n".join(f"  {fault}" for fault in faults))


def _find_faults(
    entry: Mapping[str, Any], study: str, cells: Sequence[Cell], seen: Mapping[str, int], logs: Sequence[str]
) -> Iterator[str]:
    yield from find_shape_faults(entry, _KNOWN, _ALWAYS, RULES)
    for name, allowed in (("origin", ORIGINS), ("cause", CAUSES), ("log", logs)):
        value = entry.get(name)
        if isinstance(value, str) and value not in allowed:
            yield f"{name} = {value}: expected one of {', '.join(allowed) or 'none'}{suggest(value, allowed)}"
    for name in ("value", "meant"):
        if isinstance(entry.get(name), str) and not is_number(entry[name]):
            yield f"{name} = {entry[name]!r}: expected a number as it was printed"
    identifier = entry.get("id")
    if not isinstance(identifier, str):
        return
    if identifier in seen:
        yield f"id = {identifier}: this figure stands in line {seen[identifier]} already"
    yield from _find_unknown_names(entry, study, cells)


def find_shape_faults(
    entry: Mapping[str, Any], known: Sequence[str], always: Sequence[str], rules: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    """Say which keys of an entry are unknown, missing or of another type."""
    for name in entry:
        if name not in known:
            yield f"unknown key {name}{suggest(str(name), known)}; allowed: {', '.join(known)}"
    rule = entry.get("rule")
    if isinstance(rule, str) and rule not in rules:
        yield f"rule = {rule}: expected one of {', '.join(rules)}{suggest(rule, rules)}"
    for name in (*always, *rules.get(str(rule), ())):
        if entry.get(name) is None:
            yield f"missing {name}" + (f", which the rule {rule} needs" if name not in always else "")
    for name in _TEXTS:
        if name in known and entry.get(name) is not None and not isinstance(entry[name], str):
            yield f"{name} = {entry[name]}: expected text; write it in quotes, since its digits count"
    for name in _NUMBERS:
        value = entry.get(name)
        if value is not None and (not isinstance(value, int | float) or isinstance(value, bool)):
            yield f"{name} = {value}: expected a number, without quotes and, with an exponent, as 1.0e-8"


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
            yield f"id = {entry['id']}: no {protocol} cell of {study} declares this metric{suggest(entry['id'], known)}"
    else:
        judging = [cell for cell in candidates if cell.name == entry["cell"]]
        if not judging:
            yield f"cell = {entry['cell']}: no {protocol} cell of {study} has this name" + suggest(
                str(entry["cell"]), [cell.name for cell in candidates]
            )
        if not isinstance(point, Mapping):
            yield f"point = {point}: expected the values of columns, such as {{pass: 0, split: train, metric: loss}}"
    yield from find_setting_faults(entry, judging)


def find_setting_faults(entry: Mapping[str, Any], judging: Sequence[Cell]) -> Iterator[str]:
    """Say which settings of an entry the cells that judge it do not have."""
    settings = entry.get("settings") or {}
    if not isinstance(settings, Mapping):
        yield f"settings = {settings}: expected parameters with values"
        return
    for name in settings:
        if judging and not all(name in cell.parameters for cell in judging):
            known = [known for cell in judging for known in cell.parameters]
            yield f"settings: {judging[0].key} has no parameter {name}{suggest(str(name), known)}"


def suggest(name: str, known: Iterable[str]) -> str:
    """Say which known name may be meant; empty where none is like it."""
    meant = get_close_matches(name, [*dict.fromkeys(known)], 1)
    return f"; did you mean {meant[0]}?" if meant else ""


def is_number(text: str) -> bool:
    """Whether a text is a finite number."""
    try:
        return isfinite(float(text))
    except ValueError:
        return False


def read_entries(file: Path, key: str) -> list[tuple[dict[str, Any], int]]:
    """Return the entries of a list of a file of figures, each with its line; none where there is no file.

    Raises
    ------
    FigureError
        The file is not YAML, or holds no such list; `logs` may be left out.
    """
    if not file.exists():
        return []
    try:
        loader = yaml.CSafeLoader(file.read_text(encoding="utf-8"))
        root = loader.get_single_node()
        content = None if root is None else loader.construct_document(root)
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        reason = " ".join(str(getattr(error, "problem", None) or error).split())
        raise FigureError(f"{file}{where}: this is not YAML ({reason})") from None
    entries = content.get(key, [] if key == "logs" else None) if isinstance(content, dict) else None
    if root is None or not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise FigureError(f"{file}, line 1: expected the key `{key}` with a list of entries, each of keys with values")
    nodes = [value.value for name, value in root.value if name.value == key]
    lines = [item.start_mark.line + 1 for item in nodes[0]] if nodes else []
    return list(zip(entries, lines, strict=True))
