"""The numbers that a notebook's outputs print, each with its label: the words before it, or its row and column.

Outputs are read as *pieces*: what a cell wrote to standard output, what it wrote to standard error, and each result and table.
A run that wrote in other portions, or interleaved the two otherwise, has the same pieces.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

LONGEST = 200_000  # characters of a piece that are read

_UNITS = (
    r"(?:it/s|s/it|[KMGT]i?B(?:/s)?|Mb|B|bytes|[nuµμm]s|s|secs?|seconds?|h|hrs?|hours?|m|mins?|minutes?|days?|ms/step|us/step|"
    r"[kKMx]|mm|cm|km|kg|g|Hz|kHz|eV|dB|pp|px|V|W|K|C)"
)
_VALUE = r"(?:\d{1,3}(?:,\d{3})+(?![\d,])|\d+)(?:\.\d+)?|\.\d+"
_TOKEN = re.compile(
    rf"""
    (?P<date>(?<![\w.])\d{{4}}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?(?![\w-])
        |(?<![\w.:])\d{{1,3}}:\d\d(?::\d\d(?:\.\d+)?)?(?![\w:])
        |(?<![\w./])\d\d?/\d\d?/\d{{4}}(?![\w/])
        |\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\ (?:[A-Z][a-z]{{2}})\ +\d+\ [\d:]+\ \d{{4}})
    |(?P<address>\b0x[0-9a-fA-F]{{4,}}\b)
    |(?P<version>(?<![\w.])\d+\.\d+\.\d+(?:[.+\-]?\w+)*)
    |(?P<number>(?<![\w.])(?:[-+\u2212](?=[\d.]))?(?:{_VALUE})(?:[eE][-+]?\d+)?(?={_UNITS}?(?![\w]))
        |(?<![\w.])[-+]?(?:nan|NaN|inf|Infinity)(?!\w))
    """,
    re.VERBOSE,
)
_UNIT = re.compile(rf"\s?({_UNITS})(?!\w)")
_OF_TIME = re.compile(r"it/s|s/it|[nuµμm]?s|secs?|seconds?|h|hrs?|hours?|m|mins?|minutes?|days?|ms/step|us/step")
_WORDS_OF_TIME = re.compile(r"time|took|elapsed|duration|seconds|runtime|wall|speed|throughput|latency|\beta\b", re.I)
_TIMED = re.compile(r"per loop|CPU times|Wall time|\d+(?:\.\d+)?(?:ms|us|s)/step|\bETA\b")
_PROGRESS = re.compile(r"\d+%\s?\||\d(?:it/s|s/it)|\[[=>.\s]{8,}\]")
_WARNING = re.compile(r"^\S.*:\d+: \w*Warning\b")
_REFUSED = re.compile(r"^\S*sh: .*\bnot found$")
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_DRAWN = re.compile(r"<Figure size [^>]*>|<\w[\w.]* at 0x[0-9a-f]+>")
_WIDGETS = ("application/vnd.jupyter.widget-view+json",)


@dataclass(frozen=True)
class Piece:
    """A part of what a cell put out.

    Attributes
    ----------
    kind
        `stdout`, `stderr`, `result`; or `table`, whose text has a line for a row and a tab between cells.
    headers
        Of a table, by row: how many of its cells, from the left, are headings.
    cut
        Whether it is longer than `LONGEST`, and the rest was not read.
    """

    kind: str
    text: str
    headers: tuple[int, ...] = ()
    cut: bool = False


@dataclass(frozen=True)
class Number:
    """A printed number.

    Attributes
    ----------
    cell, piece, start, end
        Where it stands: of the code cells, and of a cell's pieces, the how manyth, from 0; and its place in the piece's text.
    text
        As it is printed.
    label
        What it is called, for a reader.
    precise, loose
        What it is called, for a comparison: with its row and column, and by the words before it alone.
    aside
        Why it may be one that does not matter: `address`, `date`, `progress`, `version` or `time`; `timed`, which may be a
        time. Empty for all others.
    """

    cell: int
    piece: int
    start: int
    end: int
    text: str
    label: str
    precise: tuple[str, ...]
    loose: tuple[str, ...]
    aside: str = ""


def read_pieces(outputs: Sequence[Mapping[str, Any]]) -> list[Piece]:
    """Return the pieces of a code cell's outputs; errors, pictures and widgets are passed over."""
    streams: dict[str, str] = {}
    shown: list[Piece] = []
    for output in outputs:
        match output.get("output_type"):
            case "stream":
                streams[output["name"]] = streams.get(output["name"], "") + "".join(output["text"])
            case "execute_result" | "display_data":
                shown += _read_data(output.get("data", {}))
    written = [_as_piece(name, _settle(text)) for name, text in sorted(streams.items(), reverse=True)]
    return [piece for piece in [*written, *shown] if piece.text.strip()]


