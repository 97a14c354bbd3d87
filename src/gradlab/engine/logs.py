"""The tables of numbers that a study publishes: training logs, and whatever else was printed in rows.

Each entry of the list `logs` in `published/figures.yaml` describes one:

`id`
    Its name; a number in it is called `<id>.<index>_<value>.<column>`, as `none.pass_3.train_loss`.
`file`, `rows`
    A CSV file in `published/`, and which of its rows are meant: the values of columns.
`index`
    The column that tells the rows apart; the cell's `curves.csv` has it too.
`columns`
    The columns that hold the numbers: column → the values of columns in the rows of `curves.csv` that reproduce it.
`cell`
    The cell of the published protocol that reproduces it.
`source`, `claim`, `settings`, `why`
    As of a figure.
`rule`
    `exact` or `rounding`, as of a figure, for every number on its own; or `follows`, one verdict for the whole: the column
    `measure` of ours, less a running median, correlates with the published one better than chance would have it, see
    `gradlab.lab.follow`. Numbers before training, where the index is 0, have to be exact.
`others`, of a log that is followed
    Patterns of planned cells (`corrected/clean-*`) that hold logs of other seeds: by their column `seed`, where there is one.
`other_rows`, where their `curves.csv` has more than the points
    Further values of columns.
"""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gradlab.engine.figures import Figure, find_setting_faults, find_shape_faults, is_number, read_entries, suggest
from gradlab.engine.study import Cell, Study

if TYPE_CHECKING:
    import pandas as pd

RULES: Mapping[str, Sequence[str]] = {"exact": (), "rounding": ("bound", "why"), "follows": ("measure", "others")}
_ALWAYS = ("id", "file", "index", "columns", "cell", "source", "claim", "rule")
_TEXTS = ("id", "file", "index", "cell", "source", "claim", "rule", "measure", "why")
_KNOWN = (*_ALWAYS, "rows", "measure", "others", "other_rows", "bound", "why", "settings")


@dataclass(frozen=True)
class Log:
    """One table of printed numbers; its attributes are the keys of the file, and `limit` is its bound, as text.

    `table` has the printed numbers as texts, a row for each value of the index.
    """

    id: str
    study: Study
    file: str
    index: str
    columns: Mapping[str, Mapping[str, Any]]
    cell: str
    source: str
    claim: str
    rule: str
    rows: Mapping[str, Any] = field(default_factory=dict)
    measure: str | None = None
    others: Sequence[str] = ()
    other_rows: Mapping[str, Any] = field(default_factory=dict)
    limit: str | None = None
    why: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def is_judged_by(self, cell: Cell) -> bool:
        """Whether a cell reproduces the log."""
        return (cell.study, cell.protocol, cell.name) == (self.study.name, "published", self.cell)

    def has_other(self, cell: Cell) -> bool:
        """Whether a cell holds logs of other seeds."""
        name = cell.key.partition("/")[2]
        return cell.study == self.study.name and any(fnmatchcase(name, pattern) for pattern in self.others)

    @cached_property
    def table(self) -> "pd.DataFrame":
        """The printed numbers as texts, by the index (int) and the columns."""
        import pandas as pd  # which the workflow, at each start, has no use for

        table = pd.DataFrame(_read_rows(self.study, self.file, self.rows))
        return table.set_index(table[self.index].astype(int))[list(self.columns)]

    def places(self) -> list[tuple[int, str]]:
        """Return index and column of every number, in the order of `figures`."""
        return [(int(place), column) for place in self.table.index for column in self.columns]

    def figures(self) -> list[Figure]:
        """Return its numbers, one by one, row by row."""
        return [
            Figure(
                id=f"{self.id}.{self.index}_{place}.{column}",
                study=self.study.name,
                source=self.source,
                value=str(self.table.loc[place, column]),
                rule="exact" if self.rule == "follows" and place == 0 else self.rule,
                limit=self.limit,
                why=self.why,
                claim=f"{self.claim}, {self.index} {place}: {column.replace('_', ' ')}",
                settings=self.settings,
                cell=self.cell,
                point={self.index: place, **self.columns[column]},
                log=self.id,
            )
            for place, column in self.places()
        ]

    def select(self, curves: "pd.DataFrame", column: str) -> "pd.Series":
        """Return the values of a column in the rows of a cell's `curves.csv`, by the index; of other seeds, too."""
        rows = select_rows(curves, self.columns[column])
        return (
            rows.set_index(self.index)["value"] if self.index in rows else rows[:0].reindex(columns=["value"])["value"]
        )


