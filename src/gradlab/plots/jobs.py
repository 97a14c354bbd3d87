"""Figure of the graph of jobs: what is computed from what, a column for each step and a band for each study."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import PathPatch, Polygon, Rectangle
from matplotlib.path import Path
from matplotlib.textpath import TextToPath

from gradlab.jobs import STATES, Kind
from gradlab.plots import style
from gradlab.text import print_time

# All lengths are inches; places count from the upper left corner of the figure.
_WIDTH = 11.0  # that a figure has at most, unless its chains are too long for it
_TEXT_WIDTHS = np.arange(1.9, 0.75, -0.05)  # of the lines in a box: the widest that fits is taken
_GAP, _WIDEST_GAP = 0.36, 0.8  # between columns
_GUTTER = 0.15  # between rows
_MARGIN = 0.08
_PAD_X, _PAD_Y = 0.09, 0.06  # between a box and its text
_LINE, _SIZE = 0.16, 9  # height of a line of text; its size in points
_STRIPE = 0.055  # in the colour of the study
_CAP = 0.05  # half the height of the ends of a cylinder
_FOLD = 0.17  # the folded corner of a page
_HEAD = 0.085  # length of an arrow's head
_JOIN = "\N{NO-BREAK SPACE}"  # no line ends here

_OUTLINE = {"facecolor": "white", "edgecolor": "#4c4c4c", "linewidth": 0.9}
_EDGE = {"edgecolor": "#4c4c4c", "linewidth": 0.8}
_RULE = {"color": "#bfbfbf", "linewidth": 0.8}


@dataclass(frozen=True)
class _Grid:
    """Where the kinds of a graph stand.

    Attributes
    ----------
    columns
        The column of every kind; data sets stand in column 0.
    chains
        The rows from top to bottom, each the cells of a chain from left to right.
    rows
        The row of every kind but the report, which stands beside all of them.
    """

    columns: Mapping[Kind, int]
    chains: Sequence[Sequence[Kind]]
    rows: Mapping[Kind, int]

    def is_free(self, row: int, after: int, before: int) -> bool:
        """Whether no box stands in a row between two columns."""
        chain = self.chains[row] if row < len(self.chains) else ()
        return not any(after < self.columns[kind] < before for kind in chain)


@dataclass(frozen=True)
class _Page:
    """The grid in inches.

    Attributes
    ----------
    lefts, rights
        The ends of every column.
    tops, bottoms
        The ends of every row.
    headings
        The top of the heading above the first row of each band, by that row.
    lines
        The text of every kind: the lines that name it, and those that count.
    width, height
        Of the figure.
    """

    lefts: Sequence[float]
    rights: Sequence[float]
    tops: Sequence[float]
    bottoms: Sequence[float]
    headings: Mapping[int, float]
    lines: Mapping[Kind, tuple[Sequence[str], Sequence[str]]]
    width: float
    height: float

    def middle(self, row: int) -> float:
        return (self.tops[row] + self.bottoms[row]) / 2


def plot_jobs(graph: nx.DiGraph) -> Figure:
    """Plot a graph of jobs: a column for each step, a band for each study, arrows from a result to what reads it.

    Data sets are cylinders on the left, the report is a page on the right, kinds of cells are boxes with a stripe in the
    colour of their study. A box says how many cells it stands for and how long they took one after the other; where not
    all of them are done, its outline is dashed and it says how many are. An arrow is left out where others lead the same
    way: from a data set to cells that read what other cells made of it, and to the report from all but the last cells.

    Parameters
    ----------
    graph
        What `gradlab.jobs.group_jobs` returns.

    Raises
    ------
    ValueError
        Where it holds no cell.
    """
    if not any(kind.role == "cells" for kind in graph):
        raise ValueError("no job to draw: the graph holds no kind of cells; give it at least one planned cell")
    drawn = graph.copy()
    # The reduction itself has its arrows in no fixed order, and the same graph is to give the same file.
    drawn.remove_edges_from(graph.edges - nx.transitive_reduction(graph).edges)
    grid = _arrange(drawn)
    page = _measure(grid)
    figure, (ax,) = style.panels(1, 1, width=page.width, height=page.height)
    figure.set_layout_engine("none")
    ax.set_position((0, 0, 1, 1))
    ax.set(xlim=(0, page.width), ylim=(page.height, 0))
    ax.set_axis_off()
    studies = dict.fromkeys(chain[0].study for chain in grid.chains)
    colours = {study: style.COLOURS[place % 6] for place, study in enumerate(studies)}  # black is the outlines'
    _draw_headings(ax, grid, page, colours)
    for source, target in drawn.edges:
        _draw_edge(ax, _find_way(source, target, grid, page))
    for kind in drawn:
        _draw_kind(ax, kind, grid, page, colours.get(kind.study))
    return figure


def _arrange(drawn: nx.DiGraph) -> _Grid:
    """Give every kind its column, and its row."""
    columns = _find_columns(drawn)
    chains = _order_chains(drawn, [_find_chains(drawn, columns, band) for band in _find_bands(drawn)])
    rows = {kind: row for row, chain in enumerate(chains) for kind in chain}
    return _Grid(columns, chains, {**rows, **_place_data(drawn, rows)})


def _find_columns(drawn: nx.DiGraph) -> dict[Kind, int]:
    """Return the generation of every kind; cells that read nothing stand beside those that read data sets."""
    started = drawn.copy()
    started.add_edges_from(("start", kind) for kind in drawn if kind.role != "data")
    generations = enumerate(nx.topological_generations(started))
    return {kind: column for column, kinds in generations for kind in kinds if kind != "start"}


def _find_bands(drawn: nx.DiGraph) -> list[list[Kind]]:
    """Return the kinds of each study and protocol, those of a study together, in the order of the plan."""
    bands: dict[str, dict[str, list[Kind]]] = {}
    for kind in drawn:
        if kind.role == "cells":
            bands.setdefault(kind.study, {}).setdefault(kind.protocol, []).append(kind)
    return [band for protocols in bands.values() for band in protocols.values()]


def _find_chains(drawn: nx.DiGraph, columns: Mapping[Kind, int], band: Sequence[Kind]) -> list[list[Kind]]:
    """Divide a band into chains, each a row: what reads the last kind of a row stands beside it, all else begins its own.

    So a row is free to the left of its first kind, and to the right of its last one: ways for the arrows.
    """
    left: dict[Kind, int] = {}  # steps to the report: the longest chain is continued in its row
    for kind in reversed(list(nx.topological_sort(drawn))):
        left[kind] = 1 + max((left[reader] for reader in drawn.successors(kind)), default=0)
    chains: list[list[Kind]] = []
    for kind in sorted(band, key=lambda kind: (columns[kind], -left[kind])):
        read = [chain for chain in chains if drawn.has_edge(chain[-1], kind)]
        if read:
            max(read, key=lambda chain: columns[chain[-1]]).append(kind)
        else:
            chains.append([kind])
    return sorted(chains, key=lambda chain: band.index(chain[0]))


def _order_chains(drawn: nx.DiGraph, bands: Sequence[Sequence[list[Kind]]]) -> list[list[Kind]]:
    """Order the chains of each band such that arrows between rows are short, and bands one below the other."""
    arrows = [edge for edge in drawn.edges if all(kind.role == "cells" for kind in edge)]

    def climb(chains: Sequence[Sequence[Kind]]) -> int:
        rows = {kind: row for row, chain in enumerate(chains) for kind in chain}
        return sum(abs(rows[source] - rows[target]) for source, target in arrows)

    chains = [chain for band in bands for chain in band]
    starts = {int(start) for start in np.cumsum([len(band) for band in bands])}
    best, before = climb(chains), None
    while best != before:
        before = best
        for row in [row for row in range(1, len(chains)) if row not in starts]:
            swapped = [*chains[: row - 1], chains[row], chains[row - 1], *chains[row + 1 :]]
            if climb(swapped) < best:
                chains, best = swapped, climb(swapped)
    return chains


def _place_data(drawn: nx.DiGraph, rows: Mapping[Kind, int]) -> dict[Kind, int]:
    """Return a row for every data set, no two in the same, near the middle of what reads it."""
    middles = {
        kind: np.mean([rows[reader] for reader in drawn.successors(kind)]) for kind in drawn if kind.role == "data"
    }
    free = set(range(max(len(set(rows.values())), len(middles))))
    places = {}
    for kind, middle in sorted(middles.items(), key=lambda item: item[1]):
        places[kind] = min(free, key=lambda row: (abs(row - middle), row))
        free.remove(places[kind])
    return places


@cache
def _measure_text(text: str, size: float, weight: str) -> float:
    """Return the width of a line of text in inches."""
    font = FontProperties(size=size, weight=weight)
    return TextToPath().get_text_width_height_descent(text, font, ismath=False)[0] / 72


def _wrap(text: str, width: float, weight: str) -> list[str]:
    """Divide a text into lines: between words where these fit into `width`, else after hyphens and underscores too."""
    lines = [""]
    for word in text.replace(" … ", f"{_JOIN}…{_JOIN}").split(" "):
        whole = _measure_text(word, _SIZE, weight) <= width
        space = " "
        for part in [word] if whole else re.findall(r"[^-_]+[-_]?|[-_]", word):
            if lines[-1] and _measure_text(lines[-1] + space + part, _SIZE, weight) <= width:
                lines[-1] += space + part
            else:
                lines.append(part)
            space = ""
    return lines[1:]


def _write(kind: Kind, width: float) -> tuple[list[str], list[str]]:
    """Return the lines that name a kind and those that count its cells, at most `width` wide where words allow it."""
    names = _wrap(kind.label, width, "bold")
    if kind.role == "data":
        return names, ["data set"]
    count = "1 cell" if kind.cells == 1 else f"{kind.cells} cells"
    if kind.seconds:
        count += ", " + print_time(kind.seconds).replace(" ", _JOIN)
    if kind.done == kind.cells:
        return names, _wrap(count, width, "normal")
    alone = next(state for state in STATES if getattr(kind, state))
    state = alone if kind.cells == 1 else f"{kind.done} of {kind.cells} done"
    return names, [*_wrap(count, width, "normal"), *_wrap(state, width, "normal")]


def _box_width(lines: tuple[Sequence[str], Sequence[str]]) -> float:
    named, counted = lines
    widths = [_measure_text(line, _SIZE, "bold") for line in named]
    return max([*widths, *(_measure_text(line, _SIZE, "normal") for line in counted)]) + 2 * _PAD_X + _STRIPE


def _box_height(kind: Kind, lines: tuple[Sequence[str], Sequence[str]]) -> float:
    ends = {"data": 2 * _CAP, "cells": 0, "report": 2 * _FOLD}
    return _LINE * (len(lines[0]) + len(lines[1])) + 2 * _PAD_Y + ends[kind.role]


def _measure(grid: _Grid) -> _Page:
    """Size columns and rows by the text of their boxes, with the widest lines that fit the figure."""
    number = max(grid.columns.values()) + 1
    for text_width in _TEXT_WIDTHS:
        lines = {kind: _write(kind, text_width) for kind in grid.columns}
        widths = np.zeros(number)
        for kind, column in grid.columns.items():
            widths[column] = max(widths[column], _box_width(lines[kind]))
        for chain in grid.chains:
            study, protocol = _name_band(chain[0])
            # A stripe before the name, and as much room after it for the arrows that leave the column.
            widths[0] = max(widths[0], _measure_text(study, _SIZE, "bold") + 4 * _STRIPE)
            widths[1] = max(widths[1], _measure_text(protocol, _SIZE, "normal"))
        room = (_WIDTH - 2 * _MARGIN - widths.sum()) / (number - 1)
        if room >= _GAP:
            break
    gap = np.clip(room, _GAP, _WIDEST_GAP)
    lefts = _MARGIN + np.cumsum([0, *(widths[:-1] + gap)])
    tops, bottoms, headings = _stack(grid, lines)
    return _Page(
        lefts=lefts,
        rights=lefts + widths,
        tops=tops,
        bottoms=bottoms,
        headings=headings,
        lines=lines,
        width=lefts[-1] + widths[-1] + _MARGIN,
        height=bottoms[-1] + _GUTTER,
    )


def _stack(
    grid: _Grid, lines: Mapping[Kind, tuple[Sequence[str], Sequence[str]]]
) -> tuple[list[float], list[float], dict[int, float]]:
    """Return tops and bottoms of the rows, and the tops of the headings of the bands by their first rows."""
    heights = np.zeros(max(grid.rows.values()) + 1)
    for kind, row in grid.rows.items():
        heights[row] = max(heights[row], _box_height(kind, lines[kind]))
    tops: list[float] = []
    bottoms: list[float] = []
    headings: dict[int, float] = {}
    y, band = _MARGIN, (None, None)
    for row, height in enumerate(heights):
        first = grid.chains[row][0] if row < len(grid.chains) else None
        if first and (first.study, first.protocol) != band:
            y += _GUTTER if row and first.study != band[0] else 0
            band = (first.study, first.protocol)
            headings[row] = y
            y += _LINE + _PAD_Y
        tops.append(y)
        bottoms.append(y + height)
        y += height + _GUTTER
    (report,) = (kind for kind in grid.columns if kind.role == "report")
    bottoms[-1] = max(bottoms[-1], tops[0] + _box_height(report, lines[report]))
    return tops, bottoms, headings


def _name_band(kind: Kind) -> tuple[str, str]:
    return kind.study.replace("_", " ").capitalize(), kind.protocol.replace("_", " ")


def _draw_headings(ax: Axes, grid: _Grid, page: _Page, colours: Mapping[str, str]) -> None:
    """Name the study beside, and the protocol above, the first row of each band; rules part the studies."""
    named = None
    for row, top in page.headings.items():
        first = grid.chains[row][0]
        study, protocol = _name_band(first)
        baseline = top + 0.75 * _LINE
        ax.text(page.lefts[1], baseline, protocol, fontsize=_SIZE, parse_math=False)
        if first.study != named:
            if named is not None:
                ax.plot([page.lefts[0], page.rights[-2]], [top - _GUTTER] * 2, zorder=0.5, **_RULE)
            place, colour = (page.lefts[0], top), colours[first.study]
            ax.add_patch(Rectangle(place, _STRIPE, _LINE, facecolor=colour, edgecolor="none"))
            left = page.lefts[0] + 2 * _STRIPE
            ax.text(left, baseline, study, fontsize=_SIZE, fontweight="bold", parse_math=False)
            named = first.study


def _find_way(source: Kind, target: Kind, grid: _Grid, page: _Page) -> list[tuple[float, float]]:
    """Return the points of an arrow; from one to the next it runs level, or changes its height between two columns.

    It leaves its row at once where the row of its target is free up to there, else where its own row ends; where neither
    is free, it runs below the row of its target.
    """
    columns, row = grid.columns, grid.rows[source]
    start = (page.rights[columns[source]], page.middle(row))
    if target.role == "report":
        return [start, (page.lefts[columns[target]], start[1])]
    below = grid.rows[target]
    end = (page.lefts[columns[target]], page.middle(below))
    if columns[target] == columns[source] + 1:
        return [start, end]
    after, before = page.lefts[columns[source] + 1], page.rights[columns[target] - 1]
    if grid.is_free(below, columns[source], columns[target]):
        return [start, (after, end[1]), end]
    if grid.is_free(row, columns[source], columns[target]):
        return [start, (before, start[1]), end]
    track = page.bottoms[below] + _GUTTER / 2
    return [start, (after, track), (before, track), end]


def _draw_edge(ax: Axes, way: Sequence[tuple[float, float]]) -> None:
    """Draw an arrow: level lines, S-shaped where the height changes, and a head that lies level."""
    tip, end = way[-1], (way[-1][0] - _HEAD, way[-1][1])
    points, codes = [way[0]], [Path.MOVETO]
    for (x0, y0), (x1, y1) in zip(way, [*way[1:-1], end], strict=False):
        if y0 == y1:
            points, codes = [*points, (x1, y1)], [*codes, Path.LINETO]
        else:
            middle = (x0 + x1) / 2
            points, codes = [*points, (middle, y0), (middle, y1), (x1, y1)], [*codes, *[Path.CURVE4] * 3]
    ax.add_patch(PathPatch(Path(points, codes), facecolor="none", label="arrow", zorder=1.5, **_EDGE))
    half = 0.4 * _HEAD
    head = [tip, (end[0], end[1] - half), (end[0], end[1] + half)]
    ax.add_patch(Polygon(head, facecolor=_EDGE["edgecolor"], edgecolor="none", zorder=1.5))


def _draw_kind(ax: Axes, kind: Kind, grid: _Grid, page: _Page, colour: str | None) -> None:
    """Draw a kind in the shape of its role, with its text."""
    column = grid.columns[kind]
    left, right = page.lefts[column], page.rights[column]
    named, counted = page.lines[kind]
    height = _box_height(kind, page.lines[kind])
    middle = page.middle(grid.rows[kind]) if kind.role != "report" else (page.tops[0] + page.bottoms[-1]) / 2
    look = {**_OUTLINE, "label": kind.role, "linestyle": "-" if kind.done == kind.cells else (0, (4, 2))}
    if kind.role == "report":
        _draw_page(ax, left, right, page.tops[0], page.bottoms[-1], look)
    elif kind.role == "data":
        _draw_cylinder(ax, left, right, middle - height / 2, middle + height / 2, look)
    else:
        corner = (left, middle - height / 2)
        ax.add_patch(Rectangle(corner, right - left, height, **look))
        ax.add_patch(Rectangle(corner, _STRIPE, height, facecolor=colour, edgecolor="none"))
    centre = (left + right + (_STRIPE if kind.role == "cells" else 0)) / 2
    # The lines, with the middle of their small letters in the middle of the box; below the lid of a cylinder.
    baseline = middle - _LINE * (len(named) + len(counted)) / 2 + 0.75 * _LINE + (_CAP if kind.role == "data" else 0)
    for place, line in enumerate([*named, *counted]):
        weight = "bold" if place < len(named) else "normal"
        at = (centre, baseline + place * _LINE)
        ax.text(*at, line, ha="center", fontsize=_SIZE, fontweight=weight, parse_math=False)


def _draw_page(ax: Axes, left: float, right: float, top: float, bottom: float, look: Mapping[str, object]) -> None:
    """Draw a sheet with a folded corner."""
    fold = (right - _FOLD, top + _FOLD)
    sheet = [(left, top), (fold[0], top), (right, fold[1]), (right, bottom), (left, bottom)]
    ax.add_patch(Polygon(sheet, **look))
    corner = [(fold[0], top), fold, (right, fold[1])]
    ax.add_patch(Polygon(corner, closed=False, fill=False, **{**look, "label": "fold"}))


def _draw_cylinder(ax: Axes, left: float, right: float, top: float, bottom: float, look: Mapping[str, object]) -> None:
    """Draw a cylinder: its body with a round bottom, and the lid."""
    top, bottom = top + _CAP, bottom - _CAP
    reach = 4 / 3 * _CAP  # of the control points of half an ellipse as one cubic curve
    up, down = (
        [(left, top - reach), (right, top - reach), (right, top)],
        [(right, bottom + reach), (left, bottom + reach)],
    )
    body = [(left, top), *up, (right, bottom), *down, (left, bottom), (left, top)]
    codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY]
    ax.add_patch(PathPatch(Path(body, codes), **look))
    lid = Path(
        [(left, top), (left, top + reach), (right, top + reach), (right, top)], [Path.MOVETO, *[Path.CURVE4] * 3]
    )
    ax.add_patch(PathPatch(lid, fill=False, **{**look, "label": "lid"}))
