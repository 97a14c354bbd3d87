"""Audits one notebook: makes the runs that its numbers ask for, and judges what they printed."""

import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from gradlab.audit.dated import DateError, Environment, make_environment
from gradlab.audit.isolation import Limits
from gradlab.audit.judge import (
    ASIDE,
    CAUSES,
    NEWER,
    RUNS,
    VERDICTS,
    Entry,
    describe_order,
    describe_versions,
    find_changed,
    find_saved_order,
    has_come_back,
    judge,
)
from gradlab.audit.runs import CodeCell, Run, find_language, load_notebook, load_run, read_cells, run_notebook
from gradlab.engine.rounding import CONTEXTS, RoundingError, check_rounding, find_breach
from gradlab.files import sha256
from gradlab.lab.printed import LONGEST, count_widgets, read_numbers

# What takes its instructions from the processor; where none is loaded, a run with fewer of them says nothing.
_LIBRARIES = re.compile(r"\b(?:numpy|torch|scipy|pandas|sklearn|tensorflow|jax|statsmodels)\b")


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes
    ----------
    notebook, digest
        The file, and its SHA-256.
    text
        The cells of the notebook: a string for text, the number of a code cell, from 0, for code.
    cells
        The code cells as they were saved.
    entries
        A number each.
    runs
        What was run, by name.
    notes
        What a reader has to know besides, a sentence each.
    """

    notebook: Path
    digest: str
    text: Sequence[str | int]
    cells: Sequence[CodeCell]
    entries: Sequence[Entry]
    runs: Mapping[str, Run]
    notes: Sequence[str]

    @property
    def judged(self) -> list[Entry]:
        """The numbers that were printed before, and matter."""
        return [entry for entry in self.entries if entry.is_judged]

    @property
    def verdicts(self) -> dict[str, int]:
        """How many numbers have which verdict."""
        counts = Counter(entry.verdict for entry in self.entries)
        return {verdict: counts[verdict] for verdict in VERDICTS if counts[verdict]}

    @property
    def causes(self) -> dict[str, int]:
        """How many numbers have which cause."""
        counts = Counter(entry.cause for entry in self.judged if entry.cause)
        return {cause: counts[cause] for cause in CAUSES if counts[cause]}

    @property
    def is_same(self) -> bool:
        """Whether every number that could be judged came out the same."""
        return all(entry.verdict == "same" for entry in self.judged)

    @property
    def sentence(self) -> str:
        """What came out, in a sentence."""
        if not self.judged:
            return "This notebook has printed no number that could be judged."
        words = {
            "same": "came out the same",
            "close": "came out close",
            "differs": "came out otherwise",
            "lost": "did not come out",
            "failed": "could not, since the code failed",
        }
        counts = self.verdicts
        *parts, last = [f"{counts[verdict]:,} {said}" for verdict, said in words.items() if verdict in counts]
        said = f"{', '.join(parts)} and {last}" if parts else last
        total = len(self.judged)
        return f"Of {total:,} printed {'number' if total == 1 else 'numbers'}, {said}."


def audit_notebook(
    notebook: Path,
    output: Path,
    *,
    limits: Limits,
    month: str = "",
    jobs: int = 1,
    made: Sequence[str] = (),
    tell: Callable[[str], None] = lambda line: None,
) -> Audit:
    """Audit a notebook.

    Parameters
    ----------
    notebook
        The notebook; neither it nor its folder is changed.
    output
        The folder in which the notebooks of the runs go, as `runs/`.
    limits
        Of each run.
    month
        As `2021-06`: it is also run with what was published by then; empty for no such run.
    jobs
        How many runs may go on side by side.
    made
        The names of runs that lie in `output` already.
    tell
        Is told what is being done.

    Raises
    ------
    AuditError
        The notebook cannot be read, or a run left nothing.
    """
    content = load_notebook(notebook)
    cells, language = read_cells(content), find_language(content)
    notes = []
    widgets = sum(count_widgets(cell.outputs) for cell in content.cells if cell.cell_type == "code")
    if widgets:
        notes.append(
            f"It shows {widgets} {'widget' if widgets == 1 else 'widgets'}, whose numbers are in no saved file."
        )
    entries: list[Entry] = []
    runs: dict[str, Run] = {}
    if language != "python":
        entries = _refuse_all(cells, language)
        notes.append(f"It is in {language}, for which the audit has no kernel: nothing was run.")
    elif any(cell.source.strip() for cell in cells):
        python = str(content.metadata.get("language_info", {}).get("version", ""))
        dated = partial(make_environment, notebook, month, python) if month else None
        runs, said = _make_runs(notebook, output / "runs", cells, limits, dated, jobs, made, tell)
        entries = judge(cells, runs, network=limits.network, python=python, month=month)
        notes += [*_describe_runs(cells, runs), *said]
        if "dated" in runs:
            notes.append(_describe_dated(cells, runs, month, entries))
    return Audit(notebook, sha256(notebook), _list_text(content.cells), cells, entries, runs, notes)


def _list_text(cells: Sequence[Mapping[str, Any]]) -> list[str | int]:
    place, text = 0, []
    for cell in cells:
        text.append(place if cell["cell_type"] == "code" else cell["source"])
        place += cell["cell_type"] == "code"
    return text


def _refuse_all(cells: Sequence[CodeCell], language: str) -> list[Entry]:
    numbers = [number for place, cell in enumerate(cells) for number in read_numbers(place, cell.pieces)]
    evidence = f"the notebook is in {language}; cells run in Python"
    return [
        Entry(number, {}, "aside", evidence=ASIDE[number.aside])
        if number.aside in ASIDE
        else Entry(number, {}, "failed", "no kernel", evidence)
        for number in numbers
    ]


def _make_runs(
    notebook: Path,
    into: Path,
    cells: Sequence[CodeCell],
    limits: Limits,
    prepare: Callable[..., Environment] | None,
    jobs: int,
    made: Sequence[str],
    tell: Callable[[str], None],
) -> tuple[dict[str, Run], list[str]]:
    """Make the first run, and those that it asks for; say what a reader has to know of the environment of a month."""

    def make(
        name: str,
        rounding: str | None = None,
        order: Sequence[int] | None = None,
        dated: Environment | None = None,
    ) -> Run:
        if name in made:
            return load_run(into, name)
        run = run_notebook(notebook, into, name, limits=limits, rounding=rounding, order=order, dated=dated)
        tell(f"{notebook}: the {name} run took {run.seconds:.0f} s{f'; {run.stopped}' if run.stopped else ''}")
        return run

    for file in into.glob("*.*"):  # of an earlier audit
        if file.stem not in made and (file.stem in RUNS or file.stem.startswith(NEWER)):
            file.unlink()
    runs = {"first": make("first")}
    if not any(cell.pieces for cell in cells):
        return runs, []
    said: list[str] = []
    other = choose_rounding() if _may_round(cells, runs["first"]) else None
    with ThreadPoolExecutor(jobs) as pool:
        second = pool.submit(make, "second")
        rounding = pool.submit(make, "rounding", other) if other else None
        environment = pool.submit(prepare, into.with_name("environment")) if prepare else None
        runs["second"] = second.result()
        runs |= {"rounding": rounding.result()} if rounding else {}
        moved = [entry for entry in judge(cells, runs) if entry.cause not in ("", "unseeded")]
        order = find_saved_order(cells)
        again = pool.submit(make, "rounding again", other) if any(e.cause == "rounding" for e in moved) else None
        saved = pool.submit(make, "saved order", None, order) if moved and order else None
        runs |= {"rounding again": again.result()} if again else {}
        runs |= {"saved order": saved.result()} if saved else {}
        if prepare and environment:
            try:
                dated = environment.result()
            except DateError as error:
                said.append(f"There is no run with the packages of that month: {error}.")
                tell(f"{notebook}: {said[-1]}")
            else:
                runs["dated"] = make("dated", dated=dated)
                said += [dated.note] if dated.note else []
                newer = partial(_try_newer, prepare, into, make, runs["dated"])
                runs |= {run.name: run for run in pool.map(newer, _choose_newer(cells, runs)) if run}
    return runs, said


def _choose_newer(cells: Sequence[CodeCell], runs: Mapping[str, Run]) -> list[str]:
    """Return the packages to be made newer, one at a time, where a number has come back, and not for one package alone."""
    changed = find_changed(cells, runs["dated"], runs["first"])
    if len(changed) < 2 or not any(map(has_come_back, judge(cells, runs))):
        return []
    return [name for name, (_, now) in changed.items() if name != "Python" and now]


def _try_newer(
    prepare: Callable[..., Environment], into: Path, make: Callable[..., Run], dated: Run, package: str
) -> Run | None:
    """Make the run with a newer package; None where there is no newer one."""
    with tempfile.TemporaryDirectory(prefix=f"{package}-", dir=into.parent) as folder:
        try:
            environment = prepare(Path(folder), package)
        except DateError:
            return None
        if environment.versions.get(package) in (None, dated.environment["distributions"][package]):
            return None
        return make(f"{NEWER}{package}", dated=environment)


def choose_rounding() -> str | None:
    """Return the context with the fewest instructions that this machine offers; None where it offers none."""
    for name in CONTEXTS:
        try:
            check_rounding(name)
        except RoundingError:
            continue
        return name
    return None


def _may_round(cells: Sequence[CodeCell], first: Run) -> bool:
    if first.environment:
        return bool(first.environment.get("rounding"))
    return any(_LIBRARIES.search(cell.source) for cell in cells)


def _describe_runs(cells: Sequence[CodeCell], runs: Mapping[str, Run]) -> Iterator[str]:
    """Yield what a reader has to know of the runs."""
    first = runs["first"]
    open_ways = sorted({way for run in runs.values() for way in run.open_ways})
    if open_ways:
        yield f"On this machine the runs could not be shut off from {', '.join(open_ways)}."
    for run in runs.values():
        if run.stopped:
            yield f"The {run.name} run was stopped: {run.stopped}."
    if order := describe_order(cells):
        yield f"Not run from top to bottom when it was saved: {order}."
    if "second" in runs and "rounding" not in runs:
        why = (
            "this machine offers no other" if _may_round(cells, first) else "it loads no library that makes use of them"
        )
        yield f"Other instructions of the processor were not tried: {why}."
    elif "rounding" in runs:
        breach = find_breach(runs["rounding"].rounding, runs["rounding"].environment.get("rounding", {}))
        yield f"Rounding was tried with the instructions of {runs['rounding'].rounding} alone{f'; {breach}' if breach else ''}."
    for place, cell in enumerate(cells):
        if any(piece.cut for run_cell in (cell, first.cells[place]) for piece in run_cell.pieces):
            yield f"Code cell {place + 1} prints more than {LONGEST:,} characters; the rest was not read."


def _describe_dated(cells: Sequence[CodeCell], runs: Mapping[str, Run], month: str, entries: Sequence[Entry]) -> str:
    """Say what the run with the packages of a month has, and what of today's other numbers came out in it."""
    others = [entry for entry in entries if entry.is_judged and entry.verdict != "same"]
    back = sum(map(has_come_back, others))
    said = f"with what there was at the end of {month} ({describe_versions(cells, runs['dated'], runs['first'])})"
    if not others:
        return f"It was run {said} as well."
    count = f"{len(others):,} {'number is' if len(others) == 1 else 'numbers are'}"
    return f"{count} not the same today; {said}, {back or 'none'} of them {'is' if back == 1 else 'are'}."