def count_widgets(outputs: Sequence[Mapping[str, Any]]) -> int:
    """Return how many outputs are widgets: what these show is in no saved file."""
    return sum(any(kind in output.get("data", {}) for kind in _WIDGETS) for output in outputs)


def read_numbers(cell: int, pieces: Sequence[Piece]) -> list[Number]:
    """Return the numbers that a code cell printed, in order."""
    found: list[Number] = []
    for place, piece in enumerate(pieces):
        start, above = 0, ""
        warned = False
        for row, line in enumerate(piece.text.split("\n")):
            if piece.kind == "table":
                found += _read_row(cell, place, piece, row, start, line)
            elif piece.kind == "stderr" and (_WARNING.match(line) or warned):
                warned = bool(_WARNING.match(line))  # the line below shows the code that is warned of
            elif not _REFUSED.match(line):
                numbers = list(_read_line(cell, place, piece.kind, start, line, above))
                found += numbers
                if not numbers or len(above.split()) not in (len(numbers), len(numbers) - 1):
                    above = "" if numbers else line
            start += len(line) + 1
    return found


def name_numbers(numbers: Sequence[Number]) -> dict[str, Number]:
    """Return those numbers of a cell that matter by names that stay the same while it prints the same lines.

    A name is the how manyth code cell it is, from 1, and the label in small letters: `3.test_accuracy`; of several numbers with
    one label, the second is `3.test_accuracy.2`.
    """
    named: dict[str, Number] = {}
    for number in numbers:
        if number.aside or not re.search(r"\d", number.text):  # nor what is no number, such as nan
            continue
        words = re.sub(r"[^a-z0-9]+", "_", number.label.casefold()).strip("_")
        name = first = f"{number.cell + 1}.{words or 'number'}"
        count = 1
        while name in named:
            count += 1
            name = f"{first}.{count}"
        named[name] = number
    return named


def read_number(text: str) -> int | float:
    """Return a printed number as Python's."""
    plain = text.replace(",", "").replace("\u2212", "-")
    return int(plain) if re.fullmatch(r"[-+]?\d+", plain) else float(plain)


def _read_data(data: Mapping[str, Any]) -> list[Piece]:
    if any(kind in data for kind in _WIDGETS):
        return []
    html = "".join(data.get("text/html", ""))
    if "<table" in html:
        return [_read_table(html)]
    plain = "".join(data.get("text/plain", ""))
    if "text/markdown" in data:
        plain = "".join(data["text/markdown"])
    elif html:
        plain = _Text(html).text
    return [_as_piece("result", _DRAWN.sub("", _settle(plain)))]


def _as_piece(kind: str, text: str) -> Piece:
    return Piece(kind, text[:LONGEST], cut=len(text) > LONGEST)


def _settle(text: str) -> str:
    """Return what a terminal shows in the end: without colours, and of a line that was written over, the last."""
    lines = _ANSI.sub("", text[: 2 * LONGEST]).split("\n")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines).replace("\t", " " * 4)


