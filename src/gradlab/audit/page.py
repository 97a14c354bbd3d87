"""The page of an audit: a sentence, a mark for every number, the causes, and the notebook with every number marked in place."""

import base64
import hashlib
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from markupsafe import Markup

from gradlab import __version__
from gradlab.audit.examine import Audit
from gradlab.audit.judge import Entry
from gradlab.audit.record import name_entries
from gradlab.audit.runs import Failure
from gradlab.lab.printed import Piece
from gradlab.report.page import TEMPLATES, read_template, write_text
from gradlab.report.pages import load_template

SYMBOLS = {
    "same": "=",
    "close": "≈",
    "differs": "≠",
    "lost": "∅",
    "failed": "✗",
    "not printed before": "+",
    "aside": "·",
}
_TEMPLATES = Path(__file__).with_name("templates")
_LONG = 12  # lines of printed text from which on it is folded, where all its numbers are the same


@dataclass(frozen=True)
class _Shown:
    """A piece of output, with its numbers marked; `folded` where it is long and nothing in it asks for a look."""

    kind: str
    body: Markup
    rows: Sequence[Sequence[tuple[bool, Markup]]]
    lines: int
    folded: bool


def render_audit(audit: Audit, file: Path) -> None:
    """Write the page of an audit."""
    named = name_entries(audit)
    render(
        file,
        _TEMPLATES,
        audit=audit,
        symbols=SYMBOLS,
        marked=[
            (place, [(name, entry, describe(entry)) for name, entry in group])
            for place, group in groupby(named.items(), key=lambda item: item[1].number.cell)
        ],
        moved={
            cause: [(name, entry) for name, entry in named.items() if entry.cause == cause] for cause in audit.causes
        },
        cells=[item if isinstance(item, str) else _show_cell(audit, item, named) for item in audit.text],
    )


def render(file: Path, folder: Path, **context: Any) -> None:
    """Write a page from the template `index.html.j2` of a folder; it has no script."""
    page = load_template(folder, TEMPLATES).render(
        version=__version__,
        style=read_template("style.css"),
        script="",
        script_digest=base64.b64encode(hashlib.sha256(b"").digest()).decode(),
        **context,
    )
    write_text(file, page)


def describe(entry: Entry) -> str:
    """Return what became of a number, in a line."""
    number = entry.number
    if entry.verdict == "not printed before":
        return f"{number.label}: {number.text}, not printed before"
    if entry.verdict == "aside":
        return f"{number.label}: {number.text}, set aside{f' ({entry.evidence})' if entry.evidence else ''}"
    said = f"{number.label}: printed {number.text}, now {entry.found.get('first') or 'nothing'}, {entry.verdict}"
    return f"{said} ({entry.cause})" if entry.cause else said


def _show_cell(audit: Audit, place: int, named: Mapping[str, Entry]) -> dict[str, Any]:
    cell = audit.cells[place]
    own = {name: entry for name, entry in named.items() if entry.number.cell == place}
    before = {name: entry for name, entry in own.items() if not entry.is_new}
    first = audit.runs.get("first")
    failure = first.cells[place].failure if first else None
    return {
        "number": place + 1,
        "count": cell.count,
        "source": cell.source,
        "pieces": [_show_piece(piece, at, before) for at, piece in enumerate(cell.pieces)],
        "saved": _say(cell.failure),
        "failure": _say(failure) if failure and not (cell.failure and cell.failure.name == failure.name) else "",
        "new": [(name, entry) for name, entry in own.items() if entry.is_new],
    }


def _say(failure: Failure | None) -> str:
    return f"{failure.name}: {failure.message}" if failure else ""


def _show_piece(piece: Piece, at: int, entries: Mapping[str, Entry]) -> _Shown:
    own = sorted(
        ((name, entry) for name, entry in entries.items() if entry.number.piece == at),
        key=lambda item: item[1].number.start,
    )
    body, end = "", 0
    for name, entry in own:
        number = entry.number
        body += html.escape(piece.text[end : number.start]) + _mark(name, entry)
        end = number.end
    body += html.escape(piece.text[end:])
    rows = []
    if piece.kind == "table":
        for line, heads in zip(body.split("\n"), piece.headers, strict=False):
            rows.append([(place < heads, Markup(text)) for place, text in enumerate(line.split("\t"))])
    lines = piece.text.count("\n") + 1
    folded = lines > _LONG and all(entry.verdict in ("same", "aside") for _, entry in own)
    return _Shown(piece.kind, Markup(body), rows, lines, folded)


def _mark(name: str, entry: Entry) -> str:
    """Return a number as it stands in the page: coloured and linked by its verdict, with what is printed now beside it."""
    text, told = html.escape(entry.number.text), html.escape(describe(entry), quote=True)
    kind = entry.verdict.replace(" ", "-")
    if not entry.cause:
        return f'<span class="number {kind}" id="{name}" title="{told}">{text}</span>'
    now = html.escape(entry.found.get("first") or "–")
    return (
        f'<a class="number {kind}" id="{name}" href="#why-{name}" title="{told}">{text}'
        f'<span class="now"><span class="hidden"> now </span>{now}</span></a>'
    )
