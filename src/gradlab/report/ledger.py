"""The ledger as a page of its own: every printed number beside ours; those of a log stand below its verdict and evidence."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gradlab.engine.ledger import Entry, Ledger, LogEntry, count_causes
from gradlab.engine.material import Material
from gradlab.engine.study import Study
from gradlab.engine.verdicts import print_like
from gradlab.report.links import Links
from gradlab.report.overview import SYMBOLS, list_verdicts, print_corrected, print_reproduced
from gradlab.report.page import render_page

_ORIGINS = {
    "printed": "",
    "text": "read in the text",
    "plot": "read off a plot",
    "formula": "by its formula, not transcribed",
}


def render_ledger(
    ledger: Ledger, materials: Mapping[str, Material], studies: Mapping[str, Study], links: Links, root: Path
) -> Path:
    """Write `ledger.html`, in which each figure has the id `figure-<study>-<id>` and each log `log-<study>-<id>`; return it."""
    page = root / "ledger.html"
    render_page(
        page,
        "ledger.html.j2",
        links,
        scripts=["ledger.js"] if ledger.entries else [],
        bodies=list_bodies(ledger, materials, studies, links),
        choices=list_choices(ledger, studies),
        number=len(ledger.entries),
        symbols=SYMBOLS,
    )
    return page


def list_bodies(
    ledger: Ledger, materials: Mapping[str, Material], studies: Mapping[str, Study], links: Links
) -> list[dict[str, Any]]:
    """Return the bodies of the table: for each study its whole figures, and then each of its logs."""
    numbers: dict[tuple[str, str | None], list[Entry]] = {}
    for entry in ledger.rows:
        numbers.setdefault((entry.study, entry.log), []).append(entry)
    bodies: list[dict[str, Any]] = []
    for name, study in studies.items():
        material = materials[name]
        figures = [_figure_row(entry, material, links) for entry in material.entries]
        logs = [(log, numbers[name, log.id]) for log in material.logs]
        bodies += [{"study": study, "log": None, "rows": figures}] if figures else []
        bodies += [
            {"study": study, "log": _log_row(log, rows, links), "rows": [_number_row(row, log) for row in rows]}
            for log, rows in logs
        ]
    return bodies


def list_choices(ledger: Ledger, studies: Mapping[str, Study]) -> dict[str, list[tuple[str, str, int]]]:
    """Return what the filter offers, of what occurs: for each of its groups value, label and number of each choice."""
    by_study = Counter(entry.study for entry in ledger.entries)
    kinds = [("figure", "whole figures", len(ledger.figures)), ("log", "numbers of logs", len(ledger.rows))]
    return {
        "study": [(name, study.short, by_study[name]) for name, study in studies.items() if by_study[name]],
        "kind": [kind for kind in kinds if kind[2]],
        "verdict": [(verdict, verdict, number) for _, verdict, number in list_verdicts(ledger.entries)],
        "cause": [(cause, cause, number) for cause, number in count_causes(ledger.entries).items()],
    }


def _figure_row(entry: Entry, material: Material, links: Links) -> dict[str, Any]:
    corrected = [cell.name for cell in material.corrected(entry.id)] if entry.corrected_n is not None else []
    ours, detail = print_reproduced(entry)
    followed = entry.rule == "follows" and entry.verdict not in ("exact", "not run")
    return _row(
        entry,
        ours=ours,
        detail=detail,
        origin=links.origin(entry.cells) if entry.reproduced is not None else None,
        reason=_join(entry.why if followed else _explain(entry, entry.why)),
        followed=entry.log if followed else None,
        corrected=_join(*print_corrected(entry), separator=" ") if corrected else "",
        corrected_origin=links.origin(corrected),
    )


def _number_row(entry: Entry, log: LogEntry) -> dict[str, Any]:
    """Return the row of a number of a log, which has the log's evidence, unless it is judged by another rule."""
    ours = print_like(entry.reproduced, entry.published) if isinstance(entry.reproduced, int | float) else "–"
    return _row(entry, ours=ours, reason="" if entry.note == log.note else _explain(entry))


def _row(entry: Entry, **shown: Any) -> dict[str, Any]:
    empty = dict.fromkeys(("detail", "origin", "reason", "followed", "corrected", "corrected_origin"))
    meant = entry.meant and f"meant: {entry.meant}"
    read = _join(meant, _ORIGINS[entry.origin])
    return {**empty, "entry": entry, "read": read, "difference": _print_difference(entry.difference), **shown}


def _log_row(log: LogEntry, rows: Sequence[Entry], links: Links) -> dict[str, Any]:
    return {
        "entry": log,
        "numbers": f"{log.numbers} numbers: "
        + ", ".join(f"{number} {verdict}" for verdict, number in log.verdicts.items()),
        "reason": _explain(log, rows[0].why),
        "origin": links.origin(rows[0].cells),
    }


def _explain(entry: Entry | LogEntry, why: str | None = None) -> str:
    """Return the evidence of a verdict: nothing where the digits are the same, and of what was not compared the reason."""
    if entry.verdict == "exact":
        return ""
    return _join(entry.note, why if entry.verdict != "not run" else None)


def _join(*parts: str | None, separator: str = "; ") -> str:
    return separator.join(filter(None, parts))


def _print_difference(difference: float | None) -> str:
    if difference is None:
        return "–"
    return f"{difference:+.0f}" if abs(difference) >= 100 else f"{difference:+.2g}" if difference else "0"
