"""The blocks of which a section of the report is made; the template knows each by its kind."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from gradlab.engine.results import CellResult
from gradlab.lab.svg import describe_svg, draw_svg

_PIXELS_OF_A_POINT = 4 / 3  # CSS


@dataclass(frozen=True)
class Heading:
    text: str
    kind: ClassVar[str] = "heading"


@dataclass(frozen=True)
class Text:
    """A paragraph, and the names of the cells that its numbers come from."""

    text: str
    cells: Sequence[str] = ()
    kind: ClassVar[str] = "text"


@dataclass(frozen=True)
class Cited:
    """A value, and the names of the cells that it comes from."""

    value: Any
    cells: Sequence[str]


@dataclass(frozen=True)
class Table:
    """A table; what is `Cited` in its rows is linked to the cells it comes from."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[Any]]
    kind: ClassVar[str] = "table"


@dataclass(frozen=True)
class Picture:
    """A figure as SVG, which says itself what it shows.

    Attributes
    ----------
    name
        Its name in the report, unlike that of any other picture of the section.
    file, cells
        The file, where a cell has saved it, and that cell's name; None and nothing for a figure of the report's own.
    finding
        What it shows, in a sentence: the title of a plot that stands beside the conclusions. Empty for others.
    inline, data
        As part of a page, with values to read off, and its data as CSV; empty for a figure that a cell saved.
    """

    name: str
    svg: str
    caption: str
    file: Path | None = None
    cells: Sequence[str] = ()
    finding: str = ""
    inline: str = ""
    data: str = ""
    kind: ClassVar[str] = "picture"

    @property
    def alt(self) -> str:
        """What the figure shows, for those who do not see it."""
        return describe_svg(self.svg)

    @cached_property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels; (0, 0) where the file gives none in points."""
        found = re.search(r'<svg[^>]* width="([\d.]+)pt" height="([\d.]+)pt"', self.svg)
        return tuple(round(_PIXELS_OF_A_POINT * float(length)) for length in found.groups()) if found else (0, 0)


@dataclass(frozen=True)
class Gallery:
    pictures: Sequence[Picture]
    kind: ClassVar[str] = "gallery"


@dataclass(frozen=True)
class Answers:
    answers: Sequence[Mapping[str, str]]
    kind: ClassVar[str] = "answers"


Block = Heading | Text | Table | Picture | Gallery | Answers


def cite(value: Any, *cells: CellResult) -> Cited | None:
    """Return a value with the cells that it comes from; None where there is no value."""
    return None if value is None else Cited(value, [cell.name for cell in cells])


def show_figure(cell: CellResult, name: str, caption: str, *, finding: str = "") -> Picture:
    """Return a figure that a cell saved under `name`."""
    file = cell.directory / f"{name}.svg"
    svg = file.read_text(encoding="utf-8")
    return Picture(f"{cell.protocol}-{cell.cell}-{name}", svg, caption, file, [cell.name], finding)


def draw(figure: Figure, name: str, *, alt: str, caption: str, finding: str = "", cells: Sequence[str] = ()) -> Picture:
    """Return a figure of the report's own, made from the named cells, and close it."""
    svg = draw_svg(figure, title=name, alt=alt)
    plt.close(figure)
    return Picture(name, svg, caption, cells=cells, finding=finding)