class _Text(HTMLParser):
    """The text of HTML, and the rows of its tables."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.rows: list[list[tuple[bool, str]]] = []
        self._hidden = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        if tag in ("style", "script"):
            self._hidden += 1
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            self.rows[-1].append((tag == "th", ""))
            span = dict(attrs).get("colspan") or "1"
            self.rows[-1] += [(True, "")] * (min(int(span), 1000) - 1 if span.isdecimal() else 0)
        elif tag in ("p", "div", "br", "li"):
            self.text += "\n"

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("style", "script") and self._hidden > 0

    def handle_data(self, data: str) -> None:
        if self._hidden:
            return
        self.text += data
        if self.rows and self.rows[-1]:
            heading, text = self.rows[-1][-1]
            self.rows[-1][-1] = (heading, text + data)


def _read_table(html: str) -> Piece:
    rows = [row for row in _Text(html).rows if row]
    lines = ["\t".join(" ".join(text.split()) for _, text in row) for row in rows]
    headers = tuple(next((place for place, (head, _) in enumerate(row) if not head), len(row)) for row in rows)
    text = "\n".join(lines)
    return Piece("table", text[:LONGEST], headers, cut=len(text) > LONGEST)


def _read_row(cell: int, place: int, piece: Piece, row: int, start: int, line: str) -> Iterator[Number]:
    """Yield the numbers of a table's row, under the names of row and column; headings are names."""
    cells = line.split("\t")
    if piece.headers[row] >= len(cells):
        return
    above = [known.split("\t") for known, heads in zip(piece.text.split("\n")[:row], piece.headers, strict=False)
             if heads >= known.count("\t") + 1]  # fmt: skip
    named = " ".join(filter(None, cells[: piece.headers[row]]))
    for column, text in enumerate(cells):
        if column >= piece.headers[row]:
            over = " ".join(filter(None, (names[column] for names in above if column < len(names))))
            label = " · ".join(filter(None, (named or f"row {row}", over or f"column {column}")))
            for count, (token, aside) in enumerate(_find(text)):
                at = start + token.start()
                yield Number(cell, place, at, at + len(token[0]), token[0], label,
                             ("table", named or str(row), over or str(column), str(count)), ("table", over), aside)  # fmt: skip
        start += len(text) + 1


def _read_line(cell: int, place: int, kind: str, start: int, line: str, above: str) -> Iterator[Number]:
    tokens = list(_find(line))
    if not tokens:
        return
    template = " ".join(_TOKEN.sub("#", line).split())
    names = above.split()
    first = tokens[0][0][0]
    beginning = _tidy(line[: tokens[0][0].start()])
    shift = len(tokens) - len(names)  # where the line above names the columns: 1 where these have a number before them
    end = 0
    for count, (token, aside) in enumerate(tokens):
        words = _tidy(line[end : token.start()])
        end = token.end()
        column = names[count - shift] if shift in (0, 1) and count >= shift and len(tokens) > 1 else ""
        if not re.search(r"[^\W\d_]", words):
            words = column or beginning or (_tidy(above) if len(above) < 80 else "")
        numbered = first if count and first.isdecimal() else ""
        row = " ".join(filter(None, (beginning, numbered)))
        parts = (row, column or words) if column or numbered else (words,)
        label = " · ".join(dict.fromkeys(filter(None, parts)))[-80:] or f"number {count + 1}"
        yield Number(
            cell,
            place,
            start + token.start(),
            start + token.end(),
            token[0],
            label,
            (kind, template, numbered, str(count)),
            (kind, _normalise(words)),
            aside,
        )


def _tidy(words: str) -> str:
    return " ".join(words.split()).strip(" :=,;|([{<>)]}-*#~@")


def _normalise(words: str) -> str:
    return " ".join(re.findall(r"[^\W\d_]+", words.casefold()))


def _find(line: str) -> Iterator[tuple[re.Match[str], str]]:
    """Yield what is a number in a line, and why it may not matter."""
    progress, timed = _PROGRESS.search(line), _TIMED.search(line)
    end = 0
    for token in _TOKEN.finditer(line):
        before = line[end : token.start()]
        end = token.end()
        kind = token.lastgroup or ""
        if kind != "number":
            yield token, kind
            continue
        unit = _UNIT.match(line, end)
        of_time = bool(unit and _OF_TIME.fullmatch(unit[1]))
        said = bool(_WORDS_OF_TIME.search(before))
        clear = timed and (of_time or "per loop" in timed[0])
        if progress and (not re.search(r"loss|acc|error|score", before, re.I)):
            yield token, "progress"
        elif clear or (of_time and said):
            yield token, "time"
        else:
            yield token, "timed" if of_time or said else ""