def select_rows(curves: "pd.DataFrame", values: Mapping[str, Any]) -> "pd.DataFrame":
    """Return the rows that have these values; none where a column is not there."""
    for column, value in values.items():
        curves = curves[curves[column] == value] if column in curves else curves.iloc[:0]
    return curves


def load_logs(study: Study) -> list[Log]:
    """Return the logs that a study publishes, in their order."""
    logs = []
    for entry, _ in read_entries(study.published / "figures.yaml", "logs"):
        bound = entry.get("bound")
        kept = {name: value for name, value in entry.items() if name != "bound" and value is not None}
        logs.append(Log(study=study, limit=None if bound is None else str(bound), **kept))
    return logs


def tabulate_log(log: Log) -> "pd.DataFrame":
    """Return a log in tidy form, as `curves.csv` has it: its index, the columns of its points, `value`."""
    import pandas as pd

    tables = [
        pd.DataFrame({log.index: log.table.index, **point, "value": log.table[column].astype(float).to_numpy()})
        for column, point in log.columns.items()
    ]
    return pd.concat(tables, ignore_index=True)


def find_log_faults(
    entry: Mapping[str, Any], study: Study, cells: Sequence[Cell], seen: Mapping[str, int]
) -> Iterator[str]:
    """Say what is wrong with an entry of `logs`; the studies' cells are those of the study as published."""
    yield from find_shape_faults(entry, _KNOWN, _ALWAYS, RULES)
    if any(not isinstance(entry.get(name), str) for name in _ALWAYS if name != "columns"):
        return
    if entry["id"] in seen:
        yield f"id = {entry['id']}: this log stands in line {seen[entry['id']]} already"
    published = [cell for cell in cells if cell.protocol == "published"]
    judging = [cell for cell in published if cell.name == entry["cell"]]
    if not judging:
        names = [cell.name for cell in published]
        yield f"cell = {entry['cell']}: no published cell of {study.name} has this name{suggest(entry['cell'], names)}"
    yield from find_setting_faults(entry, judging)
    for pattern in entry.get("others") or ():
        if not any(fnmatchcase(cell.key.partition("/")[2], str(pattern)) for cell in cells):
            yield f"others: no cell of {study.name} matches {pattern}"
    columns, rows = entry["columns"], entry.get("rows") or {}
    if not (isinstance(columns, Mapping) and all(isinstance(point, Mapping) for point in columns.values())):
        yield "columns: expected each column with a mapping, such as {split: train, metric: loss}"
        return
    if entry.get("measure") and entry["measure"] not in columns:
        yield f"measure = {entry['measure']}: expected one of {', '.join(columns)}"
    try:
        printed = _read_rows(study, entry["file"], rows)
    except (OSError, ValueError) as error:
        yield f"file = {entry['file']}: it cannot be read ({getattr(error, 'strerror', None) or error})"
        return
    if not printed:
        yield f"rows = {dict(rows)}: {entry['file']} has no such row"
    places = [row.get(entry["index"]) for row in printed]
    if twice := [place for place, number in Counter(places).items() if number > 1]:
        yield f"index = {entry['index']}: {len(places)} rows have {', '.join(map(str, twice[:3]))} more than once"
    if entry["rule"] == "follows" and set(places) == {"0"}:
        yield f"rule = follows: {entry['file']} has no row but that of {entry['index']} 0, before anything was trained"
    for column in columns:
        for text in (row.get(column) for row in printed):
            if text is None or not is_number(text):
                yield f"columns: {column} of {entry['file']} has {text!r}; expected a number as it was printed"
                break


def _read_rows(study: Study, file: str, rows: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the rows of a CSV file that have these values, as texts."""
    with (study.published / file).open(encoding="utf-8", newline="") as lines:
        return [
            row for row in csv.DictReader(lines) if all(row.get(column) == str(value) for column, value in rows.items())
        ]
